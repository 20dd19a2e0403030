//! `export files --link auto`: "reflink, else copy, after checking free space". Linux only: the target is on a disk in memory, to which
//! no file of another disk can be a reflink.

use serde_json::json;

use super::export_files::add_task;
use crate::support::World;
use crate::support::audit::read_tree;
use crate::support::run::{Running, with_limit};

/// An archive with a small image and a video of 4 TiB, which takes no space because it is one hole.
fn world() -> World {
    const SIZE: u64 = 4 << 40;
    let world = World::new();
    add_task(&world, "t1", &json!({}), &[("image", 1, "picture.png"), ("video", 1, "video-1s.mp4")]);
    let (path, manifest) = (world.archive().join("t1/video-1.mp4"), world.archive().join("t1/manifest.json"));
    std::fs::File::options().write(true).open(path).unwrap().set_len(SIZE).unwrap();
    let mut entry: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    entry["tasks"][0]["files"][1]["size"] = json!(SIZE);
    std::fs::write(manifest, entry.to_string()).unwrap();
    world
}

#[test]
fn copies_that_do_not_fit_are_not_begun() {
    let world = world();
    for link in [&[][..], &["--link", "auto"], &["--link", "copy"]] {
        let out = tempfile::tempdir_in("/dev/shm").unwrap();
        let args = [&["export", "files", "-O", out.path().to_str().unwrap()], link].concat();
        // A program that copies anyway is killed before it fills the memory.
        let command = with_limit("ulimit -f 16384", &world.plain_command(&args));
        let run = Running::start(command).wait(false).exits(2);
        assert!(run.stderr.contains("not enough disk space in /dev/shm/"), "{link:?}: {run:?}");
        assert!(run.stderr.contains(" bytes needed, ") && run.stderr.contains("43980465"), "both sizes: {run:?}");
        let mut left = read_tree(out.path());
        left.remove(".yescale-dl-export.jsonl");
        assert!(left.is_empty(), "{link:?}: {:?}", left.keys());
    }
}

#[test]
fn files_that_fit_are_copied_beside_one_that_is_left_out() {
    let world = world();
    let out = tempfile::tempdir_in("/dev/shm").unwrap();
    let args = ["export", "files", "-O", out.path().to_str().unwrap(), "--kind", "image", "--name", "{id}"];
    Running::start(world.plain_command(&args)).wait(false).exits(0);
    assert!(read_tree(out.path()).contains_key("t1.png"));
}
