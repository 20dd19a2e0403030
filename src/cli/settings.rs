//! Makes the settings of a run from the effective arguments.
//!
//! Everything is validated here once, before the first request and the first write. The key comes from a file, standard
//! input or the environment, never from the command line: other users of the machine can read that.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::account::{self, AccountSettings};
use super::args::{Args, ConnectionArgs, KindArg, RemoteArgs, StyleArgs, When};
use super::config::Config;
use super::environment::Environment;
use super::error::Error;
use super::input::{self, Input};
use super::observers::ObserverOptions;
use super::saved_keys::KeyKind;
use super::values::WaitMode;
use crate::domain::plan::KindFilter;
use crate::domain::shard::Shard;
use crate::http::client::Network;
use crate::jobs::archive::PollPolicy;
use crate::redact::ApiKey;
use crate::session::Options;
use crate::ui::{self, ProgressMode, Style};

/// The most that is read of a key file: more than any key, and little of a wrong file.
const MAX_KEY_FILE: u64 = 64 << 10;
/// The largest file of certificates: more than the roots of any system.
const MAX_CERTIFICATES: u64 = 16 << 20;

/// The settings of the main job.
pub(super) struct Settings {
    pub input: Input,
    /// The account whose tasks are archived, too.
    pub account: Option<AccountSettings>,
    /// The part of the ids to take.
    pub shard: Option<Shard>,
    pub output: PathBuf,
    pub gallery: bool,
    pub observers: ObserverOptions,
    pub options: Options,
    pub style: Style,
}

impl Settings {
    /// Validates the arguments.
    ///
    /// # Errors
    /// If the run can't start with them.
    pub(super) fn resolve(args: Args, config: &Config, environment: Environment<'_>) -> Result<Self, Error> {
        if args.ids.is_empty() && args.input_file.is_empty() && args.since.is_none() {
            return Err(Error::NoIds);
        }
        let ids = input::argument_ids(&args.ids, args.ids_after_dashes);
        let typed = args.options;
        let inputs = args.input_file.iter().chain(&typed.remote.api_key_file).chain(&typed.access_key_file);
        if inputs.filter(|path| path.as_os_str() == "-").count() > 1 {
            return Err(Error::StdinUsedTwice);
        }
        let shard = args.shard.map(|shard| shard.resolve(environment)).transpose()?;
        let range = args.since.map(|since| account::range(since, args.until)).transpose()?;
        let remote = remote_options(typed.remote, config);
        if remote.as_ref().is_ok_and(|remote| args.ids.iter().any(|id| remote.key.occurs_in(id))) {
            return Err(Error::KeyForId);
        }
        // A typing mistake is named first: without a key, too.
        let ids = ids?;
        let remote = remote?;
        let account = AccountSettings::resolve(range, &typed.account_url, typed.access_key_file.as_deref(), &remote.key, config)?;
        // No `..`: the compiler then requires each new option here.
        let options = Options {
            key: match &account {
                Some(account) => remote.key.hiding(&account.key),
                None => remote.key,
            },
            base_url: remote.base_url,
            api_rate: remote.api_rate,
            wanted: kind_filter(&typed.only),
            wait: poll_policy(typed.wait, typed.poll_delay),
            force: args.force,
            skip_failed: typed.skip_failed || account.is_some(),
            mtime: typed.mtime,
            dry_run: args.dry_run,
            jobs: remote.jobs,
            connections: remote.connections,
            limit_rate: remote.limit_rate,
            min_rate: remote.min_rate,
            max_size: remote.max_size,
            retries: remote.retries,
            retry_delay: remote.retry_delay,
            network: remote.network,
            allow_private_hosts: remote.allow_private_hosts,
            spool: remote.spool,
            shard,
        };
        Ok(Self {
            style: style(&typed.style, environment),
            account,
            shard,
            input: Input::open(ids, &args.input_file, options.key.clone())?,
            output: typed.output,
            gallery: typed.gallery,
            observers: ObserverOptions { exec: args.exec, failed_to: args.failed_to },
            options,
        })
    }
}

/// The options for the gateway and media hosts. All other options of the run have their defaults.
///
/// # Errors
/// If there is no key, or a value is invalid.
pub(super) fn remote_options(args: RemoteArgs, config: &Config) -> Result<Options, Error> {
    let network = network(args.connection)?;
    let key = load_key(args.api_key_file.as_deref(), config)?;
    for (option, value) in [("--base-url", &args.base_url), ("--user-agent", &network.user_agent)] {
        if key.occurs_in(value) {
            return Err(Error::KeyForOption(option));
        }
    }
    Ok(Options {
        base_url: args.base_url.parse()?,
        api_rate: args.api_rate,
        jobs: args.jobs,
        connections: args.connections,
        limit_rate: args.limit_rate,
        min_rate: args.min_rate,
        max_size: args.max_size,
        retries: args.retries,
        retry_delay: args.retry_delay,
        network,
        allow_private_hosts: args.allow_private_hosts,
        spool: args.spool,
        ..Options::new(key)
    })
}

/// How to connect.
///
/// # Errors
/// If the certificate can't be read.
pub(super) fn network(args: ConnectionArgs) -> Result<Network, Error> {
    let ConnectionArgs { connect_timeout, stall_timeout, user_agent, ca_cert } = args;
    let ca_cert = ca_cert.map(|path| read_certificates(&path).map(|pem| (path, pem))).transpose()?;
    Ok(Network { user_agent, connect_timeout, stall_timeout, ca_cert })
}

/// How unfinished tasks are polled, if they are.
fn poll_policy(mode: WaitMode, first_delay: Duration) -> Option<PollPolicy> {
    let timeout = match mode {
        WaitMode::No => return None,
        WaitMode::Endless => None,
        WaitMode::AtMost(timeout) => Some(timeout),
    };
    Some(PollPolicy { timeout, first_delay, ..PollPolicy::default() })
}

/// The kinds of a list of names; all without any.
pub(super) fn kind_filter(only: &[KindArg]) -> KindFilter {
    if only.is_empty() {
        return KindFilter::ALL;
    }
    let has = |kind| only.contains(&kind);
    KindFilter {
        video: has(KindArg::Video),
        image: has(KindArg::Image),
        audio: has(KindArg::Audio),
        file: has(KindArg::File),
        text: has(KindArg::Text),
    }
}

/// The style of the output.
pub(super) fn style(args: &StyleArgs, environment: Environment<'_>) -> Style {
    Style {
        json: args.json,
        quiet: args.quiet,
        verbose: args.verbose,
        progress: if args.quiet {
            ProgressMode::Off
        } else {
            progress_mode(args.progress, io::stderr().is_terminal(), is_dumb(environment))
        },
        color_out: uses_color(args.color, &io::stdout(), environment),
        color_err: uses_color(args.color, &io::stderr(), environment),
        is_one_place: ui::is_one_place(),
        is_dry_run: false,
        has_waited: false,
    }
}

/// Whether a stream gets colours.
pub(super) fn uses_color(when: When, stream: &impl IsTerminal, environment: Environment<'_>) -> bool {
    is_on(when, stream.is_terminal() && !is_dumb(environment) && environment("NO_COLOR").is_none())
}

/// Whether the terminal can only print.
fn is_dumb(environment: Environment<'_>) -> bool {
    environment("TERM").is_some_and(|term| term == "dumb")
}

/// How progress is shown. Bars need a terminal that can move its cursor.
fn progress_mode(when: When, is_terminal: bool, is_dumb: bool) -> ProgressMode {
    match is_on(when, is_terminal) {
        false => ProgressMode::Off,
        true if is_terminal && !is_dumb => ProgressMode::Bars,
        true => ProgressMode::Lines,
    }
}

/// Whether something with the default `auto` is on.
fn is_on(when: When, auto: bool) -> bool {
    match when {
        When::Auto => auto,
        When::Always => true,
        When::Never => false,
    }
}

fn load_key(file: Option<&Path>, config: &Config) -> Result<ApiKey, Error> {
    config.check_saved(KeyKind::Api)?;
    let (text, origin) = match file {
        Some(path) if looks_like_a_key(path) && !path.exists() => return Err(Error::KeyForFile),
        Some(path) => (read_key_file(KeyKind::Api, path, config)?, path.display().to_string()),
        None => config.key.clone().ok_or_else(|| config.no_key())?,
    };
    let key = ApiKey::parse(&text).map_err(|source| Error::Key { origin, source })?;
    ui::register_key(&key);
    Ok(key)
}

/// The text of a file with a key, in any encoding in which editors and shells save it.
///
/// # Errors
/// If it can't be read.
pub(super) fn read_key_file(kind: KeyKind, path: &Path, config: &Config) -> Result<String, Error> {
    match read_file(path, MAX_KEY_FILE) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&input::decode(bytes)).into_owned()),
        Err(Error::Read { path, source }) => {
            let origin = config.key_file_origin(kind, &path);
            Err(Error::KeyFile { kind, origin, path, source })
        }
        Err(error) => Err(error),
    }
}

/// Whether a key was given instead of the name of its file.
pub(super) fn looks_like_a_key(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sk-"))
}

/// The content of a file of certificates. A file without an end is refused, too: it would fill the memory.
///
/// # Errors
/// If it can't be read, or is too large.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<u8>, Error> {
    let pem = read_file(path, MAX_CERTIFICATES + 1)?;
    if pem.len() as u64 > MAX_CERTIFICATES {
        return Err(Error::Read { path: path.to_owned(), source: io::ErrorKind::FileTooLarge.into() });
    }
    Ok(pem)
}

/// Reads a file, or standard input for `-`, up to `limit` bytes.
fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let source: io::Result<Box<dyn Read>> = match path.as_os_str() == "-" {
        true => Ok(Box::new(io::stdin())),
        false => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    source
        .and_then(|source| source.take(limit).read_to_end(&mut bytes))
        .map(|_| bytes)
        .map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
