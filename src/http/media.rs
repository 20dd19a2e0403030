//! Asking a media host for an asset, and the body that comes.
//!
//! Never more than [`MOST_PER_HOST`] requests at once to one host: the permit travels inside the
//! [`Body`], so it is held exactly as long as bytes are coming. What the answer's head says is read
//! here, once; what to do about it is `transfer`'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LAST_MODIFIED, RETRY_AFTER, TRANSFER_ENCODING,
};
use reqwest::{Client, Response, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::Reach;
use super::error::PRIVATE;
use super::retry::parse_retry_after;
use super::{Coding, Error};

/// Requests at once to one media host.
pub(super) const MOST_PER_HOST: usize = 32;

/// Asks media hosts. Cheap to clone.
#[derive(Clone)]
pub struct MediaClient {
    client: Client,
    reach: Reach,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl MediaClient {
    /// Over a client that has never seen the key.
    #[must_use]
    pub fn new(client: Client, reach: Reach) -> Self {
        Self { client, reach, hosts: Arc::default() }
    }

    /// Asks for `url`; the body when the host gives one.
    ///
    /// # Errors
    /// A status other than success, or no answer.
    pub async fn get(&self, url: &Url) -> Result<Body, Error> {
        if !self.reach.allows(url) {
            return Err(Error::Final(PRIVATE.to_owned()));
        }
        let permit = self.permit(url).await;
        let response = self.client.get(url.clone()).send().await?;
        Body::of(response, permit)
    }

    async fn permit(&self, url: &Url) -> Option<OwnedSemaphorePermit> {
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let semaphore = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(MOST_PER_HOST))))
        };
        // It is never closed, so the permit always comes.
        semaphore.acquire_owned().await.ok()
    }
}

/// What the head of an answer says about its body.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// `Content-Type`, as it came.
    pub content_type: Option<String>,
    /// `Content-Length`: bytes on the wire.
    pub length: Option<u64>,
    /// `Last-Modified`, when it is a date.
    pub last_modified: Option<SystemTime>,
    /// How the bytes are encoded.
    pub coding: Coding,
    /// Whether the end of the body can be told from a cut: by a length or an end mark.
    pub has_end: bool,
}

/// A body on its way.
pub struct Body {
    /// What its head said.
    pub head: Head,
    response: Response,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// The body of an answer, when its status is a success.
    ///
    /// # Errors
    /// For any other status, and for an encoding that can't be undone.
    pub fn of(response: Response, permit: Option<OwnedSemaphorePermit>) -> Result<Self, Error> {
        let status = response.status();
        if !status.is_success() {
            let retry_after =
                text(response.headers(), &RETRY_AFTER).and_then(|value| parse_retry_after(&value, SystemTime::now()));
            return Err(Error::Status { status, retry_after });
        }
        let head = read_head(response.headers())?;
        Ok(Self { head, response, _permit: permit })
    }

    /// The next bytes; none at the end, which is only the end when everything promised has come.
    ///
    /// # Errors
    /// When the body breaks off, stalls or is malformed.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        Ok(self.response.chunk().await?)
    }
}

fn read_head(headers: &HeaderMap) -> Result<Head, Error> {
    let length = text(headers, &CONTENT_LENGTH).and_then(|value| value.trim().parse().ok());
    let coding = Coding::parse(&text(headers, &CONTENT_ENCODING).unwrap_or_default()).map_err(Error::Final)?;
    Ok(Head {
        content_type: text(headers, &CONTENT_TYPE),
        length,
        last_modified: text(headers, &LAST_MODIFIED).and_then(|value| httpdate::parse_http_date(&value).ok()),
        coding,
        has_end: length.is_some() || headers.contains_key(TRANSFER_ENCODING),
    })
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
