//! A time that a person typed, for `--since` and `--until`: so long ago (`7d`), a date (`2026-10-01`) or RFC 3339.
//!
//! A date is the whole local day, from its midnight to the next one, whatever the clocks do in between. A day of `7d` has 24 hours.
//! Refuses what has no zone, years and months: their length is not fixed.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A time that a person typed: a moment, or a whole day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct When {
    start: Timestamp,
    end: Timestamp,
}

/// Why a text is not a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum WhenError {
    /// It has none of the forms.
    #[error("not a time such as 7d, 12h, 2026-10-01 or 2026-10-01T08:30:00Z")]
    Unreadable,
    /// No calendar has it.
    #[error("this time is out of range")]
    OutOfRange,
}

impl When {
    /// Reads a time. `now` is what a duration is counted from, and `zone` is where a date begins.
    ///
    /// # Errors
    /// If the text is not a time.
    pub(crate) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Self, WhenError> {
        let text = text.trim();
        if let Some(ago) = parse_duration(text) {
            return now.checked_sub(ago).map(Self::moment).map_err(|_| WhenError::OutOfRange);
        }
        match text.parse::<Timestamp>() {
            Ok(moment) => Ok(Self::moment(moment)),
            Err(_) if is_date(text) => Self::day(text.parse().map_err(|_| WhenError::Unreadable)?, zone),
            Err(_) => Err(WhenError::Unreadable),
        }
    }

    /// The first moment that `--since` includes.
    #[must_use]
    pub(crate) fn since(&self) -> Timestamp {
        self.start
    }

    /// The first moment that `--until` does not include: behind the day of a date, else behind the second of a moment.
    #[must_use]
    pub(crate) fn until(&self) -> Timestamp {
        self.end
    }

    /// The times of tasks are whole seconds, so a moment lasts to the end of its second.
    fn moment(start: Timestamp) -> Self {
        let end = Timestamp::from_second(start.as_second() + i64::from(start.subsec_nanosecond() >= 0));
        Self { start, end: end.unwrap_or(Timestamp::MAX) }
    }

    fn day(date: Date, zone: &TimeZone) -> Result<Self, WhenError> {
        let midnight = |date: Date| date.to_zoned_datetime(zone.clone()).map(|midnight| midnight.timestamp());
        let next = date.tomorrow().map_err(|_| WhenError::OutOfRange)?;
        let (start, end) = midnight(date).and_then(|start| Ok((start, midnight(next)?))).map_err(|_| WhenError::OutOfRange)?;
        Ok(Self { start, end })
    }
}

/// A duration such as `7d` or `1h30m`, zero or more.
fn parse_duration(text: &str) -> Option<SignedDuration> {
    let duration = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (!duration.is_negative()).then_some(duration)
}

/// Whether a text has the form `2026-10-01`. A date with a time and no zone would silently lose its time.
fn is_date(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, zone: &TimeZone) -> Result<(String, String), WhenError> {
        let now = "2026-11-30T12:00:00.5Z".parse().unwrap();
        When::parse(text, now, zone).map(|when| (when.since().to_string(), when.until().to_string()))
    }

    #[test]
    fn durations_count_back_from_now_and_moments_last_to_the_end_of_their_second() {
        for (text, since, until) in [
            ("7d", "2026-11-23T12:00:00.5Z", "2026-11-23T12:00:01Z"),
            (" 12h ", "2026-11-30T00:00:00.5Z", "2026-11-30T00:00:01Z"),
            ("90s", "2026-11-30T11:58:30.5Z", "2026-11-30T11:58:31Z"),
            ("1h30m", "2026-11-30T10:30:00.5Z", "2026-11-30T10:30:01Z"),
            ("0s", "2026-11-30T12:00:00.5Z", "2026-11-30T12:00:01Z"),
            ("2026-10-01T08:30:00Z", "2026-10-01T08:30:00Z", "2026-10-01T08:30:01Z"),
            ("2026-10-01T08:30:00+07:00", "2026-10-01T01:30:00Z", "2026-10-01T01:30:01Z"),
            ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:58.5Z", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(parse(text, &TimeZone::UTC), Ok((since.to_owned(), until.to_owned())), "{text}");
        }
    }

    #[test]
    fn date_is_a_whole_local_day_also_when_the_clocks_change() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // There the clocks go forward at midnight.
        let santiago = TimeZone::posix("<-04>4<-03>,M9.1.6/24,M4.1.6/24").unwrap();
        for (text, zone, since, until) in [
            ("2026-10-01", &TimeZone::UTC, "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"),
            ("2026-03-29", &berlin, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("2026-10-25", &berlin, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-09-06", &santiago, "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
            ("2026-09-05", &santiago, "2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z"),
        ] {
            assert_eq!(parse(text, zone), Ok((since.to_owned(), until.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "7",
            "d",
            "-7d",
            "1y",
            "2mo",
            "soon",
            "2026-13-01",
            "2026-02-30",
            "2026-10-01T08:30:00",
            "01.10.2026",
            "20261001",
        ] {
            assert_eq!(parse(text, &TimeZone::UTC), Err(WhenError::Unreadable), "{text}");
        }
        assert_eq!(parse("99999999d", &TimeZone::UTC), Err(WhenError::Unreadable));
        assert_eq!(parse("7000000d", &TimeZone::UTC), Err(WhenError::OutOfRange));
        assert!(parse("9999-12-31", &TimeZone::UTC).is_err());
    }
}
