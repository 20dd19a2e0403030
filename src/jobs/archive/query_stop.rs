//! The end of the questions of a run: once the run stops asking the gateway, it stops for good, and for one cause.
//!
//! The first cause counts. It becomes the fatal error of the run, which is its one message. A task that was not asked about is
//! reported with [`QueryStop::not_asked_error`], and nowhere else. Downloads whose links are known are not affected.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::outcome::FatalError;
use crate::domain::code::TaskErrorCode;
use crate::domain::event::TaskError;

/// Whether the run has stopped asking, and why.
pub(crate) struct QueryStop {
    cause: Mutex<Option<FatalError>>,
    token: CancellationToken,
}

impl QueryStop {
    /// Cancels `token` when the run stops asking.
    pub(crate) fn new(token: CancellationToken) -> Self {
        Self { cause: Mutex::default(), token }
    }

    /// Ends the questions. False when they have ended before.
    pub(super) fn stop(&self, cause: FatalError) -> bool {
        let mut first = self.lock();
        let is_first = first.is_none() && !self.token.is_cancelled();
        if is_first {
            *first = Some(cause);
            self.token.cancel();
        }
        is_first
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Whether they have ended because the gateway can't be reached.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(&*self.lock(), Some(FatalError::GatewayUnreachable { .. }))
    }

    /// Whether they have ended because the base URL is wrong.
    pub(super) fn is_bad_base_url(&self) -> bool {
        matches!(&*self.lock(), Some(FatalError::BadBaseUrl { .. }))
    }

    /// Completes when the questions have ended.
    pub(super) async fn stopped(&self) {
        self.token.cancelled().await;
    }

    /// The cause, once. The questions stay ended.
    pub(super) fn take_cause(&self) -> Option<FatalError> {
        self.lock().take()
    }

    /// What is reported of a task that was not asked about.
    pub(super) fn not_asked_error(&self) -> TaskError {
        let (code, why) = match &*self.lock() {
            Some(FatalError::KeyRefused(_)) => (TaskErrorCode::HttpStatus, "the gateway refuses the API key"),
            Some(FatalError::GatewayUnreachable { .. }) => (TaskErrorCode::Network, "the gateway can't be reached"),
            Some(FatalError::BadBaseUrl { .. }) => (TaskErrorCode::HttpStatus, "the base URL is wrong"),
            Some(FatalError::NotWritable(_)) => (TaskErrorCode::Disk, "the archive can't be written to"),
            _ => (TaskErrorCode::Internal, "the run has ended"),
        };
        TaskError { is_run_wide: true, ..TaskError::new(code, format!("not asked: {why}")) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<FatalError>> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
