//! Contract section 8, the verbs that are built: verify, repair, index.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Answer, Reply, World, sample};

/// Runs a verb to its end: its exit code, its standard output, its standard error.
fn verb(world: &World, args: &[&str]) -> (i32, String, String) {
    let done = world.patient(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

/// The findings of `verify --json`, `PATH FINDING`, and the summary.
fn findings(world: &World, args: &[&str]) -> (i32, Vec<String>, Value) {
    let (code, out, err) = verb(world, &[&["verify", "--json"], args].concat());
    let mut events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = events.pop().unwrap_or_else(|| panic!("no summary: {err}"));
    assert_eq!(summary["event"], "summary");
    let told = events.iter().map(|event| {
        assert_eq!(event["event"], "finding");
        format!("{} {}", event["path"].as_str().unwrap(), event["finding"].as_str().unwrap())
    });
    (code, told.collect(), summary)
}

/// Two tasks: an image and a text, and a video.
fn filled() -> World {
    let world = World::new();
    world.task("t1", &json!({"images": [world.host("picture.png")], "text": "la"}));
    world.task("t2", &json!({"videos": [world.host("clip.mov")]}));
    world.run(&["t1", "t2"]).exits(0);
    world
}

/// Other bytes of the same size.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_archive_verifies_and_stays_as_it_is() {
    let world = filled();
    let before = world.tree();
    let (code, found, summary) = findings(&world, &["yescale"]);
    assert_eq!((code, found.len(), &summary["files"], &summary["damaged"]), (0, 0, &json!(3), &json!(0)));
    let (code, out, err) = verb(&world, &["verify"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("3 files") && out.contains("all whole"), "{out}");
    assert_eq!(world.tree(), before);
    assert_eq!(world.questions().len(), 2, "verify asks nobody");
}

#[test]
fn what_is_wrong_is_told_path_by_path() {
    let world = filled();
    damage(&world.archive().join("t1/image-1.png"));
    world.write("yescale/t1/text.txt", "lo");
    fs::remove_file(world.archive().join("t2/video-1.mov")).unwrap();
    world.write("yescale/notes.txt", "mine");
    world.write("yescale/t1/extra.png", "mine");
    world.write("yescale/.hidden", "mine");
    let (code, found, summary) = findings(&world, &["yescale"]);
    let all =
        ["notes.txt unknown", "t1/extra.png unknown", "t1/image-1.png damaged", "t1/text.txt damaged", "t2/video-1.mov missing"];
    assert_eq!((code, found.as_slice()), (1, &all.map(str::to_owned)[..]));
    assert_eq!((&summary["damaged"], &summary["missing"], &summary["unknown"]), (&json!(2), &json!(1), &json!(2)));
    let (_, quick, _) = findings(&world, &["--quick"]);
    assert!(!quick.iter().any(|line| line.contains("image-1")), "its size is right: {quick:?}");
}

#[test]
fn what_nobody_knows_is_no_damage() {
    let world = filled();
    world.write("yescale/photos/a.png", "mine");
    let (code, found, _) = findings(&world, &[]);
    assert_eq!((code, found), (0, vec!["photos/a.png unknown".to_owned()]));
}

#[cfg(unix)]
#[test]
fn a_path_that_leads_elsewhere_is_never_touched() {
    let world = filled();
    let outside = world.write("outside.png", sample("picture.png"));
    let image = world.archive().join("t1/image-1.png");
    fs::remove_file(&image).unwrap();
    std::os::unix::fs::symlink(&outside, &image).unwrap();
    let manifest = world.archive().join("t2/manifest.json");
    let hostile = fs::read_to_string(&manifest).unwrap().replace("\"video-1.mov\"", "\"../../outside.png\"");
    fs::write(&manifest, hostile).unwrap();
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    let (code, found, _) = findings(&world, &[]);
    assert_eq!(code, 1);
    assert!(found.contains(&"t1/image-1.png unsafe".to_owned()), "{found:?}");
    assert!(found.contains(&"t2/../../outside.png unsafe".to_owned()), "{found:?}");
    verb(&world, &["repair"]);
    assert_eq!(fs::read(outside).unwrap(), sample("picture.png"));
}

#[test]
fn a_task_folder_is_an_archive_of_one_wherever_it_is() {
    let world = filled();
    let moved = world.home().join("mailed");
    fs::rename(world.archive().join("t1"), &moved).unwrap();
    assert_eq!(findings(&world, &["mailed"]).0, 0);
    damage(&moved.join("image-1.png"));
    assert_eq!(findings(&world, &["mailed"]).1, ["image-1.png damaged"]);
    assert_eq!(verb(&world, &["repair", "mailed"]).0, 0);
    assert_eq!(fs::read(moved.join("image-1.png")).unwrap(), sample("picture.png"));
    assert_eq!(findings(&world, &["mailed"]).0, 0);
    assert!(!world.home().join("manifest.json").exists(), "its neighbours are none of our business");
}

#[test]
fn what_is_no_archive_is_refused() {
    let world = World::new();
    world.write("foreign/manifest.json", r#"{"name":"an app"}"#);
    world.write("newer/manifest.json", r#"{"manifest_version":9,"tasks":[]}"#);
    fs::create_dir(world.home().join("empty")).unwrap();
    for dir in ["foreign", "newer", "empty", "missing"] {
        for verb_name in ["verify", "repair", "index"] {
            let (code, out, err) = verb(&world, &[verb_name, dir]);
            assert_eq!((code, out.as_str()), (2, ""), "{verb_name} {dir}");
            assert!(err.starts_with("error: ") && err.contains(dir), "{err}");
        }
    }
    assert_eq!(fs::read_to_string(world.home().join("foreign/manifest.json")).unwrap(), r#"{"name":"an app"}"#);
}

#[test]
fn repair_fetches_what_is_lost_and_nothing_else() {
    let world = filled();
    let healthy = world.tree()["t1/image-1.png"].clone();
    damage(&world.archive().join("t2/video-1.mov"));
    fs::remove_file(world.archive().join("t1/text.txt")).unwrap();
    // The old link is dead by now; the gateway has a fresh one.
    world.media.script("/clip.mov", [Reply::status("404 Not Found")]);
    let fresh = world.media.script("/fresh.mov", [Reply::ok(sample("clip.mov"))]);
    world.task("t2", &json!({"videos": [fresh]}));
    let asked = world.questions().len();
    let (code, out, err) = verb(&world, &["repair"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(world.tree()["t1/image-1.png"], healthy, "bytes and time");
    assert_eq!(fs::read(world.archive().join("t1/text.txt")).unwrap(), b"la");
    assert_eq!(fs::read(world.archive().join("t2/video-1.mov")).unwrap(), sample("clip.mov"));
    assert_eq!(world.questions().len(), asked + 1, "a text needs nobody");
    assert_eq!(findings(&world, &[]).0, 0);
}

#[test]
fn other_bytes_than_recorded_are_taken_with_a_warning() {
    let world = filled();
    fs::remove_file(world.archive().join("t2/video-1.mov")).unwrap();
    world.media.script("/clip.mov", [Reply::ok(sample("clip.mkv"))]);
    assert_eq!(verb(&world, &["repair"]).0, 0);
    let entry = world.entry("t2");
    let file = &entry["files"][0];
    assert_eq!(file["size"], sample("clip.mkv").len());
    assert!(file["warnings"].to_string().contains("other bytes than were recorded"), "{file}");
}

#[test]
fn what_can_t_be_repaired_stays_as_it_is() {
    for answer in [Answer::raw(404, ""), Answer::json(200, &json!({"status": "FAILURE", "err_reason": "gone"}))] {
        let world = filled();
        let image = world.archive().join("t1/image-1.png");
        damage(&image);
        let damaged = fs::read(&image).unwrap();
        world.answers("t1", [answer]);
        let (code, ..) = verb(&world, &["repair"]);
        assert_eq!(code, 1);
        assert_eq!(fs::read(&image).unwrap(), damaged);
        assert_eq!(world.entry("t1")["files"].as_array().unwrap().len(), 1);
        assert_eq!(findings(&world, &[]).1, ["t1/image-1.png damaged"]);
    }
}

#[test]
fn a_broken_task_manifest_is_mended_from_what_the_root_remembers() {
    let world = filled();
    world.write("yescale/t1/manifest.json", "{\"manifest_version\": 1,\n");
    assert_eq!(findings(&world, &[]).1, ["t1/manifest.json damaged"]);
    let asked = world.questions().len();
    assert_eq!(verb(&world, &["repair"]).0, 0);
    assert_eq!((findings(&world, &[]).0, world.questions().len()), (0, asked));
    assert_eq!(world.entry("t1")["text"], "la");
}

#[test]
fn index_gives_the_same_bytes_again() {
    let world = filled();
    let root = |name: &str| fs::read(world.archive().join(name)).unwrap();
    let before = (root("manifest.json"), root("SHA256SUMS"));
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    fs::remove_file(world.archive().join("SHA256SUMS")).unwrap();
    assert_eq!(verb(&world, &["index"]).0, 0);
    assert_eq!((root("manifest.json"), root("SHA256SUMS")), before);
    fs::rename(world.archive().join("t1"), world.home().join("t1")).unwrap();
    assert_eq!(verb(&world, &["index", "yescale"]).0, 0);
    assert_eq!(world.root()["tasks"].as_array().unwrap().len(), 1, "a folder that was moved away is dropped");
    fs::rename(world.home().join("t1"), world.archive().join("t1")).unwrap();
    assert_eq!(verb(&world, &["index"]).0, 0);
    assert_eq!((root("manifest.json"), root("SHA256SUMS")), before);
}

#[test]
fn a_verb_counts_only_as_the_first_word() {
    let world = World::new();
    world.archived("verify");
    assert_eq!(world.paths_asked().last().map(String::as_str), Some("/task/verify"), "behind an option it is an id");
    let (code, ..) = verb(&world, &["--", "index"]);
    assert_eq!((code, world.paths_asked().last().map(String::as_str)), (1, Some("/task/index")));
}

#[test]
fn sixteen_processes_at_once_fetch_nothing_twice_and_name_everything() {
    let world = World::new();
    let ids: Vec<String> = (0..24).map(|n| format!("t{n}")).collect();
    for id in &ids {
        let url = world.media.script(&format!("/{id}.png"), [Reply::ok(sample("picture.png"))]);
        world.task(id, &json!({"images": [url]}));
    }
    let running: Vec<_> = (0..16)
        .map(|n| {
            // Each its own half of the ids, in its own order.
            let own = (0..12).map(|i| ids[(n * 3 + i * (2 * n % 5 + 1)) % ids.len()].clone()).collect::<Vec<_>>();
            world.start(&own)
        })
        .collect();
    for run in running {
        run.end(false).exits(0);
    }
    world.run(&ids).exits(0);
    for id in &ids {
        assert_eq!(world.media.asked(&format!("/{id}.png")), 1, "{id}");
    }
    assert_eq!(world.root()["tasks"].as_array().unwrap().len(), ids.len());
    let (code, found, _) = findings(&world, &[]);
    assert_eq!((code, found), (0, Vec::new()));
}
