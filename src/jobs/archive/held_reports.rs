//! Reports that are held back, because what they say of their task depends on what other answers say of the gateway.
//!
//! - The answer names an unknown URL. After any answer about a task the base URL is right, and the task does not exist. The base
//!   URL is wrong when the first answers of the run say nothing else.
//! - The question failed. If that was the beginning of an outage which ends the run, the run reports the cause, once. After an
//!   answer about another task it is the error of this task.
//!
//! Nothing is held longer than until the run has nothing else to do.

use super::ArchiveJob;
use super::outcome::FatalError;
use super::task_end::Verdict;
use crate::domain::code::TaskErrorCode;
use crate::domain::event::{Outcome, TaskError, TaskReport};

/// So many first answers that name an unknown URL prove that the base URL is wrong.
const FIRST_ANSWERS: usize = 16;

/// The reports that are held back.
#[derive(Default)]
pub(super) struct HeldReports {
    unknown_url: Vec<TaskReport>,
    unanswered: Vec<TaskReport>,
}

impl HeldReports {
    pub(super) fn is_empty(&self) -> bool {
        self.unknown_url.is_empty() && self.unanswered.is_empty()
    }

    /// Holds a report back, or returns it when its meaning is known.
    pub(super) fn hold(&mut self, report: TaskReport, verdict: Verdict) -> Option<TaskReport> {
        match verdict {
            Verdict::UnknownUrl => self.unknown_url.push(report),
            Verdict::Unanswered => self.unanswered.push(report),
            Verdict::Nothing => return Some(report),
        }
        None
    }

    /// The reports whose meaning is known now. `is_idle`: the run has nothing else to do.
    pub(super) fn settle(&mut self, job: &ArchiveJob, is_idle: bool) -> Vec<TaskReport> {
        let mut settled = self.settle_unknown_url(job, is_idle);
        settled.extend(self.settle_unanswered(job, is_idle));
        settled
    }

    fn settle_unknown_url(&mut self, job: &ArchiveJob, is_idle: bool) -> Vec<TaskReport> {
        let Some(words) = self.unknown_url.first().and_then(|first| first.err_reason.clone()) else { return Vec::new() };
        let is_right = job.health.has_task_answer() || job.stop.is_cancelled();
        if !is_right && !is_idle && !job.queries.is_stopped() && self.unknown_url.len() < FIRST_ANSWERS {
            return Vec::new();
        }
        if !is_right {
            let base_url = job.gateway.base().to_string();
            job.queries.stop(FatalError::BadBaseUrl { base_url, words });
        }
        let mut settled = std::mem::take(&mut self.unknown_url);
        if job.queries.is_bad_base_url() {
            settled.iter_mut().for_each(mark_as_unknown);
        }
        settled
    }

    fn settle_unanswered(&mut self, job: &ArchiveJob, is_idle: bool) -> Vec<TaskReport> {
        let is_settled = is_idle || job.queries.is_stopped() || !job.health.has_failed_tasks();
        let mut settled = if is_settled { std::mem::take(&mut self.unanswered) } else { Vec::new() };
        if job.queries.is_unreachable() {
            settled.iter_mut().filter_map(|report| report.error.as_mut()).for_each(|error| error.is_run_wide = true);
        }
        settled
    }
}

/// Nothing is known of a task that was asked about under a wrong base URL. The run reports the cause.
fn mark_as_unknown(report: &mut TaskReport) {
    let words = report.err_reason.take().unwrap_or_default();
    report.outcome = Outcome::Error;
    report.error =
        Some(TaskError { http_status: Some(404), is_run_wide: true, ..TaskError::new(TaskErrorCode::HttpStatus, words) });
}
