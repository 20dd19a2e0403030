//! The command `gallery`, and `--gallery` of the main job: the page of an archive, or of one task's folder.
//!
//! The page shows the same tasks and files as `export`, and the archive is read in the same way.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::lock_wait;
use crate::jobs::gallery::{Gallery, PAGE_MARKER};
use crate::storage::{ArchiveReader, Error, LockWait, OutputFile, Report};
use crate::ui;

/// Writes the page of the archive or task folder `dir`, and returns the exit code.
pub(super) fn run(dir: &Path) -> Result<u8, Error> {
    let is_complete = write(&open_page(dir)?, dir, &lock_wait(CancellationToken::new()))?;
    Ok(u8::from(!is_complete))
}

/// The file of the page.
///
/// # Errors
/// If a file of that name exists that this program did not write.
pub(super) fn open_page(dir: &Path) -> Result<OutputFile, Error> {
    OutputFile::at(dir, PAGE_MARKER)
}

/// Writes the page, if its content changed, and prints what could not be read. Returns whether the page has everything that
/// the archive names.
pub(super) fn write(page: &OutputFile, dir: &Path, wait: &LockWait) -> Result<bool, Error> {
    let mut report = Report::default();
    page.update(wait, || {
        let mut gallery = Gallery::default();
        report = ArchiveReader::for_each_task(dir, |task, is_single| gallery.add(task, is_single))?;
        Ok(gallery.into_html())
    })?;
    report.notes().for_each(|note| ui::print_warning(&note));
    report.faults().for_each(|fault| ui::print_error(&fault));
    Ok(!report.has_faults())
}
