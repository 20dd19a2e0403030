//! Makes an [`Error`] from an error of reqwest.
//!
//! reqwest's own messages contain the URL, which may be signed. So its error is taken apart here, and the message is built
//! again from the innermost cause. Causes are found by type in the chain of causes, because reqwest wraps them several times.
//! Only the error of a proxy's tunnel is found by its text: its type is private to hyper-util.

use std::error::Error as StdError;
use std::io;

use reqwest::StatusCode;

use super::error::{Error, PolicyViolation};
use super::proxy::Proxies;

/// The error of a request that got no response. A proxy that is at fault is named, with its status where it refused a tunnel.
pub(super) async fn from_send_error(error: reqwest::Error, proxies: &Proxies) -> Error {
    let proxy = error.url().filter(|_| error.is_connect()).and_then(|url| proxies.display_name(url));
    let (Some(url), Some(proxy)) = (error.url(), proxy) else { return error.into() };
    if find_cause::<PolicyViolation>(&error).is_some() || is_certificate_error(&error) {
        return error.into();
    }
    if has_tunnel_error(&error, "proxy authorization required") {
        return Error::ProxyStatus { proxy, status: StatusCode::PROXY_AUTHENTICATION_REQUIRED };
    }
    if has_tunnel_error(&error, "tunnel error: unsuccessful") {
        return match proxies.probe_tunnel_refusal(url).await {
            Some(status) => Error::ProxyStatus { proxy, status },
            None => Error::ProxyRefused { proxy },
        };
    }
    let cause = if error.is_timeout() { "no answer within the connect timeout".to_owned() } else { innermost(&error) };
    Error::ProxyConnect { proxy, cause }
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
        let cause = innermost(&error);
        if is_certificate_error(&error) {
            Self::Certificate(cause)
        } else if error.is_builder() {
            Self::InvalidRequest(cause)
        } else if error.is_connect() {
            Self::Connect(cause)
        } else if is_disconnect(&error) {
            Self::Disconnected(cause)
        } else {
            Self::Transfer(cause)
        }
    }
}

/// The innermost cause, in words for people.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let Some(cause) = causes(error).last() else { return String::new() };
    let text = cause.to_string();
    // The TLS library explains it to programmers, with a URL.
    if text.contains("close_notify") { "the host closed the connection early".to_owned() } else { text }
}

/// Whether a TLS connection ended without `close_notify`. Many hosts end a body of unknown length in this way.
pub(super) fn is_missing_close_notify(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof && error.to_string().contains("close_notify"))
    })
}

/// Whether the host refuses HTTP/1.1 in so many words.
pub(super) fn is_http1_refused(error: &reqwest::Error) -> bool {
    let alert = find_cause::<rustls::Error>(error);
    matches!(alert, Some(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)))
}

/// Whether the host sends other bytes than HTTP/1.1, as an answer or before it got the request. The HTTP library tells these
/// faults apart only by their text.
pub(super) fn is_not_http1(error: &reqwest::Error) -> bool {
    find_cause::<hyper::Error>(error)
        .map(ToString::to_string)
        .is_some_and(|fault| fault.contains("invalid HTTP version") || fault.contains("unexpected message"))
}

/// Whether the connection ended before a byte of the response.
pub(super) fn is_closed_without_answer(error: &reqwest::Error) -> bool {
    find_cause::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message) || is_disconnect(error)
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
