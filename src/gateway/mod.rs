//! The API client: task id to answer. The key lives here and speaks to the gateway's origin alone.

mod answer;
mod base;
mod client;
mod lenient;

pub use answer::{Verdict, judge};
pub use base::{BaseUrl, BaseUrlError};
pub use client::{Error, Gateway};
