//! What a task's folder may need beside its assets: none of it asks anybody.
//!
//! A run that died leaves things to tidy up, a manifest breaks, a text is lost, an input line brings notes. Each is mended
//! under the task's lock, from what the archive itself knows, however the task ends otherwise.

use std::sync::Arc;

use super::task_job::{TaskAbort, TaskJob};
use crate::domain::event::Outcome;
use crate::domain::manifest::TaskEntry;
use crate::storage::{TaskCommit, TaskLease, TaskSnapshot, blocking};

impl TaskJob {
    /// Removes what a run that died on its last steps left, unless another one is at work here, and mends a broken manifest.
    pub(super) async fn cleanup(&mut self, known: &TaskSnapshot) -> Result<(), TaskAbort> {
        let Some(entry) = known.entry.clone().filter(|_| !self.job.dry_run) else { return Ok(()) };
        if known.is_from_root() {
            let (held, ()) = self.acquire_lease(|_| Ok(())).await?;
            self.has_changed = true;
            held.commit(TaskCommit { entry: entry.clone(), before: Some(entry), unpublished: Vec::new() }).await?;
        } else if known.has_leftovers() {
            let (job, id) = (Arc::clone(&self.job), self.id().clone());
            if let Some(held) = blocking(move || job.storage.lease(&id)).await? {
                let settled = held.recover_and_commit(entry).await;
                self.has_changed |= *settled.as_ref().unwrap_or(&true);
                settled?;
            }
        }
        Ok(())
    }

    /// Writes a lost text again, which needs nobody but the manifest; how the task ends when nothing else was lost.
    pub(super) async fn restore_text(&mut self, known: &TaskSnapshot) -> Result<Option<Outcome>, TaskAbort> {
        let (Some(lost), Some(entry)) = (&self.repair, known.entry.clone()) else { return Ok(None) };
        let is_all = lost.keys.is_empty();
        if lost.text {
            let (held, ()) = self.acquire_lease(|_| Ok(())).await?;
            held.restore_text(entry).await?;
        }
        if is_all {
            self.cleanup(known).await?;
        }
        // Nobody was asked, and what is here is as it was.
        Ok(is_all.then(|| self.mark_reused(known)))
    }

    /// What is still to do for a task that the way did not lead to its end.
    pub(super) async fn finish(&mut self) -> Result<(), TaskAbort> {
        if let Some(known) = self.index_snapshot.take().filter(|_| !self.has_changed) {
            self.cleanup(&known).await?;
        }
        self.record_meta().await
    }

    /// Records what the input line brought, in a manifest that nothing else has changed.
    async fn record_meta(&mut self) -> Result<(), TaskAbort> {
        let Some(meta) = self.meta.clone().filter(|_| !self.job.dry_run) else { return Ok(()) };
        let (job, id) = (Arc::clone(&self.job), self.id().clone());
        let known = blocking(move || job.storage.read(&id)).await?.entry;
        if known.is_none_or(|entry| entry.meta.as_ref() == Some(&meta)) {
            return Ok(());
        }
        let (held, known) = self.acquire_lease(TaskLease::read_snapshot).await?;
        if let Some(before) = known.entry {
            self.has_changed = true;
            let entry = TaskEntry { meta: Some(meta), ..before.clone() };
            held.commit(TaskCommit { entry, before: Some(before), unpublished: Vec::new() }).await?;
        }
        Ok(())
    }
}
