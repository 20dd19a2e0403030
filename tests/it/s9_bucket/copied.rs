//! "There is no root manifest and no `SHA256SUMS` in a bucket; when it is copied to disk with any tool, `yescale-dl index` makes both."

use std::fs;

use serde_json::json;

use crate::support::audit::sha256;
use crate::support::bucket_world::{ARCHIVE, BucketWorld};
use crate::support::commands::{findings, run_command};
use crate::support::{KEY, World, audit};

/// Two tasks; the files of the first one have suffixed names, since others hold the plain ones. One has an odd id.
fn world() -> BucketWorld {
    let world = BucketWorld::new();
    let (mp4, png) = (world.serve_sample("video-1s.mp4"), world.serve_sample("picture.png"));
    world.serve_task("t1", &json!({"videos": [mp4], "images": [png, png], "text": "la\nla"}));
    world.serve_task("UPPER", &json!({"images": [png], "text": "lo"}));
    for name in ["video-1.mp4", "text.txt"] {
        world.bucket.put(&BucketWorld::key(&format!("t1/{name}")), "others", &[("sha256", &sha256(b"others"))]);
    }
    let large = sha256(b"large");
    world.bucket.put(&BucketWorld::key("t1/.image-2.png.sha256"), large.as_str(), &[("sha256", &large)]);
    world.run(&["t1", "UPPER"]).exits(0);
    world.run_command(&["index", ARCHIVE]).exits(0);
    world
}

#[test]
fn a_copied_bucket_becomes_an_archive_by_index_and_verifies() {
    let world = world();
    world.copy_to(&world.archive());
    let local: &World = &world;
    let before = local.tree();
    run_command(local, &["index"]).exits(0);
    let run = run_command(local, &["verify", "--json"]).exits(0);
    // No manifest names what others put under the plain names, nor the name that a reservation took away after it was written.
    // Reservations and the index are our own.
    assert_eq!(findings(&run), ["unknown t1/image-2.png", "unknown t1/text.txt", "unknown t1/video-1.mp4"]);
    for (path, (bytes, _)) in before {
        assert!(local.tree()[&path].0 == bytes, "{path} was changed");
    }
    assert_eq!(local.root_manifest()["tasks"].as_array().unwrap().len(), 2);
    let sums = fs::read_to_string(world.archive().join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 6);
}

#[test]
fn runs_and_exports_go_on_in_the_copy() {
    let world = world();
    world.copy_to(&world.archive());
    let local: &World = &world;
    run_command(local, &["index"]).exits(0);
    let asked = world.gateway_requests().len();
    let run = local.start(&["t1", "UPPER", "--json"]).wait(false).exits(0);
    assert_eq!((run.summary()["reused"].clone(), world.gateway_requests().len()), (json!(2), asked));
    for command in [&["list"][..], &["export", "csv"], &["export", "otio"], &["gallery"], &["repair"]] {
        run_command(local, command).exits(0);
    }
}

#[test]
fn a_copy_without_damage_has_exactly_the_files_of_a_local_run() {
    let world = BucketWorld::new();
    let local: &World = &world;
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.run(&["t1"]).exits(0);
    world.copy_to(&world.archive());
    run_command(local, &["index"]).exits(0);
    fs::remove_dir_all(world.archive().join(".yescale")).unwrap();
    audit::check_archive(&world.archive(), KEY);
    assert_eq!(local.files("t1"), ["image-1.png", "text.txt"]);
}
