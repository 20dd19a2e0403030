//! Manifests on disk: is one there, is it ours, and what does it say?
//!
//! A symlink in a manifest's place is not ours. What can't be read is an error, never a missing manifest.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use super::{Error, sight};
use crate::manifest::{self, Own, TaskEntry, Unread, Verdict};
use crate::naming::MANIFEST;

/// A task's manifest of more bytes is read as it comes from the disk: its text beside all that it says would take too much.
pub(super) const LARGE: u64 = 1 << 20;

/// What stands in a root manifest's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// There is none.
    Nothing,
    /// Ours, but damaged.
    Broken,
    /// Ours, and whole.
    Ours,
}

/// What stands in the place of a task's own manifest.
#[derive(Debug)]
pub(super) enum Found {
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
pub(super) fn look(folder: &Path, each: impl FnMut(Unread<'_>)) -> Result<Standing, Error> {
    let path = folder.join(MANIFEST);
    if !is_there(&path)? {
        return Ok(Standing::Nothing);
    }
    let verdict = File::open(&path).and_then(|file| manifest::judge(file, each)).map_err(Error::io("read", &path))?;
    match verdict {
        Verdict::Ours => Ok(Standing::Ours),
        Verdict::Broken | Verdict::Garbled => Ok(Standing::Broken),
        Verdict::Foreign | Verdict::NoJson => Err(Error::Foreign(path)),
        Verdict::Newer(version) => Err(Error::Newer { path, version }),
    }
}

/// What the manifest of a task's `folder` says. Its own id is not compared with the folder's name.
///
/// # Errors
/// When it is another program's, a later version's or an archive's, or can't be read.
pub(super) fn own(folder: &Path) -> Result<Found, Error> {
    let path = folder.join(MANIFEST);
    if !is_there(&path)? {
        return Ok(Found::Missing);
    }
    let file = match File::open(&path) {
        // Another process has just moved the folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        file => file.map_err(Error::io("read", &path))?,
    };
    if file.metadata().is_ok_and(|found| found.len() > LARGE)
        && let Some(task) = Own::stream(BufReader::new(&file))
    {
        return Ok(Found::Task(task));
    }
    let text = fs::read(&path).map_err(Error::io("read", &path))?;
    match Own::read(&text).map_err(Error::io("read", &path))? {
        Own::Task(task) => Ok(Found::Task(task)),
        Own::Damaged { is_cut } => Ok(Found::Damaged { is_cut }),
        Own::Several => Err(Error::ManyTasks(path)),
        Own::Foreign => Err(Error::Foreign(path)),
        Own::Newer(version) => Err(Error::Newer { path, version }),
    }
}

fn is_there(path: &Path) -> Result<bool, Error> {
    match sight::seen(path).map_err(Error::io("read", path))? {
        None => Ok(false),
        Some(found) if found.is_file() => Ok(true),
        Some(_) => Err(Error::Foreign(path.to_owned())),
    }
}
