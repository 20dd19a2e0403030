//! Is this what was asked for? The proof that bytes may be spliced.
//!
//! Bytes of two answers are joined only when the second is a 206 of the exact range asked for, of
//! the same total, with the same strong validator. A validator is an `ETag` without `W/`, or a
//! `Last-Modified` at least a minute older than the answer's `Date`: within a second a file may
//! change twice. With neither there is no splicing at all.

use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED,
};

use crate::version::{Validator, Version};

/// A `Last-Modified` younger than this, in seconds, may not be the last.
const SETTLED: u64 = 60;

/// The strong validator of an answer, when it has one.
pub(super) fn validator(headers: &HeaderMap) -> Option<Validator> {
    if headers.contains_key(ETAG) {
        let etag = text(headers, &ETAG)?;
        return (etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2).then(|| Validator::Etag(etag.to_owned()));
    }
    let (changed, date) = (text(headers, &LAST_MODIFIED)?, text(headers, &DATE)?);
    let age = httpdate::parse_http_date(date).ok()?.duration_since(httpdate::parse_http_date(changed).ok()?).ok()?;
    (age.as_secs() >= SETTLED).then(|| Validator::LastModified(changed.to_owned()))
}

/// Whether an answer is of the version that `validator` names.
fn holds(validator: &Validator, headers: &HeaderMap) -> bool {
    match validator {
        Validator::Etag(etag) => text(headers, &ETAG) == Some(etag),
        Validator::LastModified(changed) => !headers.contains_key(ETAG) && text(headers, &LAST_MODIFIED) == Some(changed),
    }
}

/// A range of a version of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The first byte.
    pub from: u64,
    /// The byte after the last one; none for all that follow.
    pub to: Option<u64>,
    /// Of which version.
    pub version: Version,
}

impl Ask {
    /// The value of `Range`.
    #[must_use]
    pub fn range(&self) -> String {
        match self.to {
            Some(to) => format!("bytes={}-{}", self.from, to.saturating_sub(1)),
            None => format!("bytes={}-", self.from),
        }
    }
}

/// What an answer to an [`Ask`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    /// The bytes asked for, of a file of this length.
    Exact(u64),
    /// The whole file, from its first byte, of whatever version.
    Whole,
    /// Nothing that could be used, and why.
    Refused(&'static str),
}

/// Judges an answer with status 200, 206 or 416 to `ask`.
pub(super) fn fit(ask: &Ask, status: StatusCode, headers: &HeaderMap) -> Fit {
    match status {
        StatusCode::OK => Fit::Whole,
        StatusCode::PARTIAL_CONTENT => part(ask, headers).map_or_else(Fit::Refused, Fit::Exact),
        _ => Fit::Refused("the host has no such range of it"),
    }
}

fn part(ask: &Ask, headers: &HeaderMap) -> Result<u64, &'static str> {
    let (from, to, total) = text(headers, &CONTENT_RANGE).and_then(parse).ok_or("the host does not say which range it sends")?;
    if from != ask.from || to != ask.to.map_or(total, |to| to.min(total)) {
        return Err("the host sends another range than the one asked for");
    }
    if ask.version.total.is_some_and(|known| known != total) {
        return Err("the file has another length than before");
    }
    if text(headers, &CONTENT_LENGTH).is_some_and(|length| length.trim().parse() != Ok(to - from)) {
        return Err("the host sends less or more than the range that it names");
    }
    if text(headers, &CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err("the host encodes a range of it");
    }
    if holds(&ask.version.validator, headers) { Ok(total) } else { Err("the file is another one than before") }
}

/// `bytes 0-4/10` as the first byte, the byte after the last one, and the total.
fn parse(value: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = value.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (from, last) = range.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (from, to, total) = (number(from)?, number(last)?.checked_add(1)?, number(total)?);
    (from < to && to <= total).then_some((from, to, total))
}

/// Whether a host says that it serves ranges.
pub(super) fn are_accepted(headers: &HeaderMap) -> bool {
    text(headers, &ACCEPT_RANGES).is_some_and(|units| units.split(',').any(|unit| unit.trim().eq_ignore_ascii_case("bytes")))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_strong_validators_count() {
        let old = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        let etag = |text: &str| Some(Validator::Etag(text.to_owned()));
        for (lines, expected) in [
            (vec![("etag", "\"abc\"")], etag("\"abc\"")),
            (vec![("etag", "\"abc\""), old], etag("\"abc\"")),
            (vec![("etag", "W/\"abc\""), old, ("date", "Sun, 06 Nov 1994 09:49:37 GMT")], None),
            (vec![("etag", "abc")], None),
            (vec![("etag", "\"\"")], None),
            (vec![old, ("date", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(Validator::LastModified(old.1.to_owned()))),
            (vec![old, ("date", "Sun, 06 Nov 1994 08:50:36 GMT")], None),
            (vec![old, ("date", "Sun, 06 Nov 1994 08:40:00 GMT")], None),
            (vec![old], None),
            (vec![], None),
        ] {
            assert_eq!(validator(&headers(&lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_the_exact_range_of_the_same_version_fits() {
        let version = |total| Version { validator: Validator::Etag("\"a\"".to_owned()), total };
        let ask = Ask { from: 10, to: None, version: version(Some(30)) };
        let closed = Ask { to: Some(20), ..ask.clone() };
        let unknown = Ask { version: version(None), ..ask.clone() };
        let (ok, partial, bad) = (StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE);
        let etag = ("etag", "\"a\"");
        let refused = |why| Fit::Refused(why);
        let other_range = refused("the host sends another range than the one asked for");
        let unsaid = refused("the host does not say which range it sends");
        for (ask, status, lines, expected) in [
            (&ask, partial, vec![etag, ("content-range", "bytes 10-29/30")], Fit::Exact(30)),
            (&ask, partial, vec![etag, ("content-range", "bytes 10-29/30"), ("content-length", "20")], Fit::Exact(30)),
            (&closed, partial, vec![etag, ("content-range", "bytes 10-19/30")], Fit::Exact(30)),
            (&unknown, partial, vec![etag, ("content-range", "bytes 10-98/99")], Fit::Exact(99)),
            (&ask, ok, vec![], Fit::Whole),
            (&ask, bad, vec![etag, ("content-range", "bytes */30")], refused("the host has no such range of it")),
            (&ask, partial, vec![etag], unsaid),
            (&ask, partial, vec![etag, ("content-range", "bytes 10-29/*")], unsaid),
            (&ask, partial, vec![etag, ("content-range", "bytes 29-10/30")], unsaid),
            (&ask, partial, vec![etag, ("content-range", "bytes 10-30/30")], unsaid),
            (&ask, partial, vec![etag, ("content-range", "items 10-29/30")], unsaid),
            (&ask, partial, vec![etag, ("content-range", "bytes 0-29/30")], other_range),
            (&ask, partial, vec![etag, ("content-range", "bytes 11-29/30")], other_range),
            (&ask, partial, vec![etag, ("content-range", "bytes 10-19/30")], other_range),
            (&closed, partial, vec![etag, ("content-range", "bytes 10-29/30")], other_range),
            (&ask, partial, vec![etag, ("content-range", "bytes 10-30/31")], refused("the file has another length than before")),
            (
                &ask,
                partial,
                vec![("etag", "\"b\""), ("content-range", "bytes 10-29/30")],
                refused("the file is another one than before"),
            ),
            (&ask, partial, vec![("content-range", "bytes 10-29/30")], refused("the file is another one than before")),
            (
                &ask,
                partial,
                vec![etag, ("content-range", "bytes 10-29/30"), ("content-length", "19")],
                refused("the host sends less or more than the range that it names"),
            ),
            (
                &ask,
                partial,
                vec![etag, ("content-range", "bytes 10-29/30"), ("content-encoding", "gzip")],
                refused("the host encodes a range of it"),
            ),
        ] {
            assert_eq!(fit(ask, status, &headers(&lines)), expected, "{ask:?} {lines:?}");
        }
    }

    #[test]
    fn a_date_validator_holds_only_where_there_is_still_no_etag() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let validator = Validator::LastModified(date.to_owned());
        assert!(holds(&validator, &headers(&[("last-modified", date)])));
        assert!(!holds(&validator, &headers(&[("last-modified", date), ("etag", "\"a\"")])));
        assert!(!holds(&validator, &headers(&[("last-modified", "Sun, 06 Nov 1994 08:49:38 GMT")])));
    }

    #[test]
    fn ranges_are_asked_for_by_their_last_byte() {
        let version = Version { validator: Validator::Etag("\"a\"".to_owned()), total: None };
        let ask = Ask { from: 5, to: Some(10), version };
        assert_eq!(ask.range(), "bytes=5-9");
        assert_eq!(Ask { to: None, ..ask }.range(), "bytes=5-");
    }
}
