//! `verify`: "hashes every file that a manifest names", reports each fault, and changes nothing.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;

use crate::support::audit::sha256;
use crate::support::commands::{archive_two_tasks, assert_findings, findings, flip_bit, run_command};
use crate::support::run::Running;
use crate::support::{World, sample};

#[test]
fn intact_archive_has_no_findings_and_counts_every_file() {
    let world = World::new();
    archive_two_tasks(&world);
    let before = world.tree();
    for args in [&["verify", "--json"][..], &["verify", "yescale", "--json", "--quick"]] {
        let run = run_command(&world, args).exits(0);
        let size = |name: &str| sample(name).len();
        let bytes = size("video-1s.mp4") + 2 * size("picture.png") + size("picture.gif") + "la\nla".len() + "lo".len();
        let mut summary = run.summary();
        assert!(summary.as_object_mut().unwrap().shift_remove("seconds").unwrap().is_number());
        assert!(summary.as_object_mut().unwrap().shift_remove("time").unwrap().is_string());
        let expected = json!({"event": "summary", "of": "verify", "files": 6, "bytes": bytes, "damaged": 0, "missing": 0, "unreadable": 0, "unsafe": 0, "unknown": 0});
        assert_eq!((run.events().len(), summary), (2, expected));
    }
    let run = run_command(&world, &["verify"]).exits(0);
    assert_eq!((run.stdout.lines().count(), run.stderr.as_str()), (1, ""), "a summary alone: {run:?}");
    assert_eq!((world.tree(), world.gateway_requests().len()), (before, 2), "it works offline and changes nothing");
}

#[test]
fn findings_of_every_kind_are_sorted_by_path() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/image-1.png");
    fs::write(world.archive().join("t1/image-2.png"), "cut").unwrap();
    fs::remove_file(world.archive().join("t1/video-1.mp4")).unwrap();
    fs::write(world.archive().join("t1/text.txt"), "la\nlo").unwrap();
    fs::remove_file(world.archive().join("t2/text.txt")).unwrap();
    for path in ["notes.txt", "t2/video-9.mp4", "photos/deep/a.png", "t1/.hidden", ".DS_Store", ".git/config"] {
        world.write_file(&format!("yescale/{path}"), "mine");
    }
    let expected = [
        "unknown notes.txt",
        "unknown photos/deep/a.png",
        "damaged t1/image-1.png",
        "damaged t1/image-2.png",
        "damaged t1/text.txt",
        "missing t1/video-1.mp4",
        "missing t2/text.txt",
        "unknown t2/video-9.mp4",
    ];
    assert_findings(&world, &expected);
    let run = run_command(&world, &["verify", "--json"]);
    let summary = run.summary();
    assert_eq!(["damaged", "missing", "unsafe", "unknown", "files"].map(|key| summary[key].as_u64().unwrap()), [3, 2, 0, 3, 6]);
    let lines = run_command(&world, &["verify"]).exits(1).stdout;
    assert_eq!(lines.lines().count(), expected.len() + 1);
    for (line, finding) in lines.lines().zip(expected) {
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), finding.split(' ').collect::<Vec<_>>());
    }
}

#[test]
fn repair_hint_is_shell_quoted() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::remove_file(world.archive().join("t1/text.txt")).unwrap();
    for (dir, typed) in [("yescale", "yescale"), ("it's $1", "\"it's \"'$1'"), ("-x", "./-x")] {
        let now = world.home().join(dir);
        fs::rename(world.archive(), &now).unwrap();
        let run = run_command(&world, &["verify", "--", dir]).exits(1);
        assert!(run.stderr.ends_with(&format!(": yescale-dl repair {typed}\n")), "{run:?}");
        fs::rename(now, world.archive()).unwrap();
    }
}

#[test]
fn quick_compares_sizes_only() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/image-1.png");
    fs::write(world.archive().join("t1/text.txt"), "LA\nLA").unwrap();
    assert!(findings(&run_command(&world, &["verify", "--json", "--quick"]).exits(0)).is_empty());
    fs::write(world.archive().join("t1/text.txt"), "la").unwrap();
    fs::remove_file(world.archive().join("t2/image-1.gif")).unwrap();
    let quick = run_command(&world, &["verify", "--json", "--quick"]).exits(1);
    assert_eq!(findings(&quick), ["damaged t1/text.txt", "missing t2/image-1.gif"]);
}

#[test]
fn unknown_files_alone_exit_with_0() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("yescale/t1/image-3.png", "mine");
    world.write_file("yescale/Holiday photos/a b.png", "mine");
    assert_findings(&world, &["unknown Holiday photos/a b.png", "unknown t1/image-3.png"]);
}

#[test]
fn folder_in_place_of_a_file_is_damage() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::remove_file(world.archive().join("t1/image-1.png")).unwrap();
    fs::create_dir(world.archive().join("t1/image-1.png")).unwrap();
    assert_findings(&world, &["damaged t1/image-1.png"]);
}

#[test]
fn files_of_a_missing_folder_are_missing() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::remove_dir_all(world.archive().join("t2")).unwrap();
    assert_findings(&world, &["missing t2/image-1.gif", "missing t2/text.txt"]);
}

#[test]
fn single_task_folder_is_verified_anywhere() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::create_dir(world.home().join("mail")).unwrap();
    for to in ["yescale/t1", "mail/t1", "mail/the best one", "mail/t2"] {
        if to != "yescale/t1" {
            let from = ["yescale/t1", "mail/t1", "mail/the best one"].map(|at| world.home().join(at));
            fs::rename(from.iter().find(|path| path.exists()).unwrap(), world.home().join(to)).unwrap();
        }
        let run = run_command(&world, &["verify", "--json", to]).exits(0);
        assert_eq!((findings(&run), &run.summary()["files"]), (Vec::new(), &json!(4)), "{to}");
    }
    let file = world.home().join("mail/t2/image-1.png");
    fs::write(&file, "damaged").unwrap();
    world.write_file("mail/t2/sub/notes", "mine");
    let run = run_command(&world, &["verify", "--json", "mail/t2"]).exits(1);
    assert_eq!(findings(&run), ["damaged image-1.png", "unknown sub/notes"]);
    let run = Running::start({
        let mut command = world.plain_command(&["verify", "--json", "."]);
        command.current_dir(world.home().join("mail/t2"));
        command
    });
    assert_eq!(findings(&run.wait(false).exits(1)), ["damaged image-1.png", "unknown sub/notes"]);
}

#[cfg(unix)]
#[test]
fn verify_does_not_wait_for_a_long_writer() {
    let world = World::new();
    archive_two_tasks(&world);
    let folder = world.archive().join("t1");
    let writer = fs::File::open(&folder).unwrap();
    writer.lock().unwrap();
    flip_bit(&world, "t1/video-1.mp4");
    flip_bit(&world, "t1/image-1.png");
    let replaced = fs::read(folder.join("image-1.png")).unwrap();
    let entry = json!({"kind": "image", "index": 1, "path": "image-1.png", "size": replaced.len(), "sha256": sha256(&replaced)});
    world.write_file("yescale/t1/.finished", json!({"part": ".image-1.part", "entry": entry}).to_string() + "\n");
    assert_findings(&world, &["damaged t1/video-1.mp4"]);
}

#[test]
fn folder_that_is_no_archive_exits_with_2() {
    let world = World::new();
    world.write_file("empty/.keep", "");
    world.write_file("photos/a.png", "mine");
    world.write_file("file", "mine");
    for dir in ["nowhere", "empty", "photos", "file"] {
        let run = run_command(&world, &["verify", dir]).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains(dir), "{run:?}");
    }
    assert!(run_command(&world, &["verify", "--nonsense"]).exits(2).stdout.is_empty());
}

#[test]
fn verify_agrees_with_sha256sum_on_a_damaged_archive() {
    let world = World::new();
    let ids: Vec<String> = (0..12).map(|n| format!("T{n}")).collect();
    for id in &ids {
        let (png, gif) = (world.serve_sample("picture.png"), world.serve_sample("picture.gif"));
        world.serve_task(id, &json!({"images": [png, gif], "text": format!("la {id}")}));
    }
    world.run(&ids).exits(0);
    let sums = fs::read_to_string(world.archive().join("SHA256SUMS")).unwrap();
    for (n, path) in sums.lines().map(|line| line.split_once("  ").unwrap().1).enumerate() {
        let file = world.archive().join(path);
        match n % 5 {
            0 => flip_bit(&world, path),
            1 => fs::remove_file(file).unwrap(),
            2 => fs::write(file, "").unwrap(),
            _ => {}
        }
    }
    let mut failed = BTreeSet::new();
    for (hash, path) in sums.lines().map(|line| line.split_once("  ").unwrap()) {
        match fs::read(world.archive().join(path)) {
            Err(_) => failed.insert(format!("missing {path}")),
            Ok(bytes) if sha256(&bytes) != hash => failed.insert(format!("damaged {path}")),
            Ok(_) => false,
        };
    }
    assert!(failed.len() >= 20, "{failed:?}");
    let run = run_command(&world, &["verify", "--json"]).exits(1);
    assert_eq!(findings(&run).into_iter().collect::<BTreeSet<_>>(), failed);
}
