//! What goes to standard output and what to standard error, and how it is escaped and shortened.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::run::Running;
use crate::support::{Answer, Gate, Reply, Run, World, sample, success};

/// Terminal controls that must never be sent: escape, bell, a C1 control, right-to-left override.
const HOSTILE: &str = "a\u{1b}]0;pwned\u{7}\r\u{9b}31m\u{202e}b";

fn is_safe(text: &str) -> bool {
    !text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}')
}

#[test]
fn text_output_is_one_line_per_task_then_a_summary() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    world.answer("t2", &json!({"status": "IN_PROGRESS"}));
    let run = world.run(&["t1", "t2"]).exits(3);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", run.stdout);
    for id in ["t1", "t2"] {
        assert_eq!(lines[..2].iter().filter(|line| line.contains(id)).count(), 1, "{}", run.stdout);
    }
    assert!(run.stderr.is_empty(), "{}", run.stderr);
}

#[test]
fn verbose_reports_each_retry() {
    for (args, is_reported) in [(&["t1"][..], false), (&["t1", "-v"], true)] {
        let world = World::new();
        let picture = world.media.script("/a", [Reply::status("502 Bad Gateway"), Reply::ok(sample("picture.png"))]);
        let answer = success(&json!({"images": [picture]}));
        world.answers(
            "t1",
            [
                Answer::json(500, &json!({"error": {"message": "no channel at http://h/a?sig=secret"}})),
                Answer::json(200, &answer),
            ],
        );
        let run = world.run(args).exits(0);
        let lines = [
            "t1: the gateway answers HTTP 500 Internal Server Error: no channel at http://h/a; retry in 0 s",
            "image-1 t1: HTTP 502 Bad Gateway; retry in 0 s",
        ];
        assert!(lines.iter().all(|line| run.stderr.contains(line) == is_reported), "{}", run.stderr);
    }
}

#[test]
fn verbose_reports_each_wait_for_a_busy_host_with_its_delay() {
    let world = World::new();
    let busy = || Reply::status("429 Too Many Requests").header("Retry-After", "1");
    let picture = world.media.script("/a", [busy(), busy(), Reply::ok(sample("picture.png"))]);
    world.serve_task("t1", &json!({"images": [picture]}));
    let run = world.run(&["t1", "-v"]).exits(0);
    let host = world.media.origin().replace("http://", "");
    let count = |line: &str| run.stderr.lines().filter(|shown| *shown == line).count();
    assert_eq!(count("image-1 t1: HTTP 429 Too Many Requests; retry in 1 s"), 2, "{}", run.stderr);
    assert_eq!(count(&format!("{host}: HTTP 429 Too Many Requests; no requests to this host for 1 s")), 2, "{}", run.stderr);
}

#[test]
fn verbose_reports_a_cooldown_of_the_gateway_once() {
    let world = World::new();
    let ids: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.answers(id, [Answer::raw(429, ""), Answer::json(200, &success(&json!({"text": "la"})))]);
    }
    // Without `Retry-After` the delay is ours.
    let mut command = world.plain_command(&["--retry-delay", "1s", "-v"]);
    command.args(&ids);
    let run = world.audit(Running::start(command).wait(false)).exits(0);
    let count = |part: &str| run.stderr.matches(part).count();
    assert_eq!((count("no requests to this host for"), count("; retry in ")), (1, 8), "{}", run.stderr);
}

#[test]
fn file_events_have_the_manifest_fields_without_the_url() {
    let world = World::new();
    let mov = world.media.script("/v", [Reply::ok(sample("clip.mov")).header("Last-Modified", "Sun, 27 Jul 2025 06:49:48 GMT")]);
    world.serve_task(
        "t1",
        &json!({"videos": [{"url": format!("{mov}?sig=1"), "content_type": "video/mp4"}], "images": [world.serve_sample("picture.png")]}),
    );
    let run = world.run_json(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    let events = run.events_of("file");
    assert_eq!(events.len(), 2);
    for file in entry["files"].as_array().unwrap() {
        let event = events.iter().find(|event| event["kind"] == file["kind"]).unwrap();
        let mut expected = file.clone();
        let fields = expected.as_object_mut().unwrap();
        fields.shift_remove("url");
        for (name, value) in
            [("path", event["path"].clone()), ("time", event["time"].clone()), ("event", json!("file")), ("task_id", json!("t1"))]
        {
            fields.insert(name.to_owned(), value);
        }
        let by_name =
            |value: &Value| value.as_object().unwrap().clone().into_iter().collect::<std::collections::BTreeMap<_, _>>();
        assert_eq!(by_name(event), by_name(&expected));
        let opened = std::fs::read(world.home().join(event["path"].as_str().unwrap())).unwrap();
        assert_eq!(opened.len() as u64, event["size"].as_u64().unwrap(), "it can be opened from the working directory");
    }
}

#[test]
fn task_events_report_the_outcome_of_each_task() {
    let world = World::new();
    world.archive_task("old");
    world.serve_task("new", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "flagged"}));
    world.answers("broken", [Answer::raw(200, "{")]);
    let run = world.run_json(&["old", "new", "failed", "broken", "unknown"]).exits(1);
    let bytes = sample("picture.png").len();
    for (id, expected) in [
        ("old", json!({"state": "complete", "status": "SUCCESS", "reused": true, "files": 1, "bytes": bytes})),
        ("new", json!({"state": "complete", "status": "SUCCESS", "reused": false, "files": 1, "bytes": bytes})),
        ("failed", json!({"state": "failed", "status": "FAILURE", "reused": false, "files": 0, "bytes": 0})),
        ("unknown", json!({"state": "not_found", "reused": false, "files": 0, "bytes": 0})),
        ("broken", json!({"state": "error", "reused": false, "files": 0, "bytes": 0})),
    ] {
        let task = run.task(id);
        expected.as_object().unwrap().iter().for_each(|(field, value)| assert_eq!(&task[field], value, "{id} {field}"));
    }
    assert!(world.home().join(run.task("new")["path"].as_str().unwrap()).join("manifest.json").is_file());
    assert!(run.task("broken")["error"].as_str().is_some_and(|why| !why.is_empty()));
}

#[test]
fn summary_counts_are_disjoint_and_add_up_to_the_ids() {
    let world = World::new();
    world.archive_task("old");
    let png = world.serve_sample("picture.png");
    world.serve_task("complete", &json!({"images": [png]}));
    world.serve_task("partial", &json!({"images": [png], "text": "la"}));
    world.serve_task("incomplete", &json!({"images": [png, "ftp://h"]}));
    world.serve_task("empty", &json!({}));
    world.answer("failed", &json!({"status": "FAILURE"}));
    world.answer("pending", &json!({"status": "x"}));
    world.answers("error", [Answer::raw(200, "{")]);
    let ids = ["old", "complete", "partial", "incomplete", "failed", "empty", "not_found", "pending", "error"];
    let run = world.run_json(&[&ids[..], &["--only", "image,video,audio"]].concat()).exits(1);
    let (summary, bytes) = (run.summary(), sample("picture.png").len());
    for state in ["partial", "reused", "incomplete", "failed", "empty", "not_found", "pending", "error"] {
        assert_eq!(summary[state], 1, "{state}: {summary}");
    }
    assert_eq!((&summary["complete"], &summary["skipped"]), (&json!(2), &json!(0)), "a reused task is a complete one: {summary}");
    assert_eq!((&summary["files"], &summary["bytes"]), (&json!(3), &json!(3 * bytes)), "the files fetched in this run");
    assert!(summary["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert_eq!(run.events().last().unwrap()["event"], "summary");
}

#[test]
fn file_event_is_emitted_once_the_file_is_on_disk() {
    let world = World::new();
    let gate = Gate::default();
    let slow = world.media.script("/slow", [Reply::ok(sample("video-1s.mp4")).after_gate(&gate)]);
    world.serve_task("t1", &json!({"videos": [slow], "images": [world.serve_sample("picture.png")]}));
    let mut running = world.start(&["--json", "t1"]);
    running.read_line();
    let event: Value = serde_json::from_str(&running.read_line()).unwrap();
    assert_eq!((&event["event"], &event["kind"]), (&json!("file"), &json!("image")), "while the video is still downloading");
    assert_eq!(std::fs::read(world.home().join(event["path"].as_str().unwrap())).unwrap(), sample("picture.png"));
    gate.open();
    let run = world.audit(running.wait(false)).exits(0);
    assert_eq!(run.events_of("file").len(), 2);
}

#[test]
fn kept_files_have_no_event() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    let late = world.media.script("/late", [Reply::status("404 Not Found")]);
    world.serve_task("t1", &json!({"images": [png, late]}));
    world.run(&["t1"]).exits(1);
    world.media.script("/late", [Reply::ok(sample("picture.jpg"))]);
    let run = world.run_json(&["t1"]).exits(0);
    assert_eq!(
        (run.events_of("file").len(), &run.events_of("file")[0]["index"], &run.task("t1")["files"]),
        (1, &json!(2), &json!(2))
    );
}

#[test]
fn quiet_prints_errors_only() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [{"url": world.serve_sample("picture.jpg"), "content_type": "image/png"}]}));
    let run = world.run(&["-q", "t1"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = world.run(&["-q", "unknown"]).exits(1);
    assert!(run.stdout.is_empty() && run.stderr.contains("unknown"), "{run:?}");
    world.serve_task("t2", &json!({"images": ["ftp://h"]}));
    assert_eq!(world.run(&["-q", "t2"]).exits(1).stderr.lines().count(), 1, "what is wrong, and nothing else");
}

#[test]
fn warnings_go_to_standard_error() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [{"url": world.serve_sample("picture.jpg"), "content_type": "image/png"}]}));
    let run = world.run(&["t1"]).exits(0);
    assert!(run.stderr.contains("image/jpeg") && !run.stdout.contains("image/jpeg"), "{run:?}");
}

#[test]
fn color_is_off_without_a_terminal_unless_forced() {
    let world = World::new();
    for (args, is_coloured) in [(&["x"][..], false), (&["x", "--color", "always"], true), (&["x", "--color", "never"], false)] {
        let run = world.run(args).exits(1);
        assert_eq!((run.stdout + &run.stderr).contains('\u{1b}'), is_coloured, "{args:?}");
    }
}

#[test]
fn urls_in_messages_lose_their_query() {
    let world = World::new();
    let dead = format!("{}/dead.png?sig=SECRET#SECRET", world.media.origin());
    world.serve_task(
        "t1",
        &json!({"images": [dead, "/relative?sig=SECRET", "ftp://user:SECRET@h/x?sig=SECRET", "http://[bad?sig=SECRET"]}),
    );
    for args in [&["t1", "-vv"][..], &["t1", "--json"], &["t1", "--dry-run"]] {
        let run = world.run(args).exits(1);
        assert!(!(run.stdout.clone() + &run.stderr).contains("SECRET"), "{run:?}");
    }
    assert!(world.run(&["t1"]).stderr.contains("/dead.png"), "the URL itself is shown");
}

#[test]
fn urls_in_gateway_messages_lose_their_query() {
    let world = World::new();
    world.answer(
        "t1",
        &json!({"status": "FAILURE", "err_reason": "could not fetch https://h.example/x.png?w=1,sig=SECRET;'SECRET' today"}),
    );
    let run = world.run(&["t1"]).exits(1);
    assert!(run.stderr.contains("https://h.example/x.png") && !run.stderr.contains("SECRET"), "{}", run.stderr);
}

#[test]
fn control_characters_from_the_network_are_escaped() {
    let world = World::new();
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": HOSTILE}));
    world.answers("error", [Answer::json(400, &json!({"error": {"message": HOSTILE}}))]);
    world.serve_task("asset", &json!({"images": [format!("x:{HOSTILE}"), format!("http://h:{HOSTILE}/"), HOSTILE]}));
    let id = json!({"id": HOSTILE}).to_string();
    let run = world.run_with_input(&format!("failed\nerror\nasset\n{id}\n{HOSTILE}\n{{{HOSTILE}\n"), &["-i", "-", "-vv"]);
    assert!(is_safe(&run.stdout) && is_safe(&run.stderr), "{run:?}");
    assert!(run.stderr.contains("pwned"), "shown");
    let run = world.run_with_input(&id, &["-i", "-", "--dry-run"]);
    assert!(is_safe(&run.stdout) && is_safe(&run.stderr), "{run:?}");
    let run = world.run_with_input(&format!("{id}\nfailed\n"), &["-i", "-", "--json"]);
    assert!(is_safe(&run.stdout) && is_safe(&run.stderr), "{run:?}");
    assert_eq!(
        (run.state(HOSTILE).as_str(), &run.task("failed")["error"]),
        ("not_found", &json!(HOSTILE)),
        "and the same is said"
    );
}

#[test]
fn long_network_messages_are_shortened_but_recorded_whole() {
    let world = World::new();
    let long = "ä".repeat(1_000_000);
    world.answer("t1", &json!({"status": "FAILURE", "err_reason": long}));
    world.serve_task("t2", &json!({"videos": [format!("http://127.0.0.1:1/{}", "a".repeat(1_000_000))]}));
    let run = world.run(&["t1", "t2", "--retries", "0"]).exits(1);
    assert!(run.stderr.len() < 10_000, "{} bytes", run.stderr.len());
    assert!(run.stderr.contains("t1: the task failed: ääää") && run.stderr.contains("t2: video 1: "), "{}", run.stderr);
    let entry = world.task_entry("t1");
    assert_eq!(entry["response"]["err_reason"], long);
    let recorded = entry["err_reason"].as_str().unwrap().strip_suffix('…').expect("it is cut");
    assert!(recorded.len() == 64 << 10 && long.starts_with(recorded), "{} bytes", recorded.len());
}

#[test]
fn control_characters_in_a_key_rejection_are_escaped() {
    let world = World::new();
    world.answers("t1", [Answer::json(401, &json!({"error": {"message": HOSTILE}}))]);
    let run = world.run(&["t1"]).exits(2);
    assert!(is_safe(&run.stdout) && is_safe(&run.stderr) && run.stderr.contains("pwned"), "{run:?}");
}

#[test]
fn closed_output_pipes_do_not_stop_archiving() {
    let world = World::new();
    let gate = Gate::default();
    let ids: Vec<String> = (0..50).map(|n| format!("t{n}")).collect();
    let url = world.media.script("/x", [Reply::ok(sample("picture.png")).after_gate(&gate)]);
    for id in &ids {
        world.serve_task(id, &json!({"images": [url]}));
    }
    world.answer("failed", &json!({"status": "FAILURE"}));
    let closed = [(true, false), (false, true), (true, true)];
    for (json, (out, err)) in [&["-v"][..], &["-v", "--json"]].into_iter().flat_map(|json| closed.map(|closed| (json, closed))) {
        let args: Vec<&str> = ids.iter().map(String::as_str).chain(["failed", "--force"]).chain(json.iter().copied()).collect();
        let mut command = world.command(&args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take_if(|_| out));
        drop(child.stderr.take_if(|_| err));
        gate.open();
        let code = child.wait_with_output().unwrap().status.code();
        world.audit(Run { code, stdout: String::new(), stderr: String::new() }).exits(1);
        assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 51, "{args:?}");
    }
}

#[test]
fn long_run_emits_progress_events() {
    let world = World::new();
    let gate = Gate::default();
    let slow = world.media.script("/slow", [Reply::ok(sample("video-1s.mp4")).after_gate(&gate)]);
    world.serve_task("slow", &json!({"videos": [slow]}));
    world.answer("pending", &json!({"status": "x"}));
    let mut running = world.start(&["--json", "slow", "pending"]);
    let progress: Value = loop {
        let event: Value = serde_json::from_str(&running.read_line()).unwrap();
        if event["event"] == "progress" {
            break event;
        }
    };
    assert_eq!((&progress["tasks"], &progress["done"], &progress["waiting"]), (&json!(2), &json!(1), &json!(0)), "{progress}");
    gate.open();
    let run = world.audit(running.wait(false)).exits(3);
    assert_eq!(run.events().last().unwrap()["event"], "summary", "nothing follows the summary");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let world = World::new();
    let help = world.run(&["--help"]).exits(0);
    assert!(help.stdout.contains("--input-file") && help.stderr.is_empty());
    assert_eq!(world.run(&["--version"]).exits(0).stdout.trim(), concat!("yescale-dl ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn control_characters_in_arguments_are_escaped() {
    let world = World::new();
    let hostile = HOSTILE.replace('\0', "");
    world.write_file("c.toml", "jobs = \"\\u001b]0;pwned\\u0007\"");
    for args in [
        &["t1", &format!("--{hostile}")][..],
        &["t1", &format!("--{hostile}\n")],
        &["t1", "--jobs", &hostile],
        &["t1", "--jobs", &format!("x\nerror: {hostile}")],
        &["t1", "--only", &hostile],
        &["t1", "--base-url", &hostile],
        &["t1", "-i", &hostile],
        &["t1", "--api-key-file", &hostile],
        &["t1", "--ca-cert", &hostile],
        &["t1", "--user-agent", &hostile],
        &["t1", "--config", &hostile],
        &["t1", "--config", "c.toml"],
    ] {
        let run = world.run(args).exits(2);
        assert!(is_safe(&run.stdout) && is_safe(&run.stderr), "{args:?}: {run:?}");
        assert!(!run.stderr.contains("\nerror: a"), "{args:?}: {run:?}");
    }
    for args in [
        &["verify", &*hostile][..],
        &["verify", "x", &hostile],
        &["export", &hostile],
        &["schema", &hostile],
        &["completions", &hostile],
    ] {
        let run = Running::start(world.plain_command(args)).wait(false).exits(2);
        assert!(is_safe(&run.stdout) && is_safe(&run.stderr), "{args:?}: {run:?}");
    }
    let mut command = world.command(&["t1"]);
    command.env("YESCALE_BASE_URL", &hostile);
    let run = world.audit(Running::start(command).wait(false)).exits(2);
    assert!(is_safe(&run.stderr), "{run:?}");
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    for args in [&["t1", "-v", "-o", &*hostile][..], &["t1", "--dry-run", "--force", "-o", &hostile]] {
        // Windows allows no control character in a file name.
        let run = world.run(args).exits(if cfg!(windows) { 2 } else { 0 });
        assert!(is_safe(&run.stdout) && is_safe(&run.stderr), "{args:?}: {run:?}");
    }
    let run = Running::start(world.plain_command(&["config", "-o", &hostile])).wait(false).exits(0);
    assert!(is_safe(&run.stdout), "{run:?}");
}
