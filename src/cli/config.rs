//! Options from the configuration file and the environment.
//!
//! The file is TOML with the long names of the options (`names`). Its values go through the same parsers as the command line
//! (`values`). `saved` adds the keys that `login` saved. An unknown or invalid entry is an error with file and line. Only the
//! command `config` goes on without it, to show the rest. Options for one run (the ids, `--force`, `--dry-run`) are not
//! allowed. Paths are relative to the folder of the file, so that they do not depend on the working directory. No message
//! repeats the key.

mod names;
mod saved;
mod values;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::{
    ACCESS_KEY_VARIABLE, ACCOUNT_URL_VARIABLE, BASE_URL_VARIABLE, Environment, KEY_FILE_VARIABLE, KEY_VARIABLE,
    default_config_path, home, saved_keys_path, utf8_variable,
};
use super::error::Error;
use crate::redact::ApiKey;
use crate::ui;
pub(super) use names::settable_options;
use saved::Lookup;
use values::{PathResolver, arg_values, is_on, validate_values};

/// The key itself. The command line has no such option.
const KEY: &str = "api-key";
const KEY_FILE: &str = "api-key-file";
const BASE_URL: &str = "base-url";
const ACCESS_KEY_FILE: &str = "access-key-file";
const ACCOUNT_URL: &str = "account-url";

/// Reads a file. Opening a pipe could wait for ever, and a device may have no end; the null device is an empty file.
fn read_plain_file(path: &Path) -> io::Result<String> {
    let is_pipe_or_device = |path: &Path| Ok::<_, io::Error>(!fs::metadata(path)?.is_file() && !fs::metadata(path)?.is_dir());
    if is_pipe_or_device(path)? && path.canonicalize()? != Path::new("/dev/null") {
        return Err(io::Error::other("it is not a plain file"));
    }
    fs::read_to_string(path)
}

/// The options of file and environment. The command line overrides them.
#[derive(Default)]
pub(super) struct Config {
    /// The file: the one that `--config` names, or the default one, which may not exist.
    pub file: Option<PathBuf>,
    entries: Vec<ConfigEntry>,
    /// The key and its origin, unless the key is in a file of its own.
    pub key: Option<(String, String)>,
    /// The access key and its origin, unless it is in a file of its own.
    pub access_key: Option<(String, String)>,
    /// The file of the keys that `login` saves, which may not exist.
    pub saved_keys: Option<PathBuf>,
    saved_api_key: Lookup,
    saved_access_key: Lookup,
    /// Whether the file contains a key, also one that the environment overrides.
    pub has_key: bool,
    /// Why the default file, which exists, can't be read.
    pub unreadable: Option<io::Error>,
    /// What is wrong with the file, in its order. The entries without these are in force.
    problems: Vec<Problem>,
}

/// A fault of the file.
struct Problem {
    /// The file, and the line if there is one.
    origin: String,
    message: String,
}

/// An option that is set.
pub(super) struct ConfigEntry {
    /// The long name of the option.
    name: String,
    pub values: Vec<OsString>,
    /// File and line, or the name of the variable.
    pub origin: String,
}

impl Config {
    /// Reads the file `named`, which must exist, or the default file, if it exists and can be read. Then reads the environment.
    /// `check` tells what is wrong with the file.
    ///
    /// # Errors
    /// If a variable can't be read.
    pub(super) fn load(named: Option<&Path>, environment: Environment<'_>) -> Result<Self, Error> {
        let file = named.map(Path::to_owned).or_else(|| default_config_path(environment));
        let mut config = Self { file, saved_keys: saved_keys_path(environment), ..Self::default() };
        if let Some(path) = config.file.clone() {
            match read_plain_file(&path) {
                Ok(text) => config.apply_file(&path, &text, environment),
                // What is read and not text is an invalid file. Any other error is one of the disk.
                Err(error) if named.is_none() && error.kind() != io::ErrorKind::InvalidData => {
                    // In a folder that can't be entered, no file is known to exist.
                    config.unreadable = fs::symlink_metadata(&path).is_ok().then_some(error);
                }
                Err(error) => {
                    let message = format!("can't read the configuration file: {error}");
                    config.problems.push(Problem { origin: path.display().to_string(), message });
                }
            }
        }
        config.apply_env(environment)?;
        Ok(config)
    }

    /// # Errors
    /// If something is wrong with the file. The error names the first fault.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.problems.first().map_or(Ok(()), |problem| Err(problem.to_error(self.problems.len() - 1)))
    }

    /// Names every fault of the file.
    ///
    /// # Errors
    /// If there is one. The last one is the error; the others are printed.
    pub(super) fn report_all(&self) -> Result<(), Error> {
        let Some((last, others)) = self.problems.split_last() else { return Ok(()) };
        for problem in others {
            ui::print_error(&problem.to_error(0).to_string());
        }
        Err(last.to_error(0))
    }

    /// The entry that sets the option `name`.
    pub(super) fn entry(&self, name: &str) -> Option<&ConfigEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Adds the entries of the file. What is wrong with it becomes a problem.
    fn apply_file(&mut self, path: &Path, text: &str, environment: Environment<'_>) {
        let origin = |start: usize| format!("{}:{}", path.display(), 1 + text[..start].matches('\n').count());
        let (table, errors) = DeTable::parse_recoverable(text);
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let mut problems: Vec<_> = errors.iter().map(|error| (start(error), error.message().to_owned())).collect();
        // Registered before any message can repeat an entry.
        if let Some(Ok(key)) = table.get_ref().get(KEY).and_then(|value| value.get_ref().as_str()).map(ApiKey::parse) {
            ui::register_key(&key);
        }
        let base = PathResolver { folder: path.parent().unwrap_or(Path::new("")), home: home(environment) };
        let mut items: Vec<_> = table.get_ref().iter().collect();
        items.sort_by_key(|(name, _)| name.span().start);
        let command = names::command();
        for (name, value) in items {
            let start = name.span().start;
            let added = self.add_entry(name.get_ref(), value, &command, &base, &origin(start));
            problems.extend(added.err().map(|message| (start, message)));
        }
        // A syntax error can make the entry wrong, too: one message per line.
        problems.sort_by_key(|(start, _)| *start);
        problems.dedup_by_key(|(start, _)| origin(*start));
        self.problems = problems.into_iter().map(|(start, message)| Problem { origin: origin(start), message }).collect();
    }

    /// Checks and adds one entry of the file.
    fn add_entry(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        command: &Command,
        base: &PathResolver<'_>,
        origin: &str,
    ) -> Result<(), String> {
        let is_second_key = matches!(name, KEY | KEY_FILE) && (self.has_key || self.entry(KEY_FILE).is_some());
        if is_second_key {
            return Err(format!("`{KEY}` and `{KEY_FILE}` both set the API key: remove one"));
        }
        if name == KEY {
            let DeValue::String(key) = value.get_ref() else { return Err(format!("`{KEY}` expects a string")) };
            ApiKey::parse(key).map_err(|error| error.to_string())?;
            self.has_key = true;
            self.key = Some((key.to_string(), origin.to_owned()));
            return Ok(());
        }
        let option = names::find(command, name)?;
        let values = arg_values(option, value.get_ref(), base)?;
        validate_values(option, &values)?;
        let conflicts = command.get_arg_conflicts_with(option);
        let is_conflict =
            |entry: &&ConfigEntry| conflicts.iter().any(|other| other.get_long() == Some(&entry.name)) && is_on(&entry.values);
        if let Some(other) = self.entries.iter().find(is_conflict).filter(|_| is_on(&values)) {
            return Err(format!("`{name}` and `{}` can't be used together: remove one", other.name));
        }
        self.entries.push(ConfigEntry { name: name.to_owned(), values, origin: origin.to_owned() });
        Ok(())
    }

    /// Adds the variables, which override the file.
    fn apply_env(&mut self, environment: Environment<'_>) -> Result<(), Error> {
        if let Some(key) = utf8_variable(environment, KEY_VARIABLE)? {
            self.key = Some((key, KEY_VARIABLE.to_owned()));
            self.entries.retain(|entry| entry.name != KEY_FILE);
        } else if let Some(path) = environment(KEY_FILE_VARIABLE) {
            self.key = None;
            self.set_from_env(KEY_FILE, path, KEY_FILE_VARIABLE);
        }
        if let Some(url) = utf8_variable(environment, BASE_URL_VARIABLE)? {
            self.set_from_env(BASE_URL, url.into(), BASE_URL_VARIABLE);
        }
        if let Some(key) = utf8_variable(environment, ACCESS_KEY_VARIABLE)? {
            self.access_key = Some((key, ACCESS_KEY_VARIABLE.to_owned()));
            self.entries.retain(|entry| entry.name != ACCESS_KEY_FILE);
        }
        if let Some(url) = utf8_variable(environment, ACCOUNT_URL_VARIABLE)? {
            self.set_from_env(ACCOUNT_URL, url.into(), ACCOUNT_URL_VARIABLE);
        }
        Ok(())
    }

    fn set_from_env(&mut self, name: &str, value: OsString, variable: &str) {
        self.entries.retain(|entry| entry.name != name);
        self.entries.push(ConfigEntry { name: name.to_owned(), values: vec![value], origin: variable.to_owned() });
    }
}

impl Problem {
    fn to_error(&self, more: usize) -> Error {
        Error::InvalidSetting { origin: self.origin.clone(), message: self.message.clone(), more }
    }
}
