//! What is known of a task before it is queried: whether the archive has what is wanted.

use super::ArchiveJob;
use super::task_end::{TaskEnd, outcome_from_state};
#[cfg(feature = "bucket")]
use super::task_job::EntryTotals;
use super::task_job::TaskJob;
use crate::domain::event::Outcome;
#[cfg(feature = "bucket")]
use crate::domain::manifest::State;
use crate::domain::plan;
#[cfg(feature = "bucket")]
use crate::storage::KnownTask;
use crate::storage::{Checked, TaskSnapshot};

/// Why the run needs not ask about a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// The archive has what is wanted.
    Reused,
    /// `--skip-failed` leaves it alone.
    Skipped,
}

impl TaskJob {
    /// Checks what is known of the task without a request. Returns how the task ended when there is nothing else to do. Blocks.
    pub(super) fn check_existing(&mut self) -> Option<TaskEnd> {
        let snapshot = match self.job.storage.check(self.id()) {
            Ok(Checked::Snapshot(snapshot)) => *snapshot,
            #[cfg(feature = "bucket")]
            Ok(Checked::Indexed(known)) => return self.check_indexed(&known),
            #[cfg(feature = "bucket")]
            Ok(Checked::Unknown) => return None,
            Err(error) => return self.end(Err(error.into())),
        };
        let has_new_meta = snapshot.entry.as_ref().is_some_and(|entry| self.new_meta(entry.meta.as_ref()).is_some());
        let settled = self.settled(&snapshot).filter(|_| !has_new_meta && !snapshot.has_leftovers());
        let Some(settled) = settled else {
            self.checked = Some(snapshot);
            return None;
        };
        self.update_report(snapshot.entry.as_ref());
        let outcome = self.mark_settled(settled, &snapshot);
        self.end(Ok(outcome))
    }

    /// Ends the task if the index of a bucket shows that nothing is to be done.
    #[cfg(feature = "bucket")]
    fn check_indexed(&mut self, known: &KnownTask) -> Option<TaskEnd> {
        let ArchiveJob { force, skip_failed, .. } = *self.job;
        let settled = match known.state {
            State::Complete if !force => Settled::Reused,
            State::Failed if skip_failed && !self.poll.is_repeated => Settled::Skipped,
            _ => return None,
        };
        let brings_meta = self.meta.is_some() || !self.meta_defaults.is_empty();
        if self.repair.is_some() || (brings_meta && !known.has_meta(self.new_meta(None).as_ref())) {
            return None;
        }
        self.apply_totals(EntryTotals { files: known.files, bytes: known.bytes, has_text: known.has_text });
        self.report.status.clone_from(&known.status);
        self.set_settled(settled);
        self.end(Ok(outcome_from_state(known.state)))
    }

    /// Why the task needs no query, if it needs none.
    pub(super) fn settled(&self, snapshot: &TaskSnapshot) -> Option<Settled> {
        let ArchiveJob { wanted, force, skip_failed, .. } = *self.job;
        // What an earlier check of this run recorded is no reason to skip the task.
        let skip_failed = skip_failed && !self.poll.is_repeated;
        if self.repair.is_some() || snapshot.is_from_root() || !snapshot.is_intact() {
            return None;
        }
        let entry = snapshot.entry.as_ref()?;
        if !force && plan::is_up_to_date(entry, wanted) {
            return Some(Settled::Reused);
        }
        // `--force` does not fetch what `--skip-failed` leaves alone.
        (skip_failed && plan::is_permanent_failure(entry, wanted)).then_some(Settled::Skipped)
    }

    pub(super) fn mark_reused(&mut self, snapshot: &TaskSnapshot) -> Outcome {
        self.mark_settled(Settled::Reused, snapshot)
    }

    fn set_settled(&mut self, settled: Settled) {
        (self.report.reused, self.report.skipped) = (settled == Settled::Reused, settled == Settled::Skipped);
    }

    pub(super) fn mark_settled(&mut self, settled: Settled, snapshot: &TaskSnapshot) -> Outcome {
        self.set_settled(settled);
        let entry = snapshot.entry.as_ref();
        self.report.status = entry.and_then(|entry| entry.status.clone());
        entry.map_or(Outcome::Complete, |entry| outcome_from_state(entry.state))
    }
}
