//! Options of the main job with a bucket: what means the same as on disk, what means nothing, and what is refused.

use std::fs;

use serde_json::json;

use crate::support::bucket_world::{ARCHIVE, BucketWorld};
use crate::support::run::Running;

fn world() -> BucketWorld {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world
}

#[test]
fn dry_run_writes_no_object() {
    let world = world();
    let run = world.run_json(&["t1", "--dry-run"]).exits(0);
    assert_eq!(run.state("t1"), "planned");
    assert!(world.bucket.changes().is_empty(), "{:?}", world.bucket.keys());
}

#[test]
fn only_and_later_all_work_as_on_disk() {
    let world = world();
    assert_eq!(world.run_json(&["t1", "--only", "text"]).exits(0).state("t1"), "partial");
    assert_eq!(world.files("t1"), ["text.txt"]);
    let run = world.run_json(&["t1", "--only", "text"]).exits(0);
    assert_eq!(run.summary()["reused"], 1);
    assert_eq!(world.run_json(&["t1"]).exits(0).state("t1"), "complete");
    assert_eq!(world.named_files("t1"), ["image-1.png"]);
}

#[test]
fn skip_failed_and_failed_to_know_what_the_bucket_recorded() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"images": [world.media.origin() + "/gone.png"]}));
    world.answer("t2", &json!({"status": "FAILURE", "err_reason": "no"}));
    let list = world.home().join("failed.txt");
    world.run(&["t1", "t2", "--failed-to", list.to_str().unwrap()]).exits(1);
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 2);
    let asked = world.gateway_requests().len();
    let run = world.run_json(&["t1", "t2", "--skip-failed"]).exits(0);
    assert_eq!((run.summary()["skipped"].clone(), world.gateway_requests().len()), (json!(2), asked));
}

#[test]
fn mtime_is_a_warning() {
    let world = world();
    let run = world.run(&["t1", "--mtime"]).exits(0);
    assert!(run.stderr.contains("--mtime"), "{run:?}");
}

#[test]
fn gallery_is_refused_before_anything_is_asked() {
    let world = world();
    let run = Running::start(world.command(&["t1", "--gallery"])).wait(false).exits(2);
    assert!(run.stderr.contains("copy"), "{run:?}");
    assert!(world.gateway_requests().is_empty() && world.bucket.changes().is_empty());
}

#[cfg(unix)]
#[test]
fn exec_gets_the_url_of_the_task() {
    let world = world();
    let out = world.home().join("out");
    let command = format!("sh -c 'echo \"$YESCALE_PATH $1\" > {}' sh {{path}}", out.display());
    world.run(&["t1", "--exec", &command]).exits(0);
    assert_eq!(fs::read_to_string(out).unwrap(), format!("{ARCHIVE}/t1 {ARCHIVE}/t1\n"));
}

#[cfg(unix)]
#[test]
fn exec_gets_no_key() {
    let world = world();
    let out = world.home().join("out");
    world.run(&["t1", "--exec", &format!("sh -c 'env > {}'", out.display())]).exits(0);
    assert!(!fs::read_to_string(out).unwrap().contains(crate::support::KEY));
}

#[test]
fn spool_without_a_bucket_does_no_harm() {
    let world = world();
    let local: &crate::support::World = &world;
    let spool = world.home().join("spool");
    let run = Running::start(local.command(&["t1", "--spool", spool.to_str().unwrap()])).wait(false);
    assert!(matches!(run.code, Some(0 | 2)), "{run:?}");
}

#[test]
fn a_configuration_file_may_name_the_bucket() {
    let world = world();
    world.write_file("config/yescale-dl/config.toml", format!("output = \"{ARCHIVE}\"\n"));
    Running::start(world.plain_command(&["t1"])).wait(false).exits(0);
    assert_eq!(world.named_files("t1"), ["image-1.png"]);
}

#[test]
fn api_rate_and_jobs_work_with_a_bucket() {
    let world = world();
    world.run(&["t1", "--api-rate", "50", "-j", "1", "-x", "1"]).exits(0);
}

#[test]
fn proxy_that_can_not_be_read_is_never_a_direct_connection() {
    let world = world();
    world.run(&["t1"]).exits(0);
    let asked = world.bucket.requests().len();
    for command in ["list", "verify", "index"] {
        let mut command = world.plain_command(&[command, ARCHIVE]);
        command.env("ALL_PROXY", "http://[");
        let run = Running::start(command).wait(false).exits(2);
        assert!(run.stderr.contains("ALL_PROXY"), "{run:?}");
    }
    assert_eq!(world.bucket.requests().len(), asked);
}
