//! The API client: task id to answer. The key lives here and speaks to the gateway's origin alone.

mod answer;
mod base;
mod body;
mod budget;
mod client;
mod lenient;

pub use answer::{ResponseClass, classify};
pub use base::{BaseUrl, BaseUrlError};
pub use budget::MemoryPermit;
pub use client::{Error, Gateway, Purpose, TaskResponse};
