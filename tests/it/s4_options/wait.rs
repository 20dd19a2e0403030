//! `--wait`: unfinished tasks are polled, and they delay no other task.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Gate, World, success};

fn pending() -> Answer {
    Answer::json(200, &json!({"status": "IN_PROGRESS"}))
}

fn refusal() -> Answer {
    Answer::json(401, &json!({"error": {"message": "Invalid token", "type": "new_api_error"}}))
}

#[test]
fn unfinished_task_is_polled_until_it_finishes() {
    let world = World::new();
    for wait in ["--wait", "--wait=10m"] {
        let id = wait.trim_start_matches('-').replace('=', "-");
        let image = json!({"images": [world.serve_sample("picture.png")]});
        world.answers(&id, [pending(), pending(), Answer::json(200, &success(&image))]);
        let run = world.run_json(&[wait, "--poll-delay", "20ms", &id]).exits(0);
        assert_eq!(run.state(&id), "complete", "and reported once");
        assert_eq!((&run.summary()["complete"], &run.summary()["pending"]), (&json!(1), &json!(0)));
    }
    assert_eq!(world.gateway_requests().len(), 6);
}

#[test]
fn without_the_option_a_pending_task_is_not_polled() {
    let world = World::new();
    world.answers("t1", [pending(), Answer::json(200, &success(&json!({"text": "la"})))]);
    assert_eq!(world.run_json(&["t1", "--poll-delay", "1ms"]).exits(3).state("t1"), "pending");
    assert_eq!(world.gateway_requests().len(), 1);
}

#[test]
fn task_pending_at_the_deadline_is_reported_once() {
    let world = World::new();
    world.answers("t1", [pending()]);
    world.archive_task("t2");
    let started = Instant::now();
    let run = world.run_json(&["--wait=1s", "--poll-delay", "100ms", "t1", "t2"]).exits(3);
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    let task = run.task("t1");
    assert_eq!((&task["state"], &task["status"]), (&json!("pending"), &json!("IN_PROGRESS")));
    assert_eq!((&run.summary()["pending"], &run.summary()["reused"]), (&json!(1), &json!(1)));
    let polls = world.requested_paths().iter().filter(|path| *path == "/task/t1").count();
    assert!((3..=12).contains(&polls), "with growing delays: {polls}");
}

#[test]
fn failure_after_a_wait_is_reported_as_usual() {
    let world = World::new();
    world.answers("failed", [pending(), Answer::json(200, &json!({"status": "FAILURE", "err_reason": "flagged"}))]);
    world.answers("lost", [pending(), Answer::json(404, &json!({"error": "Task not found"}))]);
    let run = world.run_json(&["--wait", "--poll-delay", "20ms", "failed", "lost"]).exits(1);
    assert_eq!(["failed", "lost"].map(|id| run.state(id)), ["failed", "not_found"]);
}

#[test]
fn meta_is_recorded_after_the_wait() {
    let world = World::new();
    world.answers("t1", [pending(), pending(), Answer::json(200, &success(&json!({"text": "la"})))]);
    world.run_with_input(r#"{"id":"t1","prompt":"a cat"}"#, &["-i", "-", "--wait", "--poll-delay", "20ms"]).exits(0);
    assert_eq!(world.task_entry("t1")["meta"], json!({"prompt": "a cat"}));
}

#[test]
fn waiting_tasks_do_not_block_new_tasks() {
    let world = World::new();
    let waiting: Vec<String> = (0..300).map(|n| format!("w{n}")).collect();
    for id in &waiting {
        world.answers(id, [pending()]);
    }
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    let mut running = world.start(&["--json", "--wait", "--poll-delay", "200ms", "-j", "1", "-i", "-"]);
    running.write(&format!("{}\nt1\n", waiting.join("\n")));
    // The list is still open, and all tasks before it wait.
    let lines = std::iter::repeat_with(|| serde_json::from_str(&running.read_line()).unwrap());
    let is_result = |event: &Value| event["event"] == "file" || event["event"] == "task";
    let events: Vec<Value> = lines.filter(is_result).take(2).collect();
    assert_eq!((&events[0]["event"], &events[1]["state"]), (&json!("file"), &json!("complete")), "{events:?}");
    for id in &waiting {
        world.serve_task(id, &json!({"text": id}));
    }
    let run = world.audit(running.wait(false)).exits(0);
    assert_eq!(run.summary()["complete"], 301);
}

#[test]
fn rejected_key_ends_the_wait() {
    let world = World::new();
    let requested = Gate::default();
    world.answers("t1", [pending().notify_on_request(&requested)]);
    world.answers("t2", [refusal()]);
    let mut running = world.start(&["--json", "--wait", "--poll-delay", "15s", "-i", "-"]);
    running.write("t1\n");
    assert!(requested.wait());
    let started = Instant::now();
    running.write("t2\n");
    let run = world.audit(running.wait(true)).exits(2);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!((run.state("t1").as_str(), &run.summary()["not_asked"]), ("pending", &json!(1)), "every task is counted");
}

#[test]
#[cfg(unix)]
fn interrupt_ends_the_wait_at_once() {
    let world = World::new();
    let requested = Gate::default();
    world.answers("t1", [pending().notify_on_request(&requested)]);
    let running = world.start(&["--json", "--wait", "--poll-delay", "15s", "t1"]);
    assert!(requested.wait());
    // By now the task waits, most likely. An interrupt during the request must be as quick.
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    let killed = std::process::Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let run = world.audit(running.wait(true)).exits(130);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(run.events_of("summary").len(), 1);
}

#[test]
fn duration_without_equals_sign_gives_a_usage_hint() {
    let world = World::new();
    for args in [&["--wait", "10m", "t1"][..], &["t1", "--wait", "10m"]] {
        let run = world.run(args).exits(2);
        assert!(run.stderr.contains("--wait=10m") && run.stdout.is_empty(), "{run:?}");
    }
    assert_eq!((world.gateway_requests().len(), world.archive().exists()), (0, false), "no request was made, and no folder");
    world.serve_task("10m", &json!({"text": "la"}));
    world.run(&["--wait", "--", "10m"]).exits(0);
}
