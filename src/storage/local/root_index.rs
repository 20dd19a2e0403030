//! Finds single entries in a long root manifest by their ids.
//!
//! A run that adds a task looks for it in the root manifest first. One scan proves the layout and the order of the ids
//! ([`manifest::scan_layout`]), and every 16 KiB an id and its offset are kept: some MiB for a million tasks. A look-up reads
//! the entries between two of them. The file is opened for each look-up and closed again, because some systems can't replace
//! an open file. An index says nothing about a file that replaced the scanned one.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::manifest_files;
use crate::domain::manifest::{self, RawTask, TaskEntry};
use crate::layout::MANIFEST;
use crate::storage::Error;
use crate::storage::staging::positioned;

/// How far apart the kept offsets are, in bytes. One entry can be longer.
const SPACING: u64 = 16 << 10;

/// The order of the ids in a root manifest.
#[derive(Debug)]
pub(super) struct RootIndex {
    /// Ids and the offsets of their entries, with the line breaks in front of them.
    marks: Vec<(String, u64)>,
    /// The end of the last entry.
    end: u64,
    version: FileVersion,
}

/// What tells one version of a file from another.
#[derive(PartialEq, Eq, Debug)]
struct FileVersion {
    len: u64,
    modified: Option<SystemTime>,
}

/// The result of a look-up.
pub(super) enum IndexLookup {
    Found(Box<TaskEntry>),
    /// The manifest has no such task.
    Absent,
    /// The entry can't be parsed.
    Unreadable,
    /// Another version has replaced the scanned one, or it was removed.
    Replaced,
}

impl RootIndex {
    /// Scans the root manifest in `root`. None when it is short or not in this program's layout.
    pub(super) fn scan(root: &Path) -> Result<Option<Self>, Error> {
        let mut marks: Vec<(String, u64)> = Vec::new();
        let scanned = manifest_files::scan_root(root, |id, task| {
            let offset = task.byte_range().start - 1;
            if marks.last().is_none_or(|(_, last)| offset - last >= SPACING) {
                marks.push((id.to_owned(), offset));
            }
            true
        })?;
        let Some((file, list)) = scanned else { return Ok(None) };
        let found = file.metadata().map_err(Error::io("read", &root.join(MANIFEST)))?;
        Ok(Some(Self { marks, end: list.end, version: FileVersion::new(&found) }))
    }

    /// Looks for the entry of a task.
    pub(super) fn find(&self, root: &Path, id: &str) -> io::Result<IndexLookup> {
        let file = match File::open(root.join(MANIFEST)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(IndexLookup::Replaced),
            file => file?,
        };
        if FileVersion::new(&file.metadata()?) != self.version {
            return Ok(IndexLookup::Replaced);
        }
        let behind = self.marks.partition_point(|(mark, _)| mark.as_str() <= id);
        let Some((_, start)) = behind.checked_sub(1).and_then(|at| self.marks.get(at)) else { return Ok(IndexLookup::Absent) };
        let end = self.marks.get(behind).map_or(self.end, |(_, offset)| *offset);
        let mut text = Vec::new();
        if positioned::read_range(&file, *start, end, |block| text.extend_from_slice(block))? < end {
            return Ok(IndexLookup::Replaced);
        }
        let Some(entry) = manifest::find_entry(&text, id) else { return Ok(IndexLookup::Absent) };
        let task = RawTask::from(entry).parse().filter(|task| task.task_id == id);
        Ok(task.map_or(IndexLookup::Unreadable, |task| IndexLookup::Found(Box::new(task))))
    }
}

impl FileVersion {
    fn new(found: &Metadata) -> Self {
        Self { len: found.len(), modified: found.modified().ok() }
    }
}
