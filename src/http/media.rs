//! The client for media hosts, and the bodies that they send.
//!
//! A [`Body`] holds the connection to its host, so the connection counts exactly as long as bytes arrive. The body of a range
//! request is handed out only after its head is proven to be that range. The `transfer` module decides what follows from the head,
//! and `retry` decides about another attempt.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::{Response, StatusCode, Url, Version};

use super::address_policy::UrlPolicy;
use super::body_extent;
use super::host_limits::{Connection, HostState};
use super::range::RangeRequest;
use super::response_head::{ResponseHead, is_chunked};
use super::retry_after::retry_after;
use super::throttle::Throttle;
use super::transport::HttpClient;
use super::{Error, HostLimiter, RedirectChain, causes};
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

    /// The last response of a chain of redirects, and how long the chain took. Each URL of it must be allowed, and each host have a
    /// free connection.
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
