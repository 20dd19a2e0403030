//! What a request holds while it is sent and its body arrives, and what a download holds. What the owner reports changes the
//! limits of the host.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::{HostState, Refusal};
use crate::http::Error;

/// The permission to send one request to a host.
pub(crate) struct Connection {
    pub(super) host: Arc<HostState>,
    pub(super) round: u64,
    pub(super) granted: Instant,
    pub(super) is_accepted: bool,
}

/// The permission to download one asset.
pub(crate) struct Slot(pub(super) Arc<HostState>);

impl Connection {
    /// The host.
    #[must_use]
    pub(crate) fn host(&self) -> &Arc<HostState> {
        &self.host
    }

    /// The host accepted the request: any response but a refusal.
    pub(crate) fn accepted(&mut self) {
        if std::mem::replace(&mut self.is_accepted, true) {
            return;
        }
        let mut admissions = self.host.shared.lock();
        let host = admissions.host(self.host.number);
        host.load.accepted += 1;
        host.window.on_accepted(host.load, self.granted.elapsed(), Instant::now());
        drop(admissions);
        self.host.response.notify_waiters();
        self.host.shared.serve(self.host.number);
    }

    /// The request ended without a body, because of `error`.
    pub(crate) fn ended(mut self, error: &Error) {
        match error.refusal() {
            Some(refusal) => self.refused(refusal),
            None if error.is_response() => self.accepted(),
            None if error.is_connection_fault() => self.failed(),
            None => {}
        }
    }

    /// The connection failed before a response.
    fn failed(self) {
        let mut admissions = self.host.shared.lock();
        let host = admissions.host(self.host.number);
        let cooldown = host.window.on_failed(self.round, host.load, Instant::now());
        drop(admissions);
        tracing::debug!(host = self.host.name, ?cooldown, "connection failed");
        self.host.serve_after_cooldown();
    }

    /// The host refused the request.
    pub(crate) fn refused(self, refusal: Refusal) {
        let reduction = {
            let mut admissions = self.host.shared.lock();
            let host = admissions.host(self.host.number);
            host.window.on_refused(self.round, host.load, refusal, Instant::now())
        };
        self.host.serve_after_cooldown();
        let Some(reduction) = reduction else { return };
        tracing::debug!(host = self.host.name, ?reduction, "refused");
        self.host.reductions.lock().unwrap_or_else(PoisonError::into_inner).push(reduction);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut admissions = self.host.shared.lock();
        let host = admissions.host(self.host.number);
        host.load.in_flight -= 1;
        if self.is_accepted {
            host.load.accepted -= 1;
            host.window.on_ended();
        }
        drop(admissions);
        self.host.response.notify_waiters();
        self.host.shared.serve(self.host.number);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.shared.lock().release_slot(self.0.number);
        self.0.shared.serve_all();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("host", &self.host.name).finish_non_exhaustive()
    }
}
