//! Makes an [`Error`] from an error of reqwest.
//!
//! reqwest's own messages contain the URL, which may be signed. So its error is taken apart here, and the message is built
//! again from the innermost cause. Causes are found by type in the chain of causes, because reqwest wraps them several times.
//! Only the error of a proxy's tunnel is found by its text: its type is private to hyper-util.

use std::error::Error as StdError;
use std::io;

use reqwest::StatusCode;

use super::error::{Error, PolicyViolation};
use super::proxy;

impl Error {
    /// The error of a request that got no response. Where a proxy refused the tunnel, its status is part of the error.
    pub(crate) async fn from_send_error(error: reqwest::Error) -> Self {
        let (Some(url), true) = (error.url(), is_tunnel_refused(&error)) else { return error.into() };
        match (proxy::display_name(url), proxy::probe_tunnel_refusal(url).await) {
            (Some(proxy), Some(status)) => Self::ProxyStatus { proxy, status },
            _ => error.into(),
        }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        if let Some(violation) = find_cause::<PolicyViolation>(&error) {
            return Self::Policy(*violation);
        }
        // A body that timed out is a decoding error, too. So the timeout comes first.
        if error.is_timeout() {
            return if error.is_connect() { Self::ConnectTimeout } else { Self::StallTimeout };
        }
        let cause = causes(&error).last().map(ToString::to_string).unwrap_or_default();
        if is_certificate_error(&error) {
            Self::Certificate(cause)
        } else if error.is_builder() {
            Self::InvalidRequest(cause)
        } else if error.is_connect() {
            match error.url().and_then(proxy::display_name) {
                Some(proxy) => proxy_connect_error(proxy, cause, &error),
                None => Self::Connect(cause),
            }
        } else if is_disconnect(&error) {
            Self::Disconnected(cause)
        } else {
            Self::Transfer(cause)
        }
    }
}

fn proxy_connect_error(proxy: String, cause: String, error: &reqwest::Error) -> Error {
    if has_tunnel_error(error, "proxy authorization required") {
        Error::ProxyStatus { proxy, status: StatusCode::PROXY_AUTHENTICATION_REQUIRED }
    } else if is_tunnel_refused(error) {
        Error::ProxyRefused { proxy }
    } else {
        Error::ProxyConnect { proxy, cause }
    }
}

fn is_tunnel_refused(error: &reqwest::Error) -> bool {
    has_tunnel_error(error, "tunnel error: unsuccessful")
}

fn has_tunnel_error(error: &reqwest::Error, text: &str) -> bool {
    causes(error).any(|cause| cause.to_string().contains(text))
}

fn is_certificate_error(error: &reqwest::Error) -> bool {
    let fault = find_cause::<rustls::Error>(error);
    matches!(fault, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

fn is_disconnect(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| {
        matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    })
}

/// The causes below reqwest's own error, which contains the URL.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

fn find_cause<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    causes(error).find_map(downcast_cause)
}

/// `cause` as a `T`, also where it is inside an [`io::Error`]: that one leaves it out of the chain of sources.
fn downcast_cause<'a, T: StdError + 'static>(cause: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    cause.downcast_ref().or_else(|| downcast_cause(cause.downcast_ref::<io::Error>()?.get_ref()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_is_found_inside_nested_io_errors() {
        let nested = io::Error::other(io::Error::other(PolicyViolation::PrivateAddress));
        assert_eq!(downcast_cause::<PolicyViolation>(&nested), Some(&PolicyViolation::PrivateAddress));
        assert_eq!(downcast_cause::<PolicyViolation>(&io::Error::other("text")), None);
    }
}
