//! What the index says of tasks whose manifest is lost.

use std::collections::{HashMap, HashSet};

use super::super::BucketReader;
use super::super::listing::Objects;
use crate::domain::event::Fault;
use crate::domain::manifest::TaskEntry;
use crate::domain::selection::TaskFilter;
use crate::layout::{self, MANIFEST};
use crate::storage::Error;
use crate::storage::error::BucketFault;
use crate::storage::object::index::for_each_indexed;

/// Where the index is, in findings.
const INDEX: &str = ".yescale/index";

/// The entries of some folders, as the index has them.
#[derive(Default)]
pub(super) struct LostEntries {
    /// As JSON, which takes less memory.
    by_folder: HashMap<Box<str>, Vec<u8>>,
    /// Whether the index could not be read to its end.
    is_partial: bool,
}

impl LostEntries {
    /// The entry of the task in `folder`, with paths relative to the root.
    pub(super) fn get(&self, folder: &str) -> Option<TaskEntry> {
        serde_json::from_slice(self.by_folder.get(folder)?).ok()
    }

    /// Whether a folder without an entry may still be in the index.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_partial
    }
}

/// Collects the tasks of the index that have no manifest. Returns the fault of the index.
pub(super) async fn read_index(
    reader: &BucketReader,
    objects: &Objects,
    filter: &TaskFilter,
    indexed: &mut HashMap<String, String>,
) -> Result<Vec<(String, Fault)>, Error> {
    let has_manifest =
        |folder: &str| objects.folders.get(folder).is_some_and(|names| names.iter().any(|(name, _)| &**name == MANIFEST));
    let read = for_each_indexed(&reader.bucket, |task| {
        let folder = layout::folder_name(&task.task_id);
        // Other folders than those of the filter were not listed.
        let is_listed = filter.ids.as_ref().is_none_or(|ids| ids.contains(&task.task_id));
        if is_listed && !has_manifest(&folder) {
            indexed.insert(folder, task.task_id);
        }
    });
    match read.await {
        Ok(()) => Ok(Vec::new()),
        Err(Error::Bucket { source, action, url }) if source.fault == BucketFault::Refused => {
            Err(Error::Bucket { action, url, source })
        }
        Err(_) => Ok(vec![(INDEX.to_owned(), Fault::Unreadable)]),
    }
}

/// Reads the entries of `folders` from the index, which is read once for all of them. An archive's folder alone has one.
pub(super) async fn read_lost(reader: &BucketReader, folders: &[&str]) -> LostEntries {
    let mut lost = LostEntries::default();
    if folders.is_empty() || reader.is_single {
        return lost;
    }
    let wanted: HashSet<&str> = folders.iter().copied().collect();
    let read = for_each_indexed(&reader.bucket, |task| {
        let folder = layout::folder_name(&task.task_id);
        if wanted.contains(folder.as_str())
            && let Ok(text) = serde_json::to_vec(&task)
        {
            lost.by_folder.insert(folder.into(), text);
        }
    });
    lost.is_partial = read.await.is_err();
    lost
}
