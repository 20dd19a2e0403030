//! The fields of manifest.json: their order, their types, and when they are left out.

use std::fs;

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Answer, Reply, World, sample, success};

const DATE: &str = "Sun, 27 Jul 2025 06:49:48 GMT";

/// Archives a task with every field that a manifest can have. Returns the text of its task manifest.
fn full_manifest(world: &World) -> String {
    let clip = sample("clip.mov");
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&clip));
    let clip = Reply::ok(clip).header("Last-Modified", DATE).header("Repr-Digest", &format!("sha-256=:{digest}:"));
    let video = world.media.script("/v", [clip]);
    world.answers("t1", [Answer::raw(200, format!(
        r#"{{"status":"SUCCESS","progress":"100%","message":"m","err_reason":"","submit_time":1753598930,"finish_time":1753598990,"b":1.50,"a":[12345678901234567890123,1E5,-0.0],"task_result":{{"images":["data:image/png;base64,{}","{}/dead?sig=1"],"videos":[{{"url":"{video}?sig=2","content_type":"video/mp4","duration":"5.1"}}],"text":"la\r\n\u0000♪"}}}}"#,
        "AEJD", world.media.origin(),
    ))]);
    world.run_with_input(r#"{"z":1,"task_id":"t1","prompt":"a cat"}"#, &["-i", "-"]).exits(1);
    fs::read_to_string(world.archive().join("t1/manifest.json")).unwrap()
}

pub(super) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn keys_have_the_order_of_the_contract() {
    let world = World::new();
    let manifest: Value = serde_json::from_str(&full_manifest(&world)).unwrap();
    assert_eq!(keys(&manifest), ["manifest_version", "generator", "tasks"]);
    let task = &manifest["tasks"][0];
    let order = [
        "task_id",
        "state",
        "status",
        "progress",
        "message",
        "err_reason",
        "submit_time",
        "finish_time",
        "archived_at",
        "text",
        "text_path",
        "meta",
        "files",
        "errors",
        "response",
    ];
    assert_eq!(keys(task), order);
    let file = [
        "kind",
        "index",
        "path",
        "size",
        "sha256",
        "content_type",
        "detected_type",
        "duration_seconds",
        "duration_source",
        "measured_duration_seconds",
        "width",
        "height",
        "frame_rate",
        "video_codec",
        "url",
        "last_modified",
        "verified_by",
        "warnings",
    ];
    assert_eq!(keys(&task["files"][0]), file);
    assert_eq!(keys(&task["errors"][0]), ["kind", "index", "url", "code", "http_status", "error"]);
    assert_eq!(
        keys(&world.root_manifest()["tasks"][0]),
        order[..order.len() - 1],
        "the answer is in the task's own manifest only"
    );
}

#[test]
fn every_field_has_the_value_of_the_contract() {
    let world = World::new();
    let manifest: Value = serde_json::from_str(&full_manifest(&world)).unwrap();
    assert_eq!(
        (&manifest["manifest_version"], &manifest["generator"]),
        (&json!(1), &json!(concat!("yescale-dl ", env!("CARGO_PKG_VERSION"))))
    );
    let task = &manifest["tasks"][0];
    for (field, value) in [
        ("task_id", "t1"),
        ("state", "incomplete"),
        ("status", "SUCCESS"),
        ("progress", "100%"),
        ("message", "m"),
        ("err_reason", ""),
        ("submit_time", "2025-07-27T06:48:50Z"),
        ("finish_time", "2025-07-27T06:49:50Z"),
        ("text", "la\r\n\0♪"),
        ("text_path", "text.txt"),
    ] {
        assert_eq!(task[field], value, "{field}");
    }
    assert_eq!(task["meta"], json!({"z": 1, "prompt": "a cat"}));
    let file = &task["files"][0];
    let expected = json!({"kind": "video", "index": 1, "path": "video-1.mp4", "content_type": "video/mp4", "detected_type": "video/quicktime",
        "duration_seconds": 5.1, "duration_source": "api", "last_modified": "2025-07-27T06:49:48Z", "verified_by": "repr-digest"});
    expected.as_object().unwrap().iter().for_each(|(field, value)| assert_eq!(&file[field], value, "{field}"));
    assert!((file["measured_duration_seconds"].as_f64().unwrap() - 1.5).abs() < 0.1, "{file}");
    assert!(file["url"].as_str().unwrap().ends_with("/v?sig=2"), "whole");
    assert_eq!(task["errors"][0]["index"], 2);
    assert_eq!(task["errors"][0]["code"], "dead_link");
    assert_eq!(task["errors"][0]["http_status"], 404);
    assert_eq!(task["errors"][0]["error"], "HTTP 404 Not Found");
    assert!(task["errors"][0]["url"].as_str().unwrap().ends_with("/dead?sig=1"), "whole");
}

#[test]
fn response_keeps_every_digit_and_payloads_are_cut_out() {
    let world = World::new();
    full_manifest(&world);
    let response = world.task_entry("t1")["response"].to_string();
    assert!(response.contains(r#""b":1.50,"a":[12345678901234567890123,1"#) && response.contains("-0.0"), "{response}");
    assert!(response.contains(r#""text":"la\r\n\u0000♪""#) && !response.contains("AEJD"), "{response}");
    assert!(response.starts_with(r#"{"status":"SUCCESS","progress""#), "the order is kept: {response}");
}

#[test]
fn manifest_is_indented_by_two_and_ends_with_a_newline() {
    let world = World::new();
    let text = full_manifest(&world);
    for text in [text, fs::read_to_string(world.archive().join("manifest.json")).unwrap()] {
        assert!(
            text.starts_with("{\n  \"manifest_version\": 1,\n  \"generator\": \"yescale-dl ") && text.ends_with("\n  ]\n}\n")
        );
        assert!(text.contains("\n    {\n      \"task_id\": \"t1\",\n"), "{text}");
    }
}

#[test]
fn absent_fields_are_omitted_and_lists_are_always_present() {
    let world = World::new();
    world.answer(
        "t1",
        &json!({"status": "SUCCESS", "submit_time": 0, "message": null, "task_result": {"images": [world.serve_sample("picture.png")]}}),
    );
    world.answer("t2", &json!({"status": "FAILURE"}));
    world.run(&["t1", "t2"]).exits(1);
    let own = world.task_entry("t1");
    assert_eq!(keys(&own), ["task_id", "state", "status", "archived_at", "files", "errors", "response"]);
    let file = ["kind", "index", "path", "size", "sha256", "content_type", "width", "height", "url", "warnings"];
    assert_eq!(keys(&own["files"][0]), file);
    assert_eq!(keys(&world.task_entry("t2")), ["task_id", "state", "status", "archived_at", "files", "errors", "response"]);
    for name in ["manifest.json", "t2/manifest.json"] {
        assert!(!fs::read_to_string(world.archive().join(name)).unwrap().contains("null"), "{name}");
    }
}

#[test]
fn failed_task_is_recorded_with_its_reason() {
    let world = World::new();
    world.answer("t1", &json!({"status": "FAILURE", "progress": "100%", "err_reason": "content flagged"}));
    assert_eq!(world.run_json(&["t1"]).exits(1).state("t1"), "failed");
    let entry = world.task_entry("t1");
    assert_eq!(
        (&entry["state"], &entry["err_reason"], &entry["files"]),
        (&json!("failed"), &json!("content flagged"), &json!([]))
    );
}

#[test]
fn pending_unknown_and_empty_tasks_have_no_folder() {
    let world = World::new();
    world.answer("pending", &json!({"status": "QUEUED"}));
    world.serve_task("empty", &json!({}));
    world.run(&["pending", "empty", "unknown"]).exits(1);
    assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), ["manifest.json"]);
    assert_eq!(world.root_manifest()["tasks"], json!([]));
}

#[test]
fn duration_comes_from_the_api_or_else_from_the_container() {
    let world = World::new();
    let (mp4, mp3, png) = (world.serve_sample("video-1s.mp4"), world.serve_sample("song.mp3"), world.serve_sample("picture.png"));
    world.serve_task(
        "t1",
        &json!({"videos": [mp4, {"url": mp4, "duration": 7}], "audio": [mp3], "images": [{"url": png, "duration": 5}]}),
    );
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    let durations_of = |n: usize| {
        let file = &entry["files"][n];
        (file["duration_seconds"].as_f64(), file["duration_source"].as_str(), file["measured_duration_seconds"].as_f64())
    };
    let (seconds, source, measured) = durations_of(0);
    assert_eq!((seconds, source), (measured, Some("media")));
    assert!((measured.unwrap() - 1.0).abs() < 0.2, "{measured:?}");
    assert_eq!(durations_of(1), (Some(7.0), Some("api"), measured));
    assert_eq!(durations_of(2), (None, None, None), "images have none");
    assert!(durations_of(3).0.is_some() && durations_of(3).1 == Some("media"), "{entry}");
}

#[test]
fn state_is_partial_until_all_kinds_are_archived() {
    let world = World::new();
    world.serve_task(
        "t1",
        &json!({"videos": [world.serve_sample("video-1s.mp4")], "images": [world.serve_sample("picture.png")], "text": "la"}),
    );
    for (only, state, files) in [
        ("video", "partial", &["video-1.mp4"][..]),
        ("text", "partial", &["text.txt", "video-1.mp4"]),
        ("image,audio", "complete", &["image-1.png", "text.txt", "video-1.mp4"]),
    ] {
        world.run(&["t1", "--only", only]).exits(0);
        assert_eq!(
            (world.task_entry("t1")["state"].as_str(), world.files("t1")),
            (Some(state), files.iter().map(|f| (*f).to_owned()).collect()),
            "{only}"
        );
    }
}

#[test]
fn readers_ignore_unknown_fields() {
    let world = World::new();
    let folder = world.archive_task("t1");
    for path in [folder.join("manifest.json"), world.archive().join("manifest.json")] {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("\"manifest_version\": 1,", "\"manifest_version\": 1,\n  \"future\": {\"x\": [1]},");
        fs::write(&path, text.replace("\"kind\": \"image\",", "\"kind\": \"image\",\n          \"future\": true,")).unwrap();
    }
    let requests = world.gateway_requests().len();
    let run = world.start(&["--json", "t1"]).wait(false).exits(0);
    assert_eq!((&run.task("t1")["reused"], world.gateway_requests().len()), (&json!(true), requests));
}

#[test]
fn task_folder_is_an_archive_of_one_task() {
    let world = World::new();
    let folder = world.archive_task("t1");
    fs::rename(&folder, world.home().join("moved")).unwrap();
    let manifest: Value = serde_json::from_slice(&fs::read(world.home().join("moved/manifest.json")).unwrap()).unwrap();
    let path = manifest["tasks"][0]["files"][0]["path"].as_str().unwrap();
    assert_eq!(fs::read(world.home().join("moved").join(path)).unwrap(), sample("picture.png"));
}

#[test]
fn platform_and_model_come_from_the_message_else_from_meta() {
    let world = World::new();
    for (id, message) in [("a", "YEScale - KLING - v2 - Task Result"), ("b", "done"), ("c", "YEScale - VEO - Task Result")] {
        let mut answer = success(&json!({"text": "la"}));
        answer["message"] = json!(message);
        world.answer(id, &answer);
    }
    let origin = |id: &str| {
        let (task, root) = (world.task_entry(id), world.root_manifest());
        let root = root["tasks"].as_array().unwrap().iter().find(|task| task["task_id"] == id).unwrap();
        assert_eq!((&task["platform"], &task["model"]), (&root["platform"], &root["model"]));
        (task["platform"].clone(), task["model"].clone())
    };
    world.run(&["a", "b", "c"]).exits(0);
    assert_eq!(
        ["a", "b", "c"].map(origin),
        [(json!("kling"), json!("v2")), (Value::Null, Value::Null), (json!("veo"), Value::Null),]
    );
    // New `meta` is recorded without asking again.
    world.run_with_input(r#"{"id":"b","platform":"Suno","model":"chirp"}"#, &["-i", "-"]).exits(0);
    assert_eq!(origin("b"), (json!("suno"), json!("chirp")));
}

#[test]
fn duration_is_read_back_to_the_last_digit() {
    let world = World::new();
    // 43/30, which a fast parser reads as another number.
    let audio = json!([{"url": world.serve_sample("song.mp3"), "duration": 1.433_333_333_333_333_3}]);
    world.serve_task("t1", &json!({"audio": audio}));
    world.run(&["t1"]);
    let before = fs::read(world.archive().join("manifest.json")).unwrap();
    assert!(String::from_utf8_lossy(&before).contains("1.4333333333333333"), "{}", String::from_utf8_lossy(&before));
    assert!(world.plain_command(&["index"]).status().unwrap().success());
    assert!(fs::read(world.archive().join("manifest.json")).unwrap() == before, "what a run writes is what an index writes");
}
