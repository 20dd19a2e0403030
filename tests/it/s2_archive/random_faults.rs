//! For any sequence of server faults the file is correct or absent, and the next run with a healthy server completes
//! it.
//!
//! A seeded generator makes the scripts of faults. `YESCALE_DL_SCRIPTS` sets their number; a failure names the number
//! of its script, which is its seed.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::json;

use crate::support::{RemoteFile, ServerFault, World};

/// The random number generator for the scripts.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn fault(&mut self, size: usize) -> ServerFault {
        match self.below(22) {
            0..4 => ServerFault::Healthy,
            4..8 => ServerFault::CutAt(self.below(size + 1)),
            8 => ServerFault::StallAt(self.below(size)),
            9 => ServerFault::IgnoreRange,
            10 => ServerFault::WrongRange,
            11 => ServerFault::ShortRange,
            12 => ServerFault::ShortBody,
            13 => ServerFault::ChangedEtag,
            14 => ServerFault::Replaced,
            15 => ServerFault::WeakEtag,
            16 => ServerFault::NoValidator,
            17 => ServerFault::Status(["500 Oops", "503 Busy", "408 Late", "416 No", "206 Partial Content"][self.below(5)], &[]),
            18 => ServerFault::Status(["403 Forbidden", "400 Bad", "302 Found", "204 No Content"][self.below(4)], &[]),
            19 => ServerFault::Drip(size / 8 + 1),
            20 => ServerFault::MissingLastChunk,
            _ => ServerFault::Html,
        }
    }
}

fn run_script(seed: u64) {
    let mut dice = Dice(seed);
    let size = [1, 700, 90_000, 2_000_000, 5_000_000, 17 << 20][dice.below(6)] + dice.below(1000);
    let mut script: Vec<ServerFault> = (0..=dice.below(9)).map(|_| dice.fault(size)).collect();
    // A script that stalls forever would only cost time.
    script.retain(|fault| !matches!(fault, ServerFault::StallAt(_)) || size < 1_000_000);
    script.push(if dice.below(3) == 0 { ServerFault::Status("500 Oops", &[]) } else { ServerFault::Healthy });
    let script_name = format!("script {seed}: {size} bytes, {script:?}");

    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", size, &script);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    let retries = ["0", "1", "5"][dice.below(3)];
    let args = ["t1", "--stall-timeout", "300ms", "--retries", retries, "-x", ["1", "3"][dice.below(2)]];
    let path = world.archive().join("t1/video-1.mp4");
    for round in 0..=dice.below(2) {
        let run = world.run(&args);
        let is_right = fs::read(&path).ok().map(|bytes| bytes == *remote.bytes || bytes == *remote.replacement);
        let expected = match is_right {
            Some(true) => 0,
            None => 1,
            Some(false) => panic!("a wrong file in round {round} of {script_name}"),
        };
        assert_eq!(run.code, Some(expected), "round {round} of {script_name}\n{}", run.stderr);
    }
    remote.set_script(&world, &[ServerFault::Healthy]);
    // The server is healthy, but the machine may be slow.
    let run = world.run(&["t1"]);
    assert_eq!(run.code, Some(0), "at last, {script_name}\n{}", run.stderr);
    let bytes = fs::read(&path).unwrap();
    assert!(bytes == *remote.bytes || bytes == *remote.replacement, "a wrong file at last: {script_name}");
    assert_eq!(world.files("t1"), ["video-1.mp4"], "{script_name}");
}

#[test]
fn file_is_right_or_absent_under_random_server_faults() {
    let scripts = std::env::var("YESCALE_DL_SCRIPTS").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    let next = AtomicU64::new(0);
    // Most of the time is spent waiting for stalls, so the scripts run in parallel.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= scripts {
                        break;
                    }
                    run_script(seed);
                }
            });
        }
    });
}
