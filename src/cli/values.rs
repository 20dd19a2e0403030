//! Parsers for the values of options: sizes, durations, times, rates. The command line and the configuration file share them.
//! Also the reverse for one value: a path, quoted for a shell.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::when::{When, WhenError};
use crate::http::client;

/// A size in bytes, as in curl: `500K`, `2M`, `1.5G`. `2MB` and `2MiB` mean the same as `2M`: all are powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let invalid = || "not a size such as 500K, 2M or 1G".to_owned();
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let unit = unit.to_ascii_uppercase();
    let prefix = unit.strip_suffix("IB").filter(|prefix| !prefix.is_empty()).or(unit.strip_suffix('B')).unwrap_or(&unit);
    let power = match prefix.as_bytes() {
        [] => Some(0),
        [prefix] => "KMGTP".find(char::from(*prefix)).map(|at| at + 1),
        _ => None,
    };
    let power = power.ok_or_else(invalid)?;
    let number: f64 = digits.parse().map_err(|_| invalid())?;
    let bytes = number * 1024_f64.powi(i32::try_from(power).map_err(|_| invalid())?);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || !(1.0..9e18).contains(&bytes) {
        return Err(invalid());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked above")]
    Ok(bytes as u64)
}

/// A duration above zero: `90s`, `10m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duration_or_zero(text)
        .and_then(|duration| if duration.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(duration) })
}

/// A duration, or zero.
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "not a duration such as 90s, 10m or 1h30m".to_owned())
}

/// A time: so long ago, a local date, or RFC 3339.
pub(super) fn when(text: &str) -> Result<When, WhenError> {
    When::parse(text, Timestamp::now(), &TimeZone::system())
}

/// A number of things, at least 1.
pub(super) fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "not a whole number of 1 or more".to_owned())
}

/// A number of retries, which may be 0.
pub(super) fn retries(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "not a whole number of 0 or more".to_owned())
}

/// A number of things per second, above zero: `10`, `0.5`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "not a number from 0.001 to 1000000".to_owned())
}

/// Whether and how long unfinished tasks are polled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WaitMode {
    No,
    Endless,
    AtMost(Duration),
}

/// A duration, or `true` or `false` in a configuration file.
pub(super) fn wait_mode(text: &str) -> Result<WaitMode, String> {
    match text {
        "false" => Ok(WaitMode::No),
        "true" => Ok(WaitMode::Endless),
        _ => duration(text).map(WaitMode::AtMost),
    }
}

/// A text that is valid in an HTTP header.
pub(super) fn header_value(text: &str) -> Result<String, &'static str> {
    if client::is_valid_header_value(text) { Ok(text.to_owned()) } else { Err("not valid in an HTTP header") }
}

/// A path as one word for a shell, which no program takes for an option.
pub(super) fn shell_quote(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    // Only a NUL can't be quoted, and no path contains one.
    shlex::try_quote(&text).map_or_else(|_| text.clone(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shell_quoted() {
        for (path, typed) in [("yescale", "yescale"), ("/a/b-c.d", "/a/b-c.d"), ("my clips", "'my clips'"), ("-x", "./-x")] {
            assert_eq!(shell_quote(Path::new(path)), typed);
        }
        for path in ["it's", "$HOME", "a;b", "~", ""] {
            assert_eq!(shlex::split(&shell_quote(Path::new(path))).unwrap(), [path]);
            assert_ne!(shell_quote(Path::new(path)), path);
        }
    }

    #[test]
    fn durations_parse_as_the_contract_defines() {
        for (text, seconds) in [("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("500ms", 0.5), ("2h", 7200.0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "10", "-5s", "0s", "soon", "1y", "s", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration_or_zero("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [("1", 1), ("100B", 100), ("500K", 512_000), ("2M", 2 << 20), ("1g", 1 << 30), ("1.5G", 3 << 29)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["2M", "2m", "2MB", "2mb", "2MiB", "2mib", "2048K", "2048KiB", "2097152B"] {
            assert_eq!(size(text), Ok(2 << 20), "{text}");
        }
        for text in
            ["", "K", "0", "-1K", "1X", "1iB", "1MM", "1BB", "1MBB", "2MB/s", "1e3K", "MB", "nan", "inf", "1e30", "0.1", "+1"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_numbers_above_zero() {
        for (text, expected) in [("10", 10.0), ("0.5", 0.5), (" 1 ", 1.0)] {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "0.0", "-1", "nan", "inf", "1/2", "10/s", "1e-9"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
