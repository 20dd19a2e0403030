//! "A key never appears in any output, log, manifest or error", and it is sent to the gateway's origin only.
//!
//! The audit searches the output and archive of every run for it. A media host that receives any `Authorization`
//! fails its test.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::run::Running;
use crate::support::{Answer, KEY, Reply, World, sample, success};

#[test]
fn key_echoed_by_the_gateway_is_redacted_everywhere() {
    let bare = KEY.strip_prefix("sk-").unwrap();
    for answer in [
        Answer::json(401, &json!({"error": {"message": format!("Invalid token {KEY}")}})),
        Answer::json(400, &json!({"error": format!("Bearer {KEY} is odd")})),
        Answer::json(500, &json!({"message": KEY})),
        Answer::json(200, &json!({"status": "FAILURE", "err_reason": format!("quota of {bare} exceeded")})),
        Answer::raw(
            200,
            format!(r#"{{"status":"SUCCESS","{KEY}":1,"\u0073{}":["{bare}"],"task_result":{{"text":"{KEY}"}}}}"#, &KEY[1..]),
        ),
        Answer::json(200, &json!({"status": KEY})),
        Answer::raw(200, format!("not JSON {KEY}")),
        Answer::json(200, &json!({"status": "FAILURE", "err_reason": format!("data: no words, {KEY}")})),
        Answer::json(400, &json!({"error": {"message": format!("data:,{bare}")}})),
    ] {
        let world = World::new();
        world.answers("t1", [answer]);
        for args in
            [&["t1", "-vv", "--retries", "0"][..], &["t1", "--json", "--retries", "0"], &["t1", "--dry-run", "--retries", "0"]]
        {
            let run = world.run(args);
            assert!(!(run.stdout.clone() + &run.stderr).contains(bare), "{run:?}");
        }
        assert!(world.tree().values().all(|(bytes, _)| !String::from_utf8_lossy(bytes).contains(bare)));
    }
}

#[test]
fn key_in_asset_urls_is_redacted_and_not_sent_to_media_hosts() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [format!("{}/dead/{KEY}?key={KEY}", world.media.origin()), format!("ftp://{KEY}/"), format!("data:{KEY},x")]}));
    world.run(&["t1", "-vv"]).exits(1);
    world.run(&["t1", "--json"]).exits(1);
    assert!(world.media.heads().iter().all(|head| !head.contains(KEY)), "not even in a link to a media host");
}

#[test]
fn encoded_echoes_of_the_key_are_redacted() {
    let percent = |format: &dyn Fn(u8) -> String| KEY.bytes().map(format).collect::<String>();
    let echoes = [
        percent(&|byte| format!("%{byte:02X}")),
        percent(&|byte| format!("%{byte:02x}")),
        percent(&|byte| format!("%25{byte:02x}")),
        percent(&|byte| format!("\\u{byte:04X}")),
        KEY.replace('-', "%2D"),
        KEY.to_uppercase(),
        STANDARD.encode(KEY),
        URL_SAFE_NO_PAD.encode(format!("Bearer {KEY}")),
        STANDARD.encode(format!("user:{KEY}")),
        STANDARD.encode(format!("us:{KEY}\n")),
    ];
    for echo in &echoes {
        let world = World::new();
        let fields = json!({"status": "FAILURE", "err_reason": format!("denied: <{echo}>"), "echo": {"x": [echo]}, echo: 1});
        world.answer("t1", &fields);
        world.answers("t2", [Answer::json(400, &json!({"error": {"message": format!("token {echo} is odd")}}))]);
        let image = format!("{}?token={echo}", world.serve_sample("picture.png"));
        world.answers("t3", [Answer::json(200, &success(&json!({"text": echo, "images": [image]})))]);
        let run = world.run(&["t1", "t2", "t3", "-vv", "--retries", "0"]);
        let everywhere = world.tree().into_values().map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
        for text in everywhere.chain([run.stdout.clone(), run.stderr.clone()]) {
            let plain = text.replace("\\\\", "\\");
            assert!(!plain.contains(echo.as_str()), "{echo} in {text}");
        }
        assert!(run.stderr.contains("[key]"), "{run:?}");
    }
}

#[test]
fn gateway_link_is_requested_verbatim_and_recorded_without_the_key() {
    let world = World::new();
    world.answers_at("/file/x.png", [Answer::raw(200, sample("picture.png"))]);
    world.serve_task("t1", &json!({"images": [format!("{}/file/x.png?a=%2F&key={KEY}&b='", world.base_url())]}));
    world.run(&["t1"]).exits(0);
    let request = world.gateway_requests().into_iter().find(|request| request.url.path() == "/file/x.png").unwrap();
    assert!(request.url.query().unwrap().contains(&format!("key={KEY}&")), "{}", request.url);
    assert_eq!(world.task_entry("t1")["files"][0]["url"], format!("{}/file/x.png?a=%2F&key=[key]&b='", world.base_url()));
}

#[test]
fn link_with_the_key_to_another_host_is_rejected() {
    let world = World::new();
    let elsewhere = format!("{}?key={KEY}", world.serve_sample("picture.png"));
    world.answers_at("/away", [Answer::redirect(&elsewhere)]);
    world.serve_task("t1", &json!({"images": [&elsewhere, format!("{}/away", world.base_url())]}));
    let run = world.run(&["t1"]).exits(1);
    assert_eq!(run.stderr.matches("holds the API key").count(), 2, "{run:?}");
    assert_eq!(world.media.heads().len(), 0);
}

#[test]
fn etag_containing_the_key_is_not_written_to_disk() {
    let world = World::new();
    let body = vec![7; 9 << 20];
    let url = world.media.script("/x.bin", [Reply::ok(body).header("ETag", &format!("\"{KEY}\"")).cut_after(6 << 20)]);
    world.serve_task("t1", &json!({"videos": [url]}));
    world.run(&["t1", "--retries", "0"]).exits(1);
}

#[test]
fn quoted_key_is_unquoted() {
    for given in [format!("\"{KEY}\""), format!("'{KEY}'"), format!(" \"Bearer {KEY}\" ")] {
        let world = World::new();
        world.answers("t1", [Answer::json(400, &json!({"error": format!("{KEY} is odd")}))]);
        let mut command = world.command(&["t1", "--retries", "0"]);
        command.env("YESCALE_API_KEY", &given);
        let run = world.audit(Running::start(command).wait(false)).exits(1);
        assert!(run.stderr.contains("[key] is odd"), "{run:?}");
        assert_eq!(world.gateway_requests()[0].headers["authorization"], format!("Bearer {KEY}").as_str());
        world.write_file("key", &given);
        world.run(&["t1", "--retries", "0", "--api-key-file", "key"]).exits(1);
        assert_eq!(world.gateway_requests()[1].headers["authorization"], format!("Bearer {KEY}").as_str());
    }
}

#[test]
fn gateway_redirect_to_another_origin_is_rejected() {
    let world = World::new();
    let elsewhere = world.media.script("/task/t1", [Reply::ok(success(&json!({"text": "stolen"})).to_string())]);
    world.answers("t1", [Answer::redirect(&elsewhere)]);
    world.run(&["t1", "--retries", "0"]).exits(1);
    assert_eq!(world.media.heads().len(), 0);
}

#[test]
fn redirect_within_the_origin_keeps_the_key() {
    let world = World::new();
    world.answers("t1", [Answer::redirect("/moved/t1")]);
    world.answers_at("/moved/t1", [Answer::json(200, &success(&json!({"text": "la"})))]);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.gateway_requests()[1].headers["authorization"], format!("Bearer {KEY}").as_str());
}

#[test]
fn gateway_link_gets_the_key_only_after_401_or_403() {
    let world = World::new();
    let image = || Answer::raw(200, sample("picture.png"));
    world.answers_at("/open", [image()]);
    world.answers_at("/closed", [Answer::raw(401, ""), image()]);
    world.answers_at("/forbidden", [Answer::raw(403, ""), image()]);
    let urls = ["/open", "/closed", "/forbidden"]
        .map(|path| json!({"url": format!("{}{path}", world.base_url()), "content_type": "image/png"}));
    world.serve_task("t1", &json!({"images": urls}));
    world.run(&["t1"]).exits(0);
    let keyed: Vec<(String, bool)> = world
        .gateway_requests()
        .iter()
        .filter(|question| !question.url.path().starts_with("/task/"))
        .map(|question| (question.url.path().to_owned(), question.headers.contains_key("authorization")))
        .collect();
    assert_eq!(keyed.iter().filter(|(path, _)| path == "/open").collect::<Vec<_>>(), [&("/open".to_owned(), false)]);
    for path in ["/closed", "/forbidden"] {
        let tries: Vec<bool> = keyed.iter().filter(|(requested, _)| requested == path).map(|(_, keyed)| *keyed).collect();
        assert_eq!(tries, [false, true], "{path}");
    }
}

#[test]
fn media_request_with_the_key_never_leaves_the_origin() {
    let world = World::new();
    let elsewhere = world.serve_sample("picture.png");
    world.answers_at("/closed", [Answer::raw(401, ""), Answer::redirect(&elsewhere)]);
    world.serve_task("t1", &json!({"images": [format!("{}/closed", world.base_url())]}));
    // The link may be fetched without the key, or refused: the check of the media host is the test.
    let run = world.run(&["t1", "--retries", "0"]);
    assert!(matches!(run.code, Some(0 | 1)) && world.gateway_requests().len() >= 3, "{run:?}");
}

#[test]
fn other_port_of_the_gateway_host_never_gets_the_key() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::status("401 Unauthorized")]);
    world.serve_task("t1", &json!({"images": [url]}));
    world.run(&["t1"]).exits(1);
    assert!(world.media.request_count("/x") >= 1, "requested, and never with the key");
}

#[test]
fn key_in_a_wrong_argument_is_not_echoed() {
    let world = World::new();
    for args in [
        &["--api-key", KEY, "t1"][..],
        &[&format!("--api-key={KEY}"), "t1"],
        &["t1", "--base-url", &format!("https://h/?key={KEY}")],
        &["t1", "--base-url", &format!("https://{}/", KEY.to_uppercase())],
        &["t1", "--base-url", KEY],
        &["t1", "--user-agent", &format!("x {KEY}")],
        &["t1", "--jobs", KEY],
        &["t1", "--only", &format!("video,{KEY}")],
        &["t1", "-i", KEY],
        &["t1", "--ca-cert", &format!("certs/{KEY}")],
        &["t1", "--config", KEY],
        &["t1", "--api-key-file", KEY],
        &["t1", "--api-key-file", &KEY[3..]],
        &["t1", &format!("--no-such={KEY}")],
    ] {
        let run = world.run(args).exits(2);
        assert!(!(run.stdout + &run.stderr).to_lowercase().contains(&KEY[3..]), "{args:?}");
    }
    world.write_file("c.toml", format!("jobs = \"{KEY}\""));
    world.run(&["t1", "--config", "c.toml"]).exits(2);
    world.write_file("c.toml", format!("{KEY} = 1"));
    world.run(&["t1", "--config", "c.toml"]).exits(2);
    for (args, code) in
        [(&["verify", KEY][..], 2), (&["export", KEY], 2), (&["config", "--base-url", &format!("https://h/{KEY}")], 0)]
    {
        let run = world.audit(Running::start(world.plain_command(args)).wait(false)).exits(code);
        assert!((run.stdout + &run.stderr).contains("[key]"), "{args:?}");
    }
}

#[test]
fn key_in_a_wrong_argument_is_not_echoed_without_another_key() {
    let world = World::new();
    for args in [&["--api-key", KEY, "t1"][..], &["t1", "--base-url", KEY], &["t1", "--jobs", KEY], &["t1", "-i", KEY]] {
        let mut command = world.command(args);
        command.env_remove("YESCALE_API_KEY");
        world.audit(Running::start(command).wait(false)).exits(2);
    }
}

#[test]
fn key_in_place_of_an_id_is_rejected_and_not_echoed() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.run(&[KEY, "t1"]).exits(2);
    assert_eq!(world.gateway_requests().len(), 0);
    let run = world.run_with_input(&format!("{KEY}\nt1\n{{\"id\":\"{KEY}\"}}\n"), &["--json", "-i", "-"]).exits(2);
    assert_eq!((run.state("t1").as_str(), world.requested_paths()), ("complete", vec!["/task/t1".to_owned()]));
    assert_eq!(run.stderr.matches("the API key is given as a task id").count(), 2, "{run:?}");
}

#[test]
fn key_in_input_metadata_is_redacted() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let line = json!({"id": "t1", "headers": [{"Authorization": format!("Bearer {KEY}")}], KEY: 1, "n": 1.50});
    world.run_with_input(&line.to_string(), &["-i", "-"]).exits(0);
    assert_eq!(world.task_entry("t1")["meta"], json!({"headers": [{"Authorization": "Bearer [key]"}], "[key]": 1, "n": 1.5}));
}
