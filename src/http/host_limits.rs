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

use super::retry::{RetryPolicy, RetryState};

/// What a refusal costs at least, however short the wait: a host that asks for none must not be asked forever.
const MIN_COOLDOWN_COST: Duration = Duration::from_secs(1);

/// All hosts of a run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostLimiter {
    max_concurrent: usize,
    policy: RetryPolicy,
    known: Arc<Mutex<HashMap<String, Arc<HostState>>>>,
}

/// One host.
pub(crate) struct HostState {
    permits: Arc<Semaphore>,
    cooldown: Mutex<Cooldown>,
}

/// How a host is to be left alone.
struct Cooldown {
    until: Instant,
    delays: RetryState,
    wait_budget: Duration,
    policy: RetryPolicy,
}

impl HostLimiter {
    /// Each host gets `at_once` requests at most.
    #[must_use]
    pub(crate) fn new(max_concurrent: usize, policy: RetryPolicy) -> Self {
        Self { max_concurrent, policy, known: Arc::default() }
    }

    /// The host of `url`, by name and port.
    #[must_use]
    pub(crate) fn host_for(&self, url: &Url) -> Arc<HostState> {
        let name = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name).or_insert_with(|| Arc::new(HostState::new(self.max_concurrent, self.policy))))
    }
}

impl HostState {
    fn new(at_once: usize, policy: RetryPolicy) -> Self {
        let rest =
            Cooldown { until: Instant::now(), delays: unlimited_retries(policy), wait_budget: policy.max_busy_wait, policy };
        Self { permits: Arc::new(Semaphore::new(at_once)), cooldown: Mutex::new(rest) }
    }

    /// Waits until the host may be asked, and for a permit to ask it.
    pub(crate) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let until = self.lock_cooldown().until;
            if until > Instant::now() {
                tokio::time::sleep_until(until.into()).await;
                continue;
            }
            // It is never closed, so the permit always comes.
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            if self.lock_cooldown().until <= Instant::now() {
                return permit;
            }
        }
    }

    /// A permit, if one is free and the host is not resting.
    #[must_use]
    pub(crate) fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        if self.lock_cooldown().until > Instant::now() {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// The host answered with something else than that it is busy.
    pub(crate) fn reset_backoff(&self) {
        let mut rest = self.lock_cooldown();
        if rest.until <= Instant::now() {
            (rest.delays, rest.wait_budget) = (unlimited_retries(rest.policy), rest.policy.max_busy_wait);
        }
    }

    /// The host says that it is busy, and for how long: it gets its rest. Whether that is worth waiting for, beside the tries.
    #[must_use]
    pub(crate) fn start_cooldown(&self, asked: Option<Duration>) -> bool {
        let mut rest = self.lock_cooldown();
        let now = Instant::now();
        if rest.until > now && asked.is_none() {
            // Others have heard it already, and it rests.
            return !rest.policy.max_busy_wait.is_zero();
        }
        let Some(delay) = rest.delays.next_delay(asked) else { return false };
        let cost = (now + delay).saturating_duration_since(rest.until.max(now)).max(MIN_COOLDOWN_COST);
        rest.until = rest.until.max(now + delay);
        let is_worth_it = rest.wait_budget >= cost;
        rest.wait_budget = rest.wait_budget.saturating_sub(cost);
        is_worth_it
    }

    fn lock_cooldown(&self) -> MutexGuard<'_, Cooldown> {
        self.cooldown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delays that only patience ends, unless there are no retries at all.
fn unlimited_retries(policy: RetryPolicy) -> RetryState {
    RetryState::new(RetryPolicy { retries: if policy.retries == 0 { 0 } else { u32::MAX }, ..policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(retries: u32, first_delay: Duration, minutes: u64) -> HostState {
        HostState::new(2, RetryPolicy { retries, first_delay, max_busy_wait: Duration::from_secs(60 * minutes) })
    }

    #[test]
    fn cooldown_applies_to_all_requests_of_a_host() {
        let host = host(5, Duration::from_secs(1), 10);
        assert!(host.try_acquire().is_some());
        assert!(host.start_cooldown(Some(Duration::from_secs(60))));
        assert!(host.try_acquire().is_none(), "nobody asks while it rests");
        assert!(host.start_cooldown(None), "who asked before hears the same and waits with the others");
    }

    #[test]
    fn patience_runs_out_and_a_response_restores_it() {
        let host = host(5, Duration::ZERO, 10);
        let refusals = (1..1000).take_while(|_| host.start_cooldown(None)).count();
        assert_eq!(refusals, 600, "ten minutes at a second each at least");
        host.reset_backoff();
        assert!(host.start_cooldown(None));
    }

    #[test]
    fn without_patience_the_host_cools_down_but_retries_decide() {
        for host in [host(5, Duration::from_secs(60), 0), host(0, Duration::from_secs(60), 0)] {
            assert!(!host.start_cooldown(None));
        }
        let host = host(5, Duration::from_secs(60), 0);
        assert!(!host.start_cooldown(None));
        assert!(host.try_acquire().is_none(), "it rests all the same");
    }

    #[test]
    fn hosts_are_distinguished_by_name_and_port() {
        let hosts = HostLimiter::new(1, RetryPolicy { retries: 1, first_delay: Duration::ZERO, max_busy_wait: Duration::ZERO });
        let of = |url: &str| hosts.host_for(&Url::parse(url).unwrap());
        assert!(Arc::ptr_eq(&of("https://a/x?y"), &of("https://a:443/z")));
        assert!(!Arc::ptr_eq(&of("https://a/x"), &of("https://a:8443/x")));
        assert!(!Arc::ptr_eq(&of("https://a/x"), &of("https://b/x")));
    }
}
