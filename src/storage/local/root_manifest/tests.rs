//! An update gives the same bytes as a rebuild, whichever way it goes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::integrity::digest::Sha256Hex;
use crate::layout;

/// A small archive, with what can be in a manifest.
struct Archive {
    root: tempfile::TempDir,
    random: fastrand::Rng,
}

/// Ids in an order that is not that of their folders.
const IDS: [&str; 12] = ["0", "10", "2", "Odd", "a", "a\"{b", "b", "c\\d", "t-1", "t.2", "z", "é"];

impl Archive {
    fn new(seed: u64) -> Self {
        Self { root: tempfile::tempdir().unwrap(), random: fastrand::Rng::with_seed(seed) }
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.path().join(layout::folder_name(id))
    }

    /// Writes the task's own manifest, with random content.
    fn write_task(&mut self, id: &str) {
        let random = &mut self.random;
        let hash = |n: u32| Sha256Hex::digest(&n.to_be_bytes()).as_str().to_owned();
        let files: Vec<Value> = (1..=random.u32(0..4))
            .map(|n| json!({"kind": "image", "index": n, "path": format!("image-{n}.png"), "size": 7, "sha256": hash(random.u32(..)), "warnings": ["{\\"]}))
            .collect();
        let mut task = json!({"task_id": id, "state": "complete", "files": files, "errors": []});
        if random.bool() {
            task["text"] = json!("la \" [\n    }\n  ]\n}\n");
        }
        if random.bool() {
            task["meta"] = json!({"prompt": "{{[\"", "deep": {"list": [1, {"x": []}]}, "n": random.u32(..)});
        }
        if random.bool() {
            task["archived_at"] = json!(format!("2026-01-01T00:00:{:02}Z", random.u32(0..60)));
        }
        let mut text = json!({"manifest_version": 1, "tasks": [task]}).to_string();
        if random.bool() {
            // Looks like the lines between two entries.
            let future = "\"future\": [{\"x\": 1.50\n    },\n    {\n      \"task_id\": \"b\",\n      \"x\": 1}], \"errors\"";
            text = text.replacen("\"errors\"", future, 1);
        }
        fs::create_dir_all(self.folder(id)).unwrap();
        fs::write(self.folder(id).join(MANIFEST), text).unwrap();
    }

    /// The root's files.
    fn files(&self) -> Files {
        let read = |name: &'static str| fs::read(self.path().join(name)).ok().map(|text| (name, text));
        [MANIFEST, SHA256SUMS].into_iter().filter_map(read).collect()
    }

    fn restore(&self, files: &Files) {
        for name in [MANIFEST, SHA256SUMS] {
            let path = self.path().join(name);
            files.get(name).map_or_else(|| drop(fs::remove_file(&path)), |text| fs::write(&path, text).unwrap());
        }
    }

    fn rebuild(&self) -> bool {
        rebuild(self.path(), &wait()).unwrap().is_changed
    }

    fn update(&self, changed: &[TaskId], reused: &[&str]) -> Report {
        let reused: Vec<u128> = reused.iter().map(|id| TaskId::new(id).unwrap().fingerprint()).collect();
        update(self.path(), changed.to_vec(), &reused, &RecentCommits::default(), &wait()).unwrap()
    }

    fn plan(&self, changed: &[TaskId]) -> Option<SplicePlan> {
        SplicePlan::new(self.path(), changed, &[]).unwrap()
    }
}

fn wait() -> LockWait {
    LockWait::new(CancellationToken::new(), |_| ())
}

fn ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<TaskId> {
    ids.into_iter().map(|id| TaskId::new(id).unwrap()).collect()
}

#[test]
fn update_of_any_tasks_gives_the_bytes_of_a_rebuild() {
    let mut copied = 0;
    for seed in 0..300 {
        let mut archive = Archive::new(seed);
        for id in IDS {
            if archive.random.bool() {
                archive.write_task(id);
            }
        }
        archive.rebuild();
        let mut changed = Vec::new();
        for id in IDS {
            match archive.random.u32(0..6) {
                0 | 1 => archive.write_task(id),
                2 => drop(fs::remove_dir_all(archive.folder(id))),
                3 => {}
                _ => continue,
            }
            changed.push(id);
        }
        archive.random.shuffle(&mut changed);
        let (before, changed) = (archive.files(), ids(changed));
        copied += usize::from(archive.plan(&changed).is_some());
        archive.update(&changed, &[]);
        let updated = archive.files();
        archive.restore(&before);
        let stale = dirty_marker::find_stale(archive.path(), &[]);
        merge_or_rebuild(archive.path(), changed, &[], stale, &RecentCommits::default(), Report::default()).unwrap();
        assert!(archive.files() == updated, "seed {seed}: merged");
        archive.rebuild();
        assert!(archive.files() == updated, "seed {seed}: rebuilt as {}", String::from_utf8_lossy(&archive.files()[MANIFEST]));
        let names = fs::read_dir(archive.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| name.starts_with('.')).count(), 0, "seed {seed}");
    }
    assert!(copied > 250, "only {copied} updates copied what did not change");
}

type Files = BTreeMap<&'static str, Vec<u8>>;

/// An archive with a new task `c`, and its root's files without and with that task.
fn archive_with_new_task() -> (Archive, Files, Files) {
    let mut archive = Archive::new(7);
    for id in ["a", "b", "t-1", "z"] {
        while fs::read_to_string(archive.folder(id).join(MANIFEST)).map_or(true, |text| !text.contains("image-1")) {
            archive.write_task(id);
        }
    }
    archive.rebuild();
    let before = archive.files();
    archive.write_task("c");
    archive.rebuild();
    let expected = archive.files();
    (archive, before, expected)
}

#[test]
fn edited_root_manifest_is_updated_as_a_rebuild_does_it() {
    let (archive, before, expected) = archive_with_new_task();
    let text = String::from_utf8(before[MANIFEST].clone()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let with_tasks = |change: fn(&mut Vec<Value>)| {
        let mut value = value.clone();
        change(value["tasks"].as_array_mut().unwrap());
        format!("{value:#}\n").into_bytes()
    };
    let at = text.find("\"state\"").unwrap();
    let edited = [
        value.to_string().into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        text.replace('\n', "\r\n").into_bytes(),
        text.replace("\n  ", "\n    ").into_bytes(),
        text.trim_end().as_bytes().to_vec(),
        text.as_bytes()[..at].to_vec(),
        [&text.as_bytes()[..at], &[0; 512], &text.as_bytes()[at..]].concat(),
        [&text.as_bytes()[..at], b"garbage", &text.as_bytes()[at..]].concat(),
        [&text.as_bytes()[..=at], b"\xff", &text.as_bytes()[at + 2..]].concat(),
        with_tasks(|tasks| tasks.reverse()),
        with_tasks(|tasks| tasks.insert(0, tasks[0].clone())),
        with_tasks(|tasks| tasks.insert(1, json!(7))),
        with_tasks(Vec::clear),
        text.replace("    },\n    {", "    },\n    {\"no\": \"task\"},\n    {").into_bytes(),
        text.replacen("\n  \"tasks\"", "\n  \"more\": {},\n  \"tasks\"", 1).into_bytes(),
    ];
    let changed = ids(["c"]);
    for (n, edited) in edited.into_iter().enumerate() {
        archive.restore(&BTreeMap::from([(MANIFEST, edited), (SHA256SUMS, before[SHA256SUMS].clone())]));
        assert!(archive.plan(&changed).is_none(), "edit {n}");
        archive.update(&changed, &["a", "b", "t-1", "z"]);
        assert!(archive.files() == expected, "edit {n}: {}", String::from_utf8_lossy(&archive.files()[MANIFEST]));
    }
}

#[test]
fn edited_checksum_list_is_updated_as_a_rebuild_does_it() {
    let (archive, before, expected) = archive_with_new_task();
    let changed = ids(["c"]);
    let lines = String::from_utf8(before[SHA256SUMS].clone()).unwrap();
    let mut swapped: Vec<&str> = lines.lines().collect();
    swapped.reverse();
    for sums in [
        "anything\n".to_owned(),
        lines.replace("  ", " *"),
        lines[64..].to_owned(),
        swapped.join("\n") + "\n",
        format!("{lines}{lines}"),
        lines[..lines.len() - 1].to_owned(),
    ] {
        archive.restore(&BTreeMap::from([(MANIFEST, before[MANIFEST].clone()), (SHA256SUMS, sums.clone().into_bytes())]));
        assert!(archive.plan(&changed).is_none(), "{sums}");
        archive.update(&changed, &[]);
        assert!(archive.files() == expected, "{sums}");
    }
    for missing in [MANIFEST, SHA256SUMS] {
        let mut files = before.clone();
        files.remove(missing);
        archive.restore(&files);
        archive.update(&changed, &[]);
        assert!(archive.files() == expected, "{missing} missing");
    }
}

#[test]
fn update_that_changes_nothing_leaves_the_files() {
    let mut archive = Archive::new(3);
    for id in IDS {
        archive.write_task(id);
    }
    archive.rebuild();
    let modified = || [MANIFEST, SHA256SUMS].map(|name| fs::metadata(archive.path().join(name)).unwrap().modified().unwrap());
    let before = modified();
    archive.update(&[], &IDS);
    archive.update(&ids(["a", "z", "gone"]), &["b"]);
    assert_eq!(modified(), before);
    assert_eq!(fs::read_dir(archive.path()).unwrap().count(), IDS.len() + 2);
}

#[test]
fn manifest_of_another_version_of_this_program_is_rewritten_with_this_one() {
    let mut archive = Archive::new(4);
    archive.write_task("a");
    archive.rebuild();
    let (before, expected) = (String::from_utf8(archive.files()[MANIFEST].clone()).unwrap(), archive.files());
    let older = before.replace(crate::domain::manifest::GENERATOR, "yescale-dl 0.1.0-rc.1");
    archive.restore(&BTreeMap::from([
        (MANIFEST, older.into_bytes()),
        (SHA256SUMS, expected.get(SHA256SUMS).cloned().unwrap_or_default()),
    ]));
    assert!(archive.plan(&ids(["a"])).is_some());
    archive.update(&ids(["a"]), &[]);
    assert_eq!(archive.files()[MANIFEST], expected[MANIFEST]);
}

#[test]
fn reused_task_that_the_root_does_not_name_is_added() {
    let mut archive = Archive::new(5);
    archive.write_task("a");
    archive.rebuild();
    for id in ["b", "c"] {
        archive.write_task(id);
    }
    archive.update(&ids(["c"]), &["a", "b"]);
    assert!(!archive.rebuild());
    archive.write_task("z");
    archive.update(&[], &["z"]);
    assert!(!archive.rebuild());
}

#[test]
fn removed_task_is_reported() {
    let mut archive = Archive::new(6);
    for id in ["a", "b"] {
        archive.write_task(id);
    }
    archive.rebuild();
    for id in ["a", "b"] {
        fs::remove_dir_all(archive.folder(id)).unwrap();
    }
    let report = archive.update(&ids(["a", "b"]), &[]);
    assert_eq!(report.notes().count(), 2);
    assert!(!archive.rebuild());
    assert_eq!(archive.files().keys().copied().collect::<Vec<_>>(), [MANIFEST]);
}

#[test]
fn checksum_list_of_a_killed_writer_is_written_again() {
    for changed in [&["c"][..], &["a"], &[]] {
        let (archive, _, expected) = archive_with_new_task();
        // The manifest got its name, and the list did not.
        let line_end = expected[SHA256SUMS].iter().position(|byte| *byte == b'\n').unwrap();
        let old_list = expected[SHA256SUMS][..=line_end].to_vec();
        archive.restore(&Files::from([(MANIFEST, expected[MANIFEST].clone()), (SHA256SUMS, old_list)]));
        fs::write(archive.path().join(".SHA256SUMS.x7Yz"), &expected[SHA256SUMS]).unwrap();
        archive.update(&ids(changed.iter().copied()), &[]);
        assert!(archive.files() == expected, "{changed:?}");
        assert!(!archive.path().join(".SHA256SUMS.x7Yz").exists());
    }
}
