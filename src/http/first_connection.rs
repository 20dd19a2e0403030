//! Lets the first connection to a TLS host be made alone.
//!
//! The next connections can then resume its session, which saves both sides most of the work of a handshake. A burst of
//! connections without it is a burst of full handshakes. Whoever needs a connection meanwhile waits until the first request has
//! its response, and never longer than [`PATIENCE`], so a host that is far or slow costs only this much, once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// How long others wait for the first connection to a host.
const PATIENCE: Duration = Duration::from_millis(30);

/// The first requests to all hosts.
pub(super) struct FirstConnections {
    patience: Duration,
    hosts: Mutex<HashMap<String, First>>,
}

#[derive(Clone)]
struct First {
    /// Nobody waits longer.
    deadline: Instant,
    /// Cancelled when the request has ended.
    ended: CancellationToken,
}

impl Default for FirstConnections {
    fn default() -> Self {
        Self { patience: PATIENCE, hosts: Mutex::default() }
    }
}

impl FirstConnections {
    /// Waits for the first request to the host of `url`, which is known as `name`. If this is the first one, the others wait until
    /// the result is dropped.
    pub(super) async fn enter(&self, url: &Url, name: &str) -> Option<DropGuard> {
        if url.scheme() != "https" {
            return None;
        }
        let First { deadline, ended } = match self.first(name) {
            Ok(first) => first,
            Err(guard) => return Some(guard),
        };
        if !ended.is_cancelled() {
            // At the deadline it does not matter whether the first request has ended.
            let _ = timeout_at(deadline, ended.cancelled()).await;
        }
        None
    }

    /// The first request to a host, or the guard of the one that is the first now.
    fn first(&self, name: &str) -> Result<First, DropGuard> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = hosts.get(name) {
            return Ok(first.clone());
        }
        let ended = CancellationToken::new();
        hosts.insert(name.to_owned(), First { deadline: Instant::now() + self.patience, ended: ended.clone() });
        Err(ended.drop_guard())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn connections(patience: Duration) -> (FirstConnections, Url) {
        (FirstConnections { patience, hosts: Mutex::default() }, Url::parse("https://h/x").unwrap())
    }

    #[tokio::test]
    async fn others_wait_until_the_first_request_has_ended() {
        let (firsts, url) = connections(Duration::from_secs(3600));
        let first = firsts.enter(&url, "h:443").await;
        assert!(first.is_some());
        let mut second = Box::pin(firsts.enter(&url, "h:443"));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(firsts.enter(&url, "other:443").now_or_never().flatten().is_some(), "another host");
        drop(first);
        assert!(second.await.is_none());
        assert!(firsts.enter(&url, "h:443").now_or_never().is_some(), "later requests do not wait");
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_deadline_or_without_tls() {
        let (firsts, url) = connections(Duration::ZERO);
        let first = firsts.enter(&url, "h:443").await;
        assert!(firsts.enter(&url, "h:443").await.is_none(), "a first request that never ends");
        drop(first);
        let plain = Url::parse("http://h/x").unwrap();
        let (firsts, _) = connections(Duration::from_secs(3600));
        assert!(firsts.enter(&plain, "h:80").await.is_none() && firsts.enter(&plain, "h:80").await.is_none());
    }
}
