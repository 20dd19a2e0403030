//! The audit of an archive in a bucket: what must hold after any run, whatever the test is about.
//!
//! Every file that a manifest names is there with that size and hash. No object but a manifest and the pointer of the index ever
//! changed its bytes. No manifest lost a file or its text. Nothing was deleted but objects of the index.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Change, Object};
use crate::support::audit::sha256;

/// The key is searched for in objects up to this size: manifests and parts of the index are smaller.
const MAX_SEARCHED: usize = 1 << 20;

/// Checks the archive at `prefix`, which ends with a slash or is empty.
pub(crate) fn check(objects: &BTreeMap<String, Object>, changes: &[Change], prefix: &str, key: &str) {
    check_changes(changes, prefix);
    for (name, object) in objects {
        let is_media = object.body.len() > MAX_SEARCHED;
        assert!(is_media || !object.body.windows(key.len()).any(|window| window == key.as_bytes()), "{name} contains the key");
        let Some(name) = name.strip_prefix(prefix) else { continue };
        if let Some(folder) = name.strip_suffix("/manifest.json") {
            check_task(objects, prefix, folder, &object.body);
        }
    }
}

/// Whether an object may change: a task manifest, and the pointer of the index.
fn may_change(name: &str) -> bool {
    name.ends_with("/manifest.json") || name == ".yescale/index/current.json"
}

fn check_changes(changes: &[Change], prefix: &str) {
    let mut standing: BTreeMap<&str, &Object> = BTreeMap::new();
    for Change { key, object } in changes {
        let name = key.strip_prefix(prefix).unwrap_or_else(|| panic!("{key} is outside of the archive"));
        let Some(object) = object else {
            assert!(name.starts_with(".yescale/index/"), "{name} was deleted");
            standing.remove(name);
            continue;
        };
        if let Some(before) = standing.insert(name, object) {
            assert!(may_change(name) || before.body == object.body, "{name} got other bytes");
            if name.ends_with("/manifest.json") {
                check_growth(name, &before.body, &object.body);
            }
        }
    }
}

/// Checks that the second version of a manifest has what the first one has.
fn check_growth(name: &str, before: &[u8], after: &[u8]) {
    let Ok(before) = serde_json::from_slice::<Value>(before) else { return };
    let after: Value = serde_json::from_slice(after).unwrap();
    let assets = |manifest: &Value| -> BTreeSet<(String, u64)> {
        let files = manifest["tasks"][0]["files"].as_array().unwrap().iter();
        files.map(|file| (file["kind"].to_string(), file["index"].as_u64().unwrap())).collect()
    };
    assert!(assets(&before).is_subset(&assets(&after)), "{name} lost a file:\n{before:#}\n{after:#}");
    for field in ["text", "meta"] {
        let had = before["tasks"][0].get(field).is_some_and(|value| !value.is_null());
        assert!(!had || !after["tasks"][0][field].is_null(), "{name} lost its {field}");
    }
}

/// Checks the files that a manifest names. What is no manifest was put there by the test, and is skipped.
fn check_task(objects: &BTreeMap<String, Object>, prefix: &str, folder: &str, manifest: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<Value>(manifest) else { return };
    let Some([entry]) = manifest["tasks"].as_array().map(Vec::as_slice) else { return };
    assert!(entry.get("response").is_some(), "{folder} has no response");
    let object = |path: &Value| {
        let name = format!("{prefix}{folder}/{}", path.as_str().unwrap());
        objects.get(&name).unwrap_or_else(|| panic!("{name} is in the manifest, but not in the bucket"))
    };
    for file in entry["files"].as_array().unwrap() {
        let (object, path) = (object(&file["path"]), file["path"].as_str().unwrap());
        let hash = sha256(&object.body);
        let recorded = (file["size"].as_u64().unwrap(), file["sha256"].as_str().unwrap());
        assert_eq!(recorded, (object.body.len() as u64, &*hash), "{folder}/{path}");
        if let Some(suffix) = suffix(path) {
            assert_eq!(suffix, &hash[..16], "{folder}/{path}");
        }
    }
    if let Some(text) = entry["text"].as_str() {
        assert_eq!(object(&entry["text_path"]).body, text, "{folder}: text");
    }
}

/// The 16 hex digits at the end of a name that has them.
pub(crate) fn suffix(name: &str) -> Option<&str> {
    let stem = name.rsplit_once('.')?.0;
    let digits = stem.rsplit_once('-')?.1;
    (digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}
