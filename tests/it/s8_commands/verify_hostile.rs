//! `verify` of an archive that can't be trusted: manifests with wrong, climbing or truncated content, and symlinks.
//!
//! A hostile manifest points at a file outside the archive with exactly the bytes that it claims: if the program
//! opened it, it would find it intact. The path must be reported, and never opened.

use std::fs;

use serde_json::{Value, json};

use crate::support::World;
use crate::support::audit::sha256;
use crate::support::commands::{archive_two_tasks, assert_findings, findings, flip_bit, run_command};

const MINE: &str = "mine";

fn file(path: &str) -> Value {
    json!({"kind": "image", "index": 1, "path": path, "size": MINE.len(), "sha256": sha256(MINE.as_bytes()), "warnings": []})
}

fn manifest(id: &str, files: &[Value]) -> String {
    let task = json!({"task_id": id, "state": "complete", "files": files, "errors": []});
    json!({"manifest_version": 1, "generator": "x", "tasks": [task]}).to_string()
}

#[test]
fn path_outside_the_task_folder_is_unsafe() {
    for path in [
        "../../outside/image-1.png",
        "../image-1.png",
        "/etc/passwd",
        "a/../image-1.png",
        "./image-1.png",
        "sub/image-1.png",
        "..\\..\\outside\\image-1.png",
        "C:\\image-1.png",
        "C:image-1.png",
        "..",
        "",
        "image-1.png/",
        "image-1.png\u{0}",
        "image-1.png\nt1/other",
        "\u{1b}[2Jimage-1.png",
        "manifest.json",
        ".lock",
        "text.txt",
    ] {
        let world = World::new();
        world.write_file("outside/image-1.png", MINE);
        world.write_file("yescale/image-1.png", MINE);
        world.write_file("yescale/t1/sub/image-1.png", MINE);
        world.write_file("yescale/t1/manifest.json", manifest("t1", &[file(path)]));
        let before = crate::support::audit::read_tree(world.home());
        let run = run_command(&world, &["verify", "--json"]).exits(1);
        assert_eq!(run.summary()["unsafe"], 1, "{path:?} {run:?}");
        assert!(findings(&run).contains(&format!("unsafe t1/{path}")), "{path:?} {run:?}");
        assert_eq!([&run.summary()["damaged"], &run.summary()["missing"]], [0, 0], "{path:?} was looked at");
        let lines = run_command(&world, &["verify"]).exits(1).stdout;
        assert!(!lines.contains(['\u{1b}', '\u{0}']), "{lines:?}");
        run_command(&world, &["index"]);
        let after = crate::support::audit::read_tree(world.home());
        assert!(before.iter().all(|(name, found)| after.get(name) == Some(found)), "{path:?}");
    }
}

#[test]
fn path_outside_the_task_folder_is_not_in_sha256sums() {
    for path in ["../../outside/image-1.png", "../image-1.png", "/etc/passwd", "sub/image-1.png", "image-1.png\u{0}"] {
        let world = World::new();
        world.write_file("outside/image-1.png", MINE);
        world.write_file("yescale/t1/manifest.json", manifest("t1", &[file(path)]));
        run_command(&world, &["index"]).exits(0);
        assert!(!world.archive().join("SHA256SUMS").exists(), "{path:?}: without a line there is no list");
    }
}

#[test]
fn root_manifest_path_outside_its_task_folder_is_unsafe() {
    for path in
        ["../outside/image-1.png", "/etc/passwd", "image-1.png", "t2/image-1.png", "t1/../t2/image-1.png", "t1\\image-1.png"]
    {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("outside/image-1.png", MINE);
        let mut root = world.root_manifest();
        root["tasks"]
            .as_array_mut()
            .unwrap()
            .push(json!({"task_id": "t9", "state": "complete", "files": [file(path)], "errors": []}));
        world.write_file("yescale/manifest.json", root.to_string());
        assert_findings(&world, &[&format!("unsafe {path}")]);
    }
}

#[test]
fn text_path_outside_the_task_folder_is_unsafe() {
    let world = World::new();
    world.write_file("outside.txt", "la");
    let text =
        json!({"task_id": "t1", "state": "complete", "text": "la", "text_path": "../../outside.txt", "files": [], "errors": []});
    world.write_file("yescale/t1/manifest.json", json!({"manifest_version": 1, "generator": "x", "tasks": [text]}).to_string());
    let run = run_command(&world, &["verify", "--json"]).exits(1);
    assert!(run.summary()["unsafe"] == 1, "{run:?}");
}

#[cfg(unix)]
#[test]
fn files_behind_symlinks_are_unsafe_even_if_intact() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    archive_two_tasks(&world);
    let outside = world.home().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::rename(world.archive().join("t2"), outside.join("t2")).unwrap();
    symlink(outside.join("t2"), world.archive().join("t2")).unwrap();
    for name in ["image-1.png", "text.txt"] {
        fs::rename(world.archive().join("t1").join(name), outside.join(name)).unwrap();
        symlink(outside.join(name), world.archive().join("t1").join(name)).unwrap();
    }
    let dangling = world.archive().join("t1/image-2.png");
    fs::remove_file(&dangling).unwrap();
    symlink(outside.join("none"), &dangling).unwrap();
    let before = crate::support::audit::read_tree(&outside);
    let run = run_command(&world, &["verify", "--json"]).exits(1);
    let found: Vec<String> = findings(&run).into_iter().filter(|finding| finding != "unknown t2").collect();
    let expected =
        ["unsafe t1/image-1.png", "unsafe t1/image-2.png", "unsafe t1/text.txt", "unsafe t2/image-1.gif", "unsafe t2/text.txt"];
    assert_eq!(found, expected);
    assert_eq!(crate::support::audit::read_tree(&outside), before);
}

#[cfg(unix)]
#[test]
fn unlisted_symlinked_folder_is_not_entered() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("outside/secret", MINE);
    std::os::unix::fs::symlink(world.home().join("outside"), world.archive().join("t1/link")).unwrap();
    std::os::unix::fs::symlink(world.archive(), world.archive().join("loop")).unwrap();
    assert_findings(&world, &["unknown loop", "unknown t1/link"]);
}

#[test]
fn task_listed_twice_in_its_manifest_counts_once() {
    let world = World::new();
    archive_two_tasks(&world);
    let entry = world.task_entry("t2");
    world.write_file("yescale/t2/manifest.json", json!({"manifest_version": 1, "tasks": [entry, entry]}).to_string());
    assert_findings(&world, &[]);
    let root = world.root_manifest();
    run_command(&world, &["index"]).exits(0);
    assert_eq!(world.root_manifest(), root);
}

#[test]
fn foreign_root_manifest_makes_every_command_exit_with_2() {
    for content in
        ["notes", "[]", r#"{"name":"my app"}"#, r#"{"manifest_version":2,"tasks":[]}"#, r#"{"manifest_version":1,"tasks":{}}"#]
    {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("yescale/manifest.json", content);
        let before = world.tree();
        for verb_name in ["verify", "repair", "index"] {
            let run = run_command(&world, &[verb_name]).exits(2);
            assert!(run.stdout.is_empty() && run.stderr.contains("manifest.json"), "{run:?}");
        }
        assert_eq!(world.tree(), before, "{content}");
    }
}

#[test]
fn broken_root_manifest_is_reported_and_tasks_are_still_verified() {
    for broken in ["", "\0\0\0", "{\n  \"manifest_version\": 1,\n  \"tasks\": ["] {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("yescale/manifest.json", broken);
        flip_bit(&world, "t1/image-1.png");
        assert_findings(&world, &["damaged manifest.json", "damaged t1/image-1.png"]);
    }
}

#[test]
fn task_listed_twice_in_the_root_is_reported_once() {
    let world = World::new();
    archive_two_tasks(&world);
    let mut root = world.root_manifest();
    let tasks = root["tasks"].as_array_mut().unwrap();
    tasks.extend_from_within(..);
    world.write_file("yescale/manifest.json", root.to_string());
    flip_bit(&world, "t1/video-1.mp4");
    fs::remove_dir_all(world.archive().join("t2")).unwrap();
    assert_findings(&world, &["damaged t1/video-1.mp4", "missing t2/image-1.gif", "missing t2/text.txt"]);
    assert_eq!(run_command(&world, &["verify", "--json"]).exits(1).summary()["files"], 6);
}

#[test]
fn files_of_a_broken_task_manifest_are_verified_from_the_root() {
    for broken in ["", "\0\0", "{\"manifest_version\": 1, \"tasks\": [{\"task_id\": \"t1\""] {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("yescale/t1/manifest.json", broken);
        flip_bit(&world, "t1/image-2.png");
        fs::remove_file(world.archive().join("t1/video-1.mp4")).unwrap();
        assert_findings(&world, &["damaged t1/image-2.png", "damaged t1/manifest.json", "missing t1/video-1.mp4"]);
    }
}

#[test]
fn foreign_task_manifest_is_reported_and_not_trusted() {
    let other = manifest("other", &[file("image-1.png")]);
    for content in [r#"{"name":"my app"}"#, r#"{"manifest_version":7,"tasks":[]}"#, "[]", &other] {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("yescale/t1/manifest.json", content);
        let before = world.tree();
        let run = run_command(&world, &["verify", "--json"]);
        assert!(findings(&run).iter().any(|finding| finding.ends_with(" t1/manifest.json")), "{content} {run:?}");
        run_command(&world, &["index"]).exits(1);
        assert_eq!(world.tree()["t1/manifest.json"], before["t1/manifest.json"], "{content}");
    }
}

#[test]
fn foreign_folder_with_its_own_manifest_is_unknown() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("yescale/Web App/manifest.json", r#"{"name":"my app"}"#);
    assert_findings(&world, &["unknown Web App/manifest.json"]);
}

#[test]
fn huge_sizes_in_a_manifest_do_not_crash() {
    let world = World::new();
    let huge = |index: u64| json!({"kind": "image", "index": index, "path": format!("image-{index}.png"), "size": u64::MAX, "sha256": sha256(b""), "warnings": []});
    world.write_file("yescale/t1/manifest.json", manifest("t1", &[huge(1), huge(2)]));
    world.write_file("yescale/t1/image-1.png", MINE);
    assert_findings(&world, &["damaged t1/image-1.png", "missing t1/image-2.png"]);
    run_command(&world, &["index"]).exits(0);
    world.start(&["t1"]).wait(false).exits(1);
}
