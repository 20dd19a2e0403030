//! The tasks that wait for the end of an outage of the gateway: one line.
//!
//! From time to time the first task is sent to ask the gateway, and goes to the end of the line when it gets no answer: so a task
//! that never gets one can't hold up the others. An answer frees all of them. When the run no longer waits for the end of the
//! outage, all of them leave without asking, and are reported with the error of the outage.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::outage::GatewayHealth;
use super::poll_queue::{PendingCheck, PollState, Turn, grow};
use crate::http::retry::with_jitter;

/// The longest delay between two tasks that ask the gateway.
const MAX_PROBE_DELAY: Duration = Duration::from_secs(5);
/// While so many tasks are parked, the run takes no further requests.
const MAX_PARKED: usize = 1024;

/// The parked tasks.
pub(super) struct ParkedTasks {
    line: VecDeque<PendingCheck>,
    /// The outage that the times below are for, by its beginning.
    outage: Option<Instant>,
    /// When the next task asks.
    due: Instant,
    first_delay: Duration,
    delay: Duration,
}

impl ParkedTasks {
    /// An empty line. The first task asks after `first_delay`.
    pub(super) fn new(first_delay: Duration) -> Self {
        let first_delay = first_delay.min(MAX_PROBE_DELAY);
        Self { line: VecDeque::new(), outage: None, due: Instant::now(), first_delay, delay: first_delay }
    }

    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether the run should take no further requests.
    pub(super) fn is_full(&self) -> bool {
        self.line.len() >= MAX_PARKED
    }

    pub(super) fn clear(&mut self) {
        self.line.clear();
    }

    /// Parks a task during the outage that began at `outage`. `was` is the turn that the task had.
    pub(super) fn push(&mut self, check: PendingCheck, was: Turn, outage: Instant) {
        let now = Instant::now();
        if self.outage != Some(outage) {
            (self.outage, self.delay) = (Some(outage), self.first_delay);
            self.advance(now);
        } else if was == Turn::Probe {
            // Its own attempts took time: the next task does not ask right after them.
            self.due = self.due.max(now + with_jitter(self.delay));
        }
        self.line.push_back(check);
    }

    /// When the first task leaves the line at the latest, unless the outage ends before. None when the line is empty.
    pub(super) fn next_due(&self, health: &GatewayHealth) -> Option<Instant> {
        self.line.front()?;
        Some(health.outage().map_or(self.due, |outage| self.due.min(outage.until)))
    }

    /// The first task, if it may leave the line.
    pub(super) fn pop_due(&mut self, health: &GatewayHealth) -> Option<PendingCheck> {
        let now = Instant::now();
        self.line.front()?;
        let turn = match health.outage() {
            None => Turn::Normal,
            Some(outage) if !outage.is_awaited() => Turn::GiveUp,
            Some(_) if self.due <= now => Turn::Probe,
            Some(_) => return None,
        };
        if turn == Turn::Probe {
            self.advance(now);
        }
        let PendingCheck { request, poll } = self.line.pop_front()?;
        Some(PendingCheck { request, poll: PollState { turn, ..poll } })
    }

    /// The first task, in any case.
    pub(super) fn pop(&mut self) -> Option<PendingCheck> {
        self.line.pop_front()
    }

    /// Schedules the next task to ask.
    fn advance(&mut self, now: Instant) {
        self.due = now + with_jitter(self.delay);
        self.delay = grow(self.delay).min(MAX_PROBE_DELAY);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::super::outage::tests::{answer, fail};
    use super::super::poll_queue::PollPolicy;
    use super::*;
    use crate::domain::task::TaskId;

    const LONG: Duration = Duration::from_secs(3600);

    fn check(id: &str) -> PendingCheck {
        PendingCheck { request: Request::new(TaskId::new(id).unwrap()), poll: PollState::default() }
    }

    /// A line of three tasks, in an outage of which the run waits for the end.
    fn outage(max_outage: Duration) -> (ParkedTasks, GatewayHealth, Instant) {
        let health = GatewayHealth::new(Some(PollPolicy { max_outage, ..PollPolicy::default() }));
        fail(&health);
        let since = health.outage().unwrap().since;
        let mut parked = ParkedTasks::new(Duration::ZERO);
        for id in ["a", "b", "c"] {
            parked.push(check(id), Turn::Normal, since);
        }
        (parked, health, since)
    }

    fn popped(parked: &mut ParkedTasks, health: &GatewayHealth) -> Option<(String, Turn)> {
        parked.pop_due(health).map(|check| (check.request.id.to_string(), check.poll.turn))
    }

    #[test]
    fn one_task_at_a_time_asks_until_the_outage_ends() {
        let (mut parked, health, since) = outage(LONG);
        for id in ["a", "b", "c", "a"] {
            assert_eq!(popped(&mut parked, &health), Some((id.to_owned(), Turn::Probe)));
            parked.due = Instant::now() + LONG;
            assert_eq!(popped(&mut parked, &health), None, "the others wait");
            parked.due = Instant::now();
            parked.push(check(id), Turn::Probe, since);
        }
        answer(&health);
        for id in ["b", "c", "a"] {
            assert_eq!(popped(&mut parked, &health), Some((id.to_owned(), Turn::Normal)));
        }
        assert_eq!((parked.len(), parked.next_due(&health)), (0, None));
    }

    #[test]
    fn tasks_give_up_when_the_run_waits_no_longer() {
        let (mut parked, health, _) = outage(Duration::from_millis(200));
        parked.due = Instant::now() + LONG;
        assert_eq!(parked.next_due(&health), health.outage().map(|outage| outage.until));
        std::thread::sleep(Duration::from_millis(250));
        assert_eq!(popped(&mut parked, &health), Some(("a".to_owned(), Turn::GiveUp)));
    }

    #[test]
    fn delays_between_questions_grow_and_start_again_with_the_next_outage() {
        let mut parked = ParkedTasks::new(Duration::from_secs(2));
        let start = Instant::now();
        let mut delay = |outage: Instant| {
            parked.push(check("a"), Turn::Probe, outage);
            parked.due.duration_since(Instant::now()).as_secs_f64()
        };
        assert!((1.4..=2.0).contains(&delay(start)));
        assert!((2.2..=3.0).contains(&delay(start)));
        assert!((1.4..=2.0).contains(&delay(start + LONG)));
        for _ in 0..9 {
            parked.advance(start);
        }
        assert!(parked.due <= start + MAX_PROBE_DELAY);
    }
}
