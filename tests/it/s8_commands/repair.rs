//! `repair`: "fetches again what is damaged or missing, by the task id … A healthy file is never touched."

use std::fs;

use serde_json::{Value, json};

use crate::support::commands::{archive_two_tasks, findings, flip_bit, run_command};
use crate::support::{Answer, KEY, Reply, Run, World, sample};

/// Runs `repair` and audits the archive.
fn repair(world: &World, args: &[&str]) -> Run {
    world.audit(run_command(world, &[&["repair", "--json", "--retry-delay", "0s"], args].concat()))
}

/// The files that must be unchanged when only `paths` were repaired.
pub(super) fn tree_without(world: &World, paths: &[&str]) -> crate::support::audit::Tree {
    let mut tree = world.tree();
    tree.retain(|name, _| !paths.contains(&name.as_str()));
    tree
}

pub(super) fn assert_intact(world: &World) {
    let run = run_command(world, &["verify", "--json"]).exits(0);
    assert!(findings(&run).is_empty(), "{run:?}");
}

#[test]
fn only_lost_files_are_fetched_and_healthy_ones_untouched() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/video-1.mp4");
    fs::remove_file(world.archive().join("t2/image-1.gif")).unwrap();
    // The manifests may be rewritten: they have a time.
    let lost = ["t1/video-1.mp4", "t2/image-1.gif", "manifest.json", "SHA256SUMS", "t1/manifest.json", "t2/manifest.json"];
    let (before, requests, files) =
        (tree_without(&world, &lost), world.gateway_requests().len(), world.task_entry("t1")["files"].clone());
    let run = repair(&world, &[]).exits(0);
    assert_eq!(findings(&run), ["damaged t1/video-1.mp4", "missing t2/image-1.gif"]);
    assert_eq!(run.events_of("file").len(), 2);
    assert!(tree_without(&world, &lost) == before, "the healthy files were touched");
    assert_eq!(world.task_entry("t1")["files"], files, "the fetched bytes are the same");
    assert_eq!(["/video-1s.mp4", "/picture.gif", "/picture.png"].map(|path| world.media.request_count(path)), [2, 2, 2]);
    assert_eq!(world.gateway_requests().len(), requests + 2);
    assert_intact(&world);
}

#[test]
fn intact_archive_needs_no_request() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("yescale/notes.txt", "mine");
    let (before, requests) = (world.tree(), world.gateway_requests().len());
    repair(&world, &[]).exits(0);
    assert_eq!((world.tree(), world.gateway_requests().len()), (before, requests));
}

#[test]
fn fresh_links_replace_dead_recorded_links() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/image-2.png");
    let fresh = world.media.script("/fresh", [Reply::ok(sample("picture.png"))]);
    world.media.script("/picture.png", [Reply::status("410 Gone")]);
    world.serve_task("t1", &json!({"videos": [fresh], "images": [fresh, fresh], "text": "la\nla"}));
    let before = world.media.heads().len();
    repair(&world, &[]).exits(0);
    assert_eq!((world.media.request_count("/fresh"), world.media.heads().len()), (1, before + 1));
    assert_intact(&world);
}

#[test]
fn text_is_restored_from_the_manifest_without_a_request() {
    for damage in [None, Some("LA\nLA"), Some("")] {
        let world = World::new();
        archive_two_tasks(&world);
        let (before, requests) = (tree_without(&world, &["t1/text.txt"]), world.gateway_requests().len());
        match damage {
            None => fs::remove_file(world.archive().join("t1/text.txt")).unwrap(),
            Some(text) => fs::write(world.archive().join("t1/text.txt"), text).unwrap(),
        }
        repair(&world, &[]).exits(0);
        assert_eq!(fs::read(world.archive().join("t1/text.txt")).unwrap(), b"la\nla");
        assert_eq!((tree_without(&world, &["t1/text.txt"]), world.gateway_requests().len()), (before, requests));
    }
}

#[test]
fn changed_remote_file_is_accepted_with_a_new_hash_and_warning() {
    let world = World::new();
    archive_two_tasks(&world);
    let meta = world.task_entry("t1")["archived_at"].clone();
    flip_bit(&world, "t1/image-1.png");
    world.media.script("/picture.png", [Reply::ok(sample("picture.jpg")).content_type("image/png")]);
    let before = tree_without(&world, &["t1/image-1.png", "t1/manifest.json", "manifest.json", "SHA256SUMS"]);
    let run = repair(&world, &[]).exits(0);
    assert_eq!(run.events_of("file").len(), 1);
    let file = &world.task_entry("t1")["files"][1];
    assert_eq!(file["size"], sample("picture.jpg").len());
    assert!(!file["warnings"].as_array().unwrap().is_empty(), "{file}");
    assert!(world.task_entry("t1")["files"][2]["warnings"].as_array().unwrap().is_empty() && meta.is_string());
    let after = tree_without(&world, &["t1/image-1.png", "t1/manifest.json", "manifest.json", "SHA256SUMS"]);
    assert!(before.iter().all(|(name, found)| after.get(name) == Some(found)));
    assert_intact(&world);
}

#[test]
fn failed_repair_keeps_files_and_entries_and_exits_with_1() {
    let less = json!({"status": "SUCCESS", "task_result": {"text": "la\nla"}});
    for (answer, link) in [
        (Some(Answer::json(404, &json!({"error": "Task not found"}))), None),
        (Some(Answer::json(200, &json!({"status": "FAILURE", "err_reason": "expired"}))), None),
        (Some(Answer::json(200, &json!({"status": "SUCCESS", "task_result": {}}))), None),
        (Some(Answer::json(200, &less)), None),
        (Some(Answer::raw(200, "{")), None),
        (None, Some(Reply::status("404 Not Found"))),
        (None, Some(Reply::ok("<!doctype html><html>"))),
        (None, Some(Reply::ok(""))),
    ] {
        let world = World::new();
        archive_two_tasks(&world);
        flip_bit(&world, "t1/image-1.png");
        let case = format!("answer {}, link {}", answer.is_some(), link.is_some());
        if let Some(answer) = answer {
            world.answers("t1", [answer]);
        }
        if let Some(link) = link {
            world.media.script("/picture.png", [link]);
        }
        let (before, entry) = (world.tree(), world.task_entry("t1"));
        let run = run_command(&world, &["repair", "--json", "--retry-delay", "0s", "--retries", "1"]).exits(1);
        assert!(!run.stderr.is_empty() && run.state("t1") != "complete", "{case} {run:?}");
        let media = |tree: &crate::support::audit::Tree| {
            let media = tree.iter().filter(|(name, _)| name.starts_with('t') && !name.ends_with("manifest.json"));
            media.map(|(name, found)| (name.clone(), found.1)).collect::<Vec<_>>()
        };
        assert_eq!(media(&world.tree()), media(&before), "{case}");
        // The state may change to report the missing file.
        for key in ["files", "text", "text_path", "meta"] {
            assert_eq!(world.task_entry("t1")[key], entry[key], "{case}");
        }
        let left = run_command(&world, &["verify", "--json"]).exits(1);
        assert_eq!(findings(&left), ["damaged t1/image-1.png"]);
    }
}

#[test]
fn healthy_text_is_not_replaced_by_a_different_response_text() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/image-1.png");
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")], "images": [png, png], "text": "other"}));
    let before = world.tree()["t1/text.txt"].clone();
    repair(&world, &[]).exits(0);
    assert!(world.tree()["t1/text.txt"] == before, "{}", String::from_utf8_lossy(&world.tree()["t1/text.txt"].0));
    assert_eq!(world.task_entry("t1")["text"], "la\nla");
}

#[test]
fn pending_task_leaves_the_archive_unchanged() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/image-1.png");
    world.answer("t1", &json!({"status": "IN_PROGRESS"}));
    let before = world.tree();
    let code = run_command(&world, &["repair", "--json"]).code;
    assert!(matches!(code, Some(1 | 3)) && world.tree() == before, "{code:?}");
}

#[test]
fn single_task_folder_is_repaired_in_place() {
    for to in ["yescale/t1", "mail/the best one"] {
        let world = World::new();
        archive_two_tasks(&world);
        let folder = world.home().join(to);
        fs::create_dir_all(world.home().join("mail")).unwrap();
        fs::rename(world.archive().join("t1"), &folder).unwrap();
        for name in ["manifest.json", "SHA256SUMS"] {
            fs::remove_file(world.archive().join(name)).unwrap();
        }
        fs::write(folder.join("image-2.png"), "damaged").unwrap();
        fs::remove_file(folder.join("text.txt")).unwrap();
        let run = run_command(&world, &["repair", "--json", "--retry-delay", "0s", to]).exits(0);
        assert_eq!(findings(&run), ["damaged image-2.png", "missing text.txt"]);
        let path = run.events_of("file")[0]["path"].as_str().unwrap().to_owned();
        assert_eq!(fs::read(world.home().join(path)).unwrap(), sample("picture.png"));
        let names: Vec<String> = crate::support::audit::read_tree(&folder).into_keys().collect();
        assert_eq!(names, ["image-1.png", "image-2.png", "manifest.json", "text.txt", "video-1.mp4"]);
        let beside = crate::support::audit::read_tree(folder.parent().unwrap());
        assert!(!beside.keys().any(|name| !name.contains('/')), "{:?}", beside.keys());
        run_command(&world, &["verify", to]).exits(0);
    }
}

#[test]
fn repair_keeps_partial_states_and_recorded_errors() {
    let world = World::new();
    let (png, mp4) = (world.serve_sample("picture.png"), world.serve_sample("video-1s.mp4"));
    let dead = world.media.script("/dead", [Reply::status("404 Not Found")]);
    world.serve_task("part", &json!({"videos": [mp4], "images": [png, png]}));
    world.serve_task("less", &json!({"videos": [dead], "images": [png, png]}));
    world.run(&["part", "--only", "image"]).exits(0);
    world.run(&["less"]).exits(1);
    let (before, dead_asked) = (["part", "less"].map(|id| world.task_entry(id)), world.media.request_count("/dead"));
    flip_bit(&world, "part/image-1.png");
    flip_bit(&world, "less/image-2.png");
    repair(&world, &[]);
    for (before, id) in before.iter().zip(["part", "less"]) {
        let after = world.task_entry(id);
        assert_eq!([&after["state"], &after["errors"], &after["files"]], [&before["state"], &before["errors"], &before["files"]]);
    }
    assert_eq!(
        (world.media.request_count("/dead"), world.media.request_count("/video-1s.mp4")),
        (dead_asked, 0),
        "only what is lost"
    );
    assert_intact(&world);
}

#[test]
fn repair_without_a_valid_key_changes_nothing() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/image-1.png");
    let before = world.tree();
    let mut command = world.plain_command(&["repair"]);
    command.env_remove("YESCALE_API_KEY");
    let run = crate::support::run::Running::start(command).wait(false).exits(2);
    assert!(run.stderr.contains("YESCALE_API_KEY") && !run.stderr.contains(KEY), "{run:?}");
    world.answers("t1", [Answer::json(401, &json!({"error": "bad key"}))]);
    run_command(&world, &["repair", "--retry-delay", "0s"]).exits(2);
    assert_eq!(world.tree(), before);
}

#[cfg(unix)]
#[test]
fn unsafe_path_is_left_alone_and_not_a_success() {
    let world = World::new();
    archive_two_tasks(&world);
    let outside = world.write_file("outside.png", "mine");
    let link = world.archive().join("t1/image-1.png");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let run = run_command(&world, &["repair", "--json", "--retry-delay", "0s"]).exits(1);
    assert_eq!(findings(&run), ["unsafe t1/image-1.png"]);
    assert_eq!((fs::read(&outside).unwrap().as_slice(), link.is_symlink()), (b"mine".as_slice(), true));
}

#[cfg(unix)]
#[test]
fn unsafe_finding_outranks_a_pending_task() {
    let world = World::new();
    archive_two_tasks(&world);
    let link = world.archive().join("t1/image-1.png");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(world.write_file("outside.png", "mine"), &link).unwrap();
    fs::remove_file(world.archive().join("t2/image-1.gif")).unwrap();
    world.answer("t2", &json!({"status": "IN_PROGRESS"}));
    let run = run_command(&world, &["repair", "--json"]).exits(1);
    assert_eq!((run.state("t2").as_str(), findings(&run)[0].as_str()), ("pending", "unsafe t1/image-1.png"));
}

#[test]
fn task_in_a_hashed_folder_is_requested_by_its_real_id() {
    let world = World::new();
    let odd = "Odd Id/ä";
    world.answers_at(
        "/task/Odd%20Id%2F%C3%A4",
        [Answer::json(200, &crate::support::success(&json!({"images": [world.serve_sample("picture.png")]})))],
    );
    world.run(&["--", odd]).exits(0);
    let folder = crate::support::audit::hashed_folder(odd);
    flip_bit(&world, &format!("{folder}/image-1.png"));
    let run = repair(&world, &[]).exits(0);
    let path = std::path::Path::new("yescale").join(&folder);
    assert_eq!(run.task(odd)["path"], Value::String(path.display().to_string()));
    assert_intact(&world);
}
