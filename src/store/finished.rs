//! The record of a task's finished files, until its manifest takes over.
//!
//! A dot-file with a line of JSON for each file, durable before the file gets its final name. A run
//! that died leaves it behind; the next one proves each line against the disk (size and hash, not
//! trust) and rolls forward: nothing that was whole is fetched again, nothing that was not is kept.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::part::Draft;
use super::{Error, atomic};
use crate::digest::hash_reader;
use crate::manifest::{FileEntry, TaskEntry};

pub(super) const NAME: &str = ".finished";

#[derive(Serialize, Deserialize)]
struct Line {
    part: String,
    entry: FileEntry,
}

/// Records `draft`: once that is durable it is a finished file, whatever happens.
pub(super) fn append(folder: &Path, draft: &Draft) -> Result<(), Error> {
    let path = folder.join(NAME);
    let fail = |action| Error::io(action, &path);
    refuse_link(&path)?;
    let part = draft.path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut line = serde_json::to_vec(&Line { part, entry: draft.entry.clone() }).map_err(|error| fail("write")(error.into()))?;
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(fail("create"))?;
    // The line break first ends what a crash may have cut.
    file.write_all(&[b"\n", line.as_slice()].concat()).map_err(fail("write"))
}

/// The recorded files that are proven whole, under their final names at last.
pub(super) fn roll_forward(folder: &Path) -> Result<Vec<FileEntry>, Error> {
    let mut proven: Vec<FileEntry> = Vec::new();
    for Line { part, entry } in lines(folder)? {
        if settle(folder, &part, &entry)? {
            proven.retain(|earlier| earlier.slot() != entry.slot());
            proven.push(entry);
        }
    }
    Ok(proven)
}

/// Whether a manifest has all that is recorded, so that the record may go.
pub(super) fn is_recorded(folder: &Path, task: &TaskEntry) -> bool {
    lines(folder).is_ok_and(|lines| lines.iter().all(|line| task.files.iter().any(|file| file.slot() == line.entry.slot())))
}

/// The lines that can be read; a crash may have cut the last one.
fn lines(folder: &Path) -> Result<Vec<Line>, Error> {
    let path = folder.join(NAME);
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        return Ok(Vec::new());
    }
    let text = fs::read(&path).map_err(Error::io("read", &path))?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

fn settle(folder: &Path, part: &str, entry: &FileEntry) -> Result<bool, Error> {
    let Some(name) = entry.name() else { return Ok(false) };
    let target = folder.join(name);
    if is_proven(&target, entry)? {
        return Ok(true);
    }
    let part = part.strip_prefix('.').filter(|part| !part.contains(['/', '\\'])).map(|_| folder.join(part));
    let Some(part) = part else { return Ok(false) };
    if !is_proven(&part, entry)? {
        return Ok(false);
    }
    fs::rename(&part, &target).map_err(Error::io("rename", &part))?;
    Ok(true)
}

/// Whether the plain file at `path` has the size and the hash of `entry`.
pub(super) fn is_proven(path: &PathBuf, entry: &FileEntry) -> Result<bool, Error> {
    if !atomic::is_file_of(path, entry.size()) {
        return Ok(false);
    }
    let (hash, size) = File::open(path).and_then(hash_reader).map_err(Error::io("read", path))?;
    Ok(size == entry.size() && hash == *entry.sha256())
}

fn refuse_link(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::Foreign(path.to_owned())),
        _ => Ok(()),
    }
}
