//! The index. "A run reads the index of its share of the ids and asks nothing about what is complete there" · "Entries are appended
//! every 10,000 tasks, every 5 minutes, at the end and at SIGTERM" · "`index` compacts and `index --rebuild` makes it anew" ·
//! "When an index object is gone (404), `current.json` is read again".

use std::collections::BTreeSet;
use std::io::Read as _;

use serde_json::{Value, json};

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::{ARCHIVE, BucketWorld};

const LOG: &str = "archive/.yescale/index/log/";
const CURRENT: &str = "archive/.yescale/index/current.json";

/// A world in which these ids are archived, each with a text.
fn archived(ids: &[&str]) -> BucketWorld {
    let world = BucketWorld::new();
    for id in ids {
        world.serve_task(id, &json!({"text": id, "images": [world.serve_sample("picture.png")]}));
    }
    world.run(ids).exits(0);
    world
}

/// The lines of all index objects whose key contains `part`.
fn lines(world: &BucketWorld, part: &str) -> Vec<Value> {
    let objects = world.bucket.objects();
    let segments = objects.iter().filter(|(key, _)| key.contains(part) && key.ends_with(".jsonl.gz"));
    let text = segments.fold(String::new(), |mut text, (_, object)| {
        flate2::read::MultiGzDecoder::new(&object.body[..]).read_to_string(&mut text).unwrap();
        text
    });
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> BTreeSet<&str> {
    lines.iter().map(|line| line["task_id"].as_str().unwrap()).collect()
}

/// Runs again over complete tasks: nothing is asked, and no manifest is read.
#[track_caller]
fn assert_known(world: &BucketWorld, ids: &[&str]) {
    let asked = world.gateway_requests().len();
    world.bucket.forget_requests();
    let run = world.run_json(ids).exits(0);
    assert_eq!(run.summary()["reused"], ids.len());
    assert_eq!(world.gateway_requests().len(), asked, "the gateway was asked");
    assert_eq!(world.bucket.count(Operation::Get, "manifest.json"), 0, "a manifest was read");
    assert_eq!(world.bucket.count(Operation::Head, "manifest.json"), 0, "a manifest was looked at");
}

#[test]
fn a_second_run_asks_nothing_and_reads_no_manifest() {
    let ids: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = archived(&ids);
    assert_known(&world, &ids);
    let (changes, requests) = (world.bucket.changes().len(), world.bucket.requests().len());
    assert!(requests < 20, "{requests} requests about 40 tasks");
    world.run(&ids).exits(0);
    assert_eq!(world.bucket.changes().len(), changes, "a run that changes nothing writes nothing");
}

#[test]
fn a_segment_of_the_log_has_a_line_per_task() {
    let world = archived(&["t1", "t2"]);
    let lines = lines(&world, LOG);
    assert_eq!((lines.len(), ids(&lines)), (2, BTreeSet::from(["t1", "t2"])));
    for line in &lines {
        let id = line["task_id"].as_str().unwrap();
        assert!(line.get("response").is_none(), "{line}");
        assert_eq!(line["files"][0]["path"], format!("{id}/image-1.png"));
        assert_eq!(line["text_path"], format!("{id}/text.txt"));
    }
}

#[test]
fn without_an_index_the_manifests_are_read_and_nothing_is_asked() {
    let world = archived(&["t1", "t2"]);
    for key in world.bucket.keys().iter().filter(|key| key.starts_with(LOG)) {
        world.bucket.remove(key);
    }
    let asked = world.gateway_requests().len();
    let run = world.run_json(&["t1", "t2"]).exits(0);
    assert_eq!((run.summary()["reused"].clone(), world.gateway_requests().len()), (json!(2), asked));
    // What the index did not know is in it afterwards.
    assert_known(&world, &["t1", "t2"]);
}

#[test]
fn index_compacts_the_log_and_the_next_run_knows_everything() {
    let world = archived(&["t1", "t2"]);
    world.serve_task("t3", &json!({"text": "la"}));
    world.run(&["t3"]).exits(0);
    let run = world.run_command(&["index", ARCHIVE]).exits(0);
    assert!(run.stdout.contains(ARCHIVE) || run.stderr.contains(ARCHIVE), "{run:?}");
    let keys = world.bucket.keys();
    assert!(!keys.iter().any(|key| key.starts_with(LOG)), "segments that went in are gone: {keys:?}");
    let current: Value = serde_json::from_slice(&world.bucket.object(CURRENT).body).unwrap();
    let generation = current["generation"].as_str().unwrap();
    let parts = current["parts"].as_array().unwrap();
    assert!(parts.len().is_power_of_two(), "{current}");
    let tasks: u64 = parts.iter().map(|part| part["tasks"].as_u64().unwrap()).sum();
    assert_eq!((current["index_version"].clone(), tasks), (json!(1), 3));
    for part in parts {
        let key = format!("archive/.yescale/index/{generation}/{}", part["name"].as_str().unwrap());
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    assert_eq!(ids(&lines(&world, generation)), BTreeSet::from(["t1", "t2", "t3"]));
    assert_known(&world, &["t1", "t2", "t3"]);
    // A second compaction, with a new segment, replaces the generation.
    world.serve_task("t4", &json!({"text": "la"}));
    world.run(&["t4"]).exits(0);
    world.run_command(&["index", ARCHIVE]).exits(0);
    assert!(!world.bucket.keys().iter().any(|key| key.contains(generation)), "{:?}", world.bucket.keys());
    assert_known(&world, &["t1", "t2", "t3", "t4"]);
}

#[test]
fn rebuild_needs_nothing_but_the_manifests() {
    let world = archived(&["t1", "t2"]);
    for key in world.bucket.keys().iter().filter(|key| key.contains(".yescale/index/")) {
        world.bucket.remove(key);
    }
    world.run_command(&["index", "--rebuild", ARCHIVE]).exits(0);
    assert_eq!(ids(&lines(&world, "part-")), BTreeSet::from(["t1", "t2"]));
    assert_known(&world, &["t1", "t2"]);
}

#[test]
fn rebuild_drops_what_is_gone() {
    let world = archived(&["t1", "t2"]);
    world.run_command(&["index", ARCHIVE]).exits(0);
    for key in world.bucket.keys().iter().filter(|key| key.starts_with("archive/t2/")) {
        world.bucket.remove(key);
    }
    world.run_command(&["index", "--rebuild", ARCHIVE]).exits(0);
    assert_eq!(ids(&lines(&world, "part-")), BTreeSet::from(["t1"]));
}

#[test]
fn an_index_part_that_is_gone_is_looked_for_again_and_is_no_error() {
    let world = archived(&["t1", "t2"]);
    world.run_command(&["index", ARCHIVE]).exits(0);
    // Another compaction swaps the pointer and deletes the parts while the run has read the old pointer.
    world.bucket.add_rule(Rule::new(Operation::Get, "part-", Fault::Error(404, "NoSuchKey")).times(1));
    assert_known(&world, &["t1", "t2"]);
    assert!(world.bucket.count(Operation::Get, "current.json") >= 2);
}

#[test]
fn faults_while_the_index_is_read_are_no_absence() {
    for fault in [Fault::Drop, Fault::Error(503, "SlowDown"), Fault::Cut(3)] {
        for (operation, part) in [(Operation::Get, "current.json"), (Operation::Get, "part-"), (Operation::List, "")] {
            let world = archived(&["t1"]);
            world.run_command(&["index", ARCHIVE]).exits(0);
            world.bucket.add_rule(Rule::new(operation, part, fault.clone()).times(1));
            assert_known(&world, &["t1"]);
        }
    }
}

#[test]
fn an_index_part_that_cannot_be_read_asks_no_task_again() {
    // Exit 2, or its tasks are looked at one by one; never asked about again.
    let world = archived(&["t1"]);
    world.run_command(&["index", ARCHIVE]).exits(0);
    world.bucket.add_rule(Rule::new(Operation::Get, "part-", Fault::Error(403, "AccessDenied")));
    let asked = world.gateway_requests().len();
    let run = world.audit(world.start(&["t1"]).wait(false));
    assert!(matches!(run.code, Some(0 | 2)), "{run:?}");
    assert_eq!(world.gateway_requests().len(), asked);
}

#[test]
fn broken_index_objects_cost_a_rebuild_and_no_task() {
    for body in [&b""[..], b"not gzip", b"\x1f\x8b\x08\0\0\0\0\0"] {
        let world = archived(&["t1", "t2"]);
        let key = world.bucket.keys().into_iter().find(|key| key.starts_with(LOG)).unwrap();
        world.bucket.put(&key, body, &[]);
        let asked = world.gateway_requests().len();
        let run = world.audit(world.start(&["t1", "t2"]).wait(false));
        assert!(matches!(run.code, Some(0 | 2)), "{run:?}");
        assert_eq!(world.gateway_requests().len(), asked, "what can't be read is not absent");
        world.run_command(&["index", "--rebuild", ARCHIVE]).exits(0);
        assert_known(&world, &["t1", "t2"]);
    }
}

#[test]
fn shards_read_and_write_their_own_segments() {
    let world = BucketWorld::new();
    let all: Vec<String> = (0..30).map(|n| format!("t{n}")).collect();
    for id in &all {
        world.serve_task(id, &json!({"text": "la"}));
    }
    for shard in ["1/3", "2/3", "3/3"] {
        world.run(&[vec!["--shard", shard], all.iter().map(String::as_str).collect()].concat()).exits(0);
    }
    let keys = world.bucket.keys();
    for name in ["1of3", "2of3", "3of3"] {
        assert_eq!(keys.iter().filter(|key| key.starts_with(LOG) && key.contains(name)).count(), 1, "{keys:?}");
    }
    world.bucket.forget_requests();
    let asked = world.gateway_requests().len();
    world.run(&[vec!["--shard", "2/3"], all.iter().map(String::as_str).collect()].concat()).exits(0);
    assert_eq!(world.gateway_requests().len(), asked);
    assert_eq!((world.bucket.count(Operation::Get, "1of3"), world.bucket.count(Operation::Get, "3of3")), (0, 0));
    // A last run without a shard knows all of them.
    let run = world.run_json(&all.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
    assert_eq!((run.summary()["reused"].clone(), world.gateway_requests().len()), (json!(30), asked));
}

#[test]
fn index_runs_beside_workers() {
    let world = archived(&["t1"]);
    let ids: Vec<String> = (0..20).map(|n| format!("w{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"text": "la"}));
    }
    let running = world.start(&ids);
    for _ in 0..3 {
        world.run_command(&["index", ARCHIVE]).exits(0);
    }
    world.audit(running.wait(false)).exits(0);
    world.run_command(&["index", ARCHIVE]).exits(0);
    let mut all: Vec<&str> = ids.iter().map(String::as_str).collect();
    all.push("t1");
    assert_known(&world, &all);
}

#[test]
fn a_task_whose_later_answer_names_more_is_complete_no_longer() {
    let world = archived(&["t1"]);
    let (first, second) = (world.serve_sample("picture.png"), world.serve_sample("picture.gif"));
    world.serve_task("t1", &json!({"text": "t1", "images": [first, format!("{}/gone.gif", world.media.origin())]}));
    world.run(&["t1", "--force"]).exits(1);
    world.serve_task("t1", &json!({"text": "t1", "images": [first, second]}));
    let run = world.run_json(&["t1"]).exits(0);
    assert_eq!((run.summary()["reused"].clone(), world.named_files("t1").len()), (json!(0), 2), "what is missing is fetched");
    assert_known(&world, &["t1"]);
}

#[test]
fn a_change_that_a_killed_run_did_not_index_is_indexed_by_the_next() {
    let world = archived(&["t1"]);
    let before = world.bucket.keys();
    let run = || world.run_with_input(r#"{"task_id":"t1","prompt":"a fox"}"#, &["-i", "-"]).exits(0);
    run();
    for key in world.bucket.keys().iter().filter(|key| key.starts_with(LOG) && !before.contains(key)) {
        world.bucket.remove(key);
    }
    run();
    let listed = world.run_command(&["list", "--json", ARCHIVE]).exits(0);
    assert!(listed.stdout.contains("a fox"), "{listed:?}");
    world.bucket.forget_requests();
    run();
    assert_eq!(world.bucket.count(Operation::Get, "manifest.json"), 0, "the index knows it");
}
