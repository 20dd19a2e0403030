//! `--wait` and a gateway that does not answer (without `--wait`: `s5_exit/unreachable`): "transient faults of the gateway are waited out as long as there is time".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Answer, Reply, World, dead_url, success};

const NOTE: &str = "the run waits until the gateway answers again";

/// Faults that pass, as the gateway or what stands before it sends them. For each: the outages in two rows of them. A refusal
/// (503, 429) shortly after an answer is no outage: the host works, and the request waits for it.
fn faults() -> [(Answer, usize); 4] {
    [(Answer::html(503), 1), (Answer::html(403), 2), (Answer::raw(500, ""), 2), (Answer::raw(429, ""), 1)]
}

fn text_task() -> Answer {
    Answer::json(200, &success(&json!({"text": "la"})))
}

#[test]
fn fault_of_the_first_question_and_of_a_poll_is_waited_out() {
    for (fault, outages) in faults() {
        let world = World::new();
        let pending = Answer::json(200, &json!({"status": "IN_PROGRESS"}));
        world.answers("t1", [fault.clone(), fault.clone(), fault.clone(), pending, fault.clone(), fault, text_task()]);
        let run = world.run_json(&["t1", "--wait=5m", "--poll-delay", "1ms", "--retries", "1"]).exits(0);
        assert_eq!((run.state("t1").as_str(), world.gateway_requests().len()), ("complete", 7));
        assert_eq!(run.stderr.matches(NOTE).count(), outages, "once for each outage: {}", run.stderr);
    }
}

#[test]
fn without_the_option_the_fault_of_all_attempts_ends_the_run() {
    let world = World::new();
    world.answers("t1", [Answer::html(503), Answer::html(503), text_task()]);
    let run = world.run_json(&["t1", "--retries", "1"]).exits(2);
    assert!(run.state("t1") == "error" && !run.stderr.contains(NOTE), "{run:?}");
}

#[test]
fn outage_is_found_once_and_not_by_each_task() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    let (is_up, body) = (Arc::new(AtomicBool::new(false)), success(&json!({"text": "la"})).to_string());
    let ids: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    for id in &ids {
        let (was_up, repairs, body) = (Arc::clone(&is_up), Arc::clone(&is_up), body.clone());
        // The outage ends when a task asks for the second time.
        let first = move |_: &str| match was_up.load(Ordering::SeqCst) {
            true => Reply::ok(body.as_str()),
            false => Reply::status("502 Bad Gateway"),
        };
        let body = success(&json!({"text": "la"})).to_string();
        let second = move |_: &str| {
            repairs.store(true, Ordering::SeqCst);
            Reply::ok(body.as_str())
        };
        world.media.script(&format!("/task/{id}"), [Reply::dynamic(first), Reply::dynamic(second)]);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let options = ["--wait", "--poll-delay", "5ms", "--retries", "0", "--base-url", &world.media.origin()];
    let run = world.run_json(&[&options[..], &ids].concat()).exits(0);
    assert_eq!(run.summary()["complete"], 60);
    assert!((61..=120).contains(&world.media.heads().len()), "{}", world.media.heads().len());
    assert_eq!(run.stderr.matches(NOTE).count(), 1, "{}", run.stderr);
}

#[test]
fn run_ends_with_one_message_when_there_is_no_more_time() {
    let world = World::new();
    let base_url = dead_url();
    let ids: Vec<String> = (0..500).map(|n| format!("t{n}")).collect();
    let list = world.write_file("ids.txt", ids.join("\n"));
    let started = Instant::now();
    let args = ["--wait=2s", "--poll-delay", "100ms", "--retries", "0", "--base-url", &base_url, "-i", list.to_str().unwrap()];
    let run = world.run_json(&args).exits(2);
    assert!((2..20).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert_eq!(run.summary()["pending"], 0);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", run.stderr);
    assert!(
        lines[0].ends_with(NOTE) && lines[1].contains(&base_url) && lines[1].contains("; 499 tasks were not asked about"),
        "{run:?}"
    );
}

#[test]
fn task_that_always_fails_delays_no_other() {
    let world = World::new();
    world.answers("bad", [Answer::raw(500, "")]);
    let ids: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.answers(id, [text_task()]);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let started = Instant::now();
    let run = world.run_json(&[&["bad", "--wait=1s", "--poll-delay", "20ms", "--retries", "0"], &ids[..]].concat()).exits(1);
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!((&run.summary()["complete"], &run.summary()["error"]), (&json!(20), &json!(1)));
    assert_eq!(run.task("bad")["errors"][0]["http_status"], 500);
}

#[test]
fn fault_of_the_question_for_fresh_links_is_waited_out() {
    for args in [&[][..], &["--skip-failed"]] {
        let world = World::new();
        let dead = world.media.script("/dead", [Reply::status("410 Gone")]);
        let (good, fresh) = (world.serve_sample("picture.png"), world.serve_sample("picture.webp"));
        let answer = |url: &str| Answer::json(200, &success(&json!({"images": [good, url]})));
        world.answers("t1", [answer(&dead), Answer::html(503), Answer::html(503), answer(&fresh)]);
        let options = ["t1", "--wait", "--poll-delay", "1ms", "--retries", "0"];
        let run = world.run_json(&[&options[..], args].concat()).exits(0);
        assert_eq!((run.state("t1").as_str(), &run.task("t1")["files"]), ("complete", &json!(2)));
        assert_eq!((run.events_of("file").len(), &run.summary()["files"]), (2, &json!(2)), "{run:?}");
        assert_eq!(world.media.request_count("/picture.png"), 1);
    }
}

#[test]
fn rejected_key_ends_the_outage() {
    let world = World::new();
    let refusal = Answer::json(401, &json!({"error": {"message": "Invalid token", "type": "new_api_error"}}));
    world.answers("t1", [Answer::html(503), Answer::html(503), refusal.clone()]);
    world.answers("t2", [Answer::html(503), Answer::html(503), refusal]);
    let run = world.run_json(&["t1", "t2", "--wait", "--poll-delay", "1ms", "--retries", "0"]).exits(2);
    assert_eq!(run.summary()["not_asked"], 2);
}

#[test]
#[cfg(unix)]
fn interrupt_ends_the_wait_for_the_gateway_at_once() {
    let world = World::new();
    let requested = crate::support::Gate::default();
    world.answers("t1", [Answer::html(503).notify_on_request(&requested)]);
    let running = world.start(&["--json", "--wait", "--poll-delay", "15s", "--retries", "0", "t1"]);
    assert!(requested.wait());
    let started = Instant::now();
    let killed = std::process::Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let run = world.audit(running.wait(true)).exits(130);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(run.events_of("summary").len(), 1);
}
