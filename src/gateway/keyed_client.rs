//! Sends requests with a key, to one origin only.
//!
//! Redirects are followed as long as they stay on that origin. No text of an error contains the key.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Response, Url};

use super::base::BaseUrl;
use super::error::Error;
use crate::domain::event::{Emitter, Event};
use crate::http::{self, HttpClient, RangeRequest, RedirectChain};
use crate::redact::{ApiKey, display_url};

/// A client that has a key.
pub(super) struct KeyedClient {
    client: HttpClient,
    base: BaseUrl,
    authorization: HeaderValue,
    pub key: ApiKey,
    /// Emitted before the first request.
    cleartext_warning: Mutex<Option<String>>,
}

/// The reply to a request with the key.
pub(super) enum KeyedReply {
    Response(Response),
    /// It redirects to another origin, which must not get the key.
    OffOrigin(Url, RedirectChain),
}

impl KeyedClient {
    /// A client for the origin of `base`.
    ///
    /// # Errors
    /// When no header can contain the key.
    pub(super) fn new(client: HttpClient, base: BaseUrl, key: ApiKey) -> Result<Self, Error> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| Error::InvalidKey)?;
        authorization.set_sensitive(true);
        Ok(Self { client, base, authorization, key, cleartext_warning: Mutex::default() })
    }

    /// The same, with one warning before the first request.
    pub(super) fn with_cleartext_warning(self, warning: String) -> Self {
        Self { cleartext_warning: Mutex::new(Some(warning)), ..self }
    }

    pub(super) fn base(&self) -> &BaseUrl {
        &self.base
    }

    pub(super) fn is_own_origin(&self, url: &Url) -> bool {
        url.origin() == self.base.as_url().origin()
    }

    /// Sends a request with the key, and follows redirects as long as they stay on the origin.
    pub(super) async fn send(
        &self,
        url: &Url,
        range: Option<&RangeRequest>,
        emitter: &Emitter,
    ) -> Result<KeyedReply, http::Error> {
        if let Some(warning) = self.cleartext_warning.lock().unwrap_or_else(PoisonError::into_inner).take() {
            emitter.emit(Event::Warning(warning));
        }
        tracing::debug!(url = %self.key.redact(&display_url(url.as_str())), "request with a key");
        self.send_following(url, range).await.map_err(|error| {
            let error = error.redact_key(&self.key);
            tracing::debug!(host = url.host_str(), %error, "request with a key failed");
            error
        })
    }

    async fn send_following(&self, url: &Url, range: Option<&RangeRequest>) -> Result<KeyedReply, http::Error> {
        let (mut url, mut chain) = (Cow::Borrowed(url), RedirectChain::default());
        loop {
            let mut headers = range.map(RangeRequest::headers).unwrap_or_default();
            headers.insert(AUTHORIZATION, self.authorization.clone());
            let response = self.client.get(&url, headers).await?;
            let (status, bytes) = (response.status().as_u16(), response.content_length());
            tracing::debug!(host = url.host_str(), status, bytes, "response to a request with a key");
            match chain.next_url(&url, &response)? {
                None => return Ok(KeyedReply::Response(response)),
                Some(next) if !self.is_own_origin(&next) => return Ok(KeyedReply::OffOrigin(next, chain)),
                Some(next) => url = Cow::Owned(next),
            }
        }
    }
}
