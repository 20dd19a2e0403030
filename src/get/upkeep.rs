//! What a task's folder may need beside its assets: none of it asks anybody.
//!
//! A run that died leaves things to tidy up, a manifest breaks, a text is lost, an input line brings notes. Each is mended
//! under the task's lock, from what the archive itself knows, however the task ends otherwise.

use super::course::{Course, Stop};
use crate::event::Outcome;
use crate::manifest::TaskEntry;
use crate::store::{Held, Known, blocking};

impl Course {
    /// Removes what a run that died on its last steps left, unless another one is at work here, and mends a broken manifest.
    pub(super) async fn tidy(&mut self, known: &Known) -> Result<(), Stop> {
        let Some(entry) = known.entry.clone().filter(|_| !self.job.dry_run) else { return Ok(()) };
        if known.is_recalled() {
            let (held, ()) = self.hold(|_| Ok(())).await?;
            self.has_changed = true;
            held.record(entry.clone(), Some(entry), None).await?;
        } else if known.has_leftovers() {
            let folder = self.folder.clone();
            if let Some(held) = blocking(move || folder.try_hold()).await? {
                let settled = held.settle(entry).await;
                self.has_changed |= *settled.as_ref().unwrap_or(&true);
                settled?;
            }
        }
        Ok(())
    }

    /// Writes a lost text again, which needs nobody but the manifest; how the task ends when nothing else was lost.
    pub(super) async fn restore_text(&mut self, known: &Known) -> Result<Option<Outcome>, Stop> {
        let (Some(lost), Some(entry)) = (&self.lost, known.entry.clone()) else { return Ok(None) };
        let is_all = lost.slots.is_empty();
        if lost.text {
            let (held, ()) = self.hold(|_| Ok(())).await?;
            held.restore_text(entry).await?;
        }
        if is_all {
            self.tidy(known).await?;
        }
        // Nobody was asked, and what is here is as it was.
        Ok(is_all.then(|| self.reused(known)))
    }

    /// What is still to do for a task that the way did not lead to its end.
    pub(super) async fn wrap_up(&mut self) -> Result<(), Stop> {
        if let Some(known) = self.recalled.take().filter(|_| !self.has_changed) {
            self.tidy(&known).await?;
        }
        self.record_meta().await
    }

    /// Records what the input line brought, in a manifest that nothing else has changed.
    async fn record_meta(&mut self) -> Result<(), Stop> {
        let Some(meta) = self.meta.clone().filter(|_| !self.job.dry_run) else { return Ok(()) };
        let folder = self.folder.clone();
        let known = blocking(move || folder.read()).await?.entry;
        if known.is_none_or(|entry| entry.meta.as_ref() == Some(&meta)) {
            return Ok(());
        }
        let (held, known) = self.hold(Held::read).await?;
        if let Some(before) = known.entry {
            self.has_changed = true;
            held.record(TaskEntry { meta: Some(meta), ..before.clone() }, Some(before), None).await?;
        }
        Ok(())
    }
}
