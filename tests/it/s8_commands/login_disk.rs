//! `login` on a disk that is full: saved keys are "replaced atomically". Linux only: a library that is loaded before the C library
//! makes calls fail.

use std::fs;

use crate::support::failing_syscalls::fail_calls;
use crate::support::terminal::OnTerminal;
use crate::support::{KEY, World, dead_url};

const ENOSPC: i32 = 28;
const SAVED: &str = "config/yescale-dl/credentials.toml";

/// Types the key at the prompt of `login`. Returns the exit code and standard error.
fn log_in(world: &World, key: &str, failing: Option<&str>) -> (Option<i32>, String) {
    let mut command = world.plain_command(&["login", "--account-url", &dead_url()]);
    command.env_remove("YESCALE_API_KEY");
    let command = match failing {
        Some(calls) => fail_calls(command, calls, "/yescale-dl/", ENOSPC),
        None => command,
    };
    let mut running = OnTerminal::start(command);
    running.expect("API key for ");
    running.type_text(&format!("{key}\n"));
    running.expect("Access key for ");
    running.type_text("\n");
    let (run, screen) = running.wait();
    assert!(!run.stderr.contains(key) && !screen.contains(key), "{run:?}");
    (run.code, run.stderr)
}

#[test]
fn full_disk_leaves_the_saved_keys_as_they_were_and_nothing_beside_them() {
    let world = World::new();
    for calls in ["write", "sync_file"] {
        // Without an old file there is none afterwards.
        assert_eq!(log_in(&world, KEY, Some(calls)).0, Some(2), "{calls}");
        assert!(!world.home().join(SAVED).exists(), "{calls}");
    }
    assert_eq!(log_in(&world, KEY, None).0, Some(0));
    let before = fs::read(world.home().join(SAVED)).unwrap();
    for calls in ["write", "sync_file"] {
        let (code, stderr) = log_in(&world, "sk-another-0123456789", Some(calls));
        assert!(code == Some(2) && stderr.contains("credentials.toml"), "{calls}: {stderr}");
        assert_eq!(fs::read(world.home().join(SAVED)).unwrap(), before, "{calls}");
        assert_eq!(fs::read_dir(world.home().join("config/yescale-dl")).unwrap().count(), 1, "{calls}: nothing else is left");
    }
}
