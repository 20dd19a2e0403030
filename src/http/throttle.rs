//! The rate limit of the whole run, in bytes per second.
//!
//! Each chunk books the time that it takes at the rate, and its reader waits until the booked time ends. At most a tenth of a
//! second of unused time is kept, so there is no burst after a pause.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most unused time that is kept.
const BURST: Duration = Duration::from_millis(100);

/// Limits all readers together to one rate.
pub struct Throttle {
    bytes_per_second: f64,
    booked: Mutex<Instant>,
}

impl Throttle {
    /// A limit of `bytes_per_second`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1) as f64, booked: Mutex::new(Instant::now()) }
    }

    /// Waits until `bytes` more are within the rate.
    pub async fn acquire(&self, bytes: usize) {
        tokio::time::sleep_until(self.book(bytes, Instant::now()).into()).await;
    }

    /// Books time for `bytes`. Returns when they may pass.
    #[expect(clippy::cast_precision_loss, reason = "a chunk is no longer than 53 bits")]
    fn book(&self, bytes: usize, now: Instant) -> Instant {
        let mut booked = self.booked.lock().unwrap_or_else(PoisonError::into_inner);
        let start = (*booked).max(now.checked_sub(BURST).unwrap_or(now));
        *booked = start + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        *booked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_is_shared_by_all_readers() {
        let start = Instant::now();
        let throttle = Throttle::new(1000);
        let last = (0..100).map(|_| throttle.book(100, start)).last().unwrap();
        let took = last.duration_since(start).as_secs_f64();
        assert!((9.8..=10.01).contains(&took), "10,000 bytes at 1,000 a second took {took}");
    }

    #[test]
    fn idle_time_gives_no_extra_rate() {
        let start = Instant::now();
        let throttle = Throttle::new(1000);
        let later = start + Duration::from_secs(60);
        assert!(throttle.book(1000, later) >= later + Duration::from_millis(900));
    }
}
