//! The two clients, and the rules for redirects that each keeps.
//!
//! Neither sends a `Referer` (the page it would name is a signed link), keeps cookies, decompresses
//! on its own (lengths, ranges and hashes would describe different bytes) or retries behind our
//! back. Neither has a limit on a whole transfer: a stall is what ends it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Certificate, Client, ClientBuilder, Url};

use super::address_policy::{AddressPolicy, Resolver, UrlPolicy};
use super::error::{DOWNGRADE, OFF_ORIGIN, TOO_MANY_REDIRECTS};
use super::proxy::{Proxies, ProxyError};

const MAX_REDIRECTS: usize = 10;
const USER_AGENT: &str = concat!("yescale-dl/", env!("CARGO_PKG_VERSION"));

/// How connections are made. Proxies are those that the environment names, as for curl; one that can't be read is an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Network {
    /// `User-Agent`, `yescale-dl/VERSION` by default: some media hosts refuse a request without one.
    pub user_agent: String,
    /// For making one connection: 10 s by default.
    pub connect_timeout: Duration,
    /// No byte for that long, 30 s by default, ends a request, which is then tried again. A whole transfer has no limit.
    pub stall_timeout: Duration,
    /// One more trusted root beside the system's: its name, for errors, and its PEM.
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

/// Why a client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file of `--ca-cert`.
    #[error("no certificate can be read from {}", .0.display())]
    Certificate(PathBuf),
    /// A proxy of the environment can't be read: nothing is asked, and never directly.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// Whatever else the TLS or proxy settings lack.
    #[error("the HTTP client can't be made: {0}")]
    Build(String),
}

/// The client for media: it never sends the key.
///
/// # Errors
/// When the certificate can't be read or the TLS stack can't start.
pub(crate) fn media_client(network: &Network, bounds: UrlPolicy) -> Result<Client, Error> {
    let shared = client_builder(network, bounds.addresses)?;
    build(shared.redirect(Policy::custom(move |attempt| check_redirect(attempt, |url| bounds.check(url)))))
}

/// The client that may carry the key: it never leaves the origin of `base`.
///
/// # Errors
/// As for [`media`].
pub(crate) fn gateway_client(network: &Network, base: &Url) -> Result<Client, Error> {
    let origin = base.origin();
    build(client_builder(network, AddressPolicy::Anywhere)?.redirect(Policy::custom(move |attempt| {
        check_redirect(attempt, |url| (url.origin() == origin).then_some(()).ok_or(OFF_ORIGIN))
    })))
}

/// Whether a header can hold `text`.
#[must_use]
pub(crate) fn is_valid_header_value(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok()
}

fn client_builder(network: &Network, reach: AddressPolicy) -> Result<ClientBuilder, Error> {
    let proxies = Proxies::from_environment()?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut builder = Client::builder()
        .user_agent(&network.user_agent)
        .default_headers(headers)
        .dns_resolver(Resolver { policy: reach, proxies: proxies.hosts() })
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

fn check_redirect(attempt: Attempt<'_>, allows: impl Fn(&Url) -> Result<(), &'static str>) -> Action {
    let from_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error(TOO_MANY_REDIRECTS);
    }
    if from_https && attempt.url().scheme() != "https" {
        return attempt.error(DOWNGRADE);
    }
    match allows(attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(rule) => attempt.error(rule),
    }
}
