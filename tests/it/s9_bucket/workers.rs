//! Many workers in one archive. "Two workers on one id at the same moment may both download it; one result is kept."

use serde_json::json;

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::{ARCHIVE, BucketWorld};
use crate::support::run::{Run, Running};
use crate::support::{Answer, World, success};

const NAMES: [&str; 4] = ["video-1s.mp4", "moss.mp4", "tide.mp4", "fragmented.mp4"];

/// Gives each question about a task another link, with other bytes.
fn serve_changing_tasks(world: &World, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        let answers = (0..NAMES.len()).map(|turn| {
            let video = world.serve_sample(NAMES[(n + turn) % NAMES.len()]);
            Answer::json(200, &success(&json!({"videos": [video], "images": [world.serve_sample("picture.png")], "text": id})))
        });
        world.answers(id, answers);
    }
    ids
}

/// Random faults of every kind, the same for the same seed.
fn add_faults(world: &BucketWorld, seed: u64) {
    for (at, fault) in [
        Fault::Lost,
        Fault::Drop,
        Fault::Error(503, "SlowDown"),
        Fault::Error(409, "ConditionalRequestConflict"),
        Fault::ErrorAfter(500, "InternalError"),
    ]
    .into_iter()
    .enumerate()
    {
        let seed = seed + at as u64;
        world.bucket.add_rule(Rule::any("/t", fault.clone()).at_random(seed, 0.02));
        world.bucket.add_rule(Rule::new(Operation::Put, "index/", fault).at_random(seed, 0.1));
    }
}

#[test]
fn four_workers_with_equal_ids_two_of_them_killed_lose_nothing_and_write_no_wrong_byte() {
    for seed in [1, 2] {
        let world = BucketWorld::new();
        let ids = serve_changing_tasks(&world, 24);
        add_faults(&world, seed);
        let mut running: Vec<Running> = (0..4).map(|_| world.start(&[&["--json".to_owned()][..], &ids].concat())).collect();
        for mut killed in running.split_off(2) {
            // Some tasks are done by then, others are not.
            for _ in 0..8 {
                killed.read_line();
            }
            killed.kill();
        }
        for run in running {
            let run = run.wait(false);
            assert!(matches!(run.code, Some(0 | 1)), "{run:?}");
        }
        world.bucket.clear_rules();
        world.start(&ids).wait(false).exits(0);
        let run = world.run_command(&["verify", "--json", ARCHIVE]).exits(0);
        assert!(run.events_of("finding").iter().all(|finding| finding["finding"] == "unknown"), "{run:?}");
        crate::support::bucket::audit::check(&world.bucket.objects(), &world.bucket.changes(), "archive/", crate::support::KEY);
        for id in &ids {
            assert_eq!(world.named_files(id).len(), 2, "{id}");
        }
    }
}

#[test]
fn shards_together_archive_everything_once() {
    let world = BucketWorld::new();
    let ids: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"text": id}));
    }
    let list = ids.join("\n");
    let running: Vec<Running> = (1..=4)
        .map(|number| {
            let mut running = world.start(&["-i", "-", "--shard", &format!("{number}/4")]);
            running.write(&list);
            running
        })
        .collect();
    let ended: Vec<Run> = running.into_iter().map(|run| run.wait(false)).collect();
    for run in ended {
        world.audit(run).exits(0);
    }
    assert_eq!(world.gateway_requests().len(), 40, "each id was asked about once");
    let run = world.run_with_input(&list, &["-i", "-", "--json"]).exits(0);
    assert_eq!(run.summary()["reused"], 40);
}
