//! `--allow-private-hosts`: where asset URLs may lead when the gateway itself is at a public address; and proxies.
//!
//! "A value that can't be read as a proxy means exit code 2, never a direct connection. A failing proxy is named,
//! with its status."

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Reply, Run, World, sample, success};

/// Runs behind a proxy, so that the gateway can have a public address without a real connection to it. The media host
/// of `world` is that proxy, and answers for the gateway too.
fn behind_proxy(world: &World, url: &str, args: &[&str]) -> Run {
    let gateway = "http://198.18.0.1";
    world.media.allow_key_for(gateway);
    let answer = success(&json!({"images": [url]}));
    world.media.script(&format!("{gateway}/task/t1"), [Reply::ok(answer.to_string())]);
    let mut command = world.command(&[&["--json", "--base-url", gateway, "t1"], args].concat());
    command.env("http_proxy", world.media.origin());
    world.audit(Running::start(command).wait(false))
}

#[test]
fn link_to_a_private_address_is_rejected_unless_allowed() {
    for host in [
        "127.0.0.1:9",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "2130706433",
        "0.0.0.0",
        "localhost:9",
        "LOCALHOST.",
        "a.localhost",
        "localhost.:9",
        "127.0.0.1.",
        "0177.1",
        "[::ffff:0:10.0.0.1]",
        "[2001::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[100::1]",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
    ] {
        let world = World::new();
        let run = behind_proxy(&world, &format!("http://{host}/x.png"), &[]).exits(1);
        assert_eq!(run.state("t1"), "incomplete", "{host}");
        assert_eq!(world.media.heads().len(), 1, "only the gateway was asked: {host}");
    }
    let world = World::new();
    world.media.script("http://10.0.0.1/x.png", [Reply::ok(sample("picture.png"))]);
    behind_proxy(&world, "http://10.0.0.1/x.png", &["--allow-private-hosts"]).exits(0);
}

#[test]
fn redirect_to_a_private_address_is_rejected() {
    for to in ["http://10.0.0.1/y", "http://[::ffff:10.0.0.1]/y", "http://127.1/y"] {
        let world = World::new();
        world.media.script("http://198.18.0.2/x.png", [Reply::redirect(to)]);
        let run = behind_proxy(&world, "http://198.18.0.2/x.png", &[]).exits(1);
        assert_eq!((run.state("t1").as_str(), world.media.heads().len()), ("incomplete", 2), "{to}");
    }
    let world = World::new();
    world.media.script("http://198.18.0.2/x.png", [Reply::redirect("http://198.18.0.3/y")]);
    world.media.script("http://198.18.0.3/y", [Reply::ok(sample("picture.png"))]);
    behind_proxy(&world, "http://198.18.0.2/x.png", &[]).exits(0);
}

#[test]
fn invalid_proxy_ends_the_run_before_any_request() {
    for proxy in ["\"http://u:secret@127.0.0.1:9\"", "sock5h://u:secret@127.0.0.1:9", "socks://127.0.0.1:9", "ftp://127.0.0.1:9"]
    {
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            let world = World::new();
            world.serve_task("t1", &json!({"text": "la"}));
            let mut command = world.command(&["t1"]);
            command.env(name, proxy);
            let run = world.audit(Running::start(command).wait(false)).exits(2);
            // Windows ignores the case of names, so the program finds both spellings under the first that it reads.
            let reported = if cfg!(windows) { name.to_lowercase() } else { name.to_owned() };
            assert!(run.stderr.contains(&reported) && !run.stderr.contains("secret"), "{run:?}");
            assert_eq!(world.gateway_requests().len(), 0, "{name}={proxy}");
        }
    }
}

#[test]
fn empty_proxy_and_no_proxy_connect_directly() {
    for set in
        [&[("http_proxy", " "), ("ALL_PROXY", "")][..], &[("HTTP_PROXY", "http://127.0.0.1:9"), ("no_proxy", "a 127.0.0.0/8")]]
    {
        let world = World::new();
        world.serve_task("t1", &json!({"text": "la"}));
        let mut command = world.command(&["t1"]);
        command.envs(set.iter().copied());
        world.audit(Running::start(command).wait(false)).exits(0);
    }
}

#[test]
fn failing_proxy_is_named_without_its_password() {
    let world = World::new();
    let gateway = "http://198.18.0.1/task/";
    world.media.script(&format!("{gateway}t1"), [Reply::status("407 Proxy Authentication Required")]);
    world.media.allow_key_for(gateway);
    let failure = |variable: &str, proxy: &str, gateway: &str| {
        let mut command = world.command(&["--retries", "0", "--base-url", gateway, "t1"]);
        command.env(variable, proxy);
        Running::start(command).wait(false).exits(2).stderr
    };
    let proxy = world.media.origin();
    let stderr = failure("http_proxy", &proxy.replace("http://", "http://user:secret@"), "http://198.18.0.1");
    assert!(stderr.contains(&format!("the proxy {proxy} answers HTTP 407")) && !stderr.contains("secret"), "{stderr}");
    let stderr = failure("HTTPS_PROXY", &proxy, "https://198.18.0.1");
    assert!(stderr.contains(&format!("the proxy {proxy} answers HTTP 404")), "{stderr}");
    for (variable, gateway) in [("all_proxy", "http://198.18.0.1"), ("HTTPS_PROXY", "https://198.18.0.1")] {
        let stderr = failure(variable, "http://user:secret@127.0.0.1:1", gateway);
        assert!(stderr.contains("through the proxy http://127.0.0.1:1") && !stderr.contains("secret"), "{stderr}");
    }
}

#[test]
fn refused_tunnel_is_named_with_its_status_also_beside_exceptions() {
    let world = World::new();
    for (status, proxy_variable) in [("403 Forbidden", "HTTPS_PROXY"), ("502 Bad Gateway", "ALL_PROXY")] {
        world.media.script("198.18.0.1:443", [Reply::status(status)]);
        let mut command = world.command(&["--retries", "0", "--base-url", "https://198.18.0.1", "t1"]);
        command.env(proxy_variable, world.media.origin()).env("NO_PROXY", "localhost,10.0.0.0/8");
        let run = Running::start(command).wait(false).exits(2);
        let words = format!("the proxy {} answers HTTP {}", world.media.origin(), &status[..3]);
        assert!(run.stderr.contains(&words), "{}", run.stderr);
    }
    // A tunnel for an asset.
    world.media.script("198.18.0.2:443", [Reply::status("407 Proxy Authentication Required")]);
    world.serve_task("t2", &json!({"images": ["https://198.18.0.2/x.png"]}));
    let mut command = world.command(&["--retries", "0", "t2"]);
    command.env("https_proxy", world.media.origin()).env("NO_PROXY", "localhost");
    world.audit(Running::start(command).wait(false)).exits(1);
    let entry = world.task_entry("t2");
    let error = entry["errors"][0]["error"].as_str().unwrap();
    assert!(error.contains(&format!("the proxy {} answers HTTP 407", world.media.origin())), "{error}");
}

#[test]
fn key_in_clear_to_a_public_host_brings_one_warning() {
    const WORDS: &str = "without encryption";
    let world = World::new();
    let gateway = "http://198.18.0.1";
    world.media.allow_key_for(&format!("{gateway}/task/"));
    for id in ["t1", "t2"] {
        let answer = success(&json!({"text": "la"}));
        world.media.script(&format!("{gateway}/task/{id}"), [Reply::ok(answer.to_string())]);
    }
    let run = |args: &[&str]| {
        let mut command = world.command(&[&["--base-url", gateway], args].concat());
        command.env("http_proxy", world.media.origin());
        world.audit(Running::start(command).wait(false)).exits(0)
    };
    let stderr = run(&["t1", "t2"]).stderr;
    assert_eq!(stderr.matches(WORDS).count(), 1, "{stderr}");
    assert!(stderr.contains(gateway), "{stderr}");
    assert!(!run(&["t1", "t2"]).stderr.contains(WORDS), "nothing was asked, so nothing was sent");

    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let run = world.run(&["t1"]).exits(0);
    assert!(!run.stderr.contains(WORDS), "the gateway is at a loopback address: {}", run.stderr);
}

#[test]
fn gateway_redirect_to_a_private_address_is_rejected() {
    let world = World::new();
    let gateway = "http://198.18.0.1";
    world.media.allow_key_for(gateway);
    world.media.script(&format!("{gateway}/x.png"), [Reply::status("401 No"), Reply::redirect("http://10.0.0.1/y")]);
    let run = behind_proxy(&world, &format!("{gateway}/x.png"), &["--retries", "0"]).exits(1);
    assert_eq!(run.task("t1")["state"], "incomplete");
    assert_eq!(world.task_entry("t1")["errors"][0]["code"], "private_address");
    assert!(world.media.heads().iter().all(|head| !head.contains("10.0.0.1")));
}
