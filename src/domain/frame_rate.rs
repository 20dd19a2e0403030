//! Frames per second as an exact fraction.
//!
//! Invariants: a rate is from 1 to 1000, in lowest terms, and both numbers fit into 31 bits, which is what editors calculate
//! with. A rate within 0.001 % of a whole number, or of 1000/1001 of one, is that rate: `29.97` and the nanoseconds of
//! Matroska are roundings of it. So equal rates are equal values.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The largest number in a fraction.
const MAX_PART: u64 = i32::MAX as u64;
/// The part of a rate that a rounding may be away from it.
const ROUNDING: u64 = 100_000;

/// Frames per second: a whole number or a fraction, such as 25 or 30000/1001.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

/// The text or number is not a rate from 1 to 1000.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a frame rate such as 24, 29.97 or 30000/1001")]
pub struct InvalidFrameRate;

impl FrameRate {
    /// 24 frames per second, the rate of films.
    pub const FILM: Self = Self { numerator: 24, denominator: 1 };

    /// `numerator` frames in `denominator` seconds.
    ///
    /// # Errors
    /// When the rate is not from 1 to 1000.
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, InvalidFrameRate> {
        let (mut numerator, mut denominator) = (numerator, denominator);
        // Nobody counts this exactly: half of each is the same rate.
        while numerator > MAX_PART || denominator > MAX_PART {
            (numerator, denominator) = (numerator / 2, denominator / 2);
        }
        if denominator == 0 || !(denominator..=1000 * denominator).contains(&numerator) {
            return Err(InvalidFrameRate);
        }
        let whole = (numerator + denominator / 2) / denominator;
        let ntsc = (1001 * numerator + 500 * denominator) / (1000 * denominator);
        let usual = [(whole, 1), (1000 * ntsc, 1001)];
        let is_near = |(n, d): &(u64, u64)| (numerator * d).abs_diff(n * denominator) <= n * denominator / ROUNDING;
        let (numerator, denominator) = usual.into_iter().find(is_near).unwrap_or((numerator, denominator));
        let divisor = greatest_common_divisor(numerator, denominator);
        let part = |number: u64| u32::try_from(number / divisor).map_err(|_| InvalidFrameRate);
        Ok(Self { numerator: part(numerator)?, denominator: part(denominator)? })
    }

    /// Frames.
    #[must_use]
    pub fn numerator(self) -> u32 {
        self.numerator
    }

    /// The seconds that the frames last.
    #[must_use]
    pub fn denominator(self) -> u32 {
        self.denominator
    }

    /// The nearest number.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl FromStr for FrameRate {
    type Err = InvalidFrameRate;

    /// Reads `24`, `29.97` or `30000/1001`.
    fn from_str(text: &str) -> Result<Self, InvalidFrameRate> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u64>().map_err(|_| InvalidFrameRate),
            false => Err(InvalidFrameRate),
        };
        if let Some((numerator, denominator)) = text.split_once('/') {
            return Self::new(number(numerator)?, number(denominator)?);
        }
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidFrameRate);
        }
        // More decimals don't make another rate.
        let scale = 1_000_000;
        let decimals = format!("{decimals:0<6}");
        let frames = number(whole)?.checked_mul(scale).ok_or(InvalidFrameRate)?;
        Self::new(frames.saturating_add(number(&decimals[..6])?), scale)
    }
}

impl TryFrom<f64> for FrameRate {
    type Error = InvalidFrameRate;

    fn try_from(rate: f64) -> Result<Self, InvalidFrameRate> {
        // Enough decimals to tell any two rates apart; the text of a number that is not finite has letters.
        format!("{rate:.6}").parse()
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => self.numerator.fmt(f),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

impl Ord for FrameRate {
    fn cmp(&self, other: &Self) -> Ordering {
        let product = |frames: u32, seconds: u32| u64::from(frames) * u64::from(seconds);
        product(self.numerator, other.denominator).cmp(&product(other.numerator, self.denominator))
    }
}

impl PartialOrd for FrameRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_exactly_and_roundings_are_recognised() {
        for (text, expected) in [
            ("24", "24"),
            ("25/1", "25"),
            ("50/2", "25"),
            ("30000/1001", "30000/1001"),
            ("29.97", "30000/1001"),
            ("2997/100", "30000/1001"),
            ("23.976", "24000/1001"),
            ("59.94", "60000/1001"),
            ("29.970029970029973", "30000/1001"),
            ("1000000000/41708333", "24000/1001"),
            ("1000000000/33333333", "30"),
            ("4294967296000/143165576533", "30"),
            ("12.5", "25/2"),
            ("7.25", "29/4"),
            ("359/12", "359/12"),
            ("23.98", "1199/50"),
            ("29.96", "749/25"),
            ("24.", "24"),
            ("1000", "1000"),
            ("1", "1"),
        ] {
            assert_eq!(text.parse::<FrameRate>().map(|rate| rate.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_rates() {
        for text in [
            "",
            "0",
            "-24",
            "+24",
            "nan",
            "inf",
            "24/0",
            "0/0",
            "1/24",
            "24fps",
            "1e9",
            "/",
            "24/",
            ".5",
            "24. 0",
            " 24",
            "1001",
            "24/1/1",
            "99999999999999999999",
            "18446744073709551615.5",
            "1.-5",
            "٢٤",
            "2.٤",
            "2.123456789٤",
        ] {
            assert!(text.parse::<FrameRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_become_the_rates_that_they_round() {
        for (number, expected) in [(24.0, "24"), (30000.0 / 1001.0, "30000/1001"), (12.5, "25/2"), (16.0, "16")] {
            assert_eq!(FrameRate::try_from(number).map(|rate| rate.to_string()), Ok(expected.to_owned()), "{number}");
        }
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 0.5] {
            assert!(FrameRate::try_from(number).is_err(), "{number}");
        }
    }

    #[test]
    fn rates_are_in_the_order_of_their_values() {
        let mut rates = ["30", "30000/1001", "24", "24000/1001", "25/2", "12"].map(|text| text.parse::<FrameRate>().unwrap());
        rates.sort_unstable();
        assert_eq!(rates.map(|rate| rate.to_string()), ["12", "25/2", "24000/1001", "24", "30000/1001", "30"]);
    }
}
