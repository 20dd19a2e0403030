//! The task manifest. "created if absent, else replaced by compare-and-swap on its ETag after a merge (existing data wins, unless
//! `--force` or `repair`)" · "its object metadata carries a `write_id`, so that a lost answer is recognised as one's own success".

use serde_json::{Value, json};

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::BucketWorld;
use crate::support::run::Running;
use crate::support::{Answer, Gate, World, success};

const MANIFEST: &str = "archive/t1/manifest.json";

fn serve_mixed_task(world: &World) {
    let (mp4, png) = (world.serve_sample("video-1s.mp4"), world.serve_sample("picture.png"));
    world.serve_task("t1", &json!({"videos": [mp4], "images": [png], "text": "la"}));
}

/// How often a manifest was written.
fn writes(world: &BucketWorld) -> usize {
    world.bucket.changes().iter().filter(|change| change.key == MANIFEST).count()
}

#[test]
fn the_manifest_is_written_last_and_only_if_absent() {
    let world = BucketWorld::new();
    serve_mixed_task(&world);
    world.run(&["t1"]).exits(0);
    let changes = world.bucket.changes();
    let last = changes.iter().rfind(|change| change.key.starts_with("archive/t1/")).unwrap();
    assert_eq!((last.key.as_str(), writes(&world)), (MANIFEST, 1));
    let requests = world.bucket.requests();
    let put = requests.iter().find(|request| request.operation == Operation::Put && request.key == MANIFEST).unwrap();
    assert_eq!(put.header("if-none-match"), Some("*"));
}

#[test]
fn later_writes_are_compare_and_swap() {
    let world = BucketWorld::new();
    serve_mixed_task(&world);
    world.run(&["t1", "--only", "image"]).exits(0);
    world.bucket.forget_requests();
    world.run(&["t1"]).exits(0);
    let requests = world.bucket.requests();
    let put = requests.iter().find(|request| request.operation == Operation::Put && request.key == MANIFEST).unwrap();
    assert!(put.header("if-match").is_some() && put.header("if-none-match").is_none(), "{put:?}");
    assert_eq!(world.named_files("t1"), ["video-1.mp4", "image-1.png"]);
}

#[test]
fn a_lost_answer_is_recognised_as_success() {
    let faults = [Fault::Lost, Fault::ErrorAfter(500, "InternalError"), Fault::ErrorAfter(409, "ConditionalRequestConflict")];
    for fault in faults {
        let world = BucketWorld::new();
        serve_mixed_task(&world);
        world.bucket.add_rule(Rule::new(Operation::Put, MANIFEST, fault).times(1));
        let run = world.run_json(&["t1"]).exits(0);
        assert_eq!((run.state("t1").as_str(), writes(&world)), ("complete", 1));
    }
}

#[test]
fn conflicts_and_refusals_with_nothing_there_are_tried_again() {
    for (status, code) in [(409, "ConditionalRequestConflict"), (503, "SlowDown"), (500, "InternalError")] {
        let world = BucketWorld::new();
        serve_mixed_task(&world);
        world.bucket.add_rule(Rule::new(Operation::Put, MANIFEST, Fault::Error(status, code)).times(2));
        world.run(&["t1"]).exits(0);
        assert_eq!(writes(&world), 1);
    }
}

/// Two workers with different kinds: the first one is held before its manifest is written, until the second one is done.
#[test]
fn what_two_workers_fetched_at_once_is_joined() {
    let world = BucketWorld::new();
    serve_mixed_task(&world);
    let (arrived, until) = (Gate::default(), Gate::default());
    let hold = Fault::Hold { arrived: arrived.clone(), until: until.clone() };
    world.bucket.add_rule(Rule::new(Operation::Put, MANIFEST, hold).times(1));
    let first = world.start(&["t1", "--only", "image"]);
    assert!(arrived.wait());
    world.run(&["t1", "--only", "video,text"]).exits(0);
    until.open();
    world.audit(first.wait(false)).exits(0);
    assert_eq!(world.named_files("t1"), ["video-1.mp4", "image-1.png"]);
    let entry = world.task_entry("t1");
    assert_eq!((&entry["text"], &entry["state"]), (&json!("la"), &json!("complete")));
}

/// The gateway gives each of two workers another link for the same asset, with other bytes.
#[test]
fn of_two_results_one_is_kept_and_no_byte_is_wrong() {
    let world = BucketWorld::new();
    let answer = |name: &str| Answer::json(200, &success(&json!({"videos": [world.serve_sample(name)]})));
    world.answers("t1", [answer("video-1s.mp4"), answer("moss.mp4")]);
    let (arrived, until) = (Gate::default(), Gate::default());
    let hold = Fault::Hold { arrived: arrived.clone(), until: until.clone() };
    world.bucket.add_rule(Rule::new(Operation::Put, MANIFEST, hold).times(1));
    let first = world.start(&["t1"]);
    assert!(arrived.wait());
    world.run(&["t1"]).exits(0);
    let standing = world.task_entry("t1")["files"].clone();
    until.open();
    world.audit(first.wait(false)).exits(0);
    assert_eq!(world.task_entry("t1")["files"], standing, "what stands wins");
}

#[test]
fn a_later_answer_that_names_less_takes_nothing_away() {
    let world = BucketWorld::new();
    serve_mixed_task(&world);
    world.run_with_input(r#"{"task_id":"t1","prompt":"a fox"}"#, &["-i", "-"]).exits(0);
    let before = world.task_entry("t1");
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    let _ = world.run(&["t1", "--force"]);
    world.answers("t1", [Answer::json(404, &json!({"error": "Task not found"}))]);
    world.run(&["t1", "--force"]).exits(1);
    let after = world.task_entry("t1");
    assert_eq!(after["files"].as_array().unwrap().len(), 2);
    assert_eq!((&after["text"], &after["meta"]), (&before["text"], &before["meta"]));
}

#[test]
fn unknown_fields_survive_a_merge() {
    let world = BucketWorld::new();
    serve_mixed_task(&world);
    world.run(&["t1", "--only", "image"]).exits(0);
    world.bucket.damage(MANIFEST, |body| {
        let mut manifest: Value = serde_json::from_slice(body).unwrap();
        manifest["tasks"][0]["from_the_future"] = json!({"n": 1});
        *body = serde_json::to_vec(&manifest).unwrap();
    });
    world.run(&["t1"]).exits(0);
    assert_eq!(world.task_entry("t1")["from_the_future"], json!({"n": 1}));
    assert_eq!(world.named_files("t1").len(), 2);
}

#[test]
fn cut_empty_and_zeroed_manifests_are_written_anew() {
    for body in [&b""[..], b"\0\0\0\0", b"{\"manifest_version\": 1, \"tasks\": [{\"task"] {
        let world = BucketWorld::new();
        serve_mixed_task(&world);
        world.bucket.put(MANIFEST, body, &[]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.named_files("t1").len(), 2, "{body:?}");
    }
}

#[test]
fn foreign_and_newer_manifests_fail_their_task_alone() {
    for body in ["{\"name\": \"a web app\"}", "{\"manifest_version\": 99, \"tasks\": []}"] {
        let world = BucketWorld::new();
        serve_mixed_task(&world);
        world.serve_task("t2", &json!({"text": "lo"}));
        world.bucket.put(MANIFEST, body, &[]);
        let run = Running::start(world.command(&["t1", "t2", "--json"])).wait(false).exits(1);
        assert_eq!((run.state("t1").as_str(), run.state("t2").as_str()), ("error", "complete"), "{body}");
        assert_eq!(world.bucket.object(MANIFEST).body, body);
    }
}
