//! Sends one request, over HTTP/1.1 or, to hosts that speak nothing else, over HTTP/2.
//!
//! HTTP/1.1 comes first: large files gain nothing from sharing the window of one connection. A host that refuses it is asked
//! once more over HTTP/2, and what worked is remembered for each host. Signs of such a host are the TLS alert
//! `no_application_protocol`, bytes that are no HTTP/1.1 where a status line is expected, and, under TLS, a connection that ends
//! before any byte of a response. All but the first may have other causes, so they count only while the host has never answered
//! over HTTP/1.1, and HTTP/2 has not failed there yet.
//!
//! The HTTP library reads what curl reads: folded and malformed header lines, and up to [`MAX_HEADERS`] headers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::header::HeaderMap;
use reqwest::{Client, Response, Url};

use super::address_policy::{AddressPolicy, has_private_address};
use super::client::{self, ClientConfig};
use super::error::PolicyViolation;
use super::first_connection::FirstConnections;
use super::proxy::Proxies;
use super::{Error, causes, host_and_port};

/// The most headers of a response; curl's users meet some hundred.
pub(super) const MAX_HEADERS: usize = 512;
/// The most bytes of all headers of a response.
pub(super) const MAX_HEADER_BYTES: u32 = 256 << 10;

/// An HTTP client. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    http1: Client,
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    /// Made when a host needs it; none where it can't be made.
    http2: OnceLock<Option<Client>>,
    hosts: Mutex<HashMap<String, Protocol>>,
    first_connections: FirstConnections,
}

/// What is known about a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    /// It answered over HTTP/1.1, or not over HTTP/2.
    Http1,
    /// It answered over HTTP/2 only.
    Http2,
}

impl HttpClient {
    /// A client with the settings of `config`.
    ///
    /// # Errors
    /// When a setting is invalid or the TLS stack can't start.
    pub(super) fn new(config: ClientConfig) -> Result<Self, client::Error> {
        let http1 = config.build_http1()?;
        let (http2, hosts, first_connections) = (OnceLock::new(), Mutex::default(), FirstConnections::default());
        Ok(Self { http1, shared: Arc::new(Shared { config, http2, hosts, first_connections }) })
    }

    /// Requests `url`. A redirect is a response.
    ///
    /// # Errors
    /// When there is no response.
    pub(crate) async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Response, Error> {
        let response = self.send(url, headers).await?;
        let bytes: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if bytes > MAX_HEADER_BYTES as usize {
            return Err(Error::Transfer("message head is too large".to_owned()));
        }
        Ok(response)
    }

    async fn send(&self, url: &Url, headers: HeaderMap) -> Result<Response, Error> {
        let name = host_and_port(url);
        let _first = self.shared.first_connections.enter(url, &name).await;
        let known = self.known(&name);
        if known == Some(Protocol::Http2)
            && let Some(http2) = self.http2()
        {
            let result = http2.get(url.clone()).headers(headers).send().await;
            if result.as_ref().is_err_and(reqwest::Error::is_connect) {
                // The host may have changed.
                self.remember(name, None);
            }
            return self.checked(result).await;
        }
        let result = self.http1.get(url.clone()).headers(headers.clone()).send().await;
        match &result {
            Ok(_) if known.is_none() => self.remember(name, Some(Protocol::Http1)),
            Err(error) if self.may_speak_http2(error, url, known) => {
                tracing::debug!(host = name, error = causes::innermost(error), "HTTP/2");
                if let Some(response) = self.send_http2(url, headers).await {
                    self.remember(name, Some(Protocol::Http2));
                    return Ok(response);
                }
                if known.is_none() {
                    self.remember(name, Some(Protocol::Http1));
                }
            }
            _ => {}
        }
        self.checked(result).await
    }

    async fn send_http2(&self, url: &Url, headers: HeaderMap) -> Option<Response> {
        self.http2()?.get(url.clone()).headers(headers).send().await.ok()
    }

    fn may_speak_http2(&self, error: &reqwest::Error, url: &Url, known: Option<Protocol>) -> bool {
        if causes::is_http1_refused(error) {
            return true;
        }
        let is_tls = url.scheme() == "https";
        let is_likely = causes::is_not_http1(error) || (is_tls && causes::is_closed_without_answer(error));
        // A proxy for plain http speaks for all hosts behind it.
        known.is_none() && is_likely && (is_tls || self.proxies().display_name(url).is_none())
    }

    /// The client for HTTP/2.
    fn http2(&self) -> Option<&Client> {
        self.shared.http2.get_or_init(|| self.shared.config.build_http2().ok()).as_ref()
    }

    async fn checked(&self, result: Result<Response, reqwest::Error>) -> Result<Response, Error> {
        let response = match result {
            Ok(response) => response,
            Err(error) => return Err(causes::from_send_error(error, self.proxies()).await),
        };
        self.proxies().check_response(response)
    }

    fn known(&self, host: &str) -> Option<Protocol> {
        self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    fn remember(&self, host: String, protocol: Option<Protocol>) {
        let mut hosts = self.shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        match protocol {
            Some(protocol) => drop(hosts.insert(host, protocol)),
            None => drop(hosts.remove(&host)),
        }
    }

    /// Refuses the host of a proxy where it is at a private address: the resolver lets connections reach it, but only as a proxy.
    pub(super) async fn check_proxy_host(&self, url: &Url) -> Result<(), PolicyViolation> {
        let is_refused = self.shared.config.policy == AddressPolicy::Public
            && self.proxies().is_proxy_host(url)
            && has_private_address(url).await;
        if is_refused { Err(PolicyViolation::PrivateAddress) } else { Ok(()) }
    }

    /// The proxies of this client.
    pub(super) fn proxies(&self) -> &Proxies {
        &self.shared.config.proxies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client::Network;
    use crate::http::tls::Tls;

    #[tokio::test]
    async fn private_host_of_a_proxy_is_refused_as_the_host_of_a_link() {
        let client = |policy, proxy: &str| {
            let proxies = Proxies::with_https_proxy(proxy.parse().unwrap());
            let (network, tls) = (Network::default(), Tls::new(&Network::default()).unwrap());
            HttpClient::new(ClientConfig { network, tls, policy, proxies }).unwrap()
        };
        for (policy, proxy, url, is_allowed) in [
            (AddressPolicy::Public, "http://localhost:3128", "http://localhost/x", false),
            (AddressPolicy::Public, "http://localhost:3128", "https://LOCALHOST:3128/x", false),
            (AddressPolicy::Anywhere, "http://localhost:3128", "http://localhost/x", true),
            // No name of a proxy: the resolver checks its addresses.
            (AddressPolicy::Public, "http://proxy.invalid:3128", "http://localhost/x", true),
        ] {
            let checked = client(policy, proxy).check_proxy_host(&url.parse().unwrap()).await;
            assert_eq!(checked.is_ok(), is_allowed, "{proxy} {url}");
        }
    }
}
