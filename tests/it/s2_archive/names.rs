//! Task id to folder, asset to file name.
//!
//! "Folder name: the id itself when it is 1 to 100 bytes of `a-z 0-9 . _ -` …" · "Any other id: its first 40 characters …
//! then `-` and the first 16 hex digits of the SHA-256 of the id" · "Nothing from the network names a path outside its task
//! folder" · "N is padded with zeros to the same width when the answer has 10 or more items of a kind".

use serde_json::{Value, json};

use crate::support::World;
use crate::support::audit::hashed_folder;

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
