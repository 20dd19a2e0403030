//! The record of a task's finished files, until its manifest takes over.
//!
//! A dot-file with a line of JSON for each file, durable before the file gets its final name (the one file of a new task
//! has a manifest under its dot-name for that). A run
//! that died leaves it behind; the next one proves each line against the disk (size and hash, not
//! trust) and rolls forward: nothing that was whole is fetched again, nothing that was not is kept.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::atomic;
use super::dir::{Dir, OpenMode};
use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::{self, FileEntry, TaskEntry};
use crate::integrity::digest::hash_reader;
use crate::layout::MANIFEST;
use crate::storage::Error;
use crate::storage::staging::part::VerifiedPart;

pub(in crate::storage) const NAME: &str = ".finished";
#[derive(Serialize, Deserialize)]
struct LogEntry {
    part: String,
    entry: FileEntry,
}

/// The record of one task folder. The lease on the folder makes this process its only writer; the lock in here makes the
/// files of the task, which end at any moment, write one after the other.
#[derive(Debug)]
pub(in crate::storage) struct Record {
    dir: Dir,
    writing: Mutex<()>,
}

impl Record {
    pub(in crate::storage) fn of(dir: Dir) -> Self {
        Self { dir, writing: Mutex::default() }
    }

    /// Begins the record, if there is none yet.
    pub(in crate::storage) fn begin(&self) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.open().map(drop)
    }

    /// Records `draft`: once that is durable it is a finished file, whatever happens.
    pub(in crate::storage) fn append(&self, draft: &VerifiedPart) -> Result<(), Error> {
        let fail = |error| Error::io("write", &self.dir.join(NAME))(error);
        let line = LogEntry { part: draft.part_name.clone(), entry: draft.entry.clone() };
        let line = serde_json::to_string(&line).map_err(|error| fail(error.into()))?;
        self.write(&line)
    }

    fn write(&self, line: &str) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // The line break first ends what a crash may have cut.
        let line = format!("\n{line}\n");
        self.open()?.write_all(line.as_bytes()).map_err(Error::io("write", &self.dir.join(NAME)))
    }

    /// The record, open for appending. One that another user wrote, or that is a hard link to a file elsewhere, is replaced
    /// and not written to.
    fn open(&self) -> Result<File, Error> {
        let path = self.dir.join(NAME);
        let failed = |error| Error::io("create", &path)(error);
        match self.dir.stat(NAME).map_err(failed)? {
            Some(found) if !found.is_file => return Err(Error::Foreign(path)),
            Some(found) if self.dir.check_trusted(found).map_err(failed)? => {
                return self.dir.open(NAME, OpenMode::Append).map_err(failed);
            }
            Some(_) => self.dir.remove(NAME).map_err(failed)?,
            None => {}
        }
        self.dir.open(NAME, OpenMode::CreateNew).map_err(failed)
    }
}

/// The recorded files that are proven whole, under their final names at last; those of a manifest that did not get its
/// name, too. Only what this user recorded is believed, and nothing that a host vouched for.
pub(in crate::storage) fn roll_forward(dir: &Dir) -> Result<Vec<FileEntry>, Error> {
    let mut proven: HashMap<AssetKey, FileEntry> = HashMap::new();
    for LogEntry { part, mut entry } in pending_manifest_entries(dir)?.into_iter().chain(parse(&read_trusted(dir, NAME)?)) {
        if roll_forward_file(dir, &part, &entry)? {
            entry.verified_by = None;
            proven.insert(entry.key(), entry);
        }
    }
    Ok(proven.into_values().collect())
}

/// Whether a manifest has all that is recorded, so that the record may go.
pub(in crate::storage) fn is_superseded_by(dir: &Dir, task: &TaskEntry) -> bool {
    let named: HashSet<AssetKey> = task.files.iter().map(FileEntry::key).collect();
    // A record that can't be read stays.
    read(dir, NAME).is_ok_and(|text| parse(&text).iter().all(|line| named.contains(&line.entry.key())))
}

/// Which of the files called `names` are recorded, and whole: they have their places, and the manifest does not name them yet.
pub(in crate::storage) fn find_verified(folder: &Path, names: &HashSet<&str>) -> Result<HashSet<String>, Error> {
    let dir = Dir::at(folder);
    let mut proven = HashSet::new();
    for LogEntry { entry, .. } in parse(&read(&dir, NAME)?) {
        if names.contains(entry.path()) && matches_entry(&dir, entry.path(), &entry)? {
            proven.insert(entry.path().to_owned());
        }
    }
    Ok(proven)
}

/// The lines that can be read; a crash may have cut the last one.
fn parse(text: &[u8]) -> Vec<LogEntry> {
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// What a file holds that this user wrote; nothing where there is no such file.
fn read_trusted(dir: &Dir, name: &str) -> Result<Vec<u8>, Error> {
    if check_trusted_file(dir, name)? { read(dir, name) } else { Ok(Vec::new()) }
}

/// What a regular file holds; nothing where there is none.
fn read(dir: &Dir, name: &str) -> Result<Vec<u8>, Error> {
    let read = || {
        let mut text = Vec::new();
        if dir.stat(name)?.is_some_and(|found| found.is_file) {
            dir.open(name, OpenMode::Read)?.read_to_end(&mut text)?;
        }
        Ok(text)
    };
    read().map_err(Error::io("read", &dir.join(name)))
}

/// What manifests under dot-names say of their files: written in full, these are records like any other.
fn pending_manifest_entries(dir: &Dir) -> Result<Vec<LogEntry>, Error> {
    let mut lines = Vec::new();
    let names = dir.names().map_err(Error::io("list", &dir.join("")))?;
    for name in names.iter().filter(|name| atomic::is_leftover_of(MANIFEST, name)) {
        // One that breaks off is no record.
        let _ = manifest::for_each_task(read_trusted(dir, name)?.as_slice(), |task| {
            for entry in task.parse().into_iter().flat_map(|task| task.files) {
                let stem = entry.path().split_once('.').map_or("", |(stem, _)| stem);
                // Where the kind was not known at first, the part has another name.
                let nameless = format!(".asset-{}.part", entry.key().index);
                lines.push(LogEntry { part: format!(".{stem}.part"), entry: entry.clone() });
                lines.push(LogEntry { part: nameless, entry });
            }
        });
    }
    Ok(lines)
}

fn roll_forward_file(dir: &Dir, part: &str, entry: &FileEntry) -> Result<bool, Error> {
    let Some(name) = entry.name() else { return Ok(false) };
    if check_trusted_file(dir, name)? && matches_entry(dir, name, entry)? {
        return Ok(true);
    }
    if !part.starts_with('.')
        || part.contains(['/', '\\'])
        || !check_trusted_file(dir, part)?
        || !matches_entry(dir, part, entry)?
    {
        return Ok(false);
    }
    dir.rename(part, name).map_err(Error::io("rename", &dir.join(part)))?;
    Ok(true)
}

fn check_trusted_file(dir: &Dir, name: &str) -> Result<bool, Error> {
    let found = dir.stat(name).and_then(|found| found.map_or(Ok(false), |found| dir.check_trusted(found)));
    found.map_err(Error::io("read", &dir.join(name)))
}

/// Whether the plain file called `name` has the size and the hash of `entry`.
pub(in crate::storage) fn matches_entry(dir: &Dir, name: &str, entry: &FileEntry) -> Result<bool, Error> {
    let hash = || {
        let found = dir.stat(name)?.filter(|found| found.is_file && found.size == entry.size());
        found.map(|_| hash_reader(dir.open(name, OpenMode::Read)?)).transpose()
    };
    let hash = hash().map_err(Error::io("read", &dir.join(name)))?;
    Ok(hash.is_some_and(|(hash, size)| size == entry.size() && hash == *entry.sha256()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Barrier;

    use super::*;

    /// Has many threads write a line each at the same moment; how many lines the record has then.
    fn lines_of_many(folder: &Path) -> usize {
        let (record, barrier) = (Record::of(Dir::at(folder)), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    record.write("line").unwrap();
                });
            }
        });
        fs::read_to_string(folder.join(NAME)).unwrap().lines().filter(|line| *line == "line").count()
    }

    #[test]
    fn concurrent_files_share_one_commit_log_without_losing_lines() {
        for _ in 0..200 {
            let folder = tempfile::tempdir().unwrap();
            assert_eq!(lines_of_many(folder.path()), 8);
        }
    }

    #[test]
    fn concurrent_files_replace_a_foreign_commit_log_once() {
        for _ in 0..200 {
            let folder = tempfile::tempdir().unwrap();
            let outside = folder.path().join("outside");
            fs::write(&outside, "").unwrap();
            fs::hard_link(&outside, folder.path().join(NAME)).unwrap();
            assert_eq!(lines_of_many(folder.path()), 8);
            assert_eq!(fs::read(&outside).unwrap(), b"");
        }
    }
}
