//! The filters and the order, which are the same for every command that has them.

use std::fs;

use serde_json::{Value, json};

use crate::support::audit::{read_tree, sha256};
use crate::support::commands::{findings, flip_bit, run_command};
use crate::support::run::Running;
use crate::support::{Run, World};

/// The bytes of a file in the archive of [`library`].
fn bytes(size: usize) -> Vec<u8> {
    vec![b'x'; size]
}

fn file(kind: &str, index: usize, extension: &str, size: usize) -> Value {
    json!({"kind": kind, "index": index, "path": format!("{kind}-{index}.{extension}"), "size": size,
        "sha256": sha256(&bytes(size)), "url": "https://h/x?sig=SECRET", "warnings": []})
}

/// Writes a task folder with its files. `folder` is the name that the layout gives it.
pub(crate) fn write_task(world: &World, folder: &str, task: &Value) {
    let mut task = task.clone();
    let defaults = [("state", json!("complete")), ("files", json!([])), ("errors", json!([]))];
    for (name, default) in defaults {
        task.as_object_mut().unwrap().entry(name).or_insert(default);
    }
    for file in task["files"].as_array().unwrap() {
        let size = usize::try_from(file["size"].as_u64().unwrap()).unwrap();
        world.write_file(&format!("yescale/{folder}/{}", file["path"].as_str().unwrap()), bytes(size));
    }
    if let Some(text) = task["text"].as_str() {
        world.write_file(&format!("yescale/{folder}/text.txt"), text);
        task["text_path"] = json!("text.txt");
    }
    let manifest = json!({"manifest_version": 1, "generator": "yescale-dl 0.2.0", "tasks": [task]});
    world.write_file(&format!("yescale/{folder}/manifest.json"), manifest.to_string());
}

/// An archive of four tasks: a film, a song, pictures of which one is missing at the host, and a failure.
pub(crate) fn library() -> World {
    let world = World::new();
    write_task(
        &world,
        "film",
        &json!({"task_id": "film", "platform": "kling", "model": "v2", "message": "YEScale - KLING",
            "finish_time": "2026-10-01T10:00:00Z", "meta": {"prompt": "Con MÈO trên mặt trăng"},
            "files": [file("video", 1, "mp4", 500), file("image", 1, "png", 10)]}),
    );
    write_task(
        &world,
        "song",
        &json!({"task_id": "song", "platform": "suno", "finish_time": "2026-10-02T10:00:00Z", "text": "[Verse]\nla la",
            "files": [file("audio", 1, "mp3", 300)]}),
    );
    write_task(
        &world,
        "shots",
        &json!({"task_id": "shots", "platform": "midjourney", "state": "incomplete", "submit_time": "2026-10-03T10:00:00Z",
            "files": [file("image", 1, "png", 20)],
            "errors": [{"kind": "image", "index": 2, "code": "dead_link", "http_status": 404, "error": "HTTP 404"}]}),
    );
    write_task(
        &world,
        "bad",
        &json!({"task_id": "bad", "platform": "kling", "state": "failed", "err_reason": "flagged",
            "finish_time": "2026-10-04T10:00:00Z"}),
    );
    run_command(&world, &["index"]).exits(0);
    world
}

/// The ids that `list --ids` prints, with further options.
fn listed(world: &World, args: &[&str]) -> String {
    run_command(world, &[&["list", "--ids"], args].concat()).exits(0).stdout.lines().collect::<Vec<_>>().join(" ")
}

fn csv_ids(run: &Run) -> Vec<String> {
    run.stdout.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn each_filter_selects_tasks() {
    let world = library();
    for (args, expected) in [
        (&[][..], "bad shots song film"),
        (&["--state", "failed,incomplete"], "bad shots"),
        (&["--kind", "video"], "film"),
        (&["--kind", "image"], "shots film"),
        (&["--kind", "text"], "song"),
        (&["--platform", "KLING"], "bad film"),
        (&["--platform", "suno,midjourney"], "shots song"),
        (&["--since", "2026-10-02T10:00:00Z"], "bad shots song"),
        (&["--until", "2026-10-02T10:00:00Z"], "song film"),
        (&["--since", "2026-10-02T10:00:01Z", "--until", "2026-10-03T09:59:59Z"], ""),
        (&["--grep", "con mèo"], "film"),
        (&["--grep", "VERSE"], "song"),
        (&["--grep", "v2"], "film"),
        (&["--grep", "SHOT"], "shots"),
        (&["--grep", "flagged"], ""),
        (&["--state", "failed", "--platform", "kling", "--grep", "BAD"], "bad"),
        (&["--state", "failed", "--platform", "suno"], ""),
    ] {
        assert_eq!(listed(&world, args), expected, "{args:?}");
    }
}

#[test]
fn until_a_date_includes_that_local_day() {
    let world = library();
    // 10:00 UTC on 1 October is 00:00 on 2 October there.
    for (zone, until, expected) in [
        ("UTC0", "2026-10-01", "film"),
        ("XXX-14", "2026-10-01", ""),
        ("XXX-14", "2026-10-02", "film"),
        ("XXX12", "2026-09-30", "film"),
    ] {
        let mut command = world.plain_command(&["list", "--ids", "--until", until]);
        command.env("TZ", zone);
        assert_eq!(Running::start(command).wait(false).exits(0).stdout.trim(), expected, "{zone} {until}");
    }
}

#[test]
fn order_is_that_of_the_sort_key_or_of_the_input() {
    let world = library();
    world.write_file("ids.txt", "song\n# no id\n{\"task_id\": \"bad\", \"prompt\": \"x\"}\nfilm\nsong\n");
    for (args, expected) in [
        (&["--reverse"][..], "film song shots bad"),
        (&["--sort", "id"], "bad film shots song"),
        (&["--sort", "id", "--reverse"], "song shots film bad"),
        (&["--sort", "size"], "film song shots bad"),
        (&["--sort", "size", "--kind", "image"], "shots film"),
        (&["--task", "song", "bad", "--task", "film"], "song bad film"),
        (&["--task", "song", "bad", "--reverse"], "bad song"),
        (&["--task", "song", "bad", "--sort", "time"], "bad song"),
        (&["-i", "ids.txt"], "song bad film"),
        (&["-i", "ids.txt", "--task", "film"], "film song bad"),
        (&["-i", "ids.txt", "--state", "complete", "--sort", "input"], "song film"),
    ] {
        assert_eq!(listed(&world, args), expected, "{args:?}");
    }
    let exported = |args: &[&str]| csv_ids(&run_command(&world, &[&["export", "csv"], args].concat()).exits(0)).join(" ");
    assert_eq!(exported(&[]), "film film song shots shots bad", "exports are oldest first");
    assert_eq!(exported(&["--reverse", "--kind", "image,audio"]), "shots shots song film");
    assert_eq!(exported(&["--task", "song", "film", "--kind", "video,audio"]), "song film");
    for command in [&["list"][..], &["export", "csv"], &["gallery", "-O", "x.html"]] {
        let run = run_command(&world, &[command, &["--sort", "input"]].concat()).exits(2);
        assert!(run.stderr.contains("--task or -i"), "{run:?}");
    }
}

#[test]
fn a_list_is_read_from_standard_input_and_checked() {
    let world = library();
    let piped = |text: &str, args: &[&str]| {
        let mut running = Running::start(world.plain_command(args));
        running.write(text);
        running.wait(false)
    };
    assert_eq!(piped("[\"song\", {\"id\": \"bad\"}]", &["list", "--ids", "-i", "-"]).exits(0).stdout, "song\nbad\n");
    assert_eq!(piped("# nothing\n", &["list", "-i", "-"]).exits(0).stdout, "", "an empty list selects nothing");
    for (text, args) in
        [("song\na b\n", &["list", "-i", "-"][..]), ("", &["list", "-i", "-", "-i", "-"]), ("", &["list", "-i", "nowhere"])]
    {
        let run = piped(text, args).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.starts_with("error: "), "{run:?}");
    }
}

#[test]
fn an_id_that_is_not_there_is_an_error_and_the_others_are_used() {
    let world = library();
    world.write_file("ids.txt", "t9\nsong\n");
    let error = "error: t9: the archive has no such task\n";
    for command in
        [&["list", "--ids"][..], &["list", "--paths"], &["list", "--json"], &["list"], &["export", "csv"], &["export", "jsonl"]]
    {
        for filter in [&["--task", "t9", "song"][..], &["-i", "ids.txt"]] {
            let run = run_command(&world, &[command, filter].concat()).exits(1);
            assert!(run.stdout.contains("song") && run.stderr == error, "{command:?}: {run:?}");
        }
    }
    let run = run_command(&world, &["verify", "--task", "t9", "song"]).exits(1);
    assert!(run.stdout.starts_with("2 files, ") && run.stderr == error, "{run:?}");
    assert!(
        run_command(&world, &["repair", "--task", "t9", "song"]).exits(1).stderr.contains("t9: the archive has no such task")
    );
    assert_eq!(run_command(&world, &["list", "--task", "song", "--state", "failed"]).exits(0).stderr, "");
}

#[test]
fn an_export_of_nothing_exits_with_1_and_writes_nothing() {
    let world = library();
    world.write_file("out", "old");
    let before = read_tree(world.home());
    for (format, filter) in [
        ("csv", &["--task", "nope"][..]),
        ("csv", &["--state", "partial"]),
        ("jsonl", &["--grep", "no such text"]),
        ("otio", &["--state", "failed"]),
        ("m3u8", &["--kind", "image"]),
        ("ffconcat", &["--task", "shots"]),
        ("bagit", &["--platform", "none"]),
    ] {
        let run =
            run_command(&world, &[&["export", format, "-O", if format == "bagit" { "bag" } else { "out" }], filter].concat());
        let run = run.exits(1);
        let why = if filter.contains(&"nope") { "nope: the archive has no such task" } else { "nothing to export" };
        assert!(run.stdout.is_empty() && run.stderr.contains(why) && run.stderr.lines().count() == 1, "{format}: {run:?}");
        if format != "bagit" {
            assert_eq!(run_command(&world, &[&["export", format], filter].concat()).exits(1).stdout, "");
        }
    }
    assert!(read_tree(world.home()) == before);
    // An error of the target is named first.
    run_command(&world, &["export", "csv", "-O", "yescale/manifest.json", "--task", "nope"]).exits(2);
}

#[test]
fn filtered_verify_checks_only_the_selected_files() {
    let world = library();
    world.write_file("yescale/film/foreign.txt", "mine");
    world.write_file("yescale/foreign.txt", "mine");
    flip_bit(&world, "film/video-1.mp4");
    fs::remove_file(world.archive().join("film/image-1.png")).unwrap();
    fs::remove_file(world.archive().join("song/text.txt")).unwrap();
    fs::remove_dir_all(world.archive().join("shots")).unwrap();
    let verified = |args: &[&str], code| findings(&run_command(&world, &[&["verify", "--json"], args].concat()).exits(code));
    assert_eq!(verified(&["--task", "bad"], 0), [""; 0]);
    assert_eq!(verified(&["--task", "song"], 1), ["missing song/text.txt"]);
    assert_eq!(verified(&["--kind", "audio"], 0), [""; 0]);
    assert_eq!(verified(&["--kind", "text"], 1), ["missing song/text.txt"]);
    assert_eq!(verified(&["--kind", "video"], 1), ["damaged film/video-1.mp4"]);
    assert_eq!(verified(&["--kind", "image"], 1), ["missing film/image-1.png", "missing shots/image-1.png"]);
    assert_eq!(verified(&["--platform", "kling", "--quick"], 1), ["missing film/image-1.png"]);
    assert_eq!(verified(&["--state", "incomplete"], 1), ["missing shots/image-1.png"]);
    assert_eq!(verified(&["yescale/film", "--grep", "mèo", "--kind", "video"], 1), ["damaged video-1.mp4"]);
    assert!(verified(&[], 1).contains(&"unknown film/foreign.txt".to_owned()));
}

#[test]
fn a_broken_manifest_is_reported_unless_other_ids_are_asked_for() {
    let world = library();
    world.write_file("yescale/film/manifest.json", "{\"manifest_version\": 1, \"tasks\": [{\"task_id\"");
    let verified = |args: &[&str], code| findings(&run_command(&world, &[&["verify", "--json"], args].concat()).exits(code));
    // The root manifest still describes the task.
    assert_eq!(verified(&["--platform", "kling"], 1), ["damaged film/manifest.json"]);
    assert_eq!(verified(&["--platform", "suno"], 0), [""; 0]);
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    assert_eq!(verified(&["--platform", "suno"], 1), ["damaged film/manifest.json"], "it may be one of suno");
    assert_eq!(verified(&["--task", "song"], 0), [""; 0]);
    assert_eq!(verified(&["--task", "film"], 1), ["damaged film/manifest.json"]);
}

#[test]
fn filtered_repair_fetches_only_the_selected_files() {
    let world = World::new();
    let (png, gif) = (world.serve_sample("picture.png"), world.serve_sample("picture.gif"));
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")], "images": [png]}));
    world.serve_task("t2", &json!({"images": [gif]}));
    world.run(&["t1", "t2"]).exits(0);
    for path in ["t1/video-1.mp4", "t1/image-1.png", "t2/image-1.gif"] {
        fs::remove_file(world.archive().join(path)).unwrap();
    }
    let repair = |filter: &[&str]| {
        run_command(&world, &[&["repair", "--retry-delay", "0s"], filter].concat()).exits(0);
        let files = ["t1", "t2"].map(|folder| world.files(folder).join(" "));
        (world.requested_paths().len(), files)
    };
    let requests = world.requested_paths().len();
    let files = |t1: &str, t2: &str| [t1.to_owned(), t2.to_owned()];
    assert_eq!(repair(&["--kind", "video"]), (requests + 1, files("video-1.mp4", "")));
    assert_eq!(repair(&["--task", "t2"]), (requests + 2, files("video-1.mp4", "image-1.gif")));
    assert_eq!(repair(&["--state", "failed"]), (requests + 2, files("video-1.mp4", "image-1.gif")));
    assert_eq!(repair(&["--kind", "image"]), (requests + 3, files("image-1.png video-1.mp4", "image-1.gif")));
}

#[test]
fn filtered_gallery_needs_a_file_of_its_own() {
    let world = library();
    let before = read_tree(world.home());
    for filter in [&["--state", "failed"][..], &["--task", "song"], &["--sort", "id"], &["--reverse"]] {
        let run = run_command(&world, &[&["gallery"], filter].concat()).exits(2);
        assert!(run.stderr.contains("-O FILE"), "{run:?}");
    }
    run_command(&world, &["gallery", "-O", "yescale/index.html", "--state", "failed"]).exits(2);
    run_command(&world, &["gallery", "-O", "page.html", "--task", "nope"]).exits(1);
    assert!(read_tree(world.home()) == before);
    fs::create_dir_all(world.home().join("a b")).unwrap();
    let run = run_command(&world, &["gallery", "-O", "a b/page.html", "--kind", "image"]).exits(0);
    assert!(run.stdout.contains("wrote a b/page.html: 2 tasks, 2 files"), "{run:?}");
    let page = fs::read_to_string(world.home().join("a b/page.html")).unwrap();
    assert!(page.contains(r#"data-base="../yescale/""#) && page.contains("image-1.png"));
    assert!(!page.contains("video-1.mp4") && !page.contains("SECRET"));
    assert!(page.find("\"shots\"").unwrap() < page.find("\"film\"").unwrap(), "newest first");
}

#[test]
fn index_takes_no_filter_and_then_writes_nothing() {
    let world = library();
    let before = world.tree();
    for filter in [&["--task", "film"][..], &["--kind", "video"], &["--since", "1d"], &["--platform", "kling"], &["--grep", "x"]]
    {
        let run = run_command(&world, &[&["index"], filter].concat()).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains(filter[0]), "{run:?}");
        assert!(world.tree() == before, "{filter:?}");
    }
}
