//! `--wait`: unfinished tasks, and when each is asked about again.
//!
//! A task that waits is its request and a moment, and nothing else: no lock, no download slot, none of the
//! places of tasks on their way, so that any number of them never keeps a new one from being asked. The
//! delay between two looks grows, with jitter, so that tasks which were given together spread out. The
//! last look falls on the end of the time: what is pending then is told so.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{ArchiveJob, Request};
use crate::http::retry::with_jitter;

const MAX_DELAY: Duration = Duration::from_secs(15);

/// How unfinished tasks are waited for; by default without end.
#[derive(Clone, Copy, Debug)]
pub struct PollPolicy {
    /// From the start of the run; none is no end.
    pub timeout: Option<Duration>,
    /// Before a task is asked about for the second time, 2 s by default; it grows from there, up to 15 s.
    pub first_delay: Duration,
}

impl Default for PollPolicy {
    fn default() -> Self {
        Self { timeout: None, first_delay: Duration::from_secs(2) }
    }
}

/// A look at a task, now or later.
pub(super) struct PendingCheck {
    pub request: Request,
    /// Until the next one, if it is still not finished.
    pub delay: Duration,
}

/// The tasks that wait, in the order of their looks.
pub(super) struct PollQueue {
    policy: Option<PollPolicy>,
    deadline: Option<Instant>,
    checks: BTreeMap<(Instant, u64), PendingCheck>,
    /// Tells looks of one moment apart.
    sequence: u64,
}

impl PollQueue {
    /// Nobody waits yet; none ever will without `wait`. Its time begins now.
    pub(super) fn new(policy: Option<PollPolicy>) -> Self {
        let deadline = policy.and_then(|wait| Instant::now().checked_add(wait.timeout?));
        Self { policy, deadline, checks: BTreeMap::new(), sequence: 0 }
    }

    /// The first look at a task.
    pub(super) fn first_check(&self, request: Request) -> PendingCheck {
        PendingCheck { request, delay: self.policy.map_or(Duration::ZERO, |wait| wait.first_delay.min(MAX_DELAY)) }
    }

    /// Whether an unfinished task is worth another look.
    pub(super) fn has_time(&self) -> bool {
        self.policy.is_some() && self.deadline.is_none_or(|end| Instant::now() < end)
    }

    /// Puts a task aside for `delay`, or what is left of the time.
    pub(super) fn schedule(&mut self, request: Request, delay: Duration) {
        let due = Instant::now() + with_jitter(delay);
        let due = self.deadline.map_or(due, |end| due.min(end));
        self.sequence += 1;
        self.checks.insert((due, self.sequence), PendingCheck { request, delay: delay.mul_f64(1.5).min(MAX_DELAY) });
    }

    pub(super) fn len(&self) -> usize {
        self.checks.len()
    }

    /// The next look, once its time has come, or at once when the asking has ended: nobody waits for anything then.
    /// When the run is to stop there is none, and none is left.
    pub(super) async fn next(&mut self, job: &ArchiveJob) -> Option<PendingCheck> {
        let (due, _) = *self.checks.first_key_value()?.0;
        tokio::select! {
            biased;
            () = job.stop.cancelled() => self.checks.clear(),
            () = job.stop_queries.cancelled() => {}
            () = sleep_until(due) => {}
        }
        self.checks.pop_first().map(|(_, look)| look)
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
        let mut waiting = PollQueue::new(Some(PollPolicy { timeout: None, first_delay: Duration::from_secs(2) }));
        let mut look = waiting.first_check(request("t"));
        for most in [2.0, 3.0, 4.5, 6.75, 10.125, 15.0, 15.0] {
            let before = Instant::now();
            waiting.schedule(look.request, look.delay);
            let ((due, _), next) = waiting.checks.pop_first().unwrap();
            let delay = (due - before).as_secs_f64();
            assert!(delay >= most * 0.75 && delay < most + 0.5, "{delay} of {most}");
            look = next;
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
        let mut waiting = PollQueue::new(Some(PollPolicy { timeout: Some(Duration::from_secs(5)), first_delay: MAX_DELAY }));
        waiting.schedule(request("a"), MAX_DELAY);
        waiting.schedule(request("b"), MAX_DELAY);
        let end = waiting.deadline.unwrap();
        assert!(waiting.checks.keys().all(|(due, _)| *due == end));
        assert_eq!(waiting.len(), 2);
    }
}
