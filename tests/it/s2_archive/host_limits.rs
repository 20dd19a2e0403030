//! Hosts that take fewer requests than the run could send, and hosts that are slow.

use std::time::Duration;

use serde_json::json;

use crate::support::{Gate, KEY, MediaServer, RemoteFile, Reply, ServerFault, World, sample, success};

/// A picture that takes a moment, so that requests overlap.
fn slow_picture() -> Reply {
    Reply::ok(sample("picture.png")).throttled(1 << 20, Duration::from_millis(5))
}

fn image_paths(media: &MediaServer, count: usize, reply: &Reply) -> Vec<String> {
    (0..count).map(|n| media.script(&format!("/{n}.png"), [reply.clone()])).collect()
}

#[test]
fn host_that_takes_few_requests_loses_no_file() {
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        for limit in [1, 2, 5] {
            let world = World::new();
            let urls = image_paths(&world.media, 60, &slow_picture());
            world.serve_task("t1", &json!({"images": urls}));
            world.media.limit_concurrency(limit, Reply::status(status));
            // Not even a retry is needed: the refusals concern the host, not the files.
            let run = world.run(&["t1", "--retries", "0", "-v"]).exits(0);
            assert_eq!(world.task_entry("t1")["files"].as_array().map(Vec::len), Some(60));
            assert!(run.stderr.contains("at once to this host"), "{}", run.stderr);
            let refused = world.media.heads().len() - 60;
            // Without a limit, each of the 60 would be refused again and again.
            assert!(refused <= 180, "{limit} at once: {refused} refusals");
        }
    }
}

#[test]
fn host_that_closes_further_connections_loses_no_file() {
    let world = World::new();
    let urls = image_paths(&world.media, 60, &slow_picture());
    world.serve_task("t1", &json!({"images": urls}));
    world.media.limit_concurrency(2, Reply::raw(""));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.task_entry("t1")["files"].as_array().map(Vec::len), Some(60));
}

#[test]
fn gateway_that_takes_few_requests_loses_no_task() {
    let world = World::new();
    let gateway = MediaServer::start();
    gateway.allow_key_for("/task/");
    let ids: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    for id in &ids {
        let answer = success(&json!({"text": "la"})).to_string();
        gateway.script(&format!("/task/{id}"), [Reply::ok(answer).throttled(1 << 20, Duration::from_millis(5))]);
    }
    gateway.limit_concurrency(2, Reply::status("503 Service Unavailable"));
    let mut command = world.plain_command(&["--retry-delay", "1ms", "--retries", "0", "--base-url", &gateway.origin()]);
    command.args(&ids).env("YESCALE_API_KEY", KEY);
    let run = world.audit(crate::support::run::Running::start(command).wait(false)).exits(0);
    assert!(run.stdout.contains("60"), "{}", run.stdout);
}

#[test]
fn host_that_keeps_all_downloads_busy_does_not_block_other_hosts() {
    let world = World::new();
    let other = MediaServer::start();
    let gate = Gate::default();
    // These end only when the other host has been asked.
    let stuck = image_paths(&world.media, 40, &slow_picture().after_gate(&gate));
    let quick = other.script("/quick.png", [slow_picture().notify_on_request(&gate)]);
    world.serve_task("t1", &json!({"images": stuck}));
    world.serve_task("t2", &json!({"images": [quick]}));
    world.run(&["t1", "t2", "-j", "4"]).exits(0);
    assert!(world.media.max_active() <= 4, "{} downloads at once", world.media.max_active());
}

#[test]
fn downloads_of_one_host_stay_within_the_number_of_jobs() {
    let world = World::new();
    let urls = image_paths(&world.media, 20, &slow_picture());
    world.serve_task("t1", &json!({"images": urls}));
    world.run(&["t1", "-j", "3"]).exits(0);
    assert!(world.media.max_active() <= 3, "{} downloads at once", world.media.max_active());
}

/// A file whose first response is far slower than the rate that `arguments` ask for.
fn slow_file(script: &[ServerFault], arguments: &[&str]) -> usize {
    let world = World::new();
    // More than a busy machine receives before it cuts a transfer twice.
    let remote = RemoteFile::new(&world, "/a.mp4", 800_000, script);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    let timeout = ["t1", "--stall-timeout", "1s"];
    world.run(&[&timeout, arguments].concat()).exits(0);
    assert_eq!(std::fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *remote.bytes);
    let requests = remote.requests(&world);
    for request in requests.iter().skip(1) {
        assert!(request.range_start() > 0, "each further request resumes: {requests:?}");
    }
    requests.len()
}

#[test]
fn transfer_below_the_minimum_rate_is_resumed_on_another_connection() {
    // At most 200,000 bytes per second.
    let slow = ServerFault::Slow;
    assert_eq!(slow_file(&[slow.clone(), ServerFault::Healthy], &["--min-rate", "100M"]), 2);
    assert_eq!(slow_file(&[slow.clone(), ServerFault::Healthy], &["--min-rate", "1K"]), 1, "that is quick enough");
    assert_eq!(slow_file(&[slow, ServerFault::Healthy], &[]), 1, "no minimum");
}

#[test]
fn last_attempt_is_never_cut_for_its_rate() {
    let slow = [ServerFault::Slow];
    assert_eq!(slow_file(&slow, &["--min-rate", "100M", "--retries", "0"]), 1);
    assert_eq!(slow_file(&slow, &["--min-rate", "100M", "--retries", "2"]), 3);
}

#[test]
fn transfer_that_can_not_be_resumed_is_never_cut_for_its_rate() {
    let world = World::new();
    let picture = sample("picture.png");
    let picture = Reply::ok(picture.clone()).throttled(picture.len() / 20, Duration::from_millis(100));
    let url = world.media.script("/a.png", [picture]);
    world.serve_task("t1", &json!({"images": [url]}));
    world.run(&["t1", "--stall-timeout", "1s", "--min-rate", "1G"]).exits(0);
    assert_eq!(world.media.request_count("/a.png"), 1);
}

#[test]
fn rate_limit_of_our_own_is_not_slowness_of_the_host() {
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", 400_000, &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    // It takes two seconds, nearly all of them spent waiting for the limit.
    world.run(&["t1", "--stall-timeout", "1900ms", "--min-rate", "1M", "--limit-rate", "200K"]).exits(0);
    assert_eq!(remote.requests(&world).len(), 1);
}

#[test]
fn answers_are_requested_ahead_up_to_eight_times_the_jobs() {
    let (world, gate) = (World::new(), Gate::default());
    let ids: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    for id in &ids {
        let held = Reply::ok(sample("picture.png")).after_gate(&gate);
        world.serve_task(id, &json!({"images": [world.media.script(&format!("/{id}.png"), [held])]}));
    }
    let mut args = vec!["-j", "1"];
    args.extend(ids.iter().map(String::as_str));
    let running = world.start(&args);
    let begun = std::time::Instant::now();
    // Each of these hosts is known then, and the one download at once is held.
    while world.gateway_requests().len() < 8 {
        assert!(begun.elapsed() < Duration::from_secs(15), "{} answers were requested", world.gateway_requests().len());
        std::thread::sleep(Duration::from_millis(5));
    }
    // A program that requests more does so at once. On a slow machine this shows less, and fails nothing.
    std::thread::sleep(Duration::from_millis(300));
    let asked = world.gateway_requests().len();
    gate.open();
    world.audit(running.wait(false)).exits(0);
    assert_eq!((asked, world.gateway_requests().len()), (8, 40));
}
