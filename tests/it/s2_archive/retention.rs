//! "The archive keeps what it has": no later response removes anything.

use std::fs;

use serde_json::{Value, json};

use crate::support::audit::sha256;
use crate::support::{Answer, Reply, World, sample, success};

/// A later response, made from a list with one image.
type Later = fn(&World, Value) -> Answer;

/// Archives a complete task with two images, a video, text and meta.
fn archive_full_task(world: &World) {
    let (png, mp4) = (world.serve_sample("picture.png"), world.serve_sample("video-1s.mp4"));
    world.serve_task("t1", &json!({"videos": [mp4], "images": [png, png], "text": "la la"}));
    world.run_with_input(r#"{"task_id":"t1","prompt":"a cat"}"#, &["-i", "-"]).exits(0);
}

/// The hashes of all files that must stay. Manifests and dot-files are left to the audit.
fn media(world: &World) -> Vec<(String, String)> {
    let is_media = |name: &str| !name.ends_with("manifest.json") && !name.contains("/.");
    world.tree().into_iter().filter(|(name, _)| is_media(name)).map(|(name, (bytes, _))| (name, sha256(&bytes))).collect()
}

fn retained_fields(entry: &Value) -> [Value; 4] {
    let files = entry["files"].as_array().unwrap().iter().map(|file| json!([file["path"], file["sha256"]])).collect();
    [Value::Array(files), entry["text"].clone(), entry["text_path"].clone(), entry["meta"].clone()]
}

#[test]

fn smaller_later_response_removes_nothing() {
    let one = |world: &World| json!([world.serve_sample("picture.png")]);
    let cases: [(&str, Later); 8] = [
        ("not found", |_, _| Answer::json(404, &json!({"error": "Task not found"}))),
        ("failure", |_, _| Answer::json(200, &json!({"status": "FAILURE", "err_reason": "expired"}))),
        ("empty", |_, _| Answer::json(200, &success(&json!({"images": []})))),
        ("pending", |_, _| Answer::json(200, &json!({"status": "IN_PROGRESS"}))),
        ("fewer", |_, one| Answer::json(200, &success(&json!({"images": one})))),
        ("no links", |_, _| Answer::json(200, &success(&json!({"videos": "", "images": [{}, 7], "text": "la la"})))),
        ("broken", |_, _| Answer::raw(200, "{")),
        ("no text", |world, one| {
            Answer::json(200, &success(&json!({"videos": [world.serve_sample("video-1s.mp4")], "images": [one[0], one[0]]})))
        }),
    ];
    for (name, later) in cases {
        let world = World::new();
        archive_full_task(&world);
        let (before, entry) = (media(&world), world.task_entry("t1"));
        world.answers("t1", [later(&world, one(&world))]);
        let run = world.run_json(&["--force", "t1"]);
        assert!(matches!(run.code, Some(1 | 3)), "it is reported: {name} {run:?}");
        assert_eq!(media(&world), before, "{name}");
        assert_eq!(retained_fields(&world.task_entry("t1")), retained_fields(&entry), "{name}");
        assert_eq!(world.task_entry("t1")["state"], "complete", "the archive is as intact as before: {name}");
    }
}

#[test]

fn failed_download_under_force_keeps_the_old_file() {
    for dead in [
        Reply::status("404 Not Found"),
        Reply::ok("<!doctype html>"),
        Reply::ok(""),
        Reply::ok(sample("picture.jpg")).cut_after(9),
    ] {
        let world = World::new();
        archive_full_task(&world);
        let (before, entry) = (media(&world), world.task_entry("t1"));
        world.media.script("/picture.png", [dead]);
        let run = world.run_json(&["--force", "--retries", "1", "t1"]).exits(1);
        assert!(!run.stderr.is_empty());
        assert_eq!((media(&world), retained_fields(&world.task_entry("t1"))), (before, retained_fields(&entry)));
    }
}

#[test]
fn force_replaces_each_file_only_after_a_whole_download() {
    let world = World::new();
    archive_full_task(&world);
    world.media.script("/video-1s.mp4", [Reply::status("404 Not Found")]);
    world.media.script("/picture.png", [Reply::ok(sample("picture.jpg")).content_type("image/jpeg")]);
    world.run(&["--force", "t1"]).exits(1);
    assert_eq!(world.files("t1"), ["image-1.jpg", "image-2.jpg", "text.txt", "video-1.mp4"]);
    assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), sample("video-1s.mp4"));
}

#[test]
fn failed_task_can_succeed_later() {
    let world = World::new();
    world.answer("t1", &json!({"status": "FAILURE", "err_reason": "no credit"}));
    world.run(&["t1"]).exits(1);
    world.serve_task("t1", &json!({"text": "la"}));
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    assert_eq!((&entry["state"], entry.get("err_reason")), (&json!("complete"), None));
}

#[test]

fn damaged_file_with_a_dead_link_is_kept() {
    let world = World::new();
    let file = world.archive_task("t1").join("image-1.png");
    let half = sample("picture.png")[..30].to_vec();
    fs::write(&file, &half).unwrap();
    world.media.script("/picture.png", [Reply::status("404 Not Found")]);
    // Not `run`: the audit would reject the damaged file.
    world.start(&["t1"]).wait(false).exits(1);
    assert_eq!(fs::read(&file).ok(), Some(half), "what is on disk stays");
}

#[test]
fn missing_file_with_a_dead_link_leaves_other_files_alone() {
    let world = World::new();
    archive_full_task(&world);
    fs::remove_file(world.archive().join("t1/video-1.mp4")).unwrap();
    world.media.script("/video-1s.mp4", [Reply::status("410 Gone")]);
    let run = world.start(&["--json", "t1"]).wait(false).exits(1);
    assert_eq!(run.state("t1"), "incomplete");
    assert_eq!(
        (world.files("t1"), world.media.request_count("/picture.png")),
        (["image-1.png", "image-2.png", "text.txt"].map(str::to_owned).to_vec(), 2)
    );
}

#[test]
fn incomplete_task_keeps_its_files_when_the_response_shrinks() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"images": [png, format!("{}/dead.png", world.media.origin())], "text": "la"}));
    world.run(&["t1"]).exits(1);
    let before = world.task_entry("t1");
    for later in
        [json!({"status": "FAILURE"}), json!({"status": "IN_PROGRESS"}), success(&json!({})), success(&json!({"images": []}))]
    {
        world.answer("t1", &later);
        let run = world.run_json(&["t1"]);
        assert_ne!(run.code, Some(0), "{later}");
        assert_eq!(world.task_entry("t1"), before, "{later}");
    }
}

#[test]
fn changed_text_is_replaced_and_vanished_text_is_kept() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "first"}));
    world.run(&["t1"]).exits(0);
    world.serve_task("t1", &json!({"text": "second"}));
    world.run(&["--force", "t1"]).exits(0);
    assert_eq!(world.task_entry("t1")["text"], "second");
    world.serve_task("t1", &json!({"text": "", "images": [world.serve_sample("picture.png")]}));
    world.run(&["--force", "t1"]);
    assert_eq!(world.task_entry("t1")["text"], "second");
}

#[test]

fn later_run_with_only_removes_nothing() {
    let world = World::new();
    archive_full_task(&world);
    let (before, entry) = (media(&world), world.task_entry("t1"));
    for only in ["video", "image", "audio", "text"] {
        world.run(&["--force", "--only", only, "t1"]).exits(0);
        assert_eq!(
            (media(&world), retained_fields(&world.task_entry("t1"))),
            (before.clone(), retained_fields(&entry)),
            "{only}"
        );
    }
    assert_eq!(world.task_entry("t1")["state"], "complete");
}

#[test]
fn meta_is_updated_offline_and_kept_by_runs_without_meta() {
    let world = World::new();
    world.archive_task("t1");
    let requests = world.gateway_requests().len();
    let run = world.run_with_input(r#"{"id":"t1","prompt":"a cat","seed":1.50}"#, &["-i", "-", "--json"]).exits(0);
    assert_eq!((&run.task("t1")["reused"], world.gateway_requests().len()), (&json!(true), requests));
    assert_eq!(world.task_entry("t1")["meta"].to_string(), r#"{"prompt":"a cat","seed":1.50}"#);
    let before = world.tree();
    world.run(&["t1"]).exits(0);
    assert_eq!(world.tree(), before);
    world.run_with_input(r#"{"id":"t1","prompt":"a dog"}"#, &["-i", "-"]).exits(0);
    assert_eq!(world.task_entry("t1")["meta"].to_string(), r#"{"prompt":"a dog"}"#);
}

#[test]

fn meta_is_recorded_even_when_the_request_fails() {
    for later in [Answer::json(404, &json!({})), Answer::json(200, &json!({"status": "FAILURE"})), Answer::html(400)] {
        let world = World::new();
        world.archive_task("t1");
        world.answers("t1", [later]);
        world.run_with_input(r#"{"id":"t1","prompt":"a cat"}"#, &["-i", "-", "--force"]).exits(1);
        assert_eq!(world.task_entry("t1")["meta"]["prompt"], "a cat");
    }
}

#[test]
fn lost_file_of_an_expired_task_keeps_its_entry() {
    let world = World::new();
    archive_full_task(&world);
    let before = world.task_entry("t1");
    fs::remove_file(world.archive().join("t1/video-1.mp4")).unwrap();
    for gone in [Answer::json(404, &json!({"error": "Task not found"})), Answer::json(200, &json!({"status": "EXPIRED"}))] {
        world.answers("t1", [gone]);
        world.start(&["t1"]).wait(false).exits(1);
        assert_eq!(world.task_entry("t1"), before);
        assert_eq!(world.files("t1"), ["image-1.png", "image-2.png", "text.txt"]);
    }
}

#[test]
fn response_with_other_assets_adds_them_and_removes_nothing() {
    let world = World::new();
    archive_full_task(&world);
    let before = media(&world);
    world.serve_task("t1", &json!({"audio": [world.serve_sample("song.mp3")], "text": "la la"}));
    world.run(&["--force", "t1"]).exits(1);
    let after = media(&world);
    assert!(before.iter().filter(|(name, _)| name != "SHA256SUMS").all(|file| after.contains(file)), "{after:?}");
    assert_eq!(world.task_entry("t1")["files"].as_array().unwrap().len(), 4);
    assert_eq!(world.files("t1")[0], "audio-1.mp3");
}
