//! On a terminal the lines of tasks are columns with colours. In a pipe they are as scripts know them.

use std::process::Command;

use serde_json::json;

use crate::support::commands::run_command;
use crate::support::terminal::{show_on_terminal, show_on_terminal_until};
use crate::support::{Answer, Gate, Reply, World, sample};

const GREEN: &str = "\u{1b}[32m";

/// A world with tasks that end in several ways.
fn world() -> (World, [&'static str; 5]) {
    let world = World::new();
    world.serve_task("777935781150867525", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.serve_task("t2", &json!({"text": "la"}));
    world.answer("t3", &json!({"status": "FAILURE", "err_reason": "a long reason ".repeat(12)}));
    world.answers("t4", [Answer::json(404, &json!({"error": "Task not found"}))]);
    (world, ["777935781150867525", "t2", "t3", "t4", "--progress=never"])
}

/// The command on a terminal that has colours, whatever the tester's is.
fn on_xterm(mut command: Command) -> Command {
    command.env("TERM", "xterm");
    command
}

/// The text without colours.
fn plain(screen: &str) -> String {
    let mut parts = screen.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn lines_of_tasks_are_columns_with_colours_on_a_terminal() {
    let (world, args) = world();
    let (code, screen) = show_on_terminal(on_xterm(world.command(&args)), 100);
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains(&format!("{GREEN}complete  ")) && screen.contains(&format!("{GREEN}2 complete")), "{screen}");
    let lines: Vec<String> = plain(&screen).lines().map(str::to_owned).collect();
    let line = |id: &str| lines.iter().find(|line| line.get(12..).is_some_and(|rest| rest.starts_with(id))).unwrap();
    let (long, short) = (line("777935781150867525"), line("t2"));
    assert_eq!(long.find("text"), short.find("text"), "{long}\n{short}");
    assert!(long.contains("1 file") && short.ends_with("yescale/t2"), "{long}\n{short}");
    assert!(line("t3").starts_with("failed      t3                  the task failed: a long reason"), "{}", line("t3"));
    let summary = lines.iter().position(|line| line.starts_with("2 complete")).unwrap();
    assert!(lines[..summary].iter().all(|line| line.len() <= 100), "{lines:#?}");
    let indented = lines.iter().filter(|line| line.starts_with(&" ".repeat(32))).count();
    assert!(indented >= 2, "a long reason is wrapped below itself: {lines:#?}");
}

#[test]
fn terminal_without_colours_gets_none() {
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let (world, args) = world();
        for args in [&args[..], &["list"], &["list", "nowhere"], &["verify", "nowhere"], &["t1", "--api-key-file", "missing"]] {
            let mut command = on_xterm(world.plain_command(args));
            command.env(name, value);
            let (_, screen) = show_on_terminal(command, 80);
            assert!(!screen.contains('\u{1b}') && !screen.is_empty(), "{name} {args:?}: {screen}");
        }
    }
}

#[test]
fn list_and_errors_have_colours_on_a_terminal_alone() {
    let (world, args) = world();
    world.run(&args).exits(1);
    let show = |args: &[&str]| show_on_terminal(on_xterm(world.plain_command(args)), 100).1;
    let screen = show(&["list"]);
    assert!(screen.contains(&format!("{GREEN}complete")) && screen.contains("\u{1b}[31mfailed"), "{screen}");
    assert!(!show(&["list", "--color", "never"]).contains('\u{1b}'));
    assert!(show(&["list", "nowhere"]).starts_with("\u{1b}[31merror\u{1b}[0m: "));
    for args in [&["list"][..], &["list", "nowhere"], &["verify", "nowhere"]] {
        let run = run_command(&world, args);
        assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run:?}");
    }
}

#[test]
fn lines_of_a_pipe_have_no_columns() {
    let (world, args) = world();
    let run = world.run(&args).exits(1);
    let size = std::fs::metadata(world.archive().join("777935781150867525/image-1.png")).unwrap().len();
    let first =
        format!("complete    777935781150867525  1 file, {}, text  yescale/777935781150867525", indicatif::HumanBytes(size));
    for line in [first.as_str(), "complete    t2  text  yescale/t2", "failed      t3  nothing  yescale/t3", "not found   t4"] {
        assert!(run.stdout.lines().any(|shown| shown == line), "{line}: {run:?}");
    }
}

#[test]
fn dumb_terminal_gets_a_plain_line_of_progress_every_five_seconds() {
    let (world, gate) = (World::new(), Gate::default());
    let url = world.media.script("/held.png", [Reply::ok(sample("picture.png")).after_gate(&gate)]);
    world.serve_task("t1", &json!({"images": [url]}));
    let is_progress = |line: &str| line.starts_with("0 of 1 task, ");
    let mut command = world.command(&["t1"]);
    command.env("TERM", "dumb");
    let started = std::time::Instant::now();
    // The host answers when the second line is there.
    let has_two = |screen: &str| screen.lines().filter(|line| is_progress(line)).count() >= 2;
    let (code, screen) = show_on_terminal_until(command, 80, has_two, || gate.open());
    let took = started.elapsed().as_secs();
    assert_eq!(code, Some(0), "{screen}");
    let count = screen.lines().filter(|line| is_progress(line)).count() as u64;
    assert!((2..=took / 5).contains(&count), "{count} lines in {took} s: {screen}");
    assert!(!screen.contains(['\r', '\u{1b}']), "{screen:?}");
}
