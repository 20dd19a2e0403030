//! The client for media hosts, and the bodies that they send.
//!
//! A [`Body`] holds the connection to its host, so the connection counts exactly as long as bytes arrive. The body of a range request
//! is handed out only after its head is proven to be that range. The head is read here, once. The `transfer` module decides
//! what follows from it, and `retry` decides about another attempt.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LAST_MODIFIED, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Url, Version};

use super::address_policy::UrlPolicy;
use super::body_extent::{self, BodyExtent};
use super::headers::{self, content_coding};
use super::host_limits::{Connection, HostState};
use super::range::{self, RangeRequest};
use super::retry_after::retry_after;
use super::throttle::Throttle;
use super::transport::HttpClient;
use super::{ContentCoding, Error, HostLimiter, RedirectChain, causes};
use crate::integrity::checksum::{self, ExpectedDigest};
use crate::integrity::remote_version::{RemoteVersion, Validator};
use crate::redact::{ApiKey, display_url};

/// Sends requests to media hosts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MediaClient {
    /// It never sends the key.
    pub client: HttpClient,
    /// Where links may lead.
    pub url_policy: UrlPolicy,
    /// The limits of each host.
    pub hosts: HostLimiter,
    /// The rate limit of all bodies together.
    pub throttle: Option<Arc<Throttle>>,
}

impl MediaClient {
    /// The host of `url`.
    #[must_use]
    pub(crate) fn host_for(&self, url: &Url) -> Arc<HostState> {
        self.hosts.host_for(url)
    }

    /// Requests `url`, or a range of it, once, as soon as its host has a free connection.
    ///
    /// # Errors
    /// No response, a status other than success, or a range other than the requested one.
    pub(crate) async fn get(&self, url: &Url, range: Option<&RangeRequest>, route: &mut Route) -> Result<Body, Error> {
        let result = self.request(url, range, route, RedirectChain::default()).await;
        route.hold(result)
    }

    /// As [`MediaClient::get`], where the redirects of `chain` led to `url`. The result is not reported to the host yet.
    pub(crate) async fn request(
        &self,
        url: &Url,
        range: Option<&RangeRequest>,
        route: &mut Route,
        chain: RedirectChain,
    ) -> Result<Body, Error> {
        let UrlPolicy { key, .. } = &self.url_policy;
        tracing::debug!(url = %key.redact(&display_url(url.as_str())), range = range.map(RangeRequest::header_value), "request");
        let sent = self.send_following(url, range, route, chain).await;
        let body = sent.and_then(|(response, latency)| {
            let body = Body::from_response(response, range, self.throttle.clone())?;
            Ok(Body { latency, ..body })
        });
        body.map(|body| body.redact_key(key)).map_err(|error| {
            let error = error.redact_key(key);
            tracing::debug!(host = url.host_str(), %error, "request failed");
            error
        })
    }

    /// The last response of a chain of redirects, and how long the chain took. Each URL of it must be allowed, and each host have a free connection.
    async fn send_following(
        &self,
        url: &Url,
        range: Option<&RangeRequest>,
        route: &mut Route,
        mut chain: RedirectChain,
    ) -> Result<(Response, Duration), Error> {
        let mut url = Cow::Borrowed(url);
        let mut latency = Duration::ZERO;
        loop {
            self.url_policy.check(&url)?;
            self.client.check_proxy_host(&url).await?;
            route.lead_to(self.host_for(&url)).await?;
            let sent = Instant::now();
            let response = self.client.get(&url, range.map(RangeRequest::headers).unwrap_or_default()).await?;
            latency += sent.elapsed();
            match chain.next_url(&url, &response)? {
                Some(next) => url = Cow::Owned(next),
                None => return Ok((response, latency)),
            }
        }
    }
}

/// The host that a request is sent to, and the connection to it. A redirect leads to another host.
pub(crate) struct Route {
    host: Arc<HostState>,
    connection: Option<Connection>,
}

impl Route {
    /// Over `connection`.
    #[must_use]
    pub(crate) fn over(connection: Connection) -> Self {
        Self { host: Arc::clone(connection.host()), connection: Some(connection) }
    }

    /// To `host`, when it has a free connection.
    #[must_use]
    pub(crate) fn to(host: Arc<HostState>) -> Self {
        Self { host, connection: None }
    }

    /// The host that was asked last: its state decides about another attempt.
    #[must_use]
    pub(crate) fn host(&self) -> &Arc<HostState> {
        &self.host
    }

    /// Waits for a connection to `host`, unless there is one.
    async fn lead_to(&mut self, host: Arc<HostState>) -> Result<(), Error> {
        if self.connection.is_none() || !Arc::ptr_eq(&self.host, &host) {
            if let Some(mut connection) = self.connection.take() {
                // It redirects.
                connection.accepted();
            }
            self.host = host;
            self.connection = Some(self.host.connect().await?);
        }
        Ok(())
    }

    /// Reports `result` to the limits of the host. A body holds its connection.
    pub(crate) fn hold(&mut self, result: Result<Body, Error>) -> Result<Body, Error> {
        let Some(mut connection) = self.connection.take() else { return result };
        match result {
            Ok(body) => {
                connection.accepted();
                Ok(Body { _connection: Some(connection), ..body })
            }
            Err(error) => {
                connection.ended(&error);
                Err(error)
            }
        }
    }
}

/// The next bytes of a body; none at its end.
///
/// A body without length and end mark ends with its connection, also where TLS says no goodbye (`close_notify`).
///
/// # Errors
/// When the body breaks off, stalls or is malformed.
pub(crate) async fn next_chunk(response: &mut Response) -> Result<Option<Bytes>, Error> {
    let ends_with_connection = response.content_length().is_none()
        && response.version() < Version::HTTP_2
        && is_chunked(response.headers()).is_ok_and(|is_chunked| !is_chunked);
    match response.chunk().await {
        Err(error) if ends_with_connection && causes::is_missing_close_notify(&error) => Ok(None),
        chunk => Ok(chunk?),
    }
}

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

    fn from_response(extent: &BodyExtent, response: &Response) -> Result<Self, Error> {
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
fn is_chunked(headers: &HeaderMap) -> Result<bool, Error> {
    let value = headers::all_lossy(headers, TRANSFER_ENCODING).collect::<Vec<_>>().join(", ").to_ascii_lowercase();
    let mut codings = value.split(',').map(str::trim).filter(|coding| !matches!(*coding, "" | "identity")).peekable();
    let is_chunked = codings.peek().is_some();
    match codings.find(|coding| *coding != "chunked") {
        None => Ok(is_chunked),
        Some(_) => Err(Error::UnsupportedEncoding { header: "Transfer-Encoding", value }),
    }
}

/// A body that is being received.
pub(crate) struct Body {
    /// What its head says.
    pub head: ResponseHead,
    /// How long its host took to answer. Zero when that is not known.
    pub latency: Duration,
    response: Response,
    throttle: Option<Arc<Throttle>>,
    _connection: Option<Connection>,
}

impl Body {
    /// The body of a response: the whole file, or the requested range.
    ///
    /// # Errors
    /// For any other response, and for an encoding that can't be decoded.
    pub(crate) fn from_response(
        response: Response,
        range: Option<&RangeRequest>,
        throttle: Option<Arc<Throttle>>,
    ) -> Result<Self, Error> {
        let (status, headers) = (response.status(), response.headers());
        tracing::debug!(
            host = response.url().host_str(),
            status = status.as_u16(),
            bytes = response.content_length(),
            "response"
        );
        if status == StatusCode::RANGE_NOT_SATISFIABLE && range.is_some() {
            return Err(Error::RangeMismatch("the host has no such range of it"));
        }
        if !status.is_success() {
            return Err(Error::Status { status, retry_after: retry_after(headers) });
        }
        let head = ResponseHead::from_response(&body_extent::body_extent(status, range, headers)?, &response)?;
        Ok(Self { head, latency: Duration::ZERO, response, throttle, _connection: None })
    }

    /// Removes `key` from the head, where the host echoes it. A validator that contains the key is not used: it would be
    /// written to a journal.
    pub(crate) fn redact_key(mut self, key: &ApiKey) -> Self {
        self.head.validator = self.head.validator.take().filter(|validator| !key.occurs_in(validator.as_str()));
        self.head.content_type.iter_mut().for_each(|content_type| key.redact_in_place(content_type));
        self
    }

    /// The next bytes; none at the end. It is the end of the file only when everything that was announced has arrived.
    ///
    /// # Errors
    /// When the body breaks off, stalls or is malformed.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        next_chunk(&mut self.response).await
    }

    /// Waits until `bytes` that were received are within the rate limit.
    pub(crate) async fn wait_for_rate_limit(&self, bytes: usize) {
        if let Some(throttle) = self.throttle.as_ref().filter(|_| bytes > 0) {
            throttle.acquire(bytes).await;
        }
    }
}
