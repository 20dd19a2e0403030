//! `list`: a table for people; ids, paths and entries for programs.

use std::fs;

use serde_json::{Value, json};

use super::filters::{library, write_task};
use crate::support::commands::run_command;
use crate::support::run::Running;
use crate::support::{Run, World};

fn list(world: &World, args: &[&str]) -> Run {
    run_command(world, &[&["list"], args].concat())
}

#[test]
fn table_in_a_pipe_has_every_column_uncut() {
    let world = World::new();
    let prompt = "a very long prompt ".repeat(100);
    write_task(
        &world,
        "t1",
        &json!({"task_id": "t1", "platform": "kling", "model": "v2", "finish_time": "2026-10-01T10:00:00Z",
            "meta": {"prompt": format!("{prompt}\n\t\u{1b}[31mred\u{202e}")}}),
    );
    write_task(&world, "t2", &json!({"task_id": "t2", "finish_time": "2026-10-02T10:00:00Z", "text": "la\nla"}));
    let mut command = world.plain_command(&["list"]);
    command.env("TZ", "XXX-7");
    let run = Running::start(command).wait(false).exits(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "2026-10-02 17:00\t\t\tcomplete\t0\t\t\tla\tt2");
    let expected = format!("2026-10-01 17:00\tkling\tv2\tcomplete\t0\t\t\t{prompt}\\u{{1b}}[31mred\\u{{202e}}\tt1");
    assert_eq!((lines.len(), lines[1]), (2, expected.as_str()));
}

#[test]
fn empty_list_is_no_error() {
    let world = library();
    for mode in [&[][..], &["--ids"], &["--paths"], &["--json"]] {
        let run = list(&world, &[mode, &["--state", "partial"]].concat()).exits(0);
        assert!(run.stdout.is_empty() && run.stderr.is_empty(), "{run:?}");
    }
    for dir in ["nowhere", "."] {
        assert!(list(&world, &[dir]).exits(2).stdout.is_empty());
    }
    assert!(list(&world, &["--ids", "--json"]).exits(2).stdout.is_empty());
    assert!(list(&world, &["--json", "--bogus"]).exits(2).stdout.is_empty());
}

#[test]
fn every_id_of_the_list_is_read_back_by_the_main_job() {
    let world = World::new();
    let ids = ["777", "a b", "#x", "task_id", "{\"id\":1}", "it's", "-x", "veo3:17-Y", "é\u{1b}[31m", "https://h/task/7", "a,b"];
    for (n, id) in ids.iter().enumerate() {
        write_task(
            &world,
            &folder_of(id),
            &json!({"task_id": id, "state": "incomplete", "finish_time": format!("2026-10-{:02}T00:00:00Z", 30 - n)}),
        );
    }
    run_command(&world, &["index"]).exits(0);
    let listed = list(&world, &["--state", "incomplete", "--ids"]).exits(0).stdout;
    assert!(!listed.contains('\u{1b}') && listed.starts_with("777\n{\"task_id\":\"a b\"}\n"), "{listed}");
    let mut running = world.start(&["--json", "-i", "-"]);
    running.write(&listed);
    let run = running.wait(false).exits(1);
    let mut asked: Vec<String> = run.events_of("task").iter().map(|task| task["task_id"].as_str().unwrap().to_owned()).collect();
    let mut expected = ids.map(str::to_owned).to_vec();
    asked.sort();
    expected.sort();
    assert_eq!(asked, expected);
    // The filter reads the same list.
    let mut running = Running::start(world.plain_command(&["list", "--ids", "-i", "-"]));
    running.write(&listed);
    assert_eq!(running.wait(false).exits(0).stdout, listed);
}

/// The folder of an id: the layout's own function.
fn folder_of(id: &str) -> String {
    yescale_dl::layout::folder_name(id)
}

#[test]
fn paths_can_be_opened_and_lost_files_are_errors() {
    let world = library();
    let paths = |args: &[&str], code| list(&world, &[&["--paths"], args].concat()).exits(code);
    let separator = |text: &str| text.replace('/', std::path::MAIN_SEPARATOR_STR);
    let all = separator(
        "yescale/shots/image-1.png\nyescale/song/audio-1.mp3\nyescale/song/text.txt\nyescale/film/video-1.mp4\nyescale/film/image-1.png\n",
    );
    assert_eq!(paths(&["yescale"], 0).stdout, all);
    assert!(all.lines().all(|path| world.home().join(path).is_file()));
    assert_eq!(
        paths(&["--kind", "image", "--sort", "id"], 0).stdout,
        separator("yescale/film/image-1.png\nyescale/shots/image-1.png\n")
    );
    assert_eq!(paths(&["yescale/song", "--kind", "text"], 0).stdout, separator("yescale/song/text.txt\n"));
    fs::remove_file(world.archive().join("film/image-1.png")).unwrap();
    let run = paths(&["--kind", "image"], 1);
    assert_eq!(run.stdout, separator("yescale/shots/image-1.png\n"));
    assert!(run.stderr.contains("image-1.png"), "{run:?}");
    fs::rename(world.archive(), world.home().join("-x")).unwrap();
    let run = run_command(&world, &["list", "--paths", "--kind", "video", "--", "-x"]).exits(0);
    assert_eq!(run.stdout, separator("./-x/film/video-1.mp4\n"));
}

#[test]
fn json_has_the_entries_without_urls() {
    let world = library();
    let run = list(&world, &["--json"]).exits(0);
    let tasks: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = tasks.iter().map(|task| task["task_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["bad", "shots", "song", "film"]);
    assert!(!run.stdout.contains("SECRET") && !run.stdout.contains("\"url\""));
    let film = &tasks[3];
    assert_eq!((film["platform"].as_str(), film["model"].as_str()), (Some("kling"), Some("v2")));
    assert!(world.home().join(film["files"][0]["path"].as_str().unwrap()).is_file());
    assert!(world.home().join(tasks[2]["text_path"].as_str().unwrap()).is_file());
    assert_eq!((&tasks[1]["errors"][0]["code"], &tasks[2]["text"]), (&json!("dead_link"), &json!("[Verse]\nla la")));
    let only: Value = serde_json::from_str(&list(&world, &["--json", "--kind", "video"]).exits(0).stdout).unwrap();
    assert_eq!(only["files"].as_array().unwrap().len(), 1);
}

#[test]
fn hostile_paths_are_not_printed() {
    let world = World::new();
    let file =
        |path: &str| json!({"kind": "image", "index": 1, "path": path, "size": 1, "sha256": "0".repeat(64), "warnings": []});
    let tasks = json!([
        {"task_id": "t1", "state": "complete", "files": [file("../../etc/passwd"), file("/etc/passwd")], "errors": []},
        {"task_id": "t2", "state": "complete", "files": [], "errors": []},
    ]);
    world.write_file("yescale/manifest.json", json!({"manifest_version": 1, "tasks": tasks}).to_string());
    for mode in ["--json", "--paths"] {
        let run = list(&world, &[mode]).exits(1);
        assert!(!run.stdout.contains("passwd") && run.stderr.contains("passwd"), "{run:?}");
    }
    list(&world, &[]).exits(0);
}

#[test]
fn what_can_not_be_read_is_named_and_the_rest_is_listed() {
    let world = library();
    let mut root = world.root_manifest();
    root["tasks"].as_array_mut().unwrap().push(json!({"no": "task"}));
    world.write_file("yescale/manifest.json", root.to_string());
    for mode in [&[][..], &["--ids"], &["--paths"], &["--json"]] {
        let run = list(&world, mode).exits(1);
        assert!(run.stdout.contains("song") && run.stderr.contains("1 of its manifest's entries can't be read"), "{run:?}");
    }
}

#[test]
fn closed_pipe_is_not_an_error() {
    let world = World::new();
    // More than any pipe holds.
    write_task(&world, "t1", &json!({"task_id": "t1", "meta": {"prompt": "a cat".repeat(200_000)}}));
    for args in [&["list"][..], &["list", "--json"]] {
        let mut running = Running::start(world.plain_command(args));
        running.close_stdout();
        assert_eq!(running.wait(false).exits(0).stderr, "");
    }
}
