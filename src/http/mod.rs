//! The network as the rest of the program sees it: which hosts may be asked, what they answered, and whether to retry.
//!
//! There are two clients, never one. The one in [`MediaClient`] never gets the key. The other one gets it only from the
//! `gateway` module. No redirect carries the key off the gateway's origin. Both prefer HTTP/1.1 (see `transport`).

mod address_policy;
mod body_extent;
mod causes;
pub(crate) mod client;
mod decoder;
mod encoding;
mod error;
mod first_connection;
mod headers;
mod host_limits;
mod media;
mod names;
mod proxy;
mod range;
mod redirect;
mod response_head;
pub(crate) mod retry;
mod retry_after;
mod throttle;
mod tls;
mod transport;
mod tunnel;

pub(crate) use address_policy::{AddressPolicy, UrlPolicy, is_private_host};
pub(crate) use decoder::{DecodeError, Decoder};
pub(crate) use encoding::ContentCoding;
pub(crate) use error::{Error, PolicyViolation, is_busy_status, is_transient_status, status_line};
pub(crate) use headers::content_coding;
pub(crate) use host_limits::{Connection, HostLimiter, HostState, Refusal, Slot};
pub(crate) use media::{Body, MediaClient, Route, next_chunk};
pub(crate) use range::RangeRequest;
pub(crate) use redirect::RedirectChain;
pub(crate) use response_head::ResponseHead;
pub(crate) use retry_after::{response_time, retry_after};
pub(crate) use throttle::Throttle;
pub(crate) use tls::Tls;
pub(crate) use transport::HttpClient;

/// The name under which the host of `url` is known: one host has one state, whatever the path.
fn host_and_port(url: &url::Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}
