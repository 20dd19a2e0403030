//! Range requests, and the proof that bytes of two responses may be joined.
//!
//! Bytes are joined only when the second response is the exact range that was requested, of the same total and with the same
//! strong validator. Any 2xx status is accepted. A validator is an `ETag` without `W/`, else a `Last-Modified` at least a minute
//! older than the response's `Date`, because a file may change twice within a second. Without a validator nothing is joined.

use reqwest::header::{ACCEPT_RANGES, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE};

use super::body_extent::{self, parse_digits};
use super::headers::{content_coding, strict};
use super::{ContentCoding, Error};
use crate::integrity::remote_version::{RemoteVersion, Validator};

/// A `Last-Modified` younger than this, in seconds, may not identify a version.
const MIN_LAST_MODIFIED_AGE: u64 = 60;
/// Why a response of a known version is not accepted as the whole file.
pub(super) const SHORTER_THAN_BEFORE: &str = "it is shorter than the host said before of the same version";

/// The strong validator of a response, when it has one.
pub(super) fn strong_validator(headers: &HeaderMap) -> Option<Validator> {
    if let Some(etag) = strong_etag(headers) {
        return Some(Validator::Etag(etag.to_owned()));
    }
    let (changed, date) = (strict(headers, &LAST_MODIFIED)?, strict(headers, &DATE)?);
    let age = httpdate::parse_http_date(date).ok()?.duration_since(httpdate::parse_http_date(changed).ok()?).ok()?;
    (age.as_secs() >= MIN_LAST_MODIFIED_AGE).then(|| Validator::LastModified(changed.to_owned()))
}

/// The `ETag`, unless it is weak or malformed.
fn strong_etag(headers: &HeaderMap) -> Option<&str> {
    strict(headers, &ETAG).filter(|etag| etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2)
}

/// Whether a response is of the version that `validator` names.
fn matches_validator(validator: &Validator, headers: &HeaderMap) -> bool {
    match validator {
        Validator::Etag(etag) => strict(headers, &ETAG) == Some(etag),
        Validator::LastModified(changed) => strong_etag(headers).is_none() && strict(headers, &LAST_MODIFIED) == Some(changed),
    }
}

/// A range of a version of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RangeRequest {
    /// The first byte.
    pub start: u64,
    /// The byte after the last one; none for the rest of the file.
    pub end: Option<u64>,
    /// The version of the file.
    pub version: RemoteVersion,
}

impl RangeRequest {
    /// The headers of the request. A validator that no header can hold makes it a request for the whole file.
    #[must_use]
    pub(crate) fn headers(&self) -> HeaderMap {
        let values = (HeaderValue::from_str(&self.header_value()), HeaderValue::from_str(self.version.validator.as_str()));
        match values {
            (Ok(range), Ok(validator)) => HeaderMap::from_iter([(RANGE, range), (IF_RANGE, validator)]),
            _ => HeaderMap::new(),
        }
    }

    /// The value of `Range`.
    #[must_use]
    pub(crate) fn header_value(&self) -> String {
        match self.end {
            Some(to) => format!("bytes={}-{}", self.start, to.saturating_sub(1)),
            None => format!("bytes={}-", self.start),
        }
    }
}

/// Checks that a response is the requested range. Returns the length of the whole file.
///
/// # Errors
/// [`Error::RangeMismatch`] where the bytes received before are worthless, [`Error::LengthMismatch`] where the host says that the
/// same version is shorter than before.
pub(super) fn validate(request: &RangeRequest, headers: &HeaderMap) -> Result<u64, Error> {
    let mut ranges = headers.get_all(CONTENT_RANGE).iter().map(|value| value.to_str().ok().and_then(parse_content_range));
    let Some((from, to, total)) = ranges.next().flatten().filter(|range| ranges.all(|other| other.as_ref() == Some(range)))
    else {
        return Err(Error::RangeMismatch("the host does not say which range it sends"));
    };
    if from != request.start || to != request.end.map_or(total, |to| to.min(total)) {
        return Err(Error::RangeMismatch("the host sends another range than the one asked for"));
    }
    if body_extent::content_length(headers).is_some_and(|length| length != to - from) {
        return Err(Error::RangeMismatch("the host sends less or more than the range that it names"));
    }
    if !is_identity_encoded(headers) {
        return Err(Error::RangeMismatch("the host encodes a range of it"));
    }
    if !matches_validator(&request.version.validator, headers) {
        return Err(Error::RangeMismatch("the file is another one than before"));
    }
    match request.version.total {
        Some(known) if total < known => Err(Error::LengthMismatch(SHORTER_THAN_BEFORE)),
        Some(known) if total > known => Err(Error::RangeMismatch("the file has another length than before")),
        _ => Ok(total),
    }
}

/// Whether the body has no encoding.
pub(super) fn is_identity_encoded(headers: &HeaderMap) -> bool {
    content_coding(headers).is_ok_and(|coding| coding == ContentCoding::Identity)
}

/// `bytes 0-4/10` as the first byte, the byte after the last one, and the total.
fn parse_content_range(value: &str) -> Option<(u64, u64, u64)> {
    let (unit, rest) = value.trim().split_at_checked(5)?;
    let (range, total) = rest.split_once('/').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let (from, last) = range.split_once('-')?;
    let (from, to, total) = (parse_digits(from)?, parse_digits(last)?.checked_add(1)?, parse_digits(total)?);
    (from < to && to <= total).then_some((from, to, total))
}

/// Whether a host says that it serves ranges.
pub(super) fn accepts_ranges(headers: &HeaderMap) -> bool {
    strict(headers, &ACCEPT_RANGES).is_some_and(|units| units.split(',').any(|unit| unit.trim().eq_ignore_ascii_case("bytes")))
}

#[cfg(test)]
mod tests {
    use super::super::headers::tests::headers;
    use super::*;

    #[test]
    fn only_strong_validators_count() {
        let old = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        let long_after = ("date", "Sun, 06 Nov 1994 09:49:37 GMT");
        let etag = |text: &str| Some(Validator::Etag(text.to_owned()));
        let dated = || Some(Validator::LastModified(old.1.to_owned()));
        for (lines, expected) in [
            (vec![("etag", "\"abc\"")], etag("\"abc\"")),
            (vec![("etag", "\"abc\""), old], etag("\"abc\"")),
            (vec![("etag", "W/\"abc\""), old, long_after], dated()),
            (vec![("etag", "abc"), old, long_after], dated()),
            (vec![("etag", "\"abc\""), old, long_after], etag("\"abc\"")),
            (vec![("etag", "W/\"abc\""), old, ("date", "Sun, 06 Nov 1994 08:50:36 GMT")], None),
            (vec![("etag", "W/\"abc\"")], None),
            (vec![("etag", "abc")], None),
            (vec![("etag", "\"\"")], None),
            (vec![old, ("date", "Sun, 06 Nov 1994 08:50:37 GMT")], dated()),
            (vec![old, ("date", "Sun, 06 Nov 1994 08:50:36 GMT")], None),
            (vec![old, ("date", "Sun, 06 Nov 1994 08:40:00 GMT")], None),
            (vec![old], None),
            (vec![], None),
        ] {
            assert_eq!(strong_validator(&headers(&lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_the_exact_range_of_the_same_version_is_accepted() {
        let version = |total| RemoteVersion { validator: Validator::Etag("\"a\"".to_owned()), total };
        let ask = RangeRequest { start: 10, end: None, version: version(Some(30)) };
        let closed = RangeRequest { end: Some(20), ..ask.clone() };
        let unknown = RangeRequest { version: version(None), ..ask.clone() };
        let etag = ("etag", "\"a\"");
        let other_range = Err("the host sends another range than the one asked for");
        let unsaid = Err("the host does not say which range it sends");
        for (ask, lines, expected) in [
            (&ask, vec![etag, ("content-range", "bytes 10-29/30")], Ok(30)),
            (&ask, vec![etag, ("content-range", "bytes 10-29/30"), ("content-length", "20")], Ok(30)),
            (&closed, vec![etag, ("content-range", "bytes 10-19/30")], Ok(30)),
            (&unknown, vec![etag, ("content-range", "bytes 10-98/99")], Ok(99)),
            (&ask, vec![etag, ("content-range", "bytes 10-29/30"), ("content-encoding", "")], Ok(30)),
            (&ask, vec![etag, ("content-range", "Bytes 10-29/30")], Ok(30)),
            (&ask, vec![etag], unsaid),
            (&ask, vec![etag, ("content-range", "bytes 10-29/*")], unsaid),
            (&ask, vec![etag, ("content-range", "bytes 29-10/30")], unsaid),
            (&ask, vec![etag, ("content-range", "bytes 10-30/30")], unsaid),
            (&ask, vec![etag, ("content-range", "items 10-29/30")], unsaid),
            (&ask, vec![etag, ("content-range", "bytes 0-29/30")], other_range),
            (&ask, vec![etag, ("content-range", "bytes 11-29/30")], other_range),
            (&ask, vec![etag, ("content-range", "bytes 10-19/30")], other_range),
            (&closed, vec![etag, ("content-range", "bytes 10-29/30")], other_range),
            (&ask, vec![etag, ("content-range", "bytes 10-30/31")], Err("the file has another length than before")),
            (&ask, vec![etag, ("content-range", "bytes 10-28/29")], Err(SHORTER_THAN_BEFORE)),
            (&ask, vec![("etag", "\"b\""), ("content-range", "bytes 10-28/29")], Err("the file is another one than before")),
            (&ask, vec![etag, ("content-range", "bytes 10-29/30"), ("content-range", "bytes 0-29/30")], unsaid),
            (&ask, vec![("etag", "\"b\""), ("content-range", "bytes 10-29/30")], Err("the file is another one than before")),
            (&ask, vec![("content-range", "bytes 10-29/30")], Err("the file is another one than before")),
            (
                &ask,
                vec![etag, ("content-range", "bytes 10-29/30"), ("content-length", "19")],
                Err("the host sends less or more than the range that it names"),
            ),
            (
                &ask,
                vec![etag, ("content-range", "bytes 10-29/30"), ("content-encoding", "gzip")],
                Err("the host encodes a range of it"),
            ),
        ] {
            let proven = validate(ask, &headers(&lines)).map_err(|error| match error {
                Error::RangeMismatch(why) | Error::LengthMismatch(why) => why,
                other => panic!("{other}"),
            });
            assert_eq!(proven, expected, "{ask:?} {lines:?}");
        }
    }

    #[test]
    fn last_modified_matches_only_while_there_is_no_strong_etag() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let validator = Validator::LastModified(date.to_owned());
        assert!(matches_validator(&validator, &headers(&[("last-modified", date)])));
        assert!(matches_validator(&validator, &headers(&[("last-modified", date), ("etag", "W/\"a\"")])));
        assert!(!matches_validator(&validator, &headers(&[("last-modified", date), ("etag", "\"a\"")])));
        assert!(!matches_validator(&validator, &headers(&[("last-modified", "Sun, 06 Nov 1994 08:49:38 GMT")])));
    }

    #[test]
    fn range_header_names_the_last_byte() {
        let version = RemoteVersion { validator: Validator::Etag("\"a\"".to_owned()), total: None };
        let ask = RangeRequest { start: 5, end: Some(10), version };
        assert_eq!(ask.header_value(), "bytes=5-9");
        assert_eq!(RangeRequest { end: None, ..ask }.header_value(), "bytes=5-");
    }
}
