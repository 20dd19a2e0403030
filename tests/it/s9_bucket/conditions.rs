//! "Before the gateway is asked, the run proves that the store honours conditions (creating the mark twice must fail once, and an
//! update with a wrong ETag must fail); if not, exit 2."

use serde_json::json;

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::{BucketWorld, PREFIX};
use crate::support::run::Running;

const MARK: &str = "archive/.yescale/archive.json";

fn world() -> BucketWorld {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world
}

#[test]
fn a_store_that_ignores_conditions_is_exit_2_before_the_gateway_is_asked() {
    let world = world();
    world.bucket.ignore_conditions();
    let run = Running::start(world.command(&["t1", "--json"])).wait(false).exits(2);
    assert_eq!(run.events_of("fatal")[0]["code"], "archive");
    assert!(run.stdout.contains("condition"), "{run:?}");
    assert!(world.gateway_requests().is_empty());
    assert!(world.bucket.keys().iter().all(|key| key.starts_with(&format!("{PREFIX}.yescale/"))), "{:?}", world.bucket.keys());
}

#[test]
fn the_mark_is_written_once_and_proved_in_every_run() {
    let world = world();
    world.run(&["t1"]).exits(0);
    let mark = world.bucket.object(MARK);
    world.serve_task("t2", &json!({"text": "la"}));
    world.bucket.forget_requests();
    world.run(&["t2"]).exits(0);
    assert_eq!(world.bucket.object(MARK).body, mark.body);
    let requests = world.bucket.requests();
    let proofs: Vec<_> = requests.iter().filter(|request| request.operation == Operation::Put && request.key == MARK).collect();
    assert!(proofs.iter().any(|proof| proof.header("if-none-match") == Some("*")), "{proofs:?}");
    assert!(proofs.iter().any(|proof| proof.header("if-match").is_some()), "{proofs:?}");
    assert_eq!(world.bucket.changes().iter().filter(|change| change.key == MARK).count(), 1);
}

#[test]
fn faults_while_conditions_are_proved_neither_refuse_a_good_store_nor_accept_a_bad_one() {
    let faults = [
        Fault::Lost,
        Fault::Drop,
        Fault::Error(503, "SlowDown"),
        Fault::Error(409, "ConditionalRequestConflict"),
        Fault::ErrorAfter(500, "InternalError"),
    ];
    for fault in faults {
        for skipped in 0..3 {
            let rule = || Rule::new(Operation::Put, MARK, fault.clone()).after(skipped).times(1);
            let good = world();
            good.bucket.add_rule(rule());
            good.run(&["t1"]).exits(0);
            let bad = world();
            bad.bucket.ignore_conditions();
            bad.bucket.add_rule(rule());
            Running::start(bad.command(&["t1"])).wait(false).exits(2);
            assert!(bad.gateway_requests().is_empty());
        }
    }
}

#[test]
fn foreign_and_newer_marks_are_exit_2_and_stay() {
    for body in ["{\"hello\": 1}", "not json", "", "{\"archive_version\": 99}"] {
        let world = world();
        world.bucket.put(MARK, body, &[]);
        Running::start(world.command(&["t1"])).wait(false).exits(2);
        assert_eq!(world.bucket.object(MARK).body, body);
        assert!(world.gateway_requests().is_empty());
    }
}

#[test]
fn workers_that_start_at_once_share_one_mark() {
    let world = world();
    let running: Vec<Running> = (0..6).map(|_| world.start(&["t1"])).collect();
    for run in running {
        world.audit(run.wait(false)).exits(0);
    }
}
