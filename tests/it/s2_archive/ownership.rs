//! Which files the program may overwrite: its own broken files are rebuilt, the files of others are never
//! overwritten.
//!
//! "A `manifest.json` is ours when it parses and has `manifest_version` and `tasks`. One that is empty, zeroed, or
//! begins as ours does and breaks off is ours and broken" · "A `SHA256SUMS` is ours when …" · "at the root the exit
//! code is 2 before any request; in a task folder it is an `error` of that task alone. A `manifest_version` higher
//! than the known one is treated the same" · "A folder whose manifest names another id is an error of that task".

use std::fs;

use serde_json::json;

use crate::support::World;
use crate::support::commands::run_command;
use crate::support::run::Running;

pub(super) const EMPTY: &str = "{\n  \"manifest_version\": 1,\n  \"generator\": \"x\",\n  \"tasks\": []\n}\n";

#[test]
fn foreign_archive_root_ends_the_run_before_any_request() {
    let hash = "0".repeat(64);
    for (name, content) in [
        ("manifest.json", r#"{"name":"my web app","icons":[]}"#.to_owned()),
        ("manifest.json", r#"{"manifest_version":3,"name":"an extension"}"#.to_owned()),
        ("manifest.json", r#"{"manifest_version":2,"tasks":[]}"#.to_owned()),
        ("manifest.json", r#"{"name":"cut"#.to_owned()),
        ("manifest.json", r#"{"manifest_version": 3, "name": "a cut extension", "#.to_owned()),
        ("manifest.json", r#"{"manifest_version": 2, "generator": "later", "tasks": [{"task"#.to_owned()),
        ("manifest.json", "notes".to_owned()),
        ("manifest.json", "[]".to_owned()),
        ("SHA256SUMS", format!("{hash}  linux.iso\n")),
        ("SHA256SUMS", format!("{hash}  t1/image-1.png\n{hash}  linux.iso\n")),
        ("SHA256SUMS", format!("{hash}  photos/summer.jpg\n")),
        ("SHA256SUMS", format!("{hash}  ../t1/image-1.png\n")),
        ("SHA256SUMS", "notes\n".to_owned()),
        ("manifest.json/x", "a folder".to_owned()),
        ("SHA256SUMS/x", "a folder".to_owned()),
    ] {
        let world = World::new();
        world.serve_task("t1", &json!({"text": "la"}));
        world.write_file(&format!("yescale/{name}"), &content);
        let before = world.tree();
        let run = world.start(&["t1"]).wait(false).exits(2);
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{run:?}");
        assert_eq!((world.tree(), world.gateway_requests().len()), (before, 0), "{name} {content}");
    }
    let world = World::new();
    world.write_file("yescale", "a file");
    world.run(&["t1"]).exits(2);
    assert_eq!(world.gateway_requests().len(), 0);
}

#[test]
fn root_manifest_broken_by_a_crash_is_rebuilt() {
    for broken in [
        "",
        "\0\0\0\0",
        "{",
        "{\n  \"manifest_ver",
        &EMPTY[..EMPTY.len() - 3],
        "{\"manifest_version\":1,\"tasks\":[{\"task_id\":\0\0\0",
    ] {
        let world = World::new();
        world.archive_task("t1");
        let before = fs::read(world.archive().join("manifest.json")).unwrap();
        world.write_file("yescale/manifest.json", broken);
        world.run(&["t1"]).exits(0);
        assert_eq!(fs::read(world.archive().join("manifest.json")).unwrap(), before, "{broken:?}");
    }
}

#[test]
fn own_sha256sums_without_a_manifest_is_accepted() {
    let world = World::new();
    world.write_file(
        "yescale/SHA256SUMS",
        format!("{}  t1/image-1.png\n{}  Abc-dde46322e86f5d57/text.txt\n", "0".repeat(64), "a".repeat(64)),
    );
    world.serve_task("t1", &json!({"text": "la"}));
    world.run(&["t1"]).exits(0);
}

#[test]
fn foreign_task_folder_fails_only_its_task() {
    for (path, content) in [
        ("t1/manifest.json", r#"{"name":"my web app"}"#),
        ("t1/manifest.json", r#"{"manifest_version":7,"tasks":[]}"#),
        ("t1/manifest.json", r#"{"manifest_version": 2, "generator": "later", "tasks": [{"task"#),
        ("t1/manifest.json", "notes"),
        ("t1/manifest.json/x", "a folder"),
        (
            "t1/manifest.json",
            r#"{"manifest_version":1,"generator":"x","tasks":[{"task_id":"other","state":"complete","files":[],"errors":[]}]}"#,
        ),
        (
            "t1/manifest.json",
            r#"{"manifest_version":1,"generator":"x","tasks":[{"task_id":"t1","state":"complete"},{"task_id":"t2","state":"complete"}]}"#,
        ),
        ("t1", "a file"),
    ] {
        let world = World::new();
        world.write_file(&format!("yescale/{path}"), content);
        world.serve_task("t1", &json!({"text": "la"}));
        world.serve_task("t2", &json!({"text": "la"}));
        let run = world.start(&["--json", "t1", "t2"]).wait(false).exits(1);
        assert_eq!([run.state("t1"), run.state("t2")], ["error", "complete"], "{path} {content}");
        let tree = world.tree();
        assert_eq!(tree[path].0, content.as_bytes());
        assert_eq!(tree.keys().filter(|name| name.starts_with("t1")).count(), 1, "{:?}", tree.keys());
    }
}

#[test]
fn task_manifest_broken_by_a_crash_is_rebuilt() {
    for broken in ["", "\0\0\0", "{\"manifest_version\": 1,\n \"tasks\": [{\"task_id\""] {
        let world = World::new();
        let folder = world.archive_task("t1");
        fs::write(folder.join("manifest.json"), broken).unwrap();
        assert_eq!(world.run_json(&["t1"]).exits(0).state("t1"), "complete", "{broken:?}");
        assert_eq!(world.files("t1"), ["image-1.png"]);
    }
}

#[test]
fn advice_for_a_damaged_task_manifest_without_a_record_in_the_root_works() {
    let world = World::new();
    world.archive_task("t1");
    let manifest = world.archive().join("t1/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"size\": ", "\"size\": -");
    fs::write(&manifest, text).unwrap();
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    for _ in 0..2 {
        let run = Running::start(world.command(&["t1"])).wait(false).exits(1);
        assert!(run.stderr.contains("move it away and archive the task again by its id"), "{run:?}");
    }
    fs::rename(&manifest, world.home().join("away.json")).unwrap();
    world.run(&["t1"]).exits(0);
    run_command(&world, &["verify"]).exits(0);
}

#[test]
fn user_files_in_the_archive_are_kept() {
    let world = World::new();
    for path in
        ["yescale/notes.txt", "yescale/photos/a.png", "yescale/t1/notes.txt", "yescale/t1/video-1.png", "yescale/index.html"]
    {
        world.write_file(path, "mine");
    }
    world.archive_task("t1");
    world.serve_task("t1", &json!({"images": [], "text": "less"}));
    world.run(&["--force", "t1"]);
    let tree = world.tree();
    for path in ["notes.txt", "photos/a.png", "t1/notes.txt", "t1/video-1.png", "index.html"] {
        assert_eq!(tree[path].0, b"mine", "{path}");
    }
}

#[test]
fn user_file_with_the_name_of_a_download_is_never_overwritten() {
    for (name, result) in [("image-1.png", "images"), ("text.txt", "text")] {
        let world = World::new();
        world.write_file(&format!("yescale/t1/{name}"), "mine");
        let value = if result == "text" { json!("la") } else { json!([world.serve_sample("picture.png")]) };
        world.serve_task("t1", &json!({result: value}));
        world.serve_task("t2", &json!({"text": "la"}));
        for args in [&["t1", "t2"][..], &["t1", "--force"]] {
            world.run(args).exits(1);
            assert_eq!(world.tree()[&format!("t1/{name}")].0, b"mine", "{args:?}");
        }
        assert_eq!(world.task_entry("t2")["state"], "complete");
    }
}

#[test]
fn task_folder_is_rejected_as_output_archive() {
    let world = World::new();
    world.archive_task("t1");
    world.serve_task("t2", &json!({"text": "la"}));
    let (before, requests) = (world.tree(), world.gateway_requests().len());
    for id in ["t1", "t2"] {
        let run = world.run(&["-o", "yescale/t1", id]).exits(2);
        assert!(run.stderr.contains("one task's folder"), "{run:?}");
    }
    assert_eq!((world.tree(), world.gateway_requests().len()), (before, requests));
}

#[test]
fn sha256sums_beside_an_own_manifest_is_replaced() {
    for broken in [false, true] {
        let world = World::new();
        world.archive_task("t1");
        let right = world.tree()["SHA256SUMS"].0.clone();
        world.write_file("yescale/SHA256SUMS", "notes\n");
        if broken {
            world.write_file("yescale/manifest.json", "");
        }
        world.serve_task("t2", &json!({"images": [world.serve_sample("picture.png")]}));
        world.run(&["t1", "t2"]).exits(0);
        assert!(world.tree()["SHA256SUMS"].0.starts_with(&right));
    }
}
