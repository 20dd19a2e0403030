//! Frame rates as fractions: floating-point numbers can't hold `30000/1001`.

use std::fmt;

/// The rates of videos, in frames per second.
const PLAUSIBLE: std::ops::RangeInclusive<u64> = 1..=1000;

/// Frames per second, as a reduced fraction. It prints as `25` or `30000/1001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameRate {
    frames: u64,
    seconds: u64,
}

impl FrameRate {
    /// So many frames in so many seconds; `None` when that is not plausible.
    #[must_use]
    pub(crate) fn new(frames: u64, seconds: u64) -> Option<Self> {
        let divisor = gcd(frames, seconds);
        if divisor == 0 || !PLAUSIBLE.contains(&frames.checked_div(seconds)?) {
            return None;
        }
        Some(Self { frames: frames / divisor, seconds: seconds / divisor })
    }

    /// The rate of frames that last so many nanoseconds, rounded to whole ones. It is the usual rate that rounds to this, or else
    /// the exact quotient.
    #[must_use]
    pub(super) fn from_nanoseconds(duration: u64) -> Option<Self> {
        const SECOND: u64 = 1_000_000_000;
        let rounds_to = |frames: u64, seconds: u64| SECOND.checked_mul(seconds).map(|all| (all / frames).abs_diff(duration) <= 1);
        let whole = (SECOND + duration / 2).checked_div(duration)?;
        match whole {
            0 => None,
            _ if rounds_to(whole, 1)? => Self::new(whole, 1),
            _ if rounds_to(whole * 1000, 1001)? => Self::new(whole * 1000, 1001),
            _ => Self::new(SECOND, duration),
        }
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            1 => write!(f, "{}", self.frames),
            seconds => write!(f, "{}/{seconds}", self.frames),
        }
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_a_reduced_fraction() {
        let text = |frames, seconds| FrameRate::new(frames, seconds).map(|rate| rate.to_string());
        assert_eq!(text(30_000, 1001).as_deref(), Some("30000/1001"));
        assert_eq!(text(12_800, 512).as_deref(), Some("25"));
        assert_eq!(text(25, 2).as_deref(), Some("25/2"));
        for (frames, seconds) in [(0, 1), (1, 0), (0, 0), (1, 2), (1001, 1), (u64::MAX, 1), (1, u64::MAX)] {
            assert_eq!(text(frames, seconds), None, "{frames} {seconds}");
        }
    }

    #[test]
    fn usual_rate_is_found_from_rounded_nanoseconds() {
        for (duration, expected) in [
            (83_333_333, Some("12")),
            (41_666_667, Some("24")),
            (41_708_333, Some("24000/1001")),
            (40_000_000, Some("25")),
            (33_366_667, Some("30000/1001")),
            (33_333_333, Some("30")),
            (16_683_333, Some("60000/1001")),
            (80_000_000, Some("25/2")),
            (33_000_000, Some("1000/33")),
            (0, None),
            (1, None),
            (u64::MAX, None),
        ] {
            assert_eq!(FrameRate::from_nanoseconds(duration).map(|rate| rate.to_string()).as_deref(), expected, "{duration}");
        }
    }
}
