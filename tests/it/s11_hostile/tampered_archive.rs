//! "No file of ours is written through a hard link … or through a folder that was swapped since it was locked. Part
//! files and records found on disk are trusted only for bytes that this user wrote (owner), as far as their hashes
//! prove them". Unix only: the traps are made with Unix calls.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::commands::run_command;
use crate::support::run::Running;
use crate::support::{RemoteFile, Reply, ServerFault, World, sample};

const MIB: usize = 1 << 20;

/// Replaces `inside` by a hard link to a file outside the archive with the same content.
fn replace_by_hard_link(world: &World, inside: &Path) -> std::path::PathBuf {
    let outside = world.home().join("outside");
    let content = fs::read(inside).unwrap_or_default();
    fs::write(&outside, content).unwrap();
    let _ = fs::remove_file(inside);
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::hard_link(&outside, inside).unwrap();
    outside
}

/// Makes a task `t1` with one video. Its first download was cut at 9 MiB and left a part file with a journal.
fn archive_unfinished(world: &World) -> RemoteFile {
    let remote = RemoteFile::new(world, "/large.mp4", 12 * MIB, &[ServerFault::CutAt(9 * MIB)]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    world.run(&["t1", "-x", "1", "--retries", "0"]).exits(1);
    remote.set_script(world, &[ServerFault::Healthy]);
    remote
}

#[test]
fn hard_linked_commit_log_is_replaced_not_written() {
    let world = World::new();
    fs::create_dir_all(world.archive().join("t1")).unwrap();
    let outside = replace_by_hard_link(&world, &world.archive().join("t1/.finished"));
    fs::write(&outside, "precious\n").unwrap();
    let second = world.media.script("/second.png", [Reply::ok(sample("picture.png"))]);
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png"), second]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(fs::read_to_string(outside).unwrap(), "precious\n");
    assert_eq!(world.files("t1"), ["image-1.png", "image-2.png"]);
}

#[test]
fn hard_linked_part_or_journal_is_replaced_not_written() {
    for name in [".video-1.part", ".video-1.journal"] {
        let world = World::new();
        let remote = archive_unfinished(&world);
        let outside = replace_by_hard_link(&world, &world.archive().join("t1").join(name));
        let before = fs::read(&outside).unwrap();
        assert!(!before.is_empty());
        world.run(&["t1"]).exits(0);
        assert_eq!(fs::read(&outside).unwrap(), before, "{name}");
        assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *remote.bytes, "{name}");
    }
}

/// Checks that `inside` was replaced, and that the file outside has its bytes still.
#[track_caller]
fn assert_replaced(inside: &Path, outside: &Path, before: &[u8]) {
    let name = inside.display();
    assert_eq!(fs::read(outside).unwrap(), before, "{name}: the file outside is as before");
    assert_ne!(fs::read(inside).unwrap(), before, "{name}: it has something new");
    assert_eq!((fs::metadata(inside).unwrap().nlink(), fs::metadata(outside).unwrap().nlink()), (1, 1), "{name}");
}

#[test]
fn hard_linked_files_of_the_archive_are_replaced_not_written() {
    for name in ["manifest.json", "SHA256SUMS", "index.html", "t1/manifest.json", "t1/text.txt", "t1/image-1.png"] {
        let world = World::new();
        let answer = |text: &str, picture: &str| {
            world.media.script("/picture.png", [Reply::ok(sample(picture))]);
            world.serve_task("t1", &json!({"text": text, "images": [format!("{}/picture.png", world.media.origin())]}));
        };
        answer("la", "picture.png");
        world.run(&["t1", "--gallery"]).exits(0);
        let inside = world.archive().join(name);
        let outside = replace_by_hard_link(&world, &inside);
        let before = fs::read(&outside).unwrap();
        answer("lo lo", "sea.webp");
        world.serve_task("t2", &json!({"text": "new"}));
        world.run(&["t1", "t2", "--gallery", "--force"]).exits(0);
        if name == "t1/image-1.png" {
            // The new picture is of another type, and the file may have another name then.
            assert_eq!(fs::read(&outside).unwrap(), before);
        } else {
            assert_replaced(&inside, &outside, &before);
        }
    }
}

#[test]
fn hard_linked_derived_files_are_replaced_by_index_and_gallery() {
    for (command, name) in [("index", "manifest.json"), ("index", "SHA256SUMS"), ("gallery", "index.html")] {
        let world = World::new();
        world.archive_task("t1");
        world.archive_task("t2");
        run_command(&world, &["gallery"]).exits(0);
        let inside = world.archive().join(name);
        let outside = replace_by_hard_link(&world, &inside);
        let before = fs::read(&outside).unwrap();
        fs::remove_dir_all(world.archive().join("t2")).unwrap();
        if command == "gallery" {
            run_command(&world, &["index"]).exits(0);
        }
        run_command(&world, &[command]).exits(0);
        assert_replaced(&inside, &outside, &before);
    }
}

#[test]
fn hard_linked_outputs_are_replaced_not_written() {
    let csv = &["export", "csv", "-O", "made"][..];
    let gallery = &["gallery", "-O", "made"];
    for (args, name) in [(csv, "made"), (gallery, "made")] {
        let world = World::new();
        world.archive_task("t1");
        run_command(&world, args).exits(0);
        let inside = world.home().join(name);
        let outside = replace_by_hard_link(&world, &inside);
        let before = fs::read(&outside).unwrap();
        world.archive_task("t2");
        run_command(&world, args).exits(0);
        assert_replaced(&inside, &outside, &before);
    }
    let world = World::new();
    world.run(&["gone", "--failed-to", "failed.txt"]).exits(1);
    let inside = world.home().join("failed.txt");
    let outside = replace_by_hard_link(&world, &inside);
    let before = fs::read(&outside).unwrap();
    world.run(&["gone", "lost", "--failed-to", "failed.txt"]).exits(1);
    assert_replaced(&inside, &outside, &before);
}

#[test]
fn hard_linked_record_of_an_export_is_refused_not_written() {
    let world = World::new();
    world.archive_task("t1");
    let args = ["export", "files", "-O", "out"];
    run_command(&world, &args).exits(0);
    let outside = replace_by_hard_link(&world, &world.home().join("out/.yescale-dl-export.jsonl"));
    let before = fs::read(&outside).unwrap();
    world.archive_task("t2");
    let run = run_command(&world, &args).exits(2);
    assert!(run.stderr.contains(".yescale-dl-export.jsonl"), "{run:?}");
    assert_eq!(fs::read(&outside).unwrap(), before);
}

#[test]
fn part_or_journal_of_another_user_is_not_trusted() {
    for name in [".video-1.part", ".video-1.journal"] {
        let world = World::new();
        let remote = archive_unfinished(&world);
        let path = world.archive().join("t1").join(name);
        // Only root can change the owner of a file; other users can't run this test.
        if chown(&path, Some(65534), None).is_err() {
            return;
        }
        world.run(&["t1"]).exits(0);
        let last = remote.requests(&world).into_iter().skip(1).map(|seen| seen.range_start()).min();
        assert_eq!(last, Some(0), "{name}: it was fetched from its first byte");
        assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *remote.bytes, "{name}");
    }
}

#[test]
fn verified_by_in_a_commit_log_is_not_trusted() {
    let world = World::new();
    let bytes = sample("picture.png");
    let hash = crate::support::audit::sha256(&bytes);
    world.write_file("yescale/t1/.image-1.part", &bytes);
    let entry = json!({"kind": "image", "index": 1, "path": "image-1.png", "size": bytes.len(), "sha256": hash,
        "content_type": "image/png", "verified_by": "x-goog-hash", "warnings": []});
    world.write_file("yescale/t1/.finished", format!("{}\n", json!({"part": ".image-1.part", "entry": entry})));
    let second = world.media.script("/second.png", [Reply::ok(bytes)]);
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png"), second]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.media.request_count("/picture.png"), 0, "the bytes are proven by their hash");
    assert_eq!(world.task_entry("t1")["files"][0].get("verified_by"), None);
}

/// Starts a run of `t1`, with one video and perhaps a text, and returns when the download stalls after 9 MiB. It
/// continues after a second.
fn start_stalled_run(world: &World, text: Option<&str>) -> Running {
    let remote = RemoteFile::new(world, "/large.mp4", 12 * MIB, &[ServerFault::StallAt(9 * MIB), ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [remote.url], "text": text}));
    let running = world.start(&["t1", "-x", "1", "--stall-timeout", "1s"]);
    let started = Instant::now();
    while !fs::metadata(world.archive().join("t1/.video-1.part")).is_ok_and(|part| part.len() >= 8 * MIB as u64) {
        assert!(started.elapsed() < Duration::from_secs(20), "no data arrived");
        std::thread::sleep(Duration::from_millis(5));
    }
    running
}

#[test]
fn file_created_by_the_user_during_a_run_is_not_overwritten() {
    for name in ["video-1.mp4", "text.txt", "manifest.json"] {
        let world = World::new();
        let running = start_stalled_run(&world, Some("la la"));
        world.write_file(&format!("yescale/t1/{name}"), "precious");
        let run = running.wait(false).exits(1);
        let reason = if name == "manifest.json" { "it is left as it is" } else { "was not written by yescale-dl" };
        assert!(run.stderr.contains(reason), "{run:?}");
        assert_eq!(fs::read_to_string(world.archive().join("t1").join(name)).unwrap(), "precious", "{name}");
    }
}

#[test]
fn folder_swapped_for_a_symlink_is_not_written_through() {
    let world = World::new();
    for name in ["video-1.mp4", "text.txt", "manifest.json", ".finished", ".video-1.journal"] {
        world.write_file(&format!("outside/{name}"), "precious");
    }
    let (folder, moved) = (world.archive().join("t1"), world.archive().join("t1-moved"));
    let running = start_stalled_run(&world, Some("la la"));
    fs::rename(&folder, &moved).unwrap();
    symlink(world.home().join("outside"), &folder).unwrap();
    let run = running.wait(false).exits(1);
    assert!(run.stderr.contains("was moved or replaced"), "{run:?}");
    let outside = fs::read_dir(world.home().join("outside")).unwrap().map(|entry| entry.unwrap().path());
    let changed: Vec<_> = outside.filter(|path| fs::read(path).unwrap() != b"precious").collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(fs::read_dir(world.home().join("outside")).unwrap().count(), 5);
    assert!(!moved.join("manifest.json").exists());
}
