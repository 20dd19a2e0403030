//! The record of a task's finished files, until its manifest takes over.
//!
//! A dot-file with a line of JSON for each file, durable before the file gets its final name (the one file of a new task
//! has a manifest under its dot-name for that). A run
//! that died leaves it behind; the next one proves each line against the disk (size and hash, not
//! trust) and rolls forward: nothing that was whole is fetched again, nothing that was not is kept.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::part::Draft;
use super::{Error, atomic, sight};
use crate::digest::hash_reader;
use crate::manifest::{self, FileEntry, TaskEntry};
use crate::naming::MANIFEST;

pub(super) const NAME: &str = ".finished";

#[derive(Serialize, Deserialize)]
struct Line {
    part: String,
    entry: FileEntry,
}

/// Begins the record, if there is none yet.
pub(super) fn begin(folder: &Path) -> Result<File, Error> {
    let path = folder.join(NAME);
    match fs::symlink_metadata(&path) {
        Ok(found) if !found.is_file() => Err(Error::Foreign(path)),
        _ => OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("create", &path)),
    }
}

/// Records `draft`: once that is durable it is a finished file, whatever happens.
pub(super) fn append(folder: &Path, draft: &Draft) -> Result<(), Error> {
    let fail = |error| Error::io("write", &folder.join(NAME))(error);
    let part = draft.path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let mut line = serde_json::to_vec(&Line { part, entry: draft.entry.clone() }).map_err(|error| fail(error.into()))?;
    line.push(b'\n');
    // The line break first ends what a crash may have cut.
    begin(folder)?.write_all(&[b"\n", line.as_slice()].concat()).map_err(fail)
}

/// The recorded files that are proven whole, under their final names at last; those of a manifest that did not get its
/// name, too.
pub(super) fn roll_forward(folder: &Path) -> Result<Vec<FileEntry>, Error> {
    let mut proven: Vec<FileEntry> = Vec::new();
    for Line { part, entry } in unnamed(folder)?.into_iter().chain(lines(folder)?) {
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

/// Whether the file called `name` is one that is recorded, whole: it has its place, and the manifest does not name it yet.
pub(super) fn has(folder: &Path, name: &str) -> bool {
    let is_it = |line: &Line| line.entry.path() == name && is_proven(&folder.join(name), &line.entry).unwrap_or(false);
    lines(folder).is_ok_and(|lines| lines.iter().any(is_it))
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

/// What manifests under dot-names say of their files: written in full, these are records like any other.
fn unnamed(folder: &Path) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for found in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let found = found.map_err(Error::io("list", folder))?;
        let is_manifest = found.file_name().to_str().is_some_and(|name| atomic::is_leftover_of(MANIFEST, name));
        if is_manifest && found.file_type().is_ok_and(|kind| kind.is_file()) {
            let file = File::open(found.path()).map_err(Error::io("read", &found.path()))?;
            // One that breaks off is no record.
            let _ = manifest::walk(file, |task| {
                for entry in task.entry().into_iter().flat_map(|task| task.files) {
                    let stem = entry.path().split_once('.').map_or("", |(stem, _)| stem);
                    // Where the kind was not known at first, the part has another name.
                    let nameless = format!(".asset-{}.part", entry.slot().index);
                    lines.push(Line { part: format!(".{stem}.part"), entry: entry.clone() });
                    lines.push(Line { part: nameless, entry });
                }
            });
        }
    }
    Ok(lines)
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
    if !sight::is_file_of(path, entry.size()) {
        return Ok(false);
    }
    let (hash, size) = File::open(path).and_then(hash_reader).map_err(Error::io("read", path))?;
    Ok(size == entry.size() && hash == *entry.sha256())
}
