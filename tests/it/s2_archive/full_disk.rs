//! A full disk: one message, nothing lost, no later task blocked, and the next run with enough space continues.
//!
//! The tests mount a small tmpfs, which needs root. Run them by hand: `cargo test --test it disk:: -- --ignored`.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::{RemoteFile, Reply, ServerFault, World, sample};

/// A small disk mounted at the archive's path, until it is dropped.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path, bytes: usize) -> Self {
        fs::create_dir_all(path).unwrap();
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(path).status();
        assert!(done.unwrap().success(), "a tmpfs needs root");
        Self(path)
    }

    fn grow(&self, bytes: usize) {
        let done = Command::new("mount").args(["-o", &format!("remount,size={bytes}")]).arg(self.0).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

const MIB: usize = 1 << 20;

/// Fills a disk completely. Returns the file that fills it.
fn fill(path: &Path) -> std::path::PathBuf {
    let path = path.join(".filler");
    let mut filler = fs::File::create(&path).unwrap();
    while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
    path
}

#[test]
#[ignore = "needs root for a tmpfs"]
fn full_disk_is_reported_once_and_harms_no_other_task() {
    for connections in ["1", "4"] {
        let world = World::new();
        let archive = world.archive();
        let disk = Small::mount(&archive, 40 * MIB);
        world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
        world.run(&["t1"]).exits(0);
        // There is enough space when the download begins.
        let large = RemoteFile::new(&world, "/large.mp4", 20 * MIB, &[ServerFault::Drip(1 << 20)]);
        world.serve_task("t2", &json!({"videos": [large.url]}));
        let running = world.start(&["t1", "t2", "t3", "-x", connections]);
        let part = archive.join("t2/.video-1.part");
        let begun = std::time::Instant::now();
        while !part.exists() {
            assert!(begun.elapsed().as_secs() < 20, "it never came");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let filler = fill(&archive);
        let run = running.wait(false).exits(1);
        assert_eq!(run.stderr.matches("the disk is full: nothing new is started").count(), 1, "{}", run.stderr);
        assert_eq!(fs::read(archive.join("t1/image-1.png")).unwrap(), sample("picture.png"));
        assert!(!world.files("t2").iter().any(|name| name.contains(".part")), "{:?}", world.files("t2"));

        fs::remove_file(filler).unwrap();
        disk.grow(64 * MIB);
        world.run(&["t1", "t2"]).exits(0);
        assert_eq!(fs::read(archive.join("t2/video-1.mp4")).unwrap(), *large.bytes);
    }
}

#[test]
#[ignore = "needs root for a tmpfs"]
fn body_of_unknown_length_is_limited_to_half_the_free_space() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..300 {
        std::io::Write::write_all(&mut packer, &vec![7; MIB]).unwrap();
    }
    let bomb = Reply::ok(packer.finish().unwrap()).content_type("video/mp4").header("Content-Encoding", "gzip");
    let chunked = Reply::ok(vec![7; 30 * MIB]).content_type("video/mp4").chunked(&[]);
    let endless = Reply::ok(vec![7; 30 * MIB]).content_type("video/mp4").without_length();
    for reply in [bomb, chunked, endless] {
        let world = World::new();
        let archive = world.archive();
        let _disk = Small::mount(&archive, 20 * MIB);
        world.serve_task("t1", &json!({"videos": [world.media.script("/large.mp4", [reply])]}));
        for n in 2..8 {
            world.serve_task(&format!("t{n}"), &json!({"images": [world.serve_sample("picture.png")]}));
        }
        let run = world.run(&["t1", "t2", "t3", "t4", "t5", "t6", "t7", "-j", "1"]).exits(1);
        assert!(!run.stderr.contains("the disk is full"), "{}", run.stderr);
        let error = world.task_entry("t1")["errors"][0]["error"].as_str().unwrap().to_owned();
        assert!(error.contains("half of the free space"), "{error}");
        assert_eq!((world.media.request_count("/large.mp4"), world.files("t1")), (1, Vec::new()));
        assert!((2..8).all(|n| world.task_entry(&format!("t{n}"))["state"] == "complete"), "{}", run.stderr);
    }
}

#[test]
#[ignore = "needs root for a tmpfs"]
fn data_uri_without_disk_space_fails_only_its_task() {
    use base64::Engine as _;
    let world = World::new();
    let archive = world.archive();
    let _disk = Small::mount(&archive, 20 * MIB);
    let payload = base64::prelude::BASE64_STANDARD.encode(vec![7; 30 * MIB]);
    world.serve_task("t1", &json!({"videos": [format!("data:video/mp4;base64,{payload}")]}));
    world.serve_task("t2", &json!({"images": [world.serve_sample("picture.png")]}));
    let run = world.run(&["t1", "t2", "-j", "1"]).exits(1);
    assert!(!run.stderr.contains("the disk is full"), "{}", run.stderr);
    assert!(world.task_entry("t1")["errors"][0]["error"].as_str().unwrap().contains("not enough disk space"));
    assert_eq!(world.task_entry("t2")["state"], "complete");
}

#[test]
#[ignore = "needs root for a tmpfs"]
fn file_that_would_fill_the_disk_is_not_started() {
    let world = World::new();
    let archive = world.archive();
    let disk = Small::mount(&archive, 8 * MIB);
    let large = RemoteFile::new(&world, "/large.mp4", 8 * MIB, &[ServerFault::NoValidator]);
    world.serve_task("t1", &json!({"videos": [large.url]}));
    let run = world.run(&["t1"]).exits(1);
    assert!(run.stderr.contains("not enough disk space"), "{}", run.stderr);
    assert!(!world.files("t1").iter().any(|name| name.contains(".part")), "{:?}", world.files("t1"));
    disk.grow(64 * MIB);
    world.run(&["t1"]).exits(0);
    assert_eq!(fs::read(archive.join("t1/video-1.mp4")).unwrap(), *large.bytes);
}

#[test]
#[ignore = "needs root for a tmpfs"]
fn disk_space_is_checked_before_a_large_download() {
    let world = World::new();
    let archive = world.archive();
    let _disk = Small::mount(&archive, 30 * MIB);
    let large = RemoteFile::new(&world, "/large.mp4", 40 * MIB, &[ServerFault::StallAt(1000)]);
    world.serve_task("t1", &json!({"videos": [large.url], "images": [world.serve_sample("picture.png")]}));
    world.run(&["t1"]).exits(1);
    let entry = world.task_entry("t1");
    assert!(entry["errors"][0]["error"].as_str().unwrap().starts_with("not enough disk space"), "{entry}");
    assert_eq!(entry["files"].as_array().unwrap().len(), 1, "the small one is here");
}

#[test]
#[ignore = "needs root for a tmpfs"]
fn run_goes_on_after_a_full_disk_when_64_mib_are_free_again() {
    const ENOSPC: i32 = 28;
    for (free, is_enough) in [(60 * MIB, false), (72 * MIB, true)] {
        let world = World::new();
        let archive = world.archive();
        let _disk = Small::mount(&archive, free);
        let ids: Vec<String> = (1..=40).map(|n| format!("t{n}")).collect();
        for id in &ids {
            world.serve_task(id, &json!({"images": [world.serve_sample("picture.png")]}));
        }
        let mut command = world.command(&["--json", "-j", "1"]);
        command.args(&ids);
        let command = crate::support::failing_syscalls::fail_calls(command, "write", "t3/.image-1.part", ENOSPC);
        let run = crate::support::run::Running::start(command).wait(false).exits(1);
        assert_eq!(run.stderr.matches("the disk is full: nothing new is started").count(), usize::from(!is_enough), "{run:?}");
        let complete = run.summary()["complete"].as_u64().unwrap();
        assert_eq!(complete == 39, is_enough, "{free}: {complete} of 40");
        let codes = run.events_of("task").into_iter().filter(|task| task["state"] != "complete");
        assert!(codes.map(|task| task["errors"][0]["code"].clone()).all(|code| code == "disk"), "{run:?}");
    }
}
