//! The counts of a run or of a `verify`: its last event.
//!
//! A task is counted once, under its outcome. A file on disk is counted once for each fault. So the counts add up, and a
//! reader of the summary alone has the whole result.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Fault, Outcome, TaskReport};

/// The counts of a run, its last event. Those from `complete` to `error` are disjoint, and their sum is the number of ids.
#[derive(Clone, Default, PartialEq, Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Summary {
    /// Tasks of which the archive holds everything.
    pub complete: u64,
    /// Tasks of which the archive holds everything that was asked for.
    pub partial: u64,
    /// Tasks that the archive had already, or that the options leave alone.
    pub reused: u64,
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
    /// Tasks that could not be queried, read or written.
    pub error: u64,
    /// Files that were fetched in this run.
    pub files: u64,
    /// Their size in bytes, without the bytes that an earlier run had fetched.
    pub bytes: u64,
    /// How long the run took, in seconds.
    #[schemars(range(min = 0))]
    pub seconds: f64,
}

impl Summary {
    /// Counts one task.
    pub(crate) fn count(&mut self, report: &TaskReport) {
        let counter = match report.outcome {
            _ if report.reused => &mut self.reused,
            Outcome::Complete => &mut self.complete,
            Outcome::Partial => &mut self.partial,
            Outcome::Incomplete => &mut self.incomplete,
            Outcome::Failed => &mut self.failed,
            Outcome::Empty => &mut self.empty,
            Outcome::NotFound => &mut self.not_found,
            Outcome::Pending => &mut self.pending,
            Outcome::Error => &mut self.error,
        };
        *counter += 1;
        self.files += report.fetched as u64;
        self.bytes += report.fetched_bytes;
    }

    /// Records how long the run took.
    #[must_use]
    pub(crate) fn with_elapsed(self, elapsed: Duration) -> Self {
        Self { seconds: rounded_seconds(elapsed), ..self }
    }

    /// Tasks that did not end well.
    #[must_use]
    pub fn unsuccessful(&self) -> u64 {
        self.incomplete + self.failed + self.empty + self.not_found + self.error
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
        use Outcome::{Complete, Empty, Error, Failed, Incomplete, NotFound, Partial, Pending};
        let id = TaskId::new("t").unwrap();
        let mut summary = Summary::default();
        for outcome in [Complete, Partial, Incomplete, Failed, Empty, NotFound, Pending, Error] {
            summary.count(&TaskReport { fetched: 1, fetched_bytes: 5, ..TaskReport::new(id.clone(), outcome) });
        }
        summary.count(&TaskReport { reused: true, ..TaskReport::new(id, Complete) });
        let all = Summary {
            complete: 1,
            partial: 1,
            reused: 1,
            incomplete: 1,
            failed: 1,
            empty: 1,
            not_found: 1,
            pending: 1,
            error: 1,
            files: 8,
            bytes: 40,
            seconds: 0.0,
        };
        assert_eq!(summary, all);
        assert_eq!(summary.unsuccessful(), 5);
    }
}
