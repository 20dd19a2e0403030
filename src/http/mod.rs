//! The network as the rest of the program sees it: which hosts may be asked, what they answered, and whether to retry.
//!
//! There are two clients, never one. `client::media_client` never gets the key. `client::gateway_client` gets it only from the
//! `gateway` module. No redirect carries the key off the gateway's origin. Both speak HTTP/1.1 only: large files gain nothing
//! from sharing the window of one connection, and every media host speaks it.

mod address_policy;
mod body_extent;
mod causes;
pub(crate) mod client;
mod decoder;
mod encoding;
mod error;
mod headers;
mod host_limits;
mod media;
mod proxy;
mod range;
pub(crate) mod retry;
mod throttle;

pub(crate) use address_policy::{AddressPolicy, UrlPolicy, resolves_to_private};
pub(crate) use decoder::{DecodeError, Decoder};
pub(crate) use encoding::ContentCoding;
pub(crate) use error::{Error, check_proxy_auth, is_busy_status, is_transient_status, status_line};
pub(crate) use headers::content_coding;
pub(crate) use host_limits::{HostLimiter, HostState};
pub(crate) use media::{Body, MediaClient, ResponseHead, with_range_headers};
pub(crate) use range::RangeRequest;
pub(crate) use throttle::Throttle;
