//! Limits for each host: how many requests at once, and cooldowns.
//!
//! A host that says it is busy (429, or 503 with `Retry-After`) gets a cooldown: no request of the run is sent to it until the
//! cooldown ends, whichever request got that response. A cooldown costs no request its attempts. It costs patience with the
//! host, which any other response restores. A permit is held while a body arrives, and never during a wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use super::retry::{RetryDecision, RetryPolicy, RetryState};

/// What a cooldown costs at least: a host that asks for no wait must not be asked forever.
const MIN_COOLDOWN_COST: Duration = Duration::from_secs(1);

/// All hosts of a run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostLimiter {
    max_concurrent: usize,
    policy: RetryPolicy,
    hosts: Arc<Mutex<HashMap<String, Arc<HostState>>>>,
}

/// One host.
pub(crate) struct HostState {
    name: String,
    permits: Arc<Semaphore>,
    cooldown: Mutex<CooldownState>,
}

struct CooldownState {
    until: Instant,
    delays: RetryState,
    wait_budget: Duration,
    policy: RetryPolicy,
}

/// What a request does that found its host busy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BusyDecision {
    /// It waits until the cooldown ends, and keeps its attempts.
    Wait(Duration),
    /// The patience with the host is used up, or there is none: the request needs one of its own attempts.
    UseAttempt,
}

/// The effect of a response that says that the host is busy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cooldown {
    /// What the request does.
    pub decision: BusyDecision,
    /// The length of the cooldown, if this response started it or made it longer.
    pub started: Option<Duration>,
}

impl HostLimiter {
    /// Allows `max_concurrent` requests to one host at once.
    #[must_use]
    pub(crate) fn new(max_concurrent: usize, policy: RetryPolicy) -> Self {
        Self { max_concurrent, policy, hosts: Arc::default() }
    }

    /// The host of `url`, by name and port.
    #[must_use]
    pub(crate) fn host_for(&self, url: &Url) -> Arc<HostState> {
        let name = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&name) {
            return Arc::clone(host);
        }
        let host = Arc::new(HostState::new(name.clone(), self.max_concurrent, self.policy));
        hosts.insert(name, Arc::clone(&host));
        host
    }
}

impl HostState {
    fn new(name: String, max_concurrent: usize, policy: RetryPolicy) -> Self {
        let delays = unlimited_retries(policy);
        let cooldown = CooldownState { until: Instant::now(), delays, wait_budget: policy.max_busy_wait, policy };
        Self { name, permits: Arc::new(Semaphore::new(max_concurrent)), cooldown: Mutex::new(cooldown) }
    }

    /// Name and port, for people.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the end of a cooldown and for a permit.
    pub(crate) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let until = self.lock_cooldown().until;
            if until > Instant::now() {
                tokio::time::sleep_until(until.into()).await;
                continue;
            }
            // The semaphore is never closed, so there is always a permit.
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            if self.lock_cooldown().until <= Instant::now() {
                return permit;
            }
        }
    }

    /// A permit, if one is free and there is no cooldown.
    #[must_use]
    pub(crate) fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        if self.lock_cooldown().until > Instant::now() {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Restores the patience after a response that does not say that the host is busy.
    pub(crate) fn reset_backoff(&self) {
        let mut cooldown = self.lock_cooldown();
        if cooldown.until <= Instant::now() {
            (cooldown.delays, cooldown.wait_budget) = (unlimited_retries(cooldown.policy), cooldown.policy.max_busy_wait);
        }
    }

    /// Starts a cooldown after a response that says that the host is busy, and for how long, or joins the one under way.
    pub(crate) fn start_cooldown(&self, retry_after: Option<Duration>) -> Cooldown {
        let mut cooldown = self.lock_cooldown();
        let now = Instant::now();
        if cooldown.until > now && retry_after.is_none() {
            // Another request started this cooldown.
            let decision = match cooldown.policy.max_busy_wait.is_zero() {
                true => BusyDecision::UseAttempt,
                false => BusyDecision::Wait(cooldown.until - now),
            };
            return Cooldown { decision, started: None };
        }
        let RetryDecision::RetryIn(delay) = cooldown.delays.use_attempt(retry_after) else {
            return Cooldown { decision: BusyDecision::UseAttempt, started: None };
        };
        let before = cooldown.until.max(now);
        let added = (now + delay).saturating_duration_since(before);
        // Responses to requests that were sent together ask for nearly the same moment: that is one cooldown.
        let is_new = cooldown.until <= now || added >= MIN_COOLDOWN_COST;
        cooldown.until = before + added;
        let cost = added.max(MIN_COOLDOWN_COST);
        let is_affordable = cooldown.wait_budget >= cost;
        cooldown.wait_budget = cooldown.wait_budget.saturating_sub(cost);
        let decision = if is_affordable { BusyDecision::Wait(cooldown.until - now) } else { BusyDecision::UseAttempt };
        Cooldown { decision, started: is_new.then_some(delay) }
    }

    fn lock_cooldown(&self) -> MutexGuard<'_, CooldownState> {
        self.cooldown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delays that only the patience ends, unless there are no retries at all.
fn unlimited_retries(policy: RetryPolicy) -> RetryState {
    RetryState::new(RetryPolicy { retries: if policy.retries == 0 { 0 } else { u32::MAX }, ..policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(retries: u32, first_delay: Duration, minutes: u64) -> HostState {
        let policy = RetryPolicy { retries, first_delay, max_busy_wait: Duration::from_secs(60 * minutes) };
        HostState::new("h:443".to_owned(), 2, policy)
    }

    fn is_wait(cooldown: Cooldown) -> bool {
        matches!(cooldown.decision, BusyDecision::Wait(_))
    }

    #[test]
    fn cooldown_applies_to_all_requests_of_a_host() {
        let host = host(5, Duration::from_secs(1), 10);
        assert!(host.try_acquire().is_some());
        let minute = Duration::from_secs(60);
        assert_eq!(host.start_cooldown(Some(minute)), Cooldown { decision: BusyDecision::Wait(minute), started: Some(minute) });
        assert!(host.try_acquire().is_none(), "no request is sent during the cooldown");
        let joined = host.start_cooldown(None);
        assert!(is_wait(joined) && joined.started.is_none(), "a request that was sent before waits with the others");
        assert_eq!(host.start_cooldown(Some(minute)).started, None, "nearly the same moment is the same cooldown");
        assert!(host.start_cooldown(Some(2 * minute)).started.is_some(), "a longer one is reported");
    }

    #[test]
    fn patience_runs_out_and_a_response_restores_it() {
        let host = host(5, Duration::ZERO, 10);
        let refusals = (1..1000).take_while(|_| is_wait(host.start_cooldown(None))).count();
        assert_eq!(refusals, 600, "ten minutes at a second each at least");
        host.reset_backoff();
        assert!(is_wait(host.start_cooldown(None)));
    }

    #[test]
    fn without_patience_the_host_cools_down_but_retries_decide() {
        for host in [host(5, Duration::from_secs(60), 0), host(0, Duration::from_secs(60), 0)] {
            assert!(!is_wait(host.start_cooldown(None)));
        }
        let host = host(5, Duration::from_secs(60), 0);
        assert!(!is_wait(host.start_cooldown(None)));
        assert!(host.try_acquire().is_none(), "there is a cooldown all the same");
    }

    #[test]
    fn hosts_are_distinguished_by_name_and_port() {
        let hosts = HostLimiter::new(1, RetryPolicy { retries: 1, first_delay: Duration::ZERO, max_busy_wait: Duration::ZERO });
        let host = |url: &str| hosts.host_for(&Url::parse(url).unwrap());
        assert!(Arc::ptr_eq(&host("https://a/x?y"), &host("https://a:443/z")));
        assert!(!Arc::ptr_eq(&host("https://a/x"), &host("https://a:8443/x")));
        assert!(!Arc::ptr_eq(&host("https://a/x"), &host("https://b/x")));
    }
}
