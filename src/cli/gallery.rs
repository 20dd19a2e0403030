//! The verb `gallery`, and `--gallery` of the main job: the page of an archive, or of one task's folder.
//!
//! It shows what `export` would tell, read in the same way.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::lock_wait;
use crate::jobs::gallery::{Gallery, PAGE_MARKER};
use crate::storage::{ArchiveReader, Error, LockWait, OutputFile, Report};
use crate::ui;

/// Writes the page of the archive, or of the one task, in `dir`; the exit code.
pub(super) fn run(dir: &Path) -> Result<u8, Error> {
    let is_all = write(&open_page(dir)?, dir, &lock_wait(CancellationToken::new()))?;
    Ok(u8::from(!is_all))
}

/// Where the page will stand, when nothing of others stands there.
pub(super) fn open_page(dir: &Path) -> Result<OutputFile, Error> {
    OutputFile::at(dir, PAGE_MARKER)
}

/// Writes the page into its place, if that changes it. Whether it has all that the archive names: what it has not is told.
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
