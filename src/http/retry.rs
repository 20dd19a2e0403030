//! Retries: one policy that decides, one driver that waits and reports.
//!
//! The budget of one request is its attempts ([`RetryState`]). The delay between them doubles from half a second up to half a
//! minute, with jitter, so that clients that failed together do not return together. Only proven progress refills the attempts,
//! so a long download over a bad line is not punished for its length. A refusal (429, 503) concerns the host and not the
//! request: the host's state decides whether it costs an attempt (see [`HostState::patience`]). A longer `Retry-After` is cut to
//! two minutes, and the host is then asked again.
//!
//! [`RetryDriver`] waits between attempts. It reports every retry with its reason and delay as a detail
//! event, and every change of a host's limits once. The stop token ends each wait.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::host_limits::{HostState, Patience, Reduction};
use super::{Error, status_line};
use crate::domain::event::{Emitter, Event};

const MAX_DELAY: Duration = Duration::from_secs(30);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);
/// How often a connection may fail without using an attempt, while other requests to the same host are accepted.
const MAX_FREE_FAULTS: u32 = 8;
/// A request that its host refuses this often waits longer each time: perhaps the host refuses this request alone. A limit of
/// 32 requests at once is halved five times until it is 1.
const QUICK_REFUSALS: u32 = 5;

/// How often, and how soon, a request is retried.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts after the first one.
    pub retries: u32,
    /// Delay before the first retry; it doubles from there.
    pub first_delay: Duration,
    /// How long to wait for a busy host in all, besides the attempts.
    pub max_busy_wait: Duration,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RetryDecision {
    /// Send the request again after this delay.
    RetryIn(Duration),
    /// Report the failure.
    GiveUp,
}

/// The attempts of one request.
#[derive(Clone, Debug)]
pub(crate) struct RetryState {
    policy: RetryPolicy,
    used: u32,
}

impl RetryState {
    /// A full budget.
    #[must_use]
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, used: 0 }
    }

    /// Uses up an attempt, if one is left. `retry_after` is what the host asked for.
    pub(crate) fn use_attempt(&mut self, retry_after: Option<Duration>) -> RetryDecision {
        if self.is_used_up() {
            return RetryDecision::GiveUp;
        }
        let delay = delay_before_retry(self.policy.first_delay, self.used, retry_after);
        self.used += 1;
        RetryDecision::RetryIn(delay)
    }

    /// Makes the budget full again, after progress.
    pub(crate) fn refill(&mut self) {
        self.used = 0;
    }

    fn is_used_up(&self) -> bool {
        self.used >= self.policy.retries
    }
}

/// A failed attempt, as the policy sees it.
pub(crate) struct Failure<'a> {
    /// Why it failed, for people.
    pub reason: &'a (dyn Display + Sync),
    /// Whether another attempt may succeed.
    pub is_transient: bool,
    /// Whether the host says that it is busy.
    pub is_busy: bool,
    /// Whether the connection failed.
    pub is_connection_fault: bool,
    /// How long the host asks to wait.
    pub retry_after: Option<Duration>,
}

impl<'a> From<&'a Error> for Failure<'a> {
    fn from(error: &'a Error) -> Self {
        Self {
            reason: error,
            is_transient: error.is_transient(),
            is_busy: error.refusal().is_some(),
            is_connection_fault: error.is_connection_fault(),
            retry_after: error.retry_after(),
        }
    }
}

/// Why there is no further attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoRetry {
    /// The policy gave up.
    GivenUp,
    /// The run was stopped during the wait.
    Stopped,
}

/// Retries one request: decides by the policy, reports, waits.
pub(crate) struct RetryDriver<'a> {
    subject: &'a (dyn Display + Sync),
    host: Arc<HostState>,
    attempts: RetryState,
    /// Refusals that cost no attempt.
    refusals: u32,
    emitter: &'a Emitter,
    stop: &'a CancellationToken,
}

impl<'a> RetryDriver<'a> {
    /// For a request to `host` that reports name `subject`.
    #[must_use]
    pub(crate) fn new(
        subject: &'a (dyn Display + Sync),
        host: Arc<HostState>,
        policy: RetryPolicy,
        emitter: &'a Emitter,
        stop: &'a CancellationToken,
    ) -> Self {
        Self { subject, host, attempts: RetryState::new(policy), refusals: 0, emitter, stop }
    }

    /// Makes the budget full again, after progress.
    pub(crate) fn refill(&mut self) {
        self.attempts.refill();
        self.refusals = 0;
    }

    /// Sets the host that was asked last: a redirect may lead to another one.
    pub(crate) fn set_host(&mut self, host: Arc<HostState>) {
        self.host = host;
    }

    /// Whether the request is given up after its next failure.
    #[must_use]
    pub(crate) fn is_last_attempt(&self) -> bool {
        self.attempts.is_used_up()
    }

    /// Waits until the request may be sent again.
    ///
    /// # Errors
    /// When there is no further attempt.
    pub(crate) async fn wait_after(&mut self, failure: &Failure<'_>) -> Result<(), NoRetry> {
        self.wait_noting(failure, |_| {}).await
    }

    /// As [`Self::wait_after`]. `note` gets the time until the retry, before the wait.
    ///
    /// # Errors
    /// When there is no further attempt.
    pub(crate) async fn wait_noting(&mut self, failure: &Failure<'_>, note: impl FnOnce(Duration)) -> Result<(), NoRetry> {
        let decision = self.stop.run_until_cancelled(self.decide(failure)).await.ok_or(NoRetry::Stopped)?;
        let RetryDecision::RetryIn(delay) = decision else { return Err(NoRetry::GivenUp) };
        tracing::debug!(subject = %self.subject, is_busy = failure.is_busy, "failed");
        // The request then waits for its host, too.
        let time_left = delay.max(self.host.cooldown_left());
        report_retry(self.subject, failure.reason, time_left, self.emitter);
        note(time_left);
        self.stop.run_until_cancelled(tokio::time::sleep(delay)).await.ok_or(NoRetry::Stopped)
    }

    async fn decide(&mut self, failure: &Failure<'_>) -> RetryDecision {
        for reduction in self.host.take_reductions() {
            self.report(&reduction);
        }
        let patience = match failure {
            Failure { is_busy: true, .. } => self.host.patience().await,
            Failure { is_connection_fault: true, .. } if self.may_be_too_many() => Patience::Free,
            _ => Patience::UseAttempt,
        };
        match patience {
            Patience::Free => {
                let delay = delay_after_refusals(self.attempts.policy.first_delay, self.refusals);
                self.refusals += 1;
                return RetryDecision::RetryIn(delay);
            }
            Patience::GivenUp => return RetryDecision::GiveUp,
            Patience::UseAttempt | Patience::Undecided => {}
        }
        if failure.is_transient { self.attempts.use_attempt(failure.retry_after) } else { RetryDecision::GiveUp }
    }

    /// Whether a failed connection may be the host's way to refuse a request.
    fn may_be_too_many(&self) -> bool {
        self.attempts.policy.retries > 0 && self.refusals < MAX_FREE_FAULTS && self.host.is_shared()
    }

    fn report(&self, reduction: &Reduction) {
        let (host, reason) = (self.host.name(), status_line(reduction.refusal.status));
        if let Some(limit) = reduction.limit {
            let requests = if limit == 1 { "1 request".to_owned() } else { format!("{limit} requests") };
            self.emitter.emit(Event::Detail(format!("{host}: {reason}; now at most {requests} at once to this host")));
        }
        if let Some(cooldown) = reduction.cooldown {
            let cooldown = Seconds(cooldown);
            self.emitter.emit(Event::Detail(format!("{host}: {reason}; no requests to this host for {cooldown}")));
        }
    }
}

/// Reports a retry of `subject` with its reason and delay, and waits.
///
/// # Errors
/// When the run is stopped during the wait.
pub(crate) async fn report_and_wait(
    subject: &(dyn Display + Sync),
    reason: &(dyn Display + Sync),
    delay: Duration,
    emitter: &Emitter,
    stop: &CancellationToken,
) -> Result<(), NoRetry> {
    report_retry(subject, reason, delay, emitter);
    stop.run_until_cancelled(tokio::time::sleep(delay)).await.ok_or(NoRetry::Stopped)
}

fn report_retry(subject: &dyn Display, reason: &dyn Display, delay: Duration, emitter: &Emitter) {
    tracing::debug!(%subject, delay = ?delay, "retry");
    emitter.emit(Event::Detail(format!("{subject}: {reason}; retry in {}", Seconds(delay))));
}

/// `0.4 s` below ten seconds, `12 s` above.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded up to a tenth: a wait is never shorter than reported.
        let tenths = self.0.as_millis().div_ceil(100);
        if tenths >= 100 || tenths.is_multiple_of(10) {
            write!(f, "{} s", tenths.div_ceil(10))
        } else {
            write!(f, "{}.{} s", tenths / 10, tenths % 10)
        }
    }
}

/// The delay before the retry after `used` others. `retry_after` is what the host asked for.
#[must_use]
pub(super) fn delay_before_retry(first_delay: Duration, used: u32, retry_after: Option<Duration>) -> Duration {
    let jittered = with_jitter(first_delay.saturating_mul(1 << used.min(16)).min(MAX_DELAY));
    retry_after.map_or(jittered, |asked| asked.min(MAX_RETRY_AFTER).max(jittered))
}

/// The delay of a request after `refusals` that cost no attempt, besides the cooldown of its host.
fn delay_after_refusals(first_delay: Duration, refusals: u32) -> Duration {
    refusals.checked_sub(QUICK_REFUSALS).map_or(Duration::ZERO, |used| delay_before_retry(first_delay, used, None))
}

/// `delay`, or up to a quarter less.
#[must_use]
pub(crate) fn with_jitter(delay: Duration) -> Duration {
    delay.mul_f64(1.0 - fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests;
