//! The options of the main job that select and control downloads.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::{Gate, KEY, Reply, Run, World, sample};

fn texts(world: &World, ids: &[&str]) {
    for id in ids {
        world.serve_task(id, &json!({"text": id}));
    }
}

fn archived_ids(world: &World) -> Vec<String> {
    world.root_manifest()["tasks"].as_array().unwrap().iter().map(|task| task["task_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn input_file_has_ids_comments_blank_lines_and_json() {
    let world = World::new();
    texts(&world, &["a", "b", "c", "777935781150867525777", "e", "f", "1.50"]);
    let list = "\u{feff}a\r\n\r\n  # not-an-id\n#b\n\t b \n{\"task_id\":\"c\"}\n{\"id\":777935781150867525777}\n{\"task_id\":1.50}\n{\"task_id\":null,\"id\":\"e\"}\nf";
    world.write_file("ids.txt", list);
    world.run(&["-i", "ids.txt"]).exits(0);
    assert_eq!(archived_ids(&world), ["1.50", "777935781150867525777", "a", "b", "c", "e", "f"]);
}

#[test]
fn input_files_add_to_arguments_and_repeated_ids_count_once() {
    let world = World::new();
    texts(&world, &["a", "b", "c"]);
    world.write_file("one.txt", "b\na\nb\n");
    world.write_file("two.txt", "c\n{\"id\":\"a\"}\n");
    let run = world.run_json(&["a", " a ", "--input-file", "one.txt", "-i", "two.txt"]).exits(0);
    assert_eq!((run.summary()["complete"].as_u64(), world.gateway_requests().len()), (Some(3), 3));
}

#[test]
fn other_json_fields_become_meta_and_the_first_line_wins() {
    let world = World::new();
    texts(&world, &["a", "b", "c"]);
    let list = r#"{"z":1.50,"task_id":"a","id":7,"big":12345678901234567890123,"n":null}
{"task_id":"a","z":"second"}
b
{"task_id":"b","z":"second"}
{"task_id":"c"}
"#;
    world.run_with_input(list, &["-i", "-"]).exits(0);
    assert_eq!(world.task_entry("a")["meta"].to_string(), r#"{"z":1.50,"id":7,"big":12345678901234567890123,"n":null}"#);
    assert_eq!((world.task_entry("b").get("meta"), world.task_entry("c").get("meta")), (None, None));
}

#[test]
fn ids_on_standard_input_are_streamed() {
    let world = World::new();
    texts(&world, &["a", "b"]);
    let mut running = world.start(&["--json", "-i", "-"]);
    running.write("a\n");
    running.read_line();
    let first: Value = serde_json::from_str(&running.read_line()).unwrap();
    assert_eq!((&first["event"], &first["task_id"]), (&json!("task"), &json!("a")), "reported before the list has ended");
    running.write("b\n");
    assert_eq!(world.audit(running.wait(false)).exits(0).state("b"), "complete");
}

#[test]
fn id_that_looks_like_an_option_follows_double_dash() {
    let world = World::new();
    texts(&world, &["-x", "--json"]);
    world.run(&["--", "-x", "--json"]).exits(0);
    assert_eq!(archived_ids(&world), ["--json", "-x"]);
}

#[test]
fn only_downloads_the_named_kinds() {
    let world = World::new();
    let all = json!({"videos": [world.serve_sample("video-1s.mp4")], "images": [world.serve_sample("picture.png")], "audio": [world.serve_sample("song.mp3")], "text": "la"});
    for (n, (only, files)) in [
        (&["--only", "video"][..], &["video-1.mp4"][..]),
        (&["--only", "image,text"], &["image-1.png", "text.txt"]),
        (&["--only", "audio", "--only", "video"], &["audio-1.mp3", "video-1.mp4"]),
        (&["--only", "text"], &["text.txt"]),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("t{n}");
        world.serve_task(&id, &all);
        let run = world.run_json(&[&[id.as_str()], only].concat()).exits(0);
        assert_eq!((run.state(&id).as_str(), world.files(&id)), ("partial", files.iter().map(|f| (*f).to_owned()).collect()));
        assert_eq!(world.task_entry(&id)["errors"], json!([]));
    }
    assert_eq!(world.media.heads().len(), 4, "kinds that were left out were not fetched");
    world.run(&["t1", "--only", "pictures"]).exits(2);
}

#[test]
fn only_applies_to_a_single_url_once_its_kind_is_known() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::ok(sample("song.mp3")).content_type("audio/mpeg")]);
    world.serve_task("t1", &json!({"url": url}));
    assert_eq!(world.run_json(&["t1", "--only", "video"]).exits(0).state("t1"), "partial");
    assert_eq!(world.files("t1"), Vec::<String>::new());
    assert_eq!(world.run_json(&["t1", "--only", "audio"]).exits(0).state("t1"), "complete");
    assert_eq!(world.files("t1"), ["audio-1.mp3"]);
}

#[test]
fn recovered_single_url_leaves_no_error_entry() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::status("404 Not Found")]);
    world.serve_task("t1", &json!({"url": url}));
    world.run(&["t1", "--only", "audio"]).exits(1);
    world.media.script("/x", [Reply::ok(sample("song.mp3")).content_type("audio/mpeg")]);
    world.run(&["t1", "--only", "audio"]).exits(0);
    assert_eq!((&world.task_entry("t1")["errors"], world.files("t1")), (&json!([]), vec!["audio-1.mp3".to_owned()]));
}

#[test]
fn pasted_base_urls_are_normalized() {
    for suffix in ["", "/", "//", "/v1", "/v1/", " ", "/v1 \n"] {
        let world = World::new();
        texts(&world, &["t1"]);
        let base = format!(" {}{suffix}", world.base_url());
        let mut command = world.command(&["t1", "--base-url", &base]);
        command.env("YESCALE_BASE_URL", "http://127.0.0.1:1");
        crate::support::run::Running::start(command).wait(false).exits(0);
        assert_eq!(world.requested_paths(), ["/task/t1"], "{suffix:?}: the command line wins over the environment");
        let mut command = world.command(&["t1", "--force"]);
        command.env("YESCALE_BASE_URL", &base);
        crate::support::run::Running::start(command).wait(false).exits(0);
        assert_eq!(world.requested_paths(), ["/task/t1"; 2], "{suffix:?}: and the environment is read as it is");
    }
}

/// Runs without a key in the environment and with `input` on standard input.
fn without_key(world: &World, args: &[&str], input: &str) -> Run {
    let mut command = world.command(args);
    command.env_remove("YESCALE_API_KEY");
    let mut running = crate::support::run::Running::start(command);
    running.write(input);
    world.audit(running.wait(false))
}

#[test]
fn key_is_read_from_a_file_or_standard_input() {
    let world = World::new();
    texts(&world, &["a", "b", "c"]);
    world.write_file("key.txt", format!("{KEY}\r\n"));
    without_key(&world, &["a", "--api-key-file", "key.txt"], "").exits(0);
    without_key(&world, &["b", "--api-key-file", "-"], &format!("  {KEY}\n")).exits(0);
    let mut command = world.command(&["c", "--api-key-file", "key.txt"]);
    command.env("YESCALE_API_KEY", "sk-from-the-environment");
    crate::support::run::Running::start(command).wait(false).exits(0);
    assert!(
        world.gateway_requests().iter().all(|question| question.headers["authorization"] == format!("Bearer {KEY}").as_str())
    );
    for option in ["--api-key", "--key", "--token"] {
        world.run(&[option, "sk-x", "a"]).exits(2);
    }
}

#[test]
fn jobs_limits_concurrent_downloads() {
    let world = World::new();
    let (first, second) = (Gate::default(), Gate::default());
    let image = || Reply::ok(sample("picture.png"));
    // The first two wait for each other, so two downloads do run at once.
    let mut urls = vec![
        world.media.script("/a", [image().notify_on_request(&first).after_gate(&second)]),
        world.media.script("/b", [image().notify_on_request(&second).after_gate(&first)]),
    ];
    urls.extend((0..8).map(|n| world.media.script(&format!("/{n}"), [image()])));
    world.serve_task("t1", &json!({"images": urls}));
    world.run(&["t1", "-j", "2"]).exits(0);
    assert_eq!(world.media.max_active(), 2);
    world.run(&["t1", "-j", "0"]).exits(2);
}

#[test]
fn retries_count_attempts_after_the_first() {
    let world = World::new();
    for (retries, tries) in [("0", 1), ("3", 4)] {
        let path = format!("/{retries}");
        world.serve_task("t1", &json!({"images": [world.media.script(&path, [Reply::status("500 Oops")])]}));
        world.run(&["t1", "--retries", retries]).exits(1);
        assert_eq!(world.media.request_count(&path), tries);
    }
}

#[test]
fn mtime_sets_the_finish_time_of_the_task() {
    let world = World::new();
    for (id, finished) in [("s", json!(1_753_598_990)), ("ms", json!(1_753_598_990_000_u64))] {
        world.answer(
            id,
            &json!({"status": "SUCCESS", "finish_time": finished, "task_result": {"images": [world.serve_sample("picture.png")]}}),
        );
        world.run(&[id, "--mtime"]).exits(0);
        let modified = fs::metadata(world.archive().join(id).join("image-1.png")).unwrap().modified().unwrap();
        assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(1_753_598_990), "{id}");
    }
    world.serve_task("unknown", &json!({"images": [world.serve_sample("picture.png")]}));
    world.run(&["unknown", "--mtime"]).exits(0);
}

#[test]
fn dry_run_prints_paths_and_writes_nothing() {
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [{"url": world.serve_sample("video-1s.mp4"), "content_type": "video/mp4"}], "images": ["ftp://h/x"], "text": "la"}));
    world.serve_task("t2", &json!({"text": "la"}));
    let run = world.run(&["--dry-run", "t1", "t2", "--only", "video,image"]);
    assert!(run.stdout.contains("yescale/t1/video-1.mp4") || run.stdout.contains("yescale\\t1\\video-1.mp4"), "{}", run.stdout);
    assert!(!world.archive().exists(), "not even the archive's folder");
    assert_eq!((world.media.heads().len(), world.gateway_requests().len()), (0, 2));

    let world = World::new();
    world.archive_task("t1");
    let (before, requests) = (world.tree(), world.media.heads().len());
    world.run(&["--dry-run", "--force", "t1"]).exits(0);
    world.run_with_input(r#"{"id":"t1","prompt":"x"}"#, &["--dry-run", "-i", "-"]).exits(0);
    assert_eq!((world.tree(), world.media.heads().len()), (before, requests));
}

#[test]
fn user_agent_option_sets_the_header() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    world.run(&["t1", "--user-agent", "curl/8"]).exits(0);
    assert_eq!(world.gateway_requests()[0].headers["user-agent"], "curl/8");
    assert!(world.media.heads()[0].contains("user-agent: curl/8"), "{}", world.media.heads()[0]);
    world.run(&["t1", "--user-agent", "a\nb"]).exits(2);
}

#[test]
fn force_fetches_everything_again() {
    let world = World::new();
    world.archive_task("t1");
    world.run(&["t1", "--force"]).exits(0);
    assert_eq!((world.media.request_count("/picture.png"), world.gateway_requests().len()), (2, 2));
}
