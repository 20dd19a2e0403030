//! `SHA256SUMS`: one line per file and per text, in the order of the tasks in the root manifest.
//!
//! A [`SumsCursor`] passes over the old list beside a scan of the old root manifest, and finds the lines of each task. It takes
//! nothing but lines of a hash and a path in the task's folder, so a list that it passes in full has the order of the manifest.
//! The hashes are not compared with those of the manifest, as far as a task has lines at all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::ops::Range;
use std::path::Path;

use super::path_check;
use crate::domain::asset_key::Kind;
use crate::domain::manifest::{RawTask, TaskEntry};
use crate::integrity::digest::Sha256Hex;
use crate::layout::{self, SHA256SUMS};

/// The digits of a hash.
const DIGITS: usize = 64;
/// The longest line of a foreign list that is read. This program writes no such long line.
const MAX_SUMS_LINE: u64 = 4096;

/// `HASH  PATH`, as `sha256sum -c` reads it, for every file and the text.
pub(super) fn write_sums(lines: &mut dyn Write, task: &TaskEntry) -> io::Result<()> {
    // A path that this program can't have written is left out: no tool should follow it.
    let folder = layout::folder_name(&task.task_id);
    for file in task.files.iter().filter(|file| file.name_in_folder(&folder).is_some()) {
        writeln!(lines, "{}  {}", file.sha256(), file.path())?;
    }
    match &task.text {
        Some(text) => writeln!(lines, "{}  {folder}/{}", Sha256Hex::digest(text.as_bytes()), task.text_name()),
        None => Ok(()),
    }
}

/// Whether a task has a line in the list.
pub(super) fn has_sums(task: &TaskEntry) -> bool {
    let mut lines = Vec::new();
    // Writing to memory does not fail.
    let _ = write_sums(&mut lines, task);
    !lines.is_empty()
}

/// Whether every line of a checksum list names a file in a task's folder.
pub(super) fn names_task_files_only(mut list: impl BufRead) -> io::Result<bool> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if list.by_ref().take(MAX_SUMS_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(true);
        }
        let is_whole = line.ends_with(b"\n") || (line.len() as u64) < MAX_SUMS_LINE;
        // A line that is not text names no file.
        let text = str::from_utf8(&line).ok().filter(|_| is_whole);
        if !text.is_some_and(|text| names_a_task_file(text.trim_end_matches(['\r', '\n']))) {
            return Ok(false);
        }
    }
}

fn names_a_task_file(line: &str) -> bool {
    let Some((hash, path)) = line.split_once("  ") else { return false };
    let is_hash = hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_file = |name| layout::is_text_name(name) || Kind::ALL.into_iter().any(|kind| layout::is_file_name(kind, name));
    is_hash && path.split_once('/').is_some_and(|(folder, name)| layout::is_folder_name(folder) && is_file(name))
}

/// A position in the old list, in front of a line.
pub(super) struct SumsCursor {
    /// None when there is no list.
    reader: Option<BufReader<File>>,
    offset: u64,
    /// The line at `offset`; empty at the end.
    line: Vec<u8>,
}

impl SumsCursor {
    /// The beginning of the list in `root`. A missing list is as an empty one.
    ///
    /// # Errors
    /// When it is no plain file, or can't be read.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let path = root.join(SHA256SUMS);
        let file = match path_check::lstat(&path)? {
            None => None,
            Some(found) if found.is_file() => Some(File::open(&path)?),
            Some(_) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let reader = file.map(|file| BufReader::with_capacity(256 << 10, file));
        let mut cursor = Self { reader, offset: 0, line: Vec::new() };
        cursor.advance().map(|()| cursor)
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Passes over the lines of `task`. None when it must have lines and has none here, or when the list can't be read.
    pub(super) fn pass(&mut self, id: &str, task: RawTask<'_>) -> Option<Range<u64>> {
        let (start, folder) = (self.offset, layout::folder_name(id));
        while self.folder() == Some(folder.as_bytes()) {
            self.advance().ok()?;
        }
        let is_complete = self.offset > start || task.parse().is_some_and(|task| !has_sums(&task));
        is_complete.then_some(start..self.offset)
    }

    /// Whether no line is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.line.is_empty()
    }

    /// The list, to copy from it; None when there is none.
    pub(super) fn into_file(self) -> Option<File> {
        self.reader.map(BufReader::into_inner)
    }

    fn advance(&mut self) -> io::Result<()> {
        self.offset += self.line.len() as u64;
        self.line.clear();
        // A line of a damaged list can be of any length.
        let longest = 64 << 10;
        match &mut self.reader {
            Some(reader) => io::Read::take(reader, longest).read_until(b'\n', &mut self.line).map(drop),
            None => Ok(()),
        }
    }

    /// The folder in the path of the line, if that has the form of one.
    fn folder(&self) -> Option<&[u8]> {
        let (hash, path) = self.line.strip_suffix(b"\n")?.split_at_checked(DIGITS)?;
        let is_hash = hash.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let path = path.strip_prefix(b"  ").filter(|_| is_hash)?;
        let slash = path.iter().position(|byte| *byte == b'/')?;
        (!path[slash + 1..].is_empty()).then_some(&path[..slash])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_list_with_a_line_without_end_is_foreign() {
        assert!(!names_task_files_only(BufReader::new(io::repeat(b'0'))).unwrap());
    }
}
