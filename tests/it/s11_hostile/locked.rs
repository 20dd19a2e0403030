//! "An `error` state has one with a code too (… `locked` …)": a run that is stopped while another process holds a task names that
//! task. Unix only: the test uses a signal and the lock of a folder.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Run, World};

#[test]
fn task_that_another_process_holds_at_the_signal_is_an_error_with_the_code_locked() {
    let world = World::new();
    let folder = world.archive_task("held");
    world.serve_task("free", &json!({"text": "la"}));
    let lock = File::open(folder).unwrap();
    lock.lock().unwrap();
    let out = world.home().join("events");
    let mut command = world.command(&["--json", "--force", "--failed-to", "failed.txt", "held", "free"]);
    command.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    // The wait is reported after three seconds.
    assert!(lines.any(|line| line.contains("waiting for yescale/held")));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let stderr = lines.collect::<Vec<_>>().join("\n");
    let run = Run { code: child.wait().unwrap().code(), stdout: fs::read_to_string(out).unwrap(), stderr };
    let run = world.audit(run).exits(130);
    let task = run.task("held");
    assert_eq!((&task["state"], &task["errors"][0]["code"]), (&json!("error"), &json!("locked")), "{task}");
    let error = task["errors"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("yescale/held is locked by another process"), "{error}");
    assert_eq!((&run.summary()["error"], &run.summary()["complete"]), (&json!(1), &json!(1)), "{run:?}");
    assert_eq!(fs::read_to_string(world.home().join("failed.txt")).unwrap(), "held\n");
    drop(lock);
    world.run(&["held", "free"]).exits(0);
}
