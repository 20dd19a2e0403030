//! The commit log: the record of a task's finished files until the task's manifest names them.
//!
//! It is a dot-file with one line of JSON per file. A line is durable before its file gets the final name. (Files in a commit
//! have the manifest under its dot-name as their record instead.) A killed run leaves the log behind. The next run checks each
//! line against the disk, by size and hash, and rolls forward: a complete file is not fetched again, and a line without a
//! complete file is ignored.
//!
//! The log is not trusted when another user wrote it, or when it is a hard link. `verified_by` is never taken from it: nothing
//! on disk proves what a host said.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::dir::{Dir, OpenMode};
use super::{atomic, manifest_files};
use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::{self, FileEntry, TaskEntry};
use crate::integrity::digest::hash_reader;
use crate::layout::MANIFEST;
use crate::storage::Error;
use crate::storage::staging::staged_file::StagedFile;

/// The name of the log. Versions of this program that wrote archives before have the same.
pub(super) const NAME: &str = ".finished";

/// A larger file is no record of this program. It counts as empty, like damaged lines.
const MAX_RECORD: u64 = manifest_files::MAX_TASK_MANIFEST;

#[derive(Serialize, Deserialize)]
struct LogEntry {
    part: String,
    entry: FileEntry,
}

/// The commit log of one task folder, for its writer. The lease makes this process the only writer; the mutex makes the files of
/// the task, which finish at any moment, append one after the other.
#[derive(Debug)]
pub(super) struct CommitLog {
    dir: Dir,
    /// Whether this run has begun or continued the log.
    is_begun: Mutex<bool>,
}

impl CommitLog {
    pub(super) fn new(dir: Dir) -> Self {
        Self { dir, is_begun: Mutex::new(false) }
    }

    /// Creates the log when there is none.
    pub(super) fn begin(&self) -> Result<(), Error> {
        let mut is_begun = self.is_begun.lock().unwrap_or_else(PoisonError::into_inner);
        self.open()?;
        *is_begun = true;
        Ok(())
    }

    /// Whether this run has written to the log.
    pub(super) fn is_begun(&self) -> bool {
        *self.is_begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends `file`. Once the line and the file are durable, the file is finished, whatever happens next.
    pub(super) fn append(&self, file: &StagedFile) -> Result<(), Error> {
        let fail = |error| self.dir.failed("write", NAME)(error);
        let line = LogEntry { part: file.part_name().to_owned(), entry: file.entry().clone() };
        let line = serde_json::to_string(&line).map_err(|error| fail(error.into()))?;
        self.append_line(&line)
    }

    fn append_line(&self, line: &str) -> Result<(), Error> {
        let mut is_begun = self.is_begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut log = self.open()?;
        *is_begun = true;
        // The line break in front ends a line that a crash has cut.
        log.write_all(format!("\n{line}\n").as_bytes()).map_err(self.dir.failed("write", NAME))
    }

    /// The log, opened for appending. One that another user wrote, or that is a hard link to a file elsewhere, is replaced and
    /// not written to.
    fn open(&self) -> Result<File, Error> {
        let path = self.dir.join(NAME);
        let failed = |error| Error::io("create", &path)(error);
        match self.dir.stat(NAME).map_err(failed)? {
            Some(found) if !found.is_file => return Err(Error::Foreign(path)),
            Some(_) if self.dir.check_trusted(NAME).map_err(failed)? => {
                return self.dir.open(NAME, OpenMode::Append).map_err(failed);
            }
            Some(_) => self.dir.remove(NAME).map_err(failed)?,
            None => {}
        }
        self.dir.open(NAME, OpenMode::CreateNew).map_err(failed)
    }
}

/// The recorded files that are complete on disk. Each has its final name on return. Records are the lines of the log and the
/// manifests that did not get their final name, as far as this user wrote them.
pub(super) fn roll_forward(dir: &Dir) -> Result<Vec<FileEntry>, Error> {
    let mut complete: HashMap<AssetKey, FileEntry> = HashMap::new();
    for LogEntry { part, mut entry } in pending_manifest_entries(dir)?.into_iter().chain(parse(&read_trusted(dir, NAME)?)) {
        if roll_forward_file(dir, &part, &entry)? {
            entry.verified_by = None;
            complete.insert(entry.key(), entry);
        }
    }
    Ok(complete.into_values().collect())
}

/// Whether the manifest of `task` names every file in the log, so that the log can be removed.
pub(super) fn is_superseded_by(dir: &Dir, task: &TaskEntry) -> bool {
    let named: HashSet<AssetKey> = task.files.iter().map(FileEntry::key).collect();
    // A log that can't be read stays.
    read(dir, NAME).is_ok_and(|text| parse(&text).iter().all(|line| named.contains(&line.entry.key())))
}

/// Which of the files called `names` are recorded and complete: they have their final names, and the manifest does not name them
/// yet.
pub(in crate::storage) fn find_verified(folder: &Path, names: &HashSet<&str>) -> Result<HashSet<String>, Error> {
    let dir = Dir::at(folder);
    let mut complete = HashSet::new();
    if !dir.check_trusted_by_reader(NAME).map_err(dir.failed("read", NAME))? {
        return Ok(complete);
    }
    for LogEntry { entry, .. } in parse(&read(&dir, NAME)?) {
        if names.contains(entry.path()) && matches_entry(&dir, entry.path(), &entry)? {
            complete.insert(entry.path().to_owned());
        }
    }
    Ok(complete)
}

/// The lines that can be read. A crash may have cut the last one.
fn parse(text: &[u8]) -> Vec<LogEntry> {
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The content of a file that this user wrote; empty where there is no such file.
fn read_trusted(dir: &Dir, name: &str) -> Result<Vec<u8>, Error> {
    if check_trusted(dir, name)? { read(dir, name) } else { Ok(Vec::new()) }
}

/// The content of a regular file; empty where there is none, or one that is too large.
fn read(dir: &Dir, name: &str) -> Result<Vec<u8>, Error> {
    let read = || {
        let mut text = Vec::new();
        if dir.stat(name)?.is_some_and(|found| found.is_file && found.size <= MAX_RECORD) {
            dir.open(name, OpenMode::Read)?.take(MAX_RECORD).read_to_end(&mut text)?;
        }
        Ok(text)
    };
    read().map_err(dir.failed("read", name))
}

/// The files of manifests that did not get their final name. Such a manifest, when it is complete, is a record like the log.
fn pending_manifest_entries(dir: &Dir) -> Result<Vec<LogEntry>, Error> {
    let mut lines = Vec::new();
    let names = dir.names().map_err(dir.failed("list", ""))?;
    for name in names.iter().filter(|name| atomic::is_leftover_of(MANIFEST, name)) {
        // A manifest that a crash has cut is no record.
        let _ = manifest::for_each_task(read_trusted(dir, name)?.as_slice(), |task| {
            for entry in task.parse().into_iter().flat_map(|task| task.files) {
                let AssetKey { kind, index } = entry.key();
                // Where the kind was not known at first, the part has another name.
                let without_kind = format!(".asset-{index}.part");
                lines.push(LogEntry { part: format!(".{kind}-{index}.part"), entry: entry.clone() });
                lines.push(LogEntry { part: without_kind, entry });
            }
        });
    }
    Ok(lines)
}

/// Whether the file of `entry` is complete under its final name, which a complete part gets here.
fn roll_forward_file(dir: &Dir, part: &str, entry: &FileEntry) -> Result<bool, Error> {
    let Some(name) = entry.name() else { return Ok(false) };
    if check_trusted(dir, name)? && matches_entry(dir, name, entry)? {
        return Ok(true);
    }
    let is_plain_name = part.starts_with('.') && !part.contains(['/', '\\']);
    if !is_plain_name || !check_trusted(dir, part)? || !matches_entry(dir, part, entry)? {
        return Ok(false);
    }
    dir.rename(part, name).map_err(dir.failed("rename", part))?;
    Ok(true)
}

fn check_trusted(dir: &Dir, name: &str) -> Result<bool, Error> {
    dir.check_trusted(name).map_err(dir.failed("read", name))
}

/// Whether the plain file called `name` has the size and the hash of `entry`.
pub(super) fn matches_entry(dir: &Dir, name: &str, entry: &FileEntry) -> Result<bool, Error> {
    let hash = || {
        let found = dir.stat(name)?.filter(|found| found.is_file && found.size == entry.size());
        found.map(|_| hash_reader(dir.open(name, OpenMode::Read)?)).transpose()
    };
    let hash = hash().map_err(dir.failed("read", name))?;
    Ok(hash.is_some_and(|(hash, size)| size == entry.size() && hash == *entry.sha256()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Barrier;

    use super::*;

    /// Lets many threads append a line each at the same moment. Returns how many lines the log has then.
    fn lines_of_many(folder: &Path) -> usize {
        let (log, barrier) = (CommitLog::new(Dir::at(folder)), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    log.append_line("line").unwrap();
                });
            }
        });
        fs::read_to_string(folder.join(NAME)).unwrap().lines().filter(|line| *line == "line").count()
    }

    #[test]
    fn too_large_commit_log_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::at(folder.path());
        for (size, is_read) in [(MAX_RECORD, true), (MAX_RECORD + 1, false)] {
            fs::write(folder.path().join(NAME), vec![b'\n'; usize::try_from(size).unwrap()]).unwrap();
            assert_eq!(read(&dir, NAME).unwrap().len() as u64, if is_read { size } else { 0 });
        }
    }

    #[cfg(unix)]
    #[test]
    fn log_of_another_user_verifies_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("image-1.png"), "bytes").unwrap();
        let (sha256, size) = hash_reader(&b"bytes"[..]).unwrap();
        let entry = serde_json::json!({"kind": "image", "index": 1, "path": "image-1.png", "size": size, "sha256": sha256});
        let log = folder.path().join(NAME);
        fs::write(&log, serde_json::json!({"part": ".image-1.part", "entry": entry}).to_string()).unwrap();
        let find = || find_verified(folder.path(), &HashSet::from(["image-1.png"])).unwrap().len();
        assert_eq!(find(), 1);
        // Only the administrator can give a file away. A hard link is as little trusted.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&log, Some(12345), None).unwrap();
        } else {
            fs::hard_link(&log, folder.path().join("second")).unwrap();
        }
        assert_eq!(find(), 0);
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
