//! Looks up the addresses of host names, once for connections that are made together.
//!
//! The resolver of the system blocks, so each lookup has a thread of its own: a slow one must not block the few threads that
//! write. Many connections to a host are made within a moment, and one lookup serves them all.
//!
//! Invariant: a result is used for [`MAX_AGE`] and unchanged, so that each client applies its own address policy to it. A lookup
//! that failed is not kept.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, oneshot};

use crate::threads;

/// How long a result is used: for the connections of one moment.
const MAX_AGE: Duration = Duration::from_secs(2);

/// The lookups of the last moment.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, Arc<Lookup>>>);

struct Lookup {
    started: Instant,
    found: OnceCell<Vec<SocketAddr>>,
}

impl Names {
    /// The addresses of `name`, with port 0.
    ///
    /// # Errors
    /// When the name can't be resolved.
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        self.resolve_by(name, || resolve(name.to_owned())).await
    }

    async fn resolve_by<F: Future<Output = io::Result<Vec<SocketAddr>>>>(
        &self,
        name: &str,
        resolve: impl FnOnce() -> F,
    ) -> io::Result<Vec<SocketAddr>> {
        let lookup = self.lookup(name, Instant::now());
        lookup.found.get_or_try_init(resolve).await.cloned()
    }

    /// The lookup of `name` that is recent enough at `now`, else a new one.
    fn lookup(&self, name: &str, now: Instant) -> Arc<Lookup> {
        let mut lookups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lookups.retain(|_, lookup| now.saturating_duration_since(lookup.started) < MAX_AGE);
        if let Some(lookup) = lookups.get(name) {
            return Arc::clone(lookup);
        }
        let lookup = Arc::new(Lookup { started: now, found: OnceCell::new() });
        lookups.insert(name.to_owned(), Arc::clone(&lookup));
        lookup
    }
}

/// Resolves a name on a thread of its own.
pub(super) async fn resolve(name: String) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = oneshot::channel();
    let resolve = move |name: &str| (name, 0).to_socket_addrs().map(Iterator::collect);
    let same = name.clone();
    let started = threads::spawn_thread("names", move || {
        // A closed receiver is not an error.
        let _ = sender.send(resolve(&same));
    });
    match started {
        Ok(_) => receiver.await.map_err(io::Error::other)?,
        // Where threads are few, the shared pool does it.
        Err(_) => threads::run_blocking(move || resolve(&name))
            .await
            .map_err(|threads::WorkerError| io::Error::other("the resolver panicked"))?,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 0))
    }

    #[tokio::test]
    async fn connections_that_are_made_together_share_a_lookup() {
        let (names, count) = (Names::default(), Cell::new(0));
        let lookup = || async {
            count.set(count.get() + 1);
            tokio::task::yield_now().await;
            Ok(vec![address(count.get())])
        };
        let (first, second, other) =
            tokio::join!(names.resolve_by("a", lookup), names.resolve_by("a", lookup), names.resolve_by("b", lookup));
        assert_eq!((first.unwrap(), second.unwrap(), count.get()), (vec![address(2)], vec![address(2)], 2));
        assert_eq!(other.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn failed_lookup_is_not_kept_and_a_result_only_for_a_moment() {
        let names = Names::default();
        let failed = names.resolve_by("a", || async { Err(io::ErrorKind::NotFound.into()) }).await;
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(names.resolve_by("a", || async { Ok(vec![address(1)]) }).await.unwrap(), [address(1)]);
        let (now, kept) = (Instant::now(), names.lookup("a", Instant::now()));
        assert!(Arc::ptr_eq(&kept, &names.lookup("a", now)));
        assert!(!Arc::ptr_eq(&kept, &names.lookup("a", now + MAX_AGE)));
    }
}
