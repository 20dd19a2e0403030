//! What can go wrong with a request, in words that are safe to show.
//!
//! reqwest's own messages hold the URL, which may be signed: they are taken apart here and put
//! together without it. The class (passing or final) is decided here too, by walking the chain of
//! causes: the telling one is several wrappers down.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use reqwest::{Response, StatusCode};

use super::proxy;

/// Marks a refused address in a chain of causes.
pub(super) const PRIVATE_ADDRESS: &str = "its host is at a private or loopback address; --allow-private-hosts allows that";
/// Marks a link that would carry the key to another host.
pub(super) const KEY_LEAK: &str = "its URL holds the API key and leads away from the gateway: not requested";
/// Marks a redirect that would leave https.
pub(super) const DOWNGRADE: &str = "it redirects from https to http";
/// Marks a redirect that leaves the gateway's origin.
pub(super) const OFF_ORIGIN: &str = "it redirects away from the gateway's origin";
/// Marks a chain of redirects without an end.
pub(super) const TOO_MANY_REDIRECTS: &str = "it redirects more than 10 times";

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host answered with this status.
    #[error("{}", status_line(*.status))]
    Status {
        /// The status.
        status: StatusCode,
        /// How long the host asks to wait.
        retry_after: Option<Duration>,
    },
    /// The answer is not the range that was asked for: what is here can't be continued.
    #[error("it can't be continued: {0}")]
    RangeMismatch(&'static str),
    /// What is said about the length of the file does not agree. What is here may still be continued.
    #[error("nothing shows that it is whole: {0}")]
    LengthMismatch(&'static str),
    /// Nothing came of the connection; worth another try.
    #[error("{0}")]
    Transient(String),
    /// Another try would end the same.
    #[error("{0}")]
    Permanent(String),
}

impl Error {
    /// Whether another try may end better.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => is_transient_status(*status),
            Self::Transient(_) | Self::RangeMismatch(_) | Self::LengthMismatch(_) => true,
            Self::Permanent(_) => false,
        }
    }

    /// Whether the link is dead: a fresh one from the gateway may live.
    #[must_use]
    pub fn is_dead_link(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(status.as_u16(), 401 | 403 | 404 | 410))
    }

    /// How long the host asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Whether a status stands for a passing fault.
#[must_use]
pub(crate) fn is_transient_status(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500..=599)
}

/// `HTTP 404 Not Found`
#[must_use]
pub(crate) fn status_line(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("HTTP {} {reason}", status.as_u16()),
        None => format!("HTTP {}", status.as_u16()),
    }
}

impl Error {
    /// What became of a request that got no answer. When a proxy refused, its status is part of it.
    pub(crate) async fn from_send_error(error: reqwest::Error) -> Self {
        let is_refused = causes(&error).iter().any(|cause| cause.contains("tunnel error: unsuccessful"));
        let (Some(url), true) = (error.url(), is_refused) else { return error.into() };
        match (proxy::display_name(url), proxy::probe_tunnel_refusal(url).await) {
            (Some(proxy), Some(status)) => proxy_refusal(&proxy, status),
            _ => error.into(),
        }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let causes = causes(&error);
        let innermost = causes.last().cloned().unwrap_or_default();
        let rules = [PRIVATE_ADDRESS, KEY_LEAK, DOWNGRADE, OFF_ORIGIN, TOO_MANY_REDIRECTS];
        if let Some(rule) = rules.iter().find(|rule| causes.iter().any(|cause| cause.contains(*rule))) {
            return Self::Permanent((*rule).to_owned());
        }
        // A timed-out body also counts as a decoding fault, so the timeout is looked at first.
        if error.is_timeout() {
            let what = if error.is_connect() { "the connection was not made in time" } else { "nothing came for too long" };
            return Self::Transient(what.to_owned());
        }
        if causes.iter().any(|cause| cause.contains("certificate")) {
            return Self::Permanent(format!("the host's certificate is not trusted: {innermost}"));
        }
        if error.is_builder() {
            return Self::Permanent(format!("the request can't be made: {innermost}"));
        }
        if error.is_connect()
            && let Some(proxy) = error.url().and_then(proxy::display_name)
        {
            return proxy_connect_error(&proxy, &causes);
        }
        let what = match () {
            () if error.is_connect() => "no connection",
            () if is_disconnect(&error) => "the connection broke off",
            () => "the transfer failed",
        };
        Self::Transient(if innermost.is_empty() { what.to_owned() } else { format!("{what}: {innermost}") })
    }
}

/// A connection that did not come about by way of a proxy.
fn proxy_connect_error(proxy: &str, causes: &[String]) -> Error {
    let has = |text: &str| causes.iter().any(|cause| cause.contains(text));
    if has("proxy authorization required") {
        return proxy_refusal(proxy, StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    }
    if has("tunnel error: unsuccessful") {
        return Error::Transient(format!("the proxy {proxy} refuses to connect to the host"));
    }
    let innermost = causes.last().map_or("", String::as_str);
    Error::Transient(format!("no connection by way of the proxy {proxy}: {innermost}"))
}

fn proxy_refusal(proxy: &str, status: StatusCode) -> Error {
    let told = format!("the proxy {proxy} answers {}", status_line(status));
    if is_transient_status(status) { Error::Transient(told) } else { Error::Permanent(told) }
}

/// The fault of the proxy, when the answer is its own: only a proxy asks for its authorization.
pub(crate) fn check_proxy_auth(response: &Response) -> Result<(), Error> {
    match proxy::display_name(response.url()) {
        Some(proxy) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(proxy_refusal(&proxy, response.status()))
        }
        _ => Ok(()),
    }
}

/// The messages of the causes below reqwest's own, which holds the URL.
fn causes(error: &reqwest::Error) -> Vec<String> {
    chain(error).map(ToString::to_string).collect()
}

fn is_disconnect(error: &reqwest::Error) -> bool {
    chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| {
        matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    })
}

fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_classified() {
        let passing: Vec<u16> =
            (100..=599).filter(|code| is_transient_status(StatusCode::from_u16(*code).expect("in range"))).collect();
        let expected: Vec<u16> = [408, 425, 429].into_iter().chain(500..=599).collect();
        assert_eq!(passing, expected);
        let dead: Vec<u16> = (100..=599)
            .filter(|code| {
                Error::Status { status: StatusCode::from_u16(*code).expect("in range"), retry_after: None }.is_dead_link()
            })
            .collect();
        assert_eq!(dead, [401, 403, 404, 410]);
    }

    #[test]
    fn status_is_displayed_with_its_reason() {
        assert_eq!(Error::Status { status: StatusCode::NOT_FOUND, retry_after: None }.to_string(), "HTTP 404 Not Found");
        assert_eq!(status_line(StatusCode::from_u16(524).unwrap()), "HTTP 524");
    }
}
