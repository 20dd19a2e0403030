//! `--wait`: unfinished tasks, and when each is queried again.
//!
//! A waiting task is its request and a point in time, and nothing else. It has no lock, no download slot and no slot of a
//! running task, so waiting tasks never delay the query of a new one, whatever their number is. The delay between two queries
//! grows, with jitter, so that tasks that were submitted together spread out. The last query falls on the deadline; a task that
//! is pending then is reported as pending.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{ArchiveJob, Request};
use crate::http::retry::with_jitter;

const MAX_DELAY: Duration = Duration::from_secs(15);

/// How to wait for unfinished tasks. The default waits without a limit.
#[derive(Clone, Copy, Debug)]
pub struct PollPolicy {
    /// Time from the start of the run. None is no limit.
    pub timeout: Option<Duration>,
    /// Time before the second query of a task. Default 2 s; later delays grow up to 15 s.
    pub first_delay: Duration,
}

impl Default for PollPolicy {
    fn default() -> Self {
        Self { timeout: None, first_delay: Duration::from_secs(2) }
    }
}

/// A check of a task, now or later.
pub(super) struct PendingCheck {
    pub request: Request,
    /// Time until the next check if the task is still unfinished.
    pub delay: Duration,
}

/// The waiting tasks, ordered by the time of their next check.
pub(super) struct PollQueue {
    policy: Option<PollPolicy>,
    deadline: Option<Instant>,
    checks: BTreeMap<(Instant, u64), PendingCheck>,
    /// Makes keys of the same moment unique.
    sequence: u64,
}

impl PollQueue {
    /// An empty queue whose time starts now. Without a policy no task ever waits.
    pub(super) fn new(policy: Option<PollPolicy>) -> Self {
        let deadline = policy.and_then(|policy| Instant::now().checked_add(policy.timeout?));
        Self { policy, deadline, checks: BTreeMap::new(), sequence: 0 }
    }

    /// The first check of a task.
    pub(super) fn first_check(&self, request: Request) -> PendingCheck {
        PendingCheck { request, delay: self.policy.map_or(Duration::ZERO, |policy| policy.first_delay.min(MAX_DELAY)) }
    }

    /// Whether an unfinished task may be checked again.
    pub(super) fn has_time(&self) -> bool {
        self.policy.is_some() && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Schedules a task after `delay`, or at the deadline if that is earlier.
    pub(super) fn schedule(&mut self, request: Request, delay: Duration) {
        let due = Instant::now() + with_jitter(delay);
        let due = self.deadline.map_or(due, |deadline| due.min(deadline));
        self.sequence += 1;
        self.checks.insert((due, self.sequence), PendingCheck { request, delay: delay.mul_f64(1.5).min(MAX_DELAY) });
    }

    pub(super) fn len(&self) -> usize {
        self.checks.len()
    }

    /// The next check, once it is due, or at once when queries have ended. When the run is stopped, the queue is cleared.
    pub(super) async fn next(&mut self, job: &ArchiveJob) -> Option<PendingCheck> {
        let (due, _) = *self.checks.first_key_value()?.0;
        tokio::select! {
            biased;
            () = job.stop.cancelled() => self.checks.clear(),
            () = job.stop_queries.cancelled() => {}
            () = sleep_until(due) => {}
        }
        self.checks.pop_first().map(|(_, check)| check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::TaskId;

    fn request(id: &str) -> Request {
        Request::new(TaskId::new(id).unwrap())
    }

    #[test]
    fn poll_delays_grow_up_to_a_bound_with_jitter() {
        let mut queue = PollQueue::new(Some(PollPolicy { timeout: None, first_delay: Duration::from_secs(2) }));
        let mut check = queue.first_check(request("t"));
        for most in [2.0, 3.0, 4.5, 6.75, 10.125, 15.0, 15.0] {
            let before = Instant::now();
            queue.schedule(check.request, check.delay);
            let ((due, _), next) = queue.checks.pop_first().unwrap();
            let delay = (due - before).as_secs_f64();
            assert!(delay >= most * 0.75 && delay < most + 0.5, "{delay} of {most}");
            check = next;
        }
    }

    #[test]
    fn no_time_is_left_without_the_option_or_after_the_deadline() {
        assert!(!PollQueue::new(None).has_time());
        assert!(PollQueue::new(Some(PollPolicy { timeout: None, first_delay: MAX_DELAY })).has_time());
        assert!(
            PollQueue::new(Some(PollPolicy { timeout: Some(Duration::MAX), first_delay: MAX_DELAY })).has_time(),
            "that is no end"
        );
        assert!(!PollQueue::new(Some(PollPolicy { timeout: Some(Duration::ZERO), first_delay: MAX_DELAY })).has_time());
    }

    #[test]
    fn last_check_falls_on_the_deadline() {
        let mut queue = PollQueue::new(Some(PollPolicy { timeout: Some(Duration::from_secs(5)), first_delay: MAX_DELAY }));
        queue.schedule(request("a"), MAX_DELAY);
        queue.schedule(request("b"), MAX_DELAY);
        let deadline = queue.deadline.unwrap();
        assert!(queue.checks.keys().all(|(due, _)| *due == deadline));
        assert_eq!(queue.len(), 2);
    }
}
