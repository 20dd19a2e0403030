//! "For a dead link (401, 403, 404, 410) the gateway is asked for a fresh link, once." Other faults of a media host
//! cause no request to the gateway.

use serde_json::{Value, json};

use crate::support::{Answer, KEY, RemoteFile, Reply, ServerFault, World, sample, success};

fn answer(urls: &[&str]) -> Answer {
    Answer::json(200, &success(&json!({"images": urls})))
}

fn picture() -> Reply {
    Reply::ok(sample("picture.png")).content_type("image/png")
}

#[test]
fn dead_links_are_refreshed_once_per_task() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"] {
        let world = World::new();
        let dead: Vec<String> = (1..4).map(|n| world.media.script(&format!("/dead-{n}"), [Reply::status(status)])).collect();
        let fresh: Vec<String> = (1..4).map(|n| world.media.script(&format!("/fresh-{n}"), [picture()])).collect();
        let urls = |urls: &[String]| answer(&urls.iter().map(String::as_str).collect::<Vec<_>>());
        world.answers("t1", [urls(&dead), urls(&fresh)]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.gateway_requests().len(), 2, "{status}: once for all three");
        for n in 1..4 {
            assert_eq!(world.media.request_count(&format!("/dead-{n}")), 1, "{status}");
            assert_eq!(world.media.request_count(&format!("/fresh-{n}")), 1, "{status}");
            assert_eq!(world.task_entry("t1")["files"][n - 1]["url"], *fresh[n - 1], "the entry names the link that worked");
        }
    }
}

#[test]
fn same_link_is_not_retried_and_a_second_dead_link_is_final() {
    for (second, requests) in [("/dead", [1, 0]), ("/also-dead", [1, 1])] {
        let world = World::new();
        for path in ["/dead", "/also-dead"] {
            world.media.script(path, [Reply::status("403 Forbidden")]);
        }
        let url = |path: &str| format!("{}{path}", world.media.origin());
        world.answers("t1", [answer(&[&url("/dead")]), answer(&[&url(second)])]);
        world.run(&["t1"]).exits(1);
        assert_eq!(world.gateway_requests().len(), 2, "{second}");
        assert_eq!(["/dead", "/also-dead"].map(|path| world.media.request_count(path)), requests);
        assert_eq!(world.task_entry("t1")["errors"][0]["error"], "HTTP 403 Forbidden");
    }
}

#[test]
fn failed_link_refresh_keeps_the_other_files() {
    for (then, code) in [
        (Answer::raw(404, "{\"error\":\"Task not found\"}"), 1),
        (Answer::json(200, &json!({"status": "FAILURE", "err_reason": "expired"})), 1),
        (Answer::json(200, &success(&json!({}))), 1),
        (Answer::json(200, &json!({"status": "PENDING"})), 1),
        (Answer::raw(200, "{"), 1),
        (Answer::html(200), 1),
    ] {
        let world = World::new();
        let (dead, good) = (world.media.script("/dead", [Reply::status("410 Gone")]), world.media.script("/good", [picture()]));
        world.answers("t1", [answer(&[&good, &dead]), then]);
        world.run(&["t1", "--retries", "1"]).exits(code);
        let entry = world.task_entry("t1");
        assert_eq!((entry["state"].as_str(), entry["files"].as_array().map(Vec::len)), (Some("incomplete"), Some(1)));
        assert_eq!(entry["errors"][0]["index"], Value::from(2));
    }
}

#[test]
fn key_rejected_during_a_refresh_ends_the_run() {
    let world = World::new();
    let dead = world.media.script("/dead", [Reply::status("410 Gone")]);
    world.answers("t1", [answer(&[&dead]), Answer::json(401, &json!({"error": {"message": "Invalid token"}}))]);
    let run = world.run(&["t1"]).exits(2);
    assert!(run.stderr.contains("Invalid token"), "{}", run.stderr);
}

#[test]
fn other_statuses_do_not_refresh_links() {
    for status in ["400 Bad Request", "402 Payment Required", "405 No", "416 No", "451 No", "500 Oops", "503 Busy"] {
        let world = World::new();
        let bad = world.media.script("/bad", [Reply::status(status)]);
        world.answers("t1", [answer(&[&bad])]);
        world.run(&["t1", "--retries", "1"]).exits(1);
        assert_eq!(world.gateway_requests().len(), 1, "{status}");
    }
}

#[test]
fn download_resumes_at_the_fresh_link() {
    let world = World::new();
    let remote =
        RemoteFile::new(&world, "/old.mp4", 900_000, &[ServerFault::CutAt(400_000), ServerFault::Status("403 Forbidden", &[])]);
    let fresh = remote.serve_at(&world, "/new.mp4", &[ServerFault::Healthy]);
    let videos = |url: &str| Answer::json(200, &success(&json!({"videos": [url]})));
    world.answers("t1", [videos(&remote.url), videos(&fresh)]);
    world.run(&["t1"]).exits(0);
    assert_eq!(crate::support::faults::requests_at(&world, "/new.mp4")[0].range_start(), 400_000);
    assert_eq!(std::fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *remote.bytes);
}

#[test]
fn each_run_refreshes_a_dead_link_once() {
    let world = World::new();
    let dead = world.media.script("/dead", [Reply::status("404 Not Found")]);
    world.answers("t1", [answer(&[&dead])]);
    for run in 1..3 {
        world.run(&["t1"]).exits(1);
        assert_eq!((world.gateway_requests().len(), world.media.request_count("/dead")), (2 * run, run));
    }
    assert!(world.gateway_requests().iter().all(|question| question.headers["authorization"] == format!("Bearer {KEY}")));
}
