//! Limits: the rate, the size, redirects, and the number of retries.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{RemoteFile, Reply, ServerFault, World, sample, success};

fn video(world: &World, reply: Reply) {
    let url = world.media.script("/a.mp4", [reply]);
    world.serve_task("t1", &json!({"videos": [url]}));
}

fn error(world: &World) -> String {
    world.task_entry("t1")["errors"][0]["error"].as_str().unwrap().to_owned()
}

/// `size` zeros, compressed to about a thousandth of that.
#[cfg(unix)]
fn bomb(size: usize) -> Vec<u8> {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&vec![0; size]).unwrap();
    packer.finish().unwrap()
}

#[test]
fn limit_rate_is_respected() {
    let world = World::new();
    let urls: Vec<String> =
        (0..2).map(|n| RemoteFile::new(&world, &format!("/{n}.mp4"), 1 << 20, &[ServerFault::Healthy]).url).collect();
    world.serve_task("t1", &json!({"videos": urls}));
    let started = Instant::now();
    world.run(&["t1", "--limit-rate", "1M"]).exits(0);
    let took = started.elapsed().as_secs_f64();
    // No upper bound: a machine may be slow.
    assert!(took >= 1.7, "2 MiB at 1 MiB per second took {took}");
}

#[test]
fn file_with_a_length_over_max_size_is_rejected_at_once() {
    for size in [1_000_001, 40 << 20] {
        let world = World::new();
        let remote = RemoteFile::new(&world, "/a.mp4", size, &[ServerFault::StallAt(1000)]);
        world.serve_task("t1", &json!({"videos": [remote.url]}));
        let started = Instant::now();
        world.run(&["t1", "--max-size", "1000000"]).exits(1);
        assert!(started.elapsed() < Duration::from_secs(10), "it waited for the body");
        assert!(error(&world).contains("--max-size"), "{}", error(&world));
        assert_eq!((remote.requests(&world).len(), world.files("t1")), (1, Vec::new()));
    }
}

#[test]
fn file_of_exactly_max_size_is_accepted() {
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", 1_000_000, &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    world.run(&["t1", "--max-size", "1000000"]).exits(0);
}

#[test]
fn file_without_a_length_is_aborted_at_max_size() {
    for size in [1_000_001, 8 << 20] {
        let world = World::new();
        video(&world, Reply::ok(vec![7; size]).content_type("video/mp4").without_length());
        world.run(&["t1", "--max-size", "1000000"]).exits(1);
        assert!(error(&world).contains("--max-size"), "{}", error(&world));
        assert_eq!(world.files("t1"), Vec::<String>::new());
    }
}

/// The program may write no file of more than 8 MiB: the system kills it if it tries.
#[cfg(unix)]
#[test]
fn decompression_bomb_is_rejected_before_it_fills_the_disk() {
    for size in [2 << 20, 64 << 20, 400 << 20] {
        let world = World::new();
        video(&world, Reply::ok(bomb(size)).content_type("video/mp4").header("Content-Encoding", "gzip"));
        let command = crate::support::run::with_limit("ulimit -f 16384", &world.command(&["t1", "--max-size", "1M"]));
        let run = world.audit(crate::support::run::Running::start(command).wait(false));
        assert_eq!(run.code, Some(1), "{size}: {run:?}");
        assert!(error(&world).contains("--max-size"), "{}", error(&world));
    }
}

#[test]
fn at_most_ten_redirects_are_followed() {
    for (redirects, code) in [(1, 0), (10, 0), (11, 1)] {
        let world = World::new();
        for hop in 0..redirects {
            world.media.script(&format!("/{hop}"), [Reply::redirect(&format!("/{}", hop + 1))]);
        }
        world.media.script(&format!("/{redirects}"), [Reply::ok(sample("picture.png"))]);
        world.serve_task("t1", &json!({"images": [format!("{}/0", world.media.origin())]}));
        world.run(&["t1"]).exits(code);
        assert_eq!(world.media.request_count("/10"), usize::from(redirects >= 10), "{redirects}");
        assert_eq!(world.media.request_count("/11"), 0);
        assert_eq!(world.media.request_count("/0"), 1, "{redirects}: not tried again");
    }
}

#[test]
fn every_status_is_retried_as_specified() {
    let world = World::new();
    // A 1xx is not the response: the response follows it.
    // A refusal (429, 503) costs no retry here, because the host accepts the other requests.
    let statuses: Vec<u16> = (200..=599).filter(|status| ![401, 403, 429, 503].contains(status)).collect();
    let urls: Vec<String> = statuses
        .iter()
        .map(|status| world.media.script(&format!("/{status}"), [Reply::ok("").with_status(&format!("{status} So"))]))
        .collect();
    world.serve_task("t1", &json!({"images": urls}));
    world.run(&["t1", "--retries", "1", "-j", "16"]).exits(1);
    for status in statuses {
        let is_passing = matches!(status, 408 | 425 | 500..=599);
        assert_eq!(world.media.request_count(&format!("/{status}")), 1 + usize::from(is_passing), "HTTP {status}");
    }
}

#[test]
fn explicit_retries_are_counted_exactly() {
    for (status, after) in
        [("429 Busy", None), ("429 Busy", Some("0")), ("503 Busy", Some("0")), ("403 No", Some("0")), ("503 Busy", None)]
    {
        for retries in [0, 1, 3] {
            let world = World::new();
            let reply = after.iter().fold(Reply::status(status), |reply, after| reply.header("Retry-After", after));
            video(&world, reply);
            world.run(&["t1", "--retries", &retries.to_string()]).exits(1);
            assert_eq!(world.media.request_count("/a.mp4"), retries + 1, "{status} {after:?}");
            assert_eq!(world.gateway_requests().len(), 1, "{status} {after:?}: the link is not dead");
            assert_eq!(world.task_entry("t1")["errors"][0]["code"], "http_status");
        }
    }
}

#[test]
fn retry_after_pauses_the_whole_host() {
    // A date is judged by the host's own clock, which is wrong here.
    let now = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (status, after) in [("429 Busy", "1"), ("503 Busy", "1"), ("403 Forbidden", "Sun, 06 Nov 1994 08:49:38 GMT")] {
        let world = World::new();
        let picture = Reply::ok(sample("picture.png"));
        let busy = Reply::status(status).header("Retry-After", after).header("Date", now);
        // Each request, with the time at which it came.
        let times = Arc::new(Mutex::new(Vec::new()));
        let reply_of = |name: &'static str, reply: Reply| {
            let times = Arc::clone(&times);
            Reply::dynamic(move |_| {
                times.lock().unwrap().push((name, Instant::now()));
                reply.clone()
            })
        };
        let first = world.media.script("/first", [reply_of("busy", busy), reply_of("again", picture.clone())]);
        let second = world.media.script("/second", [reply_of("second", picture)]);
        world.serve_task("t1", &json!({"images": [first, second]}));
        // One at a time: the second request is made after the first one got `Retry-After`.
        world.run(&["t1", "-j", "1"]).exits(0);
        let times = times.lock().unwrap();
        let [(name, busy), rest @ ..] = &times[..] else { panic!("no request") };
        assert_eq!((*name, rest.len()), ("busy", 2), "{status}: {times:?}");
        for (name, time) in rest {
            assert!(*time - *busy >= Duration::from_secs(1), "{status}: {name} came after {:?}", *time - *busy);
        }
    }
}

#[test]
fn questions_to_the_gateway_are_spaced_by_api_rate() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    let times = Arc::new(Mutex::new(Vec::new()));
    let dead = world.media.script("/dead", [Reply::status("410 Gone")]);
    for id in ["t1", "t2", "t3", "t4"] {
        let times = Arc::clone(&times);
        let body = success(&json!({"images": [dead]})).to_string();
        let answer = Reply::dynamic(move |_| {
            times.lock().unwrap().push(Instant::now());
            Reply::ok(body.as_str())
        });
        // A retry and the question for a fresh link count as well.
        world.media.script(&format!("/task/{id}"), [Reply::status("500 Oops"), answer]);
    }
    let started = Instant::now();
    world.run(&["t1", "t2", "t3", "t4", "--api-rate", "25", "--base-url", &world.media.origin()]).exits(1);
    assert!(started.elapsed() >= Duration::from_millis(11 * 40), "12 questions took {:?}", started.elapsed());
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 8);
}

#[test]
fn busy_host_uses_no_retries_by_default() {
    let world = World::new();
    let mut replies = vec![Reply::status("429 Busy").header("Retry-After", "0"); 5];
    replies.extend(vec![Reply::status("403 Forbidden").header("Retry-After", "0"); 4]);
    replies.push(Reply::ok(sample("picture.png")));
    let url = world.media.script("/a.png", replies);
    world.serve_task("t1", &json!({"images": [url]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.media.request_count("/a.png"), 10);
    assert_eq!(fs::read(world.archive().join("t1/image-1.png")).unwrap(), sample("picture.png"));
}
