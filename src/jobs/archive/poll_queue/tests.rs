//! When unfinished tasks are asked for again.

use super::super::outage::tests::fail;
use super::*;
use crate::domain::event::Outcome;
use crate::domain::task::TaskId;

const LONG: Duration = Duration::from_secs(3600);

fn queue(timeout: Option<Duration>, first_delay: Duration, max_outage: Duration) -> (PollQueue, GatewayHealth) {
    let policy = Some(PollPolicy { timeout, first_delay, max_outage });
    let health = GatewayHealth::new(policy);
    (PollQueue::new(policy, health.deadline()), health)
}

fn check(queue: &PollQueue, id: &str) -> PendingCheck {
    queue.first_check(Request::new(TaskId::new(id).unwrap()))
}

fn report() -> TaskReport {
    TaskReport { fetched: 2, fetched_bytes: 7, ..TaskReport::new(TaskId::new("t").unwrap(), Outcome::Pending) }
}

#[test]
fn poll_delays_grow_up_to_a_bound_with_jitter() {
    let (mut queue, health) = queue(None, Duration::from_secs(2), LONG);
    let mut check = check(&queue, "t");
    for most in [2.0, 3.0, 4.5, 6.75, 10.125, 15.0, 15.0] {
        let before = Instant::now();
        assert!(queue.defer(check, Deferral::Unfinished, &report(), &health));
        let ((due, _), next) = queue.checks.pop_first().unwrap();
        let delay = (due - before).as_secs_f64();
        assert!(delay >= most * 0.75 && delay < most + 0.5, "{delay} of {most}");
        assert!(next.poll.was_unfinished && (next.poll.fetched, next.poll.fetched_bytes) == (2, 7));
        check = next;
    }
}

#[test]
fn no_time_is_left_without_the_option_or_after_the_deadline() {
    assert!(!PollQueue::new(None, None).has_time());
    for (timeout, has_time) in [(None, true), (Some(Duration::MAX), true), (Some(Duration::ZERO), false)] {
        assert_eq!(queue(timeout, MAX_DELAY, LONG).0.has_time(), has_time, "{timeout:?}");
    }
}

#[test]
fn last_check_falls_on_the_deadline() {
    let (mut queue, health) = queue(Some(Duration::from_secs(5)), MAX_DELAY, LONG);
    for id in ["a", "b"] {
        let check = check(&queue, id);
        queue.defer(check, Deferral::Unfinished, &report(), &health);
    }
    let deadline = queue.deadline.unwrap();
    assert!(queue.checks.keys().all(|(due, _)| *due == deadline));
    assert_eq!(queue.len(), 2);
}

#[test]
fn task_waits_in_line_during_an_outage_until_the_run_gives_up() {
    let (mut queue, health) = queue(None, MAX_DELAY, LONG);
    fail(&health);
    for why in [Deferral::Unanswered, Deferral::NotAsked] {
        let check = check(&queue, "a");
        assert!(queue.defer(check, why, &report(), &health));
    }
    assert_eq!((queue.len(), queue.parked.len()), (2, 2));
    let mut last = check(&queue, "a");
    last.poll.turn = Turn::GiveUp;
    assert!(!queue.defer(last, Deferral::NotAsked, &report(), &health));
}

#[test]
fn task_without_an_answer_waits_alone_while_others_are_answered() {
    let (mut queue, health) = queue(None, MAX_DELAY, Duration::from_millis(1));
    let check = check(&queue, "a");
    assert!(queue.defer(check, Deferral::Unanswered, &report(), &health));
    assert!(queue.pop_due(&health).is_none(), "it is not due yet");
    let (_, late) = queue.checks.pop_first().unwrap();
    assert!(late.poll.unanswered_since.is_some());
    std::thread::sleep(Duration::from_millis(2));
    assert!(!queue.defer(late, Deferral::Unanswered, &report(), &health), "not for longer than an outage");
}

#[test]
fn task_that_was_not_asked_is_checked_at_once_when_the_outage_has_ended() {
    let (mut queue, health) = queue(None, MAX_DELAY, LONG);
    let check = check(&queue, "a");
    assert!(queue.defer(check, Deferral::NotAsked, &report(), &health));
    assert!(queue.pop_due(&health).is_some());
}
