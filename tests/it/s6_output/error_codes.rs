//! Every code of an error that the contract lists is in an event of some run. The lists are read from the contract itself.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Reply, Run, World, dead_url, sample, success};

/// The words in backquotes of the contract's text between `start` and `end`.
fn listed(start: &str, end: &str) -> BTreeSet<String> {
    let contract = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/contract.md")).unwrap();
    let (_, rest) = contract.split_once(start).unwrap();
    let (list, _) = rest.split_once(end).unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The codes of the errors of a task.
fn codes(run: &Run, id: &str) -> Vec<String> {
    let task = run.task(id);
    task["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap().to_owned()).collect()
}

/// A link to a private address counts only when the gateway is at a public one: the media host is a proxy, and answers for both.
fn code_of_a_private_address() -> Vec<String> {
    let (world, gateway) = (World::new(), "http://198.18.0.1");
    world.media.allow_key_for(gateway);
    let answer = success(&json!({"images": ["http://10.0.0.1/x.png"]}));
    world.media.script(&format!("{gateway}/task/t1"), [Reply::ok(answer.to_string())]);
    let mut command = world.command(&["--json", "--base-url", gateway, "t1"]);
    command.env("http_proxy", world.media.origin());
    codes(&world.audit(Running::start(command).wait(false)).exits(1), "t1")
}

#[test]
fn every_code_of_a_missing_file_is_in_the_event_of_its_task() {
    let world = World::new();
    let png = || Reply::ok(sample("picture.png"));
    let size = sample("picture.png").len();
    let part = format!("bytes 0-{}/{}", size - 1, size + 9);
    let script = |path: &str, reply: Reply| world.media.script(path, [reply]);
    let images = [
        (script("/gone", Reply::status("404 Not Found")), "dead_link"),
        (script("/odd", Reply::status("400 Bad Request")), "http_status"),
        (dead_url() + "/x.png", "network"),
        (script("/stalled", png().stall_after(9)), "timeout"),
        // A connection that breaks off is a fault of the network; this host says that there is more.
        (script("/part", png().chunked(&[]).header("Content-Range", &part)), "incomplete_body"),
        (script("/page", Reply::ok("<!doctype html><title>x</title>")), "refused_content"),
        (script("/large", Reply::ok(vec![7; 2 << 20]).content_type("image/png")), "too_large"),
        (script("/other", png().header("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")), "checksum_mismatch"),
        ("ftp://h/x.png".to_owned(), "bad_url"),
        (script("/here", png()), "disk"),
    ];
    let urls: Vec<&str> = images.iter().map(|(url, _)| url.as_str()).collect();
    world.serve_task("t1", &json!({"images": urls}));
    // A folder has the name of the last image, so that it can't be written.
    fs::create_dir_all(world.archive().join("t1/image-10.png/folder")).unwrap();
    let run = world.run_json(&["t1", "--retries", "0", "--stall-timeout", "1s", "--max-size", "1M"]).exits(1);
    let mut shown = codes(&run, "t1");
    assert_eq!(shown, images.map(|(_, code)| code), "{run:?}");
    shown.extend(code_of_a_private_address());
    assert_eq!(BTreeSet::from_iter(shown), listed("- `errors[].code` is one of", "`http_status` is there"));
}

/// The code of the `fatal` event, which is the last line.
fn fatal_code(run: &Run) -> String {
    let last = run.events().pop().unwrap();
    assert_eq!(last["event"], "fatal", "{run:?}");
    last["code"].as_str().unwrap().to_owned()
}

/// The program may open so few files that it can't start. Unix only: a shell sets the limit.
#[cfg(unix)]
#[test]
fn run_without_enough_open_files_ends_with_the_code_internal() {
    let world = World::new();
    let command = crate::support::run::with_limit("ulimit -n 8", &world.command(&["--json", "t1"]));
    let run = Running::start(command).wait(false).exits(2);
    assert_eq!(fatal_code(&run), "internal", "{run:?}");
    assert!(world.gateway_requests().is_empty());
}
