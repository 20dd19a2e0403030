//! The root's derived files: `manifest.json` of the whole archive, and `SHA256SUMS`, unless it would be empty.
//!
//! Both come from the task manifests. For a task whose manifest can't be read now, the entry in the old root manifest is kept
//! ([`collect`](super::collect)). An update merges the changed tasks into the old root manifest, in the order of the ids: a long
//! one by copying all that did not change ([`root_splice`](super::root_splice)), another by parsing it as a stream. Where the
//! old one can't be trusted, all task folders are read. Either way the same archive gives the same bytes. One process writes at
//! a time, under the short lock of the root.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::collect::{TaskCollector, TaskSink};
use super::dirty_marker::{self, StaleMarkers};
use super::lock::{self, Lock, LockWait};
use super::manifest_files::{self, ManifestStatus};
use super::recent_commits::RecentCommits;
use super::root_entry::{CollectedTask, RootEntry};
use super::root_splice::SplicePlan;
use super::sums_list::has_sums;
use super::{atomic, path_check};
use crate::domain::manifest::{ListWriter, TaskEntry};
use crate::domain::task::TaskId;
use crate::layout::{MANIFEST, SHA256SUMS};
use crate::storage::read::report::Report;
use crate::storage::{Error, failpoint};

/// Merges the tasks of `changed` into the root's files, or rebuilds the files where they can't be trusted. See
/// [`Storage::update_index`](crate::storage::Storage::update_index). `recent` has what this run has committed.
pub(super) fn update(
    root: &Path,
    changed: Vec<TaskId>,
    reused: &[u128],
    recent: &RecentCommits,
    wait: &LockWait,
) -> Result<Report, Error> {
    let mut report = Report::default();
    let names = dot_names(root)?;
    let stale = dirty_marker::find_stale(root, &names);
    if changed.is_empty() && stale.is_empty() && !names.iter().any(|name| is_leftover(name)) && is_up_to_date(root, reused)? {
        return Ok(report);
    }
    let (_lock, is_list_old) = lock(root, &names, wait)?;
    if is_list_old {
        return rebuild_locked(root, stale, recent).map(|rebuilt| rebuilt.report);
    }
    if stale.is_empty()
        && !changed.is_empty()
        && let Some(plan) = SplicePlan::new(root, &changed, reused)?
    {
        plan.apply(recent, &mut report)?;
        return finish(root).map(|()| report);
    }
    merge_or_rebuild(root, changed, reused, stale, recent, report)
}

/// Updates the root's files, where not all that did not change can be copied.
fn merge_or_rebuild(
    root: &Path,
    changed: Vec<TaskId>,
    reused: &[u128],
    stale: StaleMarkers,
    recent: &RecentCommits,
    mut report: Report,
) -> Result<Report, Error> {
    let is_trusted = stale.is_empty() && is_up_to_date(root, reused)?;
    if is_trusted && changed.is_empty() {
        return Ok(report);
    }
    if is_trusted && merge(root, changed, recent, &mut report)? {
        return Ok(report);
    }
    rebuild_locked(root, stale, recent).map(|rebuilt| rebuilt.report)
}

/// Merges changed tasks into a root manifest of which not all that did not change can be copied. False where that is not possible.
fn merge(root: &Path, changed: Vec<TaskId>, recent: &RecentCommits, report: &mut Report) -> Result<bool, Error> {
    let changed = changed.into_iter().map(|id| id.as_str().to_owned()).collect();
    let collect =
        |sink: &mut TaskSink<'_>| TaskCollector::new(root, true, report).with_recent(recent).merge_changed(changed, sink);
    write_root_files(root, &mut |_| (), collect).map(|written| written.is_some())
}

/// What a rebuild found and wrote.
#[derive(Debug, Default)]
pub(crate) struct RebuiltIndex {
    pub tasks: u64,
    /// Files that the manifest names.
    pub files: u64,
    /// Whether one of the root's files changed.
    pub is_changed: bool,
    pub report: Report,
}

/// Writes the root's files from the task folders alone.
pub(in crate::storage) fn rebuild(root: &Path, wait: &LockWait) -> Result<RebuiltIndex, Error> {
    let names = dot_names(root)?;
    let stale = dirty_marker::find_stale(root, &names);
    let _lock = lock(root, &names, wait)?;
    rebuild_locked(root, stale, &RecentCommits::default())
}

fn rebuild_locked(root: &Path, stale: StaleMarkers, recent: &RecentCommits) -> Result<RebuiltIndex, Error> {
    let (mut report, mut tasks, mut files) = (Report::default(), 0, 0);
    let mut count = |entry: &RootEntry| {
        tasks += 1;
        files += entry.files;
    };
    let collect = |sink: &mut TaskSink<'_>| {
        TaskCollector::new(root, true, &mut report).with_recent(recent).collect_all(sink).map(|()| true)
    };
    let is_changed = write_root_files(root, &mut count, collect)?;
    stale.clear();
    Ok(RebuiltIndex { tasks, files, is_changed: is_changed == Some(true), report })
}

/// Takes the lock of the root, and removes the temporary files of killed writers among `names`. Also returns whether a writer was
/// killed before its checksum list got its name: the list may then be older than the manifest.
fn lock(root: &Path, names: &[String], wait: &LockWait) -> Result<(Lock, bool), Error> {
    let lock = Lock::lock_folder(root, wait)?;
    // A live writer has renamed or removed its own by now.
    let is_left = |name: &String| atomic::is_leftover_of(SHA256SUMS, name) && root.join(name).symlink_metadata().is_ok();
    let is_list_old = names.iter().any(is_left);
    // Where the folder itself is locked, no process holds a lock file in it.
    for leftover in names.iter().filter(|name| is_leftover(name) && (lock.is_folder_lock() || *name != lock::NAME)) {
        // What can't be removed now is removed by the next writer.
        let _ = fs::remove_file(root.join(leftover));
    }
    Ok((lock, is_list_old))
}

/// Writes the root's files with the tasks that `collect` passes on, and shows each to `on_entry`. Whether they changed; none where
/// `collect` gives up.
fn write_root_files(
    root: &Path,
    on_entry: &mut dyn FnMut(&RootEntry),
    collect: impl FnOnce(&mut TaskSink<'_>) -> Result<bool, Error>,
) -> Result<Option<bool>, Error> {
    let failed = |error| Error::io("write", &root.join(MANIFEST))(error);
    let (mut collected, mut manifest) = (Ok(true), Ok(false));
    let stop_writing = || io::Error::other("the other file could not be written");
    // Both files are filled in one pass over the tasks. The first error is kept; the others only end the writing.
    let sums = atomic::write_or_remove(root, SHA256SUMS, |sums| {
        let fill = |to: &mut dyn Write| {
            let mut list = ListWriter::begin(to)?;
            let mut push = |entry: &RootEntry| {
                on_entry(entry);
                sums.write_all(&entry.sums)?;
                list.next_entry()?.write_all(&entry.text)
            };
            collected = collect(&mut |task| task.into_root_entry().and_then(|entry| push(&entry)).map_err(failed));
            if let Ok(true) = collected { list.end().map(drop) } else { Err(stop_writing()) }
        };
        manifest = atomic::write(root, MANIFEST, fill);
        if manifest.is_ok() { Ok(()) } else { Err(stop_writing()) }
    });
    if !collected? {
        return Ok(None);
    }
    let is_changed = manifest? | sums?;
    finish(root)?;
    Ok(Some(is_changed))
}

/// Makes the names of the root's new files durable.
fn finish(root: &Path) -> Result<(), Error> {
    atomic::sync_folder(root)?;
    failpoint::reached("root-written");
    Ok(())
}

/// Calls `on_task` with every task of the archive, or of the one task's folder, at `root`. The tasks come from the manifest
/// there, or from the task folders where that can't be trusted.
///
/// # Errors
/// When the manifest is foreign, or the archive can't be read. When single tasks can't be read, after all others were passed on.
pub fn each_task(root: &Path, on_task: impl FnMut(TaskEntry)) -> Result<(), Error> {
    let (_, report) = read_tasks(root, on_task)?;
    report.faults().next().map_or(Ok(()), |fault| Err(Error::Incomplete(fault)))
}

/// As [`each_task`]. Returns whether there is a valid manifest, and what is wrong with single tasks.
pub(in crate::storage) fn read_tasks(root: &Path, mut on_task: impl FnMut(TaskEntry)) -> Result<(bool, Report), Error> {
    let mut report = Report::default();
    let is_valid = manifest_files::read_root(root, |_| ())? == ManifestStatus::Valid;
    // A killed run may have committed tasks that it does not name.
    if is_valid && dirty_marker::find_stale(root, &dot_names(root)?).is_empty() {
        let mut unreadable = 0;
        manifest_files::read_root(root, |task| task.parse().map_or_else(|| unreadable += 1, &mut on_task))?;
        if unreadable > 0 {
            report.add_fault(format!("{}: {unreadable} of its manifest's entries can't be read", root.display()));
        }
        return Ok((true, report));
    }
    let mut each = |task| {
        // Without commits of this run, every task is read.
        if let CollectedTask::Read(task) = task {
            on_task(*task);
        }
        Ok(())
    };
    TaskCollector::new(root, false, &mut report).collect_all(&mut each)?;
    Ok((is_valid, report))
}

/// The names in the root that begin with a dot. The root is listed once: it can have a million folders.
///
/// # Errors
/// When it can't be listed: then it is unknown whether a killed run left something.
fn dot_names(root: &Path) -> Result<Vec<String>, Error> {
    let list = || {
        let mut names = Vec::new();
        for entry in fs::read_dir(root)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| name.starts_with('.')));
        }
        Ok(names)
    };
    list().map_err(Error::io("list", root))
}

/// Whether `name` is that of a temporary file of a killed writer, or of a live one.
fn is_leftover(name: &str) -> bool {
    lock::is_lock_name(name.as_ref()) || atomic::is_leftover(name)
}

/// Whether the root's files are valid, as far as one pass can tell, and name every task with one of these fingerprints.
fn is_up_to_date(root: &Path, fingerprints: &[u128]) -> Result<bool, Error> {
    let mut missing: HashSet<u128> = fingerprints.iter().copied().collect();
    let mut find = |id: &str| {
        if !missing.is_empty()
            && let Some(id) = TaskId::new(id)
        {
            missing.remove(&id.fingerprint());
        }
    };
    let scanned = manifest_files::scan_root(root, |id, _| {
        find(id);
        true
    })?;
    let is_valid = scanned.is_some()
        || manifest_files::read_root(root, |task| {
            task.id().iter().for_each(|id| find(id));
        })? == ManifestStatus::Valid;
    if !is_valid || !missing.is_empty() {
        return Ok(false);
    }
    let sums = root.join(SHA256SUMS);
    match path_check::lstat(&sums).map_err(Error::io("read", &sums))? {
        Some(found) => Ok(found.len() > 0),
        None => Ok(!needs_sums(root)?),
    }
}

/// Whether some task in the root manifest has a line in the checksum list. Without a line there is no list.
fn needs_sums(root: &Path) -> Result<bool, Error> {
    let mut needs_sums = false;
    manifest_files::read_root(root, |task| needs_sums = needs_sums || task.parse().is_some_and(|task| has_sums(&task)))?;
    Ok(needs_sums)
}

#[cfg(test)]
mod tests;
