//! Tries a key before it is saved: one request with the API key, or one list with the access key.
//!
//! Owns what an answer says about the key. Only a refusal in the sense of a run counts as one; anything else that is no answer
//! about a task leaves the key untested. Nothing is retried, and nothing is written.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Error, Options};
use crate::domain::event::Emitter;
use crate::domain::task::TaskId;
use crate::gateway::{self, AccountClient, AccountError, BaseUrl, Gateway, Purpose, Seconds};
use crate::http::client::http_client;
use crate::http::retry::RetryPolicy;
use crate::http::{AddressPolicy, HttpClient, Tls, is_private_host};
use crate::redact::ApiKey;

/// The id of a task that no gateway has.
const MADE_UP_TASK: &str = "yescale-dl-login";

/// What the answer says about a key.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Trial {
    Accepted,
    /// In the server's own words.
    Refused(String),
    /// For this reason.
    Untested(String),
}

/// Asks the gateway about a made-up task, with the key of `options`.
///
/// # Errors
/// When the client can't be made, or no request can carry the key.
pub(crate) async fn try_api_key(options: &Options, events: Emitter, stop: &CancellationToken) -> Result<Trial, Error> {
    let (base, key) = (options.base_url.clone(), options.key.clone());
    let is_cleartext = is_public_cleartext(&base).await;
    let events = events.redacting(key.clone());
    let gateway = Gateway::new(client(options)?, base, key, once(options), events, stop.clone())?;
    let gateway = if is_cleartext { gateway.with_cleartext_warning() } else { gateway };
    let id = TaskId::new(MADE_UP_TASK).expect("it is an id");
    let answer = gateway.get_task(&id, Purpose::Task, &|_| {}, stop).await;
    Ok(match answer.map_err(|failure| failure.error) {
        Err(gateway::Error::KeyRejected(words)) => Trial::Refused(words),
        // A run believes the words, but they are no proof of the key.
        Err(error @ gateway::Error::NotFound { .. }) if error.http_status() == Some(401) => {
            Trial::Refused(format!("HTTP 401 Unauthorized, and {error}"))
        }
        Ok(_) | Err(gateway::Error::NotFound { is_explicit: true, .. } | gateway::Error::NotFound { words: None, .. }) => {
            Trial::Accepted
        }
        Err(error) => Trial::Untested(error.cause()),
    })
}

/// Asks the account for the tasks of this second. Blocks.
///
/// # Errors
/// As for [`try_api_key`].
pub(crate) fn try_access_key(
    options: &Options,
    account: BaseUrl,
    key: ApiKey,
    events: Emitter,
    stop: &CancellationToken,
) -> Result<Trial, Error> {
    let events = events.redacting(key.clone());
    let client = AccountClient::new(client(options)?, account, key, once(options), events, stop.clone())?;
    let now = jiff::Timestamp::now().as_second();
    let listed = client.each_task(Seconds { first: now, end: now, includes_end: true }, stop, &mut |_| false);
    Ok(match listed {
        Ok(()) | Err(AccountError::FullSecond { .. }) => Trial::Accepted,
        Err(AccountError::KeyRefused { words, .. }) => Trial::Refused(words),
        Err(AccountError::Unreadable { reason, .. }) => Trial::Untested(reason),
        Err(error) => return Err(error.into()),
    })
}

fn client(options: &Options) -> Result<HttpClient, Error> {
    Ok(http_client(&options.network, &Tls::new(&options.network)?, AddressPolicy::Anywhere)?)
}

fn once(options: &Options) -> RetryPolicy {
    RetryPolicy { retries: 0, max_busy_wait: Duration::ZERO, ..options.retry_policy() }
}

/// Whether a key would travel in clear to a public host.
async fn is_public_cleartext(base: &BaseUrl) -> bool {
    base.as_url().scheme() == "http" && !is_private_host(base.as_url()).await
}
