//! SIGINT, SIGTERM and SIGHUP: "What was finished is committed, the root manifest too …; the rest resumes next time."
#![cfg(unix)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Answer, Gate, RemoteFile, Reply, Run, ServerFault, World, sample, success};

/// How long ending may take on a busy machine.
const SOON: Duration = Duration::from_secs(2);

fn signal(running: &Running, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &running.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Sends the signal and waits for the end, which must come soon.
fn interrupt(running: Running, name: &str) -> Run {
    signal(&running, name);
    let started = Instant::now();
    let run = running.wait(true);
    assert!(started.elapsed() < SOON, "it took {:?}", started.elapsed());
    run
}

/// Whether the tests were started with SIGHUP ignored, as under `nohup`. Then the program ignores it, too.
fn is_hang_up_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Waits until `path` has been requested.
fn await_request(world: &World, path: &str) {
    await_condition(|| world.media.request_count(path) > 0);
}

fn await_condition(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "it did not happen in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn interrupt_keeps_whole_files_and_the_next_run_resumes() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        if name == "HUP" && is_hang_up_ignored() {
            continue;
        }
        let world = World::new();
        world.archive_task("t0");
        let small = world.media.script("/small.png", [Reply::ok(sample("picture.png"))]);
        let large = RemoteFile::new(&world, "/large.mp4", 12 << 20, &[ServerFault::StallAt(9 << 20)]);
        world.serve_task("t1", &json!({"images": [small], "videos": [large.url]}));
        let running = world.start(&["t0", "t1", "--json"]);
        let part = world.archive().join("t1/.video-1.part");
        await_condition(|| fs::metadata(&part).is_ok_and(|part| part.len() >= 8 << 20));
        await_condition(|| world.archive().join("t1/image-1.png").exists());
        let run = world.audit(interrupt(running, name)).exits(code);
        assert_eq!(run.events_of("summary").len(), 1, "{run:?}");
        assert_eq!(run.state("t0"), "complete");
        assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 1, "complete tasks are named");
        assert!(!world.archive().join("t1/video-1.mp4").exists());

        large.set_script(&world, &[ServerFault::Healthy]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.media.request_count("/small.png"), 1, "a finished file is not fetched again");
        let from = large.requests(&world).last().unwrap().range_start();
        assert!(from >= 8 << 20, "it resumed at {from}");
        assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *large.bytes);
    }
}

#[test]
fn task_finished_before_an_interrupt_is_in_the_root_manifest() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    let stuck = world.media.script("/stuck.png", [Reply::ok(sample("picture.png")).stall_after(5)]);
    world.serve_task("t2", &json!({"images": [stuck]}));
    let mut running = world.start(&["t1", "t2", "--json"]);
    while !running.read_line().contains("\"event\":\"task\"") {}
    await_request(&world, "/stuck.png");
    world.audit(interrupt(running, "INT")).exits(130);
    assert_eq!(world.root_manifest()["tasks"][0]["task_id"], "t1");
    world.serve_sample("picture.png");
    world.media.script("/stuck.png", [Reply::ok(sample("picture.png"))]);
    assert_eq!(world.run_json(&["t1", "t2"]).exits(0).summary()["reused"], 1);
    assert_eq!(world.media.request_count("/picture.png"), 1);
}

#[test]
fn interrupted_force_leaves_no_stale_hash() {
    let world = World::new();
    let first = RemoteFile::new(&world, "/1.mp4", 50_000, &[ServerFault::Healthy]);
    let second = RemoteFile::new(&world, "/2.mp4", 60_000, &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [first.url, second.url]}));
    world.run(&["t1"]).exits(0);
    // The same number of bytes, but other ones.
    first.set_script(&world, &[ServerFault::Replaced]);
    second.set_script(&world, &[ServerFault::StallAt(1000)]);
    let file = world.archive().join("t1/video-1.mp4");
    let running = world.start(&["t1", "--force"]);
    await_condition(|| fs::read(&file).is_ok_and(|bytes| bytes == *first.replacement));
    await_request(&world, "/2.mp4");
    interrupt(running, "INT").exits(130);
    // The next run compares only sizes, and must not take the new bytes for the old ones. The audit compares hashes.
    world.run(&["t1"]).exits(0);
}

#[test]
fn segmented_download_ends_at_once_on_a_signal() {
    let world = World::new();
    let large = RemoteFile::new(
        &world,
        "/large.mp4",
        40 << 20,
        &[ServerFault::Healthy, ServerFault::Healthy, ServerFault::StallAt(100_000)],
    );
    world.serve_task("t1", &json!({"videos": [large.url]}));
    let running = world.start(&["t1", "-x", "4"]);
    await_condition(|| large.requests(&world).len() >= 4);
    world.audit(interrupt(running, "TERM")).exits(143);
    large.set_script(&world, &[ServerFault::Healthy]);
    world.run(&["t1", "-x", "4"]).exits(0);
    assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *large.bytes);
}

#[test]
fn interrupt_ends_every_kind_of_wait_at_once() {
    // Waits for the gateway's response, for an unfinished task, for a busy host, for a retry, for more ids.
    let waits: [fn(&World) -> Running; 5] = [
        |world| {
            let (requested, never) = (Gate::default(), Gate::default());
            let slow = Reply::ok("{}").after_gate(&never).notify_on_request(&requested);
            world.media.allow_key_for("/task/");
            world.media.script("/task/t1", [slow]);
            let running = world.start(&["t1", "--base-url", &world.media.origin()]);
            assert!(requested.wait());
            running
        },
        |world| {
            let requested = Gate::default();
            world.answers("t1", [Answer::json(429, &json!({"error": {"message": "busy"}})).notify_on_request(&requested)]);
            let running = Running::start(world.plain_command(&["t1", "--retry-delay", "20s"]));
            assert!(requested.wait());
            running
        },
        |world| {
            world.serve_task(
                "t1",
                &json!({"images": [world.media.script("/a", [Reply::status("429 Busy").header("Retry-After", "60")])]}),
            );
            let running = world.start(&["t1"]);
            await_request(world, "/a");
            running
        },
        |world| {
            world.serve_task("t1", &json!({"images": [world.media.script("/a", [Reply::status("500 Oops")])]}));
            let running = Running::start(world.plain_command(&["t1", "--retry-delay", "20s"]));
            await_request(world, "/a");
            running
        },
        |world| {
            world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
            let mut running = world.start(&["-i", "-", "--json"]);
            running.write("t1\n");
            while !running.read_line().contains("\"event\":\"task\"") {}
            running
        },
    ];
    for (at, wait) in waits.into_iter().enumerate() {
        let world = World::new();
        let run = world.audit(interrupt(wait(&world), "INT"));
        assert_eq!(run.code, Some(130), "wait {at}: {run:?}");
    }
}

#[test]
fn interrupt_exit_code_wins_over_every_other() {
    let refusal = Answer::json(401, &json!({"error": {"message": "Invalid token"}}));
    for (answer, signal, code) in
        [(refusal, "INT", 130), (Answer::raw(200, "{"), "TERM", 143), (Answer::json(200, &json!({"status": "x"})), "INT", 130)]
    {
        let world = World::new();
        let (stuck, requested) =
            (world.media.script("/stuck.png", [Reply::ok(sample("picture.png")).stall_after(5)]), Gate::default());
        world.serve_task("t1", &json!({"images": [stuck]}));
        world.answers("t2", [answer.notify_on_request(&requested)]);
        let mut running = world.start(&["-i", "-"]);
        running.write("t1\n");
        await_request(&world, "/stuck.png");
        running.write("t2\n");
        assert!(requested.wait());
        world.audit(interrupt(running, signal)).exits(code);
    }
}

#[test]
fn interrupted_run_says_what_was_received() {
    let world = World::new();
    let large = RemoteFile::new(&world, "/large.mp4", 12 << 20, &[ServerFault::StallAt(9 << 20)]);
    world.serve_task("t1", &json!({"videos": [large.url]}));
    let running = world.start(&["t1"]);
    let part = world.archive().join("t1/.video-1.part");
    await_condition(|| fs::metadata(&part).is_ok_and(|part| part.len() >= 8 << 20));
    let run = world.audit(interrupt(running, "INT")).exits(130);
    assert!(run.stdout.contains("MiB downloaded, in "), "{}", run.stdout);
    assert!(run.stdout.starts_with("1 not finished; "), "{}", run.stdout);
    assert!(run.stderr.contains("interrupted: finished files are kept"), "{}", run.stderr);
}

#[test]
fn second_interrupt_ends_at_once() {
    let world = World::new();
    let stuck = world.media.script("/stuck.png", [Reply::ok(sample("picture.png")).stall_after(5)]);
    world.serve_task("t1", &json!({"images": [stuck]}));
    let running = world.start(&["t1"]);
    await_request(&world, "/stuck.png");
    signal(&running, "INT");
    // By then the first signal may already have ended the run.
    let _ = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    let started = Instant::now();
    assert_eq!(running.wait(false).code, Some(130));
    assert!(started.elapsed() < SOON);
}

#[test]
fn interrupt_ends_large_responses_that_wait_for_memory() {
    let world = World::new();
    let stuck = world.media.script("/stuck.png", [Reply::ok(sample("picture.png")).stall_after(5)]);
    let ids: Vec<String> = (0..4).map(|n| format!("t{n}")).collect();
    for id in &ids {
        let mut answer = success(&json!({"images": [stuck]}));
        answer["x"] = json!("x".repeat(6 << 20));
        world.answer(id, &answer);
    }
    let running = world.start(&ids);
    await_request(&world, "/stuck.png");
    await_condition(|| world.gateway_requests().len() >= ids.len());
    world.audit(interrupt(running, "INT")).exits(130);
}

#[test]
fn interrupt_works_while_the_output_pipe_is_full() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let world = World::new();
        let ids: Vec<String> = (0..2000).map(|n| format!("missing-{n}")).collect();
        world.write_file("ids.txt", ids.join("\n"));
        let mut command = world.plain_command(&["-i", "ids.txt", "--json"]);
        // The output is more than a pipe holds, and is never read.
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        await_condition(|| world.gateway_requests().len() > 1500);
        assert!(child.try_wait().unwrap().is_none(), "it blocks on its output");
        assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
        let ended = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if ended.elapsed() > Duration::from_secs(20) {
                child.kill().unwrap();
                panic!("it hangs");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn interrupted_query_for_fresh_links_records_no_dead_link() {
    let world = World::new();
    let dead = world.media.script("/gone.png", [Reply::status("404 Not Found")]);
    let first = Answer::json(200, &success(&json!({"images": [dead]})));
    world.answers("t1", [first, Answer::json(503, &json!({"error": {"message": "busy"}}))]);
    let running = Running::start(world.plain_command(&["t1"]));
    await_condition(|| world.gateway_requests().len() >= 2);
    world.audit(interrupt(running, "INT")).exits(130);
    assert!(!world.archive().join("t1/manifest.json").exists(), "no link is known to be dead");
}

#[test]
fn hang_up_stays_ignored_when_it_was_at_the_start() {
    let world = World::new();
    let slow = world.media.script("/slow.png", [Reply::ok(sample("picture.png")).throttled(200, Duration::from_millis(20))]);
    world.serve_task("t1", &json!({"images": [slow]}));
    let program = world.command(&["t1"]);
    // As `nohup` starts a program.
    let mut nohup = Command::new("/bin/sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    nohup.current_dir(world.home());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => nohup.env(name, value),
            None => nohup.env_remove(name),
        };
    }
    let running = Running::start(nohup);
    await_request(&world, "/slow.png");
    signal(&running, "HUP");
    world.audit(running.wait(false)).exits(0);
    assert_eq!(world.task_entry("t1")["state"], "complete");
}
