//! The keys of `login` among the settings: below the command line and the environment, above the configuration file.
//!
//! Owns whether the file of the saved keys is read: only for a command that needs a key, and only if nothing of a higher rank
//! has one. So a damaged file ends no run that does not use it. A saved key counts for the origin of the URL that is in force,
//! and for no other.

use std::path::Path;
use std::{fs, io};

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::{ACCESS_KEY_FILE, ACCOUNT_URL, BASE_URL, Config, KEY_FILE};
use crate::cli::environment::{KEY_FILE_VARIABLE, KEY_VARIABLE};
use crate::cli::error::Error;
use crate::cli::saved_keys::{KeyKind, SavedKeys, UNREADABLE_HINT};
use crate::gateway::BaseUrl;

/// What is known of the saved key of one kind.
#[derive(Default)]
pub(super) enum Lookup {
    /// It was not looked up, or there is none.
    #[default]
    None,
    Found,
    /// Saved keys are for these origins, and the URL has another one.
    Elsewhere {
        origins: String,
        url: BaseUrl,
    },
    /// Whether there is a file is not known, for this reason. A key of the configuration is used then.
    OutOfReach(String),
    /// The file can't be used.
    Fault {
        why: String,
        hint: &'static str,
    },
}

impl Config {
    /// Makes the saved keys that a command needs part of the settings. `typed` is what was typed.
    pub(in crate::cli) fn apply_saved(&mut self, command: Option<&str>, typed: &ArgMatches) {
        let Some(path) = self.saved_keys.clone() else { return };
        let is_api = matches!(command, None | Some("repair" | "config"));
        let is_access = command == Some("config") || (command.is_none() && typed.value_source("since").is_some());
        for (kind, is_needed) in [(KeyKind::Api, is_api), (KeyKind::Access, is_access)] {
            if is_needed && !is_typed(typed, file_option(kind)) && !self.has_key_of_environment(kind) {
                *self.lookup_mut(kind) = self.look_up(kind, &path, typed);
            }
        }
    }

    fn look_up(&mut self, kind: KeyKind, path: &Path, typed: &ArgMatches) -> Lookup {
        // The command reports a URL that is none.
        let Some(url) = self.url(kind, typed) else { return Lookup::None };
        let keys = match SavedKeys::load(path) {
            Ok(keys) => keys,
            // In a folder that can't be entered, no file is known to exist.
            Err(Error::SavedKeys { why, .. }) if is_out_of_reach(path) => {
                return Lookup::OutOfReach(format!("{}: {why}", path.display()));
            }
            Err(Error::SavedKeys { why, hint, .. }) => return Lookup::Fault { why, hint },
            Err(error) => return Lookup::Fault { why: error.to_string(), hint: UNREADABLE_HINT },
        };
        if let Some(key) = keys.get(kind, &url) {
            let key = Some((key.to_owned(), format!("saved by login in {}", path.display())));
            match kind {
                KeyKind::Api => self.key = key,
                KeyKind::Access => self.access_key = key,
            }
            self.entries.retain(|entry| entry.name != file_option(kind));
            return Lookup::Found;
        }
        match keys.origins(kind).join(" and ") {
            origins if origins.is_empty() => Lookup::None,
            origins => Lookup::Elsewhere { origins, url },
        }
    }

    /// # Errors
    /// If the saved key is needed, and the file can't be used.
    pub(in crate::cli) fn check_saved(&self, kind: KeyKind) -> Result<(), Error> {
        match (self.lookup(kind), &self.saved_keys) {
            (Lookup::Fault { why, hint }, Some(path)) => Err(Error::SavedKeys { path: path.clone(), why: why.clone(), hint }),
            _ => Ok(()),
        }
    }

    /// Whether a saved key of this kind is in force.
    pub(in crate::cli) fn uses_saved(&self, kind: KeyKind) -> bool {
        matches!(self.lookup(kind), Lookup::Found)
    }

    /// The error of a run without an API key.
    pub(in crate::cli) fn no_key(&self) -> Error {
        let (note, option) = self.hints(KeyKind::Api, "--base-url");
        Error::NoKey { note, option }
    }

    /// The error of a run without an access key.
    pub(in crate::cli) fn no_access_key(&self, account: &BaseUrl) -> Error {
        let (note, option) = self.hints(KeyKind::Access, "--account-url");
        Error::NoAccessKey { note, option, account: account.to_string() }
    }

    /// For which origins a key is saved that can't be used, if there is one.
    pub(in crate::cli) fn saved_elsewhere(&self, kind: KeyKind) -> Option<&str> {
        match self.lookup(kind) {
            Lookup::Elsewhere { origins, .. } => Some(origins),
            _ => None,
        }
    }

    /// Where the saved key is for, and the option of `login` for a second one.
    fn hints(&self, kind: KeyKind, option: &str) -> (String, String) {
        match self.lookup(kind) {
            Lookup::Elsewhere { origins, url } => {
                let url = url.origin();
                (format!(" for {url} (the saved key is sent to {origins} only)"), format!(" {option} {url}"))
            }
            Lookup::OutOfReach(why) => (format!(" (can't look for the saved one: {why})"), String::new()),
            _ => (String::new(), String::new()),
        }
    }

    /// Where a key file was named.
    pub(in crate::cli) fn key_file_origin(&self, kind: KeyKind, path: &Path) -> String {
        let entry = self.entry(file_option(kind)).filter(|entry| entry.values.iter().any(|value| value == path.as_os_str()));
        entry.map_or_else(|| format!("--{}", file_option(kind)), |entry| entry.origin.clone())
    }

    fn lookup(&self, kind: KeyKind) -> &Lookup {
        match kind {
            KeyKind::Api => &self.saved_api_key,
            KeyKind::Access => &self.saved_access_key,
        }
    }

    fn lookup_mut(&mut self, kind: KeyKind) -> &mut Lookup {
        match kind {
            KeyKind::Api => &mut self.saved_api_key,
            KeyKind::Access => &mut self.saved_access_key,
        }
    }

    /// The URL in force that gets the key; none if it is not a URL.
    fn url(&self, kind: KeyKind, typed: &ArgMatches) -> Option<BaseUrl> {
        let name = if kind == KeyKind::Api { BASE_URL } else { ACCOUNT_URL };
        let default = typed.try_get_one::<String>(&id(name)).ok().flatten()?;
        match self.entry(name).filter(|_| !is_typed(typed, name)) {
            Some(entry) => entry.values.first()?.to_str()?.parse().ok(),
            None => default.parse().ok(),
        }
    }

    fn has_key_of_environment(&self, kind: KeyKind) -> bool {
        match kind {
            KeyKind::Api => {
                self.key.as_ref().is_some_and(|(_, origin)| origin == KEY_VARIABLE)
                    || self.entry(KEY_FILE).is_some_and(|entry| entry.origin == KEY_FILE_VARIABLE)
            }
            // The file can name a file alone.
            KeyKind::Access => self.access_key.is_some(),
        }
    }
}

fn file_option(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Api => KEY_FILE,
        KeyKind::Access => ACCESS_KEY_FILE,
    }
}

/// The id of an option, by its long name.
fn id(name: &str) -> String {
    name.replace('-', "_")
}

fn is_typed(typed: &ArgMatches, name: &str) -> bool {
    let id = id(name);
    typed.try_contains_id(&id).is_ok() && typed.value_source(&id) == Some(ValueSource::CommandLine)
}

/// Whether a folder on the way to a file keeps it from being looked up.
fn is_out_of_reach(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| hides_the_file(&error))
}

/// Whether an error of a look-up says that no file can be found there. Any other one, such as that of a disk or of a network
/// folder, may pass, and the file is there: a key of lower rank must not be used instead.
fn hides_the_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory) || is_symlink_loop(error)
}

#[cfg(unix)]
fn is_symlink_loop(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

/// Other systems have no error of its own for it.
#[cfg(not(unix))]
fn is_symlink_loop(_: &io::Error) -> bool {
    false
}

/// Unix only: the numbers of errors differ elsewhere.
#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn only_a_closed_way_to_the_file_is_out_of_reach() {
        let hides = |errno: Errno| hides_the_file(&errno.into());
        for errno in [Errno::ACCESS, Errno::PERM, Errno::NOTDIR, Errno::LOOP] {
            assert!(hides(errno), "{errno}");
        }
        for errno in [Errno::IO, Errno::STALE, Errno::TIMEDOUT, Errno::NOMEM, Errno::NAMETOOLONG, Errno::NOENT] {
            assert!(!hides(errno), "{errno}");
        }
    }
}
