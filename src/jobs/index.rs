//! `index`: rebuild the root manifest and `SHA256SUMS` from the task folders.
//!
//! Both are derived: the task folders are the archive. The task folders themselves change only where a task manifest is
//! damaged or missing and the root manifest can restore it.

mod facts;

use std::path::Path;

use super::{JobOutcome, StopHandle, emit_report, lock_wait};
use crate::domain::event::{Emitter, Event};
pub use facts::{FactsOutcome, index_with_facts};

use crate::storage::{ArchiveReader, ArchiveScan, Error, LocalArchive, RebuiltIndex};

/// Rebuilds the root manifest and `SHA256SUMS` of the archive at `root`. Blocks, and works on all cores.
///
/// The folder of one task has no derived files, so there is nothing to do. A task that can't be read is a warning and
/// keeps its entry.
///
/// # Errors
/// When there is no archive of ours at `root`, or the files can't be written. [`Error::Locked`] is the result of `stop`.
pub fn index(root: impl AsRef<Path>, stop: &StopHandle, events: &Emitter) -> Result<JobOutcome, Error> {
    let root = root.as_ref();
    if ArchiveScan::is_single_at(root)? {
        let files = ArchiveReader::open(root)?.tasks.iter().map(|task| task.files.len() as u64).sum();
        return Ok(JobOutcome { is_complete: true, tasks: 1, files, is_changed: false });
    }
    let RebuiltIndex { tasks, files, is_changed, report } =
        LocalArchive::open(root)?.rebuild_index(&lock_wait(stop.token(), events))?;
    emit_report(&report, events, Event::Warning);
    Ok(JobOutcome { is_complete: !report.has_faults(), tasks, files, is_changed })
}
