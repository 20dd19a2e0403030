//! The audit: what must hold of any archive after any run, whatever the test is about.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The files and links below a folder, by path: the bytes (for a link, its target) and the modification time.
pub(crate) type Tree = BTreeMap<String, (Vec<u8>, SystemTime)>;

pub(crate) fn read_tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    walk(root, "", &mut tree);
    tree
}

fn walk(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let found = fs::symlink_metadata(entry.path()).unwrap();
        if found.is_dir() {
            walk(&entry.path(), &format!("{name}/"), tree);
        } else {
            let bytes = match found.is_symlink() {
                true => fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes(),
                false => fs::read(entry.path()).unwrap(),
            };
            tree.insert(name, (bytes, found.modified().unwrap()));
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The folder name that the contract gives a task whose id is no safe folder name.
pub(crate) fn hashed_folder(id: &str) -> String {
    let start: String = id.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{start}-{}", &sha256(id.as_bytes())[..16])
}

/// Checks a whole archive. A file that does not parse as a manifest was put there by the test, and is skipped.
pub(crate) fn check_archive(root: &Path, key: &str) {
    let tree = read_tree(root);
    for (name, (bytes, _)) in &tree {
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "{name} contains the key");
        assert!(name.contains('/') || !name.starts_with('.'), "{name} was left at the root");
    }
    let mut root_entries = Vec::new();
    for (name, (bytes, _)) in &tree {
        let Some(folder) = name.strip_suffix("/manifest.json") else { continue };
        let Ok(manifest) = serde_json::from_slice::<Value>(bytes) else { continue };
        if manifest["manifest_version"] == 1 && manifest["tasks"][0]["state"].is_string() {
            root_entries.push(check_task(&tree, folder, &manifest));
        }
    }
    check_root_manifest(&tree, root_entries);
}

/// Checks one task folder. Returns its entry as the root manifest must have it.
fn check_task(tree: &Tree, folder: &str, manifest: &Value) -> Value {
    let entry = &manifest["tasks"][0];
    assert_eq!(manifest["tasks"].as_array().unwrap().len(), 1, "{folder}");
    for file in entry["files"].as_array().unwrap() {
        let path = format!("{folder}/{}", file["path"].as_str().unwrap());
        let (bytes, _) = tree.get(&path).unwrap_or_else(|| panic!("{path} is in the manifest, but not on disk"));
        assert_eq!((file["size"].as_u64().unwrap(), file["sha256"].as_str().unwrap()), (bytes.len() as u64, &*sha256(bytes)));
    }
    if let Some(path) = entry["text_path"].as_str() {
        assert_eq!(tree[&format!("{folder}/{path}")].0, entry["text"].as_str().unwrap().as_bytes());
    }
    if entry["state"] == "complete" || entry["state"] == "partial" {
        let dot_files: Vec<_> = tree.keys().filter(|name| name.starts_with(&format!("{folder}/."))).collect();
        assert!(dot_files.is_empty(), "{dot_files:?} left in a finished folder");
    }
    let mut root_entry = entry.clone();
    let fields = root_entry.as_object_mut().unwrap();
    assert!(fields.shift_remove("response").is_some(), "{folder} has no response");
    if let Some(path) = fields.get_mut("text_path") {
        *path = format!("{folder}/{}", path.as_str().unwrap()).into();
    }
    for file in fields["files"].as_array_mut().unwrap() {
        file["path"] = format!("{folder}/{}", file["path"].as_str().unwrap()).into();
    }
    root_entry
}

/// Checks that the root manifest and the checksum list have the entries of the task folders, and nothing else.
fn check_root_manifest(tree: &Tree, mut tasks: Vec<Value>) {
    let Some((root, _)) = tree.get("manifest.json") else {
        assert!(tasks.is_empty(), "there are tasks, but no root manifest");
        return;
    };
    tasks.sort_by(|a, b| a["task_id"].as_str().cmp(&b["task_id"].as_str()));
    let root: Value = serde_json::from_slice(root).unwrap();
    assert_eq!(root["tasks"], Value::Array(tasks.clone()), "the root manifest and the task folders differ");

    let mut sums = Vec::new();
    for task in &tasks {
        for file in task["files"].as_array().unwrap() {
            sums.push(format!("{}  {}", file["sha256"].as_str().unwrap(), file["path"].as_str().unwrap()));
        }
        if let Some(path) = task["text_path"].as_str() {
            sums.push(format!("{}  {path}", sha256(task["text"].as_str().unwrap().as_bytes())));
        }
    }
    let text = tree.get("SHA256SUMS").map_or("", |(text, _)| str::from_utf8(text).unwrap());
    assert_eq!(tree.contains_key("SHA256SUMS"), !sums.is_empty(), "there is a list where there is a line");
    let mut listed: Vec<String> = text.lines().map(str::to_owned).collect();
    sums.sort();
    listed.sort();
    assert_eq!(listed, sums, "SHA256SUMS");
}
