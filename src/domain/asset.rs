//! A task's assets, and the source of their bytes.
//!
//! An [`AssetKey`], the kind and the number, identifies an asset before and after the download. Only the kind of a lone URL may
//! be unknown until its bytes are here. [`Asset::source`] is the only place that decides how the bytes are obtained: by a
//! request, from the URL itself (`data:`), or not at all.

mod parse;

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use crate::domain::asset_key::{AssetKey, AssetSelector, Kind};
use crate::domain::exact_url;
use crate::media::data_uri;
use crate::media::media_type::{self, MediaType, TextClaims};
use crate::redact::ApiKey;

pub(crate) use parse::{Redact, parse_assets};

/// The longest URL that an HTTP request can carry, in bytes.
const MAX_URL_LEN: usize = 65_534;

/// One downloadable item of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Asset {
    /// The kind that its list gives; `None` for a lone `url` whose declared type does not give one.
    pub kind: Option<Kind>,
    /// The number within the kind, from 1.
    pub index: usize,
    /// How many assets of its kind the answer has.
    pub count: usize,
    /// The URL, unchanged. This is the only copy of the payload of a `data:` URI, which may be long.
    pub url: Arc<str>,
    /// The URL to record, when it differs from `url`: the API key in it is hidden.
    pub redacted_url: Option<Arc<str>>,
    /// The declared media type, unchanged.
    pub content_type: Option<String>,
    /// The duration in seconds, finite and above 0.
    pub duration: Option<f64>,
}

/// The source of an asset's bytes.
#[derive(Debug, PartialEq)]
pub enum AssetSource {
    /// An absolute `http` or `https` URL.
    Http(Url),
    /// A `data:` URI: the URL contains the bytes.
    Data,
}

impl Asset {
    /// The source of its bytes.
    ///
    /// # Errors
    /// What is wrong with the URL, for the `errors` of the task.
    pub fn source(&self) -> Result<AssetSource, String> {
        let url = self.url.trim();
        if url.is_empty() {
            return Err("the answer has no URL for it".to_owned());
        }
        if data_uri::is_data_uri(url) {
            return Ok(AssetSource::Data);
        }
        if url.len() > MAX_URL_LEN {
            return Err(format!("the URL is longer than {MAX_URL_LEN} bytes"));
        }
        match exact_url::parse(url) {
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => {
                Err(format!("unsupported URL scheme {}: only http, https and data are supported", parsed.scheme()))
            }
            Ok(parsed) if has_host(url) => Ok(AssetSource::Http(parsed)),
            Ok(_) => Err("not an absolute URL (it has no host)".to_owned()),
            Err(error) => Err(format!("not an absolute URL ({error})")),
        }
    }

    /// Its key. Where the answer gives no kind, `found` does: the kind that the host's header or the bytes show.
    #[must_use]
    pub fn key(&self, found: Option<Kind>) -> AssetKey {
        let by_path = || self.type_by_path().map(MediaType::kind);
        let kind = self.kind.or(found).or_else(by_path).unwrap_or(Kind::Video);
        AssetKey { kind, index: self.index }
    }

    /// The media type of the extension in its URL's path. Host and query don't count.
    #[must_use]
    pub(crate) fn type_by_path(&self) -> Option<MediaType> {
        match self.source() {
            Ok(AssetSource::Http(url)) => media_type::from_path(url.path()),
            Ok(AssetSource::Data) => None,
            Err(_) if self.url.len() > MAX_URL_LEN => None,
            // The entry of an error needs a kind, too.
            Err(_) => media_type::from_path(Url::parse(self.url.trim()).ok()?.path()),
        }
    }

    /// What its URL and the answer say about a file that is text. `http` is the type that the host declares.
    pub(crate) fn text_claims<'a>(&'a self, http: Option<&'a str>) -> TextClaims<'a> {
        let source = self.source();
        // The answer itself gives the type in a data URL.
        let (by_url, http) = if matches!(source, Ok(AssetSource::Data)) { (http, None) } else { (None, http) };
        let names_text = matches!(&source, Ok(AssetSource::Http(url)) if media_type::is_plain_text_path(url.path()));
        TextClaims { api: self.content_type.as_deref().or(by_url), http, path: self.type_by_path(), names_text }
    }

    /// The part of its key that the answer gives.
    #[must_use]
    pub(crate) fn selector(&self) -> AssetSelector {
        AssetSelector { kind: self.kind, index: self.index }
    }

    /// The URL for the manifest: whole for http(s), `data:` alone for a `data:` URI, `None` when it is empty. The API key in it
    /// is hidden.
    #[must_use]
    pub fn recorded_url(&self) -> Option<String> {
        match self.url.trim() {
            "" => None,
            url if data_uri::is_data_uri(url) => Some("data:".to_owned()),
            _ => Some(self.redacted_url.as_ref().unwrap_or(&self.url).to_string()),
        }
    }

    /// Hides `key` in everything that is recorded or shown. The URL that is requested stays unchanged.
    pub(crate) fn redact(&mut self, key: &ApiKey) {
        if !data_uri::is_data_uri(&self.url)
            && let Cow::Owned(hidden) = key.redact(&self.url)
        {
            self.redacted_url = Some(hidden.into());
        }
        self.content_type.iter_mut().for_each(|content_type| key.redact_in_place(content_type));
    }
}

/// Whether a host follows the scheme. In `http:a.png` and `http:///a.png`, browsers would take a path for the host.
fn has_host(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, rest)| !scheme.contains(['/', ':']) && !rest.starts_with(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The only video of an answer with this URL.
    fn video(url: &str) -> Asset {
        let result = serde_json::value::to_raw_value(&json!({"videos": url})).unwrap();
        parse_assets(&result, 1, &|text| text.into()).0.remove(0)
    }

    #[test]
    fn only_http_and_data_urls_are_accepted() {
        let source = |url: &str| video(url).source().map(|s| format!("{s:?}"));
        assert!(source("https://h/x").unwrap().starts_with("Http"));
        assert!(source(" HTTPS://h/x ").unwrap().starts_with("Http"));
        assert!(source("Data:,x").unwrap().starts_with("Data"));
        for (url, expected) in [
            ("gs://b/x", "scheme gs"),
            ("file:///etc/passwd", "scheme file"),
            ("ftp://h/x", "scheme ftp"),
            ("/x", "absolute"),
            ("", "no URL"),
            ("http://", "absolute"),
            ("http:h/x", "no host"),
            ("http:/h/x", "no host"),
            ("https:///h/x", "no host"),
            ("http:\\\\h\\x", "no host"),
            ("http:x?u=http://h/x", "no host"),
        ] {
            assert!(source(url).unwrap_err().contains(expected), "{url}");
        }
    }

    #[test]
    fn media_type_is_guessed_from_the_url_path_only() {
        for (url, expected) in [
            (" https://h/a.webm?x=a.mp4", "webm"),
            ("https://h/a#b.mp4", "-"),
            ("https://h.mp4", "-"),
            ("https://h.mp4?a/b.mp4", "-"),
            ("https://h/?file=a.mp4", "-"),
            ("https://h/a.mp4;v=1?x", "-"),
            ("https:h/a.mp4", "mp4"),
            ("ftp://h/a.png", "png"),
            ("data:,see https://h/a.mp4", "-"),
            ("a.mp4", "-"),
        ] {
            let found = video(url).type_by_path();
            assert_eq!(found.map_or("-", MediaType::extension), expected, "{url}");
        }
    }
}
