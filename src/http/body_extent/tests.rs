//! Which bytes of the file a response has.

use super::*;
use crate::http::headers::tests::headers;
use crate::integrity::remote_version::{RemoteVersion, Validator};

const ETAG: (&str, &str) = ("etag", "\"a\"");
const PART: &str = "the host sends only a part of the file";
const UNSAID: &str = "the host does not say which range it sends";
const TWO: &str = "the host names two different lengths of the file";

/// `Ok` with the body's length and the total, or why not.
type Expected = Result<(Option<u64>, Option<u64>), &'static str>;

const fn whole(length: u64) -> (Option<u64>, Option<u64>) {
    (Some(length), Some(length))
}

fn decided(status: u16, ask: Option<&RangeRequest>, lines: &[(&'static str, &str)]) -> (bool, Expected) {
    match body_extent(StatusCode::from_u16(status).unwrap(), ask, &headers(lines)) {
        Ok(extent) => (extent.is_partial, Ok((extent.length, extent.total))),
        Err(Error::LengthMismatch(why) | Error::RangeMismatch(why) | Error::UnnamedRange(why)) => (false, Err(why)),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn plain_request_accepts_the_whole_file_or_nothing() {
    let (ok, part) = (200, 206);
    for (status, range, length, expected) in [
        (ok, None, None, Ok((None, None))),
        (ok, None, Some("10"), Ok(whole(10))),
        (ok, Some("bytes 0-9/10"), None, Ok(whole(10))),
        (ok, Some("bytes 0-9/10"), Some("10"), Ok(whole(10))),
        (part, Some("bytes 0-9/10"), Some("10"), Ok(whole(10))),
        (part, Some("bytes 0-9/10"), None, Ok(whole(10))),
        // A part of it.
        (ok, Some("bytes 0-4/10"), Some("5"), Err(PART)),
        (203, Some("bytes 0-4/10"), Some("5"), Err(PART)),
        (part, Some("bytes 0-4/10"), Some("5"), Err(PART)),
        (ok, Some("bytes 5-9/10"), Some("5"), Err(PART)),
        (ok, Some("bytes 5-9/*"), Some("5"), Err(PART)),
        (ok, Some("bytes=5-9/10"), Some("5"), Err(PART)),
        (ok, Some("5-9/10"), Some("5"), Err(PART)),
        (ok, Some("bytes 5-9"), Some("5"), Err(PART)),
        (part, Some("bytes 0-9/*"), Some("10"), Err(PART)),
        // 206 alone says that it is a part.
        (part, None, Some("10"), Err(UNSAID)),
        (part, Some("bytes */10"), Some("9"), Err(UNSAID)),
        (part, Some("bytes */10"), None, Err(UNSAID)),
        // All of it, by its length.
        (part, Some("bytes */10"), Some("10"), Ok(whole(10))),
        (part, Some("bytes 0-10/10"), Some("10"), Ok(whole(10))),
        (part, Some("nonsense"), Some("10"), Err(UNSAID)),
        // Two lengths.
        (ok, Some("bytes 0-9/10"), Some("11"), Err(TWO)),
        (ok, Some("bytes */10"), Some("11"), Err(TWO)),
        (ok, Some("bytes 0-9/*"), Some("11"), Err(TWO)),
        (ok, Some("bytes 9-0/10"), Some("11"), Err(TWO)),
        (ok, Some("bytes 0-10/10"), Some("5"), Err(TWO)),
        // Nonsense says nothing.
        (ok, Some("bytes 0-10/10"), Some("10"), Ok(whole(10))),
        (ok, Some("bytes 9-0/10"), Some("10"), Ok(whole(10))),
        (ok, Some("items 0-4/10"), Some("10"), Ok(whole(10))),
        (ok, Some("bytes 0-0/0"), Some("10"), Ok(whole(10))),
        (ok, Some("bytes -1-+4/-1"), Some("10"), Ok(whole(10))),
        (ok, Some("bytes 0-18446744073709551615/*"), Some("10"), Ok(whole(10))),
        (ok, Some(""), Some("10"), Ok(whole(10))),
        // The file ends somewhere, and this is what the host knows of it.
        (ok, Some("bytes 0-9/*"), Some("10"), Ok(whole(10))),
        (ok, Some("bytes 0-9/*"), None, Ok(whole(10))),
        (ok, Some("bytes */10"), None, Ok(whole(10))),
    ] {
        let lines: Vec<_> = range
            .map(|range| ("content-range", range))
            .into_iter()
            .chain(length.map(|length| ("content-length", length)))
            .collect();
        assert_eq!(decided(status, None, &lines), (false, expected), "{status} {lines:?}");
    }
}

#[test]
fn leading_range_is_accepted_only_with_a_strong_validator() {
    let leading = ("content-range", "bytes 0-4/10");
    assert_eq!(decided(200, None, &[leading, ETAG]), (false, Ok((Some(5), Some(10)))));
    assert_eq!(decided(206, None, &[leading, ETAG]), (false, Ok((Some(5), Some(10)))));
    assert_eq!(decided(200, None, &[leading, ETAG, ("content-length", "6")]), (false, Err(TWO)));
    assert_eq!(decided(200, None, &[leading, ("etag", "W/\"a\"")]), (false, Err(PART)));
    assert_eq!(decided(200, None, &[leading, ETAG, ("content-encoding", "gzip")]), (false, Err(PART)));
}

#[test]
fn multipart_and_conflicting_ranges_are_rejected() {
    let pieces = ("content-type", "Multipart/ByteRanges; boundary=x");
    assert!(decided(200, None, &[pieces]).1.is_err());
    assert!(decided(206, None, &[pieces, ("content-range", "bytes 0-9/10")]).1.is_err());
    assert!(decided(200, None, &[("content-range", "bytes 0-9/10"), ("content-range", "bytes 0-9/20")]).1.is_err());
    assert_eq!(decided(200, None, &[("content-range", "bytes 0-9/10"), ("content-range", "bytes 0-9/10")]).1, Ok(whole(10)));
}

#[test]
fn range_request_accepts_that_range_or_the_whole_file() {
    let version = RemoteVersion { validator: Validator::Etag("\"a\"".to_owned()), total: Some(10) };
    let ask = RangeRequest { start: 5, end: None, version };
    let other = "the host sends another range than the one asked for";
    for (range, length, expected) in [
        (Some("bytes 5-9/10"), Some("5"), (true, Ok((Some(5), Some(10))))),
        (Some("bytes 5-9/10"), None, (true, Ok((Some(5), Some(10))))),
        (Some("bytes 0-9/10"), Some("10"), (false, Ok(whole(10)))),
        (Some("bytes 0-9/10"), Some("9"), (false, Err(TWO))),
        (Some("bytes 0-4/10"), Some("5"), (false, Err(other))),
        (Some("bytes 6-9/10"), Some("4"), (false, Err(other))),
        (Some("bytes=5-9/10"), Some("5"), (false, Err(UNSAID))),
        (Some("bytes */10"), Some("10"), (false, Ok(whole(10)))),
        (Some("bytes 5-9/*"), Some("5"), (false, Err(UNSAID))),
    ] {
        let lines = [Some(ETAG), range.map(|range| ("content-range", range)), length.map(|length| ("content-length", length))];
        let lines: Vec<_> = lines.into_iter().flatten().collect();
        for status in [200, 203, 206] {
            assert_eq!(decided(status, Some(&ask), &lines), expected, "{status} {lines:?}");
        }
    }
    assert_eq!(decided(200, Some(&ask), &[ETAG, ("content-length", "10")]), (false, Ok(whole(10))));
    assert_eq!(decided(200, Some(&ask), &[ETAG, ("content-range", "x"), ("content-length", "10")]), (false, Ok(whole(10))));
    assert_eq!(decided(206, Some(&ask), &[ETAG, ("content-length", "10")]), (false, Err(UNSAID)));
}

#[test]
fn content_length_is_ignored_with_chunked_encoding() {
    let length = |lines: &[(&'static str, &str)]| content_length(&headers(lines));
    let ten = ("content-length", "10");
    assert_eq!(length(&[ten]), Some(10));
    assert_eq!(length(&[("content-length", "10, 10")]), Some(10));
    assert_eq!(length(&[ten, ("transfer-encoding", "chunked")]), None);
    assert_eq!(length(&[ten, ("transfer-encoding", "identity")]), Some(10));
    assert_eq!(length(&[("content-length", "+10")]), None);
}
