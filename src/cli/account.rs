//! `--since` and `--until`: what the account made, as requests of the run.
//!
//! The list is read after the ids and lists of the user, whose fields count before those of the account. It ends with the run: once
//! the run takes no more tasks, nothing is requested any more.

use std::path::Path;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::error::Error;
use super::request_queue::RequestQueue;
use super::saved_keys::KeyKind;
use super::settings::read_key_file;
use crate::domain::event::Emitter;
use crate::domain::when::When;
use crate::gateway::{AccountClient, AccountError, BaseUrl, Seconds};
use crate::jobs::archive::Request;
use crate::redact::ApiKey;
use crate::session::Session;
use crate::{session, ui};

/// How far a range may reach into the future: the clock of the account may be ahead.
const LONGEST_AHEAD: i64 = 86_400;

/// What to read of which account.
pub(super) struct AccountSettings {
    url: BaseUrl,
    /// The access key. It hides the API key, too.
    pub key: ApiKey,
    range: Seconds,
}

/// An account whose list can be read.
pub(super) struct Account {
    client: AccountClient,
    range: Seconds,
}

impl AccountSettings {
    /// Validates the settings; none without a range.
    ///
    /// # Errors
    /// If the list can't be read with them.
    pub(super) fn resolve(
        range: Option<Seconds>,
        url: &str,
        key_file: Option<&Path>,
        api_key: &ApiKey,
        config: &Config,
    ) -> Result<Option<Self>, Error> {
        let Some(range) = range else { return Ok(None) };
        let key = load_key(key_file, config)?;
        let is_exposed = api_key.occurs_in(url) || key.as_ref().is_some_and(|(key, _)| key.occurs_in(url));
        if is_exposed {
            return Err(Error::KeyForOption("--account-url"));
        }
        let url: BaseUrl = url.parse().map_err(Error::AccountUrl)?;
        let Some((key, origin)) = key else { return Err(config.no_access_key(&url)) };
        if key.expose() == api_key.expose() {
            return Err(Error::ApiKeyForAccessKey { origin, account: url });
        }
        Ok(Some(Self { url, key: key.hiding(api_key), range }))
    }

    /// Makes the client.
    ///
    /// # Errors
    /// If it can't be made.
    pub(super) fn open(self, session: &Session, events: &Emitter) -> Result<Account, session::Error> {
        Ok(Account { client: session.account_client(self.url, self.key, events)?, range: self.range })
    }
}

impl Account {
    /// Sends a request for each task of the list, until the run takes no more. Blocks.
    ///
    /// # Errors
    /// If the list can't be read to its end.
    pub(super) fn send(self, requests: &RequestQueue, queries_ended: &CancellationToken) -> Result<(), AccountError> {
        if queries_ended.is_cancelled() || requests.is_closed() {
            return Ok(());
        }
        // Reading may take long, and what is not listed yet needs not be counted.
        requests.begin_list(true);
        self.client.each_task(self.range, queries_ended, &mut |task| {
            requests.send(Request { meta_defaults: task.meta, ..Request::new(task.id) }) && !requests.is_closed()
        })
    }
}

/// The seconds from `since` to `until`, or to now. The range goes one second further, for servers that do not count its end.
///
/// # Errors
/// If there are none.
pub(super) fn range(since: When, until: Option<When>) -> Result<Seconds, Error> {
    let now = Timestamp::now().as_second();
    let first = since.since().as_second().max(0);
    let end = until.map_or(now + 1, |until| until.until().as_second().min(now + LONGEST_AHEAD));
    match first < end {
        // Without `--until` a task that comes during the run is wanted, too.
        true => Ok(Seconds { first, end, includes_end: until.is_none() }),
        false => Err(Error::EmptyRange(if until.is_some() { "--until" } else { "now" })),
    }
}

/// The access key and where it was found; none if there is none.
fn load_key(file: Option<&Path>, config: &Config) -> Result<Option<(ApiKey, String)>, Error> {
    config.check_saved(KeyKind::Access)?;
    let (text, origin) = match (file, &config.access_key) {
        (Some(path), _) if looks_like_a_key(path) => return Err(Error::AccessKeyForFile),
        (Some(path), _) => (read_key_file(KeyKind::Access, path, config)?, path.display().to_string()),
        (None, Some(key)) => key.clone(),
        (None, None) => return Ok(None),
    };
    let key = ApiKey::parse(&text).map_err(|source| Error::AccessKey { origin: origin.clone(), source })?;
    ui::register_key(&key);
    Ok(Some((key, origin)))
}

/// Whether an access key was given instead of the name of its file: it is long, has digits, and there is no such file.
pub(super) fn looks_like_a_key(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let is_long = text.len() >= 20 && text.bytes().any(|byte| byte.is_ascii_digit());
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=');
    !path.exists() && (text.starts_with("sk-") || (is_long && text.bytes().all(is_key) && !text.starts_with('/')))
}
