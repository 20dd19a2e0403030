//! `index`: rebuild the root manifest and `SHA256SUMS` from the task folders.
//!
//! Both are derived: the task folders are the archive. The task folders themselves change only where a task manifest is
//! damaged or missing and the root manifest can restore it.
//!
//! In a bucket it compacts the index, or makes it anew from the task manifests. Nobody needs to stop for it.

mod facts;

use std::path::Path;

use super::{JobOutcome, StopHandle, emit_report, lock_wait};
use crate::domain::event::{Emitter, Event};
pub use facts::{FactsOutcome, index_with_facts};

#[cfg(feature = "bucket")]
use crate::storage::{self, CompactedIndex};
use crate::storage::{ArchiveReader, ArchiveScan, BucketUrl, Error, LocalArchive, Location, RebuiltIndex};

/// Rebuilds the root manifest and `SHA256SUMS` of the archive at `root`. In a bucket, compacts the index. Blocks, and works on all
/// cores.
///
/// The folder of one task has no derived files, so there is nothing to do. A task that can't be read is a warning and
/// keeps its entry.
///
/// # Errors
/// When there is no archive of ours at `root`, or the files can't be written. [`Error::Locked`] is the result of `stop`.
pub fn index(root: impl AsRef<Path>, stop: &StopHandle, events: &Emitter) -> Result<JobOutcome, Error> {
    let root = match Location::parse(root.as_ref())? {
        Location::Folder(root) => root,
        Location::Bucket(url) => return index_bucket(&url, false, events),
    };
    let root = root.as_path();
    if ArchiveScan::is_single_at(root)? {
        let files = ArchiveReader::open(root)?.tasks.iter().map(|task| task.files.len() as u64).sum();
        return Ok(JobOutcome { is_complete: true, tasks: 1, files, is_changed: false });
    }
    let RebuiltIndex { tasks, files, is_changed, report } =
        LocalArchive::open(root)?.rebuild_index(&lock_wait(stop.token(), events))?;
    emit_report(&report, events, Event::Warning);
    Ok(JobOutcome { is_complete: !report.has_faults(), tasks, files, is_changed })
}

/// As [`index`], but in a bucket the index is made anew from the task manifests.
///
/// # Errors
/// As for [`index`].
pub fn rebuild_index(root: impl AsRef<Path>, stop: &StopHandle, events: &Emitter) -> Result<JobOutcome, Error> {
    match Location::parse(root.as_ref())? {
        Location::Folder(root) => index(root, stop, events),
        Location::Bucket(url) => index_bucket(&url, true, events),
    }
}

/// Compacts the index of a bucket, or makes it anew.
#[cfg(feature = "bucket")]
fn index_bucket(url: &BucketUrl, rebuilds: bool, events: &Emitter) -> Result<JobOutcome, Error> {
    let CompactedIndex { tasks, files, is_changed, report } = storage::index_bucket(url, rebuilds, |manifests| {
        events.tasks.discovered.set(manifests);
        events.tasks.done.set(manifests);
    })?;
    emit_report(&report, events, Event::Warning);
    Ok(JobOutcome { is_complete: !report.has_faults(), tasks, files, is_changed })
}

#[cfg(not(feature = "bucket"))]
fn index_bucket(url: &BucketUrl, _: bool, _: &Emitter) -> Result<JobOutcome, Error> {
    Err(Error::NoBuckets(url.to_string()))
}
