//! The layers and the doors: who may import whom, held against the `use` lines of `src/`.
//!
//! A module may use only modules of lower layers, or of its own where that is said; a crate with an
//! effect is used in one room. Tests inside `src` may use what they like.

use std::fs;
use std::path::{Path, PathBuf};

/// Each layer's rooms, from the bottom. Within a layer rooms may use each other only in layer 0 and at the edge.
const LAYERS: [&[&str]; 6] = [
    &[
        "asset",
        "checksum",
        "data_uri",
        "digest",
        "duration",
        "event",
        "json",
        "kind",
        "manifest",
        "media_type",
        "naming",
        "plan",
        "record",
        "schema",
        "secret",
        "task",
        "threads",
        "version",
    ],
    &["http", "gateway", "store"],
    &["transfer"],
    &["export", "gallery", "get", "verify"],
    &["session"],
    &["cli", "ui"],
];

/// Crates, and the only rooms that may use them.
const DOORS: [(&str, &[&str]); 13] = [
    ("reqwest", &["http", "gateway"]),
    ("clap", &["cli"]),
    ("toml", &["cli"]),
    ("indicatif", &["ui"]),
    ("console", &["ui"]),
    ("tempfile", &["store"]),
    ("sha2", &["digest"]),
    ("sha1", &["digest"]),
    ("md5", &["digest"]),
    ("crc", &["checksum"]),
    ("symphonia", &["duration"]),
    ("flate2", &["http"]),
    ("csv", &["export"]),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Each room and the text of one of its files, without comments and tests.
fn rooms() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = files(&root).into_iter().map(|path| {
        let first = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines().filter(|line| !line.trim_start().starts_with("//"));
        (first, code.collect::<Vec<_>>().join("\n"))
    });
    rooms.filter(|(room, _)| room != "lib" && room != "main").collect()
}

fn layer(room: &str) -> usize {
    LAYERS.iter().position(|rooms| rooms.contains(&room)).unwrap_or_else(|| panic!("{room} stands in no layer"))
}

#[test]
fn modules_import_only_lower_layers() {
    for (room, code) in rooms() {
        for used in
            code.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        {
            let is_known = LAYERS.iter().any(|rooms| rooms.contains(&used));
            let (from, to) = (layer(&room), if is_known { layer(used) } else { 0 });
            // The gateway is a client too: it keeps to the same rules for connections and retries as the media requests.
            let is_neighbour = used == room || from == 0 || from == LAYERS.len() - 1 || (room == "gateway" && used == "http");
            assert!(to < from || (to == from && is_neighbour), "{room} uses {used}");
        }
    }
}

#[test]
fn crate_docs_name_every_module() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let inside = page.split("//! # Inside").nth(1).unwrap();
    for room in LAYERS.concat() {
        assert!(inside.contains(&format!("`{room}`")), "{room}");
    }
}

#[test]
fn each_external_crate_is_used_in_one_module() {
    for (room, code) in rooms() {
        for (name, allowed) in DOORS {
            let is_used = code.contains(&format!("use {name}::")) || code.contains(&format!(" {name}::"));
            assert!(!is_used || allowed.contains(&room.as_str()), "{room} uses {name}");
        }
        let writes = ["println!", "eprintln!", "stdout()", "stderr()"].iter().any(|word| code.contains(word));
        // `cli` only asks whether they are terminals; `store` prints at a checkpoint, for tests alone.
        assert!(!writes || ["ui", "cli", "store"].contains(&room.as_str()), "{room} prints");
    }
}
