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
mod tests {
    use std::sync::Mutex;

    use super::super::HostLimiter;
    use super::*;

    fn policy(retries: u32) -> RetryPolicy {
        RetryPolicy { retries, first_delay: Duration::from_millis(500), max_busy_wait: Duration::ZERO }
    }

    fn delay(attempts: &mut RetryState, retry_after: Option<Duration>) -> Option<Duration> {
        match attempts.use_attempt(retry_after) {
            RetryDecision::RetryIn(delay) => Some(delay),
            RetryDecision::GiveUp => None,
        }
    }

    #[test]
    fn retry_delays_double_up_to_a_bound_and_end() {
        let mut attempts = RetryState::new(policy(9));
        let delays: Vec<Duration> = std::iter::from_fn(|| delay(&mut attempts, None)).collect();
        for (delay, most) in delays.iter().zip([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
            let most = Duration::from_secs_f64(most);
            assert!(*delay <= most && *delay >= most.mul_f64(0.74), "{delay:?} of {most:?}");
        }
        assert_eq!(delays.len(), 9);
        attempts.refill();
        assert!(delay(&mut attempts, None).is_some());
    }

    #[test]
    fn zero_retries_means_no_retry() {
        assert_eq!(RetryState::new(policy(0)).use_attempt(Some(Duration::from_secs(1))), RetryDecision::GiveUp);
    }

    #[test]
    fn retry_after_is_honored_within_bounds() {
        let first = |asked: u64| delay(&mut RetryState::new(policy(1)), Some(Duration::from_secs(asked))).unwrap();
        assert_eq!(first(7), Duration::from_secs(7));
        assert_eq!(first(86_400), MAX_RETRY_AFTER);
        assert!(first(0) > Duration::ZERO, "an eager host is not hammered");
    }

    #[test]
    fn delays_are_displayed_in_seconds() {
        for (millis, shown) in
            [(0, "0 s"), (1, "0.1 s"), (430, "0.5 s"), (999, "1 s"), (3000, "3 s"), (9400, "9.4 s"), (12_340, "13 s")]
        {
            assert_eq!(Seconds(Duration::from_millis(millis)).to_string(), shown, "{millis}");
        }
    }

    /// What the driver reports for `failures` in a row, and how it ends.
    async fn driven(policy: RetryPolicy, failures: &[Error], stop: &CancellationToken) -> (Vec<String>, Result<(), NoRetry>) {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let emitter = Emitter::new(move |event| {
            if let Event::Detail(line) = event {
                seen.lock().unwrap().push(line);
            }
        });
        let host = HostLimiter::new(32, 1, policy).host_for(&"https://h/a?sig=1".parse().unwrap());
        let mut driver = RetryDriver::new(&"video-1 t1", host, policy, &emitter, stop);
        let mut ended = Ok(());
        for failure in failures {
            let connection = driver.host.connect().await.unwrap();
            if let Some(refusal) = failure.refusal() {
                connection.refused(refusal);
            }
            ended = driver.wait_after(&failure.into()).await;
        }
        let lines = events.lock().unwrap().clone();
        (lines, ended)
    }

    fn status(code: u16, retry_after_millis: Option<u64>) -> Error {
        let status = reqwest::StatusCode::from_u16(code).unwrap();
        Error::Status { status, retry_after: retry_after_millis.map(Duration::from_millis) }
    }

    #[tokio::test]
    async fn each_retry_is_reported_with_its_reason_and_delay() {
        let policy = RetryPolicy { retries: 2, first_delay: Duration::ZERO, max_busy_wait: Duration::ZERO };
        let failures = [status(502, None), Error::StallTimeout, status(500, None)];
        let (lines, ended) = driven(policy, &failures, &CancellationToken::new()).await;
        assert_eq!(
            lines,
            [
                "video-1 t1: HTTP 502 Bad Gateway; retry in 0 s",
                "video-1 t1: no data received within the stall timeout; retry in 0 s"
            ]
        );
        assert_eq!(ended, Err(NoRetry::GivenUp));
    }

    #[tokio::test]
    async fn wait_for_a_busy_host_costs_no_attempt_and_is_reported() {
        let policy = RetryPolicy { retries: 1, first_delay: Duration::ZERO, max_busy_wait: Duration::from_secs(600) };
        let failures = [status(429, Some(100)), status(503, Some(100)), status(500, None)];
        let (lines, ended) = driven(policy, &failures, &CancellationToken::new()).await;
        assert_eq!(ended, Ok(()), "one attempt is left");
        assert_eq!(lines[0], "h:443: HTTP 429 Too Many Requests; now at most 1 request at once to this host");
        assert_eq!(lines[1], "h:443: HTTP 429 Too Many Requests; no requests to this host for 0.1 s");
        assert_eq!(lines[2], "video-1 t1: HTTP 429 Too Many Requests; retry in 0.1 s");
        assert_eq!(lines[5], "video-1 t1: HTTP 500 Internal Server Error; retry in 0 s");
    }

    #[tokio::test]
    async fn stop_token_ends_the_wait_and_permanent_faults_are_not_retried() {
        let stop = CancellationToken::new();
        let (lines, ended) = driven(policy(5), &[status(404, None)], &stop).await;
        assert_eq!((lines.len(), ended), (0, Err(NoRetry::GivenUp)));
        stop.cancel();
        assert_eq!(driven(policy(5), &[status(429, Some(60_000))], &stop).await.1, Err(NoRetry::Stopped));
    }
}
