//! What a person should know when the lines of a long run have scrolled away: who is not complete, and what to do.

use crate::domain::event::{Event, Outcome};
use crate::domain::task::TaskId;

/// Runs of fewer tasks stand on the screen as they are.
const MIN_TASKS_FOR_IDS: u64 = 10;
/// Ids that are named for each way to end badly.
const MAX_IDS_PER_KIND: usize = 5;

/// How tasks end badly, in words; whether another run may do better.
const FAILURE_KINDS: [(Outcome, &str, bool); 5] = [
    (Outcome::Incomplete, "incomplete", true),
    (Outcome::Failed, "failed", false),
    (Outcome::Empty, "empty", false),
    (Outcome::NotFound, "not found", false),
    (Outcome::Error, "in error", true),
];

/// The tasks that ended badly: the first of each kind, and how many.
#[derive(Default)]
pub(super) struct FailureSummary {
    task_count: u64,
    failures: [(Vec<TaskId>, usize); FAILURE_KINDS.len()],
}

impl FailureSummary {
    pub(super) fn update(&mut self, event: &Event) {
        let Event::Task(report) = event else { return };
        self.task_count += 1;
        let is_known = report.reused || report.is_run_wide();
        let way = FAILURE_KINDS.iter().position(|(outcome, ..)| *outcome == report.outcome && !is_known);
        if let Some((named, count)) = way.map(|way| &mut self.failures[way]) {
            *count += 1;
            if named.len() < MAX_IDS_PER_KIND {
                named.push(report.task.clone());
            }
        }
    }

    /// The lines; none when all is well.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        if self.task_count > MIN_TASKS_FOR_IDS {
            lines.extend(self.failures.iter().zip(FAILURE_KINDS).filter(|((_, count), _)| *count > 0).map(
                |((named, count), (_, word, _))| {
                    let more = if *count > named.len() { format!(" and {} more", count - named.len()) } else { String::new() };
                    let named: Vec<String> = named.iter().map(ToString::to_string).collect();
                    format!("{word}: {}{more}", named.join(", "))
                },
            ));
        }
        let may_come = self.failures.iter().zip(FAILURE_KINDS).any(|((_, count), (_, _, may_come))| *count > 0 && may_come);
        lines.extend(may_come.then(|| "run the same command again: what is here is kept, what is missing is fetched".to_owned()));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::code::TaskErrorCode;
    use crate::domain::event::{TaskError, TaskReport};

    fn told(outcomes: &[(Outcome, usize)]) -> Vec<String> {
        let mut afterword = FailureSummary::default();
        let all = outcomes.iter().flat_map(|(outcome, count)| std::iter::repeat_n(*outcome, *count));
        for (number, outcome) in all.enumerate() {
            let id = TaskId::new(&format!("t{number}")).unwrap();
            afterword.update(&Event::Task(Box::new(TaskReport::new(id, outcome))));
        }
        afterword.lines()
    }

    #[test]
    fn failure_summary_lists_incomplete_tasks() {
        let lines = told(&[(Outcome::Complete, 10), (Outcome::Error, 7), (Outcome::Failed, 1)]);
        assert_eq!(lines[..2], ["failed: t17", "in error: t10, t11, t12, t13, t14 and 2 more"]);
        assert_eq!(lines.len(), 3, "and what to do: {lines:?}");
    }

    #[test]
    fn errors_reported_for_all_tasks_are_not_repeated() {
        let mut afterword = FailureSummary::default();
        let error = TaskError { is_run_wide: true, ..TaskError::new(TaskErrorCode::Disk, "the disk is full".to_owned()) };
        let report = TaskReport { error: Some(error), ..TaskReport::new(TaskId::new("t").unwrap(), Outcome::Error) };
        afterword.update(&Event::Task(Box::new(report)));
        assert!(afterword.lines().is_empty());
    }

    #[test]
    fn rerun_hint_is_given_only_when_a_rerun_can_help() {
        assert!(told(&[(Outcome::Failed, 1), (Outcome::NotFound, 1), (Outcome::Empty, 1), (Outcome::Pending, 1)]).is_empty());
        assert_eq!(told(&[(Outcome::Incomplete, 1)]).len(), 1);
    }
}
