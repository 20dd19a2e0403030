//! The verb `gallery`, and `--gallery` of the main job: the page of an archive, or of one task's folder.

use std::path::Path;

use crate::gallery::{Gallery, MARK};
use crate::store::{Error, Page, Survey, each_task};

/// Writes the page of the archive, or of the one task, in `dir`; the exit code.
pub(super) fn run(dir: &Path) -> Result<u8, super::error::Error> {
    let is_single = Survey::is_single_at(dir)?;
    write(&place(dir)?, dir, is_single)?;
    Ok(0)
}

/// Where the page will stand, when nothing of others stands there.
pub(super) fn place(dir: &Path) -> Result<Page, Error> {
    Page::at(dir, MARK)
}

/// Writes the page into its place, if that changes it.
pub(super) fn write(page: &Page, dir: &Path, is_single: bool) -> Result<(), Error> {
    page.update(|| {
        let mut gallery = Gallery::new(is_single);
        each_task(dir, |task| gallery.add(task))?;
        Ok(gallery.into_page())
    })
}
