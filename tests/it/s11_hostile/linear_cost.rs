//! "Cost is linear in what is read: no manifest, answer or archive makes `verify`, `index` or a run quadratic", and "for a million ids
//! at most 100 bytes each are held in memory".
//!
//! The tests compare what one size costs with what four times that size costs: linear cost is at most four times as high, and quadratic
//! cost is sixteen times as high. The cost is the processor's time, which hardly depends on what else a machine does, and never on a
//! wait. Linux only: its shells report that time, and its `/proc` reports memory.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Answer, World};

/// How many measurements must agree that a cost is not linear.
const ATTEMPTS: usize = 3;

/// The processor's time of a command, in seconds. Its exit code must be `code`.
fn processor_time(program: &Command, code: i32) -> f64 {
    let script = "\"$0\" \"$@\" >/dev/null 2>&1; code=$?; times; exit $code";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(program.get_program()).args(program.get_args());
    command.current_dir(program.get_current_dir().unwrap()).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(code), "{:?}", program.get_args().collect::<Vec<_>>());
    let report = String::from_utf8(ended.stdout).unwrap();
    // The second line is about the commands that the shell ran: `0m0.25s 0m0.04s`.
    let seconds = |time: &str| {
        let (minutes, seconds) = time.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.replace(',', ".").parse::<f64>().unwrap()
    };
    report.lines().nth(1).unwrap().split_whitespace().map(seconds).sum()
}

/// Checks that four times the size costs less than eight times as much. `cost` gets a size, and its result is in seconds.
#[track_caller]
fn assert_linear(what: &str, size: usize, cost: impl Fn(usize) -> f64) {
    let mut attempts = Vec::new();
    while attempts.len() < ATTEMPTS {
        let (small, large) = (cost(size), cost(4 * size));
        if large < 8.0 * small.max(0.02) {
            return;
        }
        attempts.push((small, large));
    }
    panic!("{what}: seconds for {size} and for four times that: {attempts:?}");
}

fn write_manifest(world: &World, id: &str, files: &[Value]) {
    let task = json!({"task_id": id, "state": "complete", "status": "SUCCESS", "files": files, "errors": []});
    let manifest = json!({"manifest_version": 1, "generator": "test", "tasks": [task]});
    world.write_file(&format!("yescale/{id}/manifest.json"), manifest.to_string());
}

#[test]
fn missing_files_of_one_task_cost_linear_time() {
    let sizes = [8000, 32_000].map(|count| {
        let world = World::new();
        let file = |n: usize| {
            json!({"kind": "image", "index": n, "path": format!("image-{n}.png"), "size": 1, "sha256": "0".repeat(64), "warnings": []})
        };
        write_manifest(&world, "t1", &(1..=count).map(file).collect::<Vec<_>>());
        (count, world)
    });
    let world = |size: usize| &sizes.iter().find(|(count, _)| *count == size).unwrap().1;
    assert_linear("verify", 8000, |size| processor_time(&world(size).plain_command(&["verify", "-q"]), 1));
    assert_linear("index", 8000, |size| processor_time(&world(size).plain_command(&["index"]), 0));
}

#[test]
fn tasks_of_an_archive_cost_linear_time() {
    let sizes = [1000, 4000].map(|count| {
        let world = World::new();
        let mut ids = String::new();
        for n in 0..count {
            write_manifest(&world, &format!("t{n}"), &[]);
            writeln!(ids, "t{n}").unwrap();
        }
        world.write_file("ids.txt", ids);
        (count, world)
    });
    let world = |size: usize| &sizes.iter().find(|(count, _)| *count == size).unwrap().1;
    assert_linear("index", 1000, |size| {
        let _ = fs::remove_file(world(size).archive().join("manifest.json"));
        processor_time(&world(size).plain_command(&["index"]), 0)
    });
    assert_linear("verify", 1000, |size| processor_time(&world(size).plain_command(&["verify"]), 0));
    assert_linear("a run", 1000, |size| processor_time(&world(size).command(&["-i", "ids.txt"]), 0));
    assert!(world(1000).gateway_requests().is_empty(), "everything was known");
}

/// The most memory that a run over `count` ids had, in bytes. The key is refused, so that the other ids are only read and counted.
fn peak_memory(count: usize) -> u64 {
    let world = World::new();
    for n in 0..64 {
        world.answers(&id(n), [Answer::json(401, &json!({"error": {"message": "Invalid token"}}))]);
    }
    world.write_file("ids.txt", (0..count).map(|n| id(n) + "\n").collect::<String>());
    let running = world.start(&["--json", "-i", "ids.txt"]);
    let status = format!("/proc/{}/status", running.id());
    let sampler = std::thread::spawn(move || {
        let mut peak = 0;
        // The line is missing once the program has ended.
        while let Some(now) = fs::read_to_string(&status).ok().and_then(|status| memory(&status)) {
            peak = now;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        peak
    });
    let run = running.wait(false).exits(2);
    let counted = run.summary()["not_asked"].as_u64().unwrap() + run.events_of("task").len() as u64;
    assert_eq!(counted, count as u64, "all ids were read");
    sampler.join().unwrap()
}

fn id(n: usize) -> String {
    (700_000_000_000_000_000 + n).to_string()
}

/// The peak in a status file of `/proc`, in bytes.
fn memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[test]
fn ids_of_a_list_take_at_most_100_bytes_each() {
    const IDS: usize = 100_000;
    // What a run needs besides is in both.
    let (few, many) = (peak_memory(IDS), peak_memory(3 * IDS));
    let each = many.saturating_sub(few) / (2 * IDS as u64);
    assert!(few > 0 && each <= 100, "{each} bytes for each id: {few} and {many} bytes");
}
