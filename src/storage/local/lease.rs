//! A task's folder in the hands of its only writer, and how a file comes to stand there.
//!
//! Between any two steps lies a round of syncing, which many tasks share. A file: its bytes and its line in the
//! record of finished files, then its final name. The one file of a new task is named by `conclude`, with the task:
//! the manifest under its dot-name is record enough.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::commit_log;
use super::dir::Dir;
use super::lock::Lock;
use super::task_dir::{TaskDir, TaskSnapshot};
use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::FileEntry;
use crate::storage::staging::journal;
use crate::storage::staging::part::{Part, VerifiedPart};
use crate::storage::{Error, blocking, failpoint};

/// A task's folder, locked.
#[derive(Debug)]
pub(crate) struct TaskLease {
    pub(in crate::storage) task_dir: TaskDir,
    pub(in crate::storage) dir: Dir,
    /// Whether this run made it and was the first in it: nobody left anything there.
    pub(in crate::storage) is_new: bool,
    /// The files of a new folder that have begun their way in.
    started_parts: Mutex<HashSet<String>>,
    record: commit_log::Record,
    pub(in crate::storage) lock: Lock,
}

/// A whole file that waits to be durable.
pub(crate) struct StagedFile {
    pub(in crate::storage) verified_part: VerifiedPart,
    target: String,
}

impl TaskLease {
    pub(in crate::storage) fn new(folder: TaskDir, dir: Dir, lock: Lock, is_new: bool) -> Arc<Self> {
        let record = commit_log::Record::of(dir.clone());
        Arc::new(Self { task_dir: folder, dir, is_new, started_parts: Mutex::default(), record, lock })
    }

    /// What is known of the task now.
    ///
    /// # Errors
    /// As for [`Folder::read`].
    pub(crate) fn read_snapshot(&self) -> Result<TaskSnapshot, Error> {
        self.task_dir.read_snapshot()
    }

    /// What is known of the task now, with the finished files of a run that died rolled forward: those count as here.
    ///
    /// # Errors
    /// As for [`Folder::read`].
    pub(crate) fn recover(&self) -> Result<TaskSnapshot, Error> {
        if self.is_new {
            return Ok(TaskSnapshot::default());
        }
        let mut known = self.task_dir.read_snapshot()?;
        self.roll_forward(&mut known.present_files)?;
        Ok(known)
    }

    /// Puts the finished files of a run that died in their places, on disk and among `files`.
    pub(in crate::storage) fn roll_forward(&self, files: &mut Vec<FileEntry>) -> Result<(), Error> {
        let finished = commit_log::roll_forward(&self.dir)?;
        let replaced: HashSet<AssetKey> = finished.iter().map(FileEntry::key).collect();
        files.retain(|before| !replaced.contains(&before.key()));
        files.extend(finished);
        Ok(())
    }

    /// A file that begins its way in, known by `stem` until it has a name; none where an earlier try may have left some
    /// of it. Costs no look at the disk.
    #[must_use]
    pub(crate) fn new_part(&self, stem: &str) -> Option<Part> {
        let is_first = || self.started_parts.lock().unwrap_or_else(PoisonError::into_inner).insert(stem.to_owned());
        (self.is_new && is_first()).then(|| Part::new(self.dir.clone(), part_name(stem)))
    }

    /// A file on its way in, known by `stem` until it has a name, with what an earlier try left of it.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn part(&self, stem: &str) -> Result<Part, Error> {
        self.mark_in_progress()?;
        let name = part_name(stem);
        Part::resume(self.dir.clone(), name.clone()).map_err(Error::io("resume", &self.dir.join(&name)))
    }

    /// Lets whoever looks at a folder that had something before see that somebody was at work here.
    pub(in crate::storage) fn mark_in_progress(&self) -> Result<(), Error> {
        if self.is_new { Ok(()) } else { self.record.begin() }
    }

    /// Puts a whole file down for its final name. `ours` are the names of the files there that may be replaced.
    ///
    /// # Errors
    /// When something that is not ours has that name; the file is then gone.
    pub(crate) fn stage(&self, draft: VerifiedPart, ours: &HashSet<String>) -> Result<StagedFile, Error> {
        let target = draft.entry.path().to_owned();
        let is_taken =
            || self.dir.stat(&target).map_err(Error::io("look at", &self.dir.join(&target))).map(|found| found.is_some());
        if !ours.contains(&target) && is_taken()? && !commit_log::matches_entry(&self.dir, &target, &draft.entry)? {
            draft.discard();
            return Err(Error::Foreign(self.dir.join(&target)));
        }
        Ok(StagedFile { verified_part: draft, target })
    }

    /// Records a file as finished, and gives it its final name once that is durable.
    ///
    /// # Errors
    /// When the disk says no; where it could not be recorded or synced, the file is gone.
    pub(crate) async fn publish(self: &Arc<Self>, staged: StagedFile) -> Result<FileEntry, Error> {
        let held = Arc::clone(self);
        let staged = blocking(move || match held.record.append(&staged.verified_part) {
            Ok(()) => Ok(staged),
            Err(error) => {
                // Without a record it would lie there nameless, and on a full disk in the way.
                staged.verified_part.discard();
                Err(error)
            }
        })
        .await?;
        failpoint::reached("recorded");
        let written = vec![staged.verified_part.path(), self.dir.join(commit_log::NAME)];
        self.after_sync(written, move |_, synced| staged.rename_into_place(synced)).await
    }

    /// Whether the file that `entry` names is there with the bytes that it names.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn has(&self, entry: &FileEntry) -> Result<bool, Error> {
        entry.name().map_or(Ok(false), |name| commit_log::matches_entry(&self.dir, name, entry))
    }

    /// A folder that was moved away is a better reason than a path in it that is gone.
    fn explain(&self, error: Error) -> Error {
        self.refuse_moved().err().unwrap_or(error)
    }

    /// Does something in the folder, which stays locked meanwhile, once `written` and all names there are durable.
    pub(in crate::storage) async fn after_sync<T: Send + 'static>(
        self: &Arc<Self>,
        mut written: Vec<PathBuf>,
        what: impl FnOnce(&Self, Result<(), Error>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let held = Arc::clone(self);
        written.extend([self.task_dir.path().to_owned(), self.task_dir.dirty_marker.root().to_owned()]);
        self.task_dir
            .group_sync
            .run_after_sync(written, move |synced| what(&held, synced.map_err(|error| held.explain(error))))
            .await
    }
}

impl StagedFile {
    /// What a manifest will say of it.
    #[must_use]
    pub(crate) fn entry(&self) -> &FileEntry {
        &self.verified_part.entry
    }

    pub(in crate::storage) fn rename_into_place(self, synced: Result<(), Error>) -> Result<FileEntry, Error> {
        if let Err(error) = synced {
            // After a failed sync nobody knows what is on the disk, whatever reading it back may say.
            self.verified_part.discard();
            return Err(error);
        }
        failpoint::reached("synced");
        let VerifiedPart { dir, part_name: part, has_journal, entry } = self.verified_part;
        dir.rename(&part, &self.target).map_err(Error::io("rename", &dir.join(&self.target)))?;
        if has_journal {
            // The record vouches for it now.
            let _ = dir.remove(&journal::journal_name(&part));
        }
        failpoint::reached("renamed");
        Ok(entry)
    }
}

fn part_name(stem: &str) -> String {
    format!(".{stem}.part")
}
