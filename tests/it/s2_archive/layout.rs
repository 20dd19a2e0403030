//! Section 2, the archive on disk: names, what is whose, and what is never touched.

use serde_json::{Value, json};

use crate::support::audit::{hashed_folder, sha256};
use crate::support::{Reply, World, sample};

const EMPTY: &str = "{\n  \"manifest_version\": 1,\n  \"generator\": \"x\",\n  \"tasks\": []\n}\n";

#[test]
fn the_archive_has_the_shape_that_the_contract_draws() {
    let world = World::new();
    world.task("777935781150867525", &json!({
        "videos": [world.host("video-1s.mp4")], "images": [world.host("picture.png")], "audio": [world.host("song.mp3")], "text": "la",
    }));
    world.run(&["777935781150867525"]).exits(0);
    let names: Vec<String> = world.tree().into_keys().map(|name| name.replace("777935781150867525", "T")).collect();
    let expected =
        ["SHA256SUMS", "T/audio-1.mp3", "T/image-1.png", "T/manifest.json", "T/text.txt", "T/video-1.mp4", "manifest.json"];
    let sorted = {
        let mut names = names;
        names.sort();
        names
    };
    assert_eq!(sorted, expected);
}

#[test]
fn a_missing_output_folder_is_made_with_its_parents() {
    let world = World::new();
    world.task("t1", &json!({"text": "la"}));
    world.run(&["-o", "a/b/c", "t1"]).exits(0);
    assert!(world.home().join("a/b/c/t1/text.txt").is_file());
}

#[test]
fn an_id_that_is_safe_everywhere_is_its_own_folder_and_any_other_is_hashed() {
    let world = World::new();
    let hundred = "a".repeat(100);
    let plain =
        ["9f1c", "task_abc.d-e", "console", "con1", "x.con", "com10", "a-0123456789abcde", "a-0123456789abcdeg", &hundred];
    let long = "b".repeat(101);
    let odd = [
        "Abc",
        "CjNQtmctxFMAAAAAAGZ1Vw",
        ".hidden",
        "-x",
        "_x",
        "dot.",
        "con",
        "con.txt",
        "nul.tar.gz",
        "aux",
        "prn",
        "com1",
        "lpt9.x",
        "a b",
        "a/b",
        "../../up",
        "a\\b",
        "veo3:1",
        "ä",
        "🎬",
        "a-0123456789abcdef",
        "manifest.json",
        "sha256sums",
        "SHA256SUMS",
        &long,
        "a\u{7}b",
        "...",
    ];
    let list: String = plain.iter().chain(&odd).map(|id| json!({"id": id}).to_string() + "\n").collect();
    for id in plain.iter().chain(&odd) {
        let segment: String = id
            .bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        world.task(&segment, &json!({"text": id}));
    }
    world.run_with_input(&list, &["-i", "-"]).exits(0);
    for (id, folder) in plain.iter().map(|id| (*id, (*id).to_owned())).chain(odd.iter().map(|id| (*id, hashed_folder(id)))) {
        assert_eq!(world.entry(&folder)["task_id"], id, "{folder}");
        assert_eq!(std::fs::read_to_string(world.archive().join(&folder).join("text.txt")).unwrap(), id);
    }
    assert_eq!(hashed_folder("CjNQtmctxFMAAAAAAGZ1Vw"), "CjNQtmctxFMAAAAAAGZ1Vw-dde46322e86f5d57");
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 1, "nothing stands outside the archive");
}

#[test]
fn numbers_are_padded_to_one_width_from_ten_on() {
    let world = World::new();
    let png = world.host("picture.png");
    world.task("nine", &json!({"images": vec![&png; 9]}));
    world.task("ten", &json!({"images": vec![&png; 10], "videos": [png]}));
    let mut with_nulls: Vec<Value> = vec![json!(png); 9];
    with_nulls.extend([Value::Null, Value::Null]);
    world.task("nulls", &json!({"images": with_nulls}));
    world.run(&["nine", "ten", "nulls"]).exits(0);
    assert_eq!(world.files("nine")[0], "image-1.png");
    assert_eq!(world.files("nulls")[8], "image-9.png");
    let ten = world.files("ten");
    assert_eq!((&*ten[0], &*ten[9], &*ten[10]), ("image-01.png", "image-10.png", "video-1.png"));
}

#[test]
fn sha256sums_lists_every_file_and_the_text() {
    let world = World::new();
    world.task("t1", &json!({"images": [world.host("picture.png")], "text": "la\nla"}));
    world.run(&["t1"]).exits(0);
    let sums = std::fs::read_to_string(world.archive().join("SHA256SUMS")).unwrap();
    let expected = format!("{}  t1/image-1.png\n{}  t1/text.txt\n", sha256(&sample("picture.png")), sha256(b"la\nla"));
    assert_eq!(sums, expected);
}

#[test]
fn a_root_that_is_not_ours_ends_the_run_before_anything_is_asked() {
    let hash = "0".repeat(64);
    for (name, content) in [
        ("manifest.json", r#"{"name":"my web app","icons":[]}"#.to_owned()),
        ("manifest.json", r#"{"manifest_version":3,"name":"an extension"}"#.to_owned()),
        ("manifest.json", r#"{"manifest_version":2,"tasks":[]}"#.to_owned()),
        ("manifest.json", r#"{"name":"cut"#.to_owned()),
        ("manifest.json", "notes".to_owned()),
        ("manifest.json", "[]".to_owned()),
        ("SHA256SUMS", format!("{hash}  linux.iso\n")),
        ("SHA256SUMS", format!("{hash}  t1/image-1.png\n{hash}  linux.iso\n")),
        ("SHA256SUMS", "notes\n".to_owned()),
        ("manifest.json/x", "a folder".to_owned()),
        ("SHA256SUMS/x", "a folder".to_owned()),
    ] {
        let world = World::new();
        world.task("t1", &json!({"text": "la"}));
        world.write(&format!("yescale/{name}"), &content);
        let before = world.tree();
        let run = world.start(&["t1"]).end(false).exits(2);
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{run:?}");
        assert_eq!((world.tree(), world.questions().len()), (before, 0), "{name} {content}");
    }
    let world = World::new();
    world.write("yescale", "a file");
    world.run(&["t1"]).exits(2);
    assert_eq!(world.questions().len(), 0);
}

#[test]
fn a_root_of_ours_that_a_crash_broke_is_rebuilt() {
    for broken in [
        "",
        "\0\0\0\0",
        "{",
        "{\n  \"manifest_ver",
        &EMPTY[..EMPTY.len() - 3],
        "{\"manifest_version\":1,\"tasks\":[{\"task_id\":\0\0\0",
    ] {
        let world = World::new();
        world.archived("t1");
        let before = std::fs::read(world.archive().join("manifest.json")).unwrap();
        world.write("yescale/manifest.json", broken);
        world.run(&["t1"]).exits(0);
        assert_eq!(std::fs::read(world.archive().join("manifest.json")).unwrap(), before, "{broken:?}");
    }
}

#[test]
fn derived_files_that_are_gone_come_back_byte_for_byte() {
    let world = World::new();
    for id in ["t1", "T2", "10", "9"] {
        world.task(id, &json!({"images": [world.host("picture.png")], "text": id}));
    }
    world.run(&["t1", "T2", "10", "9"]).exits(0);
    let before = world.tree();
    for gone in [&["manifest.json"][..], &["SHA256SUMS"], &["manifest.json", "SHA256SUMS"]] {
        for name in gone {
            std::fs::remove_file(world.archive().join(name)).unwrap();
        }
        world.run(&["9"]).exits(0);
        let after = world.tree();
        assert!(before.iter().all(|(name, (bytes, _))| after[name].0 == *bytes), "{gone:?}");
    }
}

#[test]
fn the_order_of_the_ids_leaves_no_trace_in_the_root() {
    let ids = ["b", "a", "10", "9", "Z"];
    let roots = [ids.to_vec(), ids.iter().rev().copied().collect()].map(|order| {
        let world = World::new();
        for id in &ids {
            world.task(id, &json!({"text": id}));
        }
        for id in &order {
            world.run(&[id]).exits(0);
        }
        let mut root = world.root();
        for task in root["tasks"].as_array_mut().unwrap() {
            task.as_object_mut().unwrap().shift_remove("archived_at");
        }
        (root.to_string(), std::fs::read(world.archive().join("SHA256SUMS")).unwrap())
    });
    assert_eq!(roots[0], roots[1]);
}

#[test]
fn checksums_of_ours_without_a_manifest_are_ours() {
    let world = World::new();
    world.write(
        "yescale/SHA256SUMS",
        format!("{}  t1/image-1.png\n{}  Abc-dde46322e86f5d57/text.txt\n", "0".repeat(64), "a".repeat(64)),
    );
    world.task("t1", &json!({"text": "la"}));
    world.run(&["t1"]).exits(0);
}

#[test]
fn a_task_folder_that_is_not_ours_is_an_error_of_that_task_alone() {
    for (path, content) in [
        ("t1/manifest.json", r#"{"name":"my web app"}"#),
        ("t1/manifest.json", r#"{"manifest_version":7,"tasks":[]}"#),
        ("t1/manifest.json", "notes"),
        ("t1/manifest.json/x", "a folder"),
        (
            "t1/manifest.json",
            r#"{"manifest_version":1,"generator":"x","tasks":[{"task_id":"other","state":"complete","files":[],"errors":[]}]}"#,
        ),
        ("t1", "a file"),
    ] {
        let world = World::new();
        world.write(&format!("yescale/{path}"), content);
        world.task("t1", &json!({"text": "la"}));
        world.task("t2", &json!({"text": "la"}));
        let run = world.start(&["--json", "t1", "t2"]).end(false).exits(1);
        assert_eq!([run.state("t1"), run.state("t2")], ["error", "complete"], "{path} {content}");
        let tree = world.tree();
        assert_eq!(tree[path].0, content.as_bytes());
        assert_eq!(tree.keys().filter(|name| name.starts_with("t1")).count(), 1, "{:?}", tree.keys());
    }
}

#[test]
fn a_task_manifest_that_a_crash_broke_is_rebuilt() {
    for broken in ["", "\0\0\0", "{\"manifest_version\": 1,\n \"tasks\": [{\"task_id\""] {
        let world = World::new();
        let folder = world.archived("t1");
        std::fs::write(folder.join("manifest.json"), broken).unwrap();
        assert_eq!(world.json(&["t1"]).exits(0).state("t1"), "complete", "{broken:?}");
        assert_eq!(world.files("t1"), ["image-1.png"]);
    }
}

#[test]
fn what_a_user_keeps_in_the_archive_stays() {
    let world = World::new();
    for path in
        ["yescale/notes.txt", "yescale/photos/a.png", "yescale/t1/notes.txt", "yescale/t1/video-1.png", "yescale/index.html"]
    {
        world.write(path, "mine");
    }
    world.archived("t1");
    world.task("t1", &json!({"images": [], "text": "less"}));
    world.run(&["--force", "t1"]);
    let tree = world.tree();
    for path in ["notes.txt", "photos/a.png", "t1/notes.txt", "t1/video-1.png", "index.html"] {
        assert_eq!(tree[path].0, b"mine", "{path}");
    }
}

#[test]
fn a_user_s_file_under_a_download_s_name_is_never_overwritten() {
    for (name, result) in [("image-1.png", "images"), ("text.txt", "text")] {
        let world = World::new();
        world.write(&format!("yescale/t1/{name}"), "mine");
        let value = if result == "text" { json!("la") } else { json!([world.host("picture.png")]) };
        world.task("t1", &json!({result: value}));
        world.task("t2", &json!({"text": "la"}));
        for args in [&["t1", "t2"][..], &["t1", "--force"]] {
            world.run(args).exits(1);
            assert_eq!(world.tree()[&format!("t1/{name}")].0, b"mine", "{args:?}");
        }
        assert_eq!(world.entry("t2")["state"], "complete");
    }
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_archive_and_what_is_above_it_may_be_links() {
        let world = World::new();
        std::fs::create_dir_all(world.home().join("disk/real")).unwrap();
        symlink(world.home().join("disk"), world.home().join("link")).unwrap();
        symlink("disk/real", world.archive()).unwrap();
        world.archived("t1");
        world.run(&["-o", "link/real", "t1"]).exits(0);
        assert_eq!(world.questions().len(), 1);
    }

    #[test]
    fn no_link_inside_the_archive_is_followed() {
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
            world.write("elsewhere/file", "mine");
            std::fs::create_dir_all(world.archive().join(link).parent().unwrap()).unwrap();
            symlink(world.home().join(target), world.archive().join(link)).unwrap();
            world.task("t1", &json!({"images": [world.host("picture.png")], "text": "la"}));
            world.task("t2", &json!({"text": "la"}));
            let run = world.start(&["--json", "t1", "t2"]).end(false).exits(1);
            assert_eq!(run.state("t2"), "complete");
            let elsewhere = crate::support::audit::tree(&world.home().join("elsewhere"));
            assert_eq!((elsewhere.len(), elsewhere["file"].0.as_slice()), (1, b"mine".as_slice()), "{link}");
            let is_ours = link == "t1/.finished";
            assert!(is_ours || world.archive().join(link).is_symlink(), "{link} was replaced");
        }
    }

    #[test]
    fn a_file_that_became_a_link_is_fetched_again_in_its_place() {
        for force in [&["t1"][..], &["t1", "--force"]] {
            let world = World::new();
            let file = world.archived("t1").join("image-1.png");
            let target = world.write("elsewhere/file", sample("picture.png"));
            std::fs::remove_file(&file).unwrap();
            symlink(&target, &file).unwrap();
            world.media.script("/picture.png", [Reply::ok(sample("picture.jpg")).typed("image/png")]);
            world.run(force);
            assert_eq!(std::fs::read(target).unwrap(), sample("picture.png"), "{force:?}");
        }
    }

    #[test]
    fn a_linked_root_manifest_is_not_ours() {
        for name in ["manifest.json", "SHA256SUMS"] {
            let world = World::new();
            let target = world.write("elsewhere", if name == "SHA256SUMS" { "" } else { EMPTY });
            std::fs::create_dir(world.archive()).unwrap();
            symlink(&target, world.archive().join(name)).unwrap();
            world.task("t1", &json!({"text": "la"}));
            world.start(&["t1"]).end(false).exits(2);
            assert_eq!(world.questions().len(), 0, "{name}");
        }
    }
}
