//! "No wait for a lock is silent: after 3 s it is reported once … Every wait ends at the first signal." Unix only:
//! the tests use signals and locks of folders.
//!
//! "File systems that lack a feature lose that feature, not the file. Without `flock` … lock files are used, with one
//! warning." · "Nothing of a lock stays behind in a finished folder."
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

/// Runs on a file system that has no locks.
#[cfg(target_os = "linux")]
mod lock_files {
    use std::path::PathBuf;
    use std::time::SystemTime;

    use super::*;
    use crate::support::failing_syscalls::fail_calls;
    use crate::support::run::Running;
    use crate::support::{Reply, sample};

    const EIO: i32 = 5;
    const EINVAL: i32 = 22;
    const ENOLCK: i32 = 37;
    const ENOSYS: i32 = 38;
    const EOPNOTSUPP: i32 = 95;

    fn command(world: &World, args: &[&str], errno: i32) -> Command {
        fail_calls(world.command(args), "flock", world.home().to_str().unwrap(), errno)
    }

    fn start(world: &World, args: &[&str]) -> Running {
        Running::start(command(world, args, ENOLCK))
    }

    /// Names in the archive that begin with a dot.
    fn dot_names(world: &World) -> Vec<String> {
        world.tree().into_keys().filter(|path| path.starts_with('.') || path.contains("/.")).collect()
    }

    /// Writes the lock file of a process on another machine. It wrote to it `age` ago.
    fn foreign_lock(world: &World, folder: &str, age: Duration) -> PathBuf {
        let record = json!({"token": "0123456789abcdef", "host": "nas", "process": 7, "space": "another boot"});
        let path = world.write_file(&format!("{folder}/.lock"), format!("{record}\n"));
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
        path
    }

    #[test]
    fn missing_locks_are_one_warning() {
        for errno in [ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL] {
            let world = world();
            world.serve_task("more", &json!({"text": "la"}));
            let run = Running::start(command(&world, &["new", "more", "t1", "--gallery"], errno)).wait(false);
            let run = world.audit(run).exits(0);
            assert_eq!(run.stderr.matches("lock files are used instead").count(), 1, "{errno}: {}", run.stderr);
            for args in [&["index"][..], &["gallery"]] {
                let command = fail_calls(world.plain_command(args), "flock", world.home().to_str().unwrap(), errno);
                let run = Running::start(command).wait(false).exits(0);
                assert_eq!(run.stderr.matches("lock files are used instead").count(), 1, "{args:?}: {}", run.stderr);
            }
            let run = Running::start(command(&world, &["new", "t1"], errno)).wait(false).exits(0);
            assert_eq!(run.stderr.matches("lock files").count(), 0, "nothing is locked: {}", run.stderr);
            assert_eq!(dot_names(&world), Vec::<String>::new());
        }
    }

    #[test]
    fn processes_without_system_locks_fetch_each_file_once() {
        let world = World::new();
        let ids: Vec<String> = (0..6).map(|n| format!("t{n}")).collect();
        for id in &ids {
            let slow = Reply::ok(sample("picture.png")).throttled(100, Duration::from_millis(10));
            let url = world.media.script(&format!("/{id}.png"), [slow]);
            world.serve_task(id, &json!({"images": [url], "text": id}));
        }
        let args: Vec<&str> = ids.iter().map(String::as_str).collect();
        let running: Vec<Running> = (0..6).map(|_| start(&world, &args)).collect();
        for run in running {
            run.wait(false).exits(0);
        }
        for id in &ids {
            assert_eq!(world.media.request_count(&format!("/{id}.png")), 1, "{id}");
        }
        assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 6);
        assert_eq!(dot_names(&world), Vec::<String>::new());
    }

    #[test]
    fn lock_file_of_a_killed_process_is_taken_over() {
        let world = world();
        let stuck = world.media.script("/stuck.png", [Reply::ok(sample("picture.png")).stall_after(5)]);
        world.serve_task("t2", &json!({"images": [stuck]}));
        let running = start(&world, &["new", "t2"]);
        let started = Instant::now();
        while !(world.archive().join("t2/.lock").exists() && world.archive().join("new/manifest.json").exists()) {
            assert!(started.elapsed() < Duration::from_secs(20), "it never began");
            std::thread::sleep(Duration::from_millis(2));
        }
        running.kill();
        world.media.script("/stuck.png", [Reply::ok(sample("picture.png"))]);
        let run = world.audit(start(&world, &["new", "t2"]).wait(false).exits(0));
        assert!(!run.stderr.contains("waiting for"), "{}", run.stderr);
        assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 3, "what the killed run committed is named");
        assert_eq!(dot_names(&world), Vec::<String>::new());
    }

    #[test]
    fn lock_file_that_cannot_be_read_is_not_free() {
        let world = world();
        foreign_lock(&world, "yescale/t1", Duration::ZERO);
        let command = fail_calls(world.command(&["t1", "--force"]), "read", "yescale/t1/.lock", EIO);
        let run = Running::start(command).wait(false).exits(1);
        assert!(run.stderr.contains("can't lock"), "{}", run.stderr);
        assert_eq!(world.media.request_count("/picture.png"), 1, "only the first run fetched it");
    }

    #[test]
    fn lock_file_of_another_machine_is_waited_for_until_a_signal() {
        for (folder, args) in [("yescale", &["new"][..]), ("yescale/t1", &["t1", "--force"])] {
            let world = world();
            let lock = foreign_lock(&world, folder, Duration::ZERO);
            let mut command = command(&world, args, ENOLCK);
            let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
            let line = lines.find(|line| line.contains("waiting for")).unwrap();
            assert!(line.contains(&format!("waiting for {folder}: process 7 on nas has locked it")), "{line}");
            std::thread::spawn(move || lines.count());
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
            assert_eq!(wait_for_exit(child), Some(130));
            assert!(lock.exists(), "it is not ours");
            fs::remove_file(lock).unwrap();
            world.run(&["new", "t1"]).exits(0);
        }
    }

    #[test]
    fn silent_lock_file_of_another_machine_is_taken_over() {
        for folder in ["yescale", "yescale/t1", "yescale/new"] {
            let world = world();
            foreign_lock(&world, folder, Duration::from_secs(300));
            world.audit(start(&world, &["new", "t1", "--force"]).wait(false).exits(0));
            assert_eq!(dot_names(&world), Vec::<String>::new(), "{folder}");
        }
    }
}
