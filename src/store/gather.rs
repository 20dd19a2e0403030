//! The tasks of an archive, from its folders and from what the root manifest remembers.
//!
//! A folder tells of its task itself. Where it can't be entered or read, or its manifest is missing or damaged, the root
//! manifest's entry stands for it: an error is never taken for a task that is gone. Only a folder that is not there any more
//! takes its task with it. Whatever is not as it should be is reported by name, and keeps no other task from being gathered.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::lock::Lock;
use super::manifests::{self, Found};
use super::memory::Memory;
use super::report::Report;
use super::{Error, atomic, sight};
use crate::kind::Kind;
use crate::manifest::{self, TaskEntry};
use crate::naming::{self, MANIFEST, TEXT};
use crate::threads;

/// Task folders that are read in one go.
const BATCH: usize = 1024;

/// Takes the tasks of an archive, in the order of their ids.
pub(super) type Take<'a> = dyn FnMut(TaskEntry) -> io::Result<()> + 'a;

/// What a task's folder gives.
enum Reading {
    /// Its task.
    Task(Box<TaskEntry>),
    /// There is no such folder.
    Gone,
    /// There is no manifest in it.
    NoManifest,
    /// The manifest can't be read as one.
    Damaged,
    /// It can't be entered or read, or is not what it should be.
    Failed(Error),
}

/// Gathers the tasks of the archive at `root`.
pub(super) struct Gather<'a> {
    root: &'a Path,
    /// Whether lost and damaged task manifests are written again.
    restores: bool,
    report: &'a mut Report,
}

impl<'a> Gather<'a> {
    pub(super) fn new(root: &'a Path, restores: bool, report: &'a mut Report) -> Self {
        Self { root, restores, report }
    }

    /// All tasks, from their folders.
    pub(super) fn all(mut self, take: &mut Take<'_>) -> io::Result<()> {
        let memory = Memory::new(self.root);
        let names = self.listed()?;
        let mut folders = Vec::with_capacity(names.len());
        for name in &names {
            // A folder that is called as its task, or that the root knows, need not be opened to learn where it stands.
            let id = match memory.id_of(name).map_err(Error::into_io)? {
                Some(id) => Some(id.to_owned()),
                None if naming::folder(name) == *name => Some(name.clone()),
                None => self.unknown_id(name),
            };
            folders.extend(id.map(|id| (id, name.as_str())));
        }
        let gone: BTreeSet<&str> =
            memory.names().map_err(Error::into_io)?.filter(|(name, _)| !names.contains(*name)).map(|(_, id)| id).collect();
        for id in gone {
            self.drop_task(id);
        }
        folders.sort_unstable();
        for batch in folders.chunks(BATCH) {
            // A large one is read when it is its turn: a batch of them would stand in memory together.
            let ahead = |name| if is_large(self.root, name) { None } else { Some(read(self.root, name)) };
            let ahead = || batch.par_iter().map(|(_, name)| ahead(name)).collect();
            let readings: Vec<Option<Reading>> = threads::compute()?.install(ahead);
            for ((_, name), reading) in batch.iter().zip(readings) {
                let reading = reading.unwrap_or_else(|| read(self.root, name));
                let rooted = if let Reading::Task(_) = reading { None } else { memory.rooted(name).map_err(Error::into_io)? };
                self.resolve(name, reading, rooted).map_or(Ok(()), &mut *take)?;
            }
        }
        Ok(())
    }

    /// The old root's tasks and the changed ones, in the order of their ids. Gives up, with false, where the old root can't
    /// be merged into.
    pub(super) fn merge(mut self, mut changed: BTreeSet<String>, take: &mut Take<'_>) -> io::Result<bool> {
        let mut last = String::new();
        let mut result = Ok(true);
        manifest::walk(File::open(self.root.join(MANIFEST))?, |task| {
            if matches!(result, Ok(true)) {
                result = match task.entry() {
                    Some(task) if task.task_id > last => {
                        last.clone_from(&task.task_id);
                        self.merge_one(task, &mut changed, take).map(|()| true)
                    }
                    _ => Ok(false),
                };
            }
        })?;
        if result? {
            changed.into_iter().try_for_each(|id| self.take_folder(&id, None, take))?;
            return Ok(true);
        }
        Ok(false)
    }

    /// One task of the old root, after the changed ones that come before it.
    fn merge_one(&mut self, task: TaskEntry, changed: &mut BTreeSet<String>, take: &mut Take<'_>) -> io::Result<()> {
        while changed.first().is_some_and(|next| *next < task.task_id) {
            changed.pop_first().map_or(Ok(()), |id| self.take_folder(&id, None, take))?;
        }
        let manifest = self.root.join(naming::folder(&task.task_id)).join(MANIFEST);
        let is_changed = changed.remove(&task.task_id);
        // A look at its manifest is enough where nothing has changed.
        if !is_changed && matches!(sight::seen(&manifest), Ok(Some(_))) {
            return take(task);
        }
        self.take_folder(&task.task_id.clone(), Some(task), take)
    }

    /// The names at the root that a task's folder could have.
    fn listed(&self) -> io::Result<HashSet<String>> {
        let mut names = HashSet::new();
        for entry in fs::read_dir(self.root)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| naming::is_folder(name)));
        }
        Ok(names)
    }

    /// The id of a folder that is not called as its task, and that the root does not know.
    fn unknown_id(&mut self, name: &str) -> Option<String> {
        self.resolve(name, read(self.root, name), None).map(|task| task.task_id)
    }

    fn take_folder(&mut self, id: &str, rooted: Option<TaskEntry>, take: &mut Take<'_>) -> io::Result<()> {
        let name = naming::folder(id);
        self.resolve(&name, read(self.root, &name), rooted).map_or(Ok(()), take)
    }

    /// What stands for the task of a folder, when `rooted` is what the root manifest says of it; reports what is wrong.
    fn resolve(&mut self, name: &str, reading: Reading, rooted: Option<TaskEntry>) -> Option<TaskEntry> {
        let manifest = || self.root.join(name).join(MANIFEST);
        match (reading, &rooted) {
            (Reading::Task(task), _) => return Some(task.into_rooted()),
            (Reading::Gone, None) => {}
            (Reading::Gone, Some(task)) => {
                self.drop_task(&task.task_id);
                return None;
            }
            (Reading::NoManifest, Some(task)) => self.restore(name, "was missing", task),
            (Reading::Damaged, Some(task)) => self.restore(name, "was damaged", task),
            (Reading::NoManifest, None) => self.look_into(name),
            (Reading::Damaged, None) => self.report.fault(Error::DamagedManifest(manifest()).to_string()),
            (Reading::Failed(error), Some(_)) => {
                self.report.fault(format!("{}; the task keeps its entry in the root manifest", error.told()));
            }
            // Another program's folder, or an archive within this one, is no concern of ours.
            (Reading::Failed(Error::Foreign(_) | Error::ManyTasks(_)), None) => {}
            (Reading::Failed(error @ (Error::OtherTask { .. } | Error::Newer { .. })), None) => self.report.note(error.told()),
            (Reading::Failed(error), None) => self.report.fault(error.told()),
        }
        rooted
    }

    fn drop_task(&mut self, id: &str) {
        self.report.note(format!("{id}: its folder is gone; the task is dropped from the root manifest"));
    }

    /// Writes a task's own manifest as the root manifest remembers it.
    fn restore(&mut self, name: &str, what: &str, task: &TaskEntry) {
        let folder = self.root.join(name);
        let told = folder.join(MANIFEST);
        if !self.restores {
            return self.report.note(format!("{} {what}; the root manifest's entry is taken", told.display()));
        }
        match restore(&folder, &task.clone().into_own()) {
            Ok(true) => self.report.note(format!("{} {what}, and is restored from the root manifest", told.display())),
            // Another process is at work there, and writes it.
            Ok(false) => {}
            Err(error) => self.report.fault(format!("{} {what}, and can't be restored: {}", told.display(), error.told())),
        }
    }

    /// Reports a folder without a manifest that a task has left files in. One that a run has not finished yet has none.
    fn look_into(&mut self, name: &str) {
        let folder = self.root.join(name);
        let is_left_alone = has_files_of_a_task(&folder).and_then(|has_files| {
            // Another process may have finished the task in the meantime; it tells the root of it.
            Ok(has_files && sight::seen(&folder.join(MANIFEST))?.is_none())
        });
        match is_left_alone {
            Ok(false) => {}
            Ok(true) => self.report.fault(format!(
                "{} holds files of a task, but no manifest, and the root manifest does not name the task",
                folder.display()
            )),
            Err(error) => self.report.fault(Error::io("list", &folder)(error).told()),
        }
    }
}

/// Whether the manifest in the folder called `name` is large. One that can't be looked at is reported when it is read.
fn is_large(root: &Path, name: &str) -> bool {
    let found = sight::seen(&root.join(name).join(MANIFEST)).ok().flatten();
    found.is_some_and(|found| found.len() > manifests::LARGE)
}

/// What the folder called `name` gives, without the gateway's answer: many are read in one go.
fn read(root: &Path, name: &str) -> Reading {
    let path = root.join(name);
    match sight::seen(&path) {
        Err(error) => return Reading::Failed(Error::io("read", &path)(error)),
        Ok(None) => return Reading::Gone,
        Ok(Some(found)) if !found.is_dir() => return Reading::Failed(Error::Foreign(path)),
        Ok(Some(_)) => {}
    }
    match manifests::own(&path) {
        Ok(Found::Task(mut task)) if naming::folder(&task.task_id) == name => {
            task.response = None;
            Reading::Task(task)
        }
        Ok(Found::Task(task)) => Reading::Failed(Error::OtherTask { path: path.join(MANIFEST), id: task.task_id }),
        Ok(Found::Missing) => Reading::NoManifest,
        Ok(Found::Damaged { .. }) => Reading::Damaged,
        Err(error) => Reading::Failed(error),
    }
}

/// Writes the manifest of a task's folder, unless another process is at work there. Whether it was written.
fn restore(folder: &Path, task: &TaskEntry) -> Result<bool, Error> {
    let Some(_lock) = Lock::try_of(folder).map_err(Error::io("lock", folder))? else { return Ok(false) };
    // Another process may have been here in the meantime.
    if let Found::Task(_) = manifests::own(folder)? {
        return Ok(false);
    }
    atomic::write(folder, MANIFEST, |to| manifest::write_own(to, task))?;
    atomic::sync_folder(folder)?;
    Ok(true)
}

/// Whether a folder holds files under the names that a task's have, and nothing that a run has left to go on from.
fn has_files_of_a_task(folder: &Path) -> io::Result<bool> {
    let mut has_files = false;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            return Ok(false);
        }
        has_files |= name == TEXT || [Kind::Video, Kind::Image, Kind::Audio].into_iter().any(|kind| naming::is_file(kind, &name));
    }
    Ok(has_files)
}
