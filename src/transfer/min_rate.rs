//! `--min-rate`: finds a transfer that is too slow, so that it is cut and resumed on another connection.
//!
//! Only the time that is spent waiting for the host counts: not that of `--limit-rate`, and not that of the disk. The bytes are
//! compared with the rate each time that this time reaches the stall timeout. The caller decides whether a transfer may be cut:
//! never one that can't be resumed, and never the last attempt.

use std::time::Duration;

use crate::http::Error;

/// The rate below which a transfer is too slow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinRate {
    /// Bytes per second.
    pub rate: u64,
    /// The time over which it is measured: the stall timeout.
    pub period: Duration,
}

impl MinRate {
    /// The bytes that a transfer which is not too slow receives in one period.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bound")]
    pub(super) fn bytes_per_period(self) -> u64 {
        (self.rate as f64 * self.period.as_secs_f64()) as u64
    }
}

/// Measures one transfer. Without a rate it never is too slow.
#[derive(Default)]
pub(super) struct RateMonitor {
    min_rate: Option<MinRate>,
    waited: Duration,
    bytes: u64,
    is_too_slow: bool,
}

impl RateMonitor {
    pub(super) fn new(min_rate: Option<MinRate>) -> Self {
        Self { min_rate, ..Self::default() }
    }

    /// Counts `bytes` that arrived after a wait of `waited`.
    pub(super) fn count(&mut self, bytes: usize, waited: Duration) {
        let Some(min_rate) = self.min_rate else { return };
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited >= min_rate.period {
            // A wait may be longer than the period.
            let periods = self.waited.div_duration_f64(min_rate.period);
            self.is_too_slow = to_f64(self.bytes) < to_f64(min_rate.bytes_per_period()) * periods;
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
    }

    /// # Errors
    /// When the transfer was too slow in the period that ended last.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.is_too_slow { Err(Error::TooSlow) } else { Ok(()) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn monitor(rate: u64, seconds: u64) -> RateMonitor {
        RateMonitor::new(Some(MinRate { rate, period: Duration::from_secs(seconds) }))
    }

    #[test]
    fn slow_transfer_is_found_after_one_period_of_waiting() {
        let mut slow = monitor(1000, 3);
        for _ in 0..3 {
            assert!(slow.check().is_ok());
            slow.count(999, SECOND);
        }
        assert!(matches!(slow.check(), Err(Error::TooSlow)));
        let mut quick = monitor(1000, 3);
        (0..1000).for_each(|_| quick.count(1001, SECOND));
        assert!(quick.check().is_ok());
    }

    #[test]
    fn time_without_waiting_does_not_count() {
        let mut quick = monitor(1000, 3);
        (0..1000).for_each(|_| quick.count(1, Duration::ZERO));
        assert!(quick.check().is_ok(), "the rate limit and the disk are not the host");
        let mut unlimited = RateMonitor::default();
        (0..1000).for_each(|_| unlimited.count(0, SECOND));
        assert!(unlimited.check().is_ok());
    }

    #[test]
    fn long_wait_counts_as_many_periods() {
        for (bytes, is_too_slow) in [(3000, true), (6000, false)] {
            let mut transfer = monitor(1000, 3);
            transfer.count(bytes, 6 * SECOND);
            assert_eq!(transfer.check().is_err(), is_too_slow, "{bytes}");
        }
    }
}
