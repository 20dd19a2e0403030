//! The verb `gallery`, and `--gallery` of the main job: the page of an archive, or of one task's folder.
//!
//! It shows what `export` would tell, read in the same way.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::lock_wait;
use crate::gallery::{Gallery, MARK};
use crate::store::{Catalog, Error, LockWait, Page, Report};
use crate::ui;

/// Writes the page of the archive, or of the one task, in `dir`; the exit code.
pub(super) fn run(dir: &Path) -> Result<u8, Error> {
    let is_all = write(&place(dir)?, dir, &lock_wait(CancellationToken::new()))?;
    Ok(u8::from(!is_all))
}

/// Where the page will stand, when nothing of others stands there.
pub(super) fn place(dir: &Path) -> Result<Page, Error> {
    Page::at(dir, MARK)
}

/// Writes the page into its place, if that changes it. Whether it has all that the archive names: what it has not is told.
pub(super) fn write(page: &Page, dir: &Path, wait: &LockWait) -> Result<bool, Error> {
    let mut report = Report::default();
    page.update(wait, || {
        let mut gallery = Gallery::default();
        report = Catalog::each(dir, |task, is_single| gallery.add(task, is_single))?;
        Ok(gallery.into_page())
    })?;
    report.notes().for_each(|note| ui::warn(&note));
    report.faults().for_each(|fault| ui::complain(&fault));
    Ok(!report.has_faults())
}
