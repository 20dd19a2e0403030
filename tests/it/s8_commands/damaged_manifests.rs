//! Sections 2 and 8: what can't be read is not treated as absent.
//!
//! "A task manifest that is missing, empty, zeroed, cut or unreadable as JSON is restored from the root manifest" ·
//! "A task folder that can't be entered keeps its entry in the root manifest, is named in a warning, and blocks
//! nothing else".

use std::fs;
use std::path::MAIN_SEPARATOR_STR;

use serde_json::{Value, json};

use crate::support::commands::{archive_two_tasks, findings, run_command};
use crate::support::{Reply, Run, World};

/// Damage that a failing disk, an editor or a crash does to a manifest.
fn damages(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = String::from_utf8(whole.to_vec()).unwrap();
    let mut rotted = whole.to_vec();
    let at = text.find("\"state\"").unwrap() + 2;
    rotted[at] ^= 0x80;
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect();
    vec![
        ("a rotted byte", rotted),
        ("a trailing comma", text.replace("\n  ]\n}", ",\n  ]\n}").into_bytes()),
        ("UTF-16, little end first", utf_16(u16::to_le_bytes)),
        ("UTF-16, big end first", utf_16(u16::to_be_bytes)),
        ("empty", Vec::new()),
        ("zeroed", vec![0; whole.len()]),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("no JSON", b"no manifest any more".to_vec()),
        ("without its task", text.replace("\"task_id\"", "\"task_ie\"").into_bytes()),
        ("of no task", br#"{"manifest_version": 1, "tasks": []}"#.to_vec()),
    ]
}

fn without_response(mut entry: Value) -> Value {
    entry.as_object_mut().unwrap().shift_remove("response");
    entry
}

fn derived(world: &World) -> [Vec<u8>; 2] {
    ["manifest.json", "SHA256SUMS"].map(|name| fs::read(world.archive().join(name)).unwrap())
}

/// Standard error contains all of `words`. A `/` in them is the separator of this system.
fn assert_stderr_contains(run: &Run, words: &[&str]) {
    let contains = |word: &&str| run.stderr.contains(&word.replace('/', MAIN_SEPARATOR_STR));
    assert!(words.iter().all(contains), "{words:?} {run:?}");
}

#[test]
fn verify_reports_and_index_restores_a_damaged_task_manifest() {
    let world = World::new();
    archive_two_tasks(&world);
    let (before, entry) = (derived(&world), without_response(world.task_entry("t1")));
    let path = world.archive().join("t1/manifest.json");
    let whole = fs::read(&path).unwrap();
    let damaged = damages(&whole).into_iter().map(|(name, bytes)| (name, Some(bytes)));
    for (name, bytes) in damaged.chain([("missing", None)]) {
        let finding = match bytes {
            Some(bytes) => fs::write(&path, bytes).map(|()| "damaged t1/manifest.json"),
            None => fs::remove_file(&path).map(|()| "missing t1/manifest.json"),
        };
        assert_eq!(findings(&run_command(&world, &["verify", "--json"]).exits(1)), [finding.unwrap()], "{name}");
        assert_stderr_contains(&run_command(&world, &["index"]).exits(0), &["t1/manifest.json", "restored"]);
        assert_eq!(derived(&world), before, "{name}");
        assert_eq!(world.task_entry("t1"), entry, "{name}");
        assert!(findings(&run_command(&world, &["verify", "--json"]).exits(0)).is_empty(), "{name}");
    }
}

#[test]
fn run_after_a_kill_restores_a_damaged_manifest() {
    let world = World::new();
    archive_two_tasks(&world);
    let (before, entry) = (derived(&world), without_response(world.task_entry("t1")));
    let path = world.archive().join("t1/manifest.json");
    let whole = fs::read(&path).unwrap();
    for (name, bytes) in damages(&whole) {
        fs::write(&path, bytes).unwrap();
        world.write_file("yescale/.committing-1-0", "");
        world.start(&["t2"]).wait(false).exits(0);
        assert_eq!((derived(&world), world.task_entry("t1")), (before.clone(), entry.clone()), "{name}");
    }
}

#[test]
fn get_restores_the_entry_from_the_root_with_all_links_dead() {
    for is_damaged in [true, false] {
        let world = World::new();
        archive_two_tasks(&world);
        let ([_, sums], files) = (derived(&world), world.task_entry("t1")["files"].clone());
        let path = world.archive().join("t1/manifest.json");
        if is_damaged {
            fs::write(&path, "{\"manifest_version\": 1;").unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        for name in ["/picture.png", "/video-1s.mp4"] {
            world.media.script(name, [Reply::status("404 Not Found")]);
        }
        world.run(&["t1"]).exits(0);
        // The gateway is asked again, so the whole entry is not compared.
        assert!(derived(&world)[1] == sums && world.task_entry("t1")["files"] == files, "damaged: {is_damaged}");
    }
}

#[test]
fn repair_restores_a_missing_manifest() {
    let world = World::new();
    archive_two_tasks(&world);
    let entry = without_response(world.task_entry("t2"));
    fs::remove_file(world.archive().join("t2/manifest.json")).unwrap();
    let requests = world.gateway_requests().len();
    run_command(&world, &["repair", "--json"]).exits(0);
    assert_eq!((world.task_entry("t2"), world.gateway_requests().len()), (entry, requests));
}

#[test]
fn changes_by_an_editor_are_not_damage() {
    let world = World::new();
    archive_two_tasks(&world);
    let before = derived(&world);
    let path = world.archive().join("t1/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let reversed: serde_json::Map<String, Value> = value.as_object().unwrap().clone().into_iter().rev().collect();
    for same in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), value.to_string(), Value::from(reversed).to_string()] {
        fs::write(&path, &same).unwrap();
        assert!(findings(&run_command(&world, &["verify", "--json"]).exits(0)).is_empty(), "{same}");
        assert!(run_command(&world, &["index"]).exits(0).stderr.is_empty());
        // Not `run`: the audit reads plain JSON only.
        assert!(world.start(&["t1"]).wait(false).exits(0).stderr.is_empty());
        assert_eq!((derived(&world), fs::read_to_string(&path).unwrap()), (before.clone(), same));
    }
}

#[test]
fn unrecoverable_manifest_is_reported_and_kept() {
    for bytes in ["{\"manifest_version\": 1, \"generator\": \"yescale-dl 0.2.0\", \"tasks\": [{]}", "no manifest any more"] {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("yescale/t1/manifest.json", bytes);
        fs::remove_file(world.archive().join("manifest.json")).unwrap();
        assert_stderr_contains(&run_command(&world, &["index"]).exits(1), &["t1/manifest.json", "damaged"]);
        assert_eq!(world.root_manifest()["tasks"][0]["task_id"], "t2");
        assert!(findings(&run_command(&world, &["verify", "--json"]).exits(1)).contains(&"damaged t1/manifest.json".to_owned()));
        run_command(&world, &["repair", "--json"]).exits(1);
        let run = world.start(&["--json", "t1", "t2"]).wait(false).exits(1);
        assert_eq!([run.state("t1"), run.state("t2")], ["error", "complete"]);
        assert_eq!(fs::read_to_string(world.archive().join("t1/manifest.json")).unwrap(), bytes);
    }
}

#[test]
fn folder_without_any_manifest_entry_is_reported() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::remove_file(world.archive().join("t1/manifest.json")).unwrap();
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    // Dot-files of other programs do not hide a folder.
    world.write_file("yescale/t1/.DS_Store", "");
    // An unfinished task and a foreign folder are not reported.
    world.write_file("yescale/t3/.video-1.part", "");
    world.write_file("yescale/photos/a.png", "mine");
    let run = run_command(&world, &["index"]).exits(1);
    assert_stderr_contains(&run, &["t1"]);
    assert!(!run.stderr.contains("t3") && !run.stderr.contains("photos"), "{run:?}");
}

#[test]
fn index_drops_a_missing_folder_and_reports_it() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::remove_dir_all(world.archive().join("t1")).unwrap();
    assert_stderr_contains(&run_command(&world, &["index"]).exits(0), &["t1", "gone"]);
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 1);
}

#[cfg(unix)]
#[test]
fn folder_replaced_by_a_symlink_keeps_its_entry() {
    let world = World::new();
    archive_two_tasks(&world);
    let (before, outside) = (derived(&world), world.home().join("outside"));
    fs::rename(world.archive().join("t1"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, world.archive().join("t1")).unwrap();
    assert_stderr_contains(&run_command(&world, &["index"]).exits(1), &["t1"]);
    assert_eq!(derived(&world), before);
}

#[test]
fn nested_archive_is_ignored_by_index() {
    let world = World::new();
    archive_two_tasks(&world);
    world.start(&["-o", "yescale/other", "t1", "t2"]).wait(false).exits(0);
    let before = derived(&world);
    assert!(run_command(&world, &["index"]).exits(0).stderr.is_empty());
    assert_eq!(derived(&world), before);
}

#[test]
fn foreign_task_manifest_is_kept_and_the_root_keeps_its_entry() {
    let other = json!({"manifest_version": 1, "tasks": [{"task_id": "other", "state": "complete"}]}).to_string();
    for foreign in [r#"{"name":"my app"}"#, r#"{"manifest_version":7,"tasks":[]}"#, &other] {
        let world = World::new();
        archive_two_tasks(&world);
        let before = derived(&world);
        world.write_file("yescale/t1/manifest.json", foreign);
        assert_stderr_contains(&run_command(&world, &["index"]).exits(1), &["t1/manifest.json"]);
        assert_eq!(derived(&world), before, "{foreign}");
        assert_eq!(findings(&run_command(&world, &["verify", "--json"]).exits(1)), ["damaged t1/manifest.json"]);
        assert_eq!(fs::read_to_string(world.archive().join("t1/manifest.json")).unwrap(), foreign);
    }
}

#[test]
fn readable_entries_of_a_damaged_root_manifest_are_used() {
    let world = World::new();
    archive_two_tasks(&world);
    let entry = without_response(world.task_entry("t1"));
    let root = world.archive().join("manifest.json");
    let whole = fs::read(&root).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let rotted = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] = 0xFF;
        bytes
    };
    let (second, first) = (text.find("\"t2\"").unwrap(), text.find("\"tasks\"").unwrap());
    for broken in [rotted(second - 3), rotted(first + 8), whole[..second].to_vec()] {
        fs::write(&root, broken).unwrap();
        fs::remove_file(world.archive().join("t1/manifest.json")).unwrap();
        run_command(&world, &["index"]).exits(0);
        assert_eq!((fs::read(&root).unwrap(), world.task_entry("t1")), (whole.clone(), entry.clone()));
    }
}

#[test]
fn fields_of_a_newer_version_survive_every_rewrite() {
    let world = World::new();
    archive_two_tasks(&world);
    let path = world.archive().join("t1/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["later"] = json!({"a": [1.50]});
    manifest["tasks"][0]["platform"] = json!("kling");
    manifest["tasks"][0]["files"][0]["facts"] = json!({"b": 1, "a": null});
    fs::write(&path, manifest.to_string()).unwrap();
    run_command(&world, &["index"]).exits(0);
    assert_eq!(world.root_manifest()["tasks"][0]["platform"], "kling");
    world.run_with_input(r#"{"id":"t1","prompt":"a cat"}"#, &["-i", "-"]).exits(0);
    fs::remove_file(world.archive().join("t1/image-1.png")).unwrap();
    run_command(&world, &["repair", "--json"]).exits(0);
    world.run(&["--force", "t1"]).exits(0);
    let after: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!((&after["later"], &after["tasks"][0]["meta"]["prompt"]), (&manifest["later"], &json!("a cat")));
    assert_eq!(after["tasks"][0]["platform"], "kling");
    assert_eq!(after["tasks"][0]["files"][0]["facts"], manifest["tasks"][0]["files"][0]["facts"]);
    assert_eq!(world.root_manifest()["tasks"][0]["files"][0]["facts"], manifest["tasks"][0]["files"][0]["facts"]);
}

/// Runs without access to some files. Root has access to everything, so under root the program runs as another user.
#[cfg(unix)]
mod refused {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::support::run::Running;

    const NOBODY: u32 = 65534;

    /// Runs the program as a user to whom permissions apply.
    fn run_as_user(world: &World, args: &[&str]) -> Run {
        let mut command = world.plain_command(args);
        if rustix::process::geteuid().is_root() {
            chown_all(world.home());
            command.uid(NOBODY).gid(NOBODY);
        }
        Running::start(command).wait(false)
    }

    fn chown_all(path: &Path) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        if fs::symlink_metadata(path).unwrap().is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                chown_all(&entry.unwrap().path());
            }
        }
    }

    /// Removes all permissions of a path until it is dropped.
    struct Closed(PathBuf, u32);

    fn close(path: PathBuf) -> Closed {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        Closed(path, mode)
    }

    impl Drop for Closed {
        fn drop(&mut self) {
            let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(self.1));
        }
    }

    #[test]
    fn unreadable_folder_is_reported_and_keeps_its_entry() {
        let world = World::new();
        archive_two_tasks(&world);
        let before = derived(&world);
        let closed = close(world.archive().join("t1"));
        assert_stderr_contains(&run_as_user(&world, &["index"]).exits(1), &["t1"]);
        assert_eq!(derived(&world), before);
        world.serve_task("t3", &json!({"text": "la"}));
        assert_stderr_contains(&run_as_user(&world, &["t3"]).exits(1), &["t1"]);
        world.write_file("yescale/.committing-1-0", "");
        assert_stderr_contains(&run_as_user(&world, &["t3"]).exits(1), &["t1"]);
        let named = |world: &World| world.root_manifest()["tasks"].as_array().unwrap().len();
        assert_eq!(named(&world), 3);
        for name in ["manifest.json", "SHA256SUMS"] {
            fs::remove_file(world.archive().join(name)).unwrap();
        }
        assert_stderr_contains(&run_as_user(&world, &["t3"]).exits(1), &["t1"]);
        assert_eq!(named(&world), 2, "the unreadable task is unknown, and the others are in the root manifest");
        drop(closed);
        assert_eq!(run_as_user(&world, &["index"]).exits(0).stderr, "");
        assert_eq!(named(&world), 3);
    }

    #[test]
    fn verify_continues_past_unreadable_files_and_reports_them() {
        let world = World::new();
        archive_two_tasks(&world);
        world.archive_task("t3");
        world.write_file("yescale/lost+found/x", "");
        let t4 = world.archive_task("t4");
        fs::remove_file(world.archive().join("t2/text.txt")).unwrap();
        let _closed = [
            close(world.archive().join("t1/image-1.png")),
            close(world.archive().join("t3")),
            close(t4.join("manifest.json")),
            close(world.archive().join("lost+found")),
        ];
        let run = run_as_user(&world, &["verify", "--json"]).exits(1);
        let expected = ["unreadable t1/image-1.png", "missing t2/text.txt", "unreadable t3", "unreadable t4/manifest.json"];
        assert_eq!((findings(&run), &run.summary()["unreadable"]), (expected.map(str::to_owned).to_vec(), &json!(3)));
        let lines = run_as_user(&world, &["verify"]).exits(1).stdout;
        assert!(lines.contains("3 unreadable"), "{lines}");
    }

    #[test]
    fn repair_fixes_the_readable_files_and_exits_with_1() {
        let world = World::new();
        archive_two_tasks(&world);
        world.archive_task("t3");
        fs::remove_file(world.archive().join("t2/text.txt")).unwrap();
        fs::remove_file(world.archive().join("t1/image-1.png")).unwrap();
        let closed = [close(world.archive().join("t3")), close(world.archive().join("t1/video-1.mp4"))];
        run_as_user(&world, &["repair", "--json"]).exits(1);
        assert!(world.archive().join("t2/text.txt").exists() && world.archive().join("t1/image-1.png").exists());
        drop(closed);
        assert!(findings(&run_command(&world, &["verify", "--json"]).exits(0)).is_empty());
        assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn export_and_gallery_report_unreadable_files_and_use_the_rest() {
        let world = World::new();
        archive_two_tasks(&world);
        let _closed = close(world.archive().join("t1"));
        let run = run_as_user(&world, &["export", "csv", "yescale"]).exits(1);
        assert!(run.stdout.contains("t2/image-1.gif") && !run.stdout.contains("t1/"), "{run:?}");
        assert_stderr_contains(&run, &["t1/video-1.mp4"]);
        fs::remove_file(world.archive().join("manifest.json")).unwrap();
        for args in [&["export", "csv", "yescale"][..], &["gallery", "yescale"]] {
            assert_stderr_contains(&run_as_user(&world, args).exits(1), &["t1"]);
        }
    }
}

#[test]
fn overlong_file_name_in_a_manifest_stops_nothing() {
    let world = World::new();
    archive_two_tasks(&world);
    let path = world.archive().join("t1/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["tasks"][0]["files"][1]["path"] = json!(format!("image-1.{}", "x".repeat(300)));
    fs::write(&path, manifest.to_string()).unwrap();
    run_command(&world, &["index"]).exits(0);
    fs::remove_file(world.archive().join("t1/text.txt")).unwrap();
    fs::remove_file(world.archive().join("t2/image-1.gif")).unwrap();
    let run = run_command(&world, &["verify", "--json"]).exits(1);
    let found: Vec<String> = findings(&run).into_iter().map(|finding| finding.chars().take(30).collect()).collect();
    assert!(found.contains(&"missing t2/image-1.gif".to_owned()) && found.contains(&"missing t1/text.txt".to_owned()), "{run:?}");
    // Wine reports an overlong name as a missing file, which can be repaired.
    let summary = run.summary();
    assert_eq!(summary["unreadable"].as_u64().unwrap() + summary["missing"].as_u64().unwrap(), 3, "{run:?}");
    let is_unreadable = summary["unreadable"] == 1;
    assert!(is_unreadable || cfg!(windows), "{run:?}");
    run_command(&world, &["repair", "--json"]).exits(i32::from(is_unreadable));
    assert!(world.archive().join("t2/image-1.gif").exists() && world.archive().join("t1/text.txt").exists());
}

#[test]
fn duplicate_entries_of_one_file_are_verified_once() {
    let world = World::new();
    archive_two_tasks(&world);
    let path = world.archive().join("t1/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let files = manifest["tasks"][0]["files"].as_array_mut().unwrap();
    let (size, mut twin) = (files[1]["size"].as_u64().unwrap(), files[1].clone());
    twin["index"] = json!(3);
    files.push(twin.clone());
    twin["index"] = json!(4);
    twin["sha256"] = json!("0".repeat(64));
    files.push(twin);
    fs::write(&path, manifest.to_string()).unwrap();
    let run = run_command(&world, &["verify", "--json", "yescale/t1"]).exits(1);
    let summary = run.summary();
    assert_eq!(findings(&run), ["damaged image-1.png"]);
    assert_eq!((&summary["files"], &summary["damaged"]), (&json!(4), &json!(1)), "a file is counted once");
    assert!(summary["bytes"].as_u64().unwrap() < 3 * size + 1_000_000);
}
