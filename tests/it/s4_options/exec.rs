//! `--exec COMMAND`: "after each task that became complete or partial with something new".
#![cfg(unix)]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Answer, KEY, Reply, World, sample, success};

/// A command that appends a line to `log` in the working directory: the words, then the variables.
const LOG: &str = r#"sh -c 'echo "$@ $YESCALE_STATE $YESCALE_TASK_ID $YESCALE_PATH" >> log' - {state} {id} {path}"#;

fn log(world: &World) -> Vec<String> {
    let text = fs::read_to_string(world.home().join("log")).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn signal(running: &Running, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &running.id().to_string()]).status().unwrap().success());
}

fn await_file(world: &World, name: &str) {
    let started = Instant::now();
    while !world.home().join(name).exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "{name} did not appear");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn command_runs_once_for_each_task_with_something_new() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"images": [png]}));
    world.answers_at("/task/Text%20only", [Answer::json(200, &success(&json!({"text": "la"})))]);
    world.serve_task("t3", &json!({"images": [png], "videos": [world.serve_sample("video-1s.mp4")]}));
    world.serve_task("t4", &json!({"images": [format!("{}/dead.png", world.media.origin())]}));
    world.answer("t5", &json!({"status": "FAILURE"}));
    let ids = ["t1", "t3", "t4", "t5", "t1", "--", "Text only"];
    let archive = std::path::absolute(world.archive()).unwrap().display().to_string();
    let line = |state: &str, id: &str, folder: &str| format!("{state} {id} {archive}/{folder} {state} {id} {archive}/{folder}");
    world.run(&[&["--exec", LOG, "--only", "image,text"], &ids[..]].concat()).exits(1);
    let text_folder = fs::read_dir(world.archive()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let text_folder = text_folder.into_iter().find(|name| name.starts_with("Text_only-")).unwrap();
    let first = [line("complete", "Text only", &text_folder), line("complete", "t1", "t1"), line("partial", "t3", "t3")];
    assert_eq!(log(&world), first);

    world.run(&[&["--exec", LOG, "--only", "image,text"], &ids[..]].concat()).exits(1);
    assert_eq!(log(&world).len(), 3, "nothing is new");
    world.run(&["--exec", LOG, "t3"]).exits(0);
    assert_eq!(log(&world).len(), 4, "a video is new");
    world.run(&["--exec", LOG, "--force", "t1"]).exits(0);
    assert_eq!(log(&world).len(), 5, "the file is another one");
    world.run(&["--exec", LOG, "--dry-run", "--force", "t1"]).exits(0);
    assert_eq!(log(&world).len(), 5, "a dry run writes nothing");
}

#[test]
fn killed_run_left_files_that_are_new_for_the_command() {
    let world = World::new();
    let folder = world.archive_task("t1");
    // As a run leaves it that is killed before its commit.
    fs::remove_file(folder.join("manifest.json")).unwrap();
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    fs::remove_file(world.archive().join("SHA256SUMS")).unwrap();
    world.run(&["--exec", LOG, "t1"]).exits(0);
    assert_eq!(log(&world).len(), 1);
}

#[test]
fn output_goes_to_standard_error_and_no_key_reaches_the_command() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let script = r#"sh -c 'cat; echo "out	$YESCALE_API_KEY$YESCALE_API_KEY_FILE$YESCALE_ACCESS_KEY"; printf "err\033[31m" >&2; env > environment'"#;
    let mut command = world.command(&["--json", "-q", "--exec", script, "t1"]);
    command.env("YESCALE_ACCESS_KEY", "access-key");
    let run = world.audit(Running::start(command).wait(true)).exits(0);
    assert!(run.events().len() >= 2, "standard output has events alone");
    assert!(run.stderr.contains("out\t\n") && run.stderr.contains("err\\u{1b}[31m\n"), "{}", run.stderr);
    let environment = fs::read_to_string(world.home().join("environment")).unwrap();
    assert!(!environment.contains(KEY) && !environment.contains("access-key"), "{environment}");
    assert!(environment.contains("YESCALE_BASE_URL="), "other settings stay");
}

#[test]
fn no_shell_sees_the_values() {
    let world = World::new();
    let id = "$(touch pwned); {path} 'x";
    world.answers_at(&format!("/task/{}", percent_encoded(id)), [Answer::json(200, &success(&json!({"text": "la"})))]);
    world.run(&["--exec", "touch {path}/../../seen {id}.log", "--", id]).exits(0);
    assert!(world.home().join("seen").exists() && world.home().join(format!("{id}.log")).exists());
    assert!(!world.home().join("pwned").exists());
}

fn percent_encoded(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    id.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[test]
fn failure_is_a_warning_with_the_task_and_exit_code_1() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.serve_task("t2", &json!({"text": "lo"}));
    for (command, reason) in [("sh -c 'exit 3'", "exit status: 3"), ("sh -c 'kill -9 $$'", "signal: 9")] {
        let run = world.run(&["--force", "--exec", command, "t1", "t2"]).exits(1);
        for id in ["t1", "t2"] {
            let warning = run.stderr.lines().find(|line| line.starts_with(&format!("warning: {id}: ")));
            assert!(warning.is_some_and(|warning| warning.contains(reason)), "{run:?}");
        }
        assert!(run.stdout.lines().last().unwrap().starts_with("2 complete"), "the summary is the last line: {run:?}");
        fs::remove_dir_all(world.archive()).unwrap();
    }
    let run = world.run(&["--exec", "no-such-program {id}", "t1", "t2"]).exits(1);
    assert_eq!(run.stderr.matches("no-such-program").count(), 1, "said once: {run:?}");
}

#[test]
fn unusable_command_is_a_usage_error() {
    let world = World::new();
    for command in ["", "echo 'x", "''", " "] {
        let run = world.run(&["--exec", command, "t1"]).exits(2);
        assert!(run.stderr.contains("--exec"), "{run:?}");
    }
    let config = world.write_file("c.toml", "exec = \"true\"");
    let run = world.run(&["--config", config.to_str().unwrap(), "t1"]).exits(2);
    assert!(run.stderr.contains("use it on the command line"), "{run:?}");
    assert!(world.gateway_requests().is_empty());
}

#[test]
fn downloads_go_on_while_a_command_runs() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.serve_task("t2", &json!({"text": "lo"}));
    // The first command ends when both tasks are in the archive.
    let command = "sh -c 'until [ -e yescale/t1/manifest.json ] && [ -e yescale/t2/manifest.json ]; do sleep 0.01; done'";
    world.run(&["--exec", command, "t1", "t2"]).exits(0);
}

#[test]
fn interrupt_lets_the_running_command_end_and_starts_no_other() {
    for name in ["INT", "TERM"] {
        let world = World::new();
        world.serve_task("t1", &json!({"text": "la"}));
        world.serve_task("t2", &json!({"text": "lo"}));
        let command = "sh -c 'touch started; until [ -e go ]; do sleep 0.01; done; echo {id} >> ended'";
        let mut running = world.start(&["--failed-to", "failed.txt", "--exec", command, "t1", "t2"]);
        let (one, two) = (running.read_line(), running.read_line());
        assert!(one.starts_with("complete") && two.starts_with("complete"), "{one}{two}");
        await_file(&world, "started");
        signal(&running, name);
        // The list is written when the run has ended, while the command runs.
        await_file(&world, "failed.txt");
        world.write_file("go", "");
        let run = running.wait(true).exits(if name == "INT" { 130 } else { 143 });
        assert_eq!(fs::read_to_string(world.home().join("ended")).unwrap().lines().count(), 1);
        assert!(run.stderr.contains("not started for 1 more"), "{run:?}");
    }
}

#[test]
fn command_that_does_not_end_after_an_interrupt_is_ended() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    // A child of the command holds the pipe open.
    let running = world.start(&["--exec", "sh -c 'touch started; sleep 600'", "t1"]);
    await_file(&world, "started");
    signal(&running, "TERM");
    let started = Instant::now();
    let run = running.wait(true).exits(143);
    assert!(run.stderr.contains("t1: --exec: sh was ended"), "{run:?}");
    assert!(started.elapsed() >= Duration::from_secs(9), "it had ten seconds");
}

#[test]
fn second_interrupt_ends_the_command_too() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let pipe = world.home().join("alive");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // The command holds the pipe open for as long as it runs.
    let command = "sh -c 'trap : INT TERM; exec 3>alive; for i in $(seq 100); do sleep 0.1; done; echo late >&3'";
    let running = world.start(&["--failed-to", "failed.txt", "--exec", command, "t1"]);
    let mut alive = fs::File::open(&pipe).unwrap();
    signal(&running, "INT");
    await_file(&world, "failed.txt");
    signal(&running, "INT");
    assert_eq!(running.wait(false).code, Some(130));
    assert_eq!(std::io::read_to_string(&mut alive).unwrap(), "", "the command did not run to its end");
}

#[test]
fn what_a_command_leaves_in_the_background_does_not_hold_up_the_run() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let started = Instant::now();
    world.run(&["--exec", "sh -c 'sleep 15 & echo {state}'", "t1"]).exits(0);
    assert!(started.elapsed() < Duration::from_secs(14));
}

#[test]
fn command_that_prints_without_end_fills_no_memory() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.media.script("/p.png", [Reply::ok(sample("picture.png"))])]}));
    let run = world.run(&["--exec", "sh -c 'yes 0123456789 | head -n 200000'", "t1"]).exits(0);
    assert_eq!(run.stderr.lines().filter(|line| *line == "0123456789").count(), 200_000, "no line is lost");
}

#[test]
fn one_command_runs_at_a_time() {
    let world = World::new();
    let ids: Vec<String> = (0..6).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"text": "la"}));
    }
    let command = "sh -c 'echo begin >> log; sleep 0.1; echo end >> log'".to_owned();
    world.run(&[&["--exec".to_owned(), command], &ids[..]].concat()).exits(0);
    let text = fs::read_to_string(world.home().join("log")).unwrap();
    assert_eq!(text, "begin\nend\n".repeat(6));
}
