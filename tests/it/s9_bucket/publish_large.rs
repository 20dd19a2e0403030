//! Files over 64 MiB. "A larger one first creates a small reservation with its own hash, then uploads in parts under the name that it
//! won."

use serde_json::json;

use crate::support::audit::sha256;
use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::BucketWorld;
use crate::support::{RemoteFile, ServerFault};

const SIZE: usize = (64 << 20) + 1;
const RESERVATION: &str = "archive/t1/.video-1.mp4.sha256";
const VIDEO: &str = "archive/t1/video-1.mp4";

fn world(size: usize) -> (BucketWorld, RemoteFile) {
    let world = BucketWorld::new();
    let file = RemoteFile::new(&world, "/large.mp4", size, &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [file.url]}));
    (world, file)
}

fn suffixed(bytes: &[u8]) -> String {
    format!("video-1-{}.mp4", &sha256(bytes)[..16])
}

#[test]
fn large_files_reserve_their_name_and_are_uploaded_in_parts() {
    let (world, file) = world(SIZE);
    world.run(&["t1"]).exits(0);
    let hash = sha256(&file.bytes);
    assert_eq!(world.named_files("t1"), ["video-1.mp4"]);
    let object = world.bucket.object(VIDEO);
    assert_eq!((object.metadata["sha256"].as_str(), object.content_type.as_deref()), (&*hash, Some("video/mp4")));
    let reservation = world.bucket.object(RESERVATION);
    assert!(String::from_utf8_lossy(&reservation.body).contains(&hash), "{reservation:?}");
    assert!(world.bucket.count(Operation::PutPart, "video-1.mp4") >= 5 && world.bucket.open_uploads() == 0);
    let requests = world.bucket.requests();
    let of = |operation, key: &str| requests.iter().position(|r| r.operation == operation && r.key == key).unwrap();
    assert!(of(Operation::Put, RESERVATION) < of(Operation::StartUpload, VIDEO), "the reservation comes first");
}

#[test]
fn files_of_64_mib_need_no_reservation() {
    let (world, _) = world(64 << 20);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.files("t1"), ["video-1.mp4"]);
    assert_eq!(world.bucket.count(Operation::Put, "video-1.mp4"), 1);
}

#[test]
fn a_name_that_others_reserved_or_hold_is_left_to_them() {
    for key in [RESERVATION, VIDEO] {
        let (world, file) = world(SIZE);
        let other = sha256(b"other");
        let body = if key == VIDEO { "other" } else { other.as_str() };
        world.bucket.put(key, body, &[("sha256", &other)]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.named_files("t1"), [suffixed(&file.bytes)], "{key}");
        assert_eq!(world.bucket.object(key).body, body);
    }
}

#[test]
fn a_small_file_leaves_a_reserved_name_to_its_owner() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    let other = sha256(b"large");
    world.bucket.put(RESERVATION, other.as_str(), &[("sha256", &other)]);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.named_files("t1"), [suffixed(&crate::support::sample("video-1s.mp4"))]);
}

#[test]
fn answers_lost_on_the_way_leave_one_whole_object() {
    for operation in [Operation::Put, Operation::StartUpload, Operation::PutPart, Operation::CompleteUpload] {
        let (world, file) = world(SIZE);
        world.bucket.add_rule(Rule::new(operation, "video-1.mp4", Fault::Lost).times(1));
        world.run(&["t1"]).exits(0);
        assert_eq!(world.named_files("t1"), ["video-1.mp4"], "{operation:?}");
        assert!(world.bucket.object(VIDEO).body == **file.bytes, "{operation:?}");
    }
}

#[test]
fn an_upload_that_fails_is_aborted() {
    let (world, _) = world(SIZE);
    world.bucket.add_rule(Rule::new(Operation::PutPart, "video-1", Fault::Error(403, "AccessDenied")));
    world.audit(world.start(&["t1"]).wait(false)).exits(1);
    assert_eq!(world.bucket.open_uploads(), 0, "no dangling parts");
    assert!(!world.bucket.keys().contains(&VIDEO.to_owned()));
}

#[test]
fn an_equal_large_object_is_adopted() {
    let (world, file) = world(SIZE);
    world.bucket.put(VIDEO, file.bytes.to_vec(), &[("sha256", &sha256(&file.bytes))]);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.named_files("t1"), ["video-1.mp4"]);
    assert_eq!(world.bucket.count(Operation::StartUpload, ""), 0);
}
