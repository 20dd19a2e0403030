//! A bucket that fails in mid-run ends the run: nothing more is asked, of the bucket or of the gateway, and one message says why.
//! A run that has stopped asking reads no manifests either: each would be a request.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::BucketWorld;
use crate::support::{Answer, Gate, Run};

const IDS: usize = 600;

/// A world with more tasks than run at once. The list has fields for `meta`, which are recorded after a task has ended.
fn world() -> (BucketWorld, String) {
    let world = BucketWorld::new();
    let ids: Vec<String> = (0..IDS).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"text": "la"}));
    }
    let lines: Vec<String> = ids.iter().map(|id| json!({"id": id, "title": "T"}).to_string()).collect();
    let list = world.write_file("ids.jsonl", lines.join("\n"));
    (world, list.to_str().unwrap().to_owned())
}

fn messages(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.starts_with("error:")).collect()
}

#[test]
fn a_refusal_in_mid_run_ends_the_requests_with_one_message() {
    for (operation, part) in [(Operation::Put, "/t3/text.txt"), (Operation::Get, "/t3/manifest.json")] {
        let (world, list) = world();
        world.bucket.add_rule(Rule::new(operation, part, Fault::Error(403, "AccessDenied")));
        let run = world.start(&["-i", &list, "-j", "1", "--json"]).wait(false).exits(1);
        assert_eq!(messages(&run).len(), 1, "{run:?}");
        assert!(run.stderr.contains("s3:PutObject"), "{run:?}");
        let read = world.bucket.count(Operation::Get, "/manifest.json");
        assert!(read < IDS - 100, "{read} manifests were read");
        let summary = run.summary();
        assert_eq!(summary["complete"].as_u64().unwrap() + summary["error"].as_u64().unwrap(), IDS as u64);
        world.bucket.clear_rules();
        world.run(&["-i", &list]).exits(0);
    }
}

#[test]
fn a_store_that_is_gone_ends_the_requests() {
    let (world, list) = world();
    world.bucket.add_rule(Rule::new(Operation::Get, "/manifest.json", Fault::Error(500, "InternalError")));
    let run = world.start(&["-i", &list, "--json"]).wait(false).exits(1);
    assert_eq!(run.summary()["error"], IDS);
    let asked: std::collections::HashSet<String> = world.bucket.requests().into_iter().map(|request| request.key).collect();
    assert!(asked.len() < IDS - 100, "{} objects were asked for", asked.len());
    assert!(world.gateway_requests().is_empty());
}

#[test]
fn a_refused_key_ends_the_requests_to_the_bucket() {
    let (world, list) = world();
    for n in 0..IDS {
        world.answers(&format!("t{n}"), [Answer::json(401, &json!({"error": {"message": "bad key"}}))]);
    }
    let run = world.start(&["-i", &list, "--json"]).wait(false).exits(2);
    assert_eq!(run.summary()["not_asked"], IDS);
    let read = world.bucket.count(Operation::Get, "/manifest.json");
    assert!(read < IDS - 100, "{read} manifests were read");
}

#[test]
fn an_index_that_cannot_be_written_is_one_message() {
    let world = BucketWorld::new();
    for (id, status, code) in [("t1", 403, "AccessDenied"), ("t2", 400, "InvalidRequest")] {
        world.serve_task(id, &json!({"text": "la"}));
        world.bucket.add_rule(Rule::new(Operation::Put, "/index/log/", Fault::Error(status, code)));
        let run = world.start(&[id]).wait(false).exits(2);
        assert_eq!(messages(&run).len(), 1, "{run:?}");
        assert!(run.stderr.contains("can't write the index") && run.stdout.contains("1 complete"), "{run:?}");
        world.bucket.clear_rules();
        world.run(&[id]).exits(0);
    }
}

#[test]
fn new_meta_is_not_written_to_a_store_before_its_conditions_are_proved() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.run(&["t1"]).exits(0);
    let mark = world.bucket.object("archive/.yescale/archive.json").body.clone();
    world.bucket.put("archive/.yescale/archive.json", br#"{"archive_version":2}"#, &[]);
    let before = world.task_entry("t1");
    let list = world.write_file("ids.jsonl", "{\"id\":\"t1\",\"title\":\"T\"}\n");
    let args = ["-i", list.to_str().unwrap()];
    let run = world.start(&args).wait(false).exits(2);
    assert!(run.stderr.contains("later version"), "{run:?}");
    assert_eq!(world.task_entry("t1"), before);
    world.bucket.put("archive/.yescale/archive.json", mark, &[]);
    world.run(&args).exits(0);
    assert_eq!(world.task_entry("t1")["meta"]["title"], "T");
}

#[test]
fn a_dry_run_creates_no_spool() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let spool = world.home().join("spool");
    world.run(&["t1", "--dry-run", "--spool", spool.to_str().unwrap()]).exits(0);
    assert!(!spool.exists(), "{:?}", fs::read_dir(&spool).unwrap().collect::<Vec<_>>());
}

#[test]
fn a_dry_run_refuses_an_archive_of_a_later_version() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.bucket.put("archive/.yescale/archive.json", br#"{"archive_version":2}"#, &[]);
    let run = world.start(&["t1", "--dry-run"]).wait(false).exits(2);
    assert!(run.stderr.contains("later version"), "{run:?}");
    assert!(world.gateway_requests().is_empty());
}

#[test]
fn a_store_without_conditions_is_not_asked_about_every_task() {
    let (world, list) = world();
    world.bucket.ignore_conditions();
    let run = world.start(&["-i", &list, "--json"]).wait(false).exits(2);
    assert_eq!(run.summary()["not_asked"], IDS);
    let read = world.bucket.count(Operation::Get, "/manifest.json");
    assert!(read < IDS - 100, "{read} manifests were read");
}

#[test]
fn a_task_that_another_run_archived_meanwhile_leaves_nothing_in_the_spool() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    let spool = world.home().join("spool");
    let args = ["t1", "--json", "--spool", spool.to_str().unwrap()];
    let (arrived, until) = (Gate::default(), Gate::default());
    let hold = Fault::Hold { arrived: arrived.clone(), until: until.clone() };
    world.bucket.add_rule(Rule::new(Operation::Put, "video-1.mp4", hold).times(1));
    let first = world.start(&args);
    assert!(arrived.wait());
    let log = world.home().join("log");
    let second = world.start(&[&args[..], &["--log-file", log.to_str().unwrap()]].concat());
    // It says after some seconds that it waits for the first one.
    while !fs::read_to_string(&log).unwrap_or_default().contains("waiting for") {
        thread::sleep(Duration::from_millis(20));
    }
    until.open();
    first.wait(false).exits(0);
    let run = world.audit(second.wait(false)).exits(0);
    assert_eq!(run.summary()["files"], 0, "it fetched nothing again");
    assert_eq!(world.media.request_count("/video-1s.mp4"), 1);
    let folders = fs::read_dir(&spool).unwrap().flat_map(|bucket| fs::read_dir(bucket.unwrap().path()).unwrap()).count();
    assert_eq!(folders, 0);
}

#[test]
fn a_task_that_waits_is_read_once() {
    let world = BucketWorld::new();
    let (pending, done) = (json!({"status": "IN_PROGRESS"}), json!({"status": "SUCCESS", "task_result": {"text": "la"}}));
    world.answers("t1", [&pending, &pending, &pending, &done].map(|answer| Answer::json(200, answer)));
    let list = world.write_file("ids.jsonl", "{\"id\":\"t1\",\"title\":\"T\"}\n");
    world.run(&["-i", list.to_str().unwrap(), "--wait=60s"]).exits(0);
    assert!(world.gateway_requests().len() >= 4);
    assert_eq!(world.bucket.count(Operation::Get, "t1/manifest.json"), 1);
    assert_eq!(world.task_entry("t1")["meta"]["title"], "T");
}
