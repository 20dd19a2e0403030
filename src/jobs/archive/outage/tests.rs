//! How long a run waits for a gateway that does not answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;

use super::*;
use crate::http;

/// An emitter, and the warnings and details that it got.
fn recorder() -> (Emitter, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let emitter = Emitter::new(move |event| {
        if let Event::Warning(line) | Event::Detail(line) = event {
            seen.lock().unwrap().push(line);
        }
    });
    (emitter, lines)
}

pub(in crate::jobs::archive) fn fail(health: &GatewayHealth) -> bool {
    fail_with(health, "t", http::Error::StallTimeout)
}

fn fail_with(health: &GatewayHealth, id: &str, error: http::Error) -> bool {
    health.record_failure(&TaskId::new(id).unwrap(), Instant::now(), &error.into(), &recorder().0)
}

fn no_connection() -> http::Error {
    http::Error::Connect("connection refused".to_owned())
}

pub(in crate::jobs::archive) fn answer(health: &GatewayHealth) {
    health.record_answer(true, &recorder().0);
}

fn waiting(timeout: Option<Duration>, max_outage: Duration) -> GatewayHealth {
    GatewayHealth::new(Some(PollPolicy { timeout, max_outage, ..PollPolicy::default() }))
}

#[test]
fn outage_is_reported_once_and_ends_with_an_answer() {
    let (health, (emitter, lines)) = (waiting(None, Duration::from_secs(3600)), recorder());
    for _ in 0..3 {
        let id = TaskId::new("t").unwrap();
        assert!(!health.record_failure(&id, Instant::now(), &http::Error::StallTimeout.into(), &emitter));
    }
    assert!(health.outage().unwrap().is_awaited() && health.outage_ended().now_or_never().is_none());
    health.record_answer(true, &emitter);
    health.record_answer(true, &emitter);
    assert!(health.outage().is_none() && health.outage_ended().now_or_never().is_some());
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].ends_with("; the run waits until the gateway answers again"), "{lines:?}");
}

#[test]
fn failure_of_one_task_while_others_are_answered_is_no_outage() {
    let health = waiting(None, Duration::from_secs(3600));
    let since = Instant::now();
    answer(&health);
    let id = TaskId::new("t").unwrap();
    assert!(!health.record_failure(&id, since, &http::Error::StallTimeout.into(), &recorder().0));
    assert!(health.outage().is_none());
}

#[test]
fn without_waiting_a_proven_outage_ends_the_questions() {
    let health = GatewayHealth::new(None);
    assert!(fail(&health), "nothing was ever answered");
    answer(&health);
    assert!(fail_with(&health, "t", no_connection()), "there is no way to the gateway");
    answer(&health);
    assert!(!fail_with(&health, "t", http::Error::BrokenEncoding("x".to_owned())), "it answers");
    for (id, is_over) in [("a", false), ("b", false), ("a", false), ("c", true), ("d", true)] {
        assert_eq!(fail_with(&health, id, http::Error::StallTimeout), is_over, "{id}");
    }
    answer(&health);
    assert!(!fail_with(&health, "e", http::Error::StallTimeout), "an answer ends the count");
    assert!(health.outage().is_none());
}

#[test]
fn with_waiting_a_proven_outage_ends_the_questions_when_the_time_is_spent() {
    let spent = waiting(Some(Duration::ZERO), Duration::from_secs(3600));
    assert!(fail(&spent));
    let health = waiting(None, Duration::from_secs(3600));
    answer(&health);
    assert!(!fail(&health) && !health.outage().unwrap().is_proven);
    assert!(!fail_with(&health, "t", no_connection()) && health.outage().unwrap().is_proven);
    assert!(!fail(&health) && health.outage().unwrap().is_proven, "once proven, it stays so");
    assert!(fail_with(&health, "t", http::Error::Certificate("unknown issuer".to_owned())), "that does not pass");
}

#[test]
fn gateway_is_noted_while_nothing_was_answered_since_a_question_failed() {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&noted);
    let emitter = Emitter::new(move |event| {
        if let Event::Gateway(fault) = event {
            seen.lock().unwrap().push(fault.map(|fault| fault.cause));
        }
    });
    let health = GatewayHealth::new(None);
    let retry = |since| {
        let error = gateway::Error::from(no_connection());
        health.record_retry(&RetryNotice { error: &error, since, delay: Duration::from_secs(1) }, &emitter);
    };
    let start = Instant::now();
    retry(start);
    health.record_answer(false, &emitter);
    health.record_answer(false, &emitter);
    retry(start);
    assert_eq!(*noted.lock().unwrap(), [Some("no connection: connection refused".to_owned()), None]);
}

#[test]
fn outage_is_awaited_until_the_deadline_or_for_an_hour() {
    let hour = Duration::from_secs(3600);
    let until = |health: &GatewayHealth| {
        fail(health);
        health.outage().map(|outage| outage.until - outage.since)
    };
    assert_eq!(until(&waiting(None, hour)), Some(hour));
    assert!(until(&waiting(Some(9 * hour), hour)).unwrap() > 8 * hour);
    assert_eq!(until(&waiting(Some(Duration::ZERO), hour)), None);
    assert_eq!(until(&GatewayHealth::new(None)), None);
    let over = waiting(None, Duration::from_nanos(1));
    fail(&over);
    assert!(over.outage().is_none_or(|outage| !outage.is_awaited()));
}
