//! One task's folder, and what the archive has of the task: a [`TaskSnapshot`].
//!
//! It only reads, and creates the folder for a [`TaskLease`]. Writing needs the lease.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dir::Dir;
use super::dirty_marker::DirtyMarker;
use super::group_sync::GroupSync;
use super::lease::TaskLease;
use super::lock::{self, Lock};
use super::manifest_files::ManifestLookup;
use super::recent_commits::RecentCommits;
use super::root_lookup::RootManifestLookup;
use super::{commit_log, manifest_files, path_check};
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::layout::MANIFEST;
use crate::storage::Error;

/// A task's folder, which may not exist.
#[derive(Clone, Debug)]
pub(super) struct TaskDir {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) dirty_marker: Arc<DirtyMarker>,
    pub(super) group_sync: Arc<GroupSync>,
    pub(super) root_lookup: Arc<RootManifestLookup>,
    pub(super) recent: Arc<RecentCommits>,
}

/// What a task's manifest says, and how much of it is on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSnapshot {
    /// The manifest's entry, when a manifest can be read.
    pub entry: Option<TaskEntry>,
    /// The files of the entry that exist with the recorded size.
    pub present_files: Vec<FileEntry>,
    is_text_present: bool,
    has_leftovers: bool,
    is_from_root: bool,
}

impl TaskSnapshot {
    /// What a bucket has of a task: everything that its manifest names.
    #[cfg(feature = "bucket")]
    pub(in crate::storage) fn of_bucket(entry: Option<TaskEntry>) -> Self {
        let present_files = entry.as_ref().map(|entry| entry.files.clone()).unwrap_or_default();
        Self { entry, present_files, is_text_present: true, ..Self::default() }
    }

    /// Whether the task's own manifest is missing or damaged, and the entry is the root manifest's.
    #[must_use]
    pub(crate) fn is_from_root(&self) -> bool {
        self.is_from_root
    }

    /// Whether a killed run left something to clean up.
    #[must_use]
    pub(crate) fn has_leftovers(&self) -> bool {
        self.has_leftovers
    }

    /// Whether everything that the manifest names is on disk.
    #[must_use]
    pub(crate) fn is_intact(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| self.is_text_present && self.present_files.len() == entry.files.len())
    }

    /// Drops the gateway's response, which may be long, when nothing will be written from this snapshot.
    pub(crate) fn drop_response(&mut self) {
        self.entry.iter_mut().for_each(|entry| entry.response = None);
    }

    /// The files of the entry, on disk or not.
    #[must_use]
    pub(crate) fn recorded_files(&self) -> &[FileEntry] {
        self.entry.as_ref().map_or(&[], |entry| &entry.files)
    }
}

impl TaskDir {
    /// The path of the folder.
    #[must_use]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the archive has of the task. Empty when there is no folder.
    ///
    /// # Errors
    /// When the folder or its manifest is foreign, belongs to another task or can't be read.
    pub(super) fn read_snapshot(&self) -> Result<TaskSnapshot, Error> {
        if !self.exists()? {
            return Ok(TaskSnapshot::default());
        }
        let Some((entry, is_from_root)) = self.read_entry()? else { return Ok(TaskSnapshot::default()) };
        if entry.task_id != self.id {
            return Err(Error::OtherTask { path: self.path.join(MANIFEST), id: entry.task_id });
        }
        let mut present_files = Vec::with_capacity(entry.files.len());
        for file in &entry.files {
            if let Some(name) = file.name()
                && self.has_file(name, file.size())?
            {
                present_files.push(file.clone());
            }
        }
        let is_text_present = match &entry.text {
            Some(text) => self.has_file(entry.text_name(), text.len() as u64)?,
            None => true,
        };
        let has_leftovers = self.has_leftovers();
        Ok(TaskSnapshot { entry: Some(entry), present_files, is_text_present, has_leftovers, is_from_root })
    }

    /// Whether there is a commit log, a lock file or a file beside one. What can't be seen now is cleaned up by another run.
    fn has_leftovers(&self) -> bool {
        let is_leftover = |name: &OsStr| lock::is_lock_name(name) || name == commit_log::NAME;
        fs::read_dir(&self.path).is_ok_and(|entries| entries.flatten().any(|entry| is_leftover(&entry.file_name())))
    }

    /// The entry of the task's own manifest or, where that is missing or damaged, of the root manifest; and whether it is the
    /// latter.
    fn read_entry(&self) -> Result<Option<(TaskEntry, bool)>, Error> {
        let found = manifest_files::read_own(&self.path)?;
        if let ManifestLookup::Task(entry) = found {
            return Ok(Some((*entry, false)));
        }
        match (self.root_lookup.task_entry(&self.id)?, found) {
            (Some(entry), _) => Ok(Some((entry, true))),
            // It may be the only record of the task.
            (None, ManifestLookup::Damaged { is_cut: false }) => Err(Error::DamagedManifest(self.path.join(MANIFEST))),
            (None, _) => Ok(None),
        }
    }

    fn has_file(&self, name: &str, size: u64) -> Result<bool, Error> {
        let path = self.path.join(name);
        path_check::is_file_with_size(&path, size).map_err(Error::io("check", &path))
    }

    /// Locks the folder, which is created when it is missing. None while another process holds the lock.
    ///
    /// # Errors
    /// When something else has the name, or the disk fails.
    pub(super) fn try_lease(&self) -> Result<Option<Arc<TaskLease>>, Error> {
        let is_made = self.create()?;
        let Some(lock) = Lock::try_lock_folder(&self.path).map_err(Error::io("lock", &self.path))? else { return Ok(None) };
        let dir = lock.open_dir(&self.path).map_err(Error::io("open", &self.path))?;
        // Another process may have used the folder between the two calls.
        let is_new = is_made && is_unused(&dir);
        Ok(Some(TaskLease::new(self.clone(), dir, lock, is_new)))
    }

    /// Creates the folder, if it is missing. Whether this call did: another process may be faster.
    fn create(&self) -> Result<bool, Error> {
        match fs::create_dir(&self.path) {
            Ok(()) => Ok(true),
            // A read-only disk may not say that the folder exists.
            Err(error) => {
                if self.exists()? {
                    Ok(false)
                } else {
                    Err(Error::io("create", &self.path)(error))
                }
            }
        }
    }

    fn exists(&self) -> Result<bool, Error> {
        match path_check::lstat(&self.path).map_err(Error::io("read", &self.path))? {
            None => Ok(false),
            Some(found) if found.is_dir() => Ok(true),
            Some(_) => Err(Error::Foreign(self.path.clone())),
        }
    }
}

/// Whether no process has worked in a folder: each one first begins the commit log, unless it created the folder. A name that can't
/// be looked up counts as used.
fn is_unused(dir: &Dir) -> bool {
    [MANIFEST, commit_log::NAME].into_iter().all(|name| dir.stat(name).is_ok_and(|found| found.is_none()))
}
