//! The command `gallery`: the page of the archive, or a page of selected tasks in a file.

use std::path::Path;

use super::args::GalleryArgs;
use super::error::Error;
use super::export::exit_code_if_empty;
use super::{print_messages, report_written, selection};
use crate::domain::selection::Selection;
use crate::jobs::StopHandle;
use crate::jobs::gallery::{gallery, gallery_file};
use crate::layout::GALLERY;

/// Writes the page; returns the exit code.
pub(super) fn run(args: &GalleryArgs) -> Result<u8, Error> {
    let selection = selection::selection(&args.filter, &args.order, true)?;
    let has_order = args.order.sort.is_some() || args.order.reverse;
    match &args.output_file {
        Some(file) => write_file(args, file, &selection),
        None if has_order || !selection.filter.is_empty() => Err(Error::FilteredPage),
        None => {
            let outcome = gallery(&args.dir, &StopHandle::default(), &print_messages())?;
            report_written(&[args.dir.join(GALLERY)], outcome)
        }
    }
}

fn write_file(args: &GalleryArgs, file: &Path, selection: &Selection) -> Result<u8, Error> {
    let written = gallery_file(&args.dir, selection, file, &print_messages()).map_err(Error::from);
    exit_code_if_empty(written.and_then(|outcome| report_written(&[file.to_owned()], outcome)))
}
