//! "No wait for a lock is silent: after 3 s it is reported once … Every wait ends at the first signal." Unix only:
//! the tests use signals and locks of folders.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::World;

/// Starts the program and returns once it reports that it waits for a lock.
fn start_waiting(world: &World, args: &[&str]) -> (Child, String) {
    let mut child = world.plain_command(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|line| line.contains("waiting for"))).unwrap();
    // The rest is read too, so that the program never blocks on a full pipe.
    std::thread::spawn(move || lines.count());
    (child, line)
}

fn wait_for_exit(mut child: Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("the program hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Makes a complete task, and one that is not archived yet.
fn world() -> World {
    let world = World::new();
    world.archive_task("t1");
    world.serve_task("new", &json!({"images": [world.serve_sample("picture.png")]}));
    world
}

#[test]
fn lock_wait_message_names_the_holding_process() {
    for (folder, args) in [
        ("yescale", &["new"][..]),
        ("yescale", &["index"]),
        ("yescale", &["gallery"]),
        ("yescale", &["t1", "--gallery"]),
        ("yescale/t1", &["t1", "--force"]),
    ] {
        let world = world();
        let lock = File::open(world.home().join(folder)).unwrap();
        lock.lock().unwrap();
        let (child, line) = start_waiting(&world, args);
        assert!(line.contains(&format!("waiting for {folder}: ")), "{line}");
        let is_listed = fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.contains(&format!(" {} ", std::process::id())));
        assert_eq!(line.contains(&format!("process {} ", std::process::id())), is_listed, "{line}");
        drop(lock);
        assert_eq!(wait_for_exit(child), Some(0), "{args:?}");
    }
}

#[test]
fn lock_wait_ends_at_the_first_signal() {
    for (folder, args) in [("yescale", &["new"][..]), ("yescale", &["t1", "--gallery"]), ("yescale/t1", &["t1", "--force"])] {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let world = world();
            let lock = File::open(world.home().join(folder)).unwrap();
            lock.lock().unwrap();
            let (child, _) = start_waiting(&world, args);
            assert!(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success());
            assert_eq!(wait_for_exit(child), Some(code), "{args:?} {signal}");
            drop(lock);
            world.run(&["new", "t1"]).exits(0);
            assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 2, "the next run names what was committed");
        }
    }
}
