//! Whether the gateway answers: when a run waits for it, and when the run stops asking.
//!
//! A question has failed when all its attempts failed and nothing was answered since the first of them failed. What that says of
//! the gateway depends on the fault. Without a connection no task will be answered. Any other fault (5xx, a stall) may be that of
//! one task; it is one of the gateway when the gateway has answered nothing yet in this run, or when the questions about
//! [`MIN_TASKS`] tasks have failed since its last answer. Then the outage is proven, and the run stops asking.
//!
//! With `--wait` the run waits for the end of an outage, proven or not: until the deadline of `--wait=DURATION`, or for an hour
//! from the beginning of the outage when there is no deadline. An outage ends with the first answer, whatever the answer says.
//! During an outage only a few tasks ask the gateway (see `poll_queue`). Each other task leaves its slot at once, also one that
//! waits for its next attempt. So an outage costs the run its own length once, and not for each task. After that the run stops
//! asking if the outage is proven; else each task asks and reports its own error.

use tokio::sync::watch;
use tokio::time::Instant;

use super::poll_queue::PollPolicy;
use crate::domain::event::{Emitter, Event, GatewayFault, TaskError};
use crate::domain::task::TaskId;
use crate::gateway::{self, OutageEvidence, RetryNotice};

/// The questions about so many tasks must fail before a gateway that has answered others counts as out of order.
const MIN_TASKS: usize = 3;

/// Whether the gateway answers, as far as the requests of a run show.
pub(crate) struct GatewayHealth {
    policy: Option<PollPolicy>,
    deadline: Option<Instant>,
    state: watch::Sender<HealthState>,
}

#[derive(Default)]
struct HealthState {
    last_answer: Option<Instant>,
    /// Whether some answer was about a task: then the base URL is right.
    has_task_answer: bool,
    /// Tasks whose questions failed since the last answer, by fingerprint; at most [`MIN_TASKS`].
    failed_tasks: Vec<u128>,
    /// Whether a reader of events believes that the gateway does not answer.
    is_noted: bool,
    outage: Option<Outage>,
}

impl HealthState {
    /// Records a failed question. Whether it proves an outage.
    fn record_failure(&mut self, id: &TaskId, evidence: OutageEvidence) -> bool {
        let id = id.fingerprint();
        if evidence == OutageEvidence::Unanswered && self.failed_tasks.len() < MIN_TASKS && !self.failed_tasks.contains(&id) {
            self.failed_tasks.push(id);
        }
        match evidence {
            OutageEvidence::Unreachable => true,
            OutageEvidence::Unanswered => self.last_answer.is_none() || self.failed_tasks.len() >= MIN_TASKS,
            OutageEvidence::None => false,
        }
    }
}

/// An outage that a run with `--wait` waits for.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    /// When it began.
    pub since: Instant,
    /// How long the run waits for its end.
    pub until: Instant,
    /// The last fault, as that of a task.
    pub error: TaskError,
    /// The last fault alone.
    pub cause: String,
    /// Whether it is certain that the gateway is out of order, and not some tasks.
    pub is_proven: bool,
}

impl Outage {
    /// Whether the run still waits for its end.
    pub(super) fn is_awaited(&self) -> bool {
        Instant::now() < self.until
    }
}

impl GatewayHealth {
    /// For a run that starts now. Without a policy there is never an outage.
    pub(crate) fn new(policy: Option<PollPolicy>) -> Self {
        let deadline = policy.and_then(|policy| Instant::now().checked_add(policy.timeout?));
        Self { policy, deadline, state: watch::Sender::default() }
    }

    /// When the run stops waiting for anything.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The outage, if there is one, also one that the run does not wait for any more.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.state.borrow().outage.clone()
    }

    /// Completes when there is an outage whose end the run waits for, with the last fault.
    pub(super) async fn outage_began(&self) -> TaskError {
        let mut state = self.state.subscribe();
        let is_awaited = |state: &HealthState| state.outage.as_ref().is_some_and(Outage::is_awaited);
        let error = state.wait_for(is_awaited).await.ok().and_then(|state| Some(state.outage.as_ref()?.error.clone()));
        match error {
            Some(error) => error,
            // The sender lives in `self`, so the channel is open, and an outage was seen.
            None => std::future::pending().await,
        }
    }

    /// Completes when there is no outage.
    pub(super) async fn outage_ended(&self) {
        // The sender lives in `self`, so the channel is open.
        let _ = self.state.subscribe().wait_for(|state| state.outage.is_none()).await;
    }

    /// Whether some answer was about a task.
    pub(super) fn has_task_answer(&self) -> bool {
        self.state.borrow().has_task_answer
    }

    /// Whether some question has failed since the last answer.
    pub(super) fn has_failed_tasks(&self) -> bool {
        !self.state.borrow().failed_tasks.is_empty()
    }

    /// An answer arrived. `is_about_task`: it shows that the server knows the URL of a task.
    pub(super) fn record_answer(&self, is_about_task: bool, emitter: &Emitter) {
        let mut was_noted = false;
        let was_out = self.state.send_if_modified(|state| {
            state.last_answer = Some(Instant::now());
            state.has_task_answer |= is_about_task;
            state.failed_tasks.clear();
            was_noted = std::mem::take(&mut state.is_noted);
            state.outage.take().is_some()
        });
        if was_noted {
            emitter.emit(Event::Gateway(None));
        }
        if was_out {
            emitter.emit(Event::Detail("the gateway answers again".to_owned()));
        }
    }

    /// A question is asked again after a wait.
    pub(super) fn record_retry(&self, notice: &RetryNotice<'_>, emitter: &Emitter) {
        let mut is_unanswered = false;
        self.state.send_if_modified(|state| {
            is_unanswered = state.last_answer.is_none_or(|answered| answered < notice.since);
            state.is_noted |= is_unanswered;
            false
        });
        if is_unanswered {
            let retry_at = std::time::Instant::now() + notice.delay;
            emitter.emit(Event::Gateway(Some(GatewayFault { cause: notice.error.cause(), retry_at })));
        }
    }

    /// A question failed, with `error` at last. Its first attempt failed at `since`. Whether the run has to stop asking.
    pub(super) fn record_failure(&self, id: &TaskId, since: Instant, error: &gateway::Error, emitter: &Emitter) -> bool {
        let (now, evidence, mut is_over) = (Instant::now(), error.outage_evidence(), false);
        let is_new = self.state.send_if_modified(|state| {
            if state.last_answer.is_some_and(|answered| answered >= since) {
                return false;
            }
            let is_proven = state.record_failure(id, evidence);
            let awaited_until = || self.deadline.or_else(|| now.checked_add(self.policy?.max_outage));
            let until = state.outage.as_ref().map(|outage| outage.until).or_else(awaited_until);
            let Some(until) = until.filter(|until| now < *until && error.is_transient()) else {
                is_over = is_proven;
                return false;
            };
            let before = state.outage.take();
            let is_new = before.is_none();
            let since = before.as_ref().map_or(now, |outage| outage.since);
            let is_proven = is_proven || before.is_some_and(|outage| outage.is_proven);
            state.outage = Some(Outage { since, until, error: error.into(), cause: error.cause(), is_proven });
            is_new
        });
        if is_new {
            emitter.emit(Event::Warning(format!("{error}; the run waits until the gateway answers again")));
        }
        is_over
    }
}

#[cfg(test)]
pub(super) mod tests;
