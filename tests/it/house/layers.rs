//! The layers of `src/`, and the external crates that one folder alone may use, checked against the paths in the
//! source.
//!
//! A module uses only modules of lower layers; the table says where it may use its own layer. A crate with side
//! effects is used in one folder. Tests inside `src` may use anything.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of each layer, from the bottom. Within a layer, folders use each other only in the lowest and the highest one.
const LAYERS: [&[&str]; 6] = [
    &["domain", "layout", "media", "integrity", "redact", "threads"],
    &["http", "gateway", "storage"],
    &["transfer"],
    &["jobs"],
    &["session"],
    &["cli", "ui", "fuzzing"],
];

/// External crates, and the only folders that may use each.
const RESTRICTED_CRATES: [(&str, &[&str]); 20] = [
    ("reqwest", &["http", "gateway"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("rustls", &["http"]),
    ("clap", &["cli"]),
    ("toml", &["cli"]),
    ("indicatif", &["ui"]),
    ("console", &["ui"]),
    ("object_store", &["storage"]),
    ("tempfile", &["storage"]),
    ("sha2", &["integrity"]),
    ("sha1", &["integrity"]),
    ("md5", &["integrity"]),
    ("crc", &["integrity"]),
    ("twox_hash", &["integrity"]),
    ("symphonia", &["media"]),
    ("flate2", &["http", "media", "storage"]),
    ("csv", &["jobs"]),
    ("lofty", &["media"]),
    ("quick_xml", &["jobs"]),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The source files, each as its top folder and its text without comments and tests.
fn source_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_test = |path: &PathBuf| path.iter().any(|part| part == "tests" || part == "tests.rs");
    let sources = files(&root).into_iter().filter(|path| !is_test(path)).map(|path| {
        let first = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines().filter(|line| !line.trim_start().starts_with("//"));
        (first, code.collect::<Vec<_>>().join("\n"))
    });
    sources.filter(|(folder, _)| folder != "lib" && folder != "main").collect()
}

fn layer(folder: &str) -> usize {
    LAYERS.iter().position(|folders| folders.contains(&folder)).unwrap_or_else(|| panic!("{folder} is in no layer"))
}

/// The folders that a path after `crate::` names: one, or those of a group such as `{jobs, ui::{self, Style}}`.
fn top_folders(path: &str) -> Vec<&str> {
    let first = |path: &str| path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    let Some(group) = path.strip_prefix('{') else { return vec![&path[..first(path)]] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                let item = group[start..at].trim();
                names.push(&item[..first(item)]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn grouped_imports_name_every_folder() {
    assert_eq!(top_folders("jobs::archive::run(x)"), ["jobs"]);
    assert_eq!(top_folders("{jobs, ui::{self, Style},\n session};"), ["jobs", "ui", "session"]);
}

#[test]
fn modules_import_only_lower_layers() {
    for (folder, code) in source_files() {
        for used in code.split("crate::").skip(1).flat_map(top_folders) {
            let (from, to) = (layer(&folder), layer(used));
            // The gateway client shares the connections and retries of the media client.
            let is_neighbour = used == folder || from == 0 || from == LAYERS.len() - 1 || (folder == "gateway" && used == "http");
            assert!(to < from || (to == from && is_neighbour), "{folder} uses {used}");
        }
    }
}

#[test]
fn crate_docs_name_every_module() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let inside = page.split("//! # Inside").nth(1).unwrap();
    for folder in LAYERS.concat() {
        assert!(inside.contains(&format!("`{folder}`")), "{folder}");
    }
}

#[test]
fn each_external_crate_is_used_in_one_module() {
    for (folder, code) in source_files() {
        for (name, allowed) in RESTRICTED_CRATES {
            let is_used = code.contains(&format!("use {name}::")) || code.contains(&format!(" {name}::"));
            assert!(!is_used || allowed.contains(&folder.as_str()), "{folder} uses {name}");
        }
        let writes = ["println!", "eprintln!", "stdout()", "stderr()"].iter().any(|word| code.contains(word));
        // `cli` only checks whether they are terminals; `storage` prints at a checkpoint, which only tests compile
        // in.
        assert!(!writes || ["ui", "cli", "storage"].contains(&folder.as_str()), "{folder} prints");
    }
}
