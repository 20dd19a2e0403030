//! `export files`, killed at any point, or on a disk that is full: the next run finishes without doubles.
//!
//! Run with `cargo test --features checkpoints`, and the full disk by hand: it needs root (`-- --ignored`).
#![cfg(unix)]

use std::fs;

use serde_json::json;

use super::export_files::{add_task, export_files, exported, index};
use crate::support::World;

fn world() -> World {
    let world = World::new();
    for id in ["t1", "t2"] {
        add_task(&world, id, &json!({"meta": {"title": "same"}}), &[("audio", 1, "song.mp3"), ("image", 1, "picture.png")]);
    }
    index(&world);
    world
}

#[cfg(any(target_os = "linux", feature = "checkpoints"))]
const NAMES: [&str; 4] = ["same/same (2).mp3", "same/same (2).png", "same/same.mp3", "same/same.png"];

#[cfg(feature = "checkpoints")]
#[test]
fn killed_export_is_finished_by_the_next_run_without_doubles() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;
    for tag in [&[][..], &["--tag"]] {
        for point in ["export-planned", "export-copied", "export-named", "export-recorded"] {
            let world = world();
            let args = [&["--name", "{title}/{title}"], tag].concat();
            let mut command = world.plain_command(&[&["export", "files", "-O", "out"], &args[..]].concat());
            command.env("YESCALE_DL_STOP_AT", point).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
            assert!(lines.any(|line| line == format!("checkpoint {point}")), "{point}");
            child.kill().unwrap();
            child.wait().unwrap();
            export_files(&world, &args).exits(0);
            let mut names = exported(&world);
            names.sort();
            assert_eq!(names, NAMES, "{point} {tag:?}");
            assert!(export_files(&world, &args).exits(0).stdout.contains("up to date"), "{point}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root for a tmpfs"]
fn full_disk_ends_the_export_and_the_next_run_continues() {
    use std::process::Command;
    let world = world();
    let out = world.home().join("out");
    fs::create_dir(&out).unwrap();
    let mount = |options: &str| Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&out).status().unwrap();
    assert!(mount("size=8k").success(), "a tmpfs needs root");
    let args = ["--name", "{title}/{title}", "--link", "copy"];
    let run = export_files(&world, &args);
    let is_kept = exported(&world).is_empty();
    assert!(Command::new("mount").args(["-o", "remount,size=8m"]).arg(&out).status().unwrap().success());
    let again = export_files(&world, &args);
    let mut names = exported(&world);
    names.sort();
    let _ = Command::new("umount").arg("-l").arg(&out).status();
    assert!(run.exits(2).stderr.contains("not enough disk space") && is_kept);
    again.exits(0);
    assert_eq!(names, NAMES);
}

#[cfg(target_os = "linux")]
#[test]
fn fault_of_the_disk_costs_one_file_and_a_full_disk_ends_the_export() {
    use crate::support::failing_syscalls::fail_calls_after;
    use crate::support::run::Running;
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    let args = ["export", "files", "-O", "out", "--name", "{title}/{title}", "--link", "copy"];
    for (errno, after, code, count) in [(ENOSPC, 1, 2, 1), (ENOSPC, 0, 2, 0), (EIO, 1, 2, 1), (EIO, 3, 1, 3)] {
        let world = world();
        let command = fail_calls_after(after, world.plain_command(&args), "write", ".yescale-dl-copy", errno);
        let run = Running::start(command).wait(false).exits(code);
        assert!(run.stderr.contains(&format!("(os error {errno})")), "{run:?}");
        assert_eq!(exported(&world).len(), count, "{errno} {after}");
        export_files(&world, &args[4..]).exits(0);
        let mut names = exported(&world);
        names.sort();
        assert_eq!(names, NAMES, "{errno} {after}");
    }
}

#[test]
fn file_planned_by_a_killed_run_keeps_its_name_when_its_title_changes() {
    let world = world();
    let line = |id: &str, name: &str, done: bool| {
        json!({"task_id": id, "kind": "image", "index": 1, "template": "{title}", "name": name, "done": done}).to_string() + "\n"
    };
    let record =
        "{\"export_record_version\":1}\n".to_owned() + &line("t1", "old.png", false) + &line("t2", "gone.png", true) + "{\"ta";
    world.write_file("out/.yescale-dl-export.jsonl", record);
    export_files(&world, &["--name", "{title}"]).exits(0);
    assert_eq!(exported(&world), ["old.png", "same (2).mp3", "same.mp3"]);
    let record = fs::read_to_string(world.home().join("out/.yescale-dl-export.jsonl")).unwrap();
    assert!(record.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{record}");
}
