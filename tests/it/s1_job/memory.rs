//! "Memory stays below four times the answer's size plus 64 MiB, whatever the answer holds, for all answers in progress together."
//! Linux only: `/proc` reports the most memory that a process had.
#![cfg(target_os = "linux")]

use std::fs;

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Answer, World};

const MIB: u64 = 1 << 20;
/// The size of each answer. The program reads it many times in a debug build, so it is not larger.
const SIZE: usize = 5 << 20;
/// So many that all of them together would take more than is allowed, if each were held once.
const COUNT: usize = 20;

/// The most memory that a run over these tasks had. The run waits for more ids meanwhile, so that it is still there.
fn peak_memory(world: &World, ids: &[String]) -> u64 {
    let mut running = world.start(&["--json", "-i", "-"]);
    running.write(&(ids.join("\n") + "\n"));
    wait_for_tasks(&mut running, ids.len());
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024;
    // No audit: it would read all answers once more.
    running.wait(false).exits(0);
    peak
}

fn wait_for_tasks(running: &mut Running, count: usize) {
    for _ in 0..count {
        loop {
            let line = running.read_line();
            assert!(!line.is_empty(), "the run ended early");
            if line.contains(r#""event":"task""#) {
                break;
            }
        }
    }
}

#[test]
fn memory_of_answers_is_bounded_for_all_of_them_together() {
    let world = World::new();
    world.serve_task("small", &json!({"text": "la"}));
    // What the program takes whatever it reads.
    let base = peak_memory(&world, &["small".to_owned()]);
    // What many small values cost is in `large_responses`.
    let body = format!(r#"{{"status":"SUCCESS","task_result":{{"text":"la"}},"x":"{}"}}"#, "x".repeat(SIZE));
    let ids: Vec<String> = (0..COUNT).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.answers(id, [Answer::raw(200, body.clone())]);
    }
    let peak = peak_memory(&world, &ids);
    let allowed = 4 * SIZE as u64 + 64 * MIB;
    assert!(peak - base < allowed, "{} MiB more than {} MiB", (peak - base) / MIB, base / MIB);
    assert!(COUNT * SIZE > usize::try_from(allowed).unwrap(), "else the test would show nothing");
}
