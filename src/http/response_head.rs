//! What the head of a response says about its body. It is read here, once.

use std::time::SystemTime;

use reqwest::header::{CONTENT_TYPE, HeaderMap, LAST_MODIFIED, TRANSFER_ENCODING};
use reqwest::{Response, Version};

use super::body_extent::BodyExtent;
use super::headers::{self, content_coding};
use super::range;
use super::{ContentCoding, Error};
use crate::integrity::checksum::{self, ExpectedDigest};
use crate::integrity::remote_version::{RemoteVersion, Validator};

/// What the head of a response says about its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseHead {
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// The length of the body on the wire, when the host says it.
    pub length: Option<u64>,
    /// `Last-Modified`, when it is a date.
    pub last_modified: Option<SystemTime>,
    /// How the bytes are encoded.
    pub coding: ContentCoding,
    /// Whether the end of the file can be told from a cut: by a length or an end mark.
    pub has_end: bool,
    /// Whether it is the requested range, and not the whole file.
    pub is_partial: bool,
    /// What identifies this version of the file.
    pub validator: Option<Validator>,
    /// The length of the whole file, when the host says it.
    pub total: Option<u64>,
    /// Whether the host says that it serves ranges.
    pub accepts_ranges: bool,
    /// Digests of the file that the host sent.
    pub expected_digests: Vec<ExpectedDigest>,
}

impl ResponseHead {
    /// The version of the file that the bytes belong to, when it can be told from other versions.
    #[must_use]
    pub(crate) fn version(&self) -> Option<RemoteVersion> {
        let validator = self.validator.clone().filter(|_| self.coding == ContentCoding::Identity)?;
        Some(RemoteVersion { validator, total: self.total })
    }

    /// Whether a body that breaks off can be continued: the version is known, and the host serves ranges.
    #[must_use]
    pub(crate) fn can_resume(&self) -> bool {
        self.version().is_some() && (self.is_partial || self.accepts_ranges)
    }

    /// Adds what an earlier response said about the same version.
    ///
    /// # Errors
    /// When this response is of the same version and shorter.
    pub(crate) fn merge_known_version(&mut self, known: &RemoteVersion) -> Result<(), Error> {
        let is_same = self.version().is_some_and(|version| version.validator == known.validator);
        let Some(known) = known.total.filter(|_| is_same) else { return Ok(()) };
        if *self.total.get_or_insert(known) < known {
            return Err(Error::LengthMismatch(range::SHORTER_THAN_BEFORE));
        }
        self.has_end = true;
        Ok(())
    }

    pub(super) fn from_response(extent: &BodyExtent, response: &Response) -> Result<Self, Error> {
        let headers = response.headers();
        // Each body of HTTP/2 has an end mark.
        let has_end_mark = response.version() >= Version::HTTP_2 || is_chunked(headers)?;
        // A digest of the response is one of the file only where the response has all of it.
        let is_part = extent.is_partial || (extent.length.is_some() && extent.length != extent.total);
        let has_digest = headers.keys().any(|name| checksum::is_digest_header(name.as_str()));
        let values = |name: &str| headers::all_lossy(headers, name).collect();
        let last_modified = headers::lossy(headers, &LAST_MODIFIED);
        Ok(Self {
            content_type: headers::lossy(headers, &CONTENT_TYPE),
            length: extent.length,
            last_modified: last_modified.and_then(|value| httpdate::parse_http_date(&value).ok()),
            coding: content_coding(headers)?,
            has_end: (has_end_mark || extent.length.is_some()) && !extent.is_open_ended,
            is_partial: extent.is_partial,
            validator: range::strong_validator(headers),
            total: extent.total,
            accepts_ranges: range::accepts_ranges(headers),
            expected_digests: if has_digest { checksum::expected_digests(values, is_part) } else { Vec::new() },
        })
    }
}

/// Whether the body has an end mark. Without chunks it ends with its connection.
pub(super) fn is_chunked(headers: &HeaderMap) -> Result<bool, Error> {
    let value = headers::all_lossy(headers, TRANSFER_ENCODING).collect::<Vec<_>>().join(", ").to_ascii_lowercase();
    let mut codings = value.split(',').map(str::trim).filter(|coding| !matches!(*coding, "" | "identity")).peekable();
    let is_chunked = codings.peek().is_some();
    match codings.find(|coding| *coding != "chunked") {
        None => Ok(is_chunked),
        Some(_) => Err(Error::UnsupportedEncoding { header: "Transfer-Encoding", value }),
    }
}
