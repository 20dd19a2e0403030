//! What is in the bucket after a run. "as on disk" · "Apart from `archived_at` and suffixed names its bytes are those of a
//! local run" · "There is no root manifest and no `SHA256SUMS` in a bucket".

use std::fs;

use serde_json::{Value, json};

use crate::support::audit::{hashed_folder, sha256};
use crate::support::bucket_world::{ARCHIVE, BucketWorld};
use crate::support::commands::findings;
use crate::support::run::Running;
use crate::support::{Answer, Run, World, sample, success};

/// A task with a file of every kind that has a sample, and a text.
fn serve_rich_task(world: &World, id: &str) {
    let (mp4, png, mp3) = (world.serve_sample("video-1s.mp4"), world.serve_sample("picture.png"), world.serve_sample("song.mp3"));
    world.serve_task(id, &json!({"videos": [mp4], "images": [png, png], "audio": [mp3], "text": "la\nlä"}));
}

/// The names below the prefix, with the random parts of the index replaced.
fn names(world: &BucketWorld) -> Vec<String> {
    let keys = world.bucket.keys();
    let mut names: Vec<String> = keys.iter().map(|key| key.strip_prefix("archive/").unwrap().to_owned()).collect();
    for name in &mut names {
        if let Some(segment) = name.strip_prefix(".yescale/index/log/") {
            let parts: Vec<&str> = segment.strip_suffix(".jsonl.gz").unwrap().split('-').collect();
            let [time, shard, random] = parts[..] else { panic!("{segment}") };
            assert!(time.len() == 16 && time.ends_with('Z') && time.as_bytes()[8] == b'T', "{segment}");
            assert!(shard == "all" && random.len() >= 8, "{segment}");
            ".yescale/index/log/SEGMENT".clone_into(name);
        }
    }
    names
}

#[test]
fn objects_have_the_names_of_files_on_disk() {
    let world = BucketWorld::new();
    serve_rich_task(&world, "t1");
    world.run(&["t1"]).exits(0);
    assert_eq!(
        names(&world),
        [
            ".yescale/archive.json",
            ".yescale/index/log/SEGMENT",
            "t1/audio-1.mp3",
            "t1/image-1.png",
            "t1/image-2.png",
            "t1/manifest.json",
            "t1/text.txt",
            "t1/video-1.mp4"
        ]
    );
    assert!(!world.archive().exists(), "nothing is written to the default folder");
}

#[test]
fn manifests_have_the_bytes_of_a_local_run() {
    let world = BucketWorld::new();
    serve_rich_task(&world, "t1");
    world.serve_task("t2", &json!({"images": [world.serve_sample("picture.gif"), world.media.origin() + "/gone.png"]}));
    let list = r#"{"task_id":"t1","prompt":"a fox","n":1.50}"#;
    for id in ["t1", "t2"] {
        let code = i32::from(id == "t2");
        world.run_with_input(&list.replace("t1", id), &["-i", "-"]).exits(code);
        let local: &World = &world;
        local.run_with_input(&list.replace("t1", id), &["-i", "-"]).exits(code);
        let on_disk = fs::read_to_string(world.archive().join(id).join("manifest.json")).unwrap();
        let object = world.bucket.object(&format!("archive/{id}/manifest.json"));
        let in_bucket = str::from_utf8(&object.body).unwrap();
        assert_eq!(without_time(in_bucket), without_time(&on_disk));
    }
}

/// A manifest without the value of `archived_at`.
fn without_time(manifest: &str) -> String {
    let entry: Value = serde_json::from_str(manifest).unwrap();
    manifest.replace(entry["tasks"][0]["archived_at"].as_str().unwrap(), "TIME")
}

#[test]
fn file_objects_carry_their_hash_and_type() {
    let world = BucketWorld::new();
    serve_rich_task(&world, "t1");
    world.run(&["t1"]).exits(0);
    for (name, content_type) in [
        ("video-1.mp4", "video/mp4"),
        ("image-2.png", "image/png"),
        ("audio-1.mp3", "audio/mpeg"),
        ("text.txt", "text/plain"),
        ("manifest.json", "application/json"),
    ] {
        let object = world.bucket.object(&format!("archive/t1/{name}"));
        let sent = object.content_type.as_deref().unwrap_or_default();
        assert!(sent.starts_with(content_type), "{name}: {sent}");
        match name {
            "manifest.json" => assert!(!object.metadata["write_id"].is_empty()),
            _ => assert_eq!(object.metadata["sha256"], sha256(&object.body), "{name}"),
        }
    }
    assert_eq!(world.bucket.object("archive/t1/video-1.mp4").body, sample("video-1s.mp4"));
}

/// Runs with another archive URL.
fn run_at(world: &BucketWorld, url: &str, args: &[&str]) -> Run {
    Running::start(world.command_at(url, &[&["--json"], args].concat())).wait(false)
}

#[test]
fn prefixes_may_be_empty_deep_and_in_any_script() {
    for (url, prefix) in [
        ("s3://clips", ""),
        ("s3://clips/", ""),
        ("s3://clips/a/b/", "a/b/"),
        ("s3://clips/my clips/größe+%20&x", "my clips/größe+%20&x/"),
        ("s3://clips/动画", "动画/"),
    ] {
        let world = BucketWorld::new();
        serve_rich_task(&world, "t1");
        let run = run_at(&world, url, &["t1"]).exits(0);
        let keys = world.bucket.keys();
        for name in [".yescale/archive.json", "t1/manifest.json", "t1/video-1.mp4"] {
            assert!(keys.contains(&format!("{prefix}{name}")), "{url}: {keys:?}");
        }
        assert!(keys.iter().all(|key| key.starts_with(prefix)), "{url}: {keys:?}");
        assert_eq!(run.task("t1")["path"], format!("{}/t1", url.trim_end_matches('/')));
        let again = run_at(&world, url, &["t1"]).exits(0);
        assert_eq!(again.summary()["reused"], 1, "{url}");
        assert_eq!(world.run_command(&["list", "--ids", url]).exits(0).stdout, "t1\n", "{url}");
        let run = world.run_command(&["verify", "--json", url]).exits(0);
        assert!(findings(&run).is_empty(), "{url}: {run:?}");
    }
}

#[test]
fn odd_ids_have_the_folders_of_the_layout() {
    let world = BucketWorld::new();
    for id in ["CjNQ/x", "index", ".yescale", "a b"] {
        let path = id.replace('/', "%2F").replace(' ', "%20");
        world.answers_at(&format!("/task/{path}"), [Answer::json(200, &success(&json!({"text": "la"})))]);
    }
    world.run(&["--", "CjNQ/x", "index", ".yescale", "a b"]).exits(0);
    for folder in [&hashed_folder("CjNQ/x"), "index", &hashed_folder(".yescale"), &hashed_folder("a b")] {
        assert_eq!(world.files(folder), ["text.txt"], "{folder}");
    }
}

#[test]
fn events_and_lines_name_objects_by_their_url() {
    let world = BucketWorld::new();
    serve_rich_task(&world, "t1");
    let run = world.run_json(&["t1"]).exits(0);
    assert_eq!(run.events_of("start")[0]["output"], ARCHIVE);
    let mut paths: Vec<String> = run.events_of("file").iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    paths.sort();
    let expected = ["audio-1.mp3", "image-1.png", "image-2.png", "video-1.mp4"].map(|name| format!("{ARCHIVE}/t1/{name}"));
    assert_eq!(paths, expected);
    assert_eq!(run.task("t1")["path"], format!("{ARCHIVE}/t1"));
    let world = BucketWorld::new();
    serve_rich_task(&world, "t1");
    let run = world.run(&["t1"]).exits(0);
    assert!(run.stdout.contains(ARCHIVE) || run.stderr.contains(ARCHIVE), "{run:?}");
}
