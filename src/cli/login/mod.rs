//! The command `login`: asks for the keys, tries them, and saves them for later runs.
//!
//! Owns the order: a key is typed without echo, tried at the server that it is for, and saved with the origin of that server
//! once all are typed. A key that is refused, and an interrupt, save nothing at all. A server that can't be reached leaves its
//! key untested: it is saved with a warning. The keys come from the terminal alone, so that none is in a list of commands or in
//! a pipe.

mod hidden_input;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::args::LoginArgs;
use super::environment::{ACCESS_KEY_VARIABLE, Environment, KEY_FILE_VARIABLE, KEY_VARIABLE, saved_keys_path};
use super::error::Error;
use super::saved_keys::{KeyKind, SavedKeys};
use super::{print_messages, print_result, runtime, settings, signals};
use crate::gateway::BaseUrl;
use crate::http::client::Network;
use crate::redact::ApiKey;
use crate::session::{Options, Trial, try_access_key, try_api_key};
use crate::storage::remove_secret;
use crate::{threads, ui};
use hidden_input::HiddenInput;

/// Runs the command and returns the exit code.
pub(super) fn run(args: LoginArgs, environment: Environment<'_>) -> Result<u8, Error> {
    let path = saved_keys_path(environment).ok_or(Error::NoSettingsFolder)?;
    if args.forget {
        return forget(&path);
    }
    let keys = SavedKeys::load(&path)?;
    let mut login = Login::new(args, keys)?;
    let runtime = runtime::build()?;
    let interrupt_code = Arc::new(AtomicU8::new(0));
    signals::start(login.stop.clone(), Arc::clone(&interrupt_code))?;
    let stop = login.stop.clone();
    // An interrupt drops the future, and with it what hides the input.
    let Some(ended) = runtime.block_on(stop.run_until_cancelled(login.ask())) else {
        ui::print_prompt("\n");
        ui::print_error("interrupted: nothing was saved");
        return Ok(interrupt_code.load(Ordering::Relaxed));
    };
    ended?;
    login.save(environment)
}

/// Removes the saved keys.
fn forget(path: &Path) -> Result<u8, Error> {
    let was_there = remove_secret(path)?;
    let what = if was_there { "removed the saved keys:" } else { "no keys are saved in" };
    print_result(&ui::path_line(what, path))
}

/// The keys that are typed, and where they are tried.
struct Login {
    api_url: BaseUrl,
    account_url: BaseUrl,
    /// How to connect to both.
    network: Network,
    keys: SavedKeys,
    typed: Vec<(KeyKind, ApiKey)>,
    stop: CancellationToken,
}

impl Login {
    fn new(args: LoginArgs, keys: SavedKeys) -> Result<Self, Error> {
        Ok(Self {
            api_url: args.base_url.parse()?,
            account_url: args.account_url.parse().map_err(Error::AccountUrl)?,
            network: settings::network(args.connection)?,
            keys,
            typed: Vec::new(),
            stop: CancellationToken::new(),
        })
    }

    fn url(&self, kind: KeyKind) -> &BaseUrl {
        match kind {
            KeyKind::Api => &self.api_url,
            KeyKind::Access => &self.account_url,
        }
    }

    /// Asks for both keys, and tries each.
    async fn ask(&mut self) -> Result<(), Error> {
        let input = HiddenInput::start().map_err(Error::HiddenInput)?.ok_or(Error::NoTerminal)?;
        for kind in [KeyKind::Api, KeyKind::Access] {
            ui::print_prompt(&self.prompt(kind));
            let line = input.read_line().await.map_err(Error::HiddenInput)?;
            // The terminal does not show the end of the line either.
            ui::print_prompt("\n");
            // At the end of the input there is nothing more to ask.
            let Some(line) = line else { break };
            if !line.trim().is_empty() {
                let key = self.check(kind, &line)?;
                self.try_key(kind, &key).await?;
                self.typed.push((kind, key));
            }
        }
        Ok(())
    }

    /// `API key for https://api.yescale.io (hidden; empty to skip): `
    fn prompt(&self, kind: KeyKind) -> String {
        let url = self.url(kind);
        let purpose = if kind == KeyKind::Access { ", which --since needs" } else { "" };
        let skip = if self.keys.get(kind, url).is_some() { "keep the saved one" } else { "skip" };
        format!("{} for {}{purpose} (not shown; empty to {skip}): ", kind.title(), url.origin())
    }

    /// The key in a line.
    ///
    /// # Errors
    /// If it can't be one, or is a key of the other kind.
    fn check(&self, kind: KeyKind, line: &str) -> Result<ApiKey, Error> {
        let origin = format!("the {} that you typed", kind.name());
        let key = match ApiKey::parse(line) {
            Ok(key) => key,
            Err(source) if kind == KeyKind::Api => return Err(Error::Key { origin, source }),
            Err(source) => return Err(Error::AccessKey { origin, source }),
        };
        ui::register_key(&key);
        let is_typed = |other: KeyKind| self.typed.iter().any(|(kind, typed)| *kind == other && typed.expose() == key.expose());
        let is_of = |other: KeyKind| is_typed(other) || self.keys.contains(other, &key);
        match kind {
            _ if key.occurs_in(self.api_url.as_url().as_str()) => Err(Error::KeyForOption("--base-url")),
            _ if key.occurs_in(self.account_url.as_url().as_str()) => Err(Error::KeyForOption("--account-url")),
            KeyKind::Access if is_of(KeyKind::Api) => Err(Error::ApiKeyForAccessKey {
                origin: "the prompt for the access key".to_owned(),
                account: self.account_url.clone(),
            }),
            KeyKind::Api if is_of(KeyKind::Access) => Err(Error::AccessKeyForApiKey),
            _ => Ok(key),
        }
    }

    /// Tries a key at its server.
    ///
    /// # Errors
    /// If the server refuses it.
    async fn try_key(&self, kind: KeyKind, key: &ApiKey) -> Result<(), Error> {
        let options = Options { base_url: self.api_url.clone(), network: self.network.clone(), ..Options::new(key.clone()) };
        let (url, stop) = (self.url(kind), self.stop.clone());
        let trial = match kind {
            KeyKind::Api => try_api_key(&options, print_messages(), &stop).await?,
            KeyKind::Access => {
                // It blocks, and an interrupt does not wait for it.
                let (sender, receiver) = oneshot::channel();
                let (account, key) = (url.clone(), key.clone());
                let tried = move || sender.send(try_access_key(&options, account, key, print_messages(), &stop));
                threads::spawn_thread("access-key", tried).map_err(Error::Threads)?;
                receiver.await.unwrap_or_else(|_| Ok(Trial::Untested("internal error; please report it".to_owned())))?
            }
        };
        match trial {
            Trial::Accepted => {}
            Trial::Refused(words) => return Err(Error::LoginRefused { kind, url: url.clone(), words }),
            Trial::Untested(reason) => {
                let key = kind.name();
                ui::print_warning(&format!(
                    "the {key} is not tested: {url} gives no answer about it: {reason}; check the network and the URL"
                ));
            }
        }
        Ok(())
    }

    /// Saves what was typed, and says where.
    fn save(mut self, environment: Environment<'_>) -> Result<u8, Error> {
        if self.typed.is_empty() {
            return print_result("no key was typed: nothing was saved\n");
        }
        // Another login may have saved or removed keys while this one asked.
        self.keys = SavedKeys::load(self.keys.path())?;
        let mut names = Vec::new();
        for (kind, key) in std::mem::take(&mut self.typed) {
            let url = self.url(kind).clone();
            self.keys.set(kind, &url, &key);
            names.push(format!("the {} for {}", kind.name(), url.origin()));
            for variable in overriding(kind, environment) {
                ui::print_warning(&format!("{variable} is set, and is used instead of the saved key; unset it"));
            }
        }
        self.keys.save()?;
        print_result(&ui::path_line(&format!("saved {} in", names.join(" and ")), self.keys.path()))
    }
}

/// The variables that are set and go before a saved key.
fn overriding(kind: KeyKind, environment: Environment<'_>) -> impl Iterator<Item = &'static str> {
    let names: &[&str] = match kind {
        KeyKind::Api => &[KEY_VARIABLE, KEY_FILE_VARIABLE],
        KeyKind::Access => &[ACCESS_KEY_VARIABLE],
    };
    names.iter().copied().filter(move |name| environment(name).is_some())
}
