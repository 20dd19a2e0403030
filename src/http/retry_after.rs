//! How long a response asks to wait (`Retry-After`).
//!
//! A date is judged by the clock that wrote it: the response's own `Date`, else our clock.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// How long a response asks to wait.
#[must_use]
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    parse_retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, response_time(headers))
}

/// When a response was sent: by its own `Date`, because our clock may be wrong, else by our clock.
#[must_use]
pub(crate) fn response_time(headers: &HeaderMap) -> SystemTime {
    let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    date.unwrap_or_else(SystemTime::now)
}

/// The delay in a `Retry-After`: seconds, or a date as seen from `now`.
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

    #[test]
    fn date_in_retry_after_is_judged_by_the_date_of_the_response() {
        let headers = |date: Option<&str>, until: &str| {
            let mut headers = HeaderMap::new();
            headers.extend(date.map(|date| (DATE, date.parse().unwrap())));
            headers.insert(RETRY_AFTER, until.parse().unwrap());
            headers
        };
        let wait = |date: &str, until: &str| retry_after(&headers(Some(date), until));
        let (now, later) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(wait(now, later), Some(Duration::from_secs(60)));
        assert_eq!(wait(later, now), Some(Duration::ZERO));
        assert_eq!(wait(now, "7"), Some(Duration::from_secs(7)));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        for ours in [retry_after(&headers(None, &soon)), wait("yesterday", &soon)] {
            let ours = ours.unwrap();
            assert!(ours > Duration::from_secs(50) && ours <= Duration::from_secs(60), "our clock decides: {ours:?}");
        }
    }
}
