//! The two HTTP clients, and the rule for redirects of each.
//!
//! Neither client sends a `Referer`, because it would contain a signed link. Neither keeps cookies. Neither decompresses by
//! itself, because lengths, ranges and hashes would then describe different bytes. Neither retries: `retry` does. Neither
//! limits the time of a whole transfer: only a stall ends it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Certificate, Client, ClientBuilder, Url};

use super::address_policy::{AddressPolicy, Resolver, UrlPolicy};
use super::error::PolicyViolation;
use super::proxy::{Proxies, ProxyError};

const MAX_REDIRECTS: usize = 10;
const USER_AGENT: &str = concat!("yescale-dl/", env!("CARGO_PKG_VERSION"));

/// How connections are made. Proxies come from the environment, as for curl. A proxy that can't be read is an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Network {
    /// `User-Agent`, `yescale-dl/VERSION` by default. Some media hosts refuse a request without one.
    pub user_agent: String,
    /// The most time for making one connection: 10 s by default.
    pub connect_timeout: Duration,
    /// A request that receives no byte for this long, 30 s by default, ends and is retried. A whole transfer has no limit.
    pub stall_timeout: Duration,
    /// One more trusted root besides those of the system: its path, for errors, and its PEM.
    pub ca_cert: Option<(PathBuf, Vec<u8>)>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            user_agent: USER_AGENT.to_owned(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            ca_cert: None,
        }
    }
}

/// Why a client can't be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file of `--ca-cert`.
    #[error("no certificate can be read from {}", .0.display())]
    Certificate(PathBuf),
    /// A proxy of the environment can't be read. No request is sent, not even directly.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// Another fault of the TLS or proxy settings.
    #[error("can't build the HTTP client: {0}")]
    Build(String),
}

/// The client for media: it never sends the key.
///
/// # Errors
/// When the certificate can't be read or the TLS stack can't start.
pub(crate) fn media_client(network: &Network, policy: UrlPolicy) -> Result<Client, Error> {
    let builder = client_builder(network, policy.addresses)?;
    build(builder.redirect(Policy::custom(move |attempt| check_redirect(attempt, |url| policy.check(url)))))
}

/// The client that may carry the key: it never leaves the origin of `base`.
///
/// # Errors
/// As for [`media_client`].
pub(crate) fn gateway_client(network: &Network, base: &Url) -> Result<Client, Error> {
    let origin = base.origin();
    build(client_builder(network, AddressPolicy::Anywhere)?.redirect(Policy::custom(move |attempt| {
        check_redirect(attempt, |url| (url.origin() == origin).then_some(()).ok_or(PolicyViolation::OffOrigin))
    })))
}

/// Whether a header can hold `text`.
#[must_use]
pub(crate) fn is_valid_header_value(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok()
}

fn client_builder(network: &Network, policy: AddressPolicy) -> Result<ClientBuilder, Error> {
    let proxies = Proxies::from_environment()?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut builder = Client::builder()
        .user_agent(&network.user_agent)
        .default_headers(headers)
        .dns_resolver(Resolver { policy, proxies: proxies.hosts() })
        .connect_timeout(network.connect_timeout)
        .read_timeout(network.stall_timeout)
        .referer(false)
        .retry(reqwest::retry::never());
    if let Some((path, pem)) = &network.ca_cert {
        let roots = Certificate::from_pem_bundle(pem).ok().filter(|roots| !roots.is_empty());
        builder = builder.tls_certs_merge(roots.ok_or_else(|| Error::Certificate(path.clone()))?);
    }
    proxies.apply(builder).map_err(|error| build_error(&error))
}

fn build(builder: ClientBuilder) -> Result<Client, Error> {
    builder.build().map_err(|error| build_error(&error))
}

fn build_error(error: &reqwest::Error) -> Error {
    Error::Build(std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string))
}

/// Follows a redirect that `check` and the rules of both clients allow.
fn check_redirect(attempt: Attempt<'_>, check: impl Fn(&Url) -> Result<(), PolicyViolation>) -> Action {
    let from_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    let checked = if attempt.previous().len() > MAX_REDIRECTS {
        Err(PolicyViolation::TooManyRedirects)
    } else if from_https && attempt.url().scheme() != "https" {
        Err(PolicyViolation::Downgrade)
    } else {
        check(attempt.url())
    };
    tracing::debug!(
        status = attempt.status().as_u16(),
        host = attempt.url().host_str(),
        is_followed = checked.is_ok(),
        "redirect"
    );
    match checked {
        Ok(()) => attempt.follow(),
        Err(violation) => attempt.error(violation),
    }
}
