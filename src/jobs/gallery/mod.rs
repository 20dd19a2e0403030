//! `gallery`: write `index.html` into an archive, or into the folder of one task: a page for browsing it offline.
//!
//! A page of selected tasks goes to a file of its own.
//!
//! The tasks are read like those of an export. The page is made and written under the root's lock, so of several processes the
//! last one includes the tasks of all.

mod page;

use std::path::Path;

use super::export::{ExportError, ExportTarget, path_base};
use super::list::list_with;
use super::{JobOutcome, StopHandle, emit_report, lock_wait};
use crate::domain::event::{Emitter, Event};
use crate::domain::selection::Selection;
use crate::storage::{self, ArchiveReader, Error, Location, OutputFile, Report};
use page::{Card, PAGE_MARKER, Page};

/// Writes the gallery page of the archive, or of the one task, in `root`. A page that would not change is not written. A task
/// that can't be read is an [`Event::Error`]. Blocks.
///
/// # Errors
/// When there is no archive of ours in `root`, its `index.html` is not ours, or the page can't be written.
/// [`Error::Locked`] is the result of `stop`.
pub fn gallery(root: impl AsRef<Path>, stop: &StopHandle, events: &Emitter) -> Result<JobOutcome, Error> {
    let root = &Location::parse(root.as_ref())?.into_folder("the gallery page")?;
    let file = OutputFile::at(root, PAGE_MARKER)?;
    let (mut report, mut tasks, mut files) = (Report::default(), 0, 0);
    let is_changed = file.update(&lock_wait(stop.token(), events), || {
        let mut page = Page::default();
        let archive = ArchiveReader::for_each_task(root, |task, archive| {
            tasks += 1;
            files += task.files.len() as u64;
            page.add(task, archive.is_single());
        })?;
        report = archive.report;
        Ok(page.into_html())
    })?;
    emit_report(&report, events, Event::Error);
    Ok(JobOutcome { is_complete: !report.has_faults(), tasks, files, is_changed })
}

/// Writes a gallery page of the selected tasks of `root` to `target`, with the paths of files relative to it. Tasks that can't be
/// read, and ids that the archive does not have, are an [`Event::Error`] each. Blocks.
///
/// # Errors
/// As for [`export`](super::export::export).
pub fn gallery_file(
    root: impl AsRef<Path>,
    selection: &Selection,
    target: impl AsRef<Path>,
    events: &Emitter,
) -> Result<JobOutcome, ExportError> {
    let (target, mut files) = (target.as_ref(), 0);
    let root = Location::parse(root.as_ref())?.into_folder("the gallery page")?;
    let listed = list_with(&root, selection, events, |task, archive| {
        files += task.files.len() as u64;
        Card::new(task, archive.is_single())
    })?;
    let base = path_base(&ExportTarget::Path(target), &listed.root, false)?;
    if listed.tasks.is_empty() {
        return Err(ExportError::Empty { is_reported: !listed.is_complete });
    }
    let (tasks, is_complete) = (listed.tasks.len() as u64, listed.is_complete);
    let html = Page::html_of(listed.tasks, base.uri_prefix());
    let is_changed = storage::replace(target, |to| to.write_all(html.as_bytes()))?;
    Ok(JobOutcome { is_complete, tasks, files, is_changed })
}

/// Fails when `root` has an `index.html` that is not ours, so that a run can refuse before it starts.
///
/// # Errors
/// As above.
#[cfg(feature = "cli")]
pub(crate) fn check_target(root: &Path) -> Result<(), Error> {
    OutputFile::at(&Location::parse(root)?.into_folder("the gallery page")?, PAGE_MARKER).map(drop)
}
