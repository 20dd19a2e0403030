//! Reads manifests from disk: whether one exists, whether this program wrote it, and what it says.
//!
//! A symlink in place of a manifest is foreign. A manifest that can't be read is an error, and never a missing manifest.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::Range;
use std::path::Path;

use super::path_check;
use crate::domain::manifest::{self, Ownership, RawTask, TaskEntry, TaskManifest};
use crate::layout::MANIFEST;
use crate::storage::Error;

/// A larger manifest of a task is parsed as a stream: its text and its parsed form together would take too much memory.
pub(in crate::storage) const LARGE: u64 = 1 << 20;

/// A larger file is no manifest of a task by this program: one has at most twice the size of an answer, and the text of its files.
/// It counts as damaged, and is not read.
pub(super) const MAX_TASK_MANIFEST: u64 = if cfg!(test) { 4 << 20 } else { 256 << 20 };

/// A root manifest of at least this size, in bytes, is scanned instead of parsed, where it has this program's layout. A shorter
/// one is parsed in some milliseconds, which finds any damage.
const SCANNED: u64 = if cfg!(test) { 1 } else { 1 << 20 };

/// The state of a root manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::storage) enum ManifestStatus {
    /// There is none.
    Missing,
    /// Written by this program, and damaged.
    Damaged,
    /// Written by this program, and complete.
    Valid,
}

/// Whose root manifest a folder has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::storage) enum RootIdentity {
    /// There is none.
    Missing,
    /// That of an archive by this program. It can be damaged.
    Archive,
    /// That of one task: only such a manifest holds the gateway's response.
    SingleTask,
}

/// The state of a task's own manifest.
#[derive(Debug)]
pub(in crate::storage) enum ManifestLookup {
    /// A manifest with one task.
    Task(Box<TaskEntry>),
    /// There is none.
    Missing,
    /// It can't be parsed.
    Damaged {
        /// Whether a crash cut it, so that it may be written anew.
        is_cut: bool,
    },
}

/// Reads the root manifest in `folder` and calls `on_task` with each of its tasks.
pub(in crate::storage) fn read_root(folder: &Path, on_task: impl FnMut(RawTask<'_>)) -> Result<ManifestStatus, Error> {
    let path = folder.join(MANIFEST);
    if !is_present(&path)? {
        return Ok(ManifestStatus::Missing);
    }
    let ownership =
        File::open(&path).and_then(|file| manifest::check_ownership(file, on_task)).map_err(Error::io("read", &path))?;
    match ownership {
        Ownership::Ours => Ok(ManifestStatus::Valid),
        Ownership::Truncated | Ownership::Corrupt => Ok(ManifestStatus::Damaged),
        Ownership::Foreign | Ownership::NotJson => Err(Error::Foreign(path)),
        Ownership::NewerVersion(version) => Err(Error::Newer { path, version }),
    }
}

/// Decides whose root manifest `folder` has. Of a long one only the beginning and the end are read.
///
/// # Errors
/// When another program wrote it, or it is of a later version or can't be read.
pub(in crate::storage) fn identify_root(folder: &Path) -> Result<RootIdentity, Error> {
    let path = folder.join(MANIFEST);
    let is_long_archive = || {
        let file = File::open(&path)?;
        Ok(file.metadata()?.len() >= SCANNED && manifest::frames_many_tasks(file)?)
    };
    if is_present(&path)? && is_long_archive().map_err(Error::io("read", &path))? {
        return Ok(RootIdentity::Archive);
    }
    let (mut count, mut has_response) = (0_usize, false);
    let status = read_root(folder, |task| {
        count += 1;
        has_response = count == 1 && task.has_response();
    })?;
    Ok(match status {
        ManifestStatus::Missing => RootIdentity::Missing,
        ManifestStatus::Valid if has_response => RootIdentity::SingleTask,
        ManifestStatus::Valid | ManifestStatus::Damaged => RootIdentity::Archive,
    })
}

/// Scans the root manifest in `folder` and calls `each` with the id and the text of each task, until that returns false.
/// Returns the open file and the range of its list of tasks. None when `each` returned false, when the manifest is short or
/// missing, or when it has another layout than this program's: the caller reads it with [`read_root`].
pub(in crate::storage) fn scan_root(
    folder: &Path,
    each: impl FnMut(&str, RawTask<'_>) -> bool,
) -> Result<Option<(File, Range<u64>)>, Error> {
    let path = folder.join(MANIFEST);
    if !is_present(&path)? {
        return Ok(None);
    }
    let scan = || {
        let file = File::open(&path)?;
        if file.metadata()?.len() < SCANNED {
            return Ok(None);
        }
        Ok(manifest::scan_layout(&file, each)?.map(|list| (file, list)))
    };
    scan().map_err(Error::io("read", &path))
}

/// Reads the manifest in a task's `folder`. Its task id is not compared with the folder's name.
///
/// # Errors
/// When it is foreign, of a later version or an archive's, or can't be read.
pub(in crate::storage) fn read_own(folder: &Path) -> Result<ManifestLookup, Error> {
    let path = folder.join(MANIFEST);
    if !is_present(&path)? {
        return Ok(ManifestLookup::Missing);
    }
    let mut file = match File::open(&path) {
        // Another process has just moved the folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ManifestLookup::Missing),
        file => file.map_err(Error::io("read", &path))?,
    };
    let size = file.metadata().map_err(Error::io("read", &path))?.len();
    if size > MAX_TASK_MANIFEST {
        return Ok(ManifestLookup::Damaged { is_cut: false });
    }
    if size > LARGE {
        if let Some(task) = TaskManifest::from_reader(BufReader::new(&file)) {
            return Ok(ManifestLookup::Task(task));
        }
        file.rewind().map_err(Error::io("read", &path))?;
    }
    let mut text = Vec::new();
    file.take(MAX_TASK_MANIFEST).read_to_end(&mut text).map_err(Error::io("read", &path))?;
    match TaskManifest::parse(&text).map_err(Error::io("read", &path))? {
        TaskManifest::Task(task) => Ok(ManifestLookup::Task(task)),
        TaskManifest::Damaged { is_truncated: is_cut } => Ok(ManifestLookup::Damaged { is_cut }),
        TaskManifest::MultipleTasks => Err(Error::ManyTasks(path)),
        TaskManifest::Foreign => Err(Error::Foreign(path)),
        TaskManifest::NewerVersion(version) => Err(Error::Newer { path, version }),
    }
}

fn is_present(path: &Path) -> Result<bool, Error> {
    match path_check::lstat(path).map_err(Error::io("read", path))? {
        None => Ok(false),
        Some(found) if found.is_file() => Ok(true),
        Some(_) => Err(Error::Foreign(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::tests::entry;

    #[test]
    fn too_large_manifest_of_a_task_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        manifest::write_task_manifest(&mut text, &entry("t1")).unwrap();
        for (size, is_read) in [(MAX_TASK_MANIFEST, true), (MAX_TASK_MANIFEST + 1, false)] {
            text.resize(usize::try_from(size).unwrap(), b' ');
            std::fs::write(folder.path().join(MANIFEST), &text).unwrap();
            let found = read_own(folder.path()).unwrap();
            let is_damaged = matches!(found, ManifestLookup::Damaged { is_cut: false });
            assert_eq!((matches!(found, ManifestLookup::Task(_)), is_damaged), (is_read, !is_read), "{size}");
        }
    }
}
