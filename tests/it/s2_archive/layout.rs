//! The files of an archive, and which of them are derived.
//!
//! "default ./yescale, created when missing" · "`SHA256SUMS`: every file and text.txt" · "The root manifest and
//! `SHA256SUMS` are derived from the task manifests", with the same bytes each time.

use serde_json::json;

use crate::support::audit::{Tree, sha256};
use crate::support::commands::run_command;
use crate::support::run::Running;
use crate::support::{World, sample};

#[test]
fn archive_has_the_layout_of_the_contract() {
    let world = World::new();
    world.serve_task("777935781150867525", &json!({
        "videos": [world.serve_sample("video-1s.mp4")], "images": [world.serve_sample("picture.png")], "audio": [world.serve_sample("song.mp3")], "text": "la",
    }));
    world.run(&["777935781150867525"]).exits(0);
    let names: Vec<String> = world.tree().into_keys().map(|name| name.replace("777935781150867525", "T")).collect();
    let expected =
        ["SHA256SUMS", "T/audio-1.mp3", "T/image-1.png", "T/manifest.json", "T/text.txt", "T/video-1.mp4", "manifest.json"];
    let sorted = {
        let mut names = names;
        names.sort();
        names
    };
    assert_eq!(sorted, expected);
}

#[test]
fn missing_output_folder_is_created_with_its_parents() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.run(&["-o", "a/b/c", "t1"]).exits(0);
    assert!(world.home().join("a/b/c/t1/text.txt").is_file());
}

#[test]
fn sha256sums_lists_every_file_and_the_text() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la\nla"}));
    world.run(&["t1"]).exits(0);
    let sums = std::fs::read_to_string(world.archive().join("SHA256SUMS")).unwrap();
    let expected = format!("{}  t1/image-1.png\n{}  t1/text.txt\n", sha256(&sample("picture.png")), sha256(b"la\nla"));
    assert_eq!(sums, expected);
}

#[test]
fn missing_derived_files_are_rebuilt_byte_for_byte() {
    let world = World::new();
    for id in ["t1", "T2", "10", "9"] {
        world.serve_task(id, &json!({"images": [world.serve_sample("picture.png")], "text": id}));
    }
    world.run(&["t1", "T2", "10", "9"]).exits(0);
    let before = world.tree();
    for gone in [&["manifest.json"][..], &["SHA256SUMS"], &["manifest.json", "SHA256SUMS"]] {
        for name in gone {
            std::fs::remove_file(world.archive().join(name)).unwrap();
        }
        world.run(&["9"]).exits(0);
        let after = world.tree();
        assert!(before.iter().all(|(name, (bytes, _))| after[name].0 == *bytes), "{gone:?}");
    }
}

#[test]
fn order_of_ids_does_not_change_the_root_manifest() {
    let ids = ["b", "a", "10", "9", "Z"];
    let roots = [ids.to_vec(), ids.iter().rev().copied().collect()].map(|order| {
        let world = World::new();
        for id in &ids {
            world.serve_task(id, &json!({"text": id}));
        }
        for id in &order {
            world.run(&[id]).exits(0);
        }
        let mut root = world.root_manifest();
        for task in root["tasks"].as_array_mut().unwrap() {
            task.as_object_mut().unwrap().shift_remove("archived_at");
        }
        (root.to_string(), std::fs::read(world.archive().join("SHA256SUMS")).unwrap())
    });
    assert_eq!(roots[0], roots[1]);
}

#[test]
#[ignore = "needs sha256sum"]
fn sha256sum_verifies_the_archive() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la\n"}));
    world.serve_task("Abc", &json!({"images": [world.serve_sample("picture.gif")]}));
    world.run(&["t1", "Abc"]).exits(0);
    let checked = || {
        let mut command = std::process::Command::new("sha256sum");
        command.args(["--strict", "--quiet", "-c", "SHA256SUMS"]).current_dir(world.archive()).status().unwrap().success()
    };
    assert!(checked());
    world.write_file("yescale/t1/text.txt", "lo\n");
    assert!(!checked());
}

#[test]
fn run_without_changes_rewrites_nothing() {
    let world = World::new();
    world.serve_task("good", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.serve_task("dead", &json!({"images": [world.serve_sample("picture.gif"), format!("{}/gone", world.media.origin())]}));
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "no credit"}));
    world.answer("pending", &json!({"status": "QUEUED"}));
    world.serve_task("empty", &json!({}));
    let ids = ["good", "dead", "failed", "pending", "empty", "unknown"];
    world.run(&ids).exits(1);
    let before = world.tree();
    world.run(&ids).exits(1);
    assert_eq!(world.tree(), before);
    assert_eq!(before.keys().filter(|name| name.ends_with("/manifest.json")).count(), 3, "the others have no folder");
}

#[test]
fn checksum_list_exists_only_while_it_has_a_line() {
    let world = World::new();
    world.answer("pending", &json!({"status": "QUEUED"}));
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "no credit"}));
    for ids in [&["pending"][..], &["pending", "failed"]] {
        world.run(ids);
        assert!(world.archive().join("manifest.json").exists() && !world.archive().join("SHA256SUMS").exists());
        let before = world.tree();
        world.run(ids);
        assert_eq!(world.tree(), before, "a run that changes nothing rewrites nothing");
        run_command(&world, &["index"]).exits(0);
        let bytes = |tree: Tree| tree.into_iter().map(|(name, (bytes, _))| (name, bytes)).collect::<Vec<_>>();
        assert_eq!(bytes(world.tree()), bytes(before));
    }
    world.archive_task("t1");
    assert!(world.archive().join("SHA256SUMS").exists());
    // The list of an older version.
    for written_by in [&["index"][..], &["failed"]] {
        let _ = std::fs::remove_dir_all(world.archive().join("t1"));
        world.write_file("yescale/SHA256SUMS", "");
        let run = Running::start(world.plain_command(written_by)).wait(false);
        assert!(!world.archive().join("SHA256SUMS").exists(), "{run:?}");
    }
}
