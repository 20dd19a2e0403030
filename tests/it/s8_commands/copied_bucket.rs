//! An archive that was copied from a bucket to a disk: "`yescale-dl index` makes both", and every command works there.
//!
//! Such a copy has the bucket's own objects under `.yescale/`, reservations of names, files and texts with suffixed names, and
//! files that no manifest names, because other bytes won.

use std::fs;

use serde_json::json;

use super::export::export;
use crate::support::audit::{read_tree, sha256};
use crate::support::commands::{findings, run_command};
use crate::support::{World, sample};

const TEXT: &str = "la\nla";

fn suffixed(stem: &str, extension: &str, bytes: &[u8]) -> String {
    format!("{stem}-{}.{extension}", &sha256(bytes)[..16])
}

/// Archives two tasks, then makes the archive look like the copy of a bucket. Returns the suffixed names of the image and of the
/// text of `t1`.
fn copy_of_a_bucket(world: &World) -> [String; 2] {
    let (png, mp4) = (world.serve_sample("picture.png"), world.serve_sample("video-1s.mp4"));
    world.serve_task("t1", &json!({"videos": [mp4], "images": [png], "text": TEXT}));
    world.serve_task("t2", &json!({"images": [world.serve_sample("picture.gif")]}));
    world.run(&["t1", "t2"]).exits(0);
    let folder = world.archive().join("t1");
    let names = [suffixed("image-1", "png", &sample("picture.png")), suffixed("text", "txt", TEXT.as_bytes())];
    let mut manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    for (plain, name) in ["image-1.png", "text.txt"].iter().zip(&names) {
        fs::rename(folder.join(plain), folder.join(name)).unwrap();
        manifest = manifest.replace(&format!("\"{plain}\""), &format!("\"{name}\""));
    }
    world.write_file("yescale/t1/manifest.json", manifest);
    world.write_file("yescale/t1/.video-1.mp4.sha256", sha256(&sample("video-1s.mp4")));
    world.write_file("yescale/.yescale/archive.json", r#"{"archive_version":1}"#);
    world.write_file("yescale/.yescale/index/log/20261130T104748Z-all-0f.jsonl.gz", "anything");
    for name in ["manifest.json", "SHA256SUMS"] {
        fs::remove_file(world.archive().join(name)).unwrap();
    }
    names
}

#[test]
fn copy_is_indexed_and_verified() {
    let world = World::new();
    let [image, text] = copy_of_a_bucket(&world);
    let before = read_tree(&world.archive().join("t1"));
    assert!(run_command(&world, &["index"]).exits(0).stderr.is_empty());
    assert_eq!(findings(&run_command(&world, &["verify", "--json"]).exits(0)), [""; 0]);
    run_command(&world, &["verify", "--quick"]).exits(0);
    run_command(&world, &["verify", "yescale/t1"]).exits(0);
    let sums = fs::read_to_string(world.archive().join("SHA256SUMS")).unwrap();
    let line = |name: &str, bytes: &[u8]| format!("{}  t1/{name}\n", sha256(bytes));
    assert!(sums.contains(&line(&image, &sample("picture.png"))) && sums.contains(&line(&text, TEXT.as_bytes())), "{sums}");
    assert_eq!(read_tree(&world.archive().join("t1")), before, "the task folder stays as it is");
    // The list alone shows that the archive is ours.
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    run_command(&world, &["index"]).exits(0);
}

#[test]
fn losing_files_of_a_copy_are_unknown_and_damaged_ones_are_found() {
    let world = World::new();
    let [image, text] = copy_of_a_bucket(&world);
    world.write_file("yescale/t1/image-1.png", "other bytes");
    world.write_file("yescale/t1/text.txt", "another text");
    run_command(&world, &["index"]).exits(0);
    let run = run_command(&world, &["verify", "--json"]).exits(0);
    assert_eq!(findings(&run), ["unknown t1/image-1.png", "unknown t1/text.txt"]);
    world.write_file(&format!("yescale/t1/{image}"), "damaged");
    fs::remove_file(world.archive().join("t1").join(&text)).unwrap();
    let run = run_command(&world, &["verify", "--json"]).exits(1);
    let found = [format!("damaged t1/{image}"), "unknown t1/image-1.png".into(), "unknown t1/text.txt".into()];
    let mut expected = found.to_vec();
    expected.push(format!("missing t1/{text}"));
    let mut found = findings(&run);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    run_command(&world, &["repair", "--retry-delay", "0s"]).exits(0);
    assert_eq!(fs::read(world.archive().join("t1").join(&image)).unwrap(), sample("picture.png"));
    assert_eq!(fs::read_to_string(world.archive().join("t1").join(&text)).unwrap(), TEXT);
    let run = run_command(&world, &["verify", "--json"]).exits(0);
    assert_eq!(findings(&run), ["unknown t1/image-1.png", "unknown t1/text.txt"], "what no manifest names stays");
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.gif")], "text": "new"}));
    world.start(&["t1", "--force"]).wait(false);
    let files = world.files("t1");
    assert!(files.contains(&suffixed("image-1", "gif", &sample("picture.gif"))) || files.contains(&"image-1.gif".to_owned()));
    assert!(files.contains(&suffixed("text", "txt", b"new")) && !files.contains(&text), "{files:?}");
    assert_eq!(fs::read(world.archive().join("t1/image-1.png")).unwrap(), b"other bytes");
    assert_eq!(fs::read(world.archive().join("t1/text.txt")).unwrap(), b"another text");
    run_command(&world, &["verify"]).exits(0);
}

#[test]
fn suffix_of_other_bytes_is_unsafe() {
    let world = World::new();
    let [image, _] = copy_of_a_bucket(&world);
    let wrong = suffixed("image-1", "png", b"other");
    let path = world.archive().join("t1/manifest.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace(&image, &wrong)).unwrap();
    run_command(&world, &["index"]);
    let run = run_command(&world, &["verify", "--json"]).exits(1);
    assert_eq!(findings(&run), [format!("unknown t1/{image}"), format!("unsafe t1/{wrong}")]);
}

#[test]
fn a_run_takes_a_copy_as_it_is() {
    let world = World::new();
    let [image, text] = copy_of_a_bucket(&world);
    run_command(&world, &["index"]).exits(0);
    let (before, requests) = (world.tree(), world.gateway_requests().len());
    let run = world.start(&["t1", "t2", "--json"]).wait(false).exits(0);
    assert_eq!((run.summary()["reused"].as_u64(), world.gateway_requests().len()), (Some(2), requests));
    assert!(world.tree() == before);
    // A forced run gives the files their plain names. The text stays.
    world.start(&["t1", "--force"]).wait(false).exits(0);
    assert_eq!(world.files("t1"), [".video-1.mp4.sha256", "image-1.png", &text, "video-1.mp4"]);
    assert!(!world.root_manifest().to_string().contains(&image));
    assert_eq!(findings(&run_command(&world, &["verify", "--json"]).exits(0)), [""; 0]);
    // A new text takes the plain name, and the old file goes.
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")], "text": "new"}));
    world.start(&["t1", "--force"]).wait(false);
    assert_eq!(world.task_entry("t1")["text_path"], "text.txt");
    assert!(!world.files("t1").contains(&text));
    run_command(&world, &["verify"]).exits(0);
}

#[test]
fn exports_read_a_copy() {
    let world = World::new();
    let [image, text] = copy_of_a_bucket(&world);
    run_command(&world, &["index"]).exits(0);
    let paths = run_command(&world, &["list", "--paths"]).exits(0).stdout;
    assert!(paths.contains(&format!("t1/{image}\n")) && paths.contains(&format!("t1/{text}\n")), "{paths}");
    let json = run_command(&world, &["list", "--json", "--task", "t1"]).exits(0).stdout;
    assert!(json.contains(&format!("t1/{text}")), "{json}");
    for format in ["csv", "jsonl"] {
        let table = export(&world, &[format, "-O", "table"]).exits(0);
        let rows = fs::read_to_string(world.home().join("table")).unwrap();
        assert!(rows.contains(&format!("yescale/t1/{image}")) && rows.contains(&format!("yescale/t1/{text}")), "{table:?}");
    }
    export(&world, &["bagit", "-O", "bag"]).exits(0);
    assert!(world.home().join("bag/data/t1").join(&text).is_file() && world.home().join("bag/data/t1").join(&image).is_file());
    export(&world, &["files", "-O", "media", "--name", "{id} {kind}{n}.{ext}"]).exits(0);
    assert_eq!(fs::read(world.home().join("media/t1 image1.png")).unwrap(), sample("picture.png"));
    run_command(&world, &["gallery"]).exits(0);
    let page = fs::read_to_string(world.archive().join("index.html")).unwrap();
    assert!(page.contains(&image), "the page shows the file");
}
