//! The API client: task id to answer. The key lives here and speaks to the gateway's origin alone.

mod base;
mod classify;
mod client;
mod lenient_json;
mod memory_budget;
mod response;

pub use base::{BaseUrl, BaseUrlError};
pub use classify::{ResponseClass, classify};
pub use client::{Error, Gateway, Purpose, TaskResponse};
pub use memory_budget::MemoryPermit;
