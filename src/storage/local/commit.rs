//! Commits a task: files that are not published yet, the text, the manifest, and cleanup.
//!
//! The text and the manifest are written under dot-names first. Then the files and the text get their final names and, last,
//! the manifest. Until then the old manifest is valid, with every file that it names. After that, files that the old manifest
//! named and the new one does not are removed, and what only the download needed: parts, journals, the commit log, temporary files.
//!
//! A file in the commit needs no line in the commit log: its record is the manifest under its dot-name, which is synced before
//! the file is renamed. So the one file of a new task costs one sync less and no commit log.

mod steps;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::dir::{FileStat, OpenMode};
use super::lease::TaskLease;
use super::pending_replace::PendingReplace;
use super::{atomic, commit_log, lock};
use crate::domain::asset_key::Kind;
use crate::domain::manifest::{self, FileEntry, State, TaskEntry};
use crate::integrity::digest::Sha256Hex;
use crate::layout::{self, MANIFEST, TEXT};
use crate::storage::staging::staged_file::StagedFile;
use crate::storage::{Error, blocking};
use crate::threads;
use steps::{StagedCommit, report};

/// What a commit makes of a task.
pub(crate) struct TaskCommit {
    /// The entry that the manifest gets.
    pub entry: TaskEntry,
    /// The entry that it has now; none for a new task.
    pub before: Option<TaskEntry>,
    /// Files of `entry` that are staged and not published. They get their final names with the task.
    pub unpublished: Vec<StagedFile>,
}

/// A task after its commit. The thread that made the commit gets it back, and frees its memory: an allocator makes other threads
/// wait for that.
pub(crate) struct Committed {
    /// The entry that the manifest has.
    pub entry: TaskEntry,
    /// The entry that it had before.
    pub before: Option<TaskEntry>,
    /// The files that this commit published.
    pub published: Vec<FileEntry>,
}

/// Why a commit failed.
pub(crate) struct CommitError {
    pub error: Error,
    /// The commit, when one of its files could not be written and nothing else was done. All its unpublished files are gone.
    pub unwritten: Option<Box<TaskCommit>>,
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        Self { error, unwritten: None }
    }
}

type CommitResult = Result<Committed, CommitError>;

impl TaskLease {
    /// Commits the task, and then removes what only its download needed. Every step waits for the sync of the step before.
    ///
    /// # Errors
    /// When the disk fails. The old manifest is then still valid, unless the failure came after the new one got its name.
    pub(crate) async fn commit(self: &Arc<Self>, commit: TaskCommit) -> CommitResult {
        let (done, result) = oneshot::channel();
        let lease = Arc::clone(self);
        let begin = move || {
            if let Some(staged) = lease.stage_commit(commit, done) {
                // Without a sync thread the request is dropped, and with it `done`.
                let _ = lease.task_dir.group_sync.submit(staged.request_files(&lease));
            }
        };
        threads::spawn_short(begin).map_err(Error::io("write to", self.task_dir.path()))?;
        threads::with_help(self.task_dir.group_sync.result(result)).await
    }

    /// Writes the files, the text and the manifest under dot-names. When that fails, it reports the error, and the unpublished
    /// files are removed: on a full disk they would take the room of all others.
    fn stage_commit(&self, mut commit: TaskCommit, done: oneshot::Sender<CommitResult>) -> Option<StagedCommit> {
        if let Err(error) = commit.unpublished.iter_mut().try_for_each(StagedFile::write_to_disk) {
            commit.unpublished.iter().for_each(StagedFile::discard);
            report(done, Err(CommitError { error, unwritten: Some(Box::new(commit)) }));
            return None;
        }
        match self.stage_texts(&mut commit) {
            Ok((text, manifest)) => Some(StagedCommit { commit, text, manifest, published: Vec::new(), done }),
            Err(error) => {
                commit.unpublished.iter().for_each(StagedFile::discard);
                report(done, Err(error.into()));
                None
            }
        }
    }

    fn stage_texts(&self, commit: &mut TaskCommit) -> Result<(Option<PendingReplace>, PendingReplace), Error> {
        self.name_text(commit)?;
        self.task_dir.dirty_marker.set()?;
        self.mark_in_progress()?;
        let text = self.stage_text(&commit.entry, commit.before.as_ref())?;
        let manifest = atomic::stage(&self.dir, MANIFEST, |to| manifest::write_task_manifest(to, &commit.entry));
        let manifest = manifest.inspect_err(|_| text.iter().for_each(PendingReplace::discard))?;
        Ok((text, manifest))
    }

    /// Replaces the manifest by `entry`, which names the same files with the same hashes, and the same text. These stay as they
    /// are, whole or not. Blocks.
    ///
    /// # Errors
    /// When the disk fails. The old manifest is then still valid.
    pub(crate) fn rewrite_manifest(&self, entry: &TaskEntry) -> Result<(), Error> {
        self.task_dir.dirty_marker.set()?;
        self.mark_in_progress()?;
        let manifest = atomic::stage(&self.dir, MANIFEST, |to| manifest::write_task_manifest(to, entry))?;
        self.refuse_lost_lock().and_then(|()| self.refuse_moved()).inspect_err(|_| manifest.discard())?;
        manifest.sync_and_rename()?;
        atomic::sync_folder(self.task_dir.path())?;
        self.cleanup(entry);
        Ok(())
    }

    /// Writes the text of `entry` again, in place of whatever has its name.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn restore_text(self: &Arc<Self>, entry: TaskEntry) -> Result<(), Error> {
        let lease = Arc::clone(self);
        let staged = blocking(move || {
            lease.mark_in_progress()?;
            Ok::<_, Error>((lease.stage_text(&entry, Some(&entry))?, entry))
        });
        let (text, entry) = staged.await?;
        if let Some(text) = text {
            self.after_sync(vec![text.temp_path()], move |_, synced| synced.and_then(|()| text.rename_into_place())).await?;
        }
        self.after_sync(Vec::new(), move |lease, synced| synced.map(|()| lease.cleanup(&entry))).await
    }

    /// Completes what a killed run left: files that it finished replace those that `entry` names. Whether that changed the
    /// manifest.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn recover_and_commit(self: &Arc<Self>, entry: TaskEntry) -> Result<bool, Error> {
        let (lease, mut after) = (Arc::clone(self), entry.clone());
        let (before, after) = blocking(move || {
            lease.roll_forward(&mut after.files)?;
            after.sort();
            if after == entry {
                lease.cleanup(&entry);
            }
            Ok::<_, Error>((entry, after))
        })
        .await?;
        let has_changed = after != before;
        if has_changed {
            let commit = TaskCommit { entry: after, before: Some(before), unpublished: Vec::new() };
            self.commit(commit).await.map_err(|failed| failed.error)?;
        }
        Ok(has_changed)
    }

    /// Removes files that `before` named and `entry`, which the manifest has by now, does not.
    fn remove_unnamed_files(&self, entry: &TaskEntry, before: Option<&TaskEntry>) {
        let Some(before) = before else { return };
        let named: HashSet<&str> = entry.files.iter().map(FileEntry::path).chain(text_name(entry)).collect();
        for stale in before.files.iter().filter_map(FileEntry::name).chain(text_name(before)) {
            if !named.contains(stale) {
                // One that can't be removed stays as a file that no manifest names. `verify` reports it.
                let _ = self.dir.remove(stale);
            }
        }
    }

    /// Removes what only the download of `entry`, which the manifest has by now, needed. Parts stay while a file is still
    /// missing.
    pub(crate) fn cleanup(&self, entry: &TaskEntry) {
        let is_log_superseded = commit_log::is_superseded_by(&self.dir, entry);
        let is_done = matches!(entry.state, State::Complete | State::Partial);
        // Where the folder can't be listed, the next run removes what is left.
        for name in &self.dir.names().unwrap_or_default() {
            let name = name.as_str();
            let is_stray_lock = lock::is_sibling_name(name) || (name == lock::NAME && self.lock.is_folder_lock());
            if is_stray_lock
                || (name == commit_log::NAME && is_log_superseded)
                || atomic::is_leftover(name)
                || (is_done && is_part(name))
            {
                // What can't be removed now is removed by the next run.
                let _ = self.dir.remove(name);
            }
        }
    }

    /// Gives a new text a suffixed name where the last one has such a name and the plain one is taken: in the copy of a bucket,
    /// other bytes may have it.
    fn name_text(&self, commit: &mut TaskCommit) -> Result<(), Error> {
        let TaskCommit { entry, before: Some(before), .. } = commit else { return Ok(()) };
        let Some(text) = &entry.text else { return Ok(()) };
        if entry.text_name() != TEXT || before.text.is_none() || before.text_name() == TEXT {
            return Ok(());
        }
        let failed = |error| self.dir.failed("read", TEXT)(error);
        if let Some(found) = self.dir.stat(TEXT).map_err(failed)?
            && !self.has_text(TEXT, found, text).map_err(failed)?
        {
            entry.text_path = Some(layout::suffixed_name(TEXT, &Sha256Hex::digest(text.as_bytes())));
        }
        Ok(())
    }

    /// Whether the file of the text, which is called `name` and has the status `found`, holds `text`.
    fn has_text(&self, name: &str, found: FileStat, text: &str) -> io::Result<bool> {
        let is_same = |mut file: File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes == text.as_bytes())
        };
        let has_size = found.is_file && found.size == text.len() as u64;
        if has_size { self.dir.open(name, OpenMode::Read).and_then(is_same) } else { Ok(false) }
    }

    /// Refuses to go on when the folder's path no longer leads to the locked folder: the manifest would be written elsewhere.
    pub(super) fn refuse_moved(&self) -> Result<(), Error> {
        let path = self.task_dir.path();
        if self.dir.is_in_place().map_err(Error::io("read", path))? { Ok(()) } else { Err(Error::Moved(path.to_owned())) }
    }

    /// Writes the text of `entry` under a dot-name. None when its file holds that text already.
    fn stage_text(&self, entry: &TaskEntry, before: Option<&TaskEntry>) -> Result<Option<PendingReplace>, Error> {
        let Some(text) = &entry.text else { return Ok(None) };
        let (name, path) = (entry.text_name(), self.dir.join(entry.text_name()));
        // In a new folder the rename finds out.
        if !self.is_new
            && let Some(found) = self.dir.stat(name).map_err(Error::io("read", &path))?
        {
            if self.has_text(name, found, text).map_err(Error::io("read", &path))? {
                return Ok(None);
            }
            if before.is_none_or(|before| before.text_path.is_none()) {
                return Err(Error::Foreign(path));
            }
        }
        atomic::stage(&self.dir, name, |to| to.write_all(text.as_bytes())).map(Some)
    }
}

/// The name of the text's file, if the task has a text.
fn text_name(task: &TaskEntry) -> Option<&str> {
    task.text.as_ref().map(|_| task.text_name())
}

/// Whether `name` is that of a part or of its journal.
pub(super) fn is_part(name: &str) -> bool {
    // While the kind of a file is not known, its part is called `asset`.
    let mut kinds = Kind::ALL.iter().map(|kind| kind.as_str()).chain(["asset"]);
    let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part").or_else(|| name.strip_suffix(".journal")));
    stem.and_then(|stem| stem.rsplit_once('-'))
        .is_some_and(|(kind, number)| number.bytes().all(|byte| byte.is_ascii_digit()) && kinds.any(|known| known == kind))
}

#[cfg(test)]
mod tests;
