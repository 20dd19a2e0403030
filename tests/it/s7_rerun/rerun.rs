//! "A task that is complete … costs no network at all"; concurrent runs do not harm each other.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Gate, Reply, World, sample};

/// Waits for `path` to appear. A program that never makes it fails the test.
fn await_path(path: &std::path::Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn complete_task_needs_no_request_and_rewrites_nothing() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.serve_task("Odd", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    world.run(&["t1", "Odd"]).exits(0);
    let (before, requests, heads) = (world.tree(), world.gateway_requests().len(), world.media.heads().len());
    for args in [&["t1", "Odd"][..], &["t1", "--only", "video"], &["Odd", "-o", "./yescale/"]] {
        world.run(args).exits(0);
    }
    assert_eq!((world.tree(), world.gateway_requests().len(), world.media.heads().len()), (before, requests, heads));
}

#[test]
fn complete_task_needs_no_reachable_gateway() {
    let world = World::new();
    world.archive_task("t1");
    let run = world.run_json(&["t1", "--base-url", "http://127.0.0.1:1"]).exits(0);
    assert_eq!(run.task("t1")["reused"], true);
}

#[test]
fn partial_task_is_reused_and_the_rest_fetched_on_demand() {
    let world = World::new();
    world.serve_task(
        "t1",
        &json!({"videos": [world.serve_sample("video-1s.mp4")], "images": [world.serve_sample("picture.png")]}),
    );
    world.run(&["t1", "--only", "video"]).exits(0);
    let (before, requests) = (world.tree(), world.gateway_requests().len());
    for only in ["video", "audio", "video,text"] {
        assert_eq!(world.run_json(&["t1", "--only", only]).exits(0).task("t1")["reused"], true, "{only}");
    }
    assert_eq!((world.tree(), world.gateway_requests().len()), (before, requests));
    world.run(&["t1"]).exits(0);
    assert_eq!((world.media.request_count("/video-1s.mp4"), world.media.request_count("/picture.png")), (1, 1));
    assert_eq!(world.task_entry("t1")["state"], "complete");
}

#[test]
fn incomplete_task_fetches_only_missing_files() {
    let world = World::new();
    let late = world.media.script("/late", [Reply::status("404 Not Found")]);
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png"), late]}));
    world.run(&["t1"]).exits(1);
    let before = world.tree();
    world.run(&["t1"]).exits(1);
    assert_eq!(world.tree(), before, "a run that changes nothing rewrites nothing");
    world.media.script("/late", [Reply::ok(sample("picture.jpg"))]);
    world.run(&["t1"]).exits(0);
    assert_eq!((world.media.request_count("/picture.png"), &world.task_entry("t1")["errors"]), (1, &json!([])));
}

#[test]
fn only_missing_or_resized_files_are_fetched_again() {
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")], "images": [world.serve_sample("picture.png")], "audio": [world.serve_sample("song.mp3")], "text": "la"}));
    world.run(&["t1"]).exits(0);
    fs::remove_file(world.archive().join("t1/image-1.png")).unwrap();
    fs::write(world.archive().join("t1/video-1.mp4"), "cut").unwrap();
    fs::remove_file(world.archive().join("t1/text.txt")).unwrap();
    world.run(&["t1"]).exits(0);
    assert_eq!(["/video-1s.mp4", "/picture.png", "/song.mp3"].map(|path| world.media.request_count(path)), [2, 2, 1]);
    assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), sample("video-1s.mp4"));
}

#[test]
fn pending_failed_empty_and_unknown_tasks_are_queried_again() {
    let world = World::new();
    world.answer("pending", &json!({"status": "QUEUED"}));
    world.answer("failed", &json!({"status": "FAILURE"}));
    world.serve_task("empty", &json!({}));
    let ids = ["pending", "failed", "empty", "unknown"];
    world.run(&ids).exits(1);
    let before = world.tree();
    world.run(&ids).exits(1);
    assert_eq!((world.gateway_requests().len(), world.tree()), (8, before), "and nothing is rewritten");
    for id in ids {
        world.serve_task(id, &json!({"text": "la"}));
    }
    world.run(&ids).exits(0);
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 4);
}

#[test]
fn long_root_manifest_is_updated_whatever_an_editor_did_to_it() {
    let world = World::new();
    // Long enough that the program does not parse it, where it has the program's own layout.
    world.serve_task("long", &json!({"text": "la\n    }\n".repeat(1 << 17)}));
    let ids = ["Odd", "a", "t1", "z"];
    for id in ids {
        world.serve_task(id, &json!({"images": [world.serve_sample("picture.png")], "text": id}));
    }
    world.run(&["long", "a"]).exits(0);
    // The audit compares the root's files with the folders.
    for id in ids {
        world.run(&[id]).exits(0);
    }
    let edits: [fn(&str) -> String; 6] = [
        |text| serde_json::from_str::<serde_json::Value>(text).unwrap().to_string(),
        |text| text.replace('\n', "\r\n"),
        |text| format!("\u{feff}{text}"),
        |text| text.replacen("\"state\"", "\0\"state\"", 1),
        |text| text[..text.len() / 2].to_owned(),
        |text| text.trim_end().to_owned(),
    ];
    for (n, edit) in edits.into_iter().enumerate() {
        let text = fs::read_to_string(world.archive().join("manifest.json")).unwrap();
        world.write_file("yescale/manifest.json", edit(&text));
        let id = format!("new-{n}");
        world.serve_task(&id, &json!({"text": "lo"}));
        world.run(&[&id]).exits(0);
        assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 6 + n);
    }
    let before = world.tree();
    world.run(&["a", "long", "z"]).exits(0);
    assert_eq!(world.tree(), before, "a run that changes nothing rewrites nothing");
}

#[test]
fn skip_failed_skips_permanent_failures() {
    let world = World::new();
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "flagged"}));
    let dead = world.media.script("/dead", [Reply::status("404 Not Found")]);
    world.serve_task("dead", &json!({"images": [world.serve_sample("picture.png"), dead], "text": "la"}));
    let ids = ["failed", "dead"];
    world.run(&[&ids[..], &["--skip-failed"]].concat()).exits(1);
    let (before, requests, heads) = (world.tree(), world.gateway_requests().len(), world.media.heads().len());
    for more in [&[][..], &["--only", "image"], &["--force"]] {
        let run = world.run_json(&[&ids[..], &["--skip-failed"], more].concat()).exits(0);
        assert_eq!(ids.map(|id| run.state(id)), ["failed", "incomplete"]);
        assert_eq!([&run.task("failed")["skipped"], &run.task("failed")["reused"]], [true, false]);
        let counts = ["skipped", "reused", "failed", "incomplete"].map(|count| run.summary()[count].as_u64().unwrap());
        assert_eq!(counts, [2, 0, 1, 1]);
        assert!(run.stderr.is_empty(), "{}", run.stderr);
        let run = world.run(&[&ids[..], &["--skip-failed"], more].concat()).exits(0);
        assert!(run.stderr.is_empty() && run.stdout.lines().count() == 1, "the summary alone: {run:?}");
        assert!(run.stdout.contains("(2 not tried again because of --skip-failed)"), "{}", run.stdout);
    }
    assert_eq!((world.tree(), world.gateway_requests().len(), world.media.heads().len()), (before, requests, heads));
    world.run(&ids).exits(1);
    assert_eq!(
        world.gateway_requests().len(),
        requests + 3,
        "without it both are requested again, the dead link for a fresh one too"
    );
}

#[test]
fn skip_failed_retries_recoverable_tasks() {
    let world = World::new();
    let (png, dead) = (world.serve_sample("picture.png"), world.media.script("/dead", [Reply::status("410 Gone")]));
    let broken = world.media.script("/broken", [Reply::status("500 Oops")]);
    world.serve_task("broken", &json!({"images": [dead, broken]}));
    world.serve_task("lost", &json!({"images": [png, dead]}));
    world.serve_task("left-out", &json!({"images": [dead], "videos": [world.serve_sample("video-1s.mp4")]}));
    world.run(&["broken", "lost", "left-out", "--only", "image", "--retries", "0"]).exits(1);
    fs::remove_file(world.archive().join("lost/image-1.png")).unwrap();
    world.media.script("/broken", [Reply::ok(sample("picture.png"))]);
    let run = world.run_json(&["broken", "lost", "left-out", "--skip-failed"]).exits(1);
    assert_eq!(run.summary()["incomplete"], 3, "{run:?}");
    assert_eq!(["broken", "lost", "left-out"].map(|id| world.files(id).len()), [1, 1, 1]);
    world.run_json(&["broken", "lost", "left-out", "--skip-failed"]).exits(0);
}

#[test]
fn concurrent_processes_fetch_nothing_twice_and_lose_nothing() {
    let world = World::new();
    let ids: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        world.serve_task(
            id,
            &json!({"images": [world.media.script(&format!("/{n}"), [Reply::ok(sample("picture.png"))])], "text": id}),
        );
    }
    let halves = [&ids[..8], &ids[4..], &ids[..]];
    let running: Vec<_> = halves.iter().map(|half| world.start(half)).collect();
    let ended: Vec<_> = running.into_iter().map(|running| running.wait(false)).collect();
    for run in ended {
        world.audit(run).exits(0);
    }
    assert!((0..12).all(|n| world.media.request_count(&format!("/{n}")) == 1), "{:?}", world.media.heads());
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 12);
}

#[test]
fn second_process_waits_for_a_leased_task() {
    let world = World::new();
    let (requested, gate) = (Gate::default(), Gate::default());
    let url = world.media.script("/x", [Reply::ok(sample("picture.png")).notify_on_request(&requested).after_gate(&gate)]);
    world.serve_task("t1", &json!({"images": [url]}));
    let first = world.start(&["t1"]);
    assert!(requested.wait());
    let second = world.start(&["--json", "t1"]);
    gate.open();
    first.wait(false).exits(0);
    let run = world.audit(second.wait(false)).exits(0);
    assert_eq!((run.task("t1")["state"].as_str(), world.media.request_count("/x")), (Some("complete"), 1));
}

#[test]
fn killed_run_leaves_only_whole_files_that_are_reused() {
    let world = World::new();
    let video = sample("video-1s.mp4");
    let slow = world.media.script("/slow", [Reply::ok(video.clone()).stall_after(video.len() / 2)]);
    world.serve_task("t1", &json!({"videos": [slow], "images": [world.serve_sample("picture.png")], "text": "la"}));
    let running = world.start(&["t1"]);
    await_path(&world.archive().join("t1/image-1.png"));
    running.kill();
    let tree = world.tree();
    let finals: Vec<&String> = tree.keys().filter(|name| name.starts_with("t1/") && !name.starts_with("t1/.")).collect();
    assert_eq!(finals, ["t1/image-1.png"], "no manifest, no video");

    world.media.script("/slow", [Reply::ok(video)]);
    world.run(&["t1"]).exits(0);
    assert_eq!((world.media.request_count("/picture.png"), &world.task_entry("t1")["state"]), (1, &json!("complete")));
}

#[test]

fn dot_files_of_a_killed_run_are_removed_on_completion() {
    let world = World::new();
    // Enough bytes that a part of them is on disk before the host stalls.
    let large = vec![1; 1 << 20];
    world.serve_task("t1", &json!({"url": world.media.script("/slow", [Reply::ok(large.clone()).stall_after(large.len() - 1)])}));
    let running = world.start(&["t1"]);
    let started = Instant::now();
    while !world.files("t1").iter().any(|name| name.contains(".part")) {
        assert!(started.elapsed() < Duration::from_secs(20), "the body never reached the disk: {:?}", world.files("t1"));
        std::thread::sleep(Duration::from_millis(2));
    }
    running.kill();
    // The gateway's response has another shape now. The audit looks for leftover files.
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.files("t1"), ["image-1.png"]);
}

#[test]

fn root_manifest_is_corrected_after_a_kill() {
    let world = World::new();
    world.archive_task("t0");
    let (requested, gate) = (Gate::default(), Gate::default());
    let slow = world.media.script("/slow", [Reply::ok(sample("picture.png")).notify_on_request(&requested).after_gate(&gate)]);
    world.serve_task("t1", &json!({"text": "la"}));
    world.serve_task("t2", &json!({"images": [slow]}));
    let running = world.start(&["t1", "t2"]);
    await_path(&world.archive().join("t1/manifest.json"));
    running.kill();
    gate.open();
    // t1 is complete and needs no request. The audit compares the root manifest with the folders.
    world.run(&["t1"]).exits(0);
}

#[test]

fn task_folder_copied_from_another_archive_is_indexed() {
    let (world, other) = (World::new(), World::new());
    world.archive_task("t0");
    let folder = other.archive_task("t1");
    fs::create_dir(world.archive().join("t1")).unwrap();
    for name in ["manifest.json", "image-1.png"] {
        fs::copy(folder.join(name), world.archive().join("t1").join(name)).unwrap();
    }
    let requests = world.gateway_requests().len();
    let run = world.run_json(&["t1"]).exits(0);
    assert_eq!((&run.task("t1")["reused"], world.gateway_requests().len()), (&json!(true), requests));
}

#[test]
fn file_beside_a_lock_file_is_removed_from_a_finished_folder() {
    let world = World::new();
    world.archive_task("t1");
    for name in [".lock.0123456789abcdef", ".lock.aBc123"] {
        let left = world.archive().join("t1").join(name);
        fs::write(&left, "").unwrap();
        world.run(&["t1"]).exits(0);
        assert!(!left.exists(), "{name}");
    }
}
