//! The root's derived files: `manifest.json` of the whole archive, and `SHA256SUMS`.
//!
//! Both come from the task manifests; for a task whose own can't be read now, the old root manifest stands (`gather`).
//! An update merges the changed tasks into the old root
//! manifest as a stream, in the order of the ids; where there is none to trust, all folders are
//! read. Either way the same archive gives the same bytes. One process at a time, under a short lock.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::collect::{TaskCollector, TaskSink};
use super::dirty_marker::{self, StaleMarkers};
use super::lock::{self, Lock, LockWait};
use super::manifest_files::{self, ManifestStatus};
use super::{atomic, path_check};
use crate::domain::manifest::{self, TaskEntry};
use crate::domain::task::TaskId;
use crate::integrity::digest::Sha256Hex;
use crate::layout::{self, MANIFEST, SHA256SUMS, TEXT};
use crate::storage::read::report::Report;
use crate::storage::{Error, failpoint};

/// Merges the tasks of `changed` into the root's files; rebuilds these where they can't be trusted. See `Archive::update_root`.
pub(in crate::storage) fn update(root: &Path, changed: Vec<TaskId>, reused: &[u128], wait: &LockWait) -> Result<Report, Error> {
    let mut report = Report::default();
    let dead = dirty_marker::find_stale(root).map_err(Error::io("list", root))?;
    if changed.is_empty() && dead.is_empty() && leftovers(root).next().is_none() && is_up_to_date(root, reused)? {
        return Ok(report);
    }
    let _lock = lock(root, wait)?;
    let is_trusted = dead.is_empty() && is_up_to_date(root, reused)?;
    if is_trusted && changed.is_empty() {
        return Ok(report);
    }
    let changed = changed.into_iter().map(|id| id.as_str().to_owned()).collect();
    if is_trusted && write_root_files(root, |take| TaskCollector::new(root, true, &mut report).merge_changed(changed, take))? {
        return Ok(report);
    }
    rebuild_locked(root, dead)
}

/// Writes the root's files from the task folders alone.
pub(in crate::storage) fn rebuild(root: &Path, wait: &LockWait) -> Result<Report, Error> {
    let dead = dirty_marker::find_stale(root).map_err(Error::io("list", root))?;
    let _lock = lock(root, wait)?;
    rebuild_locked(root, dead)
}

fn rebuild_locked(root: &Path, dead: StaleMarkers) -> Result<Report, Error> {
    let mut report = Report::default();
    write_root_files(root, |take| TaskCollector::new(root, true, &mut report).collect_all(take).map(|()| true))?;
    dead.clear();
    Ok(report)
}

/// The root's lock; whoever has it removes what killed writers left behind.
fn lock(root: &Path, wait: &LockWait) -> Result<Lock, Error> {
    let lock = Lock::lock_folder(root, wait)?;
    // Where the folder itself is locked, a lock file there is nobody's.
    for leftover in leftovers(root).filter(|path| lock.is_folder_lock() || !path.ends_with(lock::NAME)) {
        // What can't be removed now is removed by the next writer.
        let _ = fs::remove_file(leftover);
    }
    Ok(lock)
}

/// Writes the root's files with what `fill` gives, unless it gives up: whether they were written.
fn write_root_files(root: &Path, fill: impl FnOnce(&mut TaskSink<'_>) -> io::Result<bool>) -> Result<bool, Error> {
    let mut gave_up = false;
    // Both files are filled in one pass over the tasks.
    let written = atomic::write(root, SHA256SUMS, |sums| {
        let fill = |to: &mut dyn Write| {
            manifest::write(to, |push| {
                gave_up = !fill(&mut |task| {
                    write_sums(sums, &task)?;
                    push(&task)
                })?;
                if gave_up { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
            })
        };
        atomic::write(root, MANIFEST, fill).map_err(Error::into_io)
    });
    if gave_up {
        return Ok(false);
    }
    written?;
    atomic::sync_folder(root)?;
    failpoint::reached("root-written");
    Ok(true)
}

/// Calls `take` with every task of the archive, or of the one task's folder, at `root`: as its manifest has them, or in
/// its folders where there is none to trust.
///
/// # Errors
/// When the manifest is not ours, or the disk says no. When single tasks can't be read, once all others have been taken.
pub fn each_task(root: &Path, take: impl FnMut(TaskEntry)) -> Result<(), Error> {
    let (_, report) = read_tasks(root, take)?;
    report.faults().next().map_or(Ok(()), |fault| Err(Error::Incomplete(fault)))
}

/// As [`each_task`]; whether there is a manifest of ours, and what is wrong with single tasks.
pub(in crate::storage) fn read_tasks(root: &Path, mut take: impl FnMut(TaskEntry)) -> Result<(bool, Report), Error> {
    let mut report = Report::default();
    let is_ours = manifest_files::read_root(root, |_| ())? == ManifestStatus::Valid;
    // A run that died may have committed what it does not name.
    if is_ours && dirty_marker::find_stale(root).map_err(Error::io("list", root))?.is_empty() {
        let mut unreadable = 0;
        manifest_files::read_root(root, |task| task.parse().map_or_else(|| unreadable += 1, &mut take))?;
        if unreadable > 0 {
            report.add_fault(format!("{}: {unreadable} of its manifest's entries can't be read", root.display()));
        }
        return Ok((true, report));
    }
    let mut each = |task| {
        take(task);
        Ok(())
    };
    TaskCollector::new(root, false, &mut report).collect_all(&mut each).map_err(Error::io("list", root))?;
    Ok((is_ours, report))
}

/// What killed writers left behind, or living ones are writing. What can't be listed is left to the next writer.
fn leftovers(root: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let is_ours = |name: &str| name == lock::NAME || atomic::is_leftover(name);
    entries.filter(move |entry| entry.file_name().to_str().is_some_and(is_ours)).map(|entry| entry.path())
}

/// Whether the root's files are ours and whole, as far as one pass can tell, and name every task with one of these fingerprints.
fn is_up_to_date(root: &Path, fingerprints: &[u128]) -> Result<bool, Error> {
    let mut missing: HashSet<u128> = fingerprints.iter().copied().collect();
    let standing = manifest_files::read_root(root, |task| {
        if !missing.is_empty()
            && let Some(id) = task.id().and_then(|id| TaskId::new(&id))
        {
            missing.remove(&id.fingerprint());
        }
    })?;
    let sums = root.join(SHA256SUMS);
    Ok(standing == ManifestStatus::Valid
        && missing.is_empty()
        && path_check::lstat(&sums).map_err(Error::io("read", &sums))?.is_some())
}

/// `HASH  PATH`, as `sha256sum -c` reads it, for every file and the text.
fn write_sums(lines: &mut dyn Write, task: &TaskEntry) -> io::Result<()> {
    // Paths that are not our own names are for nobody to follow.
    let folder = layout::folder_name(&task.task_id);
    for file in task.files.iter().filter(|file| file.name_in_folder(&folder).is_some()) {
        writeln!(lines, "{}  {}", file.sha256(), file.path())?;
    }
    match &task.text {
        Some(text) => writeln!(lines, "{}  {folder}/{TEXT}", Sha256Hex::digest(text.as_bytes())),
        None => Ok(()),
    }
}
