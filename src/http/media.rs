//! Asking a media host for an asset, and the body that comes.
//!
//! A host's permit travels inside the [`Body`], so it is held exactly as long as bytes are coming. A
//! body that was asked for as a range is handed out only when it is proven to be that very range.
//! What the answer's head says is read here, once; what to do about it is `transfer`'s.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE, TRANSFER_ENCODING};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::OwnedSemaphorePermit;

use super::address_policy::UrlPolicy;
use super::body_extent::{self, BodyExtent};
use super::range::{self, RangeRequest};
use super::retry::retry_after;
use super::throttle::Throttle;
use super::{ContentCoding, Error, HostLimiter, check_proxy_auth};
use crate::integrity::checksum::{self, ExpectedDigest};
use crate::integrity::remote_version::{RemoteVersion, Validator};
use crate::redact::ApiKey;

/// Asks media hosts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MediaClient {
    /// Never sends the key.
    pub client: Client,
    /// Where links may lead.
    pub url_policy: UrlPolicy,
    /// What is known of the hosts.
    pub hosts: HostLimiter,
    /// The rate of all bodies together.
    pub throttle: Option<Arc<Throttle>>,
}

impl MediaClient {
    /// Asks for `url`, or for a range of it, as soon as its host may be asked.
    ///
    /// # Errors
    /// No answer, a status other than success, or a range that is not the one asked for.
    pub(crate) async fn get(&self, url: &Url, ask: Option<&RangeRequest>) -> Result<Body, Error> {
        let host = self.hosts.host_for(url);
        loop {
            let permit = host.acquire().await;
            match self.send(url, ask, permit).await {
                Err(Error::Status { status, retry_after }) if is_busy_status(status, retry_after.is_some()) => {
                    if !host.start_cooldown(retry_after) {
                        return Err(Error::Status { status, retry_after });
                    }
                }
                answer => {
                    if !matches!(answer, Err(Error::Transient(_))) {
                        host.reset_backoff();
                    }
                    return answer;
                }
            }
        }
    }

    /// As [`MediaClient::get`], but only if the host can be asked at once: none when it can't.
    pub(crate) async fn try_get(&self, url: &Url, ask: &RangeRequest) -> Option<Result<Body, Error>> {
        let permit = self.hosts.host_for(url).try_acquire()?;
        Some(self.send(url, Some(ask), Some(permit)).await)
    }

    async fn send(&self, url: &Url, ask: Option<&RangeRequest>, permit: Option<OwnedSemaphorePermit>) -> Result<Body, Error> {
        self.url_policy.check(url).map_err(|rule| Error::Permanent(rule.to_owned()))?;
        let sent = with_range_headers(self.client.get(url.clone()), ask).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return Err(Error::from_send_error(error).await),
        };
        Ok(Body::from_response(response, ask, permit, self.throttle.clone())?.redact_key(&self.url_policy.key))
    }
}

/// A request for a range, where one is asked for.
pub(crate) fn with_range_headers(request: RequestBuilder, ask: Option<&RangeRequest>) -> RequestBuilder {
    match ask {
        Some(ask) => request.header(RANGE, ask.header_value()).header(IF_RANGE, ask.version.validator.as_str()),
        None => request,
    }
}

/// Whether a host says that it is busy, and not that something is broken.
#[must_use]
pub(crate) fn is_busy_status(status: StatusCode, says_for_how_long: bool) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::SERVICE_UNAVAILABLE && says_for_how_long)
}

/// What the head of an answer says about its body.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// `Content-Type`, as it came.
    pub content_type: Option<String>,
    /// How many bytes the body has on the wire, when the host says.
    pub length: Option<u64>,
    /// `Last-Modified`, when it is a date.
    pub last_modified: Option<SystemTime>,
    /// How the bytes are encoded.
    pub coding: ContentCoding,
    /// Whether the end of the file can be told from a cut: by a length or an end mark.
    pub has_end: bool,
    /// Whether it is the range that was asked for, and not the whole.
    pub is_partial: bool,
    /// What tells this version of the file from others.
    pub validator: Option<Validator>,
    /// How long the whole file is, when the host says.
    pub total: Option<u64>,
    /// Whether the host says that it serves ranges.
    pub accepts_ranges: bool,
    /// Digests of the file that the host promises.
    pub expected_digests: Vec<ExpectedDigest>,
}

impl ResponseHead {
    /// Of which version of the file the bytes are, when they can be told from another's.
    #[must_use]
    pub fn version(&self) -> Option<RemoteVersion> {
        let validator = self.validator.clone().filter(|_| self.coding == ContentCoding::Identity)?;
        Some(RemoteVersion { validator, total: self.total })
    }

    /// Takes in what was said before about the same version.
    ///
    /// # Errors
    /// When this answer is of the same version and shorter.
    pub fn merge_known_version(&mut self, known: &RemoteVersion) -> Result<(), Error> {
        let is_same = self.version().is_some_and(|version| version.validator == known.validator);
        let Some(known) = known.total.filter(|_| is_same) else { return Ok(()) };
        if *self.total.get_or_insert(known) < known {
            return Err(Error::LengthMismatch(range::SHORTER_THAN_BEFORE));
        }
        self.has_end = true;
        Ok(())
    }

    fn from_headers(extent: &BodyExtent, headers: &HeaderMap) -> Result<Self, Error> {
        let transfer = text(headers, &TRANSFER_ENCODING).map(|coding| coding.trim().to_ascii_lowercase());
        let is_chunked = match transfer.as_deref() {
            Some("chunked") => true,
            // It ends with its connection.
            None | Some("identity") => false,
            Some(other) => {
                return Err(Error::Permanent(format!(
                    "the host sends it in a transfer encoding that was not asked for: {other}"
                )));
            }
        };
        // A digest of the answer is one of the file only where the answer has all of it.
        let is_part = extent.is_partial || (extent.length.is_some() && extent.length != extent.total);
        let values = |name: &str| {
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
        };
        Ok(Self {
            content_type: text(headers, &CONTENT_TYPE),
            length: extent.length,
            last_modified: text(headers, &LAST_MODIFIED).and_then(|value| httpdate::parse_http_date(&value).ok()),
            coding: ContentCoding::parse(&text(headers, &CONTENT_ENCODING).unwrap_or_default()).map_err(Error::Permanent)?,
            has_end: (is_chunked || extent.length.is_some()) && !extent.is_open_ended,
            is_partial: extent.is_partial,
            validator: range::strong_validator(headers),
            total: extent.total,
            accepts_ranges: range::accepts_ranges(headers),
            expected_digests: checksum::expected_digests(values, is_part),
        })
    }
}

/// A body on its way.
pub struct Body {
    /// What its head said.
    pub head: ResponseHead,
    response: Response,
    throttle: Option<Arc<Throttle>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// The body of an answer: the whole file, or the range that was asked for.
    ///
    /// # Errors
    /// For any other answer, and for an encoding that can't be undone.
    pub fn from_response(
        response: Response,
        ask: Option<&RangeRequest>,
        permit: Option<OwnedSemaphorePermit>,
        throttle: Option<Arc<Throttle>>,
    ) -> Result<Self, Error> {
        check_proxy_auth(&response)?;
        let (status, headers) = (response.status(), response.headers());
        if status == StatusCode::RANGE_NOT_SATISFIABLE && ask.is_some() {
            return Err(Error::RangeMismatch("the host has no such range of it"));
        }
        if !status.is_success() {
            return Err(Error::Status { status, retry_after: retry_after(headers) });
        }
        let head = ResponseHead::from_headers(&body_extent::body_extent(status, ask, headers)?, headers)?;
        Ok(Self { head, response, throttle, _permit: permit })
    }

    /// Takes what the host echoes of `key` out of the head. A validator with the key in it is not used: it would stand in a
    /// journal.
    pub(crate) fn redact_key(mut self, key: &ApiKey) -> Self {
        self.head.validator = self.head.validator.take().filter(|validator| !key.occurs_in(validator.as_str()));
        self.head.content_type.iter_mut().for_each(|content_type| key.redact_in_place(content_type));
        self
    }

    /// The next bytes; none at the end, which is only the end when everything promised has come.
    ///
    /// # Errors
    /// When the body breaks off, stalls or is malformed.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = self.response.chunk().await?;
        if let (Some(chunk), Some(throttle)) = (&chunk, &self.throttle) {
            throttle.acquire(chunk.len()).await;
        }
        Ok(chunk)
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
