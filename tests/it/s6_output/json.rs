//! `--json`: one JSON object per line and nothing else, with the fields in order and paths that can be opened.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::commands::{archive_two_tasks, flip_bit, run_command};
use crate::support::run::Running;
use crate::support::{Run, World, sample};

fn keys(event: &Value) -> Vec<&str> {
    event.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Checks that every line is an event with a time, and that the first one is `start` and the last one the only summary.
#[track_caller]
fn assert_only_events(run: &Run) {
    let events = run.events();
    assert!(events.iter().all(|event| keys(event)[..2] == ["event", "time"]), "{run:?}");
    assert_eq!((&events[0]["event"], run.events_of("start").len(), run.events_of("summary").len()), (&json!("start"), 1, 1));
    assert_eq!(events.last().unwrap()["event"], "summary", "{run:?}");
    assert!(run.stdout.ends_with('\n') && !run.stdout.contains("\n\n"), "{run:?}");
}

#[test]
fn stdout_has_only_one_json_object_per_line() {
    let world = World::new();
    archive_two_tasks(&world);
    let jpg =
        json!({"images": [{"url": world.serve_sample("picture.jpg"), "content_type": "image/png"}, "ftp://h"], "text": "a\nb"});
    for (at, more) in [&[][..], &["-q"], &["-v"], &["-vv"], &["--dry-run"], &["--color", "always"], &["--progress", "always"]]
        .into_iter()
        .enumerate()
    {
        let id = format!("new{at}");
        world.serve_task(&id, &jpg);
        assert_only_events(&world.run_json(&[more, &["--", &*id, "t1", "unknown", "..", "a\nb"]].concat()).exits(1));
    }
    flip_bit(&world, "t1/image-1.png");
    // Windows allows no line break in a name.
    world.write_file(if cfg!(windows) { "yescale/a b" } else { "yescale/a\nb" }, "mine");
    for more in [&[][..], &["--quick"], &["-q"], &["-v"], &["--color", "always"]] {
        assert_only_events(&run_command(&world, &[&["verify", "--json"], more].concat()));
    }
    assert_only_events(&run_command(&world, &["repair", "--json", "-q"]).exits(0));
}

#[test]
fn quiet_does_not_change_the_events() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    let run = world.run_json(&["-q", "t1", "unknown"]).exits(1);
    assert_eq!((run.events_of("file").len(), run.events_of("task").len(), run.events_of("summary").len()), (1, 2, 1));
}

#[test]
fn event_fields_have_the_order_of_the_contract() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    let run = world.run_json(&["t1"]).exits(0);
    assert_eq!(keys(&run.events()[0]), ["event", "time", "version", "events_version", "output"]);
    let known = ["event", "time", "task_id", "kind", "index", "path", "size", "sha256", "content_type"];
    assert_eq!(keys(&run.events_of("file")[0]), [known.as_slice(), &["width", "height", "warnings"]].concat());
    assert_eq!(
        keys(&run.task("t1")),
        ["event", "time", "task_id", "state", "status", "reused", "path", "files", "bytes", "errors"]
    );
    let summary = [
        "event",
        "time",
        "of",
        "complete",
        "partial",
        "reused",
        "skipped",
        "incomplete",
        "failed",
        "empty",
        "not_found",
        "pending",
        "planned",
        "not_asked",
        "error",
        "files",
        "bytes",
        "seconds",
    ];
    assert_eq!(keys(&run.summary()), summary);
    fs::remove_file(world.archive().join("t1/image-1.png")).unwrap();
    let verify = run_command(&world, &["verify", "--json"]).exits(1);
    assert_eq!(keys(&verify.events_of("finding")[0]), ["event", "time", "path", "finding"]);
    assert_eq!(keys(&verify.summary())[..4], ["event", "time", "of", "files"]);
    assert_eq!((&run.summary()["of"], &verify.summary()["of"]), (&json!("get"), &json!("verify")));
}

#[test]
fn event_paths_open_from_the_working_directory() {
    let world = World::new();
    let folder = world.home().join("a b/c");
    fs::create_dir_all(&folder).unwrap();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    world.answers_at("/task/%C3%96%2Fx", [crate::support::Answer::json(200, &crate::support::success(&json!({"text": "la"})))]);
    let absolute = world.home().join("abs");
    for output in ["out", "out2/deep/", "./x", "..", "../é y", ".", absolute.to_str().unwrap()] {
        let mut command = world.command(&["--json", "t1", "Ö/x", "-o", output]);
        let run = Running::start({
            command.current_dir(&folder);
            command
        });
        let run = run.wait(false).exits(0);
        let open = |event: &Value| folder.join(event["path"].as_str().unwrap());
        assert_eq!(fs::read(open(&run.events_of("file")[0])).unwrap(), sample("picture.png"), "{output}");
        for id in ["t1", "Ö/x"] {
            let task = run.task(id);
            assert!(open(&task).join("manifest.json").is_file(), "{output}: {task}");
            assert_eq!(Path::new(task["path"].as_str().unwrap()).is_absolute(), Path::new(output).is_absolute());
        }
    }
}

#[test]
fn task_error_gives_the_reason_without_url_queries() {
    let world = World::new();
    let dead = format!("{}/dead.png?sig=SECRET", world.media.origin());
    world.serve_task("links", &json!({"images": [dead, "ftp://h/x?sig=SECRET"]}));
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "no https://h/a.png?sig=SECRET today"}));
    let run = world.run_json(&["links", "failed"]).exits(1);
    assert!(!run.stdout.contains("SECRET") && !run.stderr.contains("SECRET"), "{run:?}");
    let why = |id: &str| run.task(id)["error"].as_str().unwrap().to_owned();
    assert!(why("links").contains("/dead.png") && why("links").contains("HTTP 404") && why("links").contains("ftp://h/x"));
    assert!(why("failed").contains("https://h/a.png today"), "{}", why("failed"));
    assert_eq!(
        run.task("links")["errors"][0],
        json!({"kind": "image", "index": 1, "code": "dead_link", "http_status": 404, "error": "HTTP 404 Not Found"})
    );
    assert_eq!(run.task("failed")["errors"], json!([]));
}

#[test]
fn error_state_has_one_error_with_a_code() {
    let world = World::new();
    world.answers("broken", [crate::support::Answer::raw(200, "{")]);
    world.answers("refused", [crate::support::Answer::json(400, &json!({"error": "no"}))]);
    world.write_file("yescale/foreign/manifest.json", r#"{"name": "my app"}"#);
    world.serve_task("foreign", &json!({"text": "la"}));
    let run = world.run_json(&["broken", "refused", "foreign"]).exits(1);
    for (id, code) in [("broken", "bad_answer"), ("refused", "http_status"), ("foreign", "disk")] {
        let task = run.task(id);
        let errors = task["errors"].as_array().unwrap();
        assert_eq!((&task["state"], errors.len(), &errors[0]["code"]), (&json!("error"), 1, &json!(code)), "{task}");
        assert!(errors[0]["error"].as_str().is_some_and(|error| !error.is_empty()), "{task}");
    }
}

#[test]
fn answer_that_breaks_off_is_an_error_of_the_network() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    let answer = crate::support::Reply::ok(crate::support::success(&json!({"text": "la"})).to_string());
    world.media.script("/task/good", [answer.clone()]);
    world.media.script("/task/cut", [answer.cut_after(9)]);
    let origin = world.media.origin();
    let mut running = world.start(&["--json", "--retries", "0", "--base-url", &origin, "-i", "-"]);
    // Then the gateway is known to answer.
    running.write("good\n");
    while !running.read_line().contains("complete") {}
    running.write("cut\n");
    let run = world.audit(running.wait(false)).exits(1);
    let task = run.task("cut");
    let errors = task["errors"].as_array().unwrap();
    assert_eq!((&task["state"], errors.len(), &errors[0]["code"]), (&json!("error"), 1, &json!("network")), "{task}");
}

#[test]
fn verbose_output_goes_to_standard_error() {
    let world = World::new();
    let url =
        world.media.script("/x", [crate::support::Reply::status("500 Oops"), crate::support::Reply::ok(sample("picture.png"))]);
    for (id, more, is_more) in
        [("a", &[][..], false), ("b", &["-v"], true), ("c", &["-vv"], true), ("d", &["-v", "--verbose"], true)]
    {
        world.media.script("/x", [crate::support::Reply::status("500 Oops"), crate::support::Reply::ok(sample("picture.png"))]);
        world.serve_task(id, &json!({"images": [url]}));
        let run = world.run(&[&[id], more].concat()).exits(0);
        assert_eq!((run.stdout.lines().count(), !run.stderr.is_empty()), (2, is_more), "{run:?}");
        assert_eq!((run.stderr.contains("retry in"), run.stderr.contains("image-1.png")), (is_more, is_more), "{run:?}");
    }
}
