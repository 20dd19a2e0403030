//! The client of the gateway: from a task id to its answer. The key is kept here and sent to the gateway's origin only.
//!
//! `account` reads the account's list of tasks, with a key of its own.

mod account;
mod base;
mod classify;
mod client;
mod error;
mod keyed_client;
mod lenient_json;
mod memory_budget;
mod not_found;
mod pacer;
mod query;
mod response;

pub(crate) use account::LISTED_FIELDS;
#[cfg(fuzzing)]
pub use account::read_list;
pub use account::{AccountClient, Error as AccountError, ListedTask, Seconds};
pub use base::{BaseUrl, BaseUrlError};
pub use classify::classify;
pub use client::Gateway;
pub use error::Error;
pub(crate) use error::OutageEvidence;
pub use memory_budget::MemoryPermit;
pub use query::{Purpose, QueryFailure, RetryNotice, TaskResponse};
