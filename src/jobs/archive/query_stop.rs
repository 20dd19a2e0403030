//! The end of the questions of a run: once the run stops asking the gateway, it stops for good, and for one cause.
//!
//! The first cause counts. It becomes the fatal error of the run, which is its one message. Tasks that were not asked about are
//! counted, and have no error of their own. Questions that were sent already still get their answer, unless the gateway can't be
//! reached. Downloads whose links are known are not affected.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::outcome::FatalError;

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

    /// Completes when also questions that were sent already are given up: the gateway can't be reached, so they get no answer.
    pub(super) async fn gave_up(&self) {
        self.stopped().await;
        if !self.is_unreachable() {
            std::future::pending::<()>().await;
        }
    }

    /// Is cancelled when the questions end.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The cause, once. The questions stay ended.
    pub(super) fn take_cause(&self) -> Option<FatalError> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<FatalError>> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
