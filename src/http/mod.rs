//! Media requests: who may be spoken to, what came, and whether to try again.
//!
//! Two clients, never one: `client::media` has never seen the key; `client::gateway` has it only in
//! the hands of `gateway`, and neither is carried off its origin by a redirect. HTTP/1.1 alone:
//! large files gain nothing from sharing one connection's window, and every media host speaks it.

mod address_policy;
mod body_extent;
pub(crate) mod client;
mod encoding;
mod error;
mod host_limits;
mod media;
mod proxy;
mod range;
pub(crate) mod retry;
mod throttle;

pub(crate) use address_policy::{AddressPolicy, UrlPolicy, resolves_to_private};
pub(crate) use encoding::{ContentCoding, Decoder};
pub(crate) use error::{Error, check_proxy_auth, is_transient_status, status_line};
pub(crate) use host_limits::HostLimiter;
pub(crate) use media::{Body, MediaClient, ResponseHead, is_busy_status, with_range_headers};
pub(crate) use range::RangeRequest;
pub(crate) use throttle::Throttle;
