//! What the environment and the configuration file say in place of the command line.
//!
//! The file is TOML with the long names of the options, read by the same parsers as the command line.
//! An entry that is unknown or can't be read is an error that names file and line, never passed over;
//! what holds for one run alone (the ids, `--force`, `--dry-run`) has no place in it. Paths in it are
//! relative to its own folder, so that they mean the same wherever the program is started. No message
//! repeats the key.

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

/// Its name in a file; the command line has no such option.
const KEY: &str = "api-key";
const KEY_FILE: &str = "api-key-file";
const BASE_URL: &str = "base-url";

/// What holds where the command line says nothing.
#[derive(Default)]
pub(super) struct Config {
    /// The file that was read; when it is not the one that was asked for, it may be missing.
    pub file: Option<PathBuf>,
    entries: Vec<ConfigEntry>,
    /// The key itself, when no file is named for it, and where it stands.
    pub key: Option<(String, String)>,
    /// Whether the file has a key in it, also one that does not count.
    pub has_key: bool,
}

/// The value of one option.
pub(super) struct ConfigEntry {
    /// The long name of the option.
    name: String,
    pub values: Vec<OsString>,
    /// File and line, or the variable.
    pub origin: String,
}

impl Config {
    /// Reads the file that is `named`, which must be there, or the user's own, when there is one; then the environment.
    ///
    /// # Errors
    /// A file that can't be read, and an entry that says nothing that can be done.
    pub(super) fn load(named: Option<&Path>, environment: Environment<'_>) -> Result<Self, Error> {
        let mut config = Self { file: named.map(Path::to_owned).or_else(|| default_config_path(environment)), ..Self::default() };
        if let Some(path) = config.file.clone() {
            match fs::read_to_string(&path) {
                Ok(text) => config.apply_file(&path, &text, environment)?,
                Err(error) if named.is_none() && is_missing(&error) => {}
                Err(source) => return Err(Error::Read { path, source }),
            }
        }
        config.apply_env(environment)?;
        Ok(config)
    }

    /// What stands in place of the option called `name`.
    pub(super) fn entry(&self, name: &str) -> Option<&ConfigEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    fn apply_file(&mut self, path: &Path, text: &str, environment: Environment<'_>) -> Result<(), Error> {
        let origin = |start: usize| format!("{}:{}", path.display(), 1 + text[..start].matches('\n').count());
        let table = DeTable::parse(text).map_err(|error| Error::InvalidSetting {
            origin: origin(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        // Known before anything else of the file is told.
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
                .map_err(|told| Error::InvalidSetting { origin, message: told })?;
        }
        Ok(())
    }

    fn add_entry(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        command: &Command,
        base: &PathResolver<'_>,
        origin: &str,
    ) -> Result<(), String> {
        let is_second = matches!(name, KEY | KEY_FILE) && (self.has_key || self.entry(KEY_FILE).is_some());
        if is_second {
            return Err(format!("`{KEY}` and `{KEY_FILE}` both say where the key is: keep one"));
        }
        if name == KEY {
            let DeValue::String(key) = value.get_ref() else { return Err(format!("`{KEY}` takes a text")) };
            ApiKey::parse(key).map_err(|error| error.to_string())?;
            self.has_key = true;
            self.key = Some((key.to_string(), origin.to_owned()));
            return Ok(());
        }
        let option = settable(command).find(|option| option.get_long() == Some(name)).ok_or_else(|| unknown_setting(name))?;
        let values = arg_values(option, value.get_ref(), base)?;
        validate_values(option, &values)?;
        let rivals = command.get_arg_conflicts_with(option);
        let is_rival =
            |entry: &&ConfigEntry| rivals.iter().any(|rival| rival.get_long() == Some(&entry.name)) && is_on(&entry.values);
        if let Some(rival) = self.entries.iter().find(is_rival).filter(|_| is_on(&values)) {
            return Err(format!("`{name}` and `{}` contradict each other: keep one", rival.name));
        }
        self.entries.push(ConfigEntry { name: name.to_owned(), values, origin: origin.to_owned() });
        Ok(())
    }

    /// What the environment says wins over the file.
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

/// One of nothing but the options that a file can set.
fn command() -> Command {
    let mut command = ConfigurableArgs::augment_args(Command::new("options").disable_help_flag(true));
    command.build();
    command
}

/// Whether a flag is on, or counts something.
fn is_on(values: &[OsString]) -> bool {
    !values.iter().all(|value| value == "false" || value == "0")
}

/// What a relative path in a file starts from.
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

/// As they would be typed.
fn arg_values(option: &Arg, value: &DeValue<'_>, base: &PathResolver<'_>) -> Result<Vec<OsString>, String> {
    let name = option.get_long().unwrap_or_default();
    let is_path = option.get_value_hint() == ValueHint::AnyPath;
    match value {
        DeValue::String(text) if is_path => Ok(vec![base.resolve(text).into()]),
        DeValue::String(text) => Ok(vec![text.as_ref().into()]),
        _ if is_path => Err(format!("`{name}` takes a path, a text in quotes")),
        DeValue::Integer(number) => Ok(vec![number.to_string().into()]),
        DeValue::Float(number) => Ok(vec![number.as_str().into()]),
        DeValue::Boolean(truth) => Ok(vec![truth.to_string().into()]),
        DeValue::Array(items) if matches!(option.get_action(), ArgAction::Append) => items
            .iter()
            .map(|item| arg_values(option, item.get_ref(), base))
            .collect::<Result<Vec<_>, _>>()
            .map(|all| all.concat()),
        DeValue::Array(_) => Err(format!("`{name}` takes one value, not a list")),
        DeValue::Table(_) | DeValue::Datetime(_) => Err(format!("`{name}` takes a text, a number or true or false")),
    }
}

/// Whether the option's own parser takes the values: they are typed to a command that has this option alone.
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
    let told = Command::new("check").no_binary_name(true).arg(alone).try_get_matches_from(typed).err();
    told.map_or(Ok(()), |error| {
        let text = error.to_string();
        // Before the blank line clap says what is wrong, behind it how to get help.
        let told = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        Err(told.replace("'[value]...'", &format!("`{name}`")).lines().map(str::trim).collect::<Vec<_>>().join(" "))
    })
}

fn unknown_setting(name: &str) -> String {
    match name {
        "force" | "dry-run" | "input-file" => format!("`{name}` is for one run: it goes on the command line"),
        "config" => "a configuration can't name another".to_owned(),
        _ => format!("there is no setting `{name}`; `yescale-dl config` lists them"),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
