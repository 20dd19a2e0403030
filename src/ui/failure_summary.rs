//! The last lines of a run: the tasks that did not succeed, and what to do.
//!
//! After a long run the lines of single tasks may have scrolled away, so the first ids of each outcome are repeated.
//! Tasks that were already here, or are left alone, are left out: an earlier run reported them. So are errors that were reported
//! once for all tasks. Another run is advised only where it may help, and never after a dry run.

use super::Style;
use crate::domain::code::{AssetErrorCode, TaskErrorCode};
use crate::domain::event::{Event, Outcome, TaskReport};
use crate::domain::task::TaskId;

/// Up to this number of tasks, ids are not repeated: their lines are still visible.
const MAX_VISIBLE_TASKS: u64 = 10;
/// The limit of ids for each outcome.
const MAX_IDS_PER_KIND: usize = 5;

/// What to do if another run may succeed.
const RERUN_HINT: &str = "run the same command again to retry: saved files are kept, and only missing ones are downloaded";

/// The unsuccessful outcomes and their words.
const FAILURE_KINDS: [(Outcome, &str); 5] = [
    (Outcome::Incomplete, "incomplete"),
    (Outcome::Failed, "failed"),
    (Outcome::Empty, "empty"),
    (Outcome::NotFound, "not found"),
    (Outcome::Error, "in error"),
];

/// Collects unsuccessful tasks: for each outcome the first ids and the count.
#[derive(Default)]
pub(super) struct FailureSummary {
    task_count: u64,
    failures: [(Vec<TaskId>, usize); FAILURE_KINDS.len()],
    /// Whether another run may have more success with some task.
    may_succeed: bool,
}

impl FailureSummary {
    pub(super) fn update(&mut self, event: &Event) {
        let Event::Task(report) = event else { return };
        self.task_count += 1;
        let is_reported = report.is_settled() || report.is_run_wide();
        let kind = FAILURE_KINDS.iter().position(|(outcome, _)| *outcome == report.outcome && !is_reported);
        if let Some((ids, count)) = kind.map(|kind| &mut self.failures[kind]) {
            *count += 1;
            self.may_succeed |= may_succeed(report);
            if ids.len() < MAX_IDS_PER_KIND {
                ids.push(report.task.clone());
            }
        }
    }

    /// The lines, or none if every task succeeded.
    pub(super) fn lines(&self, style: Style) -> Vec<String> {
        let failures = self.failures.iter().zip(FAILURE_KINDS).filter(|((_, count), _)| *count > 0);
        let mut lines = Vec::new();
        if self.task_count > MAX_VISIBLE_TASKS {
            lines.extend(failures.map(|((ids, count), (_, word))| ids_line(word, ids, *count)));
        }
        if self.may_succeed && !style.is_dry_run {
            lines.push(RERUN_HINT.to_owned());
        }
        lines
    }
}

/// Whether another run may have more success with a task: some cause of its failure may pass.
fn may_succeed(report: &TaskReport) -> bool {
    let status_may_pass = |status: Option<u16>| status.is_none_or(|status| status >= 500 || [408, 425, 429].contains(&status));
    let of_task = report.error.as_ref().is_some_and(|error| match error.code {
        TaskErrorCode::Network | TaskErrorCode::Locked | TaskErrorCode::Disk => true,
        TaskErrorCode::HttpStatus => status_may_pass(error.http_status),
        TaskErrorCode::BadAnswer | TaskErrorCode::Internal => false,
    });
    let of_asset = report.errors.iter().any(|error| match error.code() {
        Some(AssetErrorCode::HttpStatus) => status_may_pass(error.http_status()),
        Some(
            AssetErrorCode::Network
            | AssetErrorCode::Timeout
            | AssetErrorCode::IncompleteBody
            | AssetErrorCode::ChecksumMismatch
            | AssetErrorCode::Disk,
        )
        | None => true,
        Some(
            AssetErrorCode::DeadLink
            | AssetErrorCode::RefusedContent
            | AssetErrorCode::TooLarge
            | AssetErrorCode::BadUrl
            | AssetErrorCode::PrivateAddress,
        ) => false,
    });
    of_task || of_asset
}

/// `failed: a, b and 3 more`
fn ids_line(word: &str, ids: &[TaskId], count: usize) -> String {
    let more = if count > ids.len() { format!(" and {} more", count - ids.len()) } else { String::new() };
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("{word}: {}{more}", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asset_key::{AssetKey, Kind};
    use crate::domain::event::TaskError;
    use crate::domain::manifest::AssetError;

    const STYLE: Style = Style::PLAIN;

    fn report(number: usize, outcome: Outcome) -> TaskReport {
        TaskReport::new(TaskId::new(&format!("t{number}")).unwrap(), outcome)
    }

    fn lines_of(reports: Vec<TaskReport>, style: Style) -> Vec<String> {
        let mut failures = FailureSummary::default();
        for report in reports {
            failures.update(&Event::Task(Box::new(report)));
        }
        failures.lines(style)
    }

    fn error(code: TaskErrorCode, http_status: Option<u16>) -> TaskReport {
        let error = TaskError { http_status, ..TaskError::new(code, "why".to_owned()) };
        TaskReport { error: Some(error), ..report(0, Outcome::Error) }
    }

    fn incomplete(code: AssetErrorCode, http_status: Option<u16>) -> TaskReport {
        let key = AssetKey { kind: Kind::Image, index: 1 };
        let errors = vec![AssetError::new(key, None, code, http_status, "why".to_owned())];
        TaskReport { errors, ..report(0, Outcome::Incomplete) }
    }

    #[test]
    fn ids_of_each_outcome_are_repeated_after_a_long_run() {
        let outcomes = [(Outcome::Complete, 10), (Outcome::Empty, 7), (Outcome::Failed, 1)];
        let all = outcomes.into_iter().flat_map(|(outcome, count)| std::iter::repeat_n(outcome, count));
        let lines = lines_of(all.enumerate().map(|(number, outcome)| report(number, outcome)).collect(), STYLE);
        assert_eq!(lines, ["failed: t17", "empty: t10, t11, t12, t13, t14 and 2 more"]);
    }

    #[test]
    fn what_was_reported_before_is_not_repeated() {
        let run_wide = TaskError { is_run_wide: true, ..TaskError::new(TaskErrorCode::Disk, "the disk is full".to_owned()) };
        for report in [
            TaskReport { error: Some(run_wide), ..report(0, Outcome::Error) },
            TaskReport { skipped: true, ..incomplete(AssetErrorCode::Network, None) },
            TaskReport { reused: true, ..report(0, Outcome::Complete) },
        ] {
            assert!(lines_of(vec![report], STYLE).is_empty());
        }
    }

    #[test]
    fn another_run_is_advised_only_where_it_may_help() {
        use AssetErrorCode as Asset;
        use TaskErrorCode as Task;
        for (report, is_advised) in [
            (incomplete(Asset::Network, None), true),
            (incomplete(Asset::Timeout, None), true),
            (incomplete(Asset::IncompleteBody, None), true),
            (incomplete(Asset::HttpStatus, Some(503)), true),
            (incomplete(Asset::HttpStatus, Some(429)), true),
            (incomplete(Asset::HttpStatus, Some(451)), false),
            (incomplete(Asset::DeadLink, Some(404)), false),
            (incomplete(Asset::RefusedContent, None), false),
            (incomplete(Asset::TooLarge, None), false),
            (incomplete(Asset::BadUrl, None), false),
            (incomplete(Asset::PrivateAddress, None), false),
            (error(Task::Network, None), true),
            (error(Task::Locked, None), true),
            (error(Task::HttpStatus, Some(502)), true),
            (error(Task::HttpStatus, Some(400)), false),
            (error(Task::BadAnswer, None), false),
            (report(0, Outcome::Failed), false),
            (report(0, Outcome::NotFound), false),
            (report(0, Outcome::Empty), false),
            (report(0, Outcome::Pending), false),
        ] {
            let what = format!("{report:?}");
            assert_eq!(lines_of(vec![report], STYLE).len(), usize::from(is_advised), "{what}");
        }
        let in_dry_run = Style { is_dry_run: true, ..STYLE };
        assert!(lines_of(vec![error(Task::Network, None)], in_dry_run).is_empty());
    }
}
