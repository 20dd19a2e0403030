//! "A process killed at any instant … leaves no wrong byte under a final name and no broken manifest. The next run
//! continues from there".
//!
//! Run with `cargo test --features checkpoints`: the program then stops at the checkpoint that the environment names,
//! prints its name, and waits to be killed.
#![cfg(all(unix, feature = "checkpoints"))]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::support::audit::sha256;
use crate::support::faults::SeenRequest;
use crate::support::journal::proven_bytes;
use crate::support::{RemoteFile, ServerFault, World, sample};

const MIB: u64 = 1 << 20;
/// The number of bytes that a kill may cost per connection.
const COST: u64 = 4 * MIB;
const CHECKPOINTS: [&str; 9] = [
    "vouched",
    "synced",
    "recorded",
    "renamed",
    "text-written",
    "other-temporary",
    "manifest-temporary",
    "manifest-written",
    "root-written",
];

/// Runs until the checkpoint and kills the program there. Returns whether the checkpoint was reached.
fn killed_at(world: &World, name: &str, args: &[&str]) -> bool {
    killed_after(world, name, args, || ())
}

/// Like `killed_at`, with an action before the kill.
fn killed_after(world: &World, name: &str, args: &[&str], before: impl FnOnce()) -> bool {
    let mut command = world.command(args);
    command.env("YESCALE_DL_STOP_AT", name).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let is_there = lines.any(|line| line == format!("checkpoint {name}"));
    before();
    // SIGKILL. A process that has exited can't be killed.
    let _ = child.kill();
    child.wait().unwrap();
    is_there
}

/// The hashes of all files except the manifests, by name.
fn hashes(world: &World) -> BTreeMap<String, String> {
    let files = world.tree().into_iter().filter(|(name, _)| !name.ends_with("manifest.json") && name != "SHA256SUMS");
    files.map(|(name, (bytes, _))| (name, sha256(&bytes))).collect()
}

/// Makes two tasks: one with files of every kind, one with a text only.
fn world() -> World {
    let world = World::new();
    let large = RemoteFile::new(&world, "/large.mp4", 6 << 20, &[ServerFault::Healthy]);
    let song = json!({"videos": [large.url], "images": [world.serve_sample("picture.png")], "text": "la la"});
    world.serve_task("t1", &song);
    world.serve_task("t2", &json!({"images": [world.serve_sample("picture.webp")], "text": "lo lo"}));
    world
}

fn dot_files(world: &World) -> Vec<String> {
    world.tree().into_keys().filter(|path| path.starts_with('.') || path.contains("/.")).collect()
}

/// Kills a run at `name`, in an archive that already had `first`. Then runs twice more.
fn killed_and_run_again(name: &str, first: &[&str], expected: &BTreeMap<String, String>) {
    let world = world();
    if !first.is_empty() {
        world.run(first).exits(0);
    }
    assert!(killed_at(&world, name, &["t1", "t2"]), "{name} was never reached");
    world.start(&["t1", "t2"]).wait(false).exits(0);
    assert_eq!((dot_files(&world), hashes(&world)), (Vec::new(), expected.clone()), "{name}");
    let (requests, before) = (world.media.heads().len(), world.tree());
    assert_eq!(world.run_json(&["t1", "t2"]).exits(0).summary()["reused"], 2, "{name}");
    assert_eq!((world.media.heads().len(), world.tree() == before), (requests, true), "{name}: a third run changes nothing");
}

fn expected() -> BTreeMap<String, String> {
    let whole = world();
    whole.run(&["t1", "t2"]).exits(0);
    hashes(&whole)
}

#[test]
fn next_run_recovers_from_a_kill_in_a_new_archive() {
    let expected = expected();
    for name in CHECKPOINTS {
        killed_and_run_again(name, &[], &expected);
    }
}

#[test]
fn next_run_recovers_from_a_kill_in_an_existing_archive() {
    let expected = expected();
    for name in CHECKPOINTS {
        killed_and_run_again(name, &["t2"], &expected);
    }
}

#[test]
fn any_next_run_repairs_the_root_manifest() {
    for name in CHECKPOINTS {
        let world = world();
        world.run(&["t2"]).exits(0);
        assert!(killed_at(&world, name, &["t1"]), "{name} was never reached");
        world.serve_task("t3", &json!({"images": [world.serve_sample("picture.png")]}));
        world.start(&["t3"]).wait(false).exits(0);
        let named = |world: &World| {
            let root = world.root_manifest();
            let ids = root["tasks"].as_array().unwrap().iter().map(|task| task["task_id"].as_str().unwrap().to_owned());
            ids.collect::<Vec<_>>()
        };
        let is_there = world.archive().join("t1/manifest.json").exists();
        assert_eq!(named(&world).contains(&"t1".to_owned()), is_there, "{name}");
        world.run(&["t1"]).exits(0);
        assert_eq!((named(&world), dot_files(&world)), (["t1", "t2", "t3"].map(str::to_owned).to_vec(), Vec::new()), "{name}");
    }
}

#[test]
fn kill_during_an_update_of_a_long_root_manifest_leaves_the_old_or_the_new_one() {
    for name in ["other-temporary", "manifest-temporary", "manifest-written", "root-written"] {
        let world = world();
        world.serve_task("long", &json!({"text": "la".repeat(1 << 20)}));
        world.run(&["long", "t2"]).exits(0);
        let old = fs::read(world.archive().join("manifest.json")).unwrap();
        assert!(killed_at(&world, name, &["t1"]), "{name} was never reached");
        let left = fs::read(world.archive().join("manifest.json")).unwrap();
        assert!(left == old || world.root_manifest()["tasks"].as_array().unwrap().len() == 3, "{name}");
        world.run(&["t1"]).exits(0);
        assert_eq!((world.root_manifest()["tasks"].as_array().unwrap().len(), dot_files(&world)), (3, Vec::new()), "{name}");
    }
}

#[test]
fn finished_files_are_not_fetched_again() {
    for name in ["manifest-temporary", "synced", "renamed", "text-written", "manifest-written", "root-written"] {
        let world = World::new();
        world.serve_task("t0", &json!({"images": [world.serve_sample("picture.webp")]}));
        world.run(&["t0"]).exits(0);
        world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
        assert!(killed_at(&world, name, &["t1"]));
        world.run(&["t1"]).exits(0);
        assert_eq!(world.media.request_count("/picture.png"), 1, "{name}");
        assert_eq!(fs::read(world.archive().join("t1/image-1.png")).unwrap(), sample("picture.png"));
    }
}

#[test]
fn kill_during_force_loses_no_file() {
    for name in CHECKPOINTS {
        let world = world();
        world.run(&["t1", "t2"]).exits(0);
        let before = hashes(&world);
        if !killed_at(&world, name, &["--force", "t1", "t2"]) {
            continue;
        }
        let named = before.iter().all(|(path, hash)| hashes(&world).get(path) == Some(hash));
        assert!(named, "{name}: a whole file is gone");
        world.run(&["t1", "t2"]).exits(0);
        assert_eq!(hashes(&world), before, "{name}");
    }
}

#[test]
fn kill_during_force_leaves_no_stale_hash() {
    for name in ["synced", "recorded", "renamed", "text-written", "manifest-temporary", "manifest-written"] {
        let world = World::new();
        let remote = RemoteFile::new(&world, "/a.mp4", 50_000, &[ServerFault::Healthy]);
        world.serve_task("t1", &json!({"videos": [remote.url], "text": "la"}));
        world.run(&["t1"]).exits(0);
        // The same number of bytes, but other ones.
        remote.set_script(&world, &[ServerFault::Replaced]);
        assert!(killed_at(&world, name, &["--force", "t1"]), "{name}");
        world.start(&["t1"]).wait(false).exits(0);
        let file = world.task_entry("t1")["files"][0]["sha256"].clone();
        assert_eq!(file, hashes(&world)["t1/video-1.mp4"], "{name}: what the manifest says is not what is there");
    }
}

#[test]
fn waiting_process_takes_over_from_a_killed_one() {
    for name in ["manifest-temporary", "synced", "renamed"] {
        let world = World::new();
        world.serve_task("t0", &json!({"images": [world.serve_sample("picture.webp")]}));
        world.run(&["t0"]).exits(0);
        world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
        let waits = std::cell::RefCell::new(None);
        let is_there = killed_after(&world, name, &["t1"], || *waits.borrow_mut() = Some(world.start(&["t1"])));
        assert!(is_there, "{name}");
        world.audit(waits.into_inner().unwrap().wait(false)).exits(0);
        assert_eq!((world.media.request_count("/picture.png"), dot_files(&world)), (1, Vec::new()), "{name}");
    }
}

/// How many bytes of a file are in its part, whatever is proven.
fn received(part: &Path, whole: &[u8]) -> u64 {
    let part = fs::read(part).unwrap();
    let pages = part.chunks(4096).zip(whole.chunks(4096));
    pages.filter(|(part, whole)| part == whole).map(|(page, _)| page.len() as u64).sum()
}

/// After a kill at `name`, the next run requests no byte twice beyond what a kill may cost.
fn resumes_after_kill(name: &str, connections: &str, size: u64) {
    let lanes: u64 = connections.parse().unwrap();
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", usize::try_from(size).unwrap(), &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    assert!(killed_at(&world, name, &["t1", "-x", connections]));
    let before = remote.requests(&world).len();
    let at = |name: &str| world.archive().join("t1").join(name);
    if name == "vouched" {
        let (had, proven) =
            (received(&at(".video-1.part"), &remote.bytes), proven_bytes(&fs::read_to_string(at(".video-1.journal")).unwrap()));
        assert!(proven + COST * lanes + MIB >= had, "-x {connections}: had {had}, of which {proven} are proven");
    }
    // At the first checkpoint the first bytes are proven; later all of them are.
    let proven = if name == "vouched" { 4 * MIB } else { size };
    world.start(&["t1", "-x", connections]).wait(false).exits(0);
    // The first request asks for the whole rest, and is closed when its segment is complete.
    let again = &remote.requests(&world)[before..];
    let from = again.iter().map(SeenRequest::range_start).min().unwrap_or(size);
    assert!(from >= proven, "{name} -x {connections}: {proven} bytes were proven, went on at {from}: {again:?}");
    assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *remote.bytes, "{name} -x {connections}");
}

#[test]
fn kill_refetches_at_most_4_mib_per_connection() {
    for (connections, size) in [("1", 11 * MIB + 7), ("1", 8 * MIB), ("2", 24 * MIB), ("4", 24 * MIB)] {
        resumes_after_kill("vouched", connections, size);
        resumes_after_kill("manifest-temporary", connections, size);
    }
    resumes_after_kill("synced", "1", 11 * MIB + 7);
}

#[test]
fn complete_part_is_not_refetched_after_a_kill() {
    resumes_after_kill("synced", "2", 24 * MIB);
    resumes_after_kill("synced", "4", 24 * MIB);
}
