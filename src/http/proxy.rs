//! The proxies of the environment.
//!
//! They are read here and not by the HTTP library: the library skips a value that it does not understand and connects directly,
//! and the key would then take a route that the user excluded. Here a value that is not a proxy is an error. As for curl, a
//! lower-case name wins over the upper-case one, and a blank value counts as unset. No message repeats a value, because it may
//! contain a password.

use std::ffi::OsString;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, NoProxy, Proxy, Response, StatusCode, Url};

use super::{Error, tunnel};

/// The supported protocols of a proxy.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Why a variable does not name a proxy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{variable} does not name a usable proxy: {fault}; correct it, or unset it to connect directly")]
pub struct ProxyError {
    variable: &'static str,
    fault: String,
}

/// The proxies of a run.
#[derive(Clone, Default, Debug)]
pub(super) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    no_proxy: String,
}

impl Proxies {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// When a variable can't be read as a proxy.
    pub(super) fn from_environment() -> Result<Self, ProxyError> {
        #[expect(clippy::disallowed_methods, reason = "programs that embed this crate use the same proxies")]
        Self::from_vars(|name| std::env::var_os(name))
    }

    fn from_vars(environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, ProxyError> {
        let set = |name: &str| environment(name).filter(|value| !value.to_string_lossy().trim().is_empty());
        let proxy = |lower: &'static str, upper: &'static str| -> Result<Option<Url>, ProxyError> {
            let read = |name: &'static str| {
                let value = set(name);
                value.map(|value| parse_proxy_url(&value).map_err(|fault| ProxyError { variable: name, fault })).transpose()
            };
            // Both are read, so that a wrong one is reported even where the other wins.
            let (lower, upper) = (read(lower)?, read(upper)?);
            Ok(lower.or(upper))
        };
        // In a CGI program the client can set `HTTP_PROXY`, by a header of that name.
        let upper_http = if environment("REQUEST_METHOD").is_some() { "http_proxy" } else { "HTTP_PROXY" };
        let all = proxy("all_proxy", "ALL_PROXY")?;
        let exceptions = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
        Ok(Self {
            http: proxy("http_proxy", upper_http)?.or_else(|| all.clone()),
            https: proxy("https_proxy", "HTTPS_PROXY")?.or(all),
            no_proxy: parse_no_proxy(&exceptions.to_string_lossy()),
        })
    }

    /// A proxy for https alone.
    #[cfg(test)]
    pub(super) fn with_https_proxy(proxy: Url) -> Self {
        Self { https: Some(proxy), ..Self::default() }
    }

    /// The hosts of the proxies. They may have private addresses.
    pub(super) fn hosts(&self) -> Vec<String> {
        [&self.http, &self.https].into_iter().flatten().filter_map(Url::host_str).map(str::to_owned).collect()
    }

    /// Makes `builder` connect through these proxies and no others.
    ///
    /// # Errors
    /// When the HTTP library refuses one.
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
        builder = builder.no_proxy();
        let exceptions = NoProxy::from_string(&self.no_proxy);
        if let Some(proxy) = &self.http {
            builder = builder.proxy(Proxy::http(proxy.clone())?.no_proxy(exceptions.clone()));
        }
        if let Some(proxy) = &self.https {
            builder = builder.proxy(Proxy::https(proxy.clone())?.no_proxy(exceptions));
        }
        Ok(builder)
    }

    /// Whether `url` leads to the host of a proxy itself.
    pub(super) fn is_proxy_host(&self, url: &Url) -> bool {
        url.domain().is_some_and(|host| self.hosts().iter().any(|proxy| proxy.eq_ignore_ascii_case(host)))
    }

    /// The proxy through which `url` is requested.
    fn proxy_for(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http }.as_ref()?;
        // The rules of the HTTP library for exceptions.
        let rules = Matcher::builder().all("http://proxy").no(self.no_proxy.as_str()).build();
        rules.intercept(&url.as_str().parse().ok()?).map(|_| proxy)
    }

    /// The proxy for `url` as messages name it: without user and password.
    pub(super) fn display_name(&self, url: &Url) -> Option<String> {
        self.proxy_for(url).map(without_credentials)
    }

    /// Passes a response on, unless it is the proxy's own: only a proxy asks for its authorization.
    ///
    /// # Errors
    /// The status of the proxy.
    pub(super) fn check_response(&self, response: Response) -> Result<Response, Error> {
        let status = response.status();
        if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Ok(response);
        }
        match self.display_name(response.url()) {
            Some(proxy) => Err(Error::ProxyStatus { proxy, status }),
            None => Ok(response),
        }
    }

    /// The status with which the proxy for `url`, an https URL, refuses a tunnel. The HTTP library does not return it, so the
    /// tunnel is requested once more. None when the proxy does not answer or does not refuse.
    pub(super) async fn probe_tunnel_refusal(&self, url: &Url) -> Option<StatusCode> {
        let proxy = self.proxy_for(url).filter(|proxy| proxy.scheme() == "http" && url.scheme() == "https")?;
        tunnel::request_refusal(proxy, url).await
    }
}

/// Scheme, host and port.
fn without_credentials(proxy: &Url) -> String {
    let port = proxy.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}", proxy.scheme(), proxy.host_str().unwrap_or_default())
}

/// Parses the value of a variable. An error repeats nothing of it but a scheme.
fn parse_proxy_url(value: &OsString) -> Result<Url, String> {
    let text = value.to_str().ok_or("it is not UTF-8")?.trim();
    if text.starts_with(['"', '\'']) {
        return Err("it is in quotes".to_owned());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.as_str()) {
        let is_plain = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let shown = if is_plain && scheme.len() <= 10 { format!("`{scheme}://`") } else { "its scheme".to_owned() };
        return Err(format!("{shown} is not one of {}", SCHEMES.join(", ")));
    }
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    // Parsed as http, so that the host is checked whatever the scheme.
    let parsed = Url::parse(&format!("http://{rest}")).ok().filter(|_| is_plain && !rest.starts_with('/'));
    let parsed = parsed.ok_or("it is not a URL such as http://proxy.example:3128")?;
    if parsed.path() != "/" || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err("it has more than scheme, host and port".to_owned());
    }
    // The port as it was typed: 80 is the default of http alone.
    let port = rest.trim_end_matches('/').rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let host = parsed.host_str().ok_or("it has no host")?;
    let user = match (parsed.username(), parsed.password()) {
        ("", None) => String::new(),
        (user, None) => format!("{user}@"),
        (user, Some(password)) => format!("{user}:{password}@"),
    };
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let proxy = Url::parse(&format!("{scheme}://{user}{host}{port}"));
    proxy.map_err(|_| "it is not a URL such as http://proxy.example:3128".to_owned())
}

/// The hosts that are requested without a proxy, separated by commas.
fn parse_no_proxy(text: &str) -> String {
    let hosts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|host| !host.is_empty());
    hosts.map(|host| host.trim_matches(['[', ']'])).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_vars(set: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        Proxies::from_vars(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value)))
    }

    fn display_names(set: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let proxies = from_vars(set).unwrap();
        let url = |url: &str| proxies.display_name(&Url::parse(url).unwrap());
        (url("http://h"), url("https://h"))
    }

    #[test]
    fn proxy_variables_are_read_as_in_curl() {
        let some = |text: &str| Some(text.to_owned());
        for (set, http, https) in [
            (&[][..], None, None),
            (&[("http_proxy", "p:3128")], some("http://p:3128"), None),
            (&[("HTTP_PROXY", " http://p:3128/ ")], some("http://p:3128"), None),
            (&[("HTTPS_PROXY", "HTTPS://u:p%40w@p")], None, some("https://p")),
            (&[("https_proxy", "socks5h://p:80")], None, some("socks5h://p:80")),
            (&[("ALL_PROXY", "socks5://[::1]:1080")], some("socks5://[::1]:1080"), some("socks5://[::1]:1080")),
            (&[("http_proxy", "lower"), ("HTTP_PROXY", "upper")], some("http://lower"), None),
            (&[("http_proxy", " "), ("HTTP_PROXY", "upper")], some("http://upper"), None),
            (&[("all_proxy", "a"), ("https_proxy", "b")], some("http://a"), some("http://b")),
            (&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil"), ("HTTPS_PROXY", "b")], None, some("http://b")),
        ] {
            assert_eq!(display_names(set), (http, https), "{set:?}");
        }
    }

    #[test]
    fn invalid_proxy_is_an_error_that_hides_the_password() {
        for value in [
            "\"http://u:secret@p:1\"",
            "'p'",
            "sock5h://u:secret@p",
            "socks://p",
            "ftp://p",
            "secret_scheme://p",
            "http://",
            "http:///p",
            "http://u:secret@",
            "http://:3128",
            "http://p:99999",
            "http://p:secret",
            "http://p/secret.pac",
            "p?secret",
            "p q",
            "http://sec ret@p",
            "socks5://a%20secret",
            "http://se\u{e9}cret\\p",
            "://p",
            "http:/p",
            "u:secret",
        ] {
            for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
                let error = from_vars(&[(name, value)]).expect_err(value).to_string();
                assert!(error.starts_with(name) && !error.contains("secret"), "{error}");
            }
        }
        assert!(from_vars(&[("http_proxy", "p"), ("HTTP_PROXY", "ftp://p")]).is_err(), "also where another wins");
    }

    #[cfg(unix)]
    #[test]
    fn non_utf8_proxy_is_an_error() {
        use std::os::unix::ffi::OsStringExt as _;
        let value = |name: &str| (name == "https_proxy").then(|| OsString::from_vec(b"http://\xff".to_vec()));
        assert!(Proxies::from_vars(value).is_err());
    }

    #[test]
    fn proxy_is_named_only_for_urls_that_go_through_it() {
        let set = [("http_proxy", "p:1"), ("https_proxy", "p:2"), ("no_proxy", "a.example, 10.0.0.0/8 [::1]")];
        let proxies = from_vars(&set).unwrap();
        for (url, name) in [
            ("http://h/x", Some("http://p:1")),
            ("https://h/x", Some("http://p:2")),
            ("https://b.example/x?y='", Some("http://p:2")),
            ("https://a.example/x", None),
            ("https://c.a.example/x", None),
            ("http://10.1.2.3/x", None),
            ("http://[::1]/x", None),
        ] {
            assert_eq!(proxies.display_name(&Url::parse(url).unwrap()).as_deref(), name, "{url}");
        }
    }

    #[test]
    fn host_of_a_proxy_is_recognized() {
        let proxies = from_vars(&[("HTTPS_PROXY", "http://proxy.internal:3128"), ("http_proxy", "10.0.0.1:80")]).unwrap();
        let is_proxy = |url: &str| proxies.is_proxy_host(&Url::parse(url).unwrap());
        assert!(is_proxy("http://proxy.internal/x") && is_proxy("https://PROXY.internal:3128/x"));
        assert!(!is_proxy("http://internal/x") && !is_proxy("http://10.0.0.1/x"), "literal addresses are checked anyway");
    }

    #[test]
    fn no_proxy_list_is_split_at_commas_and_spaces() {
        assert_eq!(parse_no_proxy(" a.example, .b.example\t[::1] 10.0.0.0/8"), "a.example,.b.example,::1,10.0.0.0/8");
    }
}
