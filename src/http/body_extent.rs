//! Which bytes of a file a response contains, decided from everything that its head says about them.
//!
//! A `Content-Range` counts under any 2xx status: some hosts send slices with status 200, and whole files with status 206. The
//! header is parsed strictly and leniently. Only the strict parse (`range::validate`) permits joining bytes. The lenient parse
//! ignores wrong punctuation; it is enough to keep a slice from being saved as the whole file. A value that the lenient parse
//! can't read either is ignored; the download does not fail because of it. Only a value that can be read can contradict another
//! one.
//!
//! Invariant: a [`BodyExtent`] is the requested range, or it begins at the first byte of the file.

use std::ops::Range;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};

use super::Error;
use super::headers::all_lossy;
use super::range::{self, RangeRequest};

/// The bytes of a file that a response contains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BodyExtent {
    /// Whether they are the requested range.
    pub is_partial: bool,
    /// The length of the body on the wire, when the head says it.
    pub length: Option<u64>,
    /// The length of the whole file, when the head says it.
    pub total: Option<u64>,
    /// Whether the host says that it does not know the length of the file.
    pub is_open_ended: bool,
}

/// What a response with a 2xx status contains.
///
/// # Errors
/// When it is not the requested range and does not begin at the first byte, or when the head contradicts itself.
pub(super) fn body_extent(status: StatusCode, request: Option<&RangeRequest>, headers: &HeaderMap) -> Result<BodyExtent, Error> {
    let fields = ExtentHeaders::from_headers(status, headers);
    let Some(request) = request else {
        // The host sends a 206 without a range each time.
        let fault = if fields.is_partial && fields.range.is_none() { Error::UnnamedRange } else { Error::LengthMismatch };
        return fields.leading_extent(true).map_err(fault);
    };
    match range::validate(request, headers) {
        Ok(total) => {
            let length = fields.range.map(|range| range.end - range.start);
            Ok(BodyExtent { is_partial: true, length, total: Some(total), is_open_ended: false })
        }
        // The whole file instead of the range.
        Err(_) if fields.range.is_none() && !fields.is_partial => fields.leading_extent(false).map_err(Error::RangeMismatch),
        Err(_) if fields.is_everything() => fields.leading_extent(false).map_err(Error::RangeMismatch),
        Err(error) => Err(error),
    }
}

/// The length of the body by `Content-Length`. It is ignored beside chunks.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    let is_chunked = all_lossy(headers, TRANSFER_ENCODING).any(|coding| !coding.trim().eq_ignore_ascii_case("identity"));
    let value = headers.get(CONTENT_LENGTH).filter(|_| !is_chunked)?;
    // The same length may be repeated. The HTTP client refuses different ones.
    parse_digits(value.to_str().ok()?.split(',').next()?)
}

/// What the head of a response says about the extent of its body.
struct ExtentHeaders {
    /// Whether the status is that of a part.
    is_partial: bool,
    /// Whether the body has several parts of the file, each with its own head.
    is_multipart: bool,
    /// Whether there are several ranges that differ.
    is_ambiguous: bool,
    /// The bytes of the file that the body contains.
    range: Option<Range<u64>>,
    /// The length of the file.
    total: Option<u64>,
    /// The length of the body.
    length: Option<u64>,
    /// Whether bytes of this version can be joined with others later.
    is_resumable: bool,
}

impl ExtentHeaders {
    fn from_headers(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut ranges = all_lossy(headers, CONTENT_RANGE);
        let first = ranges.next();
        let is_ambiguous = ranges.any(|other| first.as_ref() != Some(&other));
        let (range, total) = first.as_deref().map(parse_content_range_leniently).unwrap_or_default();
        let is_multipart = all_lossy(headers, CONTENT_TYPE).any(|value| is_byteranges(&value));
        Self {
            is_partial: status == StatusCode::PARTIAL_CONTENT,
            is_multipart,
            is_ambiguous,
            range,
            total,
            length: content_length(headers),
            is_resumable: range::strong_validator(headers).is_some() && range::is_identity_encoded(headers),
        }
    }

    /// Whether the body has all bytes of the file: by its range, or by its length where the range can't be read.
    fn is_everything(&self) -> bool {
        match (&self.range, self.total) {
            (Some(range), Some(total)) => *range == (0..total),
            (None, Some(total)) => self.length == Some(total),
            _ => false,
        }
    }

    /// The file from its first byte on: all of it, or only its beginning where the rest `can_follow`.
    fn leading_extent(&self, can_follow: bool) -> Result<BodyExtent, &'static str> {
        if self.is_multipart {
            return Err("the host sends several parts of the file in one body");
        }
        if self.is_ambiguous {
            return Err("the host names two ranges of the file for one body");
        }
        let can_follow = can_follow && self.is_resumable;
        let (length, total) = match (&self.range, self.total) {
            (_, Some(total)) if self.is_everything() => (Some(total), Some(total)),
            (None, _) if self.is_partial => return Err("the host does not say which range it sends"),
            (None, total) => (total.or(self.length), total.or(self.length)),
            (Some(range), Some(total)) if range.start == 0 && can_follow => (Some(range.end), Some(total)),
            (Some(range), None) if range.start == 0 && !self.is_partial => (Some(range.end), Some(range.end)),
            _ => return Err("the host sends only a part of the file"),
        };
        if self.length.is_some() && self.length != length {
            return Err("the host names two different lengths of the file");
        }
        Ok(BodyExtent { is_partial: false, length, total, is_open_ended: self.range.is_some() && self.total.is_none() })
    }
}

/// The range and the total of a `Content-Range`, each as far as it can be understood.
fn parse_content_range_leniently(value: &str) -> (Option<Range<u64>>, Option<u64>) {
    let value = value.trim();
    let rest = match value.split_at_checked(5) {
        Some((unit, rest)) if unit.eq_ignore_ascii_case("bytes") => rest,
        // Without a unit they are bytes. Another unit says nothing about bytes.
        _ if value.starts_with(|first: char| first.is_ascii_digit() || first == '*') => value,
        _ => return (None, None),
    };
    let rest = rest.trim_start_matches([' ', '\t', '=', ':']);
    let (range, total) = rest.split_once('/').unwrap_or((rest, "*"));
    let total = parse_digits(total);
    if total == Some(0) {
        // An empty file has no bytes to send, so this total is wrong.
        return (None, None);
    }
    let range = range.split_once('-').and_then(|(from, last)| Some(parse_digits(from)?..parse_digits(last)?.checked_add(1)?));
    (range.filter(|range| !range.is_empty() && total.is_none_or(|total| range.end <= total)), total)
}

fn is_byteranges(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("multipart/byteranges")
}

/// A number that has digits only.
pub(super) fn parse_digits(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
