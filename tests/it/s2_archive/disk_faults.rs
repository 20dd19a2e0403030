//! A disk that refuses a call during a run: an optional step is skipped alone, and nothing is fetched only to be
//! discarded.
//!
//! "When a disk becomes full, read-only or fails during a run, the part file that met the fault is dropped." Linux
//! only: a library that is loaded before the C library makes calls fail.
#![cfg(target_os = "linux")]

use std::fs;

use serde_json::json;

use crate::support::failing_syscalls::{fail_calls, fail_calls_after, log_syncs};
use crate::support::run::Running;
use crate::support::{Answer, Reply, Run, World, sample};

const EPERM: i32 = 1;
const EIO: i32 = 5;
const EBADF: i32 = 9;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const ENOSYS: i32 = 38;
const EOPNOTSUPP: i32 = 95;
const EDQUOT: i32 = 122;

/// Makes `count` tasks with one image each. Returns their ids.
fn tasks(world: &World, count: usize) -> Vec<String> {
    let image = world.serve_sample("picture.png");
    let ids: Vec<String> = (1..=count).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"images": [image]}));
    }
    ids
}

fn run(world: &World, args: &[String], calls: &str, path: &str, errno: i32) -> Run {
    Running::start(fail_calls(world.command(args), calls, path, errno)).wait(false)
}

#[test]
fn failure_to_set_mtime_is_only_a_warning() {
    for errno in [EPERM, EOPNOTSUPP] {
        let world = World::new();
        let finished = json!({"status": "SUCCESS", "finish_time": 1_700_000_000,
            "task_result": {"images": [world.serve_sample("picture.png")], "audio": [world.serve_sample("song.mp3")]}});
        world.answers("t1", [Answer::json(200, &finished)]);
        let args = ["t1".to_owned(), "--mtime".to_owned()];
        run(&world, &args, "futimens", "t1/", errno).exits(0);
        assert_eq!(fs::read(world.archive().join("t1/image-1.png")).unwrap(), sample("picture.png"));
        let entry = world.task_entry("t1");
        assert_eq!(entry["state"], "complete");
        for file in entry["files"].as_array().unwrap() {
            let warnings = file["warnings"].as_array().unwrap();
            assert!(warnings.iter().any(|warning| warning.as_str().unwrap().contains("can't set its time")), "{entry}");
        }
        let requests = world.media.heads().len();
        run(&world, &args, "futimens", "t1/", errno).exits(0);
        assert_eq!(world.media.heads().len(), requests, "nothing is fetched again");
    }
}

#[test]
fn unwritable_disk_ends_the_run_with_one_message() {
    let (fails, full) = ("the disk can't be written to", "the disk is full");
    for (errno, message) in [(EIO, fails), (EROFS, fails), (ENOSPC, full), (EDQUOT, full)] {
        let world = World::new();
        let ids = tasks(&world, 40);
        let archive = world.archive();
        let args = [&["-j".to_owned(), "1".to_owned()], ids.as_slice()].concat();
        // The write that checks the archive before the first query succeeds.
        let command = fail_calls_after(1, world.command(&args), "write", archive.to_str().unwrap(), errno);
        let run = Running::start(command).wait(false).exits(1);
        assert_eq!(run.stderr.matches("nothing new is started").count(), 1, "{}", run.stderr);
        assert_eq!(run.stderr.matches(message).count(), 1, "{}", run.stderr);
        let fetched = world.media.request_count("/picture.png");
        // Small files are written a moment after they arrived. With one download at once, 16 tasks are open at most.
        assert!(fetched <= 16, "{errno}: {fetched} files were fetched for a disk that takes none");
        world.run(&ids).exits(0);
    }
}

#[test]
fn archive_that_takes_no_write_is_noticed_before_the_first_query() {
    for errno in [EIO, EROFS, ENOSPC, EDQUOT, EACCES] {
        let world = World::new();
        world.archive_task("t0");
        let ids = tasks(&world, 40);
        let (asked, archive) = (world.gateway_requests().len(), world.archive());
        for args in [&["--gallery".to_owned()][..], &["--json".to_owned()]] {
            let run = run(&world, &[args, &ids].concat(), "write", archive.to_str().unwrap(), errno).exits(2);
            assert_eq!(run.stderr.matches("can't write to the archive yescale").count(), 1, "{}", run.stderr);
            assert_eq!(run.stderr.lines().filter(|line| line.contains("error")).count(), 1, "{}", run.stderr);
            assert_eq!(world.gateway_requests().len(), asked, "nothing is asked");
        }
        let args = ["t0".to_owned(), "--gallery".to_owned()];
        run(&world, &args[..1], "write", archive.to_str().unwrap(), errno).exits(0);
        world.run(&ids).exits(0);
    }
}

#[test]
fn disk_fault_of_a_run_that_reuses_everything_is_no_success() {
    for errno in [EIO, EROFS, ENOSPC] {
        let world = World::new();
        world.archive_task("t1");
        let archive = world.archive();
        let list = world.write_file("list.jsonl", r#"{"id":"t1","prompt":"a cat"}"#);
        let args = ["-i", list.to_str().unwrap(), "--json"].map(str::to_owned);
        let new_meta = run(&world, &args, "write", archive.to_str().unwrap(), errno).exits(1);
        let task = new_meta.task("t1");
        assert_eq!((&task["state"], &task["reused"]), (&json!("error"), &json!(false)), "{task}");
        fs::remove_file(archive.join("SHA256SUMS")).unwrap();
        let args = ["t1".to_owned()];
        let no_list = run(&world, &args, "write", archive.to_str().unwrap(), errno).exits(1);
        assert!(no_list.stderr.contains("can't write the manifest of the archive"), "{}", no_list.stderr);
        world.run(&args).exits(0);
        assert!(archive.join("SHA256SUMS").exists());
    }
}

#[test]
fn folder_that_cannot_be_synced_is_skipped() {
    for errno in [EINVAL, EOPNOTSUPP, ENOSYS, EBADF, EACCES, EPERM] {
        let world = World::new();
        let ids = tasks(&world, 12);
        let archive = world.archive();
        let run = run(&world, &ids, "sync_folder syncfs", archive.to_str().unwrap(), errno).exits(0);
        assert_eq!(run.stderr.matches("warning").count(), 0, "{errno}: {}", run.stderr);
        assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 12);
    }
}

#[test]
fn file_that_cannot_be_synced_is_an_error() {
    for (calls, path, errno) in [("sync_file", "t1/", EINVAL), ("sync_file", "t1/", EIO), ("sync_folder", "t1", EIO)] {
        let world = World::new();
        // Few paths are synced one by one.
        let ids = tasks(&world, 1);
        let run = run(&world, &ids, calls, path, errno).exits(1);
        assert!(run.stderr.contains("can't sync"), "{}", run.stderr);
        assert!(!world.archive().join("t1/manifest.json").exists(), "{calls} {errno}: the commit record is written last");
        let root = fs::read_to_string(world.archive().join("manifest.json")).unwrap_or_default();
        assert!(!root.contains("t1"), "{calls} {errno}: {root}");
        world.run(&ids).exits(0);
    }
}

#[test]
fn file_that_cannot_be_synced_replaces_nothing() {
    for errno in [EINVAL, EIO] {
        let world = World::new();
        world.archive_task("t1");
        let before = world.tree();
        world.media.script("/picture.png", [Reply::ok(sample("picture.jpg"))]);
        let args = ["t1".to_owned(), "--force".to_owned()];
        run(&world, &args, "sync_file", "t1/", errno).exits(1);
        let after = world.tree();
        for name in ["t1/manifest.json", "t1/image-1.png", "manifest.json", "SHA256SUMS"] {
            assert!(before[name] == after[name], "{errno} {name}");
        }
    }
}

#[test]
fn manifest_of_a_task_is_written_after_its_files_are_synced() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la", "images": [world.serve_sample("picture.png")]}));
    let log = world.home().join("syncs.log");
    // So few paths are synced one by one.
    Running::start(log_syncs(world.command(&["t1"]), &log)).wait(false).exits(0);
    let log = fs::read_to_string(log).unwrap();
    for name in ["image-1", "text"] {
        let syncs: Vec<&str> = log.lines().filter(|line| line.contains("/t1/") && line.contains(name)).collect();
        assert!(!syncs.is_empty() && syncs.iter().all(|line| line.starts_with("before ")), "{name}:\n{log}");
    }
    // The root manifest is written after that of the task. The first write of the run, a check, has the same name.
    let lines: Vec<&str> = log.lines().collect();
    let last_of_task = lines.iter().rposition(|line| line.contains("/t1/.manifest.json"));
    let last_of_root = lines.iter().rposition(|line| line.contains("/yescale/.manifest.json"));
    assert!(last_of_task.is_some() && last_of_task < last_of_root, "{log}");
}

#[test]
fn missing_report_of_free_space_is_no_full_disk() {
    for errno in [ENOSYS, EPERM, EIO] {
        let world = World::new();
        let ids = tasks(&world, 12);
        run(&world, &ids, "statfs syncfs", "/", if errno == EIO { ENOSYS } else { errno }).exits(0);
    }
}

#[test]
fn write_error_of_one_file_fails_only_its_task() {
    // Without a report of the free space, the write that checks the disk decides.
    for (calls, errno) in [("write", EIO), ("write", ENOSPC), ("write statfs", ENOSPC)] {
        let world = World::new();
        let ids = tasks(&world, 6);
        let run = run(&world, &ids, calls, "t3/.image-1.part", errno).exits(1);
        assert!(!run.stderr.contains("nothing new is started"), "{}", run.stderr);
        for id in &ids {
            assert_eq!(world.task_entry(id)["state"], if id == "t3" { "incomplete" } else { "complete" }, "{errno} {id}");
        }
        assert_eq!(world.task_entry("t3")["errors"][0]["code"], "disk");
        assert_eq!(world.files("t3"), Vec::<String>::new());
        world.run(&ids).exits(0);
    }
}

#[test]
fn repeated_write_errors_end_the_run() {
    let world = World::new();
    let ids = tasks(&world, 40);
    let args = [&["-j".to_owned(), "1".to_owned()], ids.as_slice()].concat();
    let run = run(&world, &args, "write", ".part", EIO).exits(1);
    assert_eq!(run.stderr.matches("nothing new is started").count(), 1, "{}", run.stderr);
    // Three faults end the run. Meanwhile 16 tasks are open at most.
    assert!(world.media.request_count("/picture.png") < 20, "{} files were fetched", world.media.request_count("/picture.png"));
}
