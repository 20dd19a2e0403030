//! "There is no panic and no hang where threads, memory or file descriptors are few: the program uses fewer, or exits
//! with 2" (section 5). Linux only: its tools set the limits.
#![cfg(target_os = "linux")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Reply, World, sample};

/// A user who runs no other process.
const USER: u32 = 64_321;

/// The program as [`USER`], with a limit that `prlimit` sets.
fn command_with_limit(world: &World, limit: &str, args: &[&str]) -> Command {
    let program = world.plain_command(args);
    // The user may have no access to the build folder, so the program is copied.
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

/// Runs with each of `limits` and returns the exit codes of the main job. With any limit nothing panics, and a run
/// that starts also ends.
fn exit_codes_under(limits: impl IntoIterator<Item = String>, reason: &str) -> Vec<i32> {
    // One at a time: the limits count all processes of the user, and a copied program can't be started while another
    // test has its file open for writing.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let codes = limits.into_iter().map(|limit| {
        let world = World::new();
        fs::set_permissions(world.home(), Permissions::from_mode(0o777)).unwrap();
        let second = world.media.script("/second.png", [Reply::ok(sample("picture.png"))]);
        world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png"), second], "text": "la la"}));
        for args in [&["t1"][..], &["verify"], &["index"], &["gallery"]] {
            let run = Running::start(command_with_limit(&world, &limit, args)).wait(false);
            assert!(!run.stderr.contains("panicked"), "{limit} {args:?} {run:?}");
            match run.code {
                Some(0) => {}
                // The run did not start, so the other commands have no archive.
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
    let codes = exit_codes_under((1..=16).map(|threads| format!("--nproc={threads}")), "threads");
    assert_eq!((codes[0], codes[15]), (2, 0), "{codes:?}");
}

#[test]
#[ignore = "needs root, setpriv and prlimit"]
fn run_with_little_address_space_succeeds_or_does_not_start() {
    let codes = exit_codes_under((1..=12).map(|step| format!("--as={}", step * 100_000_000_u64)), "memory");
    assert_eq!((codes[1], codes[11]), (2, 0), "{codes:?}");
}

#[test]
#[ignore = "needs root, setpriv and prlimit"]
fn run_with_few_open_files_succeeds_or_does_not_start() {
    let codes = exit_codes_under((4..=48).map(|files| format!("--nofile={files}")), "open");
    assert_eq!((codes[1], codes[44]), (2, 0), "{codes:?}");
}
