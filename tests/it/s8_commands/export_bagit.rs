//! `export bagit`: verified copies, in a bag that is complete or absent.

use std::collections::BTreeSet;
use std::fs;

use super::export::export;
use crate::support::World;
use crate::support::audit::{read_tree, sha256};
use crate::support::commands::{archive_two_tasks, flip_bit, run_command};

#[test]
fn bag_holds_verified_files_and_its_data_is_an_archive() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::create_dir(world.home().join("bag")).unwrap();
    let before = world.tree();
    let run = export(&world, &["bagit", "-O", "bag"]).exits(0);
    assert!(run.stdout.starts_with("wrote bag: ") && run.stderr.is_empty() && world.tree() == before, "{run:?}");
    let bag = world.home().join("bag");
    let data = read_tree(&bag.join("data"));
    let sums = fs::read_to_string(bag.join("manifest-sha256.txt")).unwrap();
    let line = |path: &String| format!("{}  data/{path}", sha256(&fs::read(bag.join("data").join(path)).unwrap()));
    assert_eq!(data.len(), 8);
    assert_eq!(sums.lines().map(str::to_owned).collect::<BTreeSet<_>>(), data.keys().map(line).collect());
    assert_eq!(fs::read_to_string(bag.join("bagit.txt")).unwrap(), "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    let bytes: u64 = data.keys().map(|path| fs::metadata(bag.join("data").join(path)).unwrap().len()).sum();
    assert!(fs::read_to_string(bag.join("bag-info.txt")).unwrap().contains(&format!("\nPayload-Oxum: {bytes}.8\n")));
    run_command(&world, &["index", "bag/data"]).exits(0);
    run_command(&world, &["verify", "bag/data"]).exits(0);
}

#[test]
fn damaged_and_missing_files_are_left_out_of_the_bag() {
    let world = World::new();
    archive_two_tasks(&world);
    flip_bit(&world, "t1/image-1.png");
    fs::write(world.archive().join("t1/text.txt"), "LA\nLA").unwrap();
    fs::remove_file(world.archive().join("t2/text.txt")).unwrap();
    let run = export(&world, &["bagit", "-O", "bag"]).exits(1);
    let warnings = ["image-1.png is damaged", "text.txt is damaged", "text.txt is missing"];
    assert!(run.stderr.lines().count() == 3 && warnings.iter().all(|warning| run.stderr.contains(warning)), "{run:?}");
    let sums = fs::read_to_string(world.home().join("bag/manifest-sha256.txt")).unwrap();
    assert!(!sums.contains("t1/image-1.png") && !sums.contains("text.txt") && sums.contains("t1/image-2.png"), "{sums}");
    assert!(!world.home().join("bag/data/t1/image-1.png").exists());
}

#[test]
fn damaged_task_manifest_is_left_out_of_the_bag() {
    let world = World::new();
    archive_two_tasks(&world);
    let manifest = world.archive().join("t1/manifest.json");
    let whole = fs::read(&manifest).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", &[0; 500], b"{}"] {
        fs::write(&manifest, damaged).unwrap();
        let run = export(&world, &["bagit", "-O", "bag"]).exits(1);
        assert!(run.stderr.lines().count() == 1 && run.stderr.contains("manifest.json is damaged"), "{run:?}");
        let data = world.home().join("bag/data");
        assert!(!data.join("t1/manifest.json").exists() && data.join("t1/image-1.png").exists(), "{run:?}");
        assert!(data.join("t2/manifest.json").exists());
        fs::remove_dir_all(world.home().join("bag")).unwrap();
    }
    // Much longer than recorded, or than any manifest: no disk is filled with their copies.
    let text = world.archive().join("t1/text.txt");
    for path in [&manifest, &text] {
        fs::File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    }
    let run = export(&world, &["bagit", "-O", "bag"]).exits(1);
    assert!(run.stderr.lines().count() == 2 && run.stderr.contains("text.txt is damaged"), "{run:?}");
    fs::write(text, "la\nla").unwrap();
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, &whole).unwrap();
    fs::remove_dir_all(world.home().join("bag")).unwrap();
    export(&world, &["bagit", "-O", "bag"]).exits(0);
}

#[test]
fn bag_replaces_no_existing_path_and_leaves_no_leftovers() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("full/notes.txt", "mine");
    world.write_file("file", "mine");
    let before = read_tree(world.home());
    for place in ["full", "file", ".", "yescale", "nowhere/bag"] {
        assert!(export(&world, &["bagit", "-O", place]).exits(2).stdout.is_empty());
    }
    assert!(read_tree(world.home()) == before);
    export(&world, &["bagit", "-O", "bag/"]).exits(0);
    let mut names: Vec<_> = fs::read_dir(world.home()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["bag", "file", "full", "yescale"]);
}
