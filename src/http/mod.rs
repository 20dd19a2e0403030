//! Media requests: who may be spoken to, what came, and whether to try again.
//!
//! Two clients, never one: `client::media` has never seen the key; `client::gateway` has it only in
//! the hands of `gateway`, and neither is carried off its origin by a redirect. HTTP/1.1 alone:
//! large files gain nothing from sharing one connection's window, and every media host speaks it.

mod address;
pub(crate) mod client;
mod encoding;
mod error;
mod extent;
mod host;
mod media;
mod proxy;
mod range;
pub(crate) mod retry;
mod throttle;

pub(crate) use address::{Bounds, Reach, is_private};
pub(crate) use encoding::{Coding, Decoder};
pub(crate) use error::{Error, check_proxy, is_passing_status, status_line};
pub(crate) use host::Hosts;
pub(crate) use media::{Body, Head, MediaClient, is_busy, ranged};
pub(crate) use range::Ask;
pub(crate) use throttle::Throttle;
