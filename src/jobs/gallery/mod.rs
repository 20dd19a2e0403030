//! `gallery`: write `index.html` into an archive, or into the folder of one task: a page for browsing it offline.
//!
//! The tasks are read like those of an export. The page is made and written under the root's lock, so of several processes the
//! last one includes the tasks of all.

mod page;

use std::path::Path;

use super::{JobOutcome, StopHandle, emit_report, lock_wait};
use crate::domain::event::{Emitter, Event};
use crate::storage::{ArchiveReader, Error, OutputFile, Report};
use page::{PAGE_MARKER, Page};

/// Writes the gallery page of the archive, or of the one task, in `root`. A page that would not change is not written. A task
/// that can't be read is an [`Event::Error`]. Blocks.
///
/// # Errors
/// When there is no archive of ours in `root`, its `index.html` is not ours, or the page can't be written.
/// [`Error::Locked`] is the result of `stop`.
pub fn gallery(root: impl AsRef<Path>, stop: &StopHandle, events: &Emitter) -> Result<JobOutcome, Error> {
    let root = root.as_ref();
    let file = OutputFile::at(root, PAGE_MARKER)?;
    let (mut report, mut tasks, mut files) = (Report::default(), 0, 0);
    let is_changed = file.update(&lock_wait(stop.token(), events), || {
        let mut page = Page::default();
        report = ArchiveReader::for_each_task(root, |task, is_single| {
            tasks += 1;
            files += task.files.len() as u64;
            page.add(task, is_single);
        })?;
        Ok(page.into_html())
    })?;
    emit_report(&report, events, Event::Error);
    Ok(JobOutcome { is_complete: !report.has_faults(), tasks, files, is_changed })
}

/// Fails when `root` has an `index.html` that is not ours, so that a run can refuse before it starts.
///
/// # Errors
/// As above.
#[cfg(feature = "cli")]
pub(crate) fn check_target(root: &Path) -> Result<(), Error> {
    OutputFile::at(root, PAGE_MARKER).map(drop)
}
