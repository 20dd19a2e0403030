//! `--json`: `start` is the first line, and `fatal` the last one whenever the exit code is 2. Standard output that can't be written is
//! one of the causes.

use std::fs;

use serde_json::{Value, json};

use crate::support::commands::{archive_two_tasks, flip_bit, run_command};
use crate::support::run::Running;
use crate::support::{Answer, Run, World, dead_url};

/// The code of the last line. Checks what holds for every end with exit code 2.
#[track_caller]
fn fatal_code(run: &Run) -> String {
    let events = run.events();
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert_eq!((&first["event"], &last["event"]), (&json!("start"), &json!("fatal")), "{run:?}");
    assert_eq!((run.events_of("start").len(), run.events_of("fatal").len()), (1, 1), "{run:?}");
    let error = last["error"].as_str().unwrap();
    assert!(!error.is_empty() && !error.contains('\n') && !run.stderr.is_empty(), "{run:?}");
    last["code"].as_str().unwrap().to_owned()
}

#[test]
fn every_end_with_code_2_says_why_in_the_last_line() {
    let world = World::new();
    world.write_file("wrong.toml", "no-such-setting = 1\n");
    world.write_file("bad.txt", "{\n");
    world.write_file("foreign/manifest.json", r#"{"name": "my app"}"#);
    world.answers("refused", [Answer::json(401, &json!({"error": {"message": "Invalid token"}}))]);
    world.answers("unrouted", [Answer::json(404, &json!({"error": {"message": "Invalid URL (GET /api/task/unrouted)"}}))]);
    let dead = dead_url();
    for (args, code) in [
        (&["t1", "--nonsense"][..], "usage"),
        (&["t1", "--jobs", "many"], "usage"),
        (&["t1", "-q", "-v"], "usage"),
        (&[], "usage"),
        (&[" "], "usage"),
        (&["-i", "missing.txt"], "usage"),
        (&["-i", "bad.txt"], "usage"),
        (&["t1", "--config", "wrong.toml"], "config"),
        (&["t1", "--ca-cert", "wrong.toml"], "config"),
        (&["t1", "--base-url", "ftp://h"], "bad_base_url"),
        (&["t1", "-o", "foreign"], "archive"),
        (&["refused"], "key_refused"),
        (&["unrouted"], "bad_base_url"),
        (&["t1", "--base-url", &dead, "--retries", "0"], "gateway_unreachable"),
    ] {
        let run = world.run_json(args).exits(2);
        assert_eq!(fatal_code(&run), code, "{args:?}: {run:?}");
    }
    for (args, code) in [
        (&["verify", "--json", "foreign"][..], "archive"),
        (&["verify", "--json", "missing"], "archive"),
        (&["verify", "--json", "--nonsense"], "usage"),
        (&["repair", "--json", "foreign"], "archive"),
        (&["index", "--json", "foreign"], "usage"),
    ] {
        assert_eq!(fatal_code(&run_command(&world, args).exits(2)), code, "{args:?}");
    }
    let mut command = world.command(&["t1", "--json"]);
    command.env_remove("YESCALE_API_KEY");
    assert_eq!(fatal_code(&Running::start(command).wait(false).exits(2)), "no_key");
}

#[test]
fn summary_stands_before_the_fatal_line_and_text_has_neither() {
    let world = World::new();
    world.answers("t1", [Answer::json(401, &json!({"error": {"message": "Invalid token"}}))]);
    let events = world.run_json(&["t1"]).exits(2).events();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "summary", "fatal"]);
    for args in [&["t1"][..], &["t1", "--json", "--no-json"], &["--nonsense", "--", "--json"]] {
        assert!(!world.run(args).exits(2).stdout.contains("fatal"), "{args:?}");
    }
}

#[test]
fn repair_has_one_shape_of_events_whatever_it_finds() {
    let world = World::new();
    archive_two_tasks(&world);
    let names = |run: &Run| -> Vec<String> {
        let mut names: Vec<String> = run.events().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
        names.retain(|name| name != "progress");
        names
    };
    let intact = run_command(&world, &["repair", "--json"]).exits(0);
    assert_eq!(names(&intact), ["start", "summary"]);
    flip_bit(&world, "t1/image-1.png");
    let repaired = run_command(&world, &["repair", "--json"]).exits(0);
    assert_eq!(names(&repaired), ["start", "finding", "file", "task", "summary"]);
    fs::remove_dir_all(world.archive().join("t1")).unwrap();
    fs::remove_file(world.archive().join("t2/image-1.gif")).unwrap();
    fs::create_dir(world.archive().join("t2/image-1.gif")).unwrap();
    let failed = run_command(&world, &["repair", "--json"]);
    assert_eq!(names(&failed).iter().filter(|name| *name == "summary").count(), 1, "{failed:?}");
    let keys = |run: &Run| -> Vec<String> { run.summary().as_object().unwrap().keys().cloned().collect() };
    for run in [&intact, &repaired, &failed] {
        assert_eq!((&run.summary()["of"], keys(run)), (&json!("repair"), keys(&intact)), "{run:?}");
    }
    assert_eq!(repaired.summary()["complete"], 1);
}

#[test]
fn times_are_utc_and_never_go_back() {
    let world = World::new();
    archive_two_tasks(&world);
    let run = run_command(&world, &["verify", "--json"]).exits(0);
    let times: Vec<Value> = run.events().iter().map(|event| event["time"].clone()).collect();
    assert!(times.iter().all(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))), "{times:?}");
    assert!(times.is_sorted_by_key(|time| time.as_str().unwrap().to_owned()), "{times:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_behind_standard_output_exits_with_2_for_every_command() {
    use std::process::Stdio;

    let world = World::new();
    archive_two_tasks(&world);
    world.serve_task("new", &json!({"text": "la"}));
    for args in [
        &["new"][..],
        &["new", "--json", "--force"],
        &["new", "--dry-run", "--force"],
        &["verify"],
        &["verify", "--json"],
        &["repair"],
        &["repair", "--json"],
        &["export", "csv"],
        &["export", "m3u8"],
        &["config"],
        &["schema", "events"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["--version"],
    ] {
        let mut command = world.plain_command(args);
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{args:?}: {stderr}");
        assert_eq!(stderr.matches("standard output").count(), 1, "{args:?}: {stderr}");
    }
    assert_eq!(world.task_entry("new")["state"], "complete", "the work was done all the same");
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 3);
}
