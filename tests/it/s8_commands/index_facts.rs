//! `index --facts`: "fills platform, model and media facts into task manifests; plain `index` never touches these."

use std::fs;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::support::World;
use crate::support::commands::{flip_bit, run_command};

/// What earlier versions did not record.
const FACTS: [&str; 8] =
    ["width", "height", "frame_rate", "video_codec", "audio_codec", "sample_rate", "channels", "content_credentials"];

/// A PNG with the beginning of a manifest of content credentials.
fn png_with_credentials() -> Vec<u8> {
    let png = crate::support::sample("picture.png");
    let store =
        [b"\0\0\0\x40jumb\0\0\0\x1Ejumdc2pa\0\x11\0\x10\x80\0\0\xAA\0\x38\x9B\x71\x03c2pa\0".as_slice(), &[7; 26]].concat();
    [&png[..33], b"\0\0\0\x40caBX", &store, b"....", &png[33..]].concat()
}

/// Archives two tasks with all kinds of facts.
fn archive_tasks(world: &World) {
    let signed = world.media.script("/signed.png", [crate::support::Reply::ok(png_with_credentials())]);
    let (video, audio) = (world.serve_sample("video-1s.mp4"), world.serve_sample("song.mp3"));
    let result = json!({"videos": [video], "images": [signed], "audio": [audio], "text": "la"});
    let answer = json!({"status": "SUCCESS", "message": "YEScale - KLING - v2 - Task Result", "task_result": result});
    world.answer("t1", &answer);
    world.serve_task("t2", &json!({"images": [world.serve_sample("picture.gif")]}));
    world.run(&["t1", "t2"]).exits(0);
}

/// Takes out of a manifest what earlier versions did not record.
fn age(world: &World, path: &str) {
    let path = world.archive().join(path);
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for task in manifest["tasks"].as_array_mut().unwrap() {
        for key in ["platform", "model"] {
            task.as_object_mut().unwrap().remove(key);
        }
        for file in task["files"].as_array_mut().unwrap() {
            for fact in FACTS {
                file.as_object_mut().unwrap().remove(fact);
            }
        }
    }
    fs::write(path, serde_json::to_string_pretty(&manifest).unwrap() + "\n").unwrap();
}

/// The bytes of all files, and the times of those that are no manifests.
fn contents(world: &World) -> Vec<(String, Vec<u8>, Option<SystemTime>)> {
    let time = |path: &str, time| Some(time).filter(|_| !path.ends_with("manifest.json"));
    world.tree().into_iter().map(|(path, (bytes, modified))| (path.clone(), bytes, time(&path, modified))).collect()
}

fn age_all(world: &World) {
    for path in ["manifest.json", "t1/manifest.json", "t2/manifest.json"] {
        age(world, path);
    }
}

#[test]
fn old_archive_gets_the_manifests_that_a_new_one_has() {
    let world = World::new();
    archive_tasks(&world);
    let (files, new) = (world.task_entry("t1")["files"].clone(), contents(&world));
    assert_eq!(
        (&files[0]["width"], &files[0]["frame_rate"], &files[0]["video_codec"]),
        (&json!(64), &json!("12"), &json!("h264"))
    );
    assert_eq!((&files[1]["height"], &files[1]["content_credentials"]), (&json!(48), &json!(true)));
    assert_eq!(
        (&files[2]["audio_codec"], &files[2]["sample_rate"], &files[2]["channels"]),
        (&json!("mp3"), &json!(22050), &json!(1))
    );
    let asked = world.gateway_requests().len();
    age_all(&world);
    let old = world.tree();
    run_command(&world, &["index"]).exits(0);
    let own = |path: &str| world.tree()[path].clone();
    assert_eq!(own("t1/manifest.json"), old["t1/manifest.json"], "plain index touches no task manifest");

    let run = world.audit(run_command(&world, &["index", "--facts"])).exits(0);
    assert!(run.stdout.ends_with(": 2 tasks, 4 files; added facts to 2 task manifests\n") && run.stderr.is_empty(), "{run:?}");
    assert!(contents(&world) == new, "byte for byte as a new archive, with the old `archived_at`");
    let filled = world.tree();
    let again = run_command(&world, &["index", "--facts"]).exits(0);
    assert!(
        again.stdout.ends_with(" are up to date: 2 tasks, 4 files; no facts to add\n") && again.stderr.is_empty(),
        "{again:?}"
    );
    assert!(world.tree() == filled, "a second run changes nothing");
    assert_eq!(world.gateway_requests().len(), asked, "without network");
    run_command(&world, &["verify"]).exits(0);
}

#[test]
fn old_complete_tasks_stay_complete_and_cost_no_network() {
    let world = World::new();
    archive_tasks(&world);
    age_all(&world);
    let (old, asked) = (world.tree(), world.gateway_requests().len());
    let run = world.run_json(&["t1", "t2"]).exits(0);
    assert_eq!(run.summary()["reused"], 2);
    assert!(world.tree() == old && world.gateway_requests().len() == asked);
}

#[test]
fn damaged_and_missing_files_are_named_and_left() {
    let world = World::new();
    archive_tasks(&world);
    age_all(&world);
    flip_bit(&world, "t1/video-1.mp4");
    fs::remove_file(world.archive().join("t1/image-1.png")).unwrap();
    fs::write(world.archive().join("t2/image-1.gif"), "short").unwrap();
    let media = |world: &World| {
        let tree = world.tree().into_iter();
        tree.filter(|(path, _)| path.contains('/') && !path.ends_with("manifest.json")).collect::<Vec<_>>()
    };
    let before = media(&world);
    let run = run_command(&world, &["index", "--facts"]).exits(1);
    for named in ["video-1.mp4 is damaged", "image-1.png is missing", "image-1.gif is damaged"] {
        assert!(run.stderr.contains(named), "{run:?}");
    }
    assert_eq!(media(&world), before);
    let entry = world.task_entry("t1");
    let has_facts = |index: usize| FACTS.iter().any(|fact| entry["files"][index].get(fact).is_some());
    assert_eq!([0, 1, 2].map(has_facts), [false, false, true]);
    assert_eq!((&entry["platform"], &entry["model"]), (&json!("kling"), &json!("v2")));
    let tree = world.tree();
    run_command(&world, &["index", "--facts"]).exits(1);
    assert!(world.tree() == tree);
}

#[test]
fn recorded_and_unknown_fields_stay() {
    let world = World::new();
    archive_tasks(&world);
    age_all(&world);
    let path = world.archive().join("t1/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let task = &mut manifest["tasks"][0];
    task["platform"] = json!("other");
    task["rating"] = json!(5);
    task["files"][0]["video_codec"] = json!("recorded");
    task["files"][0]["later"] = json!({"a": 1});
    fs::write(&path, serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
    run_command(&world, &["index", "--facts"]).exits(0);
    let entry = world.task_entry("t1");
    assert_eq!((&entry["platform"], &entry["model"], &entry["rating"]), (&json!("other"), &json!("v2"), &json!(5)));
    let file = &entry["files"][0];
    assert_eq!(
        (&file["video_codec"], &file["later"], &file["audio_codec"]),
        (&json!("recorded"), &json!({"a": 1}), &json!("aac"))
    );
    assert_eq!(entry["response"]["message"], "YEScale - KLING - v2 - Task Result");
    assert_eq!(world.root_manifest()["tasks"][0]["model"], "v2");
}

#[test]
fn folder_of_one_task_gets_facts_and_nothing_else() {
    let world = World::new();
    archive_tasks(&world);
    let new = contents(&world);
    age(&world, "t1/manifest.json");
    let run = run_command(&world, &["index", "--facts", "yescale/t1"]).exits(0);
    assert!(run.stdout.starts_with("wrote ") && run.stdout.ends_with("; added facts to 1 task manifest\n"), "{run:?}");
    assert!(contents(&world) == new);
}

#[test]
fn facts_are_in_file_events_too() {
    let world = World::new();
    world.serve_task("t", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    let run = world.run_json(&["t"]).exits(0);
    let event = &run.events_of("file")[0];
    let recorded = &world.task_entry("t")["files"][0];
    for fact in FACTS {
        assert_eq!(event.get(fact), recorded.get(fact), "{fact}");
    }
    assert_eq!((&event["width"], &event["audio_codec"]), (&json!(64), &json!("aac")));
}
