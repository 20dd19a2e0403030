//! A task whose manifest is lost: the index says what it had, as the root manifest does on a disk. "A request that fails is never
//! absence."

use serde_json::json;

use crate::support::bucket::Operation;
use crate::support::bucket::faults::{Fault, Rule};
use crate::support::bucket_world::{ARCHIVE, BucketWorld};
use crate::support::commands::findings;
use crate::support::sample;

const OTHERS: &str = r#"{"manifest_version":1,"tasks":[{"task_id":"other","state":"complete","files":[],"errors":[]}]}"#;
const LATER: &str = r#"{"manifest_version":9,"tasks":[]}"#;

/// A task with a file and a text.
fn archived() -> BucketWorld {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.run(&["t1"]).exits(0);
    world
}

fn verify(world: &BucketWorld, code: i32) -> Vec<String> {
    findings(&world.run_command(&["verify", "--json", ARCHIVE]).exits(code))
}

#[test]
fn verify_checks_the_files_of_a_lost_manifest_by_the_index() {
    for manifest in [None, Some(""), Some("hello"), Some(OTHERS), Some(LATER), Some(r#"{"name":"an app"}"#)] {
        let world = archived();
        match manifest {
            Some(text) => world.bucket.put("archive/t1/manifest.json", text, &[]),
            None => world.bucket.remove("archive/t1/manifest.json"),
        }
        let fault = if manifest.is_none() { "missing" } else { "damaged" };
        assert_eq!(verify(&world, 1), [format!("{fault} t1/manifest.json")], "{manifest:?}");
        world.bucket.damage("archive/t1/image-1.png", |body| body.truncate(9));
        world.bucket.put("archive/t1/notes.txt", "mine", &[]);
        let expected =
            ["damaged t1/image-1.png".to_owned(), format!("{fault} t1/manifest.json"), "unknown t1/notes.txt".to_owned()];
        assert_eq!(verify(&world, 1), expected, "{manifest:?}");
        let run = world.run_command(&["verify", "--json", "--platform", "none", ARCHIVE]).exits(0);
        assert!(findings(&run).is_empty(), "the filter rejects the task: {run:?}");
    }
}

#[test]
fn a_manifest_that_the_store_does_not_give_makes_no_file_unknown() {
    let world = archived();
    world.bucket.add_rule(Rule::new(Operation::Get, "t1/manifest.json", Fault::Error(403, "AccessDenied")));
    assert_eq!(verify(&world, 1), ["unreadable t1/manifest.json"]);
}

#[test]
fn repair_and_force_replace_what_is_no_manifest_where_the_index_names_the_task() {
    for args in [&["repair", "--retry-delay", "0s", ARCHIVE][..], &["--force", "t1", "-o", ARCHIVE]] {
        let world = archived();
        world.bucket.put("archive/t1/manifest.json", "hello", &[]);
        world.run_command(args).exits(0);
        assert!(verify(&world, 0).is_empty(), "{args:?}");
        assert_eq!(world.bucket.object("archive/t1/image-1.png").body, sample("picture.png"));
    }
    // Without the index nothing says that it was ours.
    let world = archived();
    for key in world.bucket.keys().iter().filter(|key| key.contains("/index/")) {
        world.bucket.remove(key);
    }
    world.bucket.put("archive/t1/manifest.json", "hello", &[]);
    let run = world.run_command(&["t1", "-o", ARCHIVE]).exits(1);
    assert!(run.stderr.contains("the index does not name its task"), "{run:?}");
    assert_eq!(world.bucket.object("archive/t1/manifest.json").body, "hello");
}

#[test]
fn rebuild_names_the_tasks_that_it_drops() {
    let world = archived();
    world.bucket.remove("archive/t1/manifest.json");
    let run = world.run_command(&["index", "--rebuild", ARCHIVE]);
    assert!(run.stderr.contains("t1: it has no manifest"), "{run:?}");
}

#[test]
fn repair_of_a_task_folder_writes_to_its_archive() {
    let world = archived();
    world.bucket.damage("archive/t1/image-1.png", |body| body.truncate(9));
    world.bucket.remove("archive/t1/text.txt");
    let folder = format!("{ARCHIVE}/t1");
    world.run_command(&["verify", &folder]).exits(1);
    world.run_command(&["repair", "--retry-delay", "0s", &folder]).exits(0);
    world.run_command(&["verify", &folder]).exits(0);
    assert!(!world.home().join("s3:").exists() && !std::path::Path::new("s3:").exists(), "a bucket is no folder");
    assert!(world.bucket.keys().iter().all(|key| !key.starts_with("archive/t1/t1")), "{:?}", world.bucket.keys());
    // Under another name nothing says where its files belong.
    for key in world.bucket.keys().iter().filter(|key| key.starts_with("archive/t1/")) {
        world.bucket.put(&key.replace("archive/t1", "copy/x"), world.bucket.object(key).body, &[]);
    }
    world.bucket.remove("copy/x/text.txt");
    let copy = ARCHIVE.replace("archive", "copy/x");
    let run = world.run_command(&["repair", "--retry-delay", "0s", &copy]).exits(2);
    assert!(run.stderr.contains("copied from"), "{run:?}");
}

#[test]
fn a_prefix_above_the_archive_is_no_archive() {
    let world = archived();
    let above = ARCHIVE.strip_suffix("/archive").unwrap();
    for args in [&["verify"][..], &["list"], &["export", "csv"], &["index"], &["index", "--rebuild"], &["repair"]] {
        let run = world.run_command(&[args, &[above]].concat()).exits(2);
        assert!(run.stderr.contains("there is no archive in"), "{args:?}: {run:?}");
    }
    // Without its mark an archive is known by its tasks.
    world.bucket.remove("archive/.yescale/archive.json");
    for args in [&["verify", ARCHIVE][..], &["list", ARCHIVE], &["index", ARCHIVE]] {
        world.run_command(args).exits(0);
    }
}
