//! "Inside the archive no symlink is followed when writing or verifying. DIR itself and the folders above it may be
//! links."
#![cfg(unix)]

use std::os::unix::fs::symlink;

use serde_json::json;

use super::ownership::EMPTY;
use crate::support::{RemoteFile, Reply, ServerFault, World, sample};

#[test]
fn archive_and_its_parents_may_be_symlinks() {
    let world = World::new();
    std::fs::create_dir_all(world.home().join("disk/real")).unwrap();
    symlink(world.home().join("disk"), world.home().join("link")).unwrap();
    symlink("disk/real", world.archive()).unwrap();
    world.archive_task("t1");
    world.run(&["-o", "link/real", "t1"]).exits(0);
    assert_eq!(world.gateway_requests().len(), 1);
}

#[test]
fn symlinks_inside_the_archive_are_not_followed() {
    for (link, target) in [
        ("t1", "elsewhere"),
        ("t1/manifest.json", "elsewhere/file"),
        ("t1/image-1.png", "elsewhere/file"),
        ("t1/image-1.png", "elsewhere/none"),
        ("t1/text.txt", "elsewhere/file"),
        ("t1/text.txt", "elsewhere/none"),
        ("t1/.finished", "elsewhere/none"),
    ] {
        let world = World::new();
        world.write_file("elsewhere/file", "mine");
        std::fs::create_dir_all(world.archive().join(link).parent().unwrap()).unwrap();
        symlink(world.home().join(target), world.archive().join(link)).unwrap();
        world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
        world.serve_task("t2", &json!({"text": "la"}));
        let run = world.start(&["--json", "t1", "t2"]).wait(false).exits(1);
        assert_eq!(run.state("t2"), "complete");
        let elsewhere = crate::support::audit::read_tree(&world.home().join("elsewhere"));
        assert_eq!((elsewhere.len(), elsewhere["file"].0.as_slice()), (1, b"mine".as_slice()), "{link}");
        let is_ours = link == "t1/.finished";
        assert!(is_ours || world.archive().join(link).is_symlink(), "{link} was replaced");
    }
}

#[test]
fn file_replaced_by_a_symlink_is_not_written_through() {
    for force in [&["t1"][..], &["t1", "--force"]] {
        let world = World::new();
        let file = world.archive_task("t1").join("image-1.png");
        let target = world.write_file("elsewhere/file", sample("picture.png"));
        std::fs::remove_file(&file).unwrap();
        symlink(&target, &file).unwrap();
        world.media.script("/picture.png", [Reply::ok(sample("picture.jpg")).content_type("image/png")]);
        world.run(force);
        assert_eq!(std::fs::read(target).unwrap(), sample("picture.png"), "{force:?}");
    }
}

#[test]
fn symlinked_root_manifest_is_foreign() {
    for name in ["manifest.json", "SHA256SUMS"] {
        let world = World::new();
        let target = world.write_file("elsewhere", if name == "SHA256SUMS" { "" } else { EMPTY });
        std::fs::create_dir(world.archive()).unwrap();
        symlink(&target, world.archive().join(name)).unwrap();
        world.serve_task("t1", &json!({"text": "la"}));
        world.start(&["t1"]).wait(false).exits(2);
        assert_eq!(world.gateway_requests().len(), 0, "{name}");
    }
}

#[test]
fn dangling_root_manifest_symlink_is_foreign() {
    for name in ["manifest.json", "SHA256SUMS"] {
        let world = World::new();
        std::fs::create_dir(world.archive()).unwrap();
        symlink(world.home().join("none"), world.archive().join(name)).unwrap();
        world.serve_task("t1", &json!({"text": "la"}));
        world.start(&["t1"]).wait(false).exits(2);
        assert_eq!((world.gateway_requests().len(), world.home().join("none").exists()), (0, false), "{name}");
    }
}

#[test]
fn symlinked_sha256sums_is_foreign() {
    let world = World::new();
    world.archive_task("t1");
    let target = world.write_file("elsewhere", "mine");
    let sums = world.archive().join("SHA256SUMS");
    std::fs::remove_file(&sums).unwrap();
    symlink(&target, &sums).unwrap();
    world.serve_task("t2", &json!({"text": "la"}));
    world.start(&["t2"]).wait(false).exits(2);
    assert_eq!(std::fs::read(target).unwrap(), b"mine");
}

#[test]
fn symlinked_dot_files_are_not_written_through() {
    for link in [
        "t1/.lock",
        "t1/.image-1.part",
        "t1/.image-1.journal",
        "t1/.manifest.json.x",
        "t1/.text.txt.x",
        ".lock",
        ".manifest.json.x",
        ".SHA256SUMS.x",
        ".committing-1-0",
    ] {
        for target in ["elsewhere/file", "elsewhere/none"] {
            let world = World::new();
            world.write_file("elsewhere/file", "mine");
            std::fs::create_dir_all(world.archive().join("t1")).unwrap();
            symlink(world.home().join(target), world.archive().join(link)).unwrap();
            world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
            world.start(&["t1"]).wait(false).exits(0);
            let elsewhere = crate::support::audit::read_tree(&world.home().join("elsewhere"));
            assert_eq!((elsewhere.len(), elsewhere["file"].0.as_slice()), (1, b"mine".as_slice()), "{link} to {target}");
            assert_eq!(std::fs::read(world.archive().join("t1/image-1.png")).unwrap(), sample("picture.png"), "{link}");
        }
    }
}

#[test]
fn symlinked_part_or_journal_is_not_resumed() {
    for moved in [".video-1.part", ".video-1.journal"] {
        let world = World::new();
        let remote =
            RemoteFile::new(&world, "/a.mp4", 900_000, &[ServerFault::CutAt(400_000), ServerFault::Status("500 Oops", &[])]);
        world.serve_task("t1", &json!({"videos": [remote.url]}));
        world.run(&["t1", "--retries", "0"]).exits(1);
        let (path, target) = (world.archive().join("t1").join(moved), world.home().join("elsewhere"));
        std::fs::rename(&path, &target).unwrap();
        symlink(&target, &path).unwrap();
        let before = std::fs::read(&target).unwrap();
        remote.set_script(&world, &[ServerFault::Healthy]);
        world.run(&["t1"]).exits(0);
        assert_eq!(std::fs::read(&target).unwrap(), before, "{moved}");
        assert_eq!(std::fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), *remote.bytes, "{moved}");
    }
}
