//! What is known of each host: how many requests it may get at once, and whether it asked for a rest.
//!
//! A host that says it is busy (429, or 503 with a `Retry-After`) is left alone by every request of
//! the run, not only by the one that heard it. That costs no request its tries, but our patience with
//! the host, which an answer restores. Permits are held while a body comes, never across a wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::retry::{Attempts, Policy};

/// What a refusal costs at least, however short the wait: a host that asks for none must not be asked forever.
const LEAST_COST: Duration = Duration::from_secs(1);

/// All hosts of a run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hosts {
    at_once: usize,
    policy: Policy,
    known: Arc<Mutex<HashMap<String, Arc<Host>>>>,
}

/// One host.
pub(crate) struct Host {
    permits: Arc<Semaphore>,
    rest: Mutex<Rest>,
}

/// How a host is to be left alone.
struct Rest {
    until: Instant,
    delays: Attempts,
    patience: Duration,
    policy: Policy,
}

impl Hosts {
    /// Each host gets `at_once` requests at most.
    #[must_use]
    pub(crate) fn new(at_once: usize, policy: Policy) -> Self {
        Self { at_once, policy, known: Arc::default() }
    }

    /// The host of `url`, by name and port.
    #[must_use]
    pub(crate) fn of(&self, url: &Url) -> Arc<Host> {
        let name = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name).or_insert_with(|| Arc::new(Host::new(self.at_once, self.policy))))
    }
}

impl Host {
    fn new(at_once: usize, policy: Policy) -> Self {
        let rest = Rest { until: Instant::now(), delays: endless(policy), patience: policy.patience, policy };
        Self { permits: Arc::new(Semaphore::new(at_once)), rest: Mutex::new(rest) }
    }

    /// Waits until the host may be asked, and for a permit to ask it.
    pub(crate) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let until = self.rest().until;
            if until > Instant::now() {
                tokio::time::sleep_until(until.into()).await;
                continue;
            }
            // It is never closed, so the permit always comes.
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            if self.rest().until <= Instant::now() {
                return permit;
            }
        }
    }

    /// A permit, if one is free and the host is not resting.
    #[must_use]
    pub(crate) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        if self.rest().until > Instant::now() {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// The host answered with something else than that it is busy.
    pub(crate) fn answered(&self) {
        let mut rest = self.rest();
        if rest.until <= Instant::now() {
            (rest.delays, rest.patience) = (endless(rest.policy), rest.policy.patience);
        }
    }

    /// The host says that it is busy, and for how long: it gets its rest. Whether that is worth waiting for, beside the tries.
    #[must_use]
    pub(crate) fn is_worth_waiting_for(&self, asked: Option<Duration>) -> bool {
        let mut rest = self.rest();
        let now = Instant::now();
        if rest.until > now && asked.is_none() {
            // Others have heard it already, and it rests.
            return !rest.policy.patience.is_zero();
        }
        let Some(delay) = rest.delays.next(asked) else { return false };
        let cost = (now + delay).saturating_duration_since(rest.until.max(now)).max(LEAST_COST);
        rest.until = rest.until.max(now + delay);
        let is_worth_it = rest.patience >= cost;
        rest.patience = rest.patience.saturating_sub(cost);
        is_worth_it
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delays that only patience ends, unless there are no retries at all.
fn endless(policy: Policy) -> Attempts {
    Attempts::new(Policy { retries: if policy.retries == 0 { 0 } else { u32::MAX }, ..policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(retries: u32, first_delay: Duration, minutes: u64) -> Host {
        Host::new(2, Policy { retries, first_delay, patience: Duration::from_secs(60 * minutes) })
    }

    #[test]
    fn a_busy_host_rests_for_everybody() {
        let host = host(5, Duration::from_secs(1), 10);
        assert!(host.try_permit().is_some());
        assert!(host.is_worth_waiting_for(Some(Duration::from_secs(60))));
        assert!(host.try_permit().is_none(), "nobody asks while it rests");
        assert!(host.is_worth_waiting_for(None), "who asked before hears the same and waits with the others");
    }

    #[test]
    fn patience_ends_and_an_answer_restores_it() {
        let host = host(5, Duration::ZERO, 10);
        let refusals = (1..1000).take_while(|_| host.is_worth_waiting_for(None)).count();
        assert_eq!(refusals, 600, "ten minutes at a second each at least");
        host.answered();
        assert!(host.is_worth_waiting_for(None));
    }

    #[test]
    fn without_patience_the_host_rests_but_tries_decide() {
        for host in [host(5, Duration::from_secs(60), 0), host(0, Duration::from_secs(60), 0)] {
            assert!(!host.is_worth_waiting_for(None));
        }
        let host = host(5, Duration::from_secs(60), 0);
        assert!(!host.is_worth_waiting_for(None));
        assert!(host.try_permit().is_none(), "it rests all the same");
    }

    #[test]
    fn hosts_are_told_apart_by_name_and_port() {
        let hosts = Hosts::new(1, Policy { retries: 1, first_delay: Duration::ZERO, patience: Duration::ZERO });
        let of = |url: &str| hosts.of(&Url::parse(url).unwrap());
        assert!(Arc::ptr_eq(&of("https://a/x?y"), &of("https://a:443/z")));
        assert!(!Arc::ptr_eq(&of("https://a/x"), &of("https://a:8443/x")));
        assert!(!Arc::ptr_eq(&of("https://a/x"), &of("https://b/x")));
    }
}
