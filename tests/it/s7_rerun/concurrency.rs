//! "Any number of processes may work in one archive at once": sixteen real processes in one archive, some of which
//! are killed at random moments.
//!
//! The media host counts requests: a file that no killed process was downloading is fetched once. After one more run
//! the archive is complete and consistent, and no lock file is left: the audit checks this.

use std::fs;
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::commands::{archive_two_tasks, findings, flip_bit, run_command};
use crate::support::run::Running;
use crate::support::{Gate, Reply, World, sample};

/// Seeded, so that a failure can be reproduced.
#[cfg(unix)]
struct Dice(u64);

#[cfg(unix)]
impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Makes tasks with two files and a text each, at their own paths. Each file takes `pause` to arrive.
fn serve_tasks(world: &World, count: usize, pause: Duration) -> Vec<String> {
    let host = |path: String, name: &str| {
        let bytes = sample(name);
        let half = bytes.len() / 2 + 1;
        world.media.script(&path, [Reply::ok(bytes).throttled(half, pause)])
    };
    let ids: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
    for id in &ids {
        let (png, mp4) = (host(format!("/{id}.png"), "picture.png"), host(format!("/{id}.mp4"), "video-1s.mp4"));
        world.serve_task(id, &json!({"videos": [mp4], "images": [png], "text": id}));
    }
    ids
}

fn request_counts(world: &World, ids: &[String]) -> Vec<usize> {
    let paths = ids.iter().flat_map(|id| [format!("/{id}.png"), format!("/{id}.mp4")]);
    paths.map(|path| world.media.request_count(&path)).collect()
}

/// Runs once more over all ids, and checks that the archive is complete and consistent.
#[track_caller]
fn finish_archive(world: &World, ids: &[String]) {
    world.run(ids).exits(0);
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), ids.len());
    for id in ids {
        assert_eq!(world.files(id), ["image-1.png", "text.txt", "video-1.mp4"]);
        assert_eq!(fs::read(world.archive().join(id).join("video-1.mp4")).unwrap(), sample("video-1s.mp4"));
    }
    let run = run_command(world, &["verify", "--json"]).exits(0);
    assert!(findings(&run).is_empty(), "{run:?}");
    let before = world.tree();
    run_command(world, &["index"]).exits(0);
    for name in ["manifest.json", "SHA256SUMS"] {
        assert_eq!(world.tree()[name].0, before[name].0, "{name}");
    }
}

#[test]
fn sixteen_processes_with_equal_ids_fetch_each_file_once() {
    let world = World::new();
    let ids = serve_tasks(&world, 12, Duration::from_millis(10));
    let running: Vec<Running> = (0..16).map(|_| world.start(&ids)).collect();
    for run in running {
        run.wait(false).exits(0);
    }
    assert_eq!(request_counts(&world, &ids), vec![1; 24]);
    // Before the next run: the last of the sixteen must have left a correct root manifest.
    crate::support::audit::check_archive(&world.archive(), crate::support::KEY);
    finish_archive(&world, &ids);
}

#[test]
fn sixteen_processes_with_overlapping_ids_lose_nothing() {
    let world = World::new();
    let ids = serve_tasks(&world, 36, Duration::from_millis(3));
    let running: Vec<Running> = (0..16).map(|n| world.start(&ids[n * 2..(n * 2 + 6).min(36)])).collect();
    for run in running {
        run.wait(false).exits(0);
    }
    assert_eq!(request_counts(&world, &ids), vec![1; 72]);
    crate::support::audit::check_archive(&world.archive(), crate::support::KEY);
    finish_archive(&world, &ids);
}

#[cfg(unix)]
#[test]
fn killed_processes_lose_at_most_their_current_files() {
    for seed in [1, 7, 42] {
        let world = World::new();
        let ids = serve_tasks(&world, 16, Duration::from_millis(20));
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
        let started = Instant::now();
        let mut running: Vec<(Option<Duration>, Running)> = Vec::new();
        for n in 0..16_u64 {
            let from = usize::try_from(dice.below(8)).unwrap();
            let death = (n % 3 == 0).then(|| started.elapsed() + Duration::from_millis(30 + dice.below(500)));
            running.push((death, world.start(&ids[from..])));
        }
        let kills = running.iter().filter(|(death, _)| death.is_some()).count();
        running.sort_by_key(|(death, _)| death.unwrap_or(Duration::MAX));
        for (death, run) in running {
            match death {
                Some(death) => {
                    thread::sleep(death.saturating_sub(started.elapsed()));
                    run.kill();
                }
                None => drop(run.wait(false).exits(0)),
            }
        }
        finish_archive(&world, &ids);
        let counts = request_counts(&world, &ids);
        assert!(counts.iter().all(|&count| (1..=1 + kills).contains(&count)), "seed {seed}: {counts:?}");
    }
}

#[cfg(unix)]
#[test]
fn commands_killed_during_runs_harm_nothing() {
    for seed in [3, 11] {
        let world = World::new();
        let ids = serve_tasks(&world, 16, Duration::from_millis(10));
        world.run(&ids[..8]).exits(0);
        ids[..8].iter().for_each(|id| flip_bit(&world, &format!("{id}/image-1.png")));
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
        let getting: Vec<Running> = (0..4).map(|n| world.start(&ids[n * 2..])).collect();
        for command_name in ["index", "repair", "verify", "index", "repair", "index", "repair", "index"] {
            let network: &[&str] = if command_name == "repair" { &["--retry-delay", "0s"] } else { &[] };
            let run = Running::start(world.plain_command(&[&[command_name], network].concat()));
            thread::sleep(Duration::from_millis(dice.below(60)));
            run.kill();
        }
        for run in getting {
            run.wait(false).exits(0);
        }
        run_command(&world, &["repair", "--retry-delay", "0s"]).exits(0);
        finish_archive(&world, &ids);
    }
}

#[test]
fn verify_and_index_during_runs_find_and_do_no_damage() {
    let world = World::new();
    let ids = serve_tasks(&world, 24, Duration::from_millis(10));
    world.run(&ids[..2]).exits(0);
    let getting: Vec<Running> = (0..6).map(|n| world.start(&ids[n * 3..])).collect();
    let looking: Vec<(&str, Running)> = (0..10)
        .map(|n| {
            thread::sleep(Duration::from_millis(10));
            let offline = if n % 2 == 0 { "verify" } else { "index" };
            (offline, Running::start(world.plain_command(&[offline])))
        })
        .collect();
    for (offline, run) in looking {
        let run = run.wait(false);
        assert_eq!(run.code, Some(0), "{offline}: {run:?}");
    }
    for run in getting {
        run.wait(false).exits(0);
    }
    assert_eq!(request_counts(&world, &ids), vec![1; 48]);
    finish_archive(&world, &ids);
}

#[test]
fn verify_finds_no_damage_during_a_forced_run() {
    let world = World::new();
    let ids = serve_tasks(&world, 8, Duration::ZERO);
    world.run(&ids).exits(0);
    for id in &ids {
        for (name, kind) in [("png", "picture.jpg"), ("mp4", "clip.mov")] {
            world.media.script(&format!("/{id}.{name}"), [Reply::ok(sample(kind)).throttled(2000, Duration::from_millis(3))]);
        }
    }
    let forced = world.start(&[&["--force".to_owned()], &ids[..]].concat());
    for _ in 0..8 {
        let run = run_command(&world, &["verify", "--json"]);
        assert_eq!(run.code, Some(0), "{:?}", findings(&run));
    }
    world.audit(forced.wait(false)).exits(0);
}

#[test]
fn concurrent_repairs_fetch_nothing_twice() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/video-1.mp4");
    let video = sample("video-1s.mp4");
    let half = video.len() / 2 + 1;
    world.media.script("/video-1s.mp4", [Reply::ok(video).throttled(half, Duration::from_millis(150))]);
    let running: Vec<Running> = (0..4).map(|_| Running::start(world.plain_command(&["repair", "--retry-delay", "0s"]))).collect();
    for run in running {
        world.audit(run.wait(false)).exits(0);
    }
    assert_eq!(world.media.request_count("/video-1s.mp4"), 2, "once by get, once by all repairs together");
}

#[test]
fn concurrent_get_and_repair_leave_a_consistent_archive() {
    let world = World::new();
    let ids = serve_tasks(&world, 8, Duration::from_millis(5));
    world.run(&ids[..4]).exits(0);
    for id in &ids[..4] {
        flip_bit(&world, &format!("{id}/image-1.png"));
        fs::remove_file(world.archive().join(id).join("video-1.mp4")).unwrap();
    }
    let getting: Vec<Running> = (0..4).map(|_| world.start(&ids)).collect();
    let repairing: Vec<Running> =
        (0..4).map(|_| Running::start(world.plain_command(&["repair", "--retry-delay", "0s"]))).collect();
    for run in getting.into_iter().chain(repairing) {
        run.wait(false).exits(0);
    }
    finish_archive(&world, &ids);
    let states: Vec<Value> = ids.iter().map(|id| world.task_entry(id)["state"].clone()).collect();
    assert!(states.iter().all(|state| state == "complete"), "{states:?}");
}

#[test]
fn damaged_manifest_is_not_restored_over_a_newer_one() {
    let world = World::new();
    let folder = world.archive_task("t1");
    fs::write(folder.join("manifest.json"), "{").unwrap();
    world.media.allow_key_for("/task/");
    let (asked, answered) = (Gate::default(), Gate::default());
    let absent = Reply::ok(r#"{"error": "Task not found"}"#).with_status("404 Not Found");
    world.media.script("/task/t1", [absent.notify_on_request(&asked).after_gate(&answered)]);
    let slow = world.start(&["--base-url", &world.media.origin(), "t1"]);
    assert!(asked.wait(), "the slow run has read the damaged manifest");
    world.serve_task(
        "t1",
        &json!({"images": [world.serve_sample("picture.png")], "videos": [world.serve_sample("video-1s.mp4")]}),
    );
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    answered.open();
    world.audit(slow.wait(false));
    assert_eq!(entry["files"].as_array().unwrap().len(), 2);
    assert_eq!(world.task_entry("t1"), entry);
}
