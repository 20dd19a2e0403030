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
use super::manifest_files::{self, ManifestLookup};
use super::root_index::RootManifestIndex;
use super::{atomic, path_check};
use crate::domain::asset_key::Kind;
use crate::domain::manifest::{self, TaskEntry};
use crate::layout::{self, MANIFEST, TEXT};
use crate::storage::Error;
use crate::storage::read::report::Report;
use crate::threads;

/// Task folders that are read in one go.
const BATCH: usize = 1024;

/// Takes the tasks of an archive, in the order of their ids.
pub(in crate::storage) type TaskSink<'a> = dyn FnMut(TaskEntry) -> io::Result<()> + 'a;

/// What a task's folder gives.
enum TaskDirState {
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
pub(in crate::storage) struct TaskCollector<'a> {
    root: &'a Path,
    /// Whether lost and damaged task manifests are written again.
    restores: bool,
    report: &'a mut Report,
}

impl<'a> TaskCollector<'a> {
    pub(in crate::storage) fn new(root: &'a Path, restores: bool, report: &'a mut Report) -> Self {
        Self { root, restores, report }
    }

    /// All tasks, from their folders.
    pub(in crate::storage) fn collect_all(mut self, take: &mut TaskSink<'_>) -> io::Result<()> {
        let memory = RootManifestIndex::new(self.root);
        let names = self.listed()?;
        let mut folders = Vec::with_capacity(names.len());
        for name in &names {
            // A folder that is called as its task, or that the root knows, need not be opened to learn where it stands.
            let id = match memory.id_of(name).map_err(Error::into_io)? {
                Some(id) => Some(id.to_owned()),
                None if layout::folder_name(name) == *name => Some(name.clone()),
                None => self.read_task_id(name),
            };
            folders.extend(id.map(|id| (id, name.as_str())));
        }
        let gone: BTreeSet<&str> = memory
            .folders_and_ids()
            .map_err(Error::into_io)?
            .filter(|(name, _)| !names.contains(*name))
            .map(|(_, id)| id)
            .collect();
        for id in gone {
            self.report_dropped(id);
        }
        folders.sort_unstable();
        for batch in folders.chunks(BATCH) {
            // A large one is read when it is its turn: a batch of them would stand in memory together.
            let ahead = |name| if is_large(self.root, name) { None } else { Some(read_task_dir(self.root, name)) };
            let ahead = || batch.par_iter().map(|(_, name)| ahead(name)).collect();
            let readings: Vec<Option<TaskDirState>> = threads::cpu_pool()?.install(ahead);
            for ((_, name), reading) in batch.iter().zip(readings) {
                let reading = reading.unwrap_or_else(|| read_task_dir(self.root, name));
                let rooted =
                    if let TaskDirState::Task(_) = reading { None } else { memory.root_entry(name).map_err(Error::into_io)? };
                self.resolve(name, reading, rooted).map_or(Ok(()), &mut *take)?;
            }
        }
        Ok(())
    }

    /// The old root's tasks and the changed ones, in the order of their ids. Gives up, with false, where the old root can't
    /// be merged into.
    pub(in crate::storage) fn merge_changed(
        mut self,
        mut changed: BTreeSet<String>,
        take: &mut TaskSink<'_>,
    ) -> io::Result<bool> {
        let mut last = String::new();
        let mut result = Ok(true);
        manifest::for_each_task(File::open(self.root.join(MANIFEST))?, |task| {
            if matches!(result, Ok(true)) {
                result = match task.parse() {
                    Some(task) if task.task_id > last => {
                        last.clone_from(&task.task_id);
                        self.merge_one(task, &mut changed, take).map(|()| true)
                    }
                    _ => Ok(false),
                };
            }
        })?;
        if result? {
            changed.into_iter().try_for_each(|id| self.collect_dir(&id, None, take))?;
            return Ok(true);
        }
        Ok(false)
    }

    /// One task of the old root, after the changed ones that come before it.
    fn merge_one(&mut self, task: TaskEntry, changed: &mut BTreeSet<String>, take: &mut TaskSink<'_>) -> io::Result<()> {
        while changed.first().is_some_and(|next| *next < task.task_id) {
            changed.pop_first().map_or(Ok(()), |id| self.collect_dir(&id, None, take))?;
        }
        let manifest = self.root.join(layout::folder_name(&task.task_id)).join(MANIFEST);
        let is_changed = changed.remove(&task.task_id);
        // A look at its manifest is enough where nothing has changed.
        if !is_changed && matches!(path_check::lstat(&manifest), Ok(Some(_))) {
            return take(task);
        }
        self.collect_dir(&task.task_id.clone(), Some(task), take)
    }

    /// The names at the root that a task's folder could have.
    fn listed(&self) -> io::Result<HashSet<String>> {
        let mut names = HashSet::new();
        for entry in fs::read_dir(self.root)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| layout::is_folder_name(name)));
        }
        Ok(names)
    }

    /// The id of a folder that is not called as its task, and that the root does not know.
    fn read_task_id(&mut self, name: &str) -> Option<String> {
        self.resolve(name, read_task_dir(self.root, name), None).map(|task| task.task_id)
    }

    fn collect_dir(&mut self, id: &str, rooted: Option<TaskEntry>, take: &mut TaskSink<'_>) -> io::Result<()> {
        let name = layout::folder_name(id);
        self.resolve(&name, read_task_dir(self.root, &name), rooted).map_or(Ok(()), take)
    }

    /// What stands for the task of a folder, when `rooted` is what the root manifest says of it; reports what is wrong.
    fn resolve(&mut self, name: &str, reading: TaskDirState, rooted: Option<TaskEntry>) -> Option<TaskEntry> {
        let manifest = || self.root.join(name).join(MANIFEST);
        match (reading, &rooted) {
            (TaskDirState::Task(task), _) => return Some(task.into_root_relative()),
            (TaskDirState::Gone, None) => {}
            (TaskDirState::Gone, Some(task)) => {
                self.report_dropped(&task.task_id);
                return None;
            }
            (TaskDirState::NoManifest, Some(task)) => self.restore_manifest(name, "was missing", task),
            (TaskDirState::Damaged, Some(task)) => self.restore_manifest(name, "was damaged", task),
            (TaskDirState::NoManifest, None) => self.report_orphan_files(name),
            (TaskDirState::Damaged, None) => self.report.add_fault(Error::DamagedManifest(manifest()).to_string()),
            (TaskDirState::Failed(error), Some(_)) => {
                self.report.add_fault(format!("{}; the task keeps its entry in the root manifest", error.message()));
            }
            // Another program's folder, or an archive within this one, is no concern of ours.
            (TaskDirState::Failed(Error::Foreign(_) | Error::ManyTasks(_)), None) => {}
            (TaskDirState::Failed(error @ (Error::OtherTask { .. } | Error::Newer { .. })), None) => {
                self.report.add_note(error.message());
            }
            (TaskDirState::Failed(error), None) => self.report.add_fault(error.message()),
        }
        rooted
    }

    fn report_dropped(&mut self, id: &str) {
        self.report.add_note(format!("{id}: its folder is gone; the task is dropped from the root manifest"));
    }

    /// Writes a task's own manifest as the root manifest remembers it.
    fn restore_manifest(&mut self, name: &str, what: &str, task: &TaskEntry) {
        let folder = self.root.join(name);
        let told = folder.join(MANIFEST);
        if !self.restores {
            return self.report.add_note(format!("{} {what}; the root manifest's entry is taken", told.display()));
        }
        match write_missing_manifest(&folder, &task.clone().into_task_relative()) {
            Ok(true) => self.report.add_note(format!("{} {what}, and is restored from the root manifest", told.display())),
            // Another process is at work there, and writes it.
            Ok(false) => {}
            Err(error) => self.report.add_fault(format!("{} {what}, and can't be restored: {}", told.display(), error.message())),
        }
    }

    /// Reports a folder without a manifest that a task has left files in. One that a run has not finished yet has none.
    fn report_orphan_files(&mut self, name: &str) {
        let folder = self.root.join(name);
        let is_left_alone = has_files_of_a_task(&folder).and_then(|has_files| {
            // Another process may have finished the task in the meantime; it tells the root of it.
            Ok(has_files && path_check::lstat(&folder.join(MANIFEST))?.is_none())
        });
        match is_left_alone {
            Ok(false) => {}
            Ok(true) => self.report.add_fault(format!(
                "{} holds files of a task, but no manifest, and the root manifest does not name the task",
                folder.display()
            )),
            Err(error) => self.report.add_fault(Error::io("list", &folder)(error).message()),
        }
    }
}

/// Whether the manifest in the folder called `name` is large. One that can't be looked at is reported when it is read.
fn is_large(root: &Path, name: &str) -> bool {
    let found = path_check::lstat(&root.join(name).join(MANIFEST)).ok().flatten();
    found.is_some_and(|found| found.len() > manifest_files::LARGE)
}

/// What the folder called `name` gives, without the gateway's answer: many are read in one go.
fn read_task_dir(root: &Path, name: &str) -> TaskDirState {
    let path = root.join(name);
    match path_check::lstat(&path) {
        Err(error) => return TaskDirState::Failed(Error::io("read", &path)(error)),
        Ok(None) => return TaskDirState::Gone,
        Ok(Some(found)) if !found.is_dir() => return TaskDirState::Failed(Error::Foreign(path)),
        Ok(Some(_)) => {}
    }
    match manifest_files::read_own(&path) {
        Ok(ManifestLookup::Task(mut task)) if layout::folder_name(&task.task_id) == name => {
            task.response = None;
            TaskDirState::Task(task)
        }
        Ok(ManifestLookup::Task(task)) => TaskDirState::Failed(Error::OtherTask { path: path.join(MANIFEST), id: task.task_id }),
        Ok(ManifestLookup::Missing) => TaskDirState::NoManifest,
        Ok(ManifestLookup::Damaged { .. }) => TaskDirState::Damaged,
        Err(error) => TaskDirState::Failed(error),
    }
}

/// Writes the manifest of a task's folder, unless another process is at work there. Whether it was written.
fn write_missing_manifest(folder: &Path, task: &TaskEntry) -> Result<bool, Error> {
    let Some(_lock) = Lock::try_lock_folder(folder).map_err(Error::io("lock", folder))? else { return Ok(false) };
    // Another process may have been here in the meantime.
    if let ManifestLookup::Task(_) = manifest_files::read_own(folder)? {
        return Ok(false);
    }
    atomic::write(folder, MANIFEST, |to| manifest::write_task_manifest(to, task))?;
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
        has_files |=
            name == TEXT || [Kind::Video, Kind::Image, Kind::Audio].into_iter().any(|kind| layout::is_file_name(kind, &name));
    }
    Ok(has_files)
}
