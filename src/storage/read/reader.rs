//! Reads the tasks of an archive from its manifests, for exports and the gallery.
//!
//! It only reads, and trusts nothing. The root manifest is used when it is valid and no killed run left it outdated; otherwise
//! the manifests of the task folders are. A file's path is returned only when the name is one that this program gives, the file
//! is in its task's folder, no symlink leads there, and the size is the recorded one.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::event::Fault;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::domain::task::TaskId;
use crate::layout;
use crate::storage::local::{path_check, root_manifest};
use crate::storage::{Error, Report};

/// The tasks of an archive, or the one task of a task's folder.
pub(crate) struct ArchiveReader {
    root: PathBuf,
    /// In the order of their ids. The files are in the order of kinds and numbers, and there are no gateway responses.
    pub tasks: Vec<TaskEntry>,
    /// What is wrong with single tasks.
    pub report: Report,
    is_single: bool,
}

impl ArchiveReader {
    /// Reads the archive, or the task's folder, at `root`.
    ///
    /// # Errors
    /// When there is neither, or the manifest is foreign or of a later version.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        Self::open_selected(root, Some)
    }

    /// As [`Self::open`], with the tasks that `select` returns.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub(crate) fn open_selected(root: &Path, mut select: impl FnMut(TaskEntry) -> Option<TaskEntry>) -> Result<Self, Error> {
        let (mut tasks, mut is_single) = (Vec::new(), false);
        let mut archive = Self::for_each_task(root, |task, archive| {
            is_single = archive.is_single;
            tasks.extend(select(task));
        })?;
        tasks.sort_by(|one, other| one.task_id.cmp(&other.task_id));
        (archive.tasks, archive.is_single) = (tasks, is_single);
        Ok(archive)
    }

    /// Calls `on_task` with every task once, and with the archive, which is read without any task. Returns it with the report
    /// on single tasks. Tasks are read one by one, so that an archive of any size fits in memory.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub(crate) fn for_each_task(root: &Path, mut on_task: impl FnMut(TaskEntry, &Self)) -> Result<Self, Error> {
        let path = resolve_root(root)?;
        let (mut ids, mut first) = (HashSet::new(), None);
        let mut archive = Self { root: path, tasks: Vec::new(), report: Report::default(), is_single: false };
        let (is_valid, report) = root_manifest::read_tasks(root, |task| {
            // A task is passed on once, however often the manifest names it.
            let is_new = TaskId::new(&task.task_id).is_some_and(|id| ids.insert(id.fingerprint()));
            match ids.len() {
                _ if !is_new => {}
                // A first task may be the only one; its folder is known when no second one follows.
                1 => first = Some(task),
                _ => first.take().into_iter().chain([task]).for_each(|task| on_task(normalized(task), &archive)),
            }
        })?;
        if !is_valid && ids.is_empty() {
            return Err(Error::NoArchive(archive.root));
        }
        archive.report = report;
        if let Some(task) = first {
            archive.is_single = task.is_task_relative();
            on_task(normalized(task), &archive);
        }
        Ok(archive)
    }

    /// Whether the root is the folder of one task.
    #[must_use]
    pub(crate) fn is_single(&self) -> bool {
        self.is_single
    }

    /// The canonical path of the archive.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of one of a task's files.
    ///
    /// # Errors
    /// When the recorded path is unsafe, or the file is missing or not of the recorded size.
    pub(crate) fn media_path(&self, task: &TaskEntry, file: &FileEntry) -> Result<PathBuf, Error> {
        self.checked_path(task, self.media_name(task, file)?, Some(file.size()))
    }

    /// The name of one of a task's files in the task's folder. Looks at the recorded path alone.
    ///
    /// # Errors
    /// When the recorded path is unsafe.
    pub(crate) fn media_name<'a>(&self, task: &TaskEntry, file: &'a FileEntry) -> Result<&'a str, Error> {
        let name = if self.is_single { file.name() } else { file.name_in_folder(&layout::folder_name(&task.task_id)) };
        name.ok_or_else(|| Error::Unsafe(self.root.join(file.path())))
    }

    /// The folder of a task, relative to the root: empty where the root is that folder.
    #[must_use]
    pub(crate) fn task_folder(&self, task_id: &str) -> String {
        if self.is_single { String::new() } else { layout::folder_name(task_id) }
    }

    /// The path of the plain file `name`, one of this program's names, in a task's folder.
    ///
    /// # Errors
    /// When it does not exist or is no plain file.
    pub(crate) fn file_path(&self, task: &TaskEntry, name: &str) -> Result<PathBuf, Error> {
        self.checked_path(task, name, None)
    }

    /// Opens one of a task's files.
    ///
    /// # Errors
    /// As for [`Self::media_path`], and when the file can't be opened.
    pub(crate) fn open_media(&self, task: &TaskEntry, file: &FileEntry) -> Result<File, Error> {
        let path = self.media_path(task, file)?;
        File::open(&path).map_err(|source| Error::Unreadable { path, source })
    }

    fn checked_path(&self, task: &TaskEntry, name: &str, size: Option<u64>) -> Result<PathBuf, Error> {
        let folder = if self.is_single { String::new() } else { layout::folder_name(&task.task_id) + "/" };
        let relative = folder + name;
        let path = self.root.join(&relative);
        match path_check::check_file(&self.root, &relative, size) {
            Ok(None) => Ok(path),
            Ok(Some(Fault::Missing)) => Err(Error::Missing(path)),
            Ok(Some(Fault::Unsafe)) => Err(Error::Unsafe(path)),
            Ok(Some(_)) => Err(Error::Damaged(path)),
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }
}

/// Removes the gateway's response, sorts the files, and keeps each file once.
fn normalized(mut task: TaskEntry) -> TaskEntry {
    task.response = None;
    task.sort();
    let mut paths = HashSet::new();
    task.files.retain(|file| paths.insert(file.path().to_owned()));
    task
}

fn resolve_root(root: &Path) -> Result<PathBuf, Error> {
    match dunce::canonicalize(root) {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => Err(Error::NoArchive(root.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoArchive(root.to_owned())),
        Err(error) => Err(Error::io("open", root)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::layout::MANIFEST;
    use serde_json::json;

    fn reader(manifest: &str) -> Result<(ArchiveReader, tempfile::TempDir), Error> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(MANIFEST), manifest).unwrap();
        ArchiveReader::open(folder.path()).map(|archive| (archive, folder))
    }

    #[test]
    fn entries_are_sorted_and_invalid_ones_counted() {
        let file = |kind: &str, name: &str| json!({"kind": kind, "index": 1, "path": format!("a/{name}"), "size": 1, "sha256": "0".repeat(64)});
        let files = [file("image", "image-1.png"), file("video", "video-1.mp4")];
        let tasks = json!([{"task_id": "b", "state": "complete"}, 7, {"task_id": "a", "state": "complete", "files": files}]);
        let (archive, _folder) = reader(&json!({"manifest_version": 1, "tasks": tasks}).to_string()).unwrap();
        let ids: Vec<&str> = archive.tasks.iter().map(|task| task.task_id.as_str()).collect();
        let paths: Vec<&str> = archive.tasks[0].files.iter().map(FileEntry::path).collect();
        assert_eq!((ids, paths), (vec!["a", "b"], vec!["a/video-1.mp4", "a/image-1.png"]));
        assert!(archive.report.faults().next().unwrap().contains("1 of its manifest's entries"));
    }

    #[test]
    fn foreign_or_missing_folder_is_not_an_archive() {
        assert!(matches!(reader(r#"{"name":"an app"}"#), Err(Error::Foreign(_))));
        assert!(matches!(reader(r#"{"manifest_version":2,"tasks":[]}"#), Err(Error::Newer { version: 2, .. })));
        assert!(matches!(reader(""), Err(Error::NoArchive(_))));
        assert!(matches!(ArchiveReader::open(Path::new("/nowhere/at/all")), Err(Error::NoArchive(_))));
        assert!(reader(r#"{"manifest_version":1,"tasks":[]}"#).is_ok());
    }
}
