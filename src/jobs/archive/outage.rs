//! `--wait`: an outage of the gateway, and how long the run waits for its end.
//!
//! An outage begins when all attempts of a request failed with transient faults, and no other request was answered since the first
//! of them failed. It ends with the first answer, whatever the answer says. During an outage only a few tasks ask the gateway (see
//! `poll_queue`). Each other task leaves its slot at once, also one that waits for its next attempt. So an outage costs the run its
//! own length once, and not for each task.
//!
//! The run waits until the deadline of `--wait=DURATION`, or for an hour from the beginning of the outage when there is no
//! deadline. After that, and without `--wait`, each task asks and reports its own error.

use tokio::sync::watch;
use tokio::time::Instant;

use super::poll_queue::PollPolicy;
use crate::domain::event::{Emitter, Event, TaskError};
use crate::gateway;

/// Whether the gateway answers, as far as the requests of a run show.
pub(crate) struct GatewayHealth {
    policy: Option<PollPolicy>,
    deadline: Option<Instant>,
    state: watch::Sender<HealthState>,
}

#[derive(Default)]
struct HealthState {
    last_answer: Option<Instant>,
    outage: Option<Outage>,
}

/// An outage.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    /// When it began.
    pub since: Instant,
    /// How long the run waits for its end.
    pub until: Instant,
    /// The last fault.
    pub error: TaskError,
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

    /// An answer arrived.
    pub(super) fn record_answer(&self, emitter: &Emitter) {
        let was_out = self.state.send_if_modified(|state| {
            state.last_answer = Some(Instant::now());
            state.outage.take().is_some()
        });
        if was_out {
            emitter.emit(Event::Detail("the gateway answers again".to_owned()));
        }
    }

    /// All attempts of a request failed with transient faults, `error` at last. The first of them failed at `since`.
    pub(super) fn record_failure(&self, since: Instant, error: &gateway::Error, emitter: &Emitter) {
        let Some(policy) = self.policy else { return };
        let now = Instant::now();
        let until = self.deadline.or_else(|| now.checked_add(policy.max_outage)).unwrap_or(now);
        let is_new = self.state.send_if_modified(|state| match &mut state.outage {
            Some(outage) => {
                outage.error = error.into();
                false
            }
            None if until <= now || state.last_answer.is_some_and(|answered| answered >= since) => false,
            None => {
                state.outage = Some(Outage { since: now, until, error: error.into() });
                true
            }
        });
        if is_new {
            emitter.emit(Event::Warning(format!("{error}; the run waits until the gateway answers again")));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
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

    pub(in crate::jobs::archive) fn fail(health: &GatewayHealth) {
        health.record_failure(Instant::now(), &http::Error::StallTimeout.into(), &recorder().0);
    }

    pub(in crate::jobs::archive) fn answer(health: &GatewayHealth) {
        health.record_answer(&recorder().0);
    }

    fn waiting(timeout: Option<Duration>, max_outage: Duration) -> GatewayHealth {
        GatewayHealth::new(Some(PollPolicy { timeout, max_outage, ..PollPolicy::default() }))
    }

    #[test]
    fn outage_is_reported_once_and_ends_with_an_answer() {
        let (health, (emitter, lines)) = (waiting(None, Duration::from_secs(3600)), recorder());
        for _ in 0..3 {
            health.record_failure(Instant::now(), &http::Error::StallTimeout.into(), &emitter);
        }
        assert!(health.outage().unwrap().is_awaited() && health.outage_ended().now_or_never().is_none());
        health.record_answer(&emitter);
        health.record_answer(&emitter);
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
        health.record_failure(since, &http::Error::StallTimeout.into(), &recorder().0);
        assert!(health.outage().is_none());
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
}
