//! How the clients of the HTTP library are built.
//!
//! No client sends a `Referer`, because it would contain a signed link. None keeps cookies. None decompresses by itself,
//! because lengths, ranges and hashes would then describe different bytes. None follows redirects: `redirect` does. None
//! retries: `retry` does. None limits the time of a whole transfer: only a stall ends it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

use super::address_policy::{AddressPolicy, Resolver};
use super::proxy::{Proxies, ProxyError};
use super::tls::Tls;
use super::transport::{HttpClient, MAX_HEADER_BYTES, MAX_HEADERS};

/// How much of one HTTP/2 body a host may send ahead: enough for 20 MB/s at 100 ms.
const STREAM_WINDOW: u32 = 2 << 20;
/// The same for all bodies of a connection together.
const CONNECTION_WINDOW: u32 = 128 << 20;
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
    #[error("can't read a certificate from {}: name a PEM file", .0.display())]
    Certificate(PathBuf),
    /// A proxy of the environment can't be read. No request is sent, not even directly.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// Another fault of the TLS or proxy settings.
    #[error("can't build the HTTP client: {0}; check --ca-cert, SSL_CERT_FILE and the proxy variables")]
    Build(String),
}

/// A client whose connections reach only the addresses that `policy` allows.
///
/// # Errors
/// When a proxy can't be read, or a setting is invalid.
pub(crate) fn http_client(network: &Network, tls: &Tls, policy: AddressPolicy) -> Result<HttpClient, Error> {
    let proxies = Proxies::from_environment()?;
    HttpClient::new(ClientConfig { network: network.clone(), tls: tls.clone(), policy, proxies })
}

/// Makes sure that the proxies of the environment can be read, for clients that are not built here and ignore those that can't.
///
/// # Errors
/// [`Error::Proxy`].
#[cfg(all(feature = "bucket", feature = "cli"))]
pub(crate) fn check_proxies() -> Result<(), Error> {
    Ok(Proxies::from_environment().map(drop)?)
}

/// Whether a header can hold `text`.
#[must_use]
pub(crate) fn is_valid_header_value(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok()
}

/// What the clients of one transport are built from.
pub(super) struct ClientConfig {
    pub network: Network,
    pub tls: Tls,
    pub policy: AddressPolicy,
    pub proxies: Proxies,
}

impl ClientConfig {
    /// A client that speaks HTTP/1.1 only, and reads malformed headers as curl does.
    pub(super) fn build_http1(&self) -> Result<Client, Error> {
        let builder = self.builder("http/1.1")?.http1_only().http1_max_headers(MAX_HEADERS);
        let builder = builder
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true);
        build(builder)
    }

    /// A client that speaks HTTP/2 only. All bodies from a host share one connection, so its window has room for all of them:
    /// one that is not read must not stop the others.
    pub(super) fn build_http2(&self) -> Result<Client, Error> {
        let builder = self.builder("h2")?.http2_prior_knowledge();
        let builder =
            builder.http2_initial_stream_window_size(STREAM_WINDOW).http2_initial_connection_window_size(CONNECTION_WINDOW);
        build(builder.http2_max_header_list_size(MAX_HEADER_BYTES))
    }

    fn builder(&self, protocol: &str) -> Result<ClientBuilder, Error> {
        let Self { network, tls, policy, proxies } = self;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let builder = Client::builder()
            .tls_backend_preconfigured(tls.config(protocol))
            .user_agent(&network.user_agent)
            .default_headers(headers)
            .dns_resolver(Resolver { policy: *policy, proxies: proxies.hosts(), names: Arc::default() })
            .connect_timeout(network.connect_timeout)
            .read_timeout(network.stall_timeout)
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never());
        proxies.apply(builder).map_err(|error| build_error(&error))
    }
}

fn build(builder: ClientBuilder) -> Result<Client, Error> {
    builder.build().map_err(|error| build_error(&error))
}

fn build_error(error: &reqwest::Error) -> Error {
    Error::Build(std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string))
}
