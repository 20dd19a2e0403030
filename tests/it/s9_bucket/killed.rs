//! "No wrong byte, and nothing lost, whatever process dies at whatever moment." A run is killed while a request of its own is held,
//! before or after the server did it; then another run goes over the same ids. The audit after each checks the objects.
//! "Entries are appended … at the end and at SIGTERM."

#[cfg(unix)]
use std::process::Command;

use serde_json::json;

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::BucketWorld;
#[cfg(unix)]
use crate::support::run::Running;
use crate::support::{Gate, World};
#[cfg(unix)]
use crate::support::{Reply, sample};

fn world() -> BucketWorld {
    let world = BucketWorld::new();
    for id in ["t1", "t2"] {
        serve(&world, id);
    }
    world
}

fn serve(world: &World, id: &str) {
    let (mp4, png) = (world.serve_sample("video-1s.mp4"), world.serve_sample("picture.png"));
    world.serve_task(id, &json!({"videos": [mp4], "images": [png], "text": "la"}));
}

#[cfg(unix)]
fn terminate(running: &Running) {
    let status = Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// The requests at which a run is killed.
const MOMENTS: [(Operation, &str); 7] = [
    (Operation::Put, "archive.json"),
    (Operation::Put, "t1/video-1.mp4"),
    (Operation::Put, "t1/image-1.png"),
    (Operation::Put, "t1/text.txt"),
    (Operation::Put, "t1/manifest.json"),
    (Operation::Put, "t2/manifest.json"),
    (Operation::Put, "index/log/"),
];

/// Kills a run at a request, then runs once more and checks that everything is there.
fn killed_at(operation: Operation, part: &str, is_done: bool) {
    let world = world();
    let (reached, until) = (Gate::default(), Gate::default());
    let fault = match is_done {
        true => Fault::HoldReply { done: reached.clone(), until: until.clone() },
        false => Fault::Hold { arrived: reached.clone(), until: until.clone() },
    };
    world.bucket.add_rule(Rule::new(operation, part, fault).times(1));
    let running = world.start(&["t1", "t2"]);
    assert!(reached.wait(), "{part} was never requested");
    running.kill();
    if is_done {
        until.open();
    }
    // A request that was sent before the death may be served long after it.
    let before = world.bucket.objects();
    let files = |id: &str| before.keys().filter(|key| key.starts_with(&format!("archive/{id}/"))).count();
    assert!(files("t1") <= 4 && files("t2") <= 4);
    let run = world.start(&["t1", "t2", "--json"]).wait(false).exits(0);
    assert_eq!(run.summary()["complete"], 2, "{part}");
    until.open();
    for id in ["t1", "t2"] {
        assert_eq!(world.named_files(id), ["video-1.mp4", "image-1.png"], "{part}");
        assert_eq!(world.files(id), ["image-1.png", "text.txt", "video-1.mp4"], "{part}");
    }
    let asked = world.gateway_requests().len();
    world.start(&["t1", "t2"]).wait(false).exits(0);
    assert_eq!(world.gateway_requests().len(), asked, "{part}");
}

#[test]
fn a_run_killed_at_any_request_leaves_nothing_wrong_and_the_next_one_finishes() {
    for (operation, part) in MOMENTS {
        for is_done in [false, true] {
            killed_at(operation, part, is_done);
        }
    }
}

#[cfg(unix)]
#[test]
fn at_sigterm_what_was_finished_is_committed_and_indexed() {
    let world = world();
    let (started, until) = (Gate::default(), Gate::default());
    let held = Reply::ok(sample("moss.mp4")).notify_on_request(&started).after_gate(&until);
    let held = world.media.script("/held.mp4", [held]);
    world.serve_task("t3", &json!({"videos": [held]}));
    let mut running = world.start(&["t1", "t3", "--json", "-v"]);
    while !running.read_line().contains("\"event\":\"task\"") {}
    assert!(started.wait());
    terminate(&running);
    let run = running.wait(false);
    until.open();
    assert_eq!(world.audit(run).code, Some(143));
    assert!(world.bucket.keys().iter().any(|key| key.contains("index/log/")), "{:?}", world.bucket.keys());
    world.bucket.forget_requests();
    let asked = world.gateway_requests().len();
    world.run(&["t1"]).exits(0);
    assert_eq!((world.gateway_requests().len(), world.bucket.count(Operation::Get, "t1/manifest.json")), (asked, 0));
    world.media.script("/held.mp4", [Reply::ok(sample("moss.mp4"))]);
    world.run(&["t1", "t3"]).exits(0);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_wait_for_the_store() {
    let world = world();
    let (arrived, until) = (Gate::default(), Gate::default());
    let hold = Fault::Hold { arrived: arrived.clone(), until: until.clone() };
    world.bucket.add_rule(Rule::new(Operation::Put, "t1/video-1.mp4", hold));
    let running = world.start(&["t1"]);
    assert!(arrived.wait());
    for _ in 0..2 {
        // The second one ends what the first one waits for.
        terminate(&running);
    }
    let run = running.wait(false);
    until.open();
    assert!(matches!(run.code, Some(143) | None), "{run:?}");
}
