//! Small files. "A published object is never overwritten with other bytes" · "created only if absent; when the name is taken, or
//! the answer was lost, its recorded SHA-256 is compared: the same bytes are adopted, others get the suffixed name" · "An object
//! without a recorded hash is read and hashed."

use serde_json::json;

use crate::support::audit::sha256;
use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::BucketWorld;
use crate::support::sample;

const VIDEO: &str = "archive/t1/video-1.mp4";
const NAME: &str = "video-1.mp4";

/// A world in which `t1` has one video. Also its bytes.
fn world() -> (BucketWorld, Vec<u8>) {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    (world, sample("video-1s.mp4"))
}

fn suffixed(bytes: &[u8]) -> String {
    format!("video-1-{}.mp4", &sha256(bytes)[..16])
}

#[test]
fn other_bytes_under_the_plain_name_stay_and_ours_get_a_suffix() {
    let (world, bytes) = world();
    world.bucket.put(VIDEO, "others", &[("sha256", &sha256(b"others"))]);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.named_files("t1"), [suffixed(&bytes)]);
    assert_eq!(world.bucket.object(VIDEO).body, "others");
    assert_eq!(world.bucket.object(&format!("archive/t1/{}", suffixed(&bytes))).body, bytes);
}

#[test]
fn equal_bytes_are_adopted_without_reading_them() {
    let (world, bytes) = world();
    world.bucket.put(VIDEO, bytes.clone(), &[("sha256", &sha256(&bytes))]);
    world.run(&["t1"]).exits(0);
    assert_eq!((world.named_files("t1"), world.files("t1")), (vec![NAME.to_owned()], vec![NAME.to_owned()]));
    assert_eq!(world.bucket.count(Operation::Get, VIDEO), 0);
}

#[test]
fn objects_without_a_recorded_hash_are_read_and_hashed() {
    for is_ours in [true, false] {
        let (world, bytes) = world();
        world.bucket.put(VIDEO, if is_ours { bytes.clone() } else { b"others".to_vec() }, &[]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.named_files("t1"), [if is_ours { NAME.to_owned() } else { suffixed(&bytes) }]);
    }
}

#[test]
fn faults_of_a_create_lead_to_one_object_with_the_plain_name() {
    let faults = [
        Fault::Lost,
        Fault::Drop,
        Fault::Error(503, "SlowDown"),
        Fault::Error(500, "InternalError"),
        Fault::Error(409, "ConditionalRequestConflict"),
        Fault::ErrorAfter(500, "InternalError"),
        Fault::ErrorAfter(503, "ServiceUnavailable"),
        Fault::ErrorAfter(409, "ConditionalRequestConflict"),
    ];
    for fault in faults {
        let (world, bytes) = world();
        world.bucket.add_rule(Rule::new(Operation::Put, NAME, fault).times(1));
        world.run(&["t1"]).exits(0);
        assert_eq!((world.named_files("t1"), world.files("t1")), (vec![NAME.to_owned()], vec![NAME.to_owned()]));
        assert_eq!(world.bucket.object(VIDEO).body, bytes);
    }
}

#[test]
fn faults_of_the_look_after_a_lost_create_are_tried_again() {
    for fault in [Fault::Drop, Fault::Error(503, "SlowDown"), Fault::Error(500, "InternalError")] {
        let (world, _) = world();
        world.bucket.add_rule(Rule::new(Operation::Put, NAME, Fault::Lost).times(1));
        world.bucket.add_rule(Rule::new(Operation::Head, NAME, fault).times(1));
        world.run(&["t1"]).exits(0);
        assert_eq!(world.named_files("t1"), [NAME]);
    }
}

#[test]
fn a_file_that_cannot_be_published_fails_its_task_alone_and_nothing_is_lost() {
    let (world, _) = world();
    world.serve_task("t2", &json!({"text": "la"}));
    world.bucket.add_rule(Rule::any("t1/", Fault::Error(500, "InternalError")));
    let run = world.audit(world.start(&["t1", "t2", "--json"]).wait(false)).exits(1);
    assert_eq!((run.state("t1").as_str(), run.state("t2").as_str()), ("error", "complete"));
    assert!(world.files("t1").is_empty() && world.files("t2") == ["text.txt"]);
    world.bucket.clear_rules();
    world.run(&["t1", "t2"]).exits(0);
    assert_eq!(world.named_files("t1"), [NAME]);
}

#[test]
fn other_texts_get_a_suffix_too() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"text": "la la"}));
    world.bucket.put("archive/t1/text.txt", "other words", &[("sha256", &sha256(b"other words"))]);
    world.run(&["t1"]).exits(0);
    let name = format!("text-{}.txt", &sha256(b"la la")[..16]);
    assert_eq!(world.task_entry("t1")["text_path"], name);
    assert_eq!(world.bucket.object(&format!("archive/t1/{name}")).body, "la la");
    assert_eq!(world.bucket.object("archive/t1/text.txt").body, "other words");
}

#[test]
fn force_with_other_bytes_writes_a_second_object_and_swaps_the_manifest() {
    let (world, bytes) = world();
    world.run(&["t1"]).exits(0);
    let other = sample("moss.mp4");
    world.media.script("/video-1s.mp4", [crate::support::Reply::ok(other.clone())]);
    world.run(&["t1", "--force"]).exits(0);
    assert_eq!(world.named_files("t1"), [suffixed(&other)]);
    assert_eq!(world.bucket.object(VIDEO).body, bytes, "the first object stays");
    // The same bytes once more change nothing.
    world.run(&["t1", "--force"]).exits(0);
    assert_eq!(world.files("t1").len(), 2);
}

#[test]
fn force_that_fails_keeps_what_was_there() {
    let (world, _) = world();
    world.run(&["t1"]).exits(0);
    let before = world.task_entry("t1");
    world.media.script("/video-1s.mp4", [crate::support::Reply::status("404 Not Found")]);
    world.run(&["t1", "--force"]).exits(1);
    assert_eq!(world.task_entry("t1")["files"], before["files"]);
}
