//! The commands of section 8 as tests run them, and the damage that tests do to an archive first.

use std::ffi::OsStr;
use std::fs;

use serde_json::{Value, json};

use super::run::Running;
use super::{Run, World};

/// Runs a command to its end. A command must be the first word, so no option is added before it.
pub(crate) fn run_command(world: &World, args: &[impl AsRef<OsStr>]) -> Run {
    Running::start(world.plain_command(args)).wait(false)
}

/// The findings of `verify --json`, in order, as `FINDING PATH`.
pub(crate) fn findings(run: &Run) -> Vec<String> {
    let line = |event: &Value| format!("{} {}", event["finding"].as_str().unwrap(), event["path"].as_str().unwrap());
    run.events_of("finding").iter().map(line).collect()
}

/// Checks the findings of `verify --json`, and that it changes nothing.
#[track_caller]
pub(crate) fn assert_findings(world: &World, expected: &[&str]) {
    let before = world.tree();
    let run = run_command(world, &["verify", "--json"]);
    let is_bad = expected.iter().any(|finding| !finding.starts_with("unknown"));
    assert_eq!(
        (findings(&run), run.code),
        (expected.iter().map(|&s| s.to_owned()).collect(), Some(i32::from(is_bad))),
        "{run:?}"
    );
    assert!(world.tree() == before, "verify changes nothing");
}

/// Archives two tasks: `t1` with a video, two images and a text, `t2` with one image and a text.
pub(crate) fn archive_two_tasks(world: &World) {
    let (png, mp4) = (world.serve_sample("picture.png"), world.serve_sample("video-1s.mp4"));
    world.serve_task("t1", &json!({"videos": [mp4], "images": [png, png], "text": "la\nla"}));
    world.serve_task("t2", &json!({"images": [world.serve_sample("picture.gif")], "text": "lo"}));
    world.run(&["t1", "t2"]).exits(0);
}

/// Flips one bit of a file. Its size stays the same.
pub(crate) fn flip_bit(world: &World, path: &str) {
    let path = world.archive().join(path);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}
