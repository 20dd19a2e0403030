//! `--failed-to FILE`: "what did not end complete or partial and was not skipped".

use std::fs;

use serde_json::json;

use crate::support::{Answer, World};

/// The lines of `failed.txt` in the working directory.
fn failed(world: &World) -> Vec<String> {
    fs::read_to_string(world.home().join("failed.txt")).unwrap().lines().map(str::to_owned).collect()
}

/// A world with a task of each outcome.
fn world() -> World {
    let world = World::new();
    world.serve_task("good", &json!({"text": "la"}));
    world.serve_task("some", &json!({"text": "la", "videos": [world.serve_sample("video-1s.mp4")]}));
    world.serve_task("dead", &json!({"images": [format!("{}/dead.png", world.media.origin())]}));
    world.serve_task("empty", &json!({}));
    world.answer("bad", &json!({"status": "FAILURE"}));
    world.answer("wait", &json!({"status": "IN_PROGRESS"}));
    world.answers("broken", [Answer::raw(200, "{")]);
    world
}

const LIST: &str = "# ids\ngood\n{\"task_id\":\"dead\",\"prompt\":\"a cat\",\"n\":1.50}\nsome\n\nempty\nbad\n\
    {\"id\":\"no such\"}\nwait\nbroken\nbad\n{\"id\":\"good\",\"x\":1}\n";

#[test]
fn list_has_what_did_not_end_well_with_its_fields_and_can_be_read_again() {
    let world = world();
    world.write_file("ids.txt", LIST);
    world.run(&["--only", "text,image", "-i", "ids.txt", "--failed-to", "failed.txt"]).exits(1);
    let expected =
        [r#"{"task_id":"dead","prompt":"a cat","n":1.50}"#, "empty", "bad", r#"{"task_id":"no such"}"#, "wait", "broken"];
    assert_eq!(failed(&world), expected);
    world.serve_task("bad", &json!({"text": "la"}));
    world.run(&["-i", "failed.txt", "--failed-to", "failed.txt"]).exits(1);
    let expected = [r#"{"task_id":"dead","prompt":"a cat","n":1.50}"#, "empty", r#"{"task_id":"no such"}"#, "wait", "broken"];
    assert_eq!(failed(&world), expected, "the list that is read can be replaced");
    assert_eq!(world.task_entry("dead")["meta"].to_string(), r#"{"prompt":"a cat","n":1.50}"#);
}

#[test]
fn list_is_written_when_it_is_empty_and_skipped_tasks_are_left_out() {
    let world = world();
    world.write_file("failed.txt", "old\n");
    world.run(&["good", "--failed-to", "failed.txt"]).exits(0);
    assert_eq!(fs::read(world.home().join("failed.txt")).unwrap(), b"");
    world.run(&["bad", "good", "--failed-to", "failed.txt"]).exits(1);
    assert_eq!(failed(&world), ["bad"]);
    world.run(&["--skip-failed", "bad", "good", "--failed-to", "failed.txt"]).exits(0);
    assert_eq!(failed(&world).len(), 0);
}

#[test]
fn refused_key_leaves_every_task_of_a_file_on_the_list() {
    let world = world();
    let ids: Vec<String> = (0..5000).map(|number| format!("t{number}")).collect();
    for id in &ids[..64] {
        world.answers(id, [Answer::json(401, &json!({"error": {"message": "Invalid token"}}))]);
    }
    world.write_file("ids.txt", ids.join("\n"));
    world.run(&["-i", "ids.txt", "--failed-to", "failed.txt"]).exits(2);
    assert_eq!(failed(&world), ids);
}

#[test]
fn run_that_can_not_start_leaves_the_list_alone() {
    let world = world();
    world.write_file("failed.txt", "old\n");
    let mut command = world.command(&["good", "--failed-to", "failed.txt"]);
    command.env_remove("YESCALE_API_KEY");
    crate::support::run::Running::start(command).wait(false).exits(2);
    world.run(&["good", "--no-such-option", "--failed-to", "failed.txt"]).exits(2);
    assert_eq!(failed(&world), ["old"]);
}

#[test]
fn list_that_can_not_be_written_is_an_error_before_the_first_request() {
    let world = world();
    world.archive_task("t1");
    let requests = world.gateway_requests().len();
    fs::create_dir(world.home().join("folder")).unwrap();
    for path in
        ["no/such/folder.txt", "folder", "yescale/manifest.json", "yescale/t1/manifest.json", "yescale/t1/image-1.png", ".", "-"]
    {
        let run = world.run(&["good", "--failed-to", path]).exits(2);
        assert!(run.stderr.contains("can't write"), "{run:?}");
    }
    assert_eq!(world.gateway_requests().len(), requests);
}

#[test]
fn list_never_replaces_a_key_a_configuration_or_the_log() {
    let world = world();
    for (name, content, option) in
        [("key", crate::support::KEY, "--api-key-file"), ("c.toml", "", "--config"), ("run.log", "old\n", "--log-file")]
    {
        world.write_file(name, content);
        let run = world.run(&["--failed-to", &format!("./{name}"), option, name, "bad"]).exits(2);
        assert!(run.stderr.contains(&format!("{option} names the same file")), "{run:?}");
        assert!(fs::read_to_string(world.home().join(name)).unwrap().starts_with(content), "{option}");
    }
}

#[cfg(unix)]
#[test]
fn interrupt_loses_no_line_of_a_file() {
    let world = world();
    let ids: Vec<String> = (0..5000).map(|number| format!("t{number}")).collect();
    let stuck = world.media.script("/stuck.png", [crate::support::Reply::ok(b"\x89PNG".to_vec()).stall_after(2)]);
    for id in &ids {
        world.serve_task(id, &json!({"images": [stuck]}));
    }
    world.write_file("ids.txt", format!("good\n{}", ids.join("\n")));
    let mut running = world.start(&["-i", "ids.txt", "--failed-to", "failed.txt"]);
    assert!(running.read_line().starts_with("complete"), "the first task");
    let kill = std::process::Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap();
    assert!(kill.success());
    running.wait(true).exits(143);
    assert_eq!(failed(&world), ids);
}

#[cfg(unix)]
#[test]
fn interrupt_does_not_wait_for_a_pipe() {
    let world = world();
    let mut running = world.start(&["-i", "-", "--failed-to", "failed.txt"]);
    running.write("bad\ngood\nbroken\n");
    let lines = [running.read_line(), running.read_line(), running.read_line()];
    assert!(lines.concat().contains("good"), "{lines:?}");
    let kill = std::process::Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(kill.success());
    running.wait(true).exits(130);
    assert_eq!(failed(&world), ["bad", "broken"]);
}

/// Linux only: a library that is loaded before the C library makes calls fail.
#[cfg(target_os = "linux")]
#[test]
fn list_on_a_full_disk_keeps_its_old_lines_and_leaves_nothing_beside_it() {
    const ENOSPC: i32 = 28;
    let world = world();
    world.write_file("lists/failed.txt", "old\n");
    for calls in ["write", "sync_file"] {
        let args = ["--json", "bad", "good", "--failed-to", "lists/failed.txt"];
        let command = crate::support::failing_syscalls::fail_calls(world.command(&args), calls, "/lists/", ENOSPC);
        let run = world.audit(crate::support::run::Running::start(command).wait(false)).exits(2);
        let fatal = run.events().pop().unwrap();
        assert_eq!((&fatal["event"], &fatal["code"]), (&json!("fatal"), &json!("output")), "{calls}: {run:?}");
        assert!(fatal["error"].as_str().unwrap().contains("lists/failed.txt"), "{calls}: {fatal}");
        assert_eq!(fs::read_to_string(world.home().join("lists/failed.txt")).unwrap(), "old\n", "{calls}");
        assert_eq!(fs::read_dir(world.home().join("lists")).unwrap().count(), 1, "{calls}: nothing else is left");
        assert_eq!(world.task_entry("good")["state"], "complete", "the work was done all the same");
    }
}
