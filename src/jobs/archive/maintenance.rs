//! What a task's folder may need besides its assets: cleanup, a damaged manifest, a lost text, new `meta`.
//!
//! None of it needs the network. Each repair uses only what the archive itself has, and runs under the task's lock, whatever
//! the outcome of the task is.

use serde_json::{Map, Value};

use super::task_end::TaskAbort;
use super::task_job::TaskJob;
use crate::domain::event::Outcome;
use crate::domain::manifest::TaskEntry;
use crate::gateway::LISTED_FIELDS;
use crate::storage::{LeaseRead, TaskCommit, TaskSnapshot};

impl TaskJob {
    /// Restores a damaged manifest, and removes what a killed run left behind, unless another process works on the task.
    ///
    /// `snapshot` was read without the lock, so it only says where to look. Another process may have committed since then.
    pub(super) async fn cleanup(&mut self, snapshot: &TaskSnapshot) -> Result<(), TaskAbort> {
        if self.job.dry_run || snapshot.entry.is_none() {
            return Ok(());
        }
        if snapshot.is_from_root() {
            self.restore_manifest().await?;
        } else if snapshot.has_leftovers() {
            self.clear_leftovers().await?;
        }
        Ok(())
    }

    /// Writes the task's manifest from the root manifest, if that still has the only entry.
    async fn restore_manifest(&mut self) -> Result<(), TaskAbort> {
        let (lease, snapshot) = self.acquire_lease(LeaseRead::Snapshot).await?;
        if snapshot.is_from_root()
            && let Some(entry) = snapshot.entry
        {
            self.has_changed = true;
            lease.commit(TaskCommit { entry: entry.clone(), before: Some(entry), unpublished: Vec::new() }).await?;
        }
        Ok(())
    }

    /// Completes what a killed run left, and removes the rest, unless another process works on the task.
    async fn clear_leftovers(&mut self) -> Result<(), TaskAbort> {
        let Some((lease, snapshot)) = self.job.storage.lease(self.id(), LeaseRead::Snapshot, false).await? else { return Ok(()) };
        if snapshot.has_leftovers()
            && let Some(entry) = snapshot.entry
        {
            let committed = lease.recover_and_commit(entry).await;
            // After an error it is unknown whether the manifest was replaced.
            self.has_changed |= *committed.as_ref().unwrap_or(&true);
            committed?;
        }
        Ok(())
    }

    /// Writes a lost text again from the manifest. Returns the outcome when nothing else was lost.
    pub(super) async fn restore_text(&mut self, snapshot: &TaskSnapshot) -> Result<Option<Outcome>, TaskAbort> {
        let (Some(scope), Some(_)) = (&self.repair, &snapshot.entry) else { return Ok(None) };
        let is_text_only = scope.keys.is_empty();
        if scope.text {
            // Another process may have written a newer text, so the entry is read again.
            let (lease, snapshot) = self.acquire_lease(LeaseRead::Snapshot).await?;
            if let Some(entry) = snapshot.entry {
                lease.restore_text(entry).await?;
            }
        }
        if is_text_only {
            self.cleanup(snapshot).await?;
        }
        // The gateway was not asked, and the files are as before.
        Ok(is_text_only.then(|| self.mark_reused(snapshot)))
    }

    /// Does what is left to do for a task whose run has ended.
    pub(super) async fn finish(&mut self) -> Result<(), TaskAbort> {
        if let Some(snapshot) = self.index_snapshot.take().filter(|_| !self.has_changed) {
            self.cleanup(&snapshot).await?;
        }
        self.record_meta().await
    }

    /// The `meta` that the request makes of the recorded one; none when that stays. A request without `meta` of its own only adds
    /// fields that are missing.
    pub(super) fn new_meta(&self, recorded: Option<&Map<String, Value>>) -> Option<Map<String, Value>> {
        let mut meta = self.meta.as_ref().or(recorded).cloned().unwrap_or_default();
        let is_kept = |name: &str| self.job.keeps_listed_fields && LISTED_FIELDS.contains(&name);
        let kept = recorded.into_iter().flatten().filter(|(name, _)| is_kept(name));
        for (name, value) in kept.chain(&self.meta_defaults) {
            if !meta.contains_key(name) {
                meta.insert(name.clone(), value.clone());
            }
        }
        let says_something = self.meta.is_some() || !meta.is_empty();
        (says_something && recorded != Some(&meta)).then_some(meta)
    }

    /// Records the request's `meta` in a manifest that the run has not written.
    pub(super) async fn record_meta(&mut self) -> Result<(), TaskAbort> {
        let has_nothing_to_record = self.meta.is_none() && self.meta_defaults.is_empty();
        if self.job.dry_run || has_nothing_to_record || self.poll.is_absent {
            return Ok(());
        }
        self.job.may_read_bucket()?;
        let entry = self.job.storage.read(self.id()).await?.entry;
        if entry.is_none_or(|entry| self.new_meta(entry.meta.as_ref()).is_none()) {
            return Ok(());
        }
        let (lease, snapshot) = self.acquire_lease(LeaseRead::Snapshot).await?;
        if let Some(before) = snapshot.entry
            && let Some(meta) = self.new_meta(before.meta.as_ref())
        {
            self.has_changed = true;
            let mut entry = TaskEntry { meta: Some(meta), ..before.clone() };
            entry.update_origin();
            lease.commit(TaskCommit { entry, before: Some(before), unpublished: Vec::new() }).await?;
        }
        Ok(())
    }
}
