//! Reads the manifests of all tasks in a bucket, for `index --rebuild`.
//!
//! The whole prefix is listed as a stream, so that memory stays bounded; objects other than manifests of tasks are skipped. A
//! manifest that can't be fetched ends the rebuild: the old index is better than one with fewer tasks. A manifest that is
//! damaged or not ours is reported, and its task stays out of the index: a run of that task then reads the manifest, and says
//! the same. Tasks of the old index that have no manifest now are named: the index was the last that knew them.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::ready;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Semaphore;

use super::entry::{IndexEntry, line_of};
use super::lines::{Source, fetch};
use super::names::Stamp;
use super::partitions::Partitions;
use crate::domain::manifest::{TaskEntry, TaskManifest};
use crate::domain::task::TaskId;
use crate::layout::{self, MANIFEST};
use crate::storage::object::bucket::Bucket;
use crate::storage::object::manifest_object::{MAX_SIZE, too_large};
use crate::storage::read::report::Report;
use crate::storage::{Error, blocking};

/// Manifests that are fetched at once.
const FETCHES_AT_ONCE: usize = 32;
/// The bytes of manifests that are in memory at once, in KiB. A larger manifest is read alone.
const MEMORY_KIB: u32 = 128 << 10;

/// What a folder's manifest is.
enum Found {
    Task(Box<TaskEntry>),
    /// It was removed since it was listed.
    Gone,
    Fault(String),
}

/// What the manifests say.
pub(super) struct Manifests {
    pub partitions: Partitions,
    /// What is wrong with single ones.
    pub report: Report,
    /// The fingerprints of the tasks.
    ids: HashSet<u128>,
}

/// The entries of all task manifests, and what is wrong with single ones. `progress` gets the number of manifests read so far.
///
/// # Errors
/// When the bucket can't be listed, or a manifest can't be fetched.
pub(super) async fn read_manifests(bucket: &Bucket, stamp: Stamp, progress: &mut impl FnMut(u64)) -> Result<Manifests, Error> {
    let memory = Semaphore::new(MEMORY_KIB as usize);
    let (mut partitions, mut report, mut ids) = (Partitions::default(), Report::default(), HashSet::new());
    let prefix = bucket.key("");
    let objects = bucket.store.list(Some(&prefix)).map(|object| object.map_err(bucket.error("list", "")));
    let folders = objects.try_filter_map(|object| {
        let relative = object.location.as_ref().strip_prefix(prefix.as_ref()).unwrap_or_default().trim_start_matches('/');
        let folder = relative.strip_suffix(MANIFEST).and_then(|rest| rest.strip_suffix('/'));
        let found = folder.filter(|folder| layout::is_folder_name(folder)).map(|folder| (folder.to_owned(), object.size));
        ready(Ok(found))
    });
    let memory = &memory;
    let read = |(folder, size): (String, u64)| async move {
        let kib = u32::try_from(size >> 10).unwrap_or(MEMORY_KIB).clamp(1, MEMORY_KIB);
        // The semaphore is never closed.
        let _memory = memory.acquire_many(kib).await.map_err(|_| Error::Panicked)?;
        read_manifest(bucket, &folder, size).await
    };
    let mut reads = folders.map_ok(read).try_buffer_unordered(FETCHES_AT_ONCE);
    let mut count = 0;
    while let Some(found) = reads.try_next().await? {
        count += 1;
        progress(count);
        match found {
            Found::Gone => {}
            Found::Fault(message) => report.add_fault(message),
            Found::Task(entry) => {
                ids.extend(TaskId::new(&entry.task_id).map(|id| id.fingerprint()));
                if let Some(line) = line_of(&entry)
                    && let Some(entry) = IndexEntry::parse(&line, stamp)
                {
                    partitions.push(&entry)?;
                }
            }
        }
    }
    drop(reads);
    Ok(Manifests { partitions, report, ids })
}

impl Manifests {
    /// Reports the tasks of the old index that have no manifest. `old` was listed before the manifests were read. What is gone or
    /// can't be read is left out: it is what a rebuild is for.
    pub(super) async fn report_lost(&mut self, bucket: &Bucket, old: Vec<Source>) {
        let (ids, lost) = (Arc::new(std::mem::take(&mut self.ids)), Arc::new(Mutex::new(BTreeSet::new())));
        for source in old {
            let (ids, lost) = (Arc::clone(&ids), Arc::clone(&lost));
            let read = source.read(bucket, move |(): &mut (), entry| {
                if !ids.contains(&entry.fingerprint) {
                    lost.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.head.task_id);
                }
                Ok(())
            });
            drop(read.await);
        }
        for id in std::mem::take(&mut *lost.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.report.add_note(format!("{id}: it has no manifest that can be read, so the index does not name it any more"));
        }
    }
}

async fn read_manifest(bucket: &Bucket, folder: &str, size: u64) -> Result<Found, Error> {
    let relative = format!("{folder}/{MANIFEST}");
    if size > MAX_SIZE {
        let url = bucket.url_of(&relative);
        return Ok(Found::Fault(format!("{url}: {}", too_large(size))));
    }
    // It may have grown since it was listed.
    let Some(text) = fetch(bucket, &relative, MAX_SIZE).await? else { return Ok(Found::Gone) };
    let (folder, url) = (folder.to_owned(), bucket.url_of(&relative));
    blocking(move || {
        Ok(match TaskManifest::parse(&text) {
            Ok(TaskManifest::Task(task)) if layout::folder_name(&task.task_id) == folder => Found::Task(task),
            Ok(TaskManifest::Task(task)) => Found::Fault(format!(
                "{url} is the manifest of another task, `{}`: move it back to the folder of that task",
                task.task_id
            )),
            Ok(TaskManifest::Damaged { .. }) => Found::Fault(format!("{url} is damaged")),
            Ok(TaskManifest::MultipleTasks) => Found::Fault(format!("{url} names several tasks")),
            Ok(TaskManifest::Foreign) => Found::Fault(format!("{url} was not written by yescale-dl")),
            Ok(TaskManifest::NewerVersion(version)) => {
                Found::Fault(format!("{url} was written by a later version (manifest_version {version})"))
            }
            Err(error) => Found::Fault(format!("can't read {url}: {error}")),
        })
    })
    .await
}
