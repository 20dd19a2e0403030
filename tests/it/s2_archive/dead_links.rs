//! "For a dead link (401, 403, 404, 410) the gateway is asked for a fresh link, once." Other faults of a media host
//! cause no request to the gateway.
//!
//! "A 404 of a task that finished less than ten minutes ago or that this run saw unfinished" is no dead link for a minute. In
//! these tests there are no delays: then it is no dead link for twelve retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

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

/// The answer about a task that finished this many seconds ago.
fn finished(seconds_ago: i64, urls: &[&str]) -> Answer {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let mut answer = success(&json!({"images": urls}));
    answer["finish_time"] = json!(now - seconds_ago);
    Answer::json(200, &answer)
}

fn missing() -> Reply {
    Reply::status("404 Not Found")
}

#[test]
fn missing_link_of_a_new_task_is_requested_until_it_appears() {
    for seconds_ago in [0, 500, -300] {
        let world = World::new();
        let late = world.media.script("/late", [missing(), missing(), missing(), picture()]);
        world.answers("t1", [finished(seconds_ago, &[&late])]);
        let run = world.run(&["t1", "-v"]).exits(0);
        assert_eq!((world.media.request_count("/late"), world.gateway_requests().len()), (4, 1), "{seconds_ago}");
        assert!(run.stderr.contains("image-1 t1: HTTP 404 Not Found; retry in"), "{}", run.stderr);
    }
}

#[test]
fn missing_link_of_an_old_task_is_dead_at_once() {
    for (seconds_ago, args) in
        [(Some(700), &["t1"][..]), (Some(-9000), &["t1"]), (None, &["t1"]), (Some(0), &["t1", "--retries", "0"])]
    {
        let world = World::new();
        let dead = world.media.script("/dead", [missing(), picture()]);
        world.answers("t1", [seconds_ago.map_or_else(|| answer(&[&dead]), |seconds| finished(seconds, &[&dead]))]);
        world.run(args).exits(1);
        assert_eq!((world.media.request_count("/dead"), world.gateway_requests().len()), (1, 2), "{args:?}");
    }
}

#[test]
fn only_a_missing_link_may_be_late() {
    for status in ["401 Unauthorized", "403 Forbidden", "410 Gone"] {
        let world = World::new();
        let dead = world.media.script("/dead", [Reply::status(status), picture()]);
        world.answers("t1", [finished(0, &[&dead])]);
        world.run(&["t1"]).exits(1);
        assert_eq!(world.media.request_count("/dead"), 1, "{status}");
    }
}

#[test]
fn link_that_never_appears_is_refreshed_and_then_dead() {
    let world = World::new();
    let (never, fresh) = (world.media.script("/never", [missing()]), world.media.script("/fresh", [missing(), picture()]));
    world.answers("t1", [finished(0, &[&never])]);
    world.answers("t2", [finished(0, &[&never]), finished(0, &[&fresh])]);
    world.run(&["t1", "t2"]).exits(1);
    assert_eq!((world.media.request_count("/never"), world.media.request_count("/fresh")), (26, 2));
    assert_eq!(world.gateway_requests().len(), 4);
    assert_eq!(world.task_entry("t1")["errors"][0]["code"], "dead_link");
    assert_eq!(world.task_entry("t2")["state"], "complete", "the fresh link may be late, too");
}

#[test]
fn missing_link_of_a_task_that_was_unfinished_is_late() {
    let world = World::new();
    let late = world.media.script("/late", [missing(), missing(), picture()]);
    let pending = Answer::json(200, &json!({"status": "IN_PROGRESS"}));
    world.answers("t1", [pending, answer(&[&late])]);
    world.run(&["t1", "--wait", "--poll-delay", "1ms"]).exits(0);
    assert_eq!((world.media.request_count("/late"), world.gateway_requests().len()), (3, 2));
}

#[test]
fn age_of_a_task_is_judged_by_the_clock_of_the_gateway() {
    let date = |seconds: u64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    for (answered_at, requests) in [(1_000_000_030, 2), (1_000_000_700, 1)] {
        let world = World::new();
        world.media.allow_key_for("/task/");
        let late = world.media.script("/late", [missing(), picture()]);
        let mut body = success(&json!({"images": [late]}));
        body["finish_time"] = json!(1_000_000_000);
        world.media.script("/task/t1", [Reply::ok(body.to_string()).header("Date", &date(answered_at))]);
        world.run(&["t1", "--base-url", &world.media.origin()]);
        assert_eq!(world.media.request_count("/late"), requests);
    }
}

#[test]
fn late_link_holds_no_download_slot() {
    let world = World::new();
    let is_requested = Arc::new(AtomicBool::new(false));
    let (seen, appears) = (Arc::clone(&is_requested), is_requested);
    let late = Reply::dynamic(move |_| if appears.load(Ordering::SeqCst) { picture() } else { missing() });
    let good = Reply::dynamic(move |_| {
        seen.store(true, Ordering::SeqCst);
        picture()
    });
    let (late, good) = (world.media.script("/late", [late]), world.media.script("/good", [good]));
    world.answers("t1", [finished(0, &[&late, &good])]);
    world.run(&["t1", "-j", "1"]).exits(0);
}

#[test]
#[cfg(unix)]
fn stop_during_the_wait_for_a_late_link_is_no_dead_link() {
    let world = World::new();
    let requested = crate::support::Gate::default();
    let late = world.media.script("/late", [missing().notify_on_request(&requested)]);
    world.answers("t1", [finished(0, &[&late])]);
    let running = crate::support::run::Running::start(world.plain_command(&["--json", "t1", "--retry-delay", "60s"]));
    assert!(requested.wait());
    let killed = std::process::Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(killed.success());
    world.audit(running.wait(true)).exits(130);
    assert_eq!(world.gateway_requests().len(), 1);
    assert!(!world.archive().join("t1/manifest.json").exists());
}
