//! The counts of a run or of a `verify`: its last event.
//!
//! A task is counted once, under its outcome; tasks that the run did nothing for are counted under `reused` or `skipped` as well.
//! A file on disk is counted once for each fault. So the counts add up, and a reader of the summary alone has the whole result.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Fault, Outcome, TaskReport};

/// The kind of a run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Tasks were archived.
    #[default]
    Get,
    /// Damaged and missing files were fetched again.
    Repair,
}

/// The counts of a run, its last event. `complete`, `partial`, `incomplete`, `failed`, `empty`, `not_found`, `pending`, `planned`,
/// `not_asked` and `error` are disjoint, and their sum is the number of ids. `reused` and `skipped` are parts of them.
#[derive(Clone, Default, PartialEq, Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Summary {
    /// The kind of the run.
    pub of: RunKind,
    /// Tasks of which the archive holds everything.
    pub complete: u64,
    /// Tasks of which the archive holds everything that was asked for.
    pub partial: u64,
    /// Tasks that the archive had already.
    pub reused: u64,
    /// Tasks that `--skip-failed` left alone.
    pub skipped: u64,
    /// Tasks that lack some asset.
    pub incomplete: u64,
    /// Tasks that failed at the gateway.
    pub failed: u64,
    /// Tasks that finished without files or text.
    pub empty: u64,
    /// Ids of which the gateway has no task.
    pub not_found: u64,
    /// Tasks that are not finished yet.
    pub pending: u64,
    /// Tasks of which a dry run has told what a run would do.
    pub planned: u64,
    /// Tasks of which nothing is known, because the run had stopped asking.
    pub not_asked: u64,
    /// Tasks that could not be queried, read or written.
    pub error: u64,
    /// Files that were fetched in this run.
    pub files: u64,
    /// Their size in bytes, without the bytes that an earlier run had fetched.
    pub bytes: u64,
    /// How long the run took, in seconds.
    #[schemars(range(min = 0))]
    pub seconds: f64,
    /// Unsuccessful tasks that the run did nothing for: an earlier run has reported them.
    #[serde(skip)]
    settled_failures: u64,
}

impl Summary {
    /// The summary of a run of this kind, without tasks.
    pub(crate) fn new(of: RunKind) -> Self {
        Self { of, ..Self::default() }
    }

    /// Counts one task.
    pub(crate) fn count(&mut self, report: &TaskReport) {
        *match report.outcome {
            Outcome::Complete => &mut self.complete,
            Outcome::Partial => &mut self.partial,
            Outcome::Incomplete => &mut self.incomplete,
            Outcome::Failed => &mut self.failed,
            Outcome::Empty => &mut self.empty,
            Outcome::NotFound => &mut self.not_found,
            Outcome::Pending => &mut self.pending,
            Outcome::Planned => &mut self.planned,
            Outcome::Error => &mut self.error,
        } += 1;
        self.reused += u64::from(report.reused);
        self.skipped += u64::from(report.skipped);
        self.settled_failures += u64::from(report.is_settled() && report.outcome.is_failure());
        self.files += report.fetched as u64;
        self.bytes += report.fetched_bytes;
    }

    /// Records how long the run took.
    #[must_use]
    pub(crate) fn with_elapsed(self, elapsed: Duration) -> Self {
        Self { seconds: rounded_seconds(elapsed), ..self }
    }

    /// The number of ids.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        let known = self.complete + self.partial + self.pending + self.planned + self.not_asked;
        known + self.incomplete + self.failed + self.empty + self.not_found + self.error
    }

    /// Tasks that did not end well in this run: without those that the options leave alone, and those that were not asked.
    #[must_use]
    pub fn unsuccessful(&self) -> u64 {
        self.incomplete + self.failed + self.empty + self.not_found + self.error - self.settled_failures
    }
}

/// The counts of a `verify`, its last event.
#[derive(Clone, Default, PartialEq, Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct VerifySummary {
    /// Files that manifests name, texts too.
    pub files: u64,
    /// Their size in bytes, as recorded.
    pub bytes: u64,
    /// Files whose bytes are not the recorded ones.
    pub damaged: u64,
    /// Files and folders that do not exist.
    pub missing: u64,
    /// Files and folders that the disk fails to read.
    pub unreadable: u64,
    /// Paths that leave their folder or go through a link; these were not opened.
    #[serde(rename = "unsafe")]
    pub not_safe: u64,
    /// Files that no manifest names.
    pub unknown: u64,
    /// How long it took, in seconds.
    #[schemars(range(min = 0))]
    pub seconds: f64,
}

impl VerifySummary {
    /// Counts one fault.
    pub(crate) fn count(&mut self, fault: Fault) {
        *match fault {
            Fault::Damaged => &mut self.damaged,
            Fault::Missing => &mut self.missing,
            Fault::Unreadable => &mut self.unreadable,
            Fault::Unknown => &mut self.unknown,
            Fault::Unsafe => &mut self.not_safe,
        } += 1;
    }

    /// Records how long it took.
    #[must_use]
    pub(crate) fn with_elapsed(self, elapsed: Duration) -> Self {
        Self { seconds: rounded_seconds(elapsed), ..self }
    }

    /// Whether every file that a manifest names could be read and is intact.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.damaged + self.missing + self.unreadable + self.not_safe == 0
    }
}

fn rounded_seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::TaskId;

    #[test]
    fn summary_counts_are_disjoint_and_add_up() {
        use Outcome::{Complete, Empty, Error, Failed, Incomplete, NotFound, Partial, Pending, Planned};
        let id = TaskId::new("t").unwrap();
        let mut summary = Summary::new(RunKind::Get);
        for outcome in [Complete, Partial, Incomplete, Failed, Empty, NotFound, Pending, Planned, Error] {
            summary.count(&TaskReport { fetched: 1, fetched_bytes: 5, ..TaskReport::new(id.clone(), outcome) });
        }
        summary.not_asked += 1;
        summary.count(&TaskReport { reused: true, ..TaskReport::new(id.clone(), Complete) });
        summary.count(&TaskReport { skipped: true, ..TaskReport::new(id.clone(), Failed) });
        summary.count(&TaskReport { skipped: true, ..TaskReport::new(id, Incomplete) });
        let all = Summary {
            of: RunKind::Get,
            complete: 2,
            partial: 1,
            reused: 1,
            skipped: 2,
            incomplete: 2,
            failed: 2,
            empty: 1,
            not_found: 1,
            pending: 1,
            planned: 1,
            not_asked: 1,
            error: 1,
            files: 9,
            bytes: 45,
            seconds: 0.0,
            settled_failures: 2,
        };
        assert_eq!(summary, all);
        assert_eq!((summary.tasks(), summary.unsuccessful()), (13, 5), "skipped tasks are no failures of this run");
    }
}
