//! "A run over 10^6 archived tasks costs some dozens of requests, not 10^6." The number of requests depends on the objects of the
//! index alone: ten times the tasks in the same objects cost the same.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::bucket::Operation;
use crate::support::bucket_world::BucketWorld;

/// The log of 10^6 tasks that `index` did not compact yet, and the parts of a generation.
const SEGMENTS: usize = 10;
const PARTS: usize = 16;

fn id(n: usize) -> String {
    format!("task-{n}")
}

/// The index's line of a task with a text.
fn line(n: usize) -> String {
    let id = id(n);
    json!({"task_id": id, "state": "complete", "status": "SUCCESS", "archived_at": "2026-11-23T10:00:00Z", "text": "la",
        "text_path": format!("{id}/text.txt"), "files": [], "errors": []})
    .to_string()
        + "\n"
}

fn put_lines(world: &BucketWorld, key: &str, tasks: impl Iterator<Item = usize>) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    tasks.for_each(|n| encoder.write_all(line(n).as_bytes()).unwrap());
    world.bucket.put(key, encoder.finish().unwrap(), &[]);
}

/// Makes an index of `count` tasks: one half in the segments of the log, the other in parts.
fn put_index(world: &BucketWorld, count: usize) {
    // The mark, and nothing else.
    world.serve_task("first", &json!({"text": "la"}));
    world.run(&["first"]).exits(0);
    for segment in 0..SEGMENTS {
        let name = format!("archive/.yescale/index/log/20261130T1047{segment:02}Z-all-{segment:016x}.jsonl.gz");
        put_lines(world, &name, (0..count / 2).skip(segment).step_by(SEGMENTS));
    }
    let generation = "20261130T104700Z-0123456789abcdef";
    let hash = |n: usize| u64::from_str_radix(&crate::support::audit::sha256(id(n).as_bytes())[..16], 16).unwrap();
    let part_of = |n: usize| usize::try_from(hash(n) >> 60).unwrap();
    let mut parts: Vec<Value> = Vec::new();
    for part in 0..PARTS {
        let mut tasks: Vec<usize> = (count / 2..count).filter(|n| part_of(*n) == part).collect();
        tasks.sort_by_key(|n| hash(*n));
        let name = format!("part-{part:03}.jsonl.gz");
        parts.push(json!({"name": name, "tasks": tasks.len(), "files": 0}));
        put_lines(world, &format!("archive/.yescale/index/{generation}/{name}"), tasks.into_iter());
    }
    let current = json!({"index_version": 1, "generation": generation, "parts": parts});
    world.bucket.put("archive/.yescale/index/current.json", current.to_string(), &[]);
}

/// Runs over all tasks, and counts the requests to the bucket.
fn count_requests(count: usize) -> usize {
    let world = BucketWorld::new();
    put_index(&world, count);
    world.write_file("ids.txt", (0..count).map(|n| id(n) + "\n").collect::<String>());
    world.bucket.forget_requests();
    let asked = world.gateway_requests().len();
    let run = world.run_json(&["-i", "ids.txt"]).exits(0);
    assert_eq!((&run.summary()["reused"], world.gateway_requests().len()), (&json!(count), asked), "nothing is asked");
    assert_eq!(world.bucket.count(Operation::Get, "/manifest.json"), 0, "no manifest is read");
    world.bucket.requests().len()
}

#[test]
fn run_over_archived_tasks_costs_requests_per_object_of_the_index_and_none_per_task() {
    let (few, many) = (count_requests(1000), count_requests(10_000));
    assert_eq!(few, many, "the number of tasks does not count");
    assert!((SEGMENTS + PARTS..2 * (SEGMENTS + PARTS)).contains(&many), "{many} requests");
}
