//! "A run never deletes": "Rights needed: put, get, list, abort multipart; delete for `index` alone". The store refuses every deletion.

use serde_json::json;

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::{ARCHIVE, BucketWorld};
use crate::support::{RemoteFile, ServerFault};

/// A bucket whose user has no right to delete.
fn world() -> BucketWorld {
    let world = BucketWorld::new();
    for operation in [Operation::Delete, Operation::DeleteMany] {
        world.bucket.add_rule(Rule::new(operation, "", Fault::Error(403, "AccessDenied")));
    }
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.serve_task("t2", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    world
}

#[test]
fn only_index_needs_the_right_to_delete() {
    let world = world();
    world.run(&["t1"]).exits(0);
    world.run(&["t1", "t2"]).exits(0);
    // Other bytes for the same names, and an answer that names less.
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.gif")], "text": "lo"}));
    world.run(&["t1", "--force"]).exits(0);
    world.bucket.remove("archive/t2/video-1.mp4");
    world.run_command(&["verify", ARCHIVE]).exits(1);
    world.run_command(&["repair", ARCHIVE]).exits(0);
    for args in [&["verify"][..], &["verify", "--quick"], &["list"], &["export", "csv"], &["export", "jsonl"]] {
        world.run_command(&[args, &[ARCHIVE]].concat()).exits(0);
    }
    world.run_command(&["export", "files", "-O", "out", ARCHIVE]).exits(0);
    assert_eq!(world.deletions(), 0, "a deletion was asked for");

    let run = world.run_command(&["index", ARCHIVE]).exits(2);
    assert!(run.stderr.contains("delete") && world.deletions() > 0, "{run:?}");
    // The new index is there, and a user who may delete finishes the work.
    world.bucket.clear_rules();
    world.run_command(&["index", ARCHIVE]).exits(0);
    world.run(&["t1", "t2"]).exits(0);
}

#[test]
fn large_file_whose_upload_ends_early_is_aborted_and_not_deleted() {
    let world = world();
    let file = RemoteFile::new(&world, "/large.mp4", (64 << 20) + 1, &[ServerFault::Healthy]);
    world.serve_task("large", &json!({"videos": [file.url]}));
    world.bucket.add_rule(Rule::new(Operation::PutPart, "", Fault::Error(403, "AccessDenied")).after(2).times(1));
    world.run(&["large"]).exits(1);
    assert_eq!((world.bucket.count(Operation::AbortUpload, ""), world.bucket.open_uploads(), world.deletions()), (1, 0, 0));
    world.run(&["large"]).exits(0);
    assert_eq!(world.deletions(), 0);
}
