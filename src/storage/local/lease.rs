//! A task's folder, locked by its only writer, and how a file gets its final name there.
//!
//! Between any two steps lies a sync, which many tasks share ([`GroupSync`](super::group_sync::GroupSync)).
//! [`TaskLease::publish`] writes the bytes of a file and its line in the commit log, syncs, and gives the file its final name.
//! [`TaskLease::commit`] can do the same for files that have not been published, with the task: then the manifest under its
//! dot-name is the record.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::commit_log::{self, CommitLog};
use super::dir::{Dir, OpenMode};
use super::group_sync::SyncRequest;
use super::lock::Lock;
use super::path_check;
use super::task_dir::{TaskDir, TaskSnapshot};
use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Counter, Fault};
use crate::domain::manifest::FileEntry;
use crate::layout;
use crate::storage::staging::staged_file::StagedFile;
use crate::storage::{Error, blocking, blocking_shortly, failpoint};

/// A task's folder, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct TaskLease {
    pub(super) task_dir: TaskDir,
    pub(super) dir: Dir,
    /// Whether this run created the folder and was the first in it: no other run left anything there.
    pub(super) is_new: bool,
    /// For each stem of a part that this run has begun: how many bytes of the part an earlier run wrote.
    pub(super) started_parts: Mutex<HashMap<String, Counter>>,
    /// The parts of an older version, whose numbers have leading zeros, by the stems of today. None until the folder is listed.
    pub(super) padded_parts: Mutex<Option<HashMap<String, String>>>,
    /// The files that a new version may replace, by name: those of the manifest and the commit log, once recovered.
    replaceable: Mutex<HashMap<String, AssetKey>>,
    pub(super) commit_log: CommitLog,
    pub(super) lock: Lock,
}

impl TaskLease {
    pub(super) fn new(task_dir: TaskDir, dir: Dir, lock: Lock, is_new: bool) -> Arc<Self> {
        let commit_log = CommitLog::new(dir.clone());
        let (started_parts, padded_parts, replaceable) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { task_dir, dir, is_new, started_parts, padded_parts, replaceable, commit_log, lock })
    }

    /// The path of the folder.
    #[cfg(feature = "bucket")]
    #[must_use]
    pub(in crate::storage) fn folder(&self) -> &Path {
        self.task_dir.path()
    }

    /// Whether this run created the folder and was the first in it: there is nothing to recover.
    #[must_use]
    pub(in crate::storage) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Runs `work`, which may take long, on a thread that may block.
    pub(in crate::storage) async fn in_background<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let lease = Arc::clone(self);
        blocking(move || work(&lease)).await
    }

    /// What the archive has of the task now. Blocks.
    ///
    /// # Errors
    /// As for [`Storage::read`](crate::storage::Storage::read).
    pub(crate) fn read_snapshot(&self) -> Result<TaskSnapshot, Error> {
        self.task_dir.read_snapshot()
    }

    /// As [`Self::read_snapshot`], after the files that a killed run finished have got their final names: they count as present.
    /// From here on files of the snapshot may be replaced. Blocks.
    ///
    /// # Errors
    /// As for [`Storage::read`](crate::storage::Storage::read).
    pub(crate) fn recover(&self) -> Result<TaskSnapshot, Error> {
        let mut snapshot = self.task_dir.read_snapshot()?;
        self.roll_forward(&mut snapshot.present_files)?;
        let files = snapshot.recorded_files().iter().chain(&snapshot.present_files);
        let names = files.filter_map(|file| Some((file.name()?.to_owned(), file.key()))).collect();
        *self.replaceable.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(snapshot)
    }

    /// Gives the files that a killed run finished their final names, and puts their entries into `files`.
    pub(super) fn roll_forward(&self, files: &mut Vec<FileEntry>) -> Result<(), Error> {
        let finished = commit_log::roll_forward(&self.dir)?;
        let replaced: HashSet<AssetKey> = finished.iter().map(FileEntry::key).collect();
        files.retain(|before| !replaced.contains(&before.key()));
        files.extend(finished);
        Ok(())
    }

    /// Whether the file called `name` belongs to the task, so that a new version may replace it.
    pub(super) fn may_replace(&self, name: &str) -> bool {
        self.replaceable.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    /// Whether the file of the asset `key` has a suffixed name, which comes from a bucket.
    pub(super) fn has_suffixed_name(&self, key: AssetKey) -> bool {
        let replaceable = self.replaceable.lock().unwrap_or_else(PoisonError::into_inner);
        replaceable.iter().any(|(name, of)| *of == key && layout::is_suffixed_name(key.kind, name))
    }

    /// Begins the commit log in a folder that existed before. It shows other runs that this one has not finished.
    pub(super) fn mark_in_progress(&self) -> Result<(), Error> {
        if self.is_new { Ok(()) } else { self.commit_log.begin() }
    }

    /// Records a file in the commit log, and gives it its final name once both are durable. The file is durable on return, but
    /// for the name, which the next sync of the folder covers.
    ///
    /// # Errors
    /// When the disk fails. A file that could not be recorded or synced is removed.
    pub(crate) async fn publish(self: &Arc<Self>, staged: StagedFile) -> Result<FileEntry, Error> {
        let lease = Arc::clone(self);
        let staged = blocking_shortly(move || {
            let mut staged = staged;
            // Without a record no run would find it, and on a full disk it takes the room of other files.
            let recorded = staged.write_to_disk().and_then(|()| lease.commit_log.append(&staged));
            recorded.inspect_err(|_| staged.discard()).map(|()| staged)
        })
        .await?;
        failpoint::reached("recorded");
        let written = vec![staged.path(), self.dir.join(commit_log::NAME)];
        self.after_sync(written, move |lease, synced| {
            // After a failed sync the content of the disk is unknown, whatever reading it back returns.
            if let Err(error) = synced {
                // The new holder of a lost lock may have a part of the same name by now.
                if !matches!(error, Error::LockLost(_)) {
                    staged.discard();
                }
                return Err(error);
            }
            lease.rename_staged(staged)
        })
        .await
    }

    /// Gives a file that is durable its final name. In a new folder no other file can have it, and this makes sure of that. Else it
    /// was checked when the file was staged.
    pub(super) fn rename_staged(&self, staged: StagedFile) -> Result<FileEntry, Error> {
        match staged.rename_into_place(!self.is_new) {
            Err(Error::Foreign(_)) if self.has(staged.entry())? => staged.rename_into_place(true)?,
            Err(error @ Error::Foreign(_)) => {
                // Its record stays, and must not bring it in place of that file later.
                staged.discard();
                return Err(error);
            }
            renamed => renamed?,
        }
        Ok(staged.into_entry())
    }

    /// Whether the file that `entry` names is present with the recorded bytes. Blocks.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn has(&self, entry: &FileEntry) -> Result<bool, Error> {
        entry.name().map_or(Ok(false), |name| commit_log::matches_entry(&self.dir, name, entry))
    }

    /// Opens the file that `entry` names. Blocks.
    ///
    /// # Errors
    /// When the name is none of this program's, or no plain file of the recorded size has it, or it can't be opened.
    pub(crate) fn open_media(&self, entry: &FileEntry) -> Result<File, Error> {
        let folder = self.task_dir.path();
        let name = entry.name().ok_or_else(|| Error::Unsafe(folder.join(entry.path())))?;
        let path = folder.join(name);
        match path_check::check_file(folder, name, Some(entry.size())) {
            Ok(None) => self.dir.open(name, OpenMode::Read).map_err(|source| Error::Unreadable { path, source }),
            Ok(Some(Fault::Missing)) => Err(Error::Missing(path)),
            Ok(Some(Fault::Unsafe)) => Err(Error::Unsafe(path)),
            Ok(Some(_)) => Err(Error::Damaged(path)),
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }

    /// Makes sure that the file which `entry` names has the recorded bytes. Blocks.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it has others, and when it can't be read.
    pub(crate) fn check_hash(&self, entry: &FileEntry) -> Result<(), Error> {
        if self.has(entry)? { Ok(()) } else { Err(Error::Damaged(self.task_dir.path().join(entry.path()))) }
    }

    /// Prefers the reason that the folder was moved away to a path in it that is not found.
    fn explain(&self, error: Error) -> Error {
        self.refuse_moved().err().unwrap_or(error)
    }

    /// Refuses to go on when another process has taken the lock over: it may have written the same names.
    pub(super) fn refuse_lost_lock(&self) -> Result<(), Error> {
        let path = self.task_dir.path();
        if !self.lock.is_lost().map_err(Error::io("read", path))? {
            return Ok(());
        }
        self.refuse_moved().and_then(|()| Err(Error::LockLost(path.to_owned())))
    }

    /// A request to make `written` and all names in the folder durable, and then to take `step`. The folder stays locked until
    /// then.
    pub(super) fn sync_request(
        self: &Arc<Self>,
        mut written: Vec<PathBuf>,
        step: impl FnOnce(&Arc<Self>, Result<(), Error>) -> Option<SyncRequest> + Send + 'static,
    ) -> SyncRequest {
        let lease = Arc::clone(self);
        written.extend([self.task_dir.path().to_owned(), self.task_dir.dirty_marker.root().to_owned()]);
        SyncRequest::new(written, move |synced| {
            let synced = synced.map_err(|error| lease.explain(Error::io("sync", lease.task_dir.dirty_marker.root())(error)));
            let checked = synced.and_then(|()| lease.refuse_lost_lock());
            step(&lease, checked)
        })
    }

    /// Calls `then` once `written` and all names in the folder are durable. The folder stays locked until `then` returns.
    pub(super) async fn after_sync<T: Send + 'static>(
        self: &Arc<Self>,
        written: Vec<PathBuf>,
        then: impl FnOnce(&Self, Result<(), Error>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, result) = oneshot::channel();
        let request = self.sync_request(written, move |lease, synced| {
            // A closed receiver is not an error: the run was cut off.
            let _ = sender.send(then(lease, synced));
            None
        });
        let group_sync = &self.task_dir.group_sync;
        group_sync.submit(request)?;
        group_sync.result(result).await
    }
}
