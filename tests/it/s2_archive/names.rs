//! Folder names for task ids, and file names for assets.
//!
//! "The folder name is the id itself when the id is 1 to 100 bytes of `a-z 0-9 . _ -`" · "For any other id … the name
//! is: the first 40 characters …, then `-` and the first 16 hex digits of the SHA-256 of the id" · "Nothing from the
//! network names a path outside its task folder" · "N is padded with zeros to the same width when the answer has 10
//! or more items of a kind. Existing names stay, and later items take the width that the folder already has."

use serde_json::{Value, json};

use crate::support::audit::hashed_folder;
use crate::support::{RemoteFile, ServerFault, World};

/// Ids that are their own folder names.
const PLAIN: [&str; 16] = [
    "9f1c",
    "task_abc.d-e",
    "console",
    "con1",
    "x.con",
    "com10",
    "a-0123456789abcde",
    "a-0123456789abcdeg",
    "a-0123456789abcdef0",
    "0123456789abcdef",
    "0",
    "9.9",
    "a..b",
    "con-",
    "nul_1",
    "auxiliary.con",
];

/// Ids that are not safe on every disk, or could be confused with other files.
const ODD: [&str; 39] = [
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
    "com9.a.b",
    "lpt1",
    "lpt9.x",
    "aux.",
    "nul..",
    "a..",
    "~",
    "a+b",
    "a%62",
    "index.html",
    "-0123456789abcdef",
    "a.b_c-fedcba9876543210",
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
    "a\u{7}b",
    "a\0b",
    "a\nb",
    "...",
];

#[test]
fn safe_id_is_its_own_folder_and_any_other_is_hashed() {
    let world = World::new();
    let hundred = "a".repeat(100);
    let (long, wide) = ("b".repeat(101), "ß".repeat(60));
    let hundred_with_hash = format!("{}-0123456789abcdef", "c".repeat(83));
    let plain: Vec<&str> = PLAIN.into_iter().chain([&*hundred]).collect();
    let odd: Vec<&str> = ODD.into_iter().chain([&*hundred_with_hash, &wide, &long]).collect();
    let list: String = plain.iter().chain(&odd).map(|id| json!({"id": id}).to_string() + "\n").collect();
    for id in plain.iter().chain(&odd) {
        let segment: String = id
            .bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        world.serve_task(&segment, &json!({"text": id}));
    }
    world.run_with_input(&list, &["-i", "-"]).exits(0);
    for (id, folder) in plain.iter().map(|id| (*id, (*id).to_owned())).chain(odd.iter().map(|id| (*id, hashed_folder(id)))) {
        assert_eq!(world.task_entry(&folder)["task_id"], id, "{folder}");
        assert_eq!(std::fs::read_to_string(world.archive().join(&folder).join("text.txt")).unwrap(), id);
    }
    assert_eq!(hashed_folder("CjNQtmctxFMAAAAAAGZ1Vw"), "CjNQtmctxFMAAAAAAGZ1Vw-dde46322e86f5d57");
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 1, "nothing was written outside the archive");
}

#[test]
fn indices_are_zero_padded_from_ten_items_on() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    world.serve_task("nine", &json!({"images": vec![&png; 9]}));
    world.serve_task("ten", &json!({"images": vec![&png; 10], "videos": [png]}));
    let mut with_nulls: Vec<Value> = vec![json!(png); 9];
    with_nulls.extend([Value::Null, Value::Null]);
    world.serve_task("nulls", &json!({"images": with_nulls}));
    world.serve_task("hundred", &json!({"audio": vec![&png; 100]}));
    world.run(&["nine", "ten", "nulls", "hundred"]).exits(0);
    assert_eq!((&*world.files("hundred")[0], &*world.files("hundred")[99]), ("audio-001.png", "audio-100.png"));
    assert_eq!(world.files("nine")[0], "image-1.png");
    assert_eq!(world.files("nulls")[8], "image-9.png");
    let ten = world.files("ten");
    assert_eq!((&*ten[0], &*ten[9], &*ten[10]), ("image-01.png", "image-10.png", "video-1.png"));
}

#[test]
fn failed_items_count_for_the_index_width() {
    let world = World::new();
    let mut items = vec![json!(world.serve_sample("picture.png"))];
    items.extend(vec![json!(""); 9]);
    world.serve_task("t1", &json!({"images": items}));
    world.run(&["t1"]).exits(1);
    assert_eq!(world.files("t1"), ["image-01.png"]);
}

#[test]
fn later_items_take_the_width_that_the_folder_has() {
    for (first, later, expected) in [
        (9, 11, ["image-1.png", "image-10.png", "image-11.png", "image-2.png"]),
        (12, 100, ["image-01.png", "image-02.png", "image-03.png", "image-04.png"]),
        (1, 100, ["image-1.png", "image-10.png", "image-100.png", "image-11.png"]),
    ] {
        let world = World::new();
        let png = world.serve_sample("picture.png");
        world.serve_task("t1", &json!({"images": vec![&png; first]}));
        world.run(&["t1"]).exits(0);
        let before = world.files("t1");
        let mut dead = vec![json!(png); later];
        dead[later - 1] = json!("");
        world.serve_task("t1", &json!({"images": dead}));
        // What is complete is asked about again only when it is forced.
        let plan = world.run(&["t1", "--force", "--dry-run"]);
        let first = before[0].trim_end_matches("png");
        let planned = plan.stdout.replace('\\', "/");
        assert!(planned.contains(&format!("yescale/t1/{first}")), "{planned}");
        world.run(&["t1", "--force"]).exits(1);
        world.serve_task("t1", &json!({"images": vec![&png; later]}));
        world.run(&["t1"]).exits(0);
        let after = world.files("t1");
        assert_eq!((after.len(), &after[..4]), (later, &expected.map(str::to_owned)[..]));
        assert!(before.iter().all(|name| after.contains(name)), "names that stand keep theirs: {after:?}");
    }
}

#[test]
fn fewer_items_later_keep_the_width() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    let mut items = vec![json!(png); 12];
    items[1] = json!("");
    world.serve_task("t1", &json!({"images": items}));
    world.run(&["t1"]).exits(1);
    world.serve_task("t1", &json!({"images": vec![&png; 9]}));
    world.run(&["t1"]).exits(1);
    let files = world.files("t1");
    assert_eq!((files.len(), &*files[1]), (12, "image-02.png"));
}

#[test]
fn part_is_resumed_when_the_number_of_items_has_changed() {
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", 300_000, &[ServerFault::CutAt(100_000)]);
    let items = |count: usize| (0..count).map(|n| if n == 1 { remote.url.as_str() } else { "" }).collect::<Vec<_>>();
    world.serve_task("t1", &json!({"videos": items(9)}));
    world.run(&["t1", "--retries", "0"]).exits(1);
    remote.set_script(&world, &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": items(11)}));
    world.run(&["t1"]).exits(1);
    assert_eq!(remote.requests(&world).last().unwrap().range_start(), 100_000);
    assert_eq!(world.files("t1"), ["video-02.mp4"]);
}
