//! The last lines of a run: the tasks that did not succeed, and what to do.
//!
//! After a long run the lines of single tasks may have scrolled away, so the first ids of each outcome are repeated.
//! Reused tasks are left out: an earlier run reported them. So are errors that were reported once for all tasks.

use crate::domain::event::{Event, Outcome};
use crate::domain::task::TaskId;

/// Up to this number of tasks, ids are not repeated: their lines are still visible.
const MAX_VISIBLE_TASKS: u64 = 10;
/// The limit of ids for each outcome.
const MAX_IDS_PER_KIND: usize = 5;

/// What to do if another run may succeed.
const RERUN_HINT: &str = "run the same command again to retry: saved files are kept, and only missing ones are downloaded";

/// The unsuccessful outcomes, their words, and whether another run may succeed.
const FAILURE_KINDS: [(Outcome, &str, bool); 5] = [
    (Outcome::Incomplete, "incomplete", true),
    (Outcome::Failed, "failed", false),
    (Outcome::Empty, "empty", false),
    (Outcome::NotFound, "not found", false),
    (Outcome::Error, "in error", true),
];

/// Collects unsuccessful tasks: for each outcome the first ids and the count.
#[derive(Default)]
pub(super) struct FailureSummary {
    task_count: u64,
    failures: [(Vec<TaskId>, usize); FAILURE_KINDS.len()],
}

impl FailureSummary {
    pub(super) fn update(&mut self, event: &Event) {
        let Event::Task(report) = event else { return };
        self.task_count += 1;
        let is_reported = report.is_settled() || report.is_run_wide();
        let kind = FAILURE_KINDS.iter().position(|(outcome, ..)| *outcome == report.outcome && !is_reported);
        if let Some((ids, count)) = kind.map(|kind| &mut self.failures[kind]) {
            *count += 1;
            if ids.len() < MAX_IDS_PER_KIND {
                ids.push(report.task.clone());
            }
        }
    }

    /// The lines, or none if every task succeeded.
    pub(super) fn lines(&self) -> Vec<String> {
        let failures = || self.failures.iter().zip(FAILURE_KINDS).filter(|((_, count), _)| *count > 0);
        let mut lines = Vec::new();
        if self.task_count > MAX_VISIBLE_TASKS {
            lines.extend(failures().map(|((ids, count), (_, word, _))| ids_line(word, ids, *count)));
        }
        if failures().any(|(_, (.., may_succeed))| may_succeed) {
            lines.push(RERUN_HINT.to_owned());
        }
        lines
    }
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
    use crate::domain::code::TaskErrorCode;
    use crate::domain::event::{TaskError, TaskReport};

    fn summary_of(outcomes: &[(Outcome, usize)]) -> Vec<String> {
        let mut failures = FailureSummary::default();
        let all = outcomes.iter().flat_map(|(outcome, count)| std::iter::repeat_n(*outcome, *count));
        for (number, outcome) in all.enumerate() {
            let id = TaskId::new(&format!("t{number}")).unwrap();
            failures.update(&Event::Task(Box::new(TaskReport::new(id, outcome))));
        }
        failures.lines()
    }

    #[test]
    fn failure_summary_lists_incomplete_tasks() {
        let lines = summary_of(&[(Outcome::Complete, 10), (Outcome::Error, 7), (Outcome::Failed, 1)]);
        assert_eq!(lines[..2], ["failed: t17", "in error: t10, t11, t12, t13, t14 and 2 more"]);
        assert_eq!(lines.len(), 3, "and the hint: {lines:?}");
    }

    #[test]
    fn errors_reported_for_all_tasks_are_not_repeated() {
        let mut failures = FailureSummary::default();
        let error = TaskError { is_run_wide: true, ..TaskError::new(TaskErrorCode::Disk, "the disk is full".to_owned()) };
        let report = TaskReport { error: Some(error), ..TaskReport::new(TaskId::new("t").unwrap(), Outcome::Error) };
        failures.update(&Event::Task(Box::new(report)));
        assert!(failures.lines().is_empty());
    }

    #[test]
    fn rerun_hint_is_given_only_when_a_rerun_can_help() {
        assert!(
            summary_of(&[(Outcome::Failed, 1), (Outcome::NotFound, 1), (Outcome::Empty, 1), (Outcome::Pending, 1)]).is_empty()
        );
        assert_eq!(summary_of(&[(Outcome::Incomplete, 1)]).len(), 1);
    }
}
