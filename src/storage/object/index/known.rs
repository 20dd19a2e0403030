//! What a run keeps of the index in memory: 72 bytes per task.
//!
//! The entries are in one list, sorted by the fingerprint of the id. Of several entries of one task the one with the greatest rank
//! stays. A task whose entry is unusual (a status that is long, or one of many) is left out: its manifest is read instead.

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use super::entry::{EntryHead, IndexEntry, Rank};
use super::lines::{ReadError, Source};
use super::snapshot::{ATTEMPTS, Snapshot, give_up};
use crate::domain::manifest::{State, TaskEntry};
use crate::domain::shard::Shard;
use crate::domain::task::TaskId;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;

/// Objects that are read at once.
const READS_AT_ONCE: usize = 8;
/// The longest status that is kept.
const MAX_STATUS_LEN: usize = 64;
/// The most different statuses.
const MAX_STATUSES: usize = 1000;
/// The number of a status that is not kept.
const UNUSUAL: u16 = u16::MAX;

/// What the index says of the tasks of a shard.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// One per task, in the order of the fingerprints.
    tasks: Vec<IndexedTask>,
    statuses: Vec<String>,
}

/// What the index says of one task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KnownTask {
    /// How complete it is.
    pub state: State,
    /// The number of its files.
    pub files: usize,
    /// The total size of its files.
    pub bytes: u64,
    /// Whether it has a text.
    pub has_text: bool,
    /// The gateway's status.
    pub status: Option<String>,
    meta: u64,
}

#[derive(Clone, Copy, Debug)]
struct IndexedTask {
    /// Two halves, so that a task takes no padding.
    fingerprint: [u64; 2],
    rank: Rank,
    bytes: u64,
    meta: u64,
    /// One more than the place of its status in the list of statuses; 0 for none.
    status: u16,
    state: State,
    has_text: bool,
}

impl KnownTask {
    /// Whether its recorded `meta` is `meta`. The order of fields does not count.
    #[must_use]
    pub(crate) fn has_meta(&self, meta: Option<&Map<String, Value>>) -> bool {
        self.meta == hash_meta(meta)
    }

    /// Whether it says the same as the entry of a manifest.
    #[must_use]
    pub(crate) fn is_of(&self, entry: &TaskEntry) -> bool {
        let of_files = (self.state, self.files, self.bytes) == (entry.state, entry.files.len(), entry.bytes());
        of_files && self.has_text == entry.text.is_some() && self.status == entry.status && self.has_meta(entry.meta.as_ref())
    }
}

impl Index {
    /// Reads what the index says of the tasks of `shard`, or of all tasks.
    ///
    /// # Errors
    /// When an object of the index can't be read, or is damaged.
    pub(crate) async fn load(bucket: &Bucket, shard: Option<Shard>) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            match Self::load_snapshot(bucket, shard).await {
                Ok(index) => return Ok(index),
                Err(ReadError::Gone(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(give_up(bucket, error)),
            }
        }
    }

    async fn load_snapshot(bucket: &Bucket, shard: Option<Shard>) -> Result<Self, ReadError> {
        let sources = Snapshot::read(bucket).await?.sources(shard);
        let read = |source: Source| {
            source.read(bucket, move |index: &mut Self, entry| {
                if shard.is_none_or(|shard| shard.includes_hash(entry.hash())) {
                    index.push(&entry);
                }
                Ok(())
            })
        };
        let mut reads = stream::iter(sources).map(read).buffer_unordered(READS_AT_ONCE);
        let mut index = Self::default();
        while let Some(part) = reads.try_next().await? {
            index.append(part);
        }
        index.sort();
        index.tasks.shrink_to_fit();
        Ok(index)
    }

    /// What it says of a task. None: the manifest must be read.
    #[must_use]
    pub(crate) fn known(&self, id: &TaskId) -> Option<KnownTask> {
        let fingerprint = halves(id.fingerprint());
        let at = self.tasks.binary_search_by_key(&fingerprint, |task| task.fingerprint).ok()?;
        let IndexedTask { rank, bytes, meta, status, state, has_text, .. } = self.tasks[at];
        let status = usize::from(status).checked_sub(1).map(|at| self.statuses[at].clone());
        Some(KnownTask { state, files: rank.files as usize, bytes, has_text, status, meta })
    }

    /// The number of tasks.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    fn push(&mut self, entry: &IndexEntry<'_>) {
        let EntryHead { state, status, meta, .. } = &entry.head;
        let status = self.status_number(status.as_deref());
        self.tasks.push(IndexedTask {
            fingerprint: halves(entry.fingerprint),
            rank: entry.rank,
            bytes: entry.head.bytes(),
            meta: hash_meta(meta.as_ref()),
            status,
            state: *state,
            has_text: entry.head.has_text(),
        });
    }

    /// The number of a status: [`UNUSUAL`] when it is too long, or there are too many.
    fn status_number(&mut self, status: Option<&str>) -> u16 {
        let Some(status) = status else { return 0 };
        let place = match self.statuses.iter().position(|known| known == status) {
            Some(place) => place,
            None if status.len() > MAX_STATUS_LEN || self.statuses.len() == MAX_STATUSES => return UNUSUAL,
            None => {
                self.statuses.push(status.to_owned());
                self.statuses.len() - 1
            }
        };
        u16::try_from(place + 1).unwrap_or(UNUSUAL)
    }

    /// Adds what another object says.
    fn append(&mut self, other: Self) {
        let numbers: Vec<u16> = other.statuses.iter().map(|status| self.status_number(Some(status))).collect();
        self.tasks.extend(other.tasks.into_iter().map(|task| {
            let place = usize::from(task.status).checked_sub(1).filter(|_| task.status != UNUSUAL);
            IndexedTask { status: place.map_or(task.status, |at| numbers[at]), ..task }
        }));
    }

    /// Sorts the tasks, and keeps one entry of each. An unusual one goes after that: without it, an older one would win.
    fn sort(&mut self) {
        self.tasks.sort_unstable_by_key(|task| (task.fingerprint, Reverse(task.rank)));
        self.tasks.dedup_by_key(|task| task.fingerprint);
        self.tasks.retain(|task| task.status != UNUSUAL);
    }
}

fn halves(fingerprint: u128) -> [u64; 2] {
    let (high, low) = (fingerprint >> 64, fingerprint & u128::from(u64::MAX));
    [high, low].map(|half| u64::try_from(half).unwrap_or_default())
}

/// A hash of `meta` that depends neither on the order of its fields nor on the process.
fn hash_meta(meta: Option<&Map<String, Value>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    meta.is_some().hash(&mut hasher);
    if let Some(meta) = meta {
        hash_object(meta, &mut hasher);
    }
    hasher.finish()
}

fn hash_object(fields: &Map<String, Value>, hasher: &mut DefaultHasher) {
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    fields.len().hash(hasher);
    for (name, value) in fields {
        name.hash(hasher);
        hash_value(value, hasher);
    }
}

/// Recursive: the parser has bounded the depth.
fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null => {}
        Value::Bool(value) => value.hash(hasher),
        Value::Number(number) => number.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            for item in items {
                hash_value(item, hasher);
            }
        }
        Value::Object(fields) => hash_object(fields, hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Stamp;
    use super::*;
    use serde_json::json;

    fn index(lines: &[(&str, u64)]) -> Index {
        let mut index = Index::default();
        for (line, stamp) in lines {
            let mut one = Index::default();
            one.push(&IndexEntry::parse(line.as_bytes(), Stamp(*stamp)).unwrap());
            index.append(one);
        }
        index.sort();
        index
    }

    #[test]
    fn index_says_what_a_report_needs() {
        let index = index(&[
            (r#"{"task_id":"a","state":"failed","status":"FAILURE"}"#, 1),
            (
                r#"{"task_id":"b","state":"complete","status":"SUCCESS","text":"la","meta":{"x":1,"y":[2]},"files":[{"size":3},{"size":4}]}"#,
                1,
            ),
        ]);
        let known = |id| index.known(&TaskId::new(id).unwrap());
        let (failed, complete) = (known("a").unwrap(), known("b").unwrap());
        assert!(failed.state == State::Failed && failed.status.as_deref() == Some("FAILURE") && !failed.has_text);
        assert_eq!((complete.state, complete.files, complete.bytes, complete.has_text), (State::Complete, 2, 7, true));
        assert_eq!(complete.status.as_deref(), Some("SUCCESS"));
        assert!(complete.has_meta(json!({"y": [2], "x": 1}).as_object()));
        for other in [json!({"x": 1}), json!({"x": 1, "y": [2.0]}), json!({}), json!({"x": 1, "y": 2})] {
            assert!(!complete.has_meta(other.as_object()), "{other}");
        }
        assert!(!complete.has_meta(None) && failed.has_meta(None));
        assert_eq!((known("c"), index.len()), (None, 2));
    }

    #[test]
    fn winner_does_not_depend_on_the_order_of_reading() {
        let lines = [
            (r#"{"task_id":"a","state":"incomplete","files":[{"size":1}]}"#, 9),
            (r#"{"task_id":"a","state":"complete","meta":{"n":1},"files":[{"size":1}]}"#, 1),
            (r#"{"task_id":"a","state":"complete","meta":{"n":2},"files":[{"size":1}]}"#, 2),
            (r#"{"task_id":"a","state":"failed"}"#, 3),
        ];
        for first in 0..lines.len() {
            let mut turned = lines;
            turned.rotate_left(first);
            for lines in [turned, {
                turned.reverse();
                turned
            }] {
                let known = index(&lines).known(&TaskId::new("a").unwrap()).unwrap();
                assert!(known.has_meta(json!({"n": 2}).as_object()), "{lines:?}");
            }
        }
    }

    #[test]
    fn task_takes_few_bytes() {
        assert_eq!(size_of::<IndexedTask>(), 72, "the module says so");
    }

    #[test]
    fn unusual_statuses_are_left_to_the_manifest() {
        let long = format!(r#"{{"task_id":"a","state":"complete","status":"{}"}}"#, "x".repeat(MAX_STATUS_LEN + 1));
        let mut lines = vec![long];
        lines.extend((0..2 * MAX_STATUSES).map(|n| format!(r#"{{"task_id":"{n}","state":"complete","status":"{n}"}}"#)));
        let lines: Vec<(&str, u64)> = lines.iter().map(|line| (line.as_str(), 1)).collect();
        let index = index(&lines);
        assert_eq!(index.len(), MAX_STATUSES);
        assert_eq!(index.known(&TaskId::new("999").unwrap()).unwrap().status.as_deref(), Some("999"));
        assert_eq!(index.known(&TaskId::new("1000").unwrap()), None);
    }
}
