//! What an archive holds by its manifests, for whoever derives something from them.
//!
//! Reads only, and trusts nothing: the root manifest is taken when it is ours and whole, and no run died before it
//! was up to date; else the task folders' own are. A file is handed out only under a name that this program could have given it, in
//! its task's folder, not through a symlink, and of the size that was recorded.

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

/// The tasks of an archive, or the one of a task's folder.
pub(crate) struct ArchiveReader {
    root: PathBuf,
    /// In the order of their ids, their files in that of kinds and numbers, and without the gateway's answers.
    pub tasks: Vec<TaskEntry>,
    /// What is wrong with single tasks.
    pub report: Report,
    is_single: bool,
}

impl ArchiveReader {
    /// Reads what the archive, or the task's folder, at `root` holds.
    ///
    /// # Errors
    /// When there is neither, or its manifest is not ours or of a later version.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let mut catalog = Self { root: resolve_root(root)?, tasks: Vec::new(), report: Report::default(), is_single: false };
        catalog.report = Self::for_each_task(root, |task, is_single| {
            catalog.is_single = is_single;
            catalog.tasks.push(task);
        })?;
        catalog.tasks.sort_by(|one, other| one.task_id.cmp(&other.task_id));
        Ok(catalog)
    }

    /// Calls `take` with every task, each once, and with whether the folder is that task's own; what is wrong with single
    /// tasks. The tasks come one after the other, so that there may be very many.
    ///
    /// # Errors
    /// As for [`Catalog::of`].
    pub(crate) fn for_each_task(root: &Path, mut take: impl FnMut(TaskEntry, bool)) -> Result<Report, Error> {
        let place = resolve_root(root)?;
        let (mut ids, mut first) = (HashSet::new(), None);
        let (is_ours, report) = root_manifest::read_tasks(root, |task| {
            // However often it is named, a task is one.
            let is_new = TaskId::new(&task.task_id).is_some_and(|id| ids.insert(id.fingerprint()));
            match ids.len() {
                _ if !is_new => {}
                // Alone it may be a task's own, but more may come.
                1 => first = Some(task),
                _ => first.take().into_iter().chain([task]).for_each(|task| take(normalized(task), false)),
            }
        })?;
        if !is_ours && ids.is_empty() {
            return Err(Error::NoArchive(place));
        }
        if let Some(task) = first {
            let is_own = task.is_task_relative();
            take(normalized(task), is_own);
        }
        Ok(report)
    }

    /// Where it stands, no link in the way.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where one of a task's files is.
    ///
    /// # Errors
    /// When its path is not one of ours, or what stands there is not of the recorded size.
    pub(crate) fn media_path(&self, task: &TaskEntry, file: &FileEntry) -> Result<PathBuf, Error> {
        let name = if self.is_single { file.name() } else { file.name_in_folder(&layout::folder_name(&task.task_id)) };
        self.checked_path(task, name.ok_or_else(|| Error::Unsafe(self.root.join(file.path())))?, Some(file.size()))
    }

    /// Where a plain file called `name`, one of ours, stands in a task's folder.
    ///
    /// # Errors
    /// When nothing is there, or something else.
    pub(crate) fn file_path(&self, task: &TaskEntry, name: &str) -> Result<PathBuf, Error> {
        self.checked_path(task, name, None)
    }

    /// Opens a file at a path that [`Self::media_path`] returned.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn open_file(&self, path: &Path) -> Result<File, Error> {
        File::open(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })
    }

    fn checked_path(&self, task: &TaskEntry, name: &str, size: Option<u64>) -> Result<PathBuf, Error> {
        let folder = if self.is_single { String::new() } else { layout::folder_name(&task.task_id) + "/" };
        let place = folder + name;
        let path = self.root.join(&place);
        match path_check::check_file(&self.root, &place, size) {
            Ok(None) => Ok(path),
            Ok(Some(Fault::Missing)) => Err(Error::Missing(path)),
            Ok(Some(Fault::Unsafe)) => Err(Error::Unsafe(path)),
            Ok(Some(_)) => Err(Error::Damaged(path)),
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }
}

/// Without the gateway's answer, in order, and every file once, however often it is named.
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
        ArchiveReader::open(folder.path()).map(|catalog| (catalog, folder))
    }

    #[test]
    fn entries_are_sorted_and_invalid_ones_counted() {
        let file = |kind: &str, name: &str| json!({"kind": kind, "index": 1, "path": format!("a/{name}"), "size": 1, "sha256": "0".repeat(64)});
        let files = [file("image", "image-1.png"), file("video", "video-1.mp4")];
        let tasks = json!([{"task_id": "b", "state": "complete"}, 7, {"task_id": "a", "state": "complete", "files": files}]);
        let (catalog, _folder) = reader(&json!({"manifest_version": 1, "tasks": tasks}).to_string()).unwrap();
        let ids: Vec<&str> = catalog.tasks.iter().map(|task| task.task_id.as_str()).collect();
        let paths: Vec<&str> = catalog.tasks[0].files.iter().map(FileEntry::path).collect();
        assert_eq!((ids, paths), (vec!["a", "b"], vec!["a/video-1.mp4", "a/image-1.png"]));
        assert!(catalog.report.faults().next().unwrap().contains("1 of its manifest's entries"));
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
