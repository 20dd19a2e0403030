//! The steps of a commit after its files, text and manifest are written: each one waits for the sync of the one before.
//!
//! The steps are taken by the thread of the group sync. The task is woken once, with the result.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{CommitResult, Committed, TaskCommit};
use crate::domain::manifest::FileEntry;
use crate::storage::local::group_sync::SyncRequest;
use crate::storage::local::lease::TaskLease;
use crate::storage::local::pending_replace::PendingReplace;
use crate::storage::staging::staged_file::StagedFile;
use crate::storage::{Error, failpoint};

/// A commit whose files, text and manifest are written under dot-names.
pub(super) struct StagedCommit {
    pub commit: TaskCommit,
    pub text: Option<PendingReplace>,
    pub manifest: PendingReplace,
    /// The files that have their final names.
    pub published: Vec<FileEntry>,
    pub done: oneshot::Sender<CommitResult>,
}

impl StagedCommit {
    /// The first step: the files and the text get their final names.
    pub(super) fn request_files(self, lease: &Arc<TaskLease>) -> SyncRequest {
        if self.text.is_none() && self.commit.unpublished.is_empty() {
            failpoint::reached("text-written");
            return self.request_manifest(lease);
        }
        let paths = self.commit.unpublished.iter().map(StagedFile::path);
        let written = paths.chain(self.text.iter().chain([&self.manifest]).map(PendingReplace::temp_path)).collect();
        lease.sync_request(written, |lease, synced| self.rename_files(lease, synced))
    }

    fn rename_files(mut self, lease: &Arc<TaskLease>, synced: Result<(), Error>) -> Option<SyncRequest> {
        let unpublished = std::mem::take(&mut self.commit.unpublished);
        let synced = synced.inspect_err(|error| {
            // After a failed sync the content of the disk is unknown, whatever reading it back returns. But the new holder of a
            // lost lock may have a part of the same name by now.
            if !matches!(error, Error::LockLost(_)) {
                unpublished.iter().for_each(StagedFile::discard);
            }
        });
        let mut rename = |file| lease.rename_staged(file).map(|file| self.published.push(file));
        let renamed = synced
            .and_then(|()| unpublished.into_iter().try_for_each(&mut rename))
            .and_then(|()| self.text.iter().try_for_each(|text| lease.rename_replacement(text)));
        match renamed {
            Ok(()) => {
                failpoint::reached("text-written");
                Some(self.request_manifest(lease))
            }
            Err(failed) => self.end(failed),
        }
    }

    /// The second step: the manifest gets its final name.
    fn request_manifest(self, lease: &Arc<TaskLease>) -> SyncRequest {
        lease.sync_request(vec![self.manifest.temp_path()], |lease, synced| {
            let is_new_task = self.commit.before.is_none();
            let renamed = synced.and_then(|()| lease.refuse_moved()).and_then(|()| {
                if is_new_task && !lease.is_new {
                    // Refuses a foreign manifest that was put there meanwhile.
                    lease.read_snapshot()?;
                }
                lease.rename_replacement(&self.manifest)
            });
            match renamed {
                Ok(()) => Some(self.request_cleanup(lease)),
                Err(failed) => self.end(failed),
            }
        })
    }

    /// The last step: what only the download needed is removed.
    fn request_cleanup(self, lease: &Arc<TaskLease>) -> SyncRequest {
        lease.sync_request(Vec::new(), |lease, synced| {
            failpoint::reached("manifest-written");
            // In a folder that this run made, only a commit log can be left.
            if synced.is_ok() && (!lease.is_new || lease.commit_log.is_begun()) {
                lease.remove_unnamed_files(&self.commit.entry, self.commit.before.as_ref());
                lease.cleanup(&self.commit.entry);
            }
            let Self { commit: TaskCommit { entry, before, .. }, manifest, published, done, .. } = self;
            if synced.is_ok() {
                lease.task_dir.recent.add(manifest.identity(), &entry);
            }
            report(done, synced.map(|()| Committed { entry, before, published }).map_err(Into::into));
            None
        })
    }

    fn end(self, error: Error) -> Option<SyncRequest> {
        report(self.done, Err(error.into()));
        None
    }
}

/// Reports the result of a commit.
pub(super) fn report(done: oneshot::Sender<CommitResult>, result: CommitResult) {
    // A closed receiver is not an error: the run was cut off.
    let _ = done.send(result);
}

impl TaskLease {
    /// Gives a new version of a small file its final name. In a new folder nothing else may have it.
    fn rename_replacement(&self, replacement: &PendingReplace) -> Result<(), Error> {
        if self.is_new { replacement.rename_to_free_name() } else { replacement.rename_into_place() }
    }
}
