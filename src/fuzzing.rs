//! Doors for the fuzz targets to code that is private otherwise. Only `cargo fuzz` compiles them.

use std::io::Cursor;

use jiff::tz::TimeZone;

pub use crate::gateway::read_list;
#[cfg(feature = "bucket")]
pub use crate::storage::read_index_object;

use crate::domain::manifest::TaskEntry;
use crate::domain::template::Template;
use crate::media::{facts, truncation};

/// Reads everything that is read from the header of a media file. Returns its duration.
pub fn read_media(bytes: &[u8]) -> Option<f64> {
    let _ = truncation::find_cut(Cursor::new(bytes));
    facts::read(Cursor::new(bytes), None).duration
}

/// The names that `template` gives to the files of `task`: folders and file.
pub fn expand(template: &Template, task: &TaskEntry) -> Vec<Vec<String>> {
    let paths = task.files.iter().map(|file| template.path(task, file, &TimeZone::UTC));
    paths.map(|path| path.folders.into_iter().chain([path.file]).map(|name| name.numbered(1)).collect()).collect()
}
