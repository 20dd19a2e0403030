//! Reads a task manifest, in one pass, and decides whether it is valid, damaged or foreign.
//!
//! Damaged: it is no longer JSON, or it has the shape of a manifest and no task that can be parsed. A byte-order mark,
//! another order of keys, and fields that this version does not know are no damage.

use std::io::{self, Cursor};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::unknown_fields::{UnknownFieldCollector, UnknownFields};
use super::{Ownership, TaskEntry, check_ownership, strip_byte_order_mark};

/// The result of reading a task manifest.
#[derive(Debug)]
pub enum TaskManifest {
    /// It has one task.
    Task(Box<TaskEntry>),
    /// It has several tasks: it is the root manifest of an archive.
    MultipleTasks,
    /// It can't be read.
    Damaged {
        /// Whether a crash left it empty, zeroed or without its end: it may be rewritten.
        is_truncated: bool,
    },
    /// Another program wrote it.
    Foreign,
    /// A later version of this program wrote it, with this `manifest_version`.
    NewerVersion(u64),
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct ManifestDocument {
    manifest_version: u64,
    #[serde(default, rename = "generator")]
    _generator: IgnoredAny,
    tasks: Vec<TaskEntry>,
    #[serde(skip)]
    unknown: UnknownFields,
}

impl<'de> Deserialize<'de> for ManifestDocument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut unknown = UnknownFields::default();
        let document = Self::deserialize(UnknownFieldCollector::new(deserializer, &mut unknown))?;
        Ok(Self { unknown, ..document })
    }
}

impl TaskManifest {
    /// Parses the text of a manifest.
    ///
    /// # Errors
    /// None in practice: reading from memory does not fail.
    pub fn parse(text: &[u8]) -> io::Result<Self> {
        // The fast path: almost all manifests need only this pass.
        if let Ok(ManifestDocument { manifest_version: 1, tasks, unknown, .. }) =
            serde_json::from_slice(strip_byte_order_mark(text))
        {
            return Ok(Self::from_tasks(tasks, unknown));
        }
        Ok(match check_ownership(Cursor::new(text), |_| ())? {
            Ownership::Ours | Ownership::Corrupt | Ownership::NotJson => Self::Damaged { is_truncated: false },
            Ownership::Truncated => Self::Damaged { is_truncated: true },
            Ownership::Foreign => Self::Foreign,
            Ownership::NewerVersion(version) => Self::NewerVersion(version),
        })
    }

    /// Parses a valid manifest of one task without its text in memory; `None` when [`TaskManifest::parse`] must decide.
    pub fn from_reader(reader: impl io::Read) -> Option<Box<TaskEntry>> {
        match serde_json::from_reader(reader) {
            Ok(ManifestDocument { manifest_version: 1, tasks, unknown, .. }) if tasks.len() == 1 => {
                match Self::from_tasks(tasks, unknown) {
                    Self::Task(task) => Some(task),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn from_tasks(tasks: Vec<TaskEntry>, unknown_manifest_fields: UnknownFields) -> Self {
        let is_one = tasks.iter().all(|task| task.task_id == tasks[0].task_id);
        match tasks.into_iter().next() {
            // A repeated task counts once.
            Some(task) if is_one => Self::Task(Box::new(TaskEntry { unknown_manifest_fields, ..task })),
            Some(_) => Self::MultipleTasks,
            // It has no task, so a rewrite loses nothing.
            None => Self::Damaged { is_truncated: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::tests::entry;
    use crate::domain::manifest::write_task_manifest;

    fn parse(text: &[u8]) -> TaskManifest {
        TaskManifest::parse(text).unwrap()
    }

    fn written() -> Vec<u8> {
        let mut text = Vec::new();
        write_task_manifest(&mut text, &entry("t1")).unwrap();
        text
    }

    #[test]
    fn editor_changes_are_not_damage_and_unknown_fields_survive() {
        let text = String::from_utf8(written()).unwrap();
        let marked = format!("\u{feff}{text}");
        let later = text.replace("\"tasks\": [", "\"later\": {\"n\": 1.50},\n  \"tasks\": [");
        let reordered = r#"{"tasks":[{"state":"complete","task_id":"t1"}],"manifest_version":1}"#;
        for same in [&text, &marked, &text.replace('\n', "\r\n"), reordered, &later] {
            assert!(matches!(parse(same.as_bytes()), TaskManifest::Task(task) if task.task_id == "t1"), "{same}");
        }
        let TaskManifest::Task(task) = parse(later.as_bytes()) else { panic!("it is a task's") };
        let mut again = Vec::new();
        write_task_manifest(&mut again, &task).unwrap();
        assert!(String::from_utf8(again).unwrap().contains("\"later\": {\"n\": 1.50}"));
    }

    #[test]
    fn invalid_json_is_damaged_and_other_programs_json_is_foreign() {
        let text = String::from_utf8(written()).unwrap();
        let utf_16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut rotted = text.clone().into_bytes();
        rotted[60] ^= 0x80;
        let comma = text.replace("\n  ]", ",\n  ]");
        for garbled in [&utf_16[..], &rotted, comma.as_bytes(), b"notes", text.replace("\"state\"", "\"stale\"").as_bytes()] {
            assert!(
                matches!(parse(garbled), TaskManifest::Damaged { is_truncated: false }),
                "{}",
                String::from_utf8_lossy(garbled)
            );
        }
        for cut in [&b""[..], &[0; 9], &text.as_bytes()[..80], br#"{"manifest_version":1,"tasks":[]}"#] {
            assert!(matches!(parse(cut), TaskManifest::Damaged { is_truncated: true }), "{}", String::from_utf8_lossy(cut));
        }
        assert!(matches!(parse(br#"{"name":"my app"}"#), TaskManifest::Foreign));
        assert!(matches!(parse(br#"{"manifest_version": 2, "tasks": [{"#), TaskManifest::Foreign));
        assert!(matches!(parse(br#"{"manifest_version":2,"tasks":[]}"#), TaskManifest::NewerVersion(2)));
    }
}
