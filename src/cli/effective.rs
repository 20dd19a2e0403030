//! The effective arguments: the command line overrides the environment, which overrides the configuration file.
//!
//! The entries of [`Config`] become the default values of the options, and the command line is parsed once more. So one
//! parser reads everything, and typed values win without code of our own. Every flag gets a hidden `--no-…` option that
//! turns it off.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::builder::ArgPredicate;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use super::args::{self, Args};
use super::config::{self, Config};
use super::environment::Environment;
use super::error::Error;
use super::saved_keys::KeyKind;
use super::values::{duration_or_zero, shell_quote};
use super::{account, help, mistyped, settings};
use crate::redact::{escape_control_chars_json, redact_urls};
use crate::session::{DEFAULT_CONNECTIONS, DEFAULT_RETRIES};

/// The parsed arguments with their sources.
pub(super) struct EffectiveArgs {
    /// Those of the command, if there is one.
    matches: ArgMatches,
    pub config: Config,
}

/// The command as it is parsed, with negations.
fn command() -> Command {
    let command = args::command();
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(with_negations(command), |command, name| command.mut_subcommand(name, with_negations))
}

/// Parses `arguments`, of which the first is the program's name.
///
/// # Errors
/// If the arguments are wrong or ask for help, or if the configuration is invalid.
pub(super) fn parse(arguments: &[OsString], environment: Environment<'_>) -> Result<(Args, EffectiveArgs), Error> {
    if arguments.len() < 2 && io::stderr().is_terminal() {
        return Err(help::missing_arguments().into());
    }
    let typed = parse_typed(arguments)?;
    let (subcommand, typed_options) = typed.subcommand().map_or((None, &typed), |(name, options)| (Some(name), options));
    // These commands do not read the configuration.
    let needs_no_config = subcommand.is_some_and(|name| ["schema", "completions", "man"].contains(&name));
    let mut config = match needs_no_config {
        true => Config::default(),
        false => Config::load(typed.get_one("config").map(PathBuf::as_path), environment)?,
    };
    if subcommand != Some("config") {
        config.check()?;
    }
    config.apply_saved(subcommand, typed_options);
    let configured = |command| with_defaults(command, &config, typed_options);
    let command = match subcommand {
        Some(name) => command().mut_subcommand(name, configured),
        None => configured(command()),
    };
    let mut matches = command.try_get_matches_from(arguments)?;
    let mut args = Args::from_arg_matches(&matches)?;
    args.ids_after_dashes = arguments.iter().skip_while(|word| *word != "--").skip(1).count();
    let matches = matches.remove_subcommand().map_or(matches, |(_, of_command)| of_command);
    Ok((args, EffectiveArgs { matches, config }))
}

/// Parses the arguments alone. A mistyped command has a better error than that for what stands behind it.
fn parse_typed(arguments: &[OsString]) -> Result<ArgMatches, Error> {
    let typed = match command().try_get_matches_from(arguments) {
        Err(error) if !error.use_stderr() => return Err(help::shorten(error, arguments).into()),
        typed => typed,
    };
    if typed.as_ref().is_ok_and(|typed| typed.subcommand_name() == Some("help")) {
        let of_help = typed.as_ref().ok().and_then(|typed| typed.subcommand_matches("help"));
        let command = of_help.and_then(|of_help| of_help.get_one::<String>("command"));
        return Err(help::long(command.map(String::as_str)).into());
    }
    if typed.as_ref().map_or(true, |typed| typed.subcommand_name().is_none()) {
        mistyped::check(command(), arguments)?;
    }
    let typed = typed.map_err(|error| with_advice_on_ids(error, arguments))?;
    check_wait(arguments)?;
    Ok(typed)
}

/// Says where a task id that begins with a dash goes. clap takes each of its letters for an option, and advises on the first one.
fn with_advice_on_ids(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let letter = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) if error.kind() == ErrorKind::UnknownArgument => option.strip_prefix('-'),
        _ => None,
    };
    let is_id = |word: &&str| {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-') && letters.chars().count() > 1);
        letters.zip(letter).is_some_and(|(letters, letter)| letters.contains(letter))
    };
    let has_command =
        arguments.get(1).and_then(|word| word.to_str()).is_some_and(|word| command().find_subcommand(word).is_some());
    let mut words = arguments.iter().skip(1).take_while(|word| *word != "--").filter_map(|word| word.to_str());
    if let Some(id) = words.find(is_id).filter(|_| !has_command) {
        let advice = format!("a task id that begins with `-` goes after `--`: -- {id}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice.into()]));
    }
    error
}

/// Refuses `--wait DURATION`: clap would take the duration for a task id.
fn check_wait(arguments: &[OsString]) -> Result<(), clap::Error> {
    let Some(duration) = misplaced_wait_value(arguments) else { return Ok(()) };
    let usage = format!("`--wait` needs `=` before its duration: --wait={duration}; put a task id of that name after `--`");
    Err(args::command().error(ErrorKind::InvalidValue, usage))
}

/// The word after a `--wait` without a value, if it looks like a duration.
fn misplaced_wait_value(arguments: &[OsString]) -> Option<&str> {
    // No value of an option begins with a dash, so these words are options.
    let options = arguments.split(|word| word == "--").next()?;
    let next = options.windows(2).find(|words| words[0] == "--wait").and_then(|words| words[1].to_str())?;
    duration_or_zero(next).is_ok().then_some(next)
}

/// Adds a hidden `--no-…` option for each flag.
fn with_negations(command: Command) -> Command {
    let flags: Vec<String> = command
        .get_arguments()
        .filter(|flag| matches!(flag.get_action(), ArgAction::SetTrue) || flag.get_id() == "wait")
        .map(|flag| flag.get_id().to_string())
        .collect();
    flags.into_iter().fold(command, |command, flag| {
        let no = format!("no-{}", flag.replace('_', "-"));
        let negation = Arg::new(no.clone()).long(no.clone()).action(ArgAction::SetTrue).overrides_with(flag.clone()).hide(true);
        command
            .mut_arg(flag, |flag| {
                flag.overrides_with(no.clone()).default_value_if(no, ArgPredicate::Equals("true".into()), "false")
            })
            .arg(negation)
    })
}

/// Makes the entries of the configuration the defaults of the options, except where a typed option conflicts.
fn with_defaults(command: Command, config: &Config, typed: &ArgMatches) -> Command {
    let is_typed = |option: &&Arg| typed.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine);
    let entry = |option: &Arg| {
        // The other commands work on the archive that the main job writes.
        let name = if option.get_id() == "dir" { "output" } else { option.get_long()? };
        let entry = config.entry(name).filter(|_| !command.get_arg_conflicts_with(option).iter().any(is_typed))?;
        Some((option.get_id().to_string(), entry.values.clone()))
    };
    let entries: Vec<_> = command.get_arguments().filter_map(entry).collect();
    entries.into_iter().fold(command, |command, (id, values)| command.mut_arg(id, |option| option.default_values(values)))
}

impl EffectiveArgs {
    /// The warnings before the run: a configuration file that can't be read, and files with a key that other users can read.
    /// None with `--quiet`.
    pub(super) fn warnings(&self) -> Vec<String> {
        let file = |name: &str| self.matches.try_get_one::<PathBuf>(name).ok().flatten();
        let is_quiet = self.matches.try_get_one::<bool>("quiet").ok().flatten() == Some(&true);
        let with_key = file("api_key_file").into_iter().chain(self.config.file.iter().filter(|_| self.config.has_key));
        let kinds = [("API", KeyKind::Api), ("access", KeyKind::Access)];
        let saved = kinds.into_iter().find(|(_, kind)| self.config.uses_saved(*kind));
        let saved = saved.and_then(|(key, _)| Some((key, self.config.saved_keys.as_ref()?)));
        let with_key =
            with_key.map(|path| ("API", path)).chain(file("access_key_file").map(|path| ("access", path))).chain(saved);
        let exposed = with_key.filter(|(_, path)| !is_quiet && is_readable_by_others(path));
        let warning = |(key, path): (&str, &PathBuf)| {
            format!("other users can read the {key} key in {}: run chmod 600 {}", path.display(), shell_quote(path))
        };
        let unreadable = self.config.unreadable.as_ref().zip(self.config.file.as_ref()).filter(|_| !is_quiet);
        let ignored = |(error, path): (&io::Error, &PathBuf)| {
            format!("the configuration {} can't be read and is ignored: {error}", path.display())
        };
        unreadable.map(ignored).into_iter().chain(exposed.map(warning)).collect()
    }

    /// The effective options as a configuration file, with the origin of each as a comment.
    pub(super) fn to_toml(&self) -> String {
        let file = self.config.file.as_deref().filter(|file| file.exists());
        let mut lines = vec![match (file, &self.config.file) {
            (Some(file), _) if self.config.unreadable.is_some() => format!("# {} (can't be read)", file.display()),
            (Some(file), _) => format!("# {}", file.display()),
            (None, Some(file)) => format!("# {} (does not exist)", file.display()),
            (None, None) => "# no configuration file".to_owned(),
        }];
        lines.extend(self.key_line("api-key", self.config.key.as_ref(), KeyKind::Api));
        lines.extend(self.key_line("access-key", self.config.access_key.as_ref(), KeyKind::Access));
        lines.extend(config::settable_options().iter().filter_map(|option| self.option_line(option)));
        // The escapes of JSON are also those of TOML.
        lines.iter().map(|line| escape_control_chars_json(redact_urls(line).into_owned()) + "\n").collect()
    }

    /// The line of a key that is not in a file of its own: its source alone.
    fn key_line(&self, name: &str, key: Option<&(String, String)>, kind: KeyKind) -> Option<String> {
        if self.matches.get_raw(&format!("{}_file", name.replace('-', "_"))).is_some() {
            return None;
        }
        let hidden = key.map(|(_, origin)| setting_line(&format!("# {name}, which is hidden"), origin));
        let elsewhere = || {
            let origins = self.config.saved_elsewhere(kind)?;
            Some(setting_line(&format!("# {name}"), &format!("not set: the key that login saved is for {origins}")))
        };
        hidden.or_else(elsewhere)
    }

    /// The line of one option: a comment if it has no value or must not be shown.
    fn option_line(&self, option: &Arg) -> Option<String> {
        let (id, name) = (option.get_id().as_str(), option.get_long()?);
        let raw =
            self.matches.get_raw(id).map(|values| values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(","));
        let Some(raw) = raw else {
            return Some(match implicit_default(name) {
                // Setting the default explicitly would change its meaning.
                Some(value) => setting_line(&format!("# {name} = {value}"), "default"),
                None => setting_line(&format!("# {name}"), "not set"),
            });
        };
        let is_typed = self.matches.value_source(id) == Some(ValueSource::CommandLine);
        let origin = match self.config.entry(name).filter(|_| !is_typed) {
            Some(entry) if entry.values.join(",".as_ref()) == *raw => &entry.origin,
            // A `--no-…` option overrides it.
            Some(_) => "command line",
            None if is_typed => "command line",
            None => "default",
        };
        let is_secret = match name {
            "api-key-file" => settings::looks_like_a_key(Path::new(&raw)),
            "access-key-file" => account::looks_like_a_key(Path::new(&raw)),
            _ => false,
        };
        let is_bare = raw.parse::<u64>().is_ok() || raw.parse::<bool>().is_ok();
        Some(if is_secret {
            setting_line(&format!("# {name}, which looks like a key and is hidden"), origin)
        } else if is_bare {
            setting_line(&format!("{name} = {raw}"), origin)
        } else {
            setting_line(&format!("{name} = {}", toml::Value::String(raw)), origin)
        })
    }
}

/// The default of an option that the parser does not know, because setting the option changes more than its value.
fn implicit_default(name: &str) -> Option<usize> {
    match name {
        "connections" => Some(DEFAULT_CONNECTIONS),
        "retries" => Some(DEFAULT_RETRIES as usize),
        _ => None,
    }
}

/// `NAME = VALUE  # ORIGIN`, with the origins in one column.
fn setting_line(setting: &str, origin: &str) -> String {
    format!("{setting:<40}  # {origin}")
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o044 != 0)
}

/// On Windows, files of a user are private by default.
#[cfg(not(unix))]
fn is_readable_by_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests;
