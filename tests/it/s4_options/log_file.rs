//! `--log-file FILE`: "what `-vv` would print, with times, appended".

use std::fs;

use serde_json::json;

use crate::support::commands::run_command;
use crate::support::{KEY, World};

/// The lines of `run.log` in the working directory, without their times.
fn log(world: &World) -> Vec<String> {
    let text = fs::read_to_string(world.home().join("run.log")).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let line = |line: &str| {
        let (time, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no time: {line}"));
        let is_time = time.len() == "2026-11-30T03:14:39.123Z".len() && time.ends_with('Z') && time.as_bytes()[19] == b'.';
        assert!(is_time && time.parse::<jiff::Timestamp>().is_ok(), "{line}");
        with_slashes(rest)
    };
    text.lines().map(line).collect()
}

/// A line with `/` in its paths, on Windows too.
fn with_slashes(line: &str) -> String {
    line.replace('\\', "/")
}

#[test]
fn log_has_what_vv_prints_also_with_quiet_and_json_and_is_appended() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    let run = world.run(&["-q", "--json", "--log-file", "run.log", "t1", "gone"]).exits(1);
    assert!(!run.stderr.contains("gateway::"), "nothing more is printed: {run:?}");
    let first = log(&world);
    for part in ["saved yescale/t1/image-1.png", "complete    t1", "gateway::", "not found   gone: ", "1 complete, 1 not found; "]
    {
        assert!(first.iter().any(|line| line.contains(part)), "{part} in {first:#?}");
    }
    let run = world.run(&["-vv", "--force", "--log-file", "run.log", "t1"]).exits(0);
    let second = log(&world).split_off(first.len());
    let printed = run.stdout.lines().chain(run.stderr.lines());
    let (mut printed, mut logged) = (printed.map(with_slashes).collect::<Vec<_>>(), second);
    printed.sort();
    logged.sort();
    assert_eq!(logged, printed);
}

#[test]
fn repair_and_verify_write_the_log_and_a_configuration_file_can_set_it() {
    let world = World::new();
    let folder = world.archive_task("t1");
    fs::remove_file(folder.join("image-1.png")).unwrap();
    world.write_file("config/yescale-dl/config.toml", "log-file = \"../../run.log\"");
    run_command(&world, &["verify"]).exits(1);
    run_command(&world, &["repair"]).exits(0);
    let lines = log(&world);
    for part in ["missing     t1/image-1.png", "gateway::", "saved yescale/t1/image-1.png", "complete    t1"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part} in {lines:#?}");
    }
}

#[test]
fn errors_before_the_run_are_logged_too() {
    let world = World::new();
    let mut command = world.command(&["--log-file", "run.log", "t1"]);
    command.env_remove("YESCALE_API_KEY");
    crate::support::run::Running::start(command).wait(false).exits(2);
    assert!(log(&world)[0].starts_with("error: no API key"), "{:?}", log(&world));
}

#[test]
fn log_has_no_key_and_no_control_character() {
    let world = World::new();
    let answer = json!({"status": "FAILURE", "err_reason": format!("\u{1b}[31mno {KEY}\nsecond line")});
    world.answer("t1", &answer);
    world.run(&["--log-file", "run.log", "t1"]).exits(1);
    let text = fs::read_to_string(world.home().join("run.log")).unwrap();
    assert!(text.contains("[key]") && text.contains("\\u{1b}[31m") && text.contains("\\nsecond"), "{text}");
    assert!(!text.contains(KEY) && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn log_that_can_not_be_opened_is_one_warning() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    for path in ["no/such/folder/run.log", ".", "-", "yescale/manifest.json", "yescale/t1/TEXT.TXT", "yescale/t1/image-1.png"] {
        let run = world.run(&["--log-file", path, "t1"]).exits(0);
        assert_eq!(run.stderr.matches("warning: ").count(), 1, "{run:?}");
    }
}

#[test]
fn log_is_never_a_file_that_the_run_reads() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    for (name, content, option) in [("ids.txt", "t1\n", "-i"), ("key", KEY, "--api-key-file"), ("c.toml", "", "--config")] {
        world.write_file(name, content);
        let run = world.run(&["--log-file", &format!("./{name}"), option, name, "t1"]).exits(0);
        assert!(run.stderr.contains("warning: can't open the log"), "{run:?}");
        assert_eq!(fs::read_to_string(world.home().join(name)).unwrap(), content, "{option}");
    }
}

#[cfg(unix)]
#[test]
fn links_do_not_hide_a_file_of_the_archive_and_pipes_are_not_waited_for() {
    let world = World::new();
    let media = world.archive_task("t1").join("image-1.png");
    std::os::unix::fs::symlink(&media, world.home().join("link.log")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(world.home().join("pipe.log")).status().unwrap().success());
    for (path, reason) in [("link.log", "an archive has files"), ("pipe.log", "nothing reads from this pipe")] {
        let run = world.run(&["--log-file", path, "t1"]).exits(0);
        assert!(run.stderr.contains(reason), "{run:?}");
    }
    run_command(&world, &["verify"]).exits(0);
}

#[cfg(target_os = "linux")]
#[test]
fn log_on_a_full_disk_is_one_warning() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let run = world.run(&["--log-file", "/dev/full", "t1", "gone"]).exits(1);
    assert_eq!(run.stderr.matches("warning: ").count(), 1, "{run:?}");
    assert!(run.stderr.contains("can't write the log"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_new_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.run(&["--log-file", "run.log", "gone"]).exits(1);
    assert_eq!(fs::metadata(world.home().join("run.log")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn lines_of_programs_that_run_at_once_are_not_mixed() {
    let world = World::new();
    let ids: Vec<String> = (0..10).map(|n| format!("{n}-{}", "x".repeat(2000))).collect();
    let start = |number: usize| {
        let output = format!("archive-{number}");
        world
            .start(&[&["--log-file", "run.log", "-o", &output], &ids.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())
    };
    let running: Vec<_> = (0..8).map(start).collect();
    for run in running {
        run.wait(false).exits(1);
    }
    // `log` checks that each line begins with a time.
    let lines = log(&world);
    for id in &ids {
        let whole = lines.iter().filter(|line| line.starts_with(&format!("not found   {id}")));
        assert_eq!(whole.count(), 8, "{}", &id[..2]);
    }
}

#[test]
fn lines_of_several_programs_in_one_log_stay_whole() {
    const PROGRAMS: usize = 6;
    let world = World::new();
    // Reasons that are the same are logged once.
    let reason = |id: &str| "a long reason ".repeat(30) + "with the end of " + id;
    let ids: Vec<String> = (100..120).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.answer(id, &json!({"status": "FAILURE", "err_reason": reason(id)}));
    }
    let start = |n: usize| {
        let output = format!("archive-{n}");
        let args = ["-o", &output, "--log-file", "run.log"];
        world.start(&args.into_iter().chain(ids.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    let running: Vec<_> = (0..PROGRAMS).map(start).collect();
    for run in running {
        run.wait(false).exits(1);
    }
    let lines = log(&world);
    for id in &ids {
        let whole = lines.iter().filter(|line| line.contains(&reason(id))).count();
        assert_eq!(whole, PROGRAMS, "{id}: {:#?}", lines.iter().filter(|line| line.contains(id)).collect::<Vec<_>>());
    }
}
