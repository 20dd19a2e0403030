//! Collects the tasks of an archive, from its task folders and from the old root manifest.
//!
//! A task's own manifest comes first. Where the folder can't be entered or read, or its manifest is missing or damaged, the
//! root manifest's entry is used: an error never counts as a missing task. A task is dropped only when its folder does not
//! exist. Every fault is reported by name, and stops no other task from being collected.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::lock::Lock;
use super::manifest_files::{self, ManifestLookup};
use super::orphan_files::has_files_of_a_task;
use super::recent_commits::RecentCommits;
use super::root_entry::{CollectedTask, RootEntry};
use super::root_lookup::RootManifestLookup;
use super::{atomic, path_check};
use crate::domain::manifest::{self, RawTask, TaskEntry};
use crate::layout::{self, MANIFEST};
use crate::storage::Error;
use crate::storage::read::report::Report;
use crate::threads;

/// Task folders that are read at once.
const BATCH: usize = 1024;

/// Receives the tasks of an archive, in the order of their ids.
pub(super) type TaskSink<'a> = dyn FnMut(CollectedTask) -> Result<(), Error> + 'a;

/// What a batch of tasks has of one task before it is collected.
enum ReadAhead {
    Committed(RootEntry),
    Read(TaskDirState),
    TooLarge,
}

/// What was found in the place of a task's folder.
enum TaskDirState {
    /// The folder and its manifest.
    Task(Box<TaskEntry>),
    /// No folder.
    Gone,
    /// A folder without a manifest.
    NoManifest,
    /// A manifest that can't be parsed.
    Damaged,
    /// A folder that can't be entered or read, or something that is no task's folder.
    Failed(Error),
}

/// Collects the tasks of the archive at `root`.
pub(super) struct TaskCollector<'a> {
    root: &'a Path,
    /// Whether missing and damaged task manifests are restored from the root manifest.
    restores: bool,
    /// What this run has committed.
    recent: Option<&'a RecentCommits>,
    report: &'a mut Report,
}

impl<'a> TaskCollector<'a> {
    pub(super) fn new(root: &'a Path, restores: bool, report: &'a mut Report) -> Self {
        Self { root, restores, recent: None, report }
    }

    /// The same, where `recent` has entries that need no reading.
    pub(super) fn with_recent(self, recent: &'a RecentCommits) -> Self {
        Self { recent: Some(recent), ..self }
    }

    /// Collects all tasks from their folders.
    pub(super) fn collect_all(mut self, sink: &mut TaskSink<'_>) -> Result<(), Error> {
        let root_lookup = RootManifestLookup::new(self.root);
        let names = self.folder_names().map_err(Error::io("list", self.root))?;
        let mut folders = Vec::with_capacity(names.len());
        for name in &names {
            // A folder named after its task, or one that the root manifest names, needs no opening to sort it by its id.
            let id = match root_lookup.id_of(name)? {
                Some(id) => Some(id.to_owned()),
                None if layout::folder_name(name) == *name => Some(name.clone()),
                None => self.read_task_id(name),
            };
            folders.extend(id.map(|id| (id, name.as_str())));
        }
        let gone: BTreeSet<&str> =
            root_lookup.folders_and_ids()?.filter(|(name, _)| !names.contains(*name)).map(|(_, id)| id).collect();
        for id in gone {
            self.report_dropped(id);
        }
        folders.sort_unstable();
        for batch in folders.chunks(BATCH) {
            // A large one is read alone, in its turn: a batch of them would be in memory together.
            let (root, recent) = (self.root, self.recent);
            let ahead = |name: &str| match recent.and_then(|recent| recent.take_current(root, name)) {
                Some(entry) => ReadAhead::Committed(entry),
                None if is_large(root, name) => ReadAhead::TooLarge,
                None => ReadAhead::Read(read_task_dir(root, name)),
            };
            let ahead = || batch.par_iter().map(|(_, name)| ahead(name)).collect();
            let pool = threads::cpu_pool().map_err(Error::io("start threads for", self.root))?;
            let batch_ahead: Vec<ReadAhead> = pool.install(ahead);
            for ((_, name), ahead) in batch.iter().zip(batch_ahead) {
                let state = match ahead {
                    ReadAhead::Committed(entry) => {
                        sink(CollectedTask::Committed(entry))?;
                        continue;
                    }
                    ReadAhead::Read(state) => state,
                    ReadAhead::TooLarge => read_task_dir(self.root, name),
                };
                let root_entry = if let TaskDirState::Task(_) = state { None } else { root_lookup.root_entry(name)? };
                self.resolve(name, state, root_entry).map_or(Ok(()), |task| sink(task.into()))?;
            }
        }
        Ok(())
    }

    /// Collects the tasks of the old root manifest and the changed ones, in the order of their ids. Returns false where the old
    /// root manifest has no such order or an entry that can't be parsed: then nothing can be merged into it.
    pub(super) fn merge_changed(mut self, mut changed: BTreeSet<String>, sink: &mut TaskSink<'_>) -> Result<bool, Error> {
        let path = self.root.join(MANIFEST);
        let mut last = String::new();
        let mut result = Ok(true);
        let on_task = |task: RawTask<'_>| {
            if matches!(result, Ok(true)) {
                result = match task.parse() {
                    Some(task) if task.task_id > last => {
                        last.clone_from(&task.task_id);
                        self.merge_one(task, &mut changed, sink).map(|()| true)
                    }
                    _ => Ok(false),
                };
            }
        };
        let read = File::open(&path).and_then(|file| manifest::for_each_task(file, on_task));
        read.map_err(Error::io("read", &path))?;
        if !result? {
            return Ok(false);
        }
        changed.into_iter().try_for_each(|id| self.collect_dir(&id, None, sink))?;
        Ok(true)
    }

    /// Collects one task of the old root manifest, after the changed ones that come before it.
    fn merge_one(&mut self, task: TaskEntry, changed: &mut BTreeSet<String>, sink: &mut TaskSink<'_>) -> Result<(), Error> {
        while changed.first().is_some_and(|next| *next < task.task_id) {
            changed.pop_first().map_or(Ok(()), |id| self.collect_dir(&id, None, sink))?;
        }
        let manifest = self.root.join(layout::folder_name(&task.task_id)).join(MANIFEST);
        let is_changed = changed.remove(&task.task_id);
        // Where nothing has changed, it is enough that the manifest exists.
        if !is_changed && matches!(path_check::lstat(&manifest), Ok(Some(_))) {
            return sink(task.into());
        }
        self.collect_dir(&task.task_id.clone(), Some(task), sink)
    }

    /// The names in the root that a task's folder can have.
    fn folder_names(&self) -> io::Result<HashSet<String>> {
        let mut names = HashSet::new();
        for entry in fs::read_dir(self.root)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| layout::is_folder_name(name)));
        }
        Ok(names)
    }

    /// The task id of a folder that is not named after its task, and that the root manifest does not name.
    fn read_task_id(&mut self, name: &str) -> Option<String> {
        self.resolve(name, read_task_dir(self.root, name), None).map(|task| task.task_id)
    }

    /// Collects one task from its folder. `root_entry` is that of the old root manifest.
    pub(super) fn collect_dir(&mut self, id: &str, root_entry: Option<TaskEntry>, sink: &mut TaskSink<'_>) -> Result<(), Error> {
        let name = layout::folder_name(id);
        if let Some(entry) = self.recent.and_then(|recent| recent.take_current(self.root, &name)) {
            return sink(CollectedTask::Committed(entry));
        }
        self.resolve(&name, read_task_dir(self.root, &name), root_entry).map_or(Ok(()), |task| sink(task.into()))
    }

    /// Decides which entry is used for the task of a folder; `root_entry` is that of the root manifest. Reports what is wrong.
    fn resolve(&mut self, name: &str, state: TaskDirState, root_entry: Option<TaskEntry>) -> Option<TaskEntry> {
        let manifest = || self.root.join(name).join(MANIFEST);
        match (state, &root_entry) {
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
            // Another program's folder, or an archive inside this one, is ignored.
            (TaskDirState::Failed(Error::Foreign(_) | Error::ManyTasks(_)), None) => {}
            (TaskDirState::Failed(error @ (Error::OtherTask { .. } | Error::Newer { .. })), None) => {
                self.report.add_note(error.message());
            }
            (TaskDirState::Failed(error), None) => self.report.add_fault(error.message()),
        }
        root_entry
    }

    fn report_dropped(&mut self, id: &str) {
        self.report.add_note(format!("{id}: its folder is gone; the task is dropped from the root manifest"));
    }

    /// Restores a task's own manifest from the root manifest.
    fn restore_manifest(&mut self, name: &str, what: &str, task: &TaskEntry) {
        let folder = self.root.join(name);
        let path = folder.join(MANIFEST);
        if !self.restores {
            return self.report.add_note(format!("{} {what}; the root manifest's entry is used", path.display()));
        }
        match write_missing_manifest(&folder, &task.clone().into_task_relative()) {
            Ok(true) => self.report.add_note(format!("{} {what}, and is restored from the root manifest", path.display())),
            // Another process holds the lock, and writes the manifest.
            Ok(false) => {}
            Err(error) => self.report.add_fault(format!("{} {what}, and can't be restored: {}", path.display(), error.message())),
        }
    }

    /// Reports a folder that holds files of a task and no manifest, unless a run has not finished there.
    fn report_orphan_files(&mut self, name: &str) {
        let folder = self.root.join(name);
        let is_orphaned = has_files_of_a_task(&folder).and_then(|has_files| {
            // Another process may have committed the task meanwhile. It updates the root itself.
            Ok(has_files && path_check::lstat(&folder.join(MANIFEST))?.is_none())
        });
        match is_orphaned {
            Ok(false) => {}
            Ok(true) => self.report.add_fault(format!(
                "{} holds files of a task, but no manifest, and the root manifest does not name the task",
                folder.display()
            )),
            Err(error) => self.report.add_fault(Error::io("list", &folder)(error).message()),
        }
    }
}

/// Whether the manifest in the folder called `name` is large. One whose size can't be read is reported when it is read itself.
fn is_large(root: &Path, name: &str) -> bool {
    let found = path_check::lstat(&root.join(name).join(MANIFEST)).ok().flatten();
    found.is_some_and(|found| found.len() > manifest_files::LARGE)
}

/// Reads the folder called `name`. The entry is without the gateway's response, because many are in memory at once.
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

/// Writes the manifest of a task's folder, unless another process holds the folder's lock. Whether it was written.
fn write_missing_manifest(folder: &Path, task: &TaskEntry) -> Result<bool, Error> {
    let Some(_lock) = Lock::try_lock_folder(folder).map_err(Error::io("lock", folder))? else { return Ok(false) };
    // Another process may have written it meanwhile.
    if let ManifestLookup::Task(_) = manifest_files::read_own(folder)? {
        return Ok(false);
    }
    atomic::write(folder, MANIFEST, |to| manifest::write_task_manifest(to, task))?;
    atomic::sync_folder(folder)?;
    Ok(true)
}
