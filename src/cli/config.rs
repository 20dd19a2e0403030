//! Options from the configuration file and the environment.
//!
//! The file is TOML with the long names of the options. Its values go through the same parsers as the command line. An
//! unknown or invalid entry is an error with file and line; it is never ignored. Options for one run (the ids, `--force`,
//! `--dry-run`) are not allowed. Paths are relative to the folder of the file, so that they do not depend on the working
//! directory. No message repeats the key.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Args as _, Command, ValueHint};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::args::ConfigurableArgs;
use super::environment::{BASE_URL_VARIABLE, Environment, KEY_VARIABLE, default_config_path, home, utf8_variable};
use super::error::Error;
use crate::gateway::BaseUrl;
use crate::redact::ApiKey;
use crate::ui;

/// The key itself. The command line has no such option.
const KEY: &str = "api-key";
const KEY_FILE: &str = "api-key-file";
const BASE_URL: &str = "base-url";

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
    /// Whether the file contains a key, also one that the environment overrides.
    pub has_key: bool,
    /// Why the default file, which exists, can't be read.
    pub unreadable: Option<io::Error>,
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
    ///
    /// # Errors
    /// If the file `named` can't be read, or an entry is invalid.
    pub(super) fn load(named: Option<&Path>, environment: Environment<'_>) -> Result<Self, Error> {
        let mut config = Self { file: named.map(Path::to_owned).or_else(|| default_config_path(environment)), ..Self::default() };
        if let Some(path) = config.file.clone() {
            match read_plain_file(&path) {
                Ok(text) => config.apply_file(&path, &text, environment)?,
                // What is read and not text is an invalid file. Any other error is one of the disk.
                Err(error) if named.is_none() && error.kind() != io::ErrorKind::InvalidData => {
                    // In a folder that can't be entered, no file is known to exist.
                    config.unreadable = fs::symlink_metadata(&path).is_ok().then_some(error);
                }
                Err(source) => return Err(Error::Read { path, source }),
            }
        }
        config.apply_env(environment)?;
        Ok(config)
    }

    /// The entry that sets the option `name`.
    pub(super) fn entry(&self, name: &str) -> Option<&ConfigEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Adds the entries of the file.
    fn apply_file(&mut self, path: &Path, text: &str, environment: Environment<'_>) -> Result<(), Error> {
        let origin = |start: usize| format!("{}:{}", path.display(), 1 + text[..start].matches('\n').count());
        let table = DeTable::parse(text).map_err(|error| Error::InvalidSetting {
            origin: origin(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        // Registered before any message can repeat an entry.
        if let Some(Ok(key)) = table.get_ref().get(KEY).and_then(|value| value.get_ref().as_str()).map(ApiKey::parse) {
            ui::register_key(&key);
        }
        let base = PathResolver { folder: path.parent().unwrap_or(Path::new("")), home: home(environment) };
        let mut items: Vec<_> = table.get_ref().iter().collect();
        items.sort_by_key(|(name, _)| name.span().start);
        let command = command();
        for (name, value) in items {
            let origin = origin(name.span().start);
            self.add_entry(name.get_ref(), value, &command, &base, &origin)
                .map_err(|message| Error::InvalidSetting { origin, message })?;
        }
        Ok(())
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
        let option = settable(command).find(|option| option.get_long() == Some(name)).ok_or_else(|| unknown_setting(name))?;
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
        }
        if let Some(url) = utf8_variable(environment, BASE_URL_VARIABLE)? {
            self.entries.retain(|entry| entry.name != BASE_URL);
            self.entries.push(ConfigEntry {
                name: BASE_URL.to_owned(),
                values: vec![url.into()],
                origin: BASE_URL_VARIABLE.to_owned(),
            });
        }
        Ok(())
    }
}

/// The options that a file can set, in the order of the help.
pub(super) fn settable_options() -> Vec<Arg> {
    settable(&command()).cloned().collect()
}

fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|option| !option.is_hide_set())
}

/// A command with only the options that a file can set.
fn command() -> Command {
    let mut command = ConfigurableArgs::augment_args(Command::new("options").disable_help_flag(true));
    command.build();
    command
}

/// Whether a flag is set, or its count is above zero.
fn is_on(values: &[OsString]) -> bool {
    !values.iter().all(|value| value == "false" || value == "0")
}

/// Resolves the paths in a file: relative to its folder, or to the home folder.
struct PathResolver<'a> {
    folder: &'a Path,
    home: Option<PathBuf>,
}

impl PathResolver<'_> {
    fn resolve(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            // Standard input.
            _ if text == "-" => PathBuf::from(text),
            _ => self.folder.join(text),
        }
    }
}

/// A TOML value as arguments of the command line.
fn arg_values(option: &Arg, value: &DeValue<'_>, base: &PathResolver<'_>) -> Result<Vec<OsString>, String> {
    let name = option.get_long().unwrap_or_default();
    let is_path = option.get_value_hint() == ValueHint::AnyPath;
    match value {
        DeValue::String(text) if is_path => Ok(vec![base.resolve(text).into()]),
        DeValue::String(text) => Ok(vec![text.as_ref().into()]),
        _ if is_path => Err(format!("`{name}` expects a path in quotes")),
        DeValue::Integer(number) => Ok(vec![number.to_string().into()]),
        DeValue::Float(number) => Ok(vec![number.as_str().into()]),
        DeValue::Boolean(flag) => Ok(vec![flag.to_string().into()]),
        DeValue::Array(items) if matches!(option.get_action(), ArgAction::Append) => items
            .iter()
            .map(|item| arg_values(option, item.get_ref(), base))
            .collect::<Result<Vec<_>, _>>()
            .map(|all| all.concat()),
        DeValue::Array(_) => Err(format!("`{name}` expects one value, not a list")),
        DeValue::Table(_) | DeValue::Datetime(_) => Err(format!("`{name}` expects a string, a number, true or false")),
    }
}

/// Checks the values with the parser of the option: a command with only this option parses them.
fn validate_values(option: &Arg, values: &[OsString]) -> Result<(), String> {
    let name = option.get_long().unwrap_or_default();
    if name == BASE_URL {
        return values.iter().try_for_each(|url| {
            url.to_string_lossy().parse::<BaseUrl>().map(drop).map_err(|error| format!("`{name}`: {error}"))
        });
    }
    let alone = Arg::new("value")
        .value_parser(option.get_value_parser().clone())
        .value_delimiter(option.get_value_delimiter())
        .action(ArgAction::Append);
    let typed = std::iter::once(OsString::from("--")).chain(values.iter().cloned());
    let error = Command::new("check").no_binary_name(true).arg(alone).try_get_matches_from(typed).err();
    error.map_or(Ok(()), |error| {
        let text = error.to_string();
        // The message ends at the first blank line. What follows is about getting help.
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        Err(message.replace("'[value]...'", &format!("`{name}`")).lines().map(str::trim).collect::<Vec<_>>().join(" "))
    })
}

/// The message for an entry that is not a setting.
fn unknown_setting(name: &str) -> String {
    match name {
        "force" | "dry-run" | "input-file" | "exec" | "failed-to" => {
            format!("`{name}` is not allowed here: it applies to one run, so use it on the command line")
        }
        "config" => "`config` is not allowed here: a configuration file can't include another one".to_owned(),
        _ => format!("there is no setting `{name}`; `yescale-dl config` lists all settings"),
    }
}
