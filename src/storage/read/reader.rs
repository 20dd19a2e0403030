//! Reads the tasks of an archive from its manifests, for lists, exports and the gallery.
//!
//! It only reads, and trusts nothing. The root manifest is used when it is valid and no killed run left it outdated; otherwise
//! the manifests of the task folders are. A file's path is returned only when the name is one that this program gives, the file
//! is in its task's folder, no symlink leads there, and the size is the recorded one.
//!
//! In a bucket the index takes the place of the root manifest, and paths are URLs. Only their names are checked: looking at each
//! object would cost a request.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
#[cfg(feature = "bucket")]
use std::sync::Arc;

use crate::domain::event::Fault;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::domain::task::TaskId;
use crate::layout;
use crate::storage::local::manifest_files::{self, ManifestLookup};
use crate::storage::local::staged_copy::CopySource;
use crate::storage::local::{path_check, root_manifest};
use crate::storage::location::Location;
#[cfg(feature = "bucket")]
use crate::storage::object::read::BucketReader;
use crate::storage::{Error, Report};

/// The tasks of an archive, or the one task of a task's folder.
pub(crate) struct ArchiveReader {
    root: PathBuf,
    /// In the order of their ids. The files are in the order of kinds and numbers, and there are no gateway responses.
    pub tasks: Vec<TaskEntry>,
    /// What is wrong with single tasks.
    pub report: Report,
    is_single: bool,
    #[cfg(feature = "bucket")]
    bucket: Option<Arc<BucketReader>>,
}

impl ArchiveReader {
    /// Reads the archive, or the task's folder, at `root`: a path, or the URL of a bucket.
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
    pub(crate) fn for_each_task(root: &Path, on_task: impl FnMut(TaskEntry, &Self)) -> Result<Self, Error> {
        match Location::parse(root)? {
            Location::Folder(root) => Self::for_each_in_folder(&root, on_task),
            #[cfg(feature = "bucket")]
            Location::Bucket(url) => Self::for_each_in_bucket(BucketReader::open(&url)?, on_task),
            #[cfg(not(feature = "bucket"))]
            Location::Bucket(url) => Err(Error::NoBuckets(url.to_string())),
        }
    }

    fn at(root: PathBuf) -> Self {
        let (tasks, report) = (Vec::new(), Report::default());
        #[cfg(feature = "bucket")]
        let archive = Self { root, tasks, report, is_single: false, bucket: None };
        #[cfg(not(feature = "bucket"))]
        let archive = Self { root, tasks, report, is_single: false };
        archive
    }

    #[cfg(feature = "bucket")]
    fn for_each_in_bucket(bucket: BucketReader, mut on_task: impl FnMut(TaskEntry, &Self)) -> Result<Self, Error> {
        let (bucket, mut ids) = (Arc::new(bucket), HashSet::new());
        let mut archive = Self { is_single: bucket.is_single(), bucket: Some(Arc::clone(&bucket)), ..Self::at(bucket.root()) };
        archive.report = bucket.for_each_task(&mut |task| {
            // A task is passed on once, whatever the index says.
            if TaskId::new(&task.task_id).is_some_and(|id| ids.insert(id.fingerprint())) {
                on_task(normalized(task), &archive);
            }
        })?;
        Ok(archive)
    }

    fn for_each_in_folder(root: &Path, mut on_task: impl FnMut(TaskEntry, &Self)) -> Result<Self, Error> {
        let mut archive = Self::at(resolve_root(root)?);
        let (mut ids, mut first) = (HashSet::new(), None);
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

    /// The canonical path of the archive, or its URL.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The canonical path of the archive, also when one of its tasks' folders was opened.
    #[must_use]
    pub(crate) fn archive_root(&self) -> &Path {
        let parent = self.root.parent().filter(|parent| self.is_single && parent.join(layout::MANIFEST).is_file());
        parent.unwrap_or(&self.root)
    }

    /// The path of one of a task's files.
    ///
    /// # Errors
    /// When the recorded path is unsafe, or the file is missing or not of the recorded size.
    pub(crate) fn media_path(&self, task: &TaskEntry, file: &FileEntry) -> Result<PathBuf, Error> {
        self.checked_path(task, self.media_name(task, file)?, Some(file.size()))
    }

    /// One of a task's files, to be copied.
    ///
    /// # Errors
    /// As for [`Self::media_path`].
    pub(crate) fn copy_source(&self, task: &TaskEntry, file: &FileEntry) -> Result<CopySource, Error> {
        let source = CopySource::new(self.media_path(task, file)?, file.size(), file.sha256().clone());
        #[cfg(feature = "bucket")]
        if let Some(bucket) = &self.bucket {
            return Ok(source.in_bucket(Arc::clone(bucket), self.relative_path(task, self.media_name(task, file)?)));
        }
        Ok(source)
    }

    /// The path of a task's file called `name`, as a user sees it who named the archive `root`.
    #[must_use]
    pub(crate) fn shown_path(&self, root: &Path, task_id: &str, name: &str) -> PathBuf {
        #[cfg(feature = "bucket")]
        if let Some(bucket) = &self.bucket {
            let folder = self.task_folder(task_id);
            return bucket.path_of(&if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") });
        }
        root.join(self.task_folder(task_id)).join(name)
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

    /// The path of a task's text.
    ///
    /// # Errors
    /// When it is missing or unsafe, or not of the size of the recorded text.
    pub(crate) fn text_path(&self, task: &TaskEntry) -> Result<PathBuf, Error> {
        self.checked_path(task, task.text_name(), task.text.as_ref().map(|text| text.len() as u64))
    }

    /// The path of a task's own manifest, which is on a disk.
    ///
    /// # Errors
    /// When it does not exist, or is not a manifest of this task that can be read.
    pub(crate) fn manifest_path(&self, task: &TaskEntry) -> Result<PathBuf, Error> {
        let path = self.checked_path(task, layout::MANIFEST, None)?;
        match manifest_files::read_own(&self.root.join(self.task_folder(&task.task_id))) {
            Ok(ManifestLookup::Task(found)) if found.task_id == task.task_id => Ok(path),
            Ok(ManifestLookup::Missing) => Err(Error::Missing(path)),
            Ok(ManifestLookup::Task(_) | ManifestLookup::Damaged { .. }) | Err(Error::Foreign(_)) => Err(Error::Damaged(path)),
            Err(Error::Io { source, .. }) => Err(Error::Unreadable { path, source }),
            Err(error) => Err(error),
        }
    }

    /// Opens one of a task's files, which is on a disk.
    ///
    /// # Errors
    /// As for [`Self::media_path`], and when the file can't be opened.
    pub(crate) fn open_media(&self, task: &TaskEntry, file: &FileEntry) -> Result<File, Error> {
        let path = self.media_path(task, file)?;
        File::open(&path).map_err(|source| Error::Unreadable { path, source })
    }

    /// The bytes of one of a task's files, which is known to be small.
    ///
    /// # Errors
    /// As for [`Self::media_path`], and when the file can't be read.
    pub(crate) fn read_media(&self, task: &TaskEntry, file: &FileEntry) -> Result<Vec<u8>, Error> {
        let (mut bytes, path) = (Vec::new(), self.media_path(task, file)?);
        #[cfg(feature = "bucket")]
        if let Some(bucket) = &self.bucket {
            let relative = self.relative_path(task, self.media_name(task, file)?);
            let mut is_larger = false;
            let read = bucket.for_each_chunk(&relative, |chunk| {
                is_larger |= (bytes.len() + chunk.len()) as u64 > file.size();
                if !is_larger {
                    bytes.extend_from_slice(chunk);
                }
            });
            let exists = bucket.run_all(std::iter::once(read)).pop().unwrap_or(Ok(false))?;
            return match exists {
                false => Err(Error::Missing(path)),
                true if is_larger => Err(Error::Damaged(path)),
                true => Ok(bytes),
            };
        }
        let read = self.open_media(task, file)?.take(file.size()).read_to_end(&mut bytes);
        read.map_err(|source| Error::Unreadable { path, source })?;
        Ok(bytes)
    }

    /// The path of a task's file relative to the root.
    fn relative_path(&self, task: &TaskEntry, name: &str) -> String {
        let folder = if self.is_single { String::new() } else { layout::folder_name(&task.task_id) + "/" };
        folder + name
    }

    fn checked_path(&self, task: &TaskEntry, name: &str, size: Option<u64>) -> Result<PathBuf, Error> {
        let relative = self.relative_path(task, name);
        #[cfg(feature = "bucket")]
        if let Some(bucket) = &self.bucket {
            return Ok(bucket.path_of(&relative));
        }
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
mod tests;
