//! Where a user may have few threads or open files, fewer are used, or the run does not start. Linux only: its tools set the limit.
#![cfg(target_os = "linux")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Reply, World, sample};

/// A user who runs nothing else.
const USER: u32 = 64_321;

/// The program as [`USER`], with a limit that `prlimit` sets.
fn limited(world: &World, limit: &str, args: &[&str]) -> Command {
    let program = world.plain_command(args);
    // The user may not be allowed into the folder that it was built in.
    let copy = world.home().join("program");
    fs::copy(program.get_program(), &copy).unwrap();
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={USER}"), "--clear-groups", "prlimit", limit]);
    command.arg(copy).args(program.get_args()).current_dir(world.home()).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Runs with each of `limits`; the exit codes of the main job. Whatever the limit, nothing panics, and a run that starts
/// comes to its end.
fn codes(limits: impl IntoIterator<Item = String>, reason: &str) -> Vec<i32> {
    // One at a time: all are one user's, and a copied program can't be started while another test has inherited its file.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let codes = limits.into_iter().map(|limit| {
        let world = World::new();
        fs::set_permissions(world.home(), Permissions::from_mode(0o777)).unwrap();
        let second = world.media.script("/second.png", [Reply::ok(sample("picture.png"))]);
        world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png"), second], "text": "la la"}));
        for args in [&["t1"][..], &["verify"], &["index"], &["gallery"]] {
            let run = Running::start(limited(&world, &limit, args)).wait(false);
            assert!(!run.stderr.contains("panicked"), "{limit} {args:?} {run:?}");
            match run.code {
                Some(0) => {}
                // Nothing was begun, so that the other commands have nothing to work on.
                Some(2) if args == ["t1"] && run.stderr.contains(reason) => return 2,
                _ => panic!("{limit} {args:?} {run:?}"),
            }
        }
        0
    });
    codes.collect()
}

#[test]
#[ignore = "needs root, setpriv and prlimit"]
fn run_with_few_threads_succeeds_or_does_not_start() {
    let codes = codes((1..=16).map(|threads| format!("--nproc={threads}")), "threads");
    assert_eq!((codes[0], codes[15]), (2, 0), "{codes:?}");
}

#[test]
#[ignore = "needs root, setpriv and prlimit"]
fn run_with_little_address_space_succeeds_or_does_not_start() {
    let codes = codes((1..=12).map(|step| format!("--as={}", step * 100_000_000_u64)), "memory");
    assert_eq!((codes[1], codes[11]), (2, 0), "{codes:?}");
}

#[test]
#[ignore = "needs root, setpriv and prlimit"]
fn run_with_few_open_files_succeeds_or_does_not_start() {
    let codes = codes((4..=48).map(|files| format!("--nofile={files}")), "open");
    assert_eq!((codes[1], codes[44]), (2, 0), "{codes:?}");
}
