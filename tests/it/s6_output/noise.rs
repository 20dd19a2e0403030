//! A run's lines: what was already here is counted, each fact is printed once for each reader, and advice helps.

use serde_json::json;

use crate::support::{Answer, Reply, World};

/// Runs the program with both streams in one pipe, as `2>&1` does. The output is in `stdout`.
#[cfg(unix)]
fn run_into_one_pipe(world: &World, args: &[&str]) -> crate::support::Run {
    let program = world.command(args);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(program.get_program()).args(program.get_args());
    shell.current_dir(world.home());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    world.audit(crate::support::run::Running::start(shell).wait(false))
}

/// Serves a failed task, one with two dead links, and one whose answer is broken.
fn serve_bad_tasks(world: &World) {
    let dead = world.media.script("/dead", [Reply::status("404 Not Found")]);
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "flagged"}));
    world.serve_task("dead", &json!({"images": [dead, dead], "text": "la"}));
    world.answers("broken", [Answer::raw(200, "{")]);
}

#[test]
fn reused_tasks_are_only_counted_unless_verbose() {
    let world = World::new();
    world.archive_task("t1");
    world.archive_task("t2");
    world.serve_task("t3", &json!({"text": "la"}));
    let run = world.run(&["t1", "t2", "t3"]).exits(0);
    assert!(run.stdout.starts_with("complete    t3") && run.stdout.lines().count() == 2, "{}", run.stdout);
    assert!(run.stdout.contains("\n3 complete (2 already here); no file downloaded"), "{}", run.stdout);
    let run = world.run(&["t1", "t2", "-v"]).exits(0);
    assert!(run.stdout.contains("reused      t1") && run.stdout.contains("reused      t2"), "{}", run.stdout);
    assert_eq!(world.run_json(&["t1", "t2"]).exits(0).events_of("task").len(), 2, "programs get all of them");
}

#[test]
#[cfg(unix)]
fn reason_of_a_bad_task_is_printed_once_for_each_reader() {
    let world = World::new();
    serve_bad_tasks(&world);
    let ids = ["failed", "dead", "broken", "unknown"];
    let one = run_into_one_pipe(&world, &ids).exits(1);
    for id in ids {
        let named = one.stdout.lines().filter(|line| line.split_whitespace().any(|word| word.trim_end_matches(':') == id));
        assert_eq!(named.count(), 1, "{id}: {}", one.stdout);
    }
    assert!(one.stdout.contains("flagged") && one.stdout.contains("image 1: HTTP 404") && one.stdout.contains("image 2: "));
    assert!(one.stdout.lines().any(|line| line.starts_with("incomplete  dead") && line.contains("HTTP 404")), "{}", one.stdout);

    let two = world.run(&ids).exits(1);
    for id in ids {
        let is_line = |line: &&str| line.split_whitespace().nth(1) == Some(id) || line.split_whitespace().nth(2) == Some(id);
        assert_eq!(two.stdout.lines().filter(is_line).count(), 1, "{id}: {}", two.stdout);
        assert!(two.stderr.contains(&format!("error: {id}: ")), "{id}: {}", two.stderr);
    }
    for more in ["-q", "--json"] {
        let run = run_into_one_pipe(&world, &[&ids[..], &[more]].concat()).exits(1);
        assert_eq!(run.stdout.lines().filter(|line| line.starts_with("error: failed: ")).count(), 1, "{more}: {}", run.stdout);
    }
}

#[test]
fn another_run_is_advised_only_where_it_may_help() {
    let world = World::new();
    serve_bad_tasks(&world);
    world.serve_task("refused", &json!({"images": [world.media.script("/text", [Reply::ok("<!doctype html><html>")])]}));
    world.serve_task("bad_url", &json!({"images": ["ftp://h"]}));
    world.serve_task("large", &json!({"images": [world.serve_sample("picture.png")]}));
    world.serve_task("busy", &json!({"images": [world.media.script("/busy", [Reply::status("500 Oops")])]}));
    for (args, is_advised) in [
        (&["failed"][..], false),
        (&["dead"], false),
        (&["refused"], false),
        (&["bad_url"], false),
        (&["large", "--max-size", "1"], false),
        (&["unknown"], false),
        (&["busy", "--retries", "0"], true),
        (&["busy", "dead", "--retries", "0"], true),
        (&["bad_url", "--dry-run"], false),
    ] {
        let run = world.run(args).exits(1);
        assert_eq!(run.stderr.contains("run the same command again"), is_advised, "{args:?}: {run:?}");
        assert!(!run.stderr.contains("--wait") && !run.stdout.contains("--wait"), "{args:?}: {run:?}");
    }
}

#[test]
fn waiting_is_advised_to_a_run_that_did_not_wait() {
    let world = World::new();
    world.answer("t1", &json!({"status": "IN_PROGRESS"}));
    for (more, is_advised) in [(&[][..], true), (&["--wait=1ms"], false), (&["--dry-run"], false)] {
        let run = world.run(&[&["t1"], more].concat()).exits(3);
        assert_eq!(run.stdout.contains("--wait"), is_advised, "{more:?}: {run:?}");
        assert_eq!(run.stdout.contains("run again later"), *more != ["--dry-run"], "{more:?}: {run:?}");
    }
}

#[test]
fn dry_run_plans_and_promises_nothing() {
    let world = World::new();
    world.archive_task("here");
    world.serve_task("new", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    for (more, state) in [(&[][..], "planned"), (&["--only", "text"], "planned"), (&["--only", "audio"], "planned")] {
        let run = world.run_json(&[&["here", "new", "--dry-run"], more].concat()).exits(0);
        assert_eq!((run.state("new").as_str(), run.state("here").as_str()), (state, "complete"), "{more:?}");
        assert_eq!((&run.summary()["planned"], &run.summary()["complete"]), (&json!(1), &json!(1)), "{more:?}");
    }
    world.answer("pending", &json!({"status": "IN_PROGRESS"}));
    world.answer("failed", &json!({"status": "FAILURE"}));
    let run = world.run_json(&["new", "pending", "failed", "unknown", "--dry-run"]).exits(1);
    assert_eq!(["new", "pending", "failed", "unknown"].map(|id| run.state(id)), ["planned", "pending", "failed", "not_found"]);
    let run = world.run(&["new", "--dry-run"]).exits(0);
    assert!(run.stdout.contains("planned     new") && run.stdout.contains("\n1 planned; dry run"), "{}", run.stdout);
    assert!(run.stderr.is_empty(), "{}", run.stderr);
}
