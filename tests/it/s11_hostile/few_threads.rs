//! Where a user may have few threads, fewer are used, or the run does not start. Linux only: the limit is set with its tools.
#![cfg(target_os = "linux")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Reply, World, sample};

/// A user who runs nothing else.
const USER: u32 = 64_321;

/// The program as [`USER`], who may have `threads` at once.
fn limited(world: &World, threads: u32, args: &[&str]) -> Command {
    let program = world.patient(args);
    // The user may not be allowed into the folder that it was built in.
    let copy = world.home().join("program");
    fs::copy(program.get_program(), &copy).unwrap();
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={USER}"), "--clear-groups", "prlimit", &format!("--nproc={threads}")]);
    command.arg(copy).args(program.get_args()).current_dir(world.home()).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
#[ignore = "needs root, setpriv and prlimit"]
fn with_few_threads_a_run_works_or_does_not_start() {
    let mut codes = Vec::new();
    for threads in 1..=16 {
        let world = World::new();
        fs::set_permissions(world.home(), Permissions::from_mode(0o777)).unwrap();
        let second = world.media.script("/second.png", [Reply::ok(sample("picture.png"))]);
        world.task("t1", &json!({"images": [world.host("picture.png"), second], "text": "la la"}));
        for args in [&["t1"][..], &["verify"], &["index"], &["gallery"]] {
            let run = Running::start(limited(&world, threads, args)).end(false);
            assert!(!run.stderr.contains("panicked"), "{threads} {args:?} {run:?}");
            codes.push((threads, run.code));
            match run.code {
                Some(0) => {}
                // Nothing was begun, so that the other commands have nothing to work on.
                Some(2) if run.stderr.contains("threads") => break,
                _ => panic!("{threads} {args:?} {run:?}"),
            }
        }
    }
    assert!(codes.contains(&(1, Some(2))) && codes.contains(&(16, Some(0))), "{codes:?}");
}
