//! `--wait`: the tasks that wait, and when each is checked again.
//!
//! A waiting task is its request and what the run remembers of it, and nothing else. It has no lock, no download slot and no slot
//! of a running task, so waiting tasks never delay the query of a new one, whatever their number is.
//!
//! An unfinished task has a time of its own. The delay between two queries grows, with jitter, so that tasks that were submitted
//! together spread out. The last query falls on the deadline; a task that is pending then is reported as pending.
//!
//! A task that got no answer because of an outage of the gateway waits in a line (see `parked`).

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::outage::{GatewayHealth, Outage};
use super::parked::ParkedTasks;
use super::{ArchiveJob, Request};
use crate::domain::event::TaskReport;
use crate::http::retry::with_jitter;

const MAX_DELAY: Duration = Duration::from_secs(15);

/// How to wait for unfinished tasks, and for a gateway that does not answer. The default waits without a limit for tasks.
#[derive(Clone, Copy, Debug)]
pub struct PollPolicy {
    /// Time from the start of the run. None is no limit.
    pub timeout: Option<Duration>,
    /// Time before the second query of a task. Default 2 s; later delays grow up to 15 s.
    pub first_delay: Duration,
    /// How long to wait for a gateway that does not answer when there is no `timeout`. Default 1 hour.
    pub max_outage: Duration,
}

impl Default for PollPolicy {
    fn default() -> Self {
        Self { timeout: None, first_delay: Duration::from_secs(2), max_outage: Duration::from_secs(3600) }
    }
}

/// Whether a check may ask the gateway during an outage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Turn {
    /// It asks if there is no outage.
    #[default]
    Normal,
    /// It asks in any case, to learn whether the outage has ended.
    Probe,
    /// It does not ask: the run waits no longer.
    GiveUp,
}

/// Why a task is to be checked again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deferral {
    /// The gateway says that it is not finished.
    Unfinished,
    /// All attempts of a request to the gateway failed with transient faults.
    Unanswered,
    /// The gateway was not asked, because of an outage.
    NotAsked,
}

/// What a run remembers of a task between two checks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PollState {
    /// Time until the next check if the task is still unfinished.
    pub delay: Duration,
    /// Whether it may ask the gateway during an outage.
    pub turn: Turn,
    /// Whether it was checked before in this run.
    pub is_repeated: bool,
    /// Whether the gateway said that it was unfinished.
    pub was_unfinished: bool,
    /// Whether it was not in the bucket.
    pub is_absent: bool,
    /// Since when the gateway has not answered about it.
    pub unanswered_since: Option<Instant>,
    /// Files that earlier checks fetched.
    pub fetched: usize,
    /// Their size in bytes.
    pub fetched_bytes: u64,
}

/// A check of a task, now or later.
pub(super) struct PendingCheck {
    pub request: Request,
    pub poll: PollState,
}

/// The waiting tasks.
pub(super) struct PollQueue {
    policy: Option<PollPolicy>,
    deadline: Option<Instant>,
    /// Ordered by the time of their next check.
    checks: BTreeMap<(Instant, u64), PendingCheck>,
    /// Makes keys of the same moment unique.
    sequence: u64,
    /// The tasks that wait for the end of an outage.
    parked: ParkedTasks,
}

impl PollQueue {
    /// An empty queue. Without a policy no task ever waits.
    pub(super) fn new(policy: Option<PollPolicy>, deadline: Option<Instant>) -> Self {
        let parked = ParkedTasks::new(policy.map_or(Duration::ZERO, |policy| policy.first_delay));
        Self { policy, deadline, checks: BTreeMap::new(), sequence: 0, parked }
    }

    /// The first check of a task.
    pub(super) fn first_check(&self, request: Request) -> PendingCheck {
        let delay = self.policy.map_or(Duration::ZERO, |policy| policy.first_delay.min(MAX_DELAY));
        PendingCheck { request, poll: PollState { delay, ..PollState::default() } }
    }

    /// Whether a task may be checked again.
    pub(super) fn has_time(&self) -> bool {
        self.policy.is_some() && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Whether the run should take no further requests.
    pub(super) fn is_full(&self) -> bool {
        self.parked.is_full()
    }

    pub(super) fn len(&self) -> usize {
        self.checks.len() + self.parked.len()
    }

    /// Queues a task for another check. False when the run does not wait for it any more: it ends with `report`.
    pub(super) fn defer(&mut self, check: PendingCheck, why: Deferral, report: &TaskReport, health: &GatewayHealth) -> bool {
        let PendingCheck { request, mut poll } = check;
        let was = std::mem::take(&mut poll.turn);
        poll.is_repeated = true;
        (poll.fetched, poll.fetched_bytes) = (report.fetched, report.fetched_bytes);
        if why == Deferral::Unfinished {
            (poll.was_unfinished, poll.unanswered_since) = (true, None);
            self.schedule(PendingCheck { request, poll });
            return true;
        }
        if was == Turn::GiveUp {
            return false;
        }
        if let Some(outage) = health.outage().filter(Outage::is_awaited) {
            self.parked.push(PendingCheck { request, poll }, was, outage.since);
            return true;
        }
        if health.outage().is_some() {
            // The run no longer waits for its end.
            return false;
        }
        if why == Deferral::NotAsked {
            // The outage has ended in the meantime.
            self.insert(Instant::now(), PendingCheck { request, poll });
            return true;
        }
        let since = *poll.unanswered_since.get_or_insert_with(Instant::now);
        let has_time = self.deadline.is_some() || self.policy.is_some_and(|policy| since.elapsed() < policy.max_outage);
        if has_time {
            self.schedule(PendingCheck { request, poll });
        }
        has_time
    }

    /// Schedules a task after its delay, or at the deadline if that is earlier.
    fn schedule(&mut self, mut check: PendingCheck) {
        let due = Instant::now() + with_jitter(check.poll.delay);
        let due = self.deadline.map_or(due, |deadline| due.min(deadline));
        check.poll.delay = grow(check.poll.delay);
        self.insert(due, check);
    }

    fn insert(&mut self, due: Instant, check: PendingCheck) {
        self.sequence += 1;
        self.checks.insert((due, self.sequence), check);
    }

    /// The next check, once it is due, or at once when queries have ended. None when something else must be looked at first. When
    /// the run is stopped, the queue is cleared.
    pub(super) async fn next(&mut self, job: &ArchiveJob) -> Option<PendingCheck> {
        let scheduled = self.checks.first_key_value().map(|((due, _), _)| *due);
        let parked = self.parked.next_due(&job.health);
        let due = scheduled.into_iter().chain(parked).min()?;
        let outage_ended = async {
            match parked {
                None => std::future::pending().await,
                Some(_) => job.health.outage_ended().await,
            }
        };
        tokio::select! {
            biased;
            () = job.stop.cancelled() => {
                self.checks.clear();
                self.parked.clear();
            }
            () = job.queries.stopped() => return self.pop_any(),
            () = outage_ended => {}
            () = sleep_until(due) => {}
        }
        self.pop_due(&job.health)
    }

    fn pop_due(&mut self, health: &GatewayHealth) -> Option<PendingCheck> {
        self.parked.pop_due(health).or_else(|| {
            let first = self.checks.first_entry().filter(|first| first.key().0 <= Instant::now())?;
            Some(first.remove())
        })
    }

    fn pop_any(&mut self) -> Option<PendingCheck> {
        self.parked.pop().or_else(|| self.checks.pop_first().map(|(_, check)| check))
    }
}

/// The delay after `delay`.
pub(super) fn grow(delay: Duration) -> Duration {
    delay.mul_f64(1.5).min(MAX_DELAY)
}

#[cfg(test)]
mod tests;
