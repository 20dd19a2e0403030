//! Manifests on disk: is one there, is it ours, and what does it say?
//!
//! A symlink in a manifest's place is not ours. One that is ours and broken says nothing, and may be rebuilt.

use std::fs::{self, File};
use std::io::Cursor;
use std::path::Path;

use serde::Deserialize;

use super::{Error, sight};
use crate::manifest::{self, TaskEntry, Unread, Verdict};
use crate::naming::MANIFEST;

/// What stands in a manifest's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// There is none.
    Nothing,
    /// Ours, but a crash cut it.
    Broken,
    /// Ours, and whole.
    Ours,
}

/// Whose the manifest of `folder` is, and what it names, task by task.
pub(super) fn look(folder: &Path, each: impl FnMut(Unread<'_>)) -> Result<Standing, Error> {
    let path = folder.join(MANIFEST);
    if !is_there(&path)? {
        return Ok(Standing::Nothing);
    }
    let verdict = File::open(&path).and_then(|file| manifest::judge(file, each)).map_err(Error::io("read", &path))?;
    standing(verdict, &path)
}

/// The one task that the manifest in `folder` names; none when there is none, or one that a crash broke. A manifest of
/// several is an archive's.
pub(super) fn task_of(folder: &Path) -> Result<Option<TaskEntry>, Error> {
    let path = folder.join(MANIFEST);
    if !is_there(&path)? {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    // The one question that nearly all get, asked in one pass.
    if let Ok(Own { manifest_version: 1, tasks }) = serde_json::from_slice(&bytes) {
        let is_one = tasks.iter().all(|task| task.task_id == tasks[0].task_id);
        // However often it is named, a task is one.
        return if is_one { Ok(tasks.into_iter().next()) } else { Err(Error::ManyTasks(path)) };
    }
    let verdict = manifest::judge(Cursor::new(&bytes), |_| ()).map_err(Error::io("read", &path))?;
    // Ours by its shape, or broken: it names no task that can be read.
    standing(verdict, &path).map(|_| None)
}

/// A task's own manifest.
#[derive(Deserialize)]
struct Own {
    manifest_version: u64,
    tasks: Vec<TaskEntry>,
}

fn is_there(path: &Path) -> Result<bool, Error> {
    match sight::seen(path).map_err(Error::io("read", path))? {
        None => Ok(false),
        Some(found) if found.is_file() => Ok(true),
        Some(_) => Err(Error::Foreign(path.to_owned())),
    }
}

fn standing(verdict: Verdict, path: &Path) -> Result<Standing, Error> {
    match verdict {
        Verdict::Ours => Ok(Standing::Ours),
        Verdict::Broken => Ok(Standing::Broken),
        Verdict::Foreign => Err(Error::Foreign(path.to_owned())),
        Verdict::Newer(version) => Err(Error::Newer { path: path.to_owned(), version }),
    }
}
