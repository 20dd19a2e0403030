//! What is asked of the gateway, and what comes back.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::error::Error;
use super::memory_budget::MemoryPermit;
use crate::domain::task::Task;

/// The purpose of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To archive the task.
    Task,
    /// To get new links, while the first answer is kept.
    FreshLinks,
}

/// A task, and the permit for its memory.
#[derive(Debug)]
pub struct TaskResponse {
    /// The gateway's answer.
    pub task: Task,
    /// When it was sent, by the gateway's own clock where the answer says so.
    pub time: SystemTime,
    /// To be kept as long as anything of the task is.
    pub memory_permit: MemoryPermit,
}

/// Why a query brought no task.
#[derive(Debug)]
pub struct QueryFailure {
    /// The fault of the last attempt.
    pub error: Error,
    /// When the first attempt failed.
    pub since: Instant,
}

/// A question that will be asked again.
#[derive(Debug)]
pub struct RetryNotice<'a> {
    /// The fault of the last attempt.
    pub error: &'a Error,
    /// When the first attempt failed.
    pub since: Instant,
    /// The time until the next attempt.
    pub delay: Duration,
}
