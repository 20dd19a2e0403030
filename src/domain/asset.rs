//! A task's assets: which they are, and where their bytes come from.
//!
//! An asset is known by its kind and its number, its [`Slot`], before and after anything is fetched; only the kind of a lone
//! URL may have to wait for its bytes. What its URL asks for is decided here, once.

mod parse;

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use crate::domain::asset_key::{AssetKey, AssetSelector, Kind};
use crate::media::data_uri;
use crate::media::media_type::{self, MediaType};
use crate::redact::ApiKey;

pub(crate) use parse::{Redact, parse_assets};

/// The longest URL that an HTTP request can carry, in bytes.
const MAX_URL_LEN: usize = 65_534;

/// One item of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Asset {
    /// The kind that its list gives; none for a lone `url` whose declared type says nothing.
    pub kind: Option<Kind>,
    /// Its number within the kind, from 1.
    pub index: usize,
    /// How many of its kind the answer names.
    pub count: usize,
    /// As it came; the payload of a `data:` URI, which may be long, stands here and nowhere else.
    pub url: Arc<str>,
    /// The URL as it is recorded, when that differs: the API key in it is hidden.
    pub redacted_url: Option<Arc<str>>,
    /// As it came.
    pub content_type: Option<String>,
    /// In seconds, finite and above 0.
    pub duration: Option<f64>,
}

/// What an asset's URL asks for.
#[derive(Debug, PartialEq)]
pub enum AssetSource {
    /// An absolute `http` or `https` URL.
    Http(Url),
    /// A `data:` URI: the URL itself has the bytes.
    Data,
}

impl Asset {
    /// Where its bytes come from.
    ///
    /// # Errors
    /// What is wrong with the URL, for the `errors` of the task.
    pub fn source(&self) -> Result<AssetSource, String> {
        let url = self.url.trim();
        if url.is_empty() {
            return Err("the answer gives no URL".to_owned());
        }
        if data_uri::is_data_uri(url) {
            return Ok(AssetSource::Data);
        }
        if url.len() > MAX_URL_LEN {
            return Err(format!("the URL is longer than {MAX_URL_LEN} bytes"));
        }
        match Url::parse(url) {
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => {
                Err(format!("unsupported URL scheme {}: only http, https and data can be fetched", parsed.scheme()))
            }
            Ok(parsed) if has_host(url) => Ok(AssetSource::Http(parsed)),
            Ok(_) => Err("not an absolute URL (it names no host)".to_owned()),
            Err(error) => Err(format!("not an absolute URL ({error})")),
        }
    }

    /// Its place among the assets, with `found` (what the host or the bytes say) deciding where the answer does not.
    #[must_use]
    pub fn key(&self, found: Option<Kind>) -> AssetKey {
        let by_path = || self.type_by_path().map(MediaType::kind);
        let kind = self.kind.or(found).or_else(by_path).unwrap_or(Kind::Video);
        AssetKey { kind, index: self.index }
    }

    /// What the path of its URL ends in; host and query never count.
    #[must_use]
    pub(crate) fn type_by_path(&self) -> Option<MediaType> {
        match self.source() {
            Ok(AssetSource::Http(url)) => media_type::from_path(url.path()),
            Ok(AssetSource::Data) => None,
            Err(_) if self.url.len() > MAX_URL_LEN => None,
            // An error, too, is of some kind.
            Err(_) => media_type::from_path(Url::parse(self.url.trim()).ok()?.path()),
        }
    }

    /// What is known of its key before its bytes are here.
    #[must_use]
    pub(crate) fn selector(&self) -> AssetSelector {
        AssetSelector { kind: self.kind, index: self.index }
    }

    /// The URL as a manifest has it: whole, but `data:` alone for a `data:` URI, and none when there is none. A key in it is
    /// hidden.
    #[must_use]
    pub fn recorded_url(&self) -> Option<String> {
        match self.url.trim() {
            "" => None,
            url if data_uri::is_data_uri(url) => Some("data:".to_owned()),
            _ => Some(self.redacted_url.as_ref().unwrap_or(&self.url).to_string()),
        }
    }

    /// Hides `key` in everything that is recorded or shown. What is sent, the URL, stays as it came.
    pub(crate) fn redact(&mut self, key: &ApiKey) {
        if !data_uri::is_data_uri(&self.url)
            && let Cow::Owned(hidden) = key.redact(&self.url)
        {
            self.redacted_url = Some(hidden.into());
        }
        self.content_type.iter_mut().for_each(|content_type| key.redact_in_place(content_type));
    }
}

/// Whether a host follows the scheme, and not a path that browsers would take for one: `http:a.png`, `http:///a.png`.
fn has_host(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, rest)| !scheme.contains(['/', ':']) && !rest.starts_with(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The only video of an answer that names `url`.
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
        for (url, told) in [
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
            assert!(source(url).unwrap_err().contains(told), "{url}");
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
