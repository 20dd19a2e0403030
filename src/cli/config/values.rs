//! The values of a configuration file, as arguments of the command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, ValueHint};
use toml::de::DeValue;

use crate::gateway::BaseUrl;
use crate::storage::Location;

/// Whether a flag is set, or its count is above zero.
pub(super) fn is_on(values: &[OsString]) -> bool {
    !values.iter().all(|value| value == "false" || value == "0")
}

/// Resolves the paths in a file: relative to its folder, or to the home folder.
pub(super) struct PathResolver<'a> {
    pub folder: &'a Path,
    pub home: Option<PathBuf>,
}

impl PathResolver<'_> {
    fn resolve(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            // Standard input.
            _ if text == "-" => PathBuf::from(text),
            _ => match Location::parse(Path::new(text)) {
                Ok(Location::Folder(path)) => self.folder.join(path),
                // A bucket, or a mistake in its URL, which the run reports.
                _ => PathBuf::from(text),
            },
        }
    }
}

/// A TOML value as arguments of the command line.
pub(super) fn arg_values(option: &Arg, value: &DeValue<'_>, base: &PathResolver<'_>) -> Result<Vec<OsString>, String> {
    let name = option.get_long().unwrap_or_default();
    let is_path = matches!(option.get_value_hint(), ValueHint::AnyPath | ValueHint::DirPath | ValueHint::FilePath);
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
pub(super) fn validate_values(option: &Arg, values: &[OsString]) -> Result<(), String> {
    let name = option.get_long().unwrap_or_default();
    if [super::BASE_URL, super::ACCOUNT_URL].contains(&name) {
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
