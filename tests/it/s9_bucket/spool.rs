//! "Files are downloaded into a local spool (`--spool DIR`, by default a temporary folder) exactly as into a local archive: segments,
//! resume within the run, hashing, digests, durations."

use std::fs;

use serde_json::json;

use crate::support::audit::read_tree;
use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::BucketWorld;
use crate::support::run::Running;
use crate::support::{Gate, RemoteFile, ServerFault};

#[test]
fn downloads_resume_and_have_segments_and_digests() {
    let world = BucketWorld::new();
    let cut = RemoteFile::new(&world, "/cut.mp4", 6 << 20, &[ServerFault::CutAt(5 << 20), ServerFault::Healthy]);
    let large = RemoteFile::new(&world, "/large.mp4", 17 << 20, &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [cut.url, large.url]}));
    world.run(&["t1"]).exits(0);
    assert!(cut.requests(&world)[1].range_start() > 0, "{:?}", cut.requests(&world));
    assert!(large.requests(&world).len() >= 2, "a file of 16 MiB or more has segments");
    assert!(world.bucket.object("archive/t1/video-1.mp4").body == **cut.bytes);
    assert!(world.bucket.object("archive/t1/video-2.mp4").body == **large.bytes);
}

#[test]
fn durations_and_facts_are_in_the_manifest() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    assert!(entry["files"][0].as_object().unwrap().keys().any(|field| field.contains("duration")), "{entry:#}");
}

#[test]
fn the_spool_of_a_run_is_empty_afterwards_and_holds_files_meanwhile() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    let spool = world.home().join("spool");
    let (arrived, until) = (Gate::default(), Gate::default());
    let hold = Fault::Hold { arrived: arrived.clone(), until: until.clone() };
    world.bucket.add_rule(Rule::new(Operation::Put, "video-1.mp4", hold));
    let running = world.start(&["t1", "--spool", spool.to_str().unwrap()]);
    assert!(arrived.wait());
    assert!(!read_tree(&spool).is_empty(), "the file is in the spool while it is uploaded");
    assert!(world.temporary_files().is_empty(), "nothing is in the temporary folder");
    until.open();
    world.audit(running.wait(false)).exits(0);
    assert!(read_tree(&spool).is_empty(), "{:?}", read_tree(&spool).keys());
}

#[test]
fn the_default_spool_is_in_the_temporary_folder_and_gone_afterwards() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    let (arrived, until) = (Gate::default(), Gate::default());
    let hold = Fault::Hold { arrived: arrived.clone(), until: until.clone() };
    world.bucket.add_rule(Rule::new(Operation::Put, "video-1.mp4", hold));
    let running = world.start(&["t1"]);
    assert!(arrived.wait() && !world.temporary_files().is_empty());
    until.open();
    world.audit(running.wait(false)).exits(0);
    assert_eq!(fs::read_dir(world.temporary_folder()).unwrap().count(), 0);
}

#[test]
fn the_spool_of_a_killed_run_does_no_harm() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    let spool = world.home().join("spool");
    let args = ["t1", "--spool", spool.to_str().unwrap()];
    let (arrived, until) = (Gate::default(), Gate::default());
    let hold = Fault::Hold { arrived: arrived.clone(), until: until.clone() };
    world.bucket.add_rule(Rule::new(Operation::Put, "video-1.mp4", hold).times(1));
    let running = world.start(&args);
    assert!(arrived.wait());
    running.kill();
    world.start(&args).wait(false).exits(0);
    until.open();
    assert_eq!(world.named_files("t1"), ["video-1.mp4"]);
}

#[test]
fn two_runs_share_a_spool_folder() {
    let world = BucketWorld::new();
    for id in ["t1", "t2"] {
        world.serve_task(id, &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    }
    let spool = world.home().join("spool");
    let running: Vec<Running> =
        ["t1", "t2", "t1", "t2"].iter().map(|id| world.start(&[id, "--spool", spool.to_str().unwrap()])).collect();
    for run in running {
        world.audit(run.wait(false)).exits(0);
    }
}

#[test]
fn a_spool_that_cannot_be_written_is_exit_2_before_the_gateway_is_asked() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let file = world.write_file("a-file", "x");
    let run = world.start(&["t1", "--spool", file.join("below").to_str().unwrap()]).wait(false).exits(2);
    assert!(run.stderr.contains("a-file"), "{run:?}");
    assert!(world.gateway_requests().is_empty());
}
