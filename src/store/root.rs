//! The root's derived files: `manifest.json` of the whole archive, and `SHA256SUMS`.
//!
//! Both come from the task manifests alone. An update merges the changed tasks into the old root
//! manifest as a stream, in the order of the ids; where there is none to trust, all folders are
//! read. Either way the same archive gives the same bytes. One process at a time, under a short lock.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::lock::{self, Lock, LockWait};
use super::manifests::{self, Standing};
use super::mark::{self, Dead};
use super::{Error, atomic, checkpoint};
use crate::digest::Sha256Hex;
use crate::manifest::{self, TaskEntry};
use crate::naming::{self, MANIFEST, SUMS, TEXT};
use crate::task::TaskId;
use crate::threads;

/// Task folders that are read in one go.
const BATCH: usize = 1024;

/// Merges the tasks of `changed` into the root's files; rebuilds these where they can't be trusted. See `Archive::update_root`.
pub(super) fn update(root: &Path, changed: Vec<TaskId>, reused: &[u128], wait: &LockWait) -> Result<(), Error> {
    let dead = mark::dead(root);
    if changed.is_empty() && dead.is_empty() && leftovers(root).next().is_none() && is_true(root, reused)? {
        return Ok(());
    }
    let _lock = lock(root, wait)?;
    let is_trusted = dead.is_empty() && is_true(root, reused)?;
    if is_trusted && changed.is_empty() {
        return Ok(());
    }
    let changed = changed.into_iter().map(|id| id.as_str().to_owned()).collect();
    let is_merged = is_trusted && write(root, |take| merge(root, changed, take))?;
    if is_merged { Ok(()) } else { write_anew(root, dead) }
}

/// Writes the root's files from the task folders alone.
pub(super) fn rebuild(root: &Path, wait: &LockWait) -> Result<(), Error> {
    let dead = mark::dead(root);
    let _lock = lock(root, wait)?;
    write_anew(root, dead)
}

fn write_anew(root: &Path, dead: Dead) -> Result<(), Error> {
    write(root, |take| take_all(root, take).map(|()| true))?;
    dead.clear();
    Ok(())
}

/// The root's lock; whoever has it removes what killed writers left behind.
fn lock(root: &Path, wait: &LockWait) -> Result<Lock, Error> {
    let lock = Lock::of(root, wait)?;
    // Where the folder itself is locked, a lock file there is nobody's.
    for leftover in leftovers(root).filter(|path| lock.is_of_folder() || !path.ends_with(lock::NAME)) {
        // What can't be removed now is removed by the next writer.
        let _ = fs::remove_file(leftover);
    }
    Ok(lock)
}

/// Takes the tasks of an archive, in the order of their ids.
type Take<'a> = dyn FnMut(TaskEntry) -> io::Result<()> + 'a;

/// Writes the root's files with what `fill` gives, unless it gives up: whether they were written.
fn write(root: &Path, fill: impl FnOnce(&mut Take<'_>) -> io::Result<bool>) -> Result<bool, Error> {
    let mut gave_up = false;
    // Both files are filled in one pass over the tasks.
    let written = atomic::write(root, SUMS, |sums| {
        let fill = |to: &mut dyn Write| {
            manifest::write(
                to,
                Box::new(|push| {
                    gave_up = !fill(&mut |task| {
                        write_sums(sums, &task)?;
                        push(&task)
                    })?;
                    if gave_up { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
                }),
            )
        };
        atomic::write(root, MANIFEST, fill).map_err(|error| io::Error::new(error.kind(), error.told()))
    });
    if gave_up {
        return Ok(false);
    }
    written?;
    atomic::sync_folder(root)?;
    checkpoint::reached("root-written");
    Ok(true)
}

/// Calls `take` with every task of the archive, or of the one task's folder, at `root`: as its manifest has them, or in
/// its folders where there is none to trust.
///
/// # Errors
/// When the manifest is not ours, or the disk says no.
pub fn each_task(root: &Path, take: impl FnMut(TaskEntry)) -> Result<(), Error> {
    read_tasks(root, take).map(|_| ())
}

/// As [`each_task`]; whether there is a manifest of ours, and how many of its entries can't be read.
pub(super) fn read_tasks(root: &Path, mut take: impl FnMut(TaskEntry)) -> Result<(bool, usize), Error> {
    let is_ours = manifests::look(root, |_| ())? == Standing::Ours;
    // A run that died may have committed what it does not name.
    if is_ours && mark::dead(root).is_empty() {
        let mut unreadable = 0;
        manifests::look(root, |task| task.entry().map_or_else(|| unreadable += 1, &mut take))?;
        return Ok((true, unreadable));
    }
    let mut each = |task| {
        take(task);
        Ok(())
    };
    take_all(root, &mut each).map_err(Error::io("list", root))?;
    Ok((is_ours, 0))
}

/// What killed writers left behind, or living ones are writing.
fn leftovers(root: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let is_ours = |name: &str| name == lock::NAME || atomic::is_leftover(name);
    entries.filter(move |entry| entry.file_name().to_str().is_some_and(is_ours)).map(|entry| entry.path())
}

/// Whether the root's files are ours and whole, as far as one pass can tell, and name every task with one of these fingerprints.
fn is_true(root: &Path, fingerprints: &[u128]) -> Result<bool, Error> {
    let mut missing: HashSet<u128> = fingerprints.iter().copied().collect();
    let standing = manifests::look(root, |task| {
        if !missing.is_empty()
            && let Some(id) = task.id().and_then(|id| TaskId::new(&id))
        {
            missing.remove(&id.fingerprint());
        }
    })?;
    Ok(standing == Standing::Ours && missing.is_empty() && root.join(SUMS).exists())
}

/// The old root's tasks and the changed ones, in the order of their ids. A task whose folder is gone is dropped. Gives up,
/// with false, where the old root can't be merged into.
fn merge(root: &Path, mut changed: BTreeSet<String>, take: &mut Take<'_>) -> io::Result<bool> {
    let mut last = String::new();
    let mut step = |task: TaskEntry| -> io::Result<bool> {
        if task.task_id <= last {
            return Ok(false);
        }
        while changed.first().is_some_and(|next| *next < task.task_id) {
            changed.pop_first().map_or(Ok(()), |id| take_folder(root, &naming::folder(&id), take))?;
        }
        last.clone_from(&task.task_id);
        let folder = naming::folder(&task.task_id);
        match () {
            () if changed.remove(&task.task_id) => take_folder(root, &folder, take)?,
            () if fs::symlink_metadata(root.join(folder).join(MANIFEST)).is_ok() => take(task)?,
            () => {}
        }
        Ok(true)
    };
    let mut result = Ok(true);
    manifest::walk(File::open(root.join(MANIFEST))?, |task| {
        if matches!(result, Ok(true)) {
            result = task.entry().map_or(Ok(false), &mut step);
        }
    })?;
    if result? {
        changed.into_iter().try_for_each(|id| take_folder(root, &naming::folder(&id), take))?;
        return Ok(true);
    }
    Ok(false)
}

/// All task folders, in the order of their ids.
fn take_all(root: &Path, take: &mut Take<'_>) -> io::Result<()> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| naming::is_folder(name)) else { continue };
        if entry.file_type()?.is_dir() {
            // A folder that is called as its task need not be opened to learn where it stands in the order.
            let id =
                if naming::folder(name) == name { Some(name.to_owned()) } else { task_in(root, name)?.map(|task| task.task_id) };
            folders.extend(id.map(|id| (id, name.to_owned())));
        }
    }
    folders.sort_unstable();
    for batch in folders.chunks(BATCH) {
        let read = || batch.par_iter().map(|(_, name)| task_in(root, name)).collect::<io::Result<Vec<_>>>();
        let tasks = threads::compute()?.install(read)?;
        tasks.into_iter().flatten().try_for_each(|task| take(task.into_rooted()))?;
    }
    Ok(())
}

fn take_folder(root: &Path, name: &str, take: &mut Take<'_>) -> io::Result<()> {
    task_in(root, name)?.map_or(Ok(()), |task| take(task.into_rooted()))
}

/// The task of a folder, when its manifest is ours and names it.
fn task_in(root: &Path, name: &str) -> io::Result<Option<TaskEntry>> {
    let is_folder = fs::symlink_metadata(root.join(name)).is_ok_and(|found| found.is_dir());
    let task = if is_folder { ours(manifests::task_of(&root.join(name)))? } else { None };
    Ok(task.filter(|task| naming::folder(&task.task_id) == name))
}

/// What was found, when it is ours. What the disk does not give is not taken for nothing: the root would forget it.
fn ours(found: Result<Option<TaskEntry>, Error>) -> io::Result<Option<TaskEntry>> {
    match found {
        Ok(task) => Ok(task),
        Err(error @ Error::Io { .. }) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), error.told()))
        }
        Err(_) => Ok(None),
    }
}

/// `HASH  PATH`, as `sha256sum -c` reads it, for every file and the text.
fn write_sums(lines: &mut dyn Write, task: &TaskEntry) -> io::Result<()> {
    // Paths that are not our own names are for nobody to follow.
    let folder = naming::folder(&task.task_id);
    for file in task.files.iter().filter(|file| file.rooted_name(&folder).is_some()) {
        writeln!(lines, "{}  {}", file.sha256(), file.path())?;
    }
    match &task.text {
        Some(text) => writeln!(lines, "{}  {folder}/{TEXT}", Sha256Hex::of(text.as_bytes())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_the_disk_does_not_give_is_not_forgotten() {
        let failed = |kind: io::ErrorKind| ours(Err(Error::io("read", Path::new("t1/manifest.json"))(kind.into())));
        assert!(failed(io::ErrorKind::PermissionDenied).unwrap_err().to_string().contains("t1/manifest.json"));
        assert_eq!(failed(io::ErrorKind::NotFound).unwrap(), None, "it has just gone");
        assert_eq!(ours(Err(Error::Foreign("t1/manifest.json".into()))).unwrap(), None);
    }
}
