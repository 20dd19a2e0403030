//! Manifests on disk: is one there, is it ours, and what does it say?
//!
//! A symlink in a manifest's place is not ours. What can't be read is an error, never a missing manifest.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use super::path_check;
use crate::domain::manifest::{self, Ownership, RawTask, TaskEntry, TaskManifest};
use crate::layout::MANIFEST;
use crate::storage::Error;

/// A task's manifest of more bytes is read as it comes from the disk: its text beside all that it says would take too much.
pub(in crate::storage) const LARGE: u64 = 1 << 20;

/// What stands in a root manifest's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::storage) enum ManifestStatus {
    /// There is none.
    Missing,
    /// Ours, but damaged.
    Damaged,
    /// Ours, and whole.
    Valid,
}

/// What stands in the place of a task's own manifest.
#[derive(Debug)]
pub(in crate::storage) enum ManifestLookup {
    /// A manifest, and the one task that it names.
    Task(Box<TaskEntry>),
    /// There is none.
    Missing,
    /// It can't be read as a manifest. `is_cut`: a crash left it so, and it may be written anew.
    Damaged {
        /// Whether it may be written anew.
        is_cut: bool,
    },
}

/// Whose the root manifest in `folder` is, and what it names, task by task.
pub(in crate::storage) fn read_root(folder: &Path, each: impl FnMut(RawTask<'_>)) -> Result<ManifestStatus, Error> {
    let path = folder.join(MANIFEST);
    if !is_there(&path)? {
        return Ok(ManifestStatus::Missing);
    }
    let verdict = File::open(&path).and_then(|file| manifest::check_ownership(file, each)).map_err(Error::io("read", &path))?;
    match verdict {
        Ownership::Ours => Ok(ManifestStatus::Valid),
        Ownership::Truncated | Ownership::Corrupt => Ok(ManifestStatus::Damaged),
        Ownership::Foreign | Ownership::NotJson => Err(Error::Foreign(path)),
        Ownership::NewerVersion(version) => Err(Error::Newer { path, version }),
    }
}

/// What the manifest of a task's `folder` says. Its own id is not compared with the folder's name.
///
/// # Errors
/// When it is another program's, a later version's or an archive's, or can't be read.
pub(in crate::storage) fn read_own(folder: &Path) -> Result<ManifestLookup, Error> {
    let path = folder.join(MANIFEST);
    if !is_there(&path)? {
        return Ok(ManifestLookup::Missing);
    }
    let file = match File::open(&path) {
        // Another process has just moved the folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ManifestLookup::Missing),
        file => file.map_err(Error::io("read", &path))?,
    };
    if file.metadata().is_ok_and(|found| found.len() > LARGE)
        && let Some(task) = TaskManifest::from_reader(BufReader::new(&file))
    {
        return Ok(ManifestLookup::Task(task));
    }
    let text = fs::read(&path).map_err(Error::io("read", &path))?;
    match TaskManifest::parse(&text).map_err(Error::io("read", &path))? {
        TaskManifest::Task(task) => Ok(ManifestLookup::Task(task)),
        TaskManifest::Damaged { is_truncated: is_cut } => Ok(ManifestLookup::Damaged { is_cut }),
        TaskManifest::MultipleTasks => Err(Error::ManyTasks(path)),
        TaskManifest::Foreign => Err(Error::Foreign(path)),
        TaskManifest::NewerVersion(version) => Err(Error::Newer { path, version }),
    }
}

fn is_there(path: &Path) -> Result<bool, Error> {
    match path_check::lstat(path).map_err(Error::io("read", path))? {
        None => Ok(false),
        Some(found) if found.is_file() => Ok(true),
        Some(_) => Err(Error::Foreign(path.to_owned())),
    }
}
