//! `export` of entries that do not match the disk, or can't be trusted: they are reported, and the rest is exported.

use std::fs;

use serde_json::json;

use super::export::{TEXTS, export};
use crate::support::audit::read_tree;
use crate::support::commands::archive_two_tasks;
use crate::support::{World, sample};

#[test]
fn missing_or_damaged_files_are_reported_and_the_rest_exported() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::remove_file(world.archive().join("t1/video-1.mp4")).unwrap();
    fs::write(world.archive().join("t1/image-1.png"), "cut").unwrap();
    let before = world.tree();
    for format in TEXTS {
        let run = export(&world, &[format]).exits(1);
        assert_eq!(run.stderr.lines().count(), 2, "{run:?}");
        assert!(run.stderr.contains("video-1.mp4 is missing") && run.stderr.contains("image-1.png is damaged"), "{run:?}");
        assert!(!run.stdout.contains("video-1.mp4") && !run.stdout.contains("t1/image-1.png"), "{run:?}");
        assert_eq!(run.stdout.contains("t1/image-2.png"), !["ffconcat", "m3u8"].contains(&format), "{run:?}");
    }
    assert!(world.tree() == before && world.gateway_requests().len() == 2, "it works offline and changes nothing");
}

#[test]
fn path_outside_the_task_folder_is_reported_and_never_exported() {
    for path in [
        "../outside/image-1.png",
        "/etc/passwd",
        "t1/../../outside/image-1.png",
        "t1\\image-1.png",
        "t2/image-1.gif",
        "image-1.png\n",
        "",
    ] {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("outside/image-1.png", sample("picture.png"));
        let mut root = world.root_manifest();
        root["tasks"][0]["files"][1]["path"] = json!(path);
        world.write_file("yescale/manifest.json", root.to_string());
        for format in TEXTS {
            let run = export(&world, &[format]).exits(1);
            assert!(run.stderr.contains(" is unsafe: ") && run.stderr.lines().count() == 1, "{path:?} {run:?}");
            assert!(!run.stdout.contains("outside") && !run.stdout.contains("passwd"), "{run:?}");
        }
        export(&world, &["bagit", "-O", "bag"]).exits(1);
        let bagged: Vec<String> = read_tree(&world.home().join("bag/data")).into_keys().collect();
        let expected = [
            "t1/image-2.png",
            "t1/manifest.json",
            "t1/text.txt",
            "t1/video-1.mp4",
            "t2/image-1.gif",
            "t2/manifest.json",
            "t2/text.txt",
        ];
        assert_eq!(bagged, expected, "{path:?}");
    }
}

#[cfg(unix)]
#[test]
fn files_behind_symlinks_are_reported_and_never_exported() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    archive_two_tasks(&world);
    let outside = world.home().join("outside");
    fs::rename(world.archive().join("t2"), &outside).unwrap();
    symlink(&outside, world.archive().join("t2")).unwrap();
    fs::rename(world.archive().join("t1/video-1.mp4"), outside.join("video-1.mp4")).unwrap();
    symlink(outside.join("video-1.mp4"), world.archive().join("t1/video-1.mp4")).unwrap();
    for format in TEXTS {
        let run = export(&world, &[format]).exits(1);
        let is_unsafe: Vec<bool> = run.stderr.lines().map(|line| line.contains(" is unsafe: ")).collect();
        assert_eq!(is_unsafe, [true, true], "{run:?}");
        assert!(!run.stdout.contains("video-1.mp4") && !run.stdout.contains("t2/image-1.gif"), "{run:?}");
    }
    export(&world, &["bagit", "-O", "bag"]).exits(1);
    let bagged: Vec<String> = read_tree(&world.home().join("bag/data")).into_keys().collect();
    assert_eq!(bagged, ["t1/image-1.png", "t1/image-2.png", "t1/manifest.json", "t1/text.txt"]);
}

#[test]
fn duplicate_or_invalid_entries_add_no_row() {
    let world = World::new();
    archive_two_tasks(&world);
    let mut root = world.root_manifest();
    let tasks = root["tasks"].as_array_mut().unwrap();
    let mut again = tasks[0]["files"][0].clone();
    again["index"] = json!(2);
    tasks[0]["files"].as_array_mut().unwrap().push(again);
    tasks.extend([tasks[0].clone(), json!({"no": "task"})]);
    world.write_file("yescale/manifest.json", root.to_string());
    let run = export(&world, &["csv"]).exits(1);
    assert_eq!(
        (run.stdout.lines().count(), run.stderr.as_str()),
        (5, "error: yescale: 1 of its manifest's entries can't be read\n")
    );
}

#[test]
fn export_works_without_a_root_manifest() {
    let world = World::new();
    archive_two_tasks(&world);
    let whole = export(&world, &["csv"]).exits(0).stdout;
    let manifest = world.archive().join("manifest.json");
    let bytes = fs::read(&manifest).unwrap();
    fs::write(&manifest, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(export(&world, &["csv"]).exits(0).stdout, whole);
    fs::remove_file(manifest).unwrap();
    assert_eq!(export(&world, &["csv"]).exits(0).stdout, whole);
}

#[test]
fn hls_playlist_is_exported_to_csv_only() {
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("playlist.m3u8"), world.serve_sample("clip.mov")]}));
    world.run(&["t1"]).exits(1);
    let table = export(&world, &["csv"]).exits(0).stdout;
    assert!(table.contains("video-1.m3u8,") && table.contains("video-2.mov,"), "{table}");
    for format in TEXTS.into_iter().filter(|format| *format != "csv") {
        let run = export(&world, &[format]).exits(1);
        assert!(run.stderr.contains("video-1.m3u8 is left out") && run.stdout.contains("video-2.mov"), "{run:?}");
        assert!(!run.stdout.contains("video-1.m3u8"), "{run:?}");
    }
}

#[cfg(unix)]
#[test]
fn line_break_in_the_archive_path_is_rejected_by_ffconcat_only() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::rename(world.archive(), world.home().join("a\nb")).unwrap();
    assert!(export(&world, &["ffconcat", "a\nb", "-O", "list"]).exits(2).stderr.contains("line break"));
    assert!(!world.home().join("list").exists());
    assert!(export(&world, &["m3u8", "a\nb", "-O", "list"]).exits(0).stderr.is_empty());
    assert!(fs::read_to_string(world.home().join("list")).unwrap().ends_with("\na%0Ab/t1/video-1.mp4\n"));
}
