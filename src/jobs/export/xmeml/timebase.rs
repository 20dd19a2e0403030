//! Frame rates as XMEML has them: a whole number of frames per second, or with `ntsc` 1000/1001 of 24, 30 or a multiple of these.
//!
//! Any other rate, such as 12.5, becomes the nearest of these, because XMEML has no other. Times are counted anew in it, so
//! that they stay right in seconds, and an editor measures the rate of the file itself.

use crate::domain::frame_rate::FrameRate;
use crate::jobs::export::timeline::divide_rounding;

/// A frame rate as XMEML has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Timebase {
    pub frames: u32,
    pub is_ntsc: bool,
}

impl Timebase {
    /// The expressible rate that is nearest.
    #[must_use]
    pub(super) fn nearest(rate: FrameRate) -> Self {
        let (numerator, denominator) = (i128::from(rate.numerator()), i128::from(rate.denominator()));
        let whole = divide_rounding(numerator, denominator);
        let ntsc = divide_rounding(1001 * numerator, 1000 * denominator);
        // Both distances, multiplied by 1001 and the denominator.
        let whole_distance = 1001 * (numerator - whole * denominator).abs();
        let ntsc_distance = (1001 * numerator - 1000 * ntsc * denominator).abs();
        let is_ntsc = (ntsc % 24 == 0 || ntsc % 30 == 0) && ntsc_distance < whole_distance;
        let frames = if is_ntsc { ntsc } else { whole };
        Self { frames: u32::try_from(frames).unwrap_or(u32::MAX).max(1), is_ntsc }
    }

    #[must_use]
    pub(super) fn rate(self) -> FrameRate {
        let frames = u64::from(self.frames);
        let rate = if self.is_ntsc { FrameRate::new(frames * 1000, 1001) } else { FrameRate::new(frames, 1) };
        rate.unwrap_or(FrameRate::FILM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_the_nearest_timebase() {
        for (rate, frames, is_ntsc, exact) in [
            ("24000/1001", 24, true, true),
            ("30000/1001", 30, true, true),
            ("60000/1001", 60, true, true),
            ("120000/1001", 120, true, true),
            ("48000/1001", 48, true, true),
            ("12000/1001", 12, false, false),
            ("29.97", 30, true, true),
            ("23.98", 24, true, false),
            ("1", 1, false, true),
            ("12", 12, false, true),
            ("16", 16, false, true),
            ("24", 24, false, true),
            ("25", 25, false, true),
            ("50", 50, false, true),
            ("1000", 1000, false, true),
            ("12.5", 13, false, false),
            ("359/12", 30, true, false),
            ("29.99", 30, false, false),
            ("14.9", 15, false, false),
        ] {
            let rate: FrameRate = rate.parse().unwrap();
            let timebase = Timebase::nearest(rate);
            assert_eq!(timebase, Timebase { frames, is_ntsc }, "{rate}");
            assert_eq!(timebase.rate() == rate, exact, "{rate}");
        }
    }
}
