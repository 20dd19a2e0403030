//! `index`: "rebuilds the root manifest and `SHA256SUMS` from the task folders", byte for byte, and writes nothing
//! else.

use std::fs;

use serde_json::json;

use crate::support::commands::run_command;
use crate::support::{Run, World};

/// Makes three tasks: complete, failed, and one whose id is no folder name.
fn archive_three_tasks(world: &World) {
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"images": [png, png], "text": "la"}));
    world.serve_task("Odd", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "flagged"}));
    world.run(&["t1", "Odd", "failed"]).exits(1);
}

fn derived(world: &World) -> [Vec<u8>; 2] {
    ["manifest.json", "SHA256SUMS"].map(|name| fs::read(world.archive().join(name)).unwrap())
}

fn index(world: &World) {
    assert!(index_and_audit(world).stderr.is_empty());
}

fn index_and_audit(world: &World) -> Run {
    world.audit(run_command(world, &["index"])).exits(0)
}

#[test]
fn derived_files_are_rebuilt_byte_for_byte() {
    let world = World::new();
    archive_three_tasks(&world);
    let (before, tree) = (derived(&world), world.tree());
    for gone in [&["manifest.json"][..], &["SHA256SUMS"], &["manifest.json", "SHA256SUMS"], &[]] {
        for name in gone {
            fs::remove_file(world.archive().join(name)).unwrap();
        }
        index(&world);
        assert_eq!(derived(&world), before, "{gone:?}");
    }
    let is_own = |name: &str| name.contains('/');
    let own = |tree: crate::support::audit::Tree| tree.into_iter().filter(|(name, _)| is_own(name)).collect::<Vec<_>>();
    assert_eq!(own(world.tree()), own(tree), "no task folder was touched");
}

#[test]
fn broken_or_wrong_root_manifest_is_rebuilt() {
    let world = World::new();
    archive_three_tasks(&world);
    let before = derived(&world);
    for wrong in [
        "",
        "\0\0",
        "{\n  \"manifest_version\": 1,\n  \"ta",
        r#"{"manifest_version":1,"tasks":[]}"#,
        r#"{"manifest_version":1,"tasks":[{"task_id":"ghost","state":"complete"},7]}"#,
    ] {
        world.write_file("yescale/manifest.json", wrong);
        world.write_file("yescale/SHA256SUMS", "anything");
        let run = index_and_audit(&world);
        assert_eq!(run.stderr.contains("ghost: its folder is gone"), wrong.contains("ghost"), "{run:?}");
        assert_eq!(derived(&world), before, "{wrong:?}");
    }
}

#[test]
fn moved_task_folders_are_dropped_and_added_again() {
    let world = World::new();
    archive_three_tasks(&world);
    let before = derived(&world);
    let (inside, outside) = (world.archive().join("t1"), world.home().join("t1"));
    fs::rename(&inside, &outside).unwrap();
    assert!(index_and_audit(&world).stderr.contains("t1: its folder is gone"));
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 2);
    fs::rename(&outside, &inside).unwrap();
    index(&world);
    assert_eq!(derived(&world), before);
}

#[test]
fn archive_without_a_root_manifest_gets_one() {
    let (world, other) = (World::new(), World::new());
    archive_three_tasks(&world);
    fs::create_dir(other.archive()).unwrap();
    fs::rename(world.archive().join("t1"), other.archive().join("t1")).unwrap();
    fs::create_dir_all(other.archive().join("My photos")).unwrap();
    index(&other);
    assert_eq!(other.root_manifest()["tasks"].as_array().unwrap().len(), 1);
}

#[test]
fn foreign_files_are_never_overwritten() {
    let hash = "0".repeat(64);
    for (name, content) in [
        ("manifest.json", r#"{"name":"my app"}"#.to_owned()),
        ("manifest.json", r#"{"manifest_version":2,"tasks":[]}"#.to_owned()),
        ("manifest.json", "notes".to_owned()),
        ("SHA256SUMS", format!("{hash}  linux.iso\n")),
    ] {
        let world = World::new();
        archive_three_tasks(&world);
        for name in ["manifest.json", "SHA256SUMS"] {
            fs::remove_file(world.archive().join(name)).unwrap();
        }
        world.write_file(&format!("yescale/{name}"), &content);
        let before = world.tree();
        let run = run_command(&world, &["index"]).exits(2);
        assert!(run.stderr.contains(name), "{run:?}");
        assert_eq!(world.tree(), before, "{name} {content}");
    }
}

#[test]
fn index_creates_no_archive() {
    let world = World::new();
    world.write_file("photos/a.png", "mine");
    for dir in ["photos", "nowhere"] {
        run_command(&world, &["index", dir]).exits(2);
    }
    assert!(!world.home().join("nowhere").exists());
    assert_eq!(crate::support::audit::read_tree(&world.home().join("photos")).len(), 1);
}

#[test]
fn task_folder_is_left_unchanged() {
    let world = World::new();
    archive_three_tasks(&world);
    fs::rename(world.archive().join("t1"), world.home().join("the best one")).unwrap();
    for dir in ["yescale/Odd-dde46322e86f5d57", "the best one", "yescale/failed"] {
        let folder = world.home().join(dir);
        let folder = if folder.exists() { folder } else { world.archive().join(crate::support::audit::hashed_folder("Odd")) };
        let before = crate::support::audit::read_tree(&folder);
        run_command(&world, &["index", folder.to_str().unwrap()]).exits(0);
        assert_eq!(crate::support::audit::read_tree(&folder), before, "{dir}");
    }
}

#[test]
fn renamed_folder_of_a_failed_task_keeps_its_manifest() {
    let world = World::new();
    archive_three_tasks(&world);
    let folder = world.home().join("the failed one");
    fs::rename(world.archive().join("failed"), &folder).unwrap();
    let before = crate::support::audit::read_tree(&folder);
    run_command(&world, &["index", "the failed one"]);
    assert_eq!(crate::support::audit::read_tree(&folder), before);
}

#[test]
fn task_folder_used_as_output_loses_nothing() {
    let world = World::new();
    archive_three_tasks(&world);
    world.serve_task("t2", &json!({"text": "lo"}));
    let before = world.tree()["t1/manifest.json"].clone();
    world.start(&["-o", "yescale/t1", "t2"]).wait(false);
    let after: serde_json::Value = serde_json::from_slice(&world.tree()["t1/manifest.json"].0).unwrap();
    let is_named = after["tasks"].as_array().unwrap().iter().any(|task| task["task_id"] == "t1");
    assert!(is_named, "{} became {after}", String::from_utf8_lossy(&before.0));
}

#[test]
fn leftovers_of_a_killed_run_are_removed_from_the_root() {
    let world = World::new();
    archive_three_tasks(&world);
    let before = derived(&world);
    for left in [".committing-1-0", ".manifest.json.x1", ".lock"] {
        let path = world.write_file(&format!("yescale/{left}"), "{");
        run_command(&world, &["index"]).exits(0);
        assert!(!path.exists(), "{left}");
        world.write_file(&format!("yescale/{left}"), "{");
        world.run(&["t1"]).exits(0);
        assert_eq!(derived(&world), before);
    }
}
