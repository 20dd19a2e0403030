//! A task's own manifest, read in one pass.
//!
//! Decides whether it can be read, is damaged, or is not ours. Damaged is what is not JSON any more, and what is ours by
//! its shape and names no task that can be read. A byte-order mark, another order of keys, and fields that this version does
//! not know are no damage.

use std::io::{self, Cursor};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::unknown::{Collecting, Unknown};
use super::{TaskEntry, Verdict, judge, unmarked};

/// What a task's own manifest says.
#[derive(Debug)]
pub enum Own {
    /// The one task that it names.
    Task(Box<TaskEntry>),
    /// Several tasks: it is an archive's.
    Several,
    /// It can't be read. `is_cut`: a crash left it empty, zeroed, or without its end, so that it may be written anew.
    Damaged {
        /// Whether it may be written anew.
        is_cut: bool,
    },
    /// Another program's.
    Foreign,
    /// A later version's.
    Newer(u64),
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
struct Document {
    manifest_version: u64,
    #[serde(default, rename = "generator")]
    _generator: IgnoredAny,
    tasks: Vec<TaskEntry>,
    #[serde(skip)]
    unknown: Unknown,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut unknown = Unknown::default();
        let document = Self::deserialize(Collecting::new(deserializer, &mut unknown))?;
        Ok(Self { unknown, ..document })
    }
}

impl Own {
    /// Reads a whole manifest.
    ///
    /// # Errors
    /// None that a manifest in memory could cause.
    pub fn read(text: &[u8]) -> io::Result<Self> {
        // The one pass that nearly all get.
        if let Ok(Document { manifest_version: 1, tasks, unknown, .. }) = serde_json::from_slice(unmarked(text)) {
            return Ok(Self::of(tasks, unknown));
        }
        Ok(match judge(Cursor::new(text), |_| ())? {
            Verdict::Ours | Verdict::Garbled | Verdict::NoJson => Self::Damaged { is_cut: false },
            Verdict::Broken => Self::Damaged { is_cut: true },
            Verdict::Foreign => Self::Foreign,
            Verdict::Newer(version) => Self::Newer(version),
        })
    }

    /// Reads a manifest that is whole, without its text in memory; none where it has to be read with [`Own::read`].
    pub fn stream(from: impl io::Read) -> Option<Box<TaskEntry>> {
        match serde_json::from_reader(from) {
            Ok(Document { manifest_version: 1, tasks, unknown, .. }) if tasks.len() == 1 => match Self::of(tasks, unknown) {
                Self::Task(task) => Some(task),
                _ => None,
            },
            _ => None,
        }
    }

    fn of(tasks: Vec<TaskEntry>, beside: Unknown) -> Self {
        let is_one = tasks.iter().all(|task| task.task_id == tasks[0].task_id);
        match tasks.into_iter().next() {
            // However often it is named, a task is one.
            Some(task) if is_one => Self::Task(Box::new(TaskEntry { beside, ..task })),
            Some(_) => Self::Several,
            // Nothing is lost when it is written anew.
            None => Self::Damaged { is_cut: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{tests::entry, write_own};
    use super::*;

    fn read(text: &[u8]) -> Own {
        Own::read(text).unwrap()
    }

    fn written() -> Vec<u8> {
        let mut text = Vec::new();
        write_own(&mut text, &entry("t1")).unwrap();
        text
    }

    #[test]
    fn what_an_editor_changes_is_no_damage_and_what_another_version_adds_survives() {
        let text = String::from_utf8(written()).unwrap();
        let marked = format!("\u{feff}{text}");
        let later = text.replace("\"tasks\": [", "\"later\": {\"n\": 1.50},\n  \"tasks\": [");
        let reordered = r#"{"tasks":[{"state":"complete","task_id":"t1"}],"manifest_version":1}"#;
        for same in [&text, &marked, &text.replace('\n', "\r\n"), reordered, &later] {
            assert!(matches!(read(same.as_bytes()), Own::Task(task) if task.task_id == "t1"), "{same}");
        }
        let Own::Task(task) = read(later.as_bytes()) else { panic!("it is a task's") };
        let mut again = Vec::new();
        write_own(&mut again, &task).unwrap();
        assert!(String::from_utf8(again).unwrap().contains("\"later\": {\"n\": 1.50}"));
    }

    #[test]
    fn what_is_no_json_any_more_is_damaged_and_another_program_s_is_foreign() {
        let text = String::from_utf8(written()).unwrap();
        let utf_16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut rotted = text.clone().into_bytes();
        rotted[60] ^= 0x80;
        let comma = text.replace("\n  ]", ",\n  ]");
        for garbled in [&utf_16[..], &rotted, comma.as_bytes(), b"notes", text.replace("\"state\"", "\"stale\"").as_bytes()] {
            assert!(matches!(read(garbled), Own::Damaged { is_cut: false }), "{}", String::from_utf8_lossy(garbled));
        }
        for cut in [&b""[..], &[0; 9], &text.as_bytes()[..80], br#"{"manifest_version":1,"tasks":[]}"#] {
            assert!(matches!(read(cut), Own::Damaged { is_cut: true }), "{}", String::from_utf8_lossy(cut));
        }
        assert!(matches!(read(br#"{"name":"my app"}"#), Own::Foreign));
        assert!(matches!(read(br#"{"manifest_version": 2, "tasks": [{"#), Own::Foreign));
        assert!(matches!(read(br#"{"manifest_version":2,"tasks":[]}"#), Own::Newer(2)));
    }
}
