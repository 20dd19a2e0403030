//! One line of the index: the entry of a task, and which of several entries of one task wins.
//!
//! The order of [`Rank`] depends on the entries and their objects alone, so that every reader finds the same winner: the later
//! `archived_at`, then the more complete state, more files, the later object, and at last the text of the line. Every write of a
//! manifest makes `archived_at` later (see `commit`), so the winner is the entry of the latest manifest. The state must not count
//! first: a task whose later answer names more than could be fetched is complete no longer.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::lines::MAX_LINE;
use super::names::Stamp;
use crate::domain::manifest::{State, TaskEntry};
use crate::domain::task::TaskId;

/// What a reader needs of an entry. The rest is skipped, but must be JSON.
#[derive(Deserialize)]
pub(super) struct EntryHead {
    pub task_id: String,
    pub state: State,
    pub status: Option<String>,
    archived_at: Option<String>,
    text: Option<IgnoredAny>,
    pub meta: Option<Map<String, Value>>,
    #[serde(default)]
    files: Vec<FileHead>,
}

#[derive(Deserialize)]
struct FileHead {
    size: u64,
}

/// Which entry of a task wins: the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank {
    archived_at: i64,
    state: u8,
    pub files: u32,
    stamp: Stamp,
    text: u64,
}

/// An entry, as it was read.
pub(super) struct IndexEntry<'a> {
    /// The line, with its end.
    pub line: &'a [u8],
    pub fingerprint: u128,
    pub rank: Rank,
    pub head: EntryHead,
}

impl<'a> IndexEntry<'a> {
    /// The entry in `line`, from an object of the time `stamp`. None when it is no entry of a task.
    pub(super) fn parse(line: &'a [u8], stamp: Stamp) -> Option<Self> {
        let head: EntryHead = serde_json::from_slice(line).ok()?;
        // Ids are recorded without surrounding whitespace.
        let id = TaskId::new(&head.task_id).filter(|id| id.as_str() == head.task_id)?;
        let archived_at = head.archived_at.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
        let mut text = DefaultHasher::new();
        line.hash(&mut text);
        let rank = Rank {
            archived_at: archived_at.map_or(i64::MIN, Timestamp::as_second),
            state: completeness(head.state),
            files: u32::try_from(head.files.len()).unwrap_or(u32::MAX),
            stamp,
            text: text.finish(),
        };
        Some(Self { line, fingerprint: id.fingerprint(), rank, head })
    }

    /// The first 8 bytes of the hash of its id.
    pub(super) fn hash(&self) -> u64 {
        hash_start(self.fingerprint)
    }
}

impl EntryHead {
    /// The total size of the files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    pub(super) fn has_text(&self) -> bool {
        self.text.is_some()
    }
}

impl Rank {
    /// The size of an encoded rank.
    pub(super) const LEN: usize = 1 + 8 + 4 + 8 + 8;

    /// Appends it to `bytes`, for [`Self::decode`].
    pub(super) fn encode(self, bytes: &mut Vec<u8>) {
        bytes.push(self.state);
        bytes.extend_from_slice(&self.archived_at.to_le_bytes());
        bytes.extend_from_slice(&self.files.to_le_bytes());
        bytes.extend_from_slice(&self.stamp.0.to_le_bytes());
        bytes.extend_from_slice(&self.text.to_le_bytes());
    }

    /// The rank at the beginning of `bytes`, and what follows.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (state, bytes) = bytes.split_first()?;
        let (archived_at, bytes) = bytes.split_first_chunk()?;
        let (files, bytes) = bytes.split_first_chunk()?;
        let (stamp, bytes) = bytes.split_first_chunk()?;
        let (text, bytes) = bytes.split_first_chunk()?;
        let rank = Self {
            archived_at: i64::from_le_bytes(*archived_at),
            state: *state,
            files: u32::from_le_bytes(*files),
            stamp: Stamp(u64::from_le_bytes(*stamp)),
            text: u64::from_le_bytes(*text),
        };
        Some((rank, bytes))
    }
}

/// The first 8 bytes of the hash with this fingerprint.
pub(super) fn hash_start(fingerprint: u128) -> u64 {
    let bytes = fingerprint.to_be_bytes();
    bytes.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// The line of a task, from the entry of its manifest. None when it is too long for the index: readers then ask for the manifest.
pub(super) fn line_of(entry: &TaskEntry) -> Option<Vec<u8>> {
    let entry = TaskEntry { response: None, ..entry.clone() }.into_root_relative();
    let mut line = serde_json::to_vec(&entry).ok()?;
    line.push(b'\n');
    (line.len() <= MAX_LINE).then_some(line)
}

fn completeness(state: State) -> u8 {
    match state {
        State::Complete => 3,
        State::Partial => 2,
        State::Incomplete => 1,
        State::Failed => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(json: &str, stamp: u64) -> Rank {
        IndexEntry::parse(json.as_bytes(), Stamp(stamp)).unwrap().rank
    }

    #[test]
    fn winner_is_the_later_then_the_more_complete_then_the_larger_then_that_of_the_later_object() {
        let file = r#"{"size":1}"#;
        let ascending = [
            (r#"{"task_id":"t","state":"failed"}"#.to_owned(), 9),
            (r#"{"task_id":"t","state":"incomplete"}"#.to_owned(), 9),
            (r#"{"task_id":"t","state":"partial"}"#.to_owned(), 9),
            (r#"{"task_id":"t","state":"complete"}"#.to_owned(), 9),
            (format!(r#"{{"task_id":"t","state":"complete","archived_at":"2026-11-30T08:00:00Z","files":[{file},{file}]}}"#), 9),
            (r#"{"task_id":"t","state":"complete","archived_at":"2026-11-30T08:00:01Z"}"#.to_owned(), 9),
            (format!(r#"{{"task_id":"t","state":"complete","archived_at":"2026-11-30T08:00:01Z","files":[{file}]}}"#), 1),
            (
                format!(
                    r#"{{"task_id":"t","state":"complete","archived_at":"2026-11-30T08:00:01Z","meta":{{}},"files":[{file}]}}"#
                ),
                2,
            ),
            (r#"{"task_id":"t","state":"incomplete","archived_at":"2026-11-30T09:00:00Z"}"#.to_owned(), 1),
            (r#"{"task_id":"t","state":"failed","archived_at":"2026-11-30T10:00:00Z"}"#.to_owned(), 1),
        ];
        let ranks: Vec<Rank> = ascending.iter().map(|(json, stamp)| rank(json, *stamp)).collect();
        assert!(ranks.is_sorted_by(|one, other| one < other), "{ranks:?}");
        let mut bytes = Vec::new();
        for rank in &ranks {
            rank.encode(&mut bytes);
        }
        assert_eq!(bytes.len(), ranks.len() * Rank::LEN);
        assert_eq!(Rank::decode(&bytes[Rank::LEN..]).unwrap().0, ranks[1]);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for line in
            ["", "7", "{}", r#"{"task_id":"t"}"#, r#"{"task_id":" t","state":"complete"}"#, r#"{"task_id":"","state":"failed"}"#]
        {
            assert!(IndexEntry::parse(line.as_bytes(), Stamp::default()).is_none(), "{line}");
        }
    }
}
