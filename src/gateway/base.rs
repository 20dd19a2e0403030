//! The base URL of the gateway. Blanks, a trailing slash and `/v1` around a pasted URL are ignored.

use std::str::FromStr;

use url::Url;

use crate::domain::task::TaskId;

/// The base URL of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is not a base URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not an absolute http(s) URL: the text, without secrets.
    #[error("`{0}` is not an absolute http or https URL, such as https://api.yescale.io")]
    NotHttp(String),
    /// It has a user, a password, a query or a fragment. The API uses none of them.
    #[error("a base URL has no user, password, query or fragment: remove them")]
    Extras,
}

impl Default for BaseUrl {
    /// `https://api.yescale.io`
    fn default() -> Self {
        Self(Url::parse("https://api.yescale.io").expect("it is a URL"))
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let text = text.trim();
        let bare = text.trim_end_matches('/');
        let bare = bare.strip_suffix("/v1").unwrap_or(bare).trim_end_matches('/');
        let url = Url::parse(bare).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| BaseUrlError::NotHttp(crate::redact::display_url(text)))?;
        let extras = !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
        if extras { Err(BaseUrlError::Extras) } else { Ok(Self(url)) }
    }
}

impl BaseUrl {
    /// The URL of a task; none for an id that can't be part of a URL.
    #[must_use]
    pub(crate) fn task_url(&self, id: &TaskId) -> Option<Url> {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/task/{}", self.0.path().trim_end_matches('/'), id.path_segment()?));
        Some(url)
    }

    /// Scheme, host and port, such as `https://api.yescale.io`. Two URLs with the same text have the same origin.
    #[must_use]
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The URL itself.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task_url(base: &str, id: &str) -> String {
        let base: BaseUrl = base.parse().unwrap();
        base.task_url(&TaskId::new(id).unwrap()).unwrap().to_string()
    }

    #[test]
    fn pasted_base_urls_are_normalized() {
        for base in ["https://h", " https://h/ ", "https://h//", "https://h/v1", "https://h/v1/", "HTTPS://h/v1//\n"] {
            assert_eq!(task_url(base, "1"), "https://h/task/1", "{base}");
        }
        assert_eq!(task_url("http://127.0.0.1:8080/gate/v1", "1"), "http://127.0.0.1:8080/gate/task/1");
    }

    #[test]
    fn origin_is_scheme_host_and_port() {
        let origin = |base: &str| base.parse::<BaseUrl>().unwrap().origin();
        for base in ["https://h", "HTTPS://H:443/v1", " https://h/gate/ "] {
            assert_eq!(origin(base), "https://h", "{base}");
        }
        for base in ["http://h", "https://h:444", "https://h.", "https://g.h"] {
            assert_ne!(origin(base), "https://h", "{base}");
        }
        assert_eq!(origin("http://[::1]:80/x"), "http://[::1]");
        assert_eq!(origin("https://bücher.example"), "https://xn--bcher-kva.example");
    }

    #[test]
    fn task_id_stays_one_path_segment() {
        assert_eq!(task_url("https://h", "a/../b?c#d"), "https://h/task/a%2F..%2Fb%3Fc%23d");
        assert_eq!(task_url("https://h", "%2e%2e"), "https://h/task/%252e%252e");
    }

    #[test]
    fn invalid_base_urls_are_rejected() {
        for text in ["", "api.yescale.io", "ftp://h", "/v1", "https://", "data:,x"] {
            assert!(matches!(text.parse::<BaseUrl>(), Err(BaseUrlError::NotHttp(_))), "{text}");
        }
        for text in ["https://user:pw@h", "https://h?x=1", "https://h#x"] {
            assert_eq!(text.parse::<BaseUrl>(), Err(BaseUrlError::Extras), "{text}");
        }
    }
}
