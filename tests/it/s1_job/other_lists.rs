//! Files: the items of lists that are neither `videos`, `images` nor `audio`.
//!
//! "Other lists in `task_result` are archived too, as kind `file`" · "a `file` may be what it was declared as".

use serde_json::json;

use crate::support::commands::run_command;
use crate::support::{Reply, World, sample};

const GLB: &[u8] = b"glTF\x02\0\0\0\x0C\0\0\0";
const SRT: &str = "1\n00:00:00,000 --> 00:00:01,000\nla\n";

#[test]
fn files_of_other_lists_are_archived_and_kept() {
    let world = World::new();
    let serve = |path: &str, body: &[u8], http: &str| world.media.script(path, [Reply::ok(body.to_vec()).content_type(http)]);
    let glb = serve("/a", GLB, "application/octet-stream");
    let result = json!({
        "tags": ["cat", "moon"],
        "models": [{"url": glb, "content_type": "model/gltf-binary"}, {"name": "no url"}],
        "videos": [world.serve_sample("video-1s.mp4")],
        "input_images": [format!("{}/trap.png", world.media.origin())],
        "extra": [
            glb,
            serve("/b.zip", b"PK\x03\x04....", ""),
            serve("/c", b"%PDF-1.7", ""),
            serve("/d.srt", SRT.as_bytes(), "text/plain"),
            serve("/e", b"{\"words\": []}", "application/json"),
            serve("/f.usdz", b"PK\x03\x04....", "model/vnd.usdz+zip"),
            serve("/g", b"MThd\0\0\0\x06\0\x01\0\x01\0\x60", "audio/midi"),
            serve("/h", &sample("picture.png"), "image/png"),
        ],
    });
    world.serve_task("t1", &result);
    let run = world.run_json(&["t1"]).exits(0);
    assert_eq!(run.state("t1"), "complete");
    let entry = world.task_entry("t1");
    let files: Vec<(&str, &str)> = entry["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["kind"].as_str().unwrap(), file["path"].as_str().unwrap()))
        .collect();
    assert_eq!(
        files,
        [
            ("video", "video-1.mp4"),
            ("file", "file-1.glb"),
            ("file", "file-2.zip"),
            ("file", "file-3.pdf"),
            ("file", "file-4.srt"),
            ("file", "file-5.json"),
            ("file", "file-6.usdz"),
            ("file", "file-7.mid"),
            ("file", "file-8.png"),
        ]
    );
    assert_eq!(entry["files"].as_array().unwrap().iter().flat_map(|file| file["warnings"].as_array().unwrap()).count(), 0);
    assert_eq!(world.media.request_count("/trap.png"), 0);
    run_command(&world, &["verify"]).exits(0);
    run_command(&world, &["gallery"]).exits(0);
    assert!(world.run_json(&["t1"]).exits(0).events_of("task")[0]["reused"] == true);
}

#[test]
fn error_in_place_of_a_file_is_refused() {
    let world = World::new();
    let serve = |path: &str, body: &str, http: &str| world.media.script(path, [Reply::ok(body).content_type(http)]);
    let result = json!({"files": [
        {"url": serve("/a.glb", "{\"error\":\"expired\"}", "application/json"), "content_type": "model/gltf-binary"},
        serve("/b.glb", "{\"error\":\"expired\"}", "application/json"),
        serve("/c.srt", "Access denied: the signature has expired", "text/plain"),
        serve("/d.zip", "<html><body>expired", "text/html"),
        {"url": serve("/e", "<html><body>expired", "text/html"), "content_type": "text/vtt"},
        serve("/f.zip", "", "application/zip"),
    ]});
    world.serve_task("t1", &result);
    world.run_json(&["t1"]).exits(1);
    let entry = world.task_entry("t1");
    let codes: Vec<&str> = entry["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap()).collect();
    assert_eq!((codes, entry["files"].as_array().unwrap().len()), (vec!["refused_content"; 6], 0));
}

#[test]
fn text_of_a_type_without_an_extension_of_ours_is_kept() {
    let world = World::new();
    let serve = |path: &str, body: &str, http: &str| world.media.script(path, [Reply::ok(body).content_type(http)]);
    let result = json!({"files": [
        {"url": serve("/a", "solid x\nendsolid x\n", "text/plain"), "content_type": "model/stl"},
        serve("/b.txt", "words", "text/plain; charset=utf-8"),
        serve("/c.csv", "a,b\n1,2\n", "text/csv"),
        "data:text/plain,words",
        "data:text/vtt,WEBVTT",
    ]});
    world.serve_task("t1", &result);
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    let paths: Vec<&str> = entry["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["file-1.bin", "file-2.bin", "file-3.bin", "file-4.bin", "file-5.vtt"]);
}

#[test]
fn media_declared_as_a_text_keep_the_type_of_their_bytes() {
    let world = World::new();
    let png = world.media.script("/a", [Reply::ok(sample("picture.png")).content_type("application/json")]);
    world.serve_task("lone", &json!({"url": png}));
    world.serve_task("image", &json!({"images": [{"url": png, "content_type": "text/vtt"}]}));
    world.run(&["lone", "image"]).exits(0);
    for id in ["lone", "image"] {
        assert_eq!(world.task_entry(id)["files"][0]["path"], "image-1.png", "{id}");
    }
}

#[test]
fn lone_url_of_a_model_is_a_file() {
    let world = World::new();
    let glb = world.media.script("/a.glb", [Reply::ok(GLB.to_vec()).content_type("application/octet-stream")]);
    world.serve_task("t1", &json!({"url": glb}));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.task_entry("t1")["files"][0]["path"], "file-1.glb");
}

#[test]
fn only_selects_files_and_leaves_them_out() {
    let world = World::new();
    let glb = world.media.script("/a.glb", [Reply::ok(GLB.to_vec()).content_type("model/gltf-binary")]);
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "models": [glb]}));
    let run = world.run_json(&["t1", "--only", "image"]).exits(0);
    assert_eq!((run.state("t1"), world.media.request_count("/a.glb")), ("partial".to_owned(), 0));
    let run = world.run_json(&["t1", "--only", "file"]).exits(0);
    assert_eq!((run.state("t1"), world.media.request_count("/a.glb")), ("complete".to_owned(), 1));
}
