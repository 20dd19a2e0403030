//! Again, and when? This decides; the caller waits, so that waiting can be cut short and tests need no clock.
//!
//! The delay doubles from half a second up to half a minute, with jitter, so that many clients
//! which failed together don't come back together. What the host asks for with `Retry-After` holds,
//! up to two minutes: a longer wait is another run's business. Progress refills the budget, so that
//! a long download over a bad line is not punished for its length.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

const MAX_DELAY: Duration = Duration::from_secs(30);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// How often, and how soon, a request is tried again.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Further tries after the first one.
    pub retries: u32,
    /// Before the first of them; it doubles from there.
    pub first_delay: Duration,
    /// How long a busy host is waited for in all, beside the tries.
    pub max_busy_wait: Duration,
}

/// The tries of one request.
#[derive(Clone, Debug)]
pub(crate) struct RetryState {
    policy: RetryPolicy,
    used: u32,
}

impl RetryState {
    /// A whole budget.
    #[must_use]
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, used: 0 }
    }

    /// How long to wait before the next try; none when there is none.
    pub(crate) fn next_delay(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.used >= self.policy.retries {
            return None;
        }
        let backed_off = self.policy.first_delay.saturating_mul(1 << self.used.min(16)).min(MAX_DELAY);
        self.used += 1;
        // Up to a quarter less, never more than was decided.
        let jittered = backed_off.mul_f64(1.0 - jitter() / 4.0);
        Some(asked.map_or(jittered, |asked| asked.min(MAX_RETRY_AFTER).max(jittered)))
    }

    /// New bytes came: the budget is whole again.
    pub(crate) fn refill(&mut self) {
        self.used = 0;
    }
}

/// A number from 0 to 1, another one each time.
#[must_use]
pub(crate) fn jitter() -> f64 {
    let random = RandomState::new().hash_one(0_u8);
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

/// How long an answer asks to wait.
#[must_use]
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, SystemTime::now())
}

/// What a `Retry-After` asks for, in either form, seen from `now`.
fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok().map(|date| date.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(retries: u32) -> RetryState {
        RetryState::new(RetryPolicy { retries, first_delay: Duration::from_millis(500), max_busy_wait: Duration::ZERO })
    }

    #[test]
    fn retry_delays_double_up_to_a_bound_and_end() {
        let mut attempts = attempts(9);
        let delays: Vec<Duration> = std::iter::from_fn(|| attempts.next_delay(None)).collect();
        for (delay, most) in delays.iter().zip([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
            let most = Duration::from_secs_f64(most);
            assert!(*delay <= most && *delay >= most.mul_f64(0.74), "{delay:?} of {most:?}");
        }
        assert_eq!(delays.len(), 9);
        attempts.refill();
        assert!(attempts.next_delay(None).is_some());
    }

    #[test]
    fn zero_retries_means_no_retry() {
        assert_eq!(attempts(0).next_delay(Some(Duration::from_secs(1))), None);
    }

    #[test]
    fn retry_after_is_honored_within_bounds() {
        assert_eq!(attempts(1).next_delay(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(attempts(1).next_delay(Some(Duration::from_secs(86_400))), Some(MAX_RETRY_AFTER));
        assert!(attempts(1).next_delay(Some(Duration::ZERO)).unwrap() > Duration::ZERO, "an eager host is not hammered");
    }

    #[test]
    fn both_forms_of_retry_after_are_parsed() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse_retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
