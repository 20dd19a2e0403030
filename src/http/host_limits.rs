//! The hosts of a run: how many requests each takes at once, and how the slots of the run are shared between them.
//!
//! [`window`] learns the limit of one host from its responses. [`queue`] decides who is served next. This file puts them behind
//! one lock and makes them awaitable. A [`Connection`] is held while a request is sent and its body arrives, and never during a
//! wait. Its owner reports the response: [`Connection::accepted`] or [`Connection::refused`]. A [`Slot`] is one download of
//! `--jobs`; it may outlive its connections. Dropping either serves the next in the queue.

mod connection;
mod queue;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use url::Url;

pub(crate) use self::connection::{Connection, Slot};
use self::queue::{Admissions, Need};
use self::window::Window;
pub(crate) use self::window::{Patience, Reduction, Refusal};
use super::retry::RetryPolicy;
use super::{Error, host_and_port};

/// All hosts of a run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostLimiter {
    max_concurrent: usize,
    policy: RetryPolicy,
    hosts: Arc<Mutex<HashMap<String, Arc<HostState>>>>,
    shared: Arc<Shared>,
}

struct Shared(Mutex<Admissions>);

/// One host.
pub(crate) struct HostState {
    name: String,
    number: usize,
    shared: Arc<Shared>,
    /// What the latest refusals changed, until it is reported.
    reductions: Mutex<Vec<Reduction>>,
    /// Wakes those that wait for the response to any request.
    response: Notify,
}

/// What a waiting request gets.
struct Grant {
    connection: Connection,
    slot: Option<Slot>,
}

impl HostLimiter {
    /// Allows at most `max_concurrent` requests to one host at once, and `slots` downloads.
    #[must_use]
    pub(crate) fn new(max_concurrent: usize, slots: usize, policy: RetryPolicy) -> Self {
        let shared = Arc::new(Shared(Mutex::new(Admissions::new(slots))));
        Self { max_concurrent, policy, hosts: Arc::default(), shared }
    }

    /// The host of `url`, by name and port.
    #[must_use]
    pub(crate) fn host_for(&self, url: &Url) -> Arc<HostState> {
        self.host(host_and_port(url))
    }

    /// The host of what needs no network: it has a share of the slots, too.
    #[must_use]
    pub(crate) fn local_host(&self) -> Arc<HostState> {
        self.host(String::new())
    }

    fn host(&self, name: String) -> Arc<HostState> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&name) {
            return Arc::clone(host);
        }
        let number = self.shared.lock().add_host(Window::new(self.max_concurrent, self.policy));
        let shared = Arc::clone(&self.shared);
        let (reductions, response) = (Mutex::default(), Notify::new());
        let host = Arc::new(HostState { name: name.clone(), number, shared, reductions, response });
        hosts.insert(name, Arc::clone(&host));
        host
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Admissions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves the queue of one host.
    fn serve(&self, host: usize) {
        // Grants of cancelled requests are dropped without the lock, which serves the next request.
        let cancelled = self.lock().serve(host, Instant::now());
        drop(cancelled);
    }

    /// Serves the queues of all hosts, after a slot became free.
    fn serve_all(&self) {
        let cancelled = self.lock().serve_all(Instant::now());
        drop(cancelled);
    }
}

impl HostState {
    /// Name and port, for people.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for a slot of the run and for a connection.
    ///
    /// # Errors
    /// The last refusal of a host that is given up.
    pub(crate) async fn admit(self: &Arc<Self>) -> Result<(Slot, Connection), Error> {
        let Grant { connection, slot } = self.wait_for(Need::SlotAndConnection, false).await?;
        // Only a request for a connection alone has no slot.
        slot.map(|slot| (slot, connection)).ok_or_else(|| Error::Transfer("no slot".to_owned()))
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// As for [`HostState::admit`].
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<Connection, Error> {
        self.wait_for(Need::Connection, false).await.map(|grant| grant.connection)
    }

    /// Waits for a connection to send a request again, before all requests that wait for their first one. So a request that fails
    /// again and again ends in its own time, however many others there are.
    ///
    /// # Errors
    /// As for [`HostState::admit`].
    pub(crate) async fn reconnect(self: &Arc<Self>) -> Result<Connection, Error> {
        self.wait_for(Need::Connection, true).await.map(|grant| grant.connection)
    }

    /// A connection, if one is free.
    #[must_use]
    pub(crate) fn try_connect(self: &Arc<Self>) -> Option<Connection> {
        self.shared.lock().try_grant(self, Need::Connection, Instant::now()).map(|grant| grant.connection)
    }

    async fn wait_for(self: &Arc<Self>, need: Need, is_retry: bool) -> Result<Grant, Error> {
        let receiver = {
            let mut admissions = self.shared.lock();
            if let Some(grant) = admissions.try_grant(self, need, Instant::now()) {
                return Ok(grant);
            }
            admissions.enqueue(self, need, is_retry)
        };
        self.shared.serve(self.number);
        match receiver.await {
            Ok(Ok(grant)) => Ok(grant),
            Ok(Err(Refusal { status, retry_after })) => Err(Error::Status { status, retry_after }),
            // The queue lives as long as its hosts.
            Err(_) => Err(Error::Transfer("the queue of its host ended".to_owned())),
        }
    }

    /// What a refused request may do: never [`Patience::Undecided`], because it waits for the responses to other requests.
    pub(crate) async fn patience(&self) -> Patience {
        loop {
            let response = self.response.notified();
            let patience = {
                let mut admissions = self.shared.lock();
                let host = admissions.host(self.number);
                host.window.patience(host.load, Instant::now())
            };
            if patience != Patience::Undecided {
                return patience;
            }
            response.await;
        }
    }

    /// Whether other requests are under way, and the host accepts some.
    #[must_use]
    pub(crate) fn is_shared(&self) -> bool {
        let mut admissions = self.shared.lock();
        let host = admissions.host(self.number);
        host.window.is_shared(host.load, Instant::now())
    }

    /// The rest of the cooldown.
    #[must_use]
    pub(crate) fn cooldown_left(&self) -> Duration {
        let now = Instant::now();
        let until = self.shared.lock().host(self.number).window.cooldown_until(now);
        until.map_or(Duration::ZERO, |until| until - now)
    }

    /// What the latest refusals changed. Each change is returned once.
    #[must_use]
    pub(crate) fn take_reductions(&self) -> Vec<Reduction> {
        std::mem::take(&mut *self.reductions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves the queue when the cooldown ends, which may be later than it seems now.
    fn serve_after_cooldown(self: &Arc<Self>) {
        if std::mem::replace(&mut self.shared.lock().host(self.number).has_timer, true) {
            return;
        }
        let host = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(host) = host.upgrade() {
                let left = host.cooldown_left();
                if left.is_zero() {
                    host.shared.lock().host(host.number).has_timer = false;
                    host.shared.serve(host.number);
                    return;
                }
                drop(host);
                tokio::time::sleep(left).await;
            }
        });
    }
}

#[cfg(test)]
mod tests;
