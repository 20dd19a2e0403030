//! Commands on a bucket. "`verify` (with `--quick`: sizes and recorded hashes by HEAD or LIST), `repair`, `list`, `index`, `export csv`,
//! `jsonl` and `files` (a download) work on buckets. Other exports and the gallery say: copy it to disk first (exit 2)."

use std::fs;

use serde_json::{Value, json};

use crate::support::bucket::Operation;
use crate::support::bucket_world::{ARCHIVE, BucketWorld};
use crate::support::commands::findings;
use crate::support::{Run, World, sample};

/// Two tasks: `t1` with a video, an image and a text, `t2` with one image.
fn archived() -> BucketWorld {
    let world = BucketWorld::new();
    let (mp4, png) = (world.serve_sample("video-1s.mp4"), world.serve_sample("picture.png"));
    world.serve_task("t1", &json!({"videos": [mp4], "images": [png], "text": "la\nla"}));
    world.serve_task("t2", &json!({"images": [world.serve_sample("picture.gif")]}));
    world.run(&["t1", "t2"]).exits(0);
    world
}

fn flip(body: &mut [u8]) {
    let middle = body.len() / 2;
    body[middle] ^= 1;
}

/// Runs a command and checks that it changed no object.
fn read_only(world: &BucketWorld, args: &[&str]) -> Run {
    let changes = world.bucket.changes().len();
    let run = world.run_command(args);
    assert_eq!(world.bucket.changes().len(), changes, "{args:?} changed an object");
    run
}

#[test]
fn verify_of_a_whole_archive_finds_nothing_and_hashes_every_body() {
    let world = archived();
    world.bucket.forget_requests();
    let run = read_only(&world, &["verify", "--json", ARCHIVE]).exits(0);
    assert!(findings(&run).is_empty(), "{run:?}");
    assert_eq!(run.summary()["of"], "verify");
    for name in ["t1/video-1.mp4", "t1/image-1.png", "t2/image-1.gif"] {
        assert!(world.bucket.count(Operation::Get, name) > 0, "{name} was not read");
    }
    let run = read_only(&world, &["verify", ARCHIVE]).exits(0);
    assert!(run.stdout.contains('4') || run.stderr.contains('4'), "files and texts are counted: {run:?}");
}

#[test]
fn verify_finds_damage_whatever_the_recorded_hash_says() {
    let world = archived();
    world.bucket.damage("archive/t1/video-1.mp4", |body| flip(body));
    world.bucket.damage("archive/t1/text.txt", |body| flip(body));
    world.bucket.remove("archive/t2/image-1.gif");
    world.bucket.put("archive/t2/notes.txt", "mine", &[]);
    let run = read_only(&world, &["verify", "--json", ARCHIVE]).exits(1);
    let mut found = findings(&run);
    found.sort();
    assert_eq!(found, ["damaged t1/text.txt", "damaged t1/video-1.mp4", "missing t2/image-1.gif", "unknown t2/notes.txt"]);
}

#[test]
fn verify_quick_reads_no_body_of_a_file() {
    let world = archived();
    world.bucket.damage("archive/t1/video-1.mp4", |body| body.truncate(10));
    world.bucket.damage("archive/t1/image-1.png", |body| flip(body));
    world.bucket.put("archive/t2/image-1.gif", sample("picture.gif"), &[("sha256", "00ff")]);
    world.bucket.forget_requests();
    let run = read_only(&world, &["verify", "--quick", "--json", ARCHIVE]).exits(1);
    let found = findings(&run);
    assert!(found.contains(&"damaged t1/video-1.mp4".to_owned()), "the size differs: {found:?}");
    assert!(found.contains(&"damaged t2/image-1.gif".to_owned()), "the recorded hash differs: {found:?}");
    assert!(!found.contains(&"damaged t1/image-1.png".to_owned()), "this needs the body: {found:?}");
    assert_eq!(world.bucket.count(Operation::Get, ".mp4") + world.bucket.count(Operation::Get, ".gif"), 0);
}

#[test]
fn reservations_and_the_index_are_not_unknown() {
    let world = archived();
    let hash = crate::support::audit::sha256(&sample("video-1s.mp4"));
    world.bucket.put("archive/t1/.video-1.mp4.sha256", hash.as_str(), &[("sha256", &hash)]);
    let run = read_only(&world, &["verify", "--json", ARCHIVE]).exits(0);
    assert!(findings(&run).is_empty(), "{run:?}");
}

#[test]
fn verify_goes_on_past_a_manifest_that_cannot_be_read() {
    let world = archived();
    world.bucket.put("archive/t1/manifest.json", "{\"manifest_version\": 1, \"tasks\": [{", &[]);
    world.bucket.damage("archive/t2/image-1.gif", |body| flip(body));
    let run = read_only(&world, &["verify", "--json", ARCHIVE]).exits(1);
    let found = findings(&run);
    assert!(found.iter().any(|finding| finding.contains("t1")), "{found:?}");
    assert!(found.contains(&"damaged t2/image-1.gif".to_owned()), "{found:?}");
}

fn repair(world: &BucketWorld) -> Run {
    let run = world.run_command(&["repair", "--json", "--retry-delay", "0s", ARCHIVE]);
    world.audit(run)
}

#[test]
fn repair_puts_whole_bytes_beside_damaged_ones() {
    let world = archived();
    world.bucket.damage("archive/t1/video-1.mp4", |body| flip(body));
    world.bucket.remove("archive/t2/image-1.gif");
    let damaged = world.bucket.object("archive/t1/video-1.mp4").body;
    repair(&world).exits(0);
    assert_eq!(world.bucket.object("archive/t1/video-1.mp4").body, damaged, "no object is overwritten");
    let hash = crate::support::audit::sha256(&sample("video-1s.mp4"));
    assert!(world.named_files("t1").contains(&format!("video-1-{}.mp4", &hash[..16])), "{:?}", world.named_files("t1"));
    assert_eq!(world.named_files("t2"), ["image-1.gif"]);
    let run = world.run_command(&["verify", "--json", ARCHIVE]).exits(0);
    assert_eq!(findings(&run), ["unknown t1/video-1.mp4"]);
    // A second repair has nothing to do.
    let asked = world.gateway_requests().len();
    repair(&world).exits(0);
    assert_eq!(world.gateway_requests().len(), asked);
}

#[test]
fn repair_writes_a_damaged_text_and_never_touches_a_healthy_file() {
    let world = archived();
    world.bucket.damage("archive/t1/text.txt", |body| flip(body));
    let (asked, etag) = (world.gateway_requests().len(), world.bucket.object("archive/t1/video-1.mp4").etag);
    repair(&world).exits(0);
    assert_eq!(world.gateway_requests().len(), asked, "the text comes from the manifest");
    assert_eq!(world.bucket.object("archive/t1/video-1.mp4").etag, etag);
    world.run_command(&["verify", ARCHIVE]).exits(0);
}

#[test]
fn a_damaged_object_with_a_suffixed_name_is_mended_in_place() {
    let world = BucketWorld::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    world.bucket.put("archive/t1/video-1.mp4", "others", &[]);
    world.run(&["t1"]).exits(0);
    let name = world.named_files("t1").remove(0);
    world.bucket.damage(&format!("archive/t1/{name}"), |body| flip(body));
    world.run_command(&["repair", "--retry-delay", "0s", ARCHIVE]).exits(0);
    let name = format!("archive/t1/{}", world.named_files("t1")[0]);
    assert_eq!(world.bucket.object(&name).body, sample("video-1s.mp4"));
    world.run_command(&["verify", ARCHIVE]).exits(0);
}

#[test]
fn list_shows_every_task_with_its_url() {
    let world = archived();
    let run = read_only(&world, &["list", "--json", ARCHIVE]).exits(0);
    assert_eq!(run.stdout.lines().count(), 2);
    let run = read_only(&world, &["list", "--paths", ARCHIVE]).exits(0);
    assert!(run.stdout.lines().all(|line| line.starts_with(ARCHIVE)), "{run:?}");
    let run = read_only(&world, &["list", "--ids", "--kind", "video", ARCHIVE]).exits(0);
    assert_eq!(run.stdout, "t1\n");
    assert!(read_only(&world, &["list", ARCHIVE]).exits(0).stdout.contains("t2"));
}

#[test]
fn list_and_exports_also_see_what_the_index_does_not_name() {
    let world = archived();
    world.run_command(&["index", ARCHIVE]).exits(0);
    world.serve_task("t3", &json!({"text": "lo"}));
    world.run(&["t3"]).exits(0);
    for key in world.bucket.keys().iter().filter(|key| key.contains("index/log/")) {
        world.bucket.remove(key);
    }
    for key in world.bucket.keys().iter().filter(|key| key.starts_with("archive/t2/")) {
        world.bucket.remove(key);
    }
    let run = read_only(&world, &["list", "--ids", ARCHIVE]).exits(0);
    let mut ids: Vec<&str> = run.stdout.lines().collect();
    ids.sort_unstable();
    assert_eq!(ids, ["t1", "t3"]);
    assert!(run.stderr.contains("t2") || run.stderr.contains('1'), "what is gone is named: {run:?}");
}

#[test]
fn csv_and_jsonl_have_the_rows_of_a_local_archive() {
    let world = archived();
    let local: &World = &world;
    local.run(&["t1", "t2"]).exits(0);
    for format in ["csv", "jsonl"] {
        let in_bucket = read_only(&world, &["export", format, ARCHIVE]).exits(0).stdout;
        let on_disk = world.run_command(&["export", format, world.archive().to_str().unwrap()]).exits(0).stdout;
        let without_place = |text: &str, place: &str| {
            let lines = text.replace(place, "ARCHIVE").replace('\\', "/");
            // The time of archiving differs.
            let now = lines.split("archived_at\":\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned);
            now.collect::<Vec<_>>().iter().fold(lines.clone(), |lines, time| lines.replace(time, "TIME"))
        };
        let root = fs::canonicalize(world.archive()).unwrap();
        let (ours, theirs) = (without_place(&in_bucket, ARCHIVE), without_place(&on_disk, root.to_str().unwrap()));
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{format}:\n{ours}\n{theirs}");
        assert!(in_bucket.contains(&format!("{ARCHIVE}/t1/video-1.mp4")), "{format}: {in_bucket}");
        if format == "jsonl" {
            let row: Value = serde_json::from_str(in_bucket.lines().next().unwrap()).unwrap();
            assert!(row["path"].as_str().unwrap().starts_with(ARCHIVE) && row.get("url").is_none(), "{row}");
        }
        let out = world.home().join(format);
        read_only(&world, &["export", format, "-O", out.to_str().unwrap(), ARCHIVE]).exits(0);
        assert!(fs::read_to_string(out).unwrap().contains("s3://"), "{format}: a bucket has no relative paths");
    }
}

#[test]
fn export_files_downloads_and_later_adds_what_is_new() {
    let world = archived();
    let out = world.home().join("out");
    let args = ["export", "files", "--name", "{id} {kind}{n}.{ext}", "-O", out.to_str().unwrap(), ARCHIVE];
    read_only(&world, &args).exits(0);
    assert_eq!(fs::read(out.join("t1 video1.mp4")).unwrap(), sample("video-1s.mp4"));
    assert_eq!(fs::read(out.join("t2 image1.gif")).unwrap(), sample("picture.gif"));
    fs::remove_file(out.join("t2 image1.gif")).unwrap();
    world.serve_task("t3", &json!({"images": [world.serve_sample("picture.png")]}));
    world.run(&["t3"]).exits(0);
    world.bucket.forget_requests();
    read_only(&world, &args).exits(0);
    assert!(out.join("t3 image1.png").exists() && !out.join("t2 image1.gif").exists(), "what was deleted stays so");
    assert_eq!(world.bucket.count(Operation::Get, ".mp4"), 0, "what is there is not downloaded again");
}

#[test]
fn export_files_writes_no_damaged_bytes() {
    let world = archived();
    world.bucket.damage("archive/t1/video-1.mp4", |body| flip(body));
    let out = world.home().join("out");
    let run =
        read_only(&world, &["export", "files", "--name", "{id} {kind}{n}.{ext}", "-O", out.to_str().unwrap(), ARCHIVE]).exits(1);
    assert!(run.stderr.contains("video-1.mp4"), "{run:?}");
    assert!(!out.join("t1 video1.mp4").exists() && out.join("t2 image1.gif").exists());
}

#[test]
fn links_into_a_bucket_are_refused() {
    let world = archived();
    let out = world.home().join("out");
    for link in ["hard", "sym"] {
        world.run_command(&["export", "files", "--link", link, "-O", out.to_str().unwrap(), ARCHIVE]).exits(2);
    }
}

#[test]
fn what_needs_a_disk_says_copy_it_first() {
    let world = archived();
    let out = world.home().join("out");
    let out = out.to_str().unwrap();
    for args in [
        &["export", "otio", ARCHIVE][..],
        &["export", "fcpxml", ARCHIVE],
        &["export", "xmeml", ARCHIVE],
        &["export", "ffconcat", ARCHIVE],
        &["export", "m3u8", ARCHIVE],
        &["export", "bagit", "-O", out, ARCHIVE],
        &["gallery", ARCHIVE],
        &["gallery", "-O", out, ARCHIVE],
        &["index", "--facts", ARCHIVE],
    ] {
        let run = read_only(&world, args).exits(2);
        assert!(run.stderr.contains("copy") && run.stderr.contains(ARCHIVE), "{args:?}: {run:?}");
    }
}

#[test]
fn commands_on_a_bucket_without_an_archive_exit_2() {
    let world = BucketWorld::new();
    for args in
        [&["verify", ARCHIVE][..], &["list", ARCHIVE], &["export", "csv", ARCHIVE], &["index", ARCHIVE], &["repair", ARCHIVE]]
    {
        read_only(&world, args).exits(2);
    }
    let run = read_only(&world, &["list", "s3://other/archive"]).exits(2);
    assert!(run.stderr.contains("other"), "{run:?}");
}

#[test]
fn repair_makes_a_damaged_manifest_anew() {
    for damage in ["", "{\"manifest_version\": 1, \"tasks\": [{"] {
        let world = archived();
        world.bucket.put("archive/t1/manifest.json", damage, &[]);
        world.run_command(&["verify", ARCHIVE]).exits(1);
        repair(&world).exits(0);
        let run = world.run_command(&["verify", "--json", ARCHIVE]).exits(0);
        assert!(findings(&run).is_empty(), "the files are adopted: {run:?}");
    }
}
