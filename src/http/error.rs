//! Why a request failed: one variant for each cause that a caller treats differently.
//!
//! Callers never compare texts: whether to retry, and the code for programs, follow from the variant. No message contains a
//! URL, which may be signed. `causes` makes these errors from those of the HTTP library.

mod policy_violation;

use std::time::Duration;

use reqwest::StatusCode;

use super::host_limits::Refusal;
use crate::domain::code::AssetErrorCode;
use crate::integrity::checksum::DigestMismatch;
use crate::redact::ApiKey;
pub(crate) use policy_violation::PolicyViolation;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host answered with a status other than success.
    #[error("{}", status_line(*.status))]
    Status {
        /// The status.
        status: StatusCode,
        /// How long the host asks to wait.
        retry_after: Option<Duration>,
    },
    /// The response is not the range that was requested: the bytes received before can't be continued.
    #[error("can't resume: {0}")]
    RangeMismatch(&'static str),
    /// The statements about the length of the file contradict each other. The bytes received before may still be continued.
    #[error("the file may be incomplete: {0}")]
    LengthMismatch(&'static str),
    /// A 206 to a request for the whole file that does not say which range it is. The host sends the same each time.
    #[error("{0}")]
    UnnamedRange(&'static str),
    /// The body ended before its announced length.
    #[error("incomplete body: received {received} of {expected} bytes")]
    Incomplete {
        /// Bytes received.
        received: u64,
        /// Bytes announced.
        expected: u64,
    },
    /// The body does not have the digest that the host sent in this header.
    #[error("checksum mismatch: `{}`", .0.header())]
    ChecksumMismatch(Box<DigestMismatch>),
    /// The body is not valid in the encoding that its header names.
    #[error("the body's Content-Encoding is broken: {0}")]
    BrokenEncoding(String),
    /// An encoding that this program can't decode.
    #[error("the host sends an unsupported {header}: {value}")]
    UnsupportedEncoding {
        /// The header.
        header: &'static str,
        /// Its value.
        value: String,
    },
    /// A rule of this program forbids the request.
    #[error(transparent)]
    Policy(#[from] PolicyViolation),
    /// No connection within the connect timeout.
    #[error("no connection within the connect timeout")]
    ConnectTimeout,
    /// No data within the stall timeout.
    #[error("no data received within the stall timeout")]
    StallTimeout,
    /// Fewer bytes within the stall timeout than `--min-rate` asks for.
    #[error("slower than --min-rate")]
    TooSlow,
    /// No connection.
    #[error("{}", with_cause("no connection", .0))]
    Connect(String),
    /// The connection was closed or reset.
    #[error("{}", with_cause("connection lost", .0))]
    Disconnected(String),
    /// Another fault of the transfer.
    #[error("{}", with_cause("transfer failed", .0))]
    Transfer(String),
    /// The host's certificate is not trusted.
    #[error("{}", with_cause("the host's certificate is not trusted", .0))]
    Certificate(String),
    /// The HTTP library refuses to build the request.
    #[error("{}", with_cause("invalid request", .0))]
    InvalidRequest(String),
    /// The proxy itself answered with this status.
    #[error("the proxy {proxy} answers {}", status_line(*.status))]
    ProxyStatus {
        /// The proxy, without user and password.
        proxy: String,
        /// Its status.
        status: StatusCode,
    },
    /// The proxy does not connect to the host, and does not say why.
    #[error("the proxy {proxy} refuses to connect to the host")]
    ProxyRefused {
        /// The proxy, without user and password.
        proxy: String,
    },
    /// No connection to the proxy.
    #[error("{}", with_cause(&format!("no connection through the proxy {proxy}"), .cause))]
    ProxyConnect {
        /// The proxy, without user and password.
        proxy: String,
        /// The innermost cause.
        cause: String,
    },
}

impl Error {
    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => is_transient_status(*status) || self.refusal().is_some(),
            Self::ProxyStatus { status, .. } => is_transient_status(*status),
            Self::RangeMismatch(_)
            | Self::LengthMismatch(_)
            | Self::Incomplete { .. }
            | Self::ChecksumMismatch(_)
            | Self::BrokenEncoding(_)
            | Self::ConnectTimeout
            | Self::StallTimeout
            | Self::TooSlow
            | Self::Connect(_)
            | Self::Disconnected(_)
            | Self::Transfer(_)
            | Self::ProxyRefused { .. }
            | Self::ProxyConnect { .. } => true,
            Self::UnnamedRange(_)
            | Self::UnsupportedEncoding { .. }
            | Self::Policy(_)
            | Self::Certificate(_)
            | Self::InvalidRequest(_) => false,
        }
    }

    /// Whether the link is dead: the gateway may have a fresh one. A 403 that asks to wait says nothing about the link.
    #[must_use]
    pub fn is_dead_link(&self) -> bool {
        matches!(self, Self::Status { status, .. } if matches!(status.as_u16(), 401 | 403 | 404 | 410) && self.refusal().is_none())
    }

    /// The refusal of a host that takes no more requests now.
    #[must_use]
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match *self {
            Self::Status { status, retry_after } if is_busy_status(status, retry_after.is_some()) => {
                Some(Refusal { status, retry_after })
            }
            _ => None,
        }
    }

    /// Whether the host answered at all.
    #[must_use]
    pub(crate) fn is_response(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::RangeMismatch(_)
                | Self::LengthMismatch(_)
                | Self::UnnamedRange(_)
                | Self::UnsupportedEncoding { .. }
        )
    }

    /// Whether there was no connection, or it was lost.
    #[must_use]
    pub(crate) fn is_connection_fault(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::Connect(_) | Self::Disconnected(_) | Self::Transfer(_))
    }

    /// Whether there is no way to the host, whatever is requested from it.
    #[must_use]
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout
                | Self::Connect(_)
                | Self::Certificate(_)
                | Self::ProxyStatus { .. }
                | Self::ProxyRefused { .. }
                | Self::ProxyConnect { .. }
        )
    }

    /// Whether the host may have sent nothing, although there was a connection.
    #[must_use]
    pub(crate) fn is_without_answer(&self) -> bool {
        matches!(self, Self::StallTimeout | Self::Disconnected(_) | Self::Transfer(_))
    }

    /// How long the host asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The status with which the host refused the request.
    #[must_use]
    pub(crate) fn http_status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(status.as_u16()),
            _ => None,
        }
    }

    /// The cause, for programs.
    #[must_use]
    pub(crate) fn code(&self) -> AssetErrorCode {
        match self {
            Self::Status { .. } if self.is_dead_link() => AssetErrorCode::DeadLink,
            Self::Status { .. } => AssetErrorCode::HttpStatus,
            Self::RangeMismatch(_)
            | Self::LengthMismatch(_)
            | Self::UnnamedRange(_)
            | Self::Incomplete { .. }
            | Self::BrokenEncoding(_) => AssetErrorCode::IncompleteBody,
            Self::ChecksumMismatch(_) => AssetErrorCode::ChecksumMismatch,
            Self::UnsupportedEncoding { .. } => AssetErrorCode::RefusedContent,
            Self::Policy(PolicyViolation::PrivateAddress) => AssetErrorCode::PrivateAddress,
            // The link leads to a place that this program does not request.
            Self::Policy(_) | Self::InvalidRequest(_) => AssetErrorCode::BadUrl,
            Self::ConnectTimeout | Self::StallTimeout | Self::TooSlow => AssetErrorCode::Timeout,
            Self::Connect(_)
            | Self::Disconnected(_)
            | Self::Transfer(_)
            | Self::Certificate(_)
            | Self::ProxyStatus { .. }
            | Self::ProxyRefused { .. }
            | Self::ProxyConnect { .. } => AssetErrorCode::Network,
        }
    }

    /// The error of a body that is base64 text.
    #[must_use]
    pub(crate) fn base64() -> Self {
        Self::UnsupportedEncoding { header: "Content-Encoding", value: "base64".to_owned() }
    }

    /// The same, without `key` in the texts that came from the host.
    #[must_use]
    pub(crate) fn redact_key(mut self, key: &ApiKey) -> Self {
        match &mut self {
            Self::BrokenEncoding(text)
            | Self::UnsupportedEncoding { value: text, .. }
            | Self::Connect(text)
            | Self::Disconnected(text)
            | Self::Transfer(text)
            | Self::Certificate(text)
            | Self::InvalidRequest(text)
            | Self::ProxyConnect { cause: text, .. } => key.redact_in_place(text),
            _ => {}
        }
        self
    }
}

/// Whether a status means a transient fault.
#[must_use]
pub(crate) fn is_transient_status(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500..=599)
}

/// Whether a status says that the host takes no more requests now.
#[must_use]
pub(crate) fn is_busy_status(status: StatusCode, has_retry_after: bool) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
        StatusCode::FORBIDDEN => has_retry_after,
        _ => false,
    }
}

/// `HTTP 404 Not Found`
#[must_use]
pub(crate) fn status_line(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("HTTP {} {reason}", status.as_u16()),
        None => format!("HTTP {}", status.as_u16()),
    }
}

fn with_cause(what: &str, cause: &str) -> String {
    if cause.is_empty() { what.to_owned() } else { format!("{what}: {cause}") }
}

#[cfg(test)]
mod tests;
