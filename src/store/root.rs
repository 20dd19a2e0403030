//! The root's derived files: `manifest.json` of the whole archive, and `SHA256SUMS`.
//!
//! Both come from the task manifests alone. An update merges the changed tasks into the old root
//! manifest as a stream, in the order of the ids; where there is none to trust, all folders are
//! read. Either way the same archive gives the same bytes. One process at a time, under a short lock.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;

use super::folder::{LOCK, read_manifest};
use super::lock::Lock;
use super::{Error, atomic, checkpoint, mark};
use crate::digest::Sha256Hex;
use crate::manifest::{self, Id, Lenient, Reader, TaskEntry, Verdict};
use crate::naming::{self, MANIFEST, SUMS, TEXT};
use crate::task::TaskId;

/// Merges the tasks of `changed` into the root's files; rebuilds these where they can't be trusted. See `Archive::update_root`.
pub(super) fn update(root: &Path, changed: Vec<TaskId>, reused: &[u128]) -> Result<(), Error> {
    let changed: BTreeSet<String> = changed.into_iter().map(|id| id.as_str().to_owned()).collect();
    let dead = mark::dead(root);
    let is_trusted = is_ours(root)? && root.join(SUMS).exists() && dead.is_empty() && names_all(root, reused);
    if is_trusted && changed.is_empty() {
        return Ok(());
    }
    // A root that can't be merged into after all is made anew.
    let merged = if is_trusted { write(root, Some(changed)).is_ok() } else { false };
    let written = if merged { Ok(()) } else { write(root, None) };
    if written.is_err() {
        // The marks of the dead stay for whoever comes next.
        std::mem::forget(dead);
    }
    written
}

/// Writes the root's files: the old ones with `changed` merged in, or anew from all folders.
pub(super) fn write(root: &Path, mut changed: Option<BTreeSet<String>>) -> Result<(), Error> {
    let place = root.join(LOCK);
    let _lock = Lock::acquire(&place).map_err(Error::io("lock", &place))?;
    sweep(root);
    // Both files are filled in one pass over the tasks.
    atomic::write(root, SUMS, |sums| {
        let fill = |to: &mut dyn Write| {
            manifest::write(
                to,
                Box::new(|push| {
                    let mut take = |task: TaskEntry| {
                        write_sums(sums, &task)?;
                        push(&task)
                    };
                    match changed.take() {
                        Some(changed) => merge(root, changed, &mut take),
                        None => rebuild(root, &mut take),
                    }
                }),
            )
        };
        atomic::write(root, MANIFEST, fill).map_err(|error| io::Error::new(error.kind(), error.told()))
    })?;
    atomic::sync_folder(root)?;
    checkpoint::reached("root-written");
    Ok(())
}

/// What the root manifest says of a task whose own manifest is lost or broken.
pub(super) fn remembered(root: &Path, task_id: &str) -> Option<TaskEntry> {
    let file = File::open(root.join(MANIFEST)).ok()?;
    let mut found = None;
    // One that breaks off may still name it.
    let _ = Reader(BufReader::with_capacity(256 << 10, file)).for_each(|Lenient(task)| {
        if let Some(task) = task.filter(|task| task.task_id == task_id) {
            found = Some(task.into_own());
        }
    });
    found
}

/// Calls `take` with every task of the archive, or of the one task's folder, at `root`: as its manifest has them, or in
/// its folders where there is none to trust.
///
/// # Errors
/// When the manifest is not ours, or the disk says no.
pub fn each_task(root: &Path, mut take: impl FnMut(TaskEntry)) -> Result<(), Error> {
    if !is_ours(root)? {
        let mut each = |task| {
            take(task);
            Ok(())
        };
        return rebuild(root, &mut each).map_err(Error::io("list", root));
    }
    let path = root.join(MANIFEST);
    let read = File::open(&path).map(|file| BufReader::with_capacity(256 << 10, file));
    read.and_then(|file| Reader(file).for_each(|Lenient(task)| task.into_iter().for_each(&mut take)))
        .map_err(Error::io("read", &path))
}

/// Removes what killed writers left behind.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(atomic::is_leftover) {
            // What can't be removed now is removed by the next writer.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether the root manifest names every task with one of these fingerprints.
fn names_all(root: &Path, fingerprints: &[u128]) -> bool {
    if fingerprints.is_empty() {
        return true;
    }
    let wanted: HashSet<u128> = fingerprints.iter().copied().collect();
    let mut found = 0;
    let is_wanted = |task: &Id| TaskId::new(&task.task_id).is_some_and(|id| wanted.contains(&id.fingerprint()));
    let read = File::open(root.join(MANIFEST)).and_then(|file| {
        Reader(BufReader::with_capacity(256 << 10, file)).for_each(|task: Id| found += usize::from(is_wanted(&task)))
    });
    read.is_ok() && found == wanted.len()
}

fn is_ours(root: &Path) -> Result<bool, Error> {
    let path = root.join(MANIFEST);
    match fs::read(&path) {
        Ok(bytes) => match manifest::judge(&bytes) {
            Verdict::Ours => Ok(true),
            Verdict::Broken => Ok(false),
            Verdict::Foreign => Err(Error::Foreign(path)),
            Verdict::Newer(version) => Err(Error::Newer { path, version }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// The old root's tasks and the changed ones, in the order of their ids. A task whose folder is gone is dropped.
fn merge(root: &Path, mut changed: BTreeSet<String>, take: &mut dyn FnMut(TaskEntry) -> io::Result<()>) -> io::Result<()> {
    let old = BufReader::with_capacity(256 << 10, File::open(root.join(MANIFEST))?);
    let mut result = Ok(());
    let mut step = |task: TaskEntry| -> io::Result<()> {
        while let Some(next) = changed.pop_first() {
            if next >= task.task_id {
                changed.insert(next);
                break;
            }
            take_folder(root, &naming::folder(&next), take)?;
        }
        if changed.remove(&task.task_id) {
            return take_folder(root, &naming::folder(&task.task_id), take);
        }
        if fs::symlink_metadata(root.join(naming::folder(&task.task_id)).join(MANIFEST)).is_ok() { take(task) } else { Ok(()) }
    };
    Reader(old).for_each(|task: TaskEntry| {
        if result.is_ok() {
            result = step(task);
        }
    })?;
    result?;
    changed.into_iter().try_for_each(|id| take_folder(root, &naming::folder(&id), take))
}

/// All task folders, in the order of their ids.
fn rebuild(root: &Path, take: &mut dyn FnMut(TaskEntry) -> io::Result<()>) -> io::Result<()> {
    let mut folders = BTreeMap::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| naming::is_folder(name)) else { continue };
        if entry.file_type()?.is_dir() {
            // A folder that is called as its task need not be opened to learn where it stands in the order.
            let id =
                if naming::folder(name) == name { Some(name.to_owned()) } else { readable(root, name).map(|task| task.task_id) };
            folders.extend(id.map(|id| (id, name.to_owned())));
        }
    }
    folders.into_values().try_for_each(|name| take_folder(root, &name, take))
}

fn take_folder(root: &Path, name: &str, take: &mut dyn FnMut(TaskEntry) -> io::Result<()>) -> io::Result<()> {
    readable(root, name).map_or(Ok(()), |task| take(task.into_rooted()))
}

/// The task of a folder, when its manifest is ours, names it, and can be read.
fn readable(root: &Path, name: &str) -> Option<TaskEntry> {
    let is_folder = fs::symlink_metadata(root.join(name)).is_ok_and(|found| found.is_dir());
    let task = if is_folder { read_manifest(&root.join(name)).ok()? } else { None };
    task.filter(|task| naming::folder(&task.task_id) == name)
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
