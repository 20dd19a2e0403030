//! Exit codes, and which of several applies.

use serde_json::{Value, json};

use crate::support::run::Running;
use crate::support::{Answer, Gate, Reply, World, sample, success};

/// Gives the gateway one task for each outcome.
fn serve_every_outcome(world: &World) {
    world.serve_task("good", &json!({"text": "la"}));
    world.serve_task("dead", &json!({"images": [format!("{}/dead", world.media.origin())]}));
    world.serve_task("empty", &json!({}));
    world.answer("failed", &json!({"status": "FAILURE"}));
    world.answer("pending", &json!({"status": "IN_PROGRESS"}));
    world.answers("broken", [Answer::raw(200, "{")]);
    world.answers("refused", [refusal(401)]);
}

fn refusal(status: u16) -> Answer {
    Answer::json(status, &json!({"error": {"message": "Invalid token, says the gateway", "type": "new_api_error"}}))
}

#[test]
fn worst_outcome_decides_the_exit_code() {
    for (ids, code) in [
        (&["good"][..], 0),
        (&["pending"], 3),
        (&["good", "pending"], 3),
        (&["dead"], 1),
        (&["failed"], 1),
        (&["empty"], 1),
        (&["unknown"], 1),
        (&["broken"], 1),
        (&["pending", "failed"], 1),
        (&["good", "pending", "unknown", "empty"], 1),
        (&["refused"], 2),
        (&["good", "pending", "failed", "refused"], 2),
    ] {
        let world = World::new();
        serve_every_outcome(&world);
        world.run(ids).exits(code);
    }
}

#[test]
fn worse_outcome_of_every_pair_decides_the_exit_code() {
    let ends = [
        ("good", 0),
        ("here", 0),
        ("pending", 3),
        ("dead", 1),
        ("failed", 1),
        ("empty", 1),
        ("unknown", 1),
        ("broken", 1),
        ("..", 1),
        ("refused", 2),
    ];
    let worst = |codes: [i32; 2]| [2, 1, 3, 0].into_iter().find(|code| codes.contains(code)).unwrap();
    let world = World::new();
    serve_every_outcome(&world);
    world.archive_task("here");
    for (at, (one, code)) in ends.iter().enumerate() {
        for (other, second) in &ends[at + 1..] {
            let run = world.run_json(&["--retries", "0", one, other]).exits(worst([*code, *second]));
            let not_asked = run.summary()["not_asked"].as_u64().unwrap();
            assert_eq!(run.events_of("task").len() as u64 + not_asked, 2, "{one} {other}");
        }
    }
}

#[test]
fn any_401_and_a_json_403_reject_the_key() {
    let no_channel = json!({"error": {"message": "no channel"}});
    for (answer, code) in [
        (Answer::html(401), 2),
        (Answer::raw(401, ""), 2),
        (Answer::raw(401, "not JSON"), 2),
        (Answer::json(403, &json!({"error": "forbidden"})), 2),
        (Answer::json(403, &json!({"message": "banned"})), 2),
        (Answer::html(403), 1),
        (Answer::raw(403, ""), 1),
        (Answer::json(503, &no_channel), 1),
    ] {
        let world = World::new();
        world.serve_task("good", &json!({"text": "la"}));
        // A 503 of a host that works is asked again for a minute; another status ends that.
        world.answers("t1", [answer, Answer::json(500, &no_channel)]);
        // An answer about another task shows that the gateway works.
        let mut running = world.start(&["--retries", "0", "-i", "-"]);
        running.write("good\n");
        while !running.read_line().contains("good") {}
        running.write("t1\n");
        let run = world.audit(running.wait(false)).exits(code);
        assert_eq!(run.stderr.contains("refuses the API key"), code == 2, "{run:?}");
    }
}

#[test]
fn partial_task_exits_with_0() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la", "images": [format!("{}/dead", world.media.origin())]}));
    world.run(&["t1", "--only", "text"]).exits(0);
    world.run(&["t1"]).exits(1);
}

#[test]
fn failing_tasks_do_not_stop_the_others() {
    let world = World::new();
    serve_every_outcome(&world);
    let bad = ["dead", "empty", "failed", "pending", "broken", "unknown"];
    let many: Vec<String> = (0..150).map(|n| format!("t{n}")).collect();
    for id in &many {
        world.serve_task(id, &json!({"text": id}));
    }
    let ids: Vec<&str> = bad.into_iter().chain(many.iter().map(String::as_str)).collect();
    let run = world.run_json(&ids).exits(1);
    assert_eq!(run.summary()["complete"], 150);
}

#[test]
fn usage_errors_exit_with_2_and_a_message_on_stderr() {
    let world = World::new();
    world.write_file("ids.txt", "t1\n");
    world.write_file("garbage.pem", "no certificate");
    for args in [
        &[][..],
        &[""],
        &[" "],
        &["--nonsense", "t1"],
        &["-i", "missing.txt"],
        &["-i", "."],
        &["t1", "--api-key-file", "missing.txt"],
        &["-i", "-", "--api-key-file", "-"],
        &["-i", "-", "-i", "-"],
        &["t1", "--base-url", ""],
        &["t1", "--base-url", "api.yescale.io"],
        &["t1", "--base-url", "ftp://h"],
        &["t1", "--base-url", "https://user:pw@h"],
        &["t1", "--ca-cert", "missing.pem"],
        &["t1", "--ca-cert", "garbage.pem"],
        &["t1", "--retries", "many"],
        &["t1", "--stall-timeout", "0s"],
        &["t1", "--connect-timeout", "10"],
        &["t1", "-q", "-v"],
        &["t1", "-o", "ids.txt"],
    ] {
        let run = world.run(args).exits(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{args:?}: {run:?}");
    }
    assert_eq!((world.gateway_requests().len(), world.archive().exists()), (0, false), "no request was made, and no folder");
}

#[test]
fn missing_or_invalid_key_exits_with_2() {
    let world = World::new();
    world.write_file("empty.txt", "\n");
    for (key, args) in [
        (None, &["t1"][..]),
        (Some(""), &["t1"]),
        (Some("  "), &["t1"]),
        (Some("sk-secret\nsk-secret"), &["t1"]),
        (Some("sk-sécret"), &["t1"]),
        (Some("sk-good"), &["t1", "--api-key-file", "empty.txt"]),
    ] {
        let mut command = world.command(args);
        command.env_remove("YESCALE_API_KEY");
        if let Some(key) = key {
            command.env("YESCALE_API_KEY", key);
        }
        let run = Running::start(command).wait(false).exits(2);
        assert!(!run.stderr.contains("cret") && !run.stderr.is_empty(), "{}", run.stderr);
    }
    assert_eq!(world.gateway_requests().len(), 0);
}

#[test]
fn rejected_key_is_reported_once_with_the_gateway_message() {
    for status in [401, 403] {
        let world = World::new();
        world.answers("t1", [refusal(status)]);
        world.answers("t2", [refusal(status)]);
        let run = world.run(&["t1", "t2"]).exits(2);
        assert_eq!(run.stderr.matches("says the gateway").count(), 1, "{}", run.stderr);
    }
}

#[test]
fn rejected_key_stops_further_requests() {
    let world = World::new();
    let ids: Vec<String> = (0..1000).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.answers(id, [refusal(401)]);
    }
    world.run_with_input(&ids.join("\n"), &["-i", "-"]).exits(2);
    assert!(world.gateway_requests().len() <= 100, "{} questions", world.gateway_requests().len());
}

#[test]
fn rejected_key_ends_the_run_while_standard_input_is_open() {
    let world = World::new();
    world.answers("t1", [refusal(401)]);
    let mut running = world.start(&["-i", "-"]);
    running.write("t1\n");
    world.audit(running.wait(true)).exits(2);
}

#[test]
fn running_downloads_finish_after_a_rejected_key() {
    let world = World::new();
    let (requested, refused) = (Gate::default(), Gate::default());
    let url = world.media.script("/x", [Reply::ok(sample("picture.png")).notify_on_request(&requested).after_gate(&refused)]);
    world.serve_task("t1", &json!({"images": [url]}));
    world.answers("t2", [refusal(401).notify_on_request(&refused)]);
    let mut running = world.start(&["-i", "-"]);
    running.write("t1\n");
    assert!(requested.wait(), "the download has started");
    running.write("t2\n");
    world.audit(running.wait(false)).exits(2);
    assert_eq!(world.task_entry("t1")["state"], "complete");
}

#[test]
fn question_that_was_sent_is_answered_after_a_rejected_key() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    let (asked, rejected) = (Gate::default(), Gate::default());
    let answer = success(&json!({"text": "la"})).to_string();
    world.media.script("/task/t1", [Reply::ok(answer).notify_on_request(&asked).after_gate(&rejected)]);
    world.media.script("/task/t2", [Reply::status("401 Unauthorized")]);
    let mut running = world.start(&["-i", "-", "--base-url", &world.media.origin(), "--log-file", "run.log"]);
    running.write("t1\n");
    assert!(asked.wait(), "the question was sent");
    running.write("t2\n");
    let log = world.home().join("run.log");
    while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("status=401")) {
        std::thread::yield_now();
    }
    rejected.open();
    world.audit(running.wait(false)).exits(2);
    assert_eq!(world.task_entry("t1")["state"], "complete");
}

#[test]
fn run_with_a_rejected_key_counts_every_task_of_its_lists() {
    let world = World::new();
    world.archive_task("here");
    let ids: Vec<String> = (0..5000).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.answers(id, [refusal(401)]);
    }
    world.write_file("ids.txt", ids.join("\n") + "\nhere\n");
    let asked = world.gateway_requests().len();
    let run = world.run_json(&["-i", "ids.txt"]).exits(2);
    assert_eq!(
        (run.events_of("task").len(), run.state("here").as_str()),
        (1, "complete"),
        "tasks that were not asked have no event"
    );
    assert_eq!((run.summary()["not_asked"].as_u64(), run.summary()["complete"].as_u64()), (Some(5000), Some(1)));
    assert!(world.gateway_requests().len() - asked < 1000, "it stopped asking");
    let fatal = run.events().pop().unwrap();
    assert_eq!((&fatal["event"], &fatal["code"]), (&json!("fatal"), &json!("key_refused")));
    assert!(fatal["error"].as_str().unwrap().contains("5,000 tasks were not asked"), "{fatal}");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
}

#[test]
fn html_403_and_transient_statuses_are_retried() {
    let world = World::new();
    let good = || Answer::json(200, &success(&json!({"text": "la"})));
    world.answers("t1", [Answer::html(403), Answer::html(503), Answer::raw(429, ""), Answer::raw(500, "oops"), good()]);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.gateway_requests().len(), 5);
    world.answers("t2", [Answer::html(403)]);
    assert_eq!(world.run_json(&["t2", "--retries", "1"]).exits(2).state("t2"), "error");
}

#[test]
fn empty_input_list_exits_with_0() {
    let world = World::new();
    let run = world.run_with_input("# nothing\n\n", &["--json", "-i", "-"]).exits(0);
    assert_eq!(run.events().iter().map(|event| event["event"].clone()).collect::<Vec<Value>>(), ["start", "summary"]);
}
