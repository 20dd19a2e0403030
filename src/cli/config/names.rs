//! The names of settings, and what to write instead of a name that is none.

use clap::{Arg, ArgAction, Args as _, Command};

use super::KEY;
use crate::cli::args::{self, ConfigurableArgs};
use crate::cli::nearest::nearest;

/// The options that a file can set, in the order of the help.
pub(in crate::cli) fn settable_options() -> Vec<Arg> {
    settable(&command()).cloned().collect()
}

fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|option| !option.is_hide_set())
}

/// A command with only the options that a file can set.
pub(super) fn command() -> Command {
    let mut command = ConfigurableArgs::augment_args(Command::new("options").disable_help_flag(true));
    command.build();
    command
}

/// The option that the setting `name` sets.
///
/// # Errors
/// If there is none. The message says what to write instead.
pub(super) fn find<'a>(command: &'a Command, name: &str) -> Result<&'a Arg, String> {
    settable(command).find(|option| option.get_long() == Some(name)).ok_or_else(|| unknown_setting(command, name))
}

/// The message for a name that is not a setting.
fn unknown_setting(command: &Command, name: &str) -> String {
    let usual = name.to_lowercase().replace('_', "-");
    if usual == "config" {
        return format!("`{name}` is not allowed here: a configuration file can't include another one");
    }
    if is_for_one_run(&usual) {
        return format!("`{name}` is not allowed here: it applies to one run, so use it on the command line");
    }
    let unknown = format!("there is no setting `{name}`");
    let flag =
        |option: &&Arg| usual.strip_prefix("no-") == option.get_long() && matches!(option.get_action(), ArgAction::SetTrue);
    if let Some(flag) = settable(command).find(flag).and_then(Arg::get_long) {
        return format!("{unknown}: write `{flag} = false`");
    }
    let of_letter = |option: &&Arg| option.get_short().is_some_and(|letter| name == letter.to_string());
    let of_letter = settable(command).find(of_letter).and_then(Arg::get_long);
    let names = settable(command).filter_map(Arg::get_long).chain([KEY]);
    match of_letter.or_else(|| nearest(&usual, names)) {
        Some(near) => format!("{unknown}; did you mean `{near}`?"),
        None => format!("{unknown}; `yescale-dl config` lists all settings"),
    }
}

/// Whether `name` is an option of the main job that a file can't set.
fn is_for_one_run(name: &str) -> bool {
    let (all, settable) = (args::command(), command());
    let has = |command: &Command| command.get_arguments().any(|option| option.get_long() == Some(name));
    has(&all) && !has(&settable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_name_what_to_write_instead() {
        for (name, what) in [
            ("api_key", "did you mean `api-key`?"),
            ("API-KEY", "did you mean `api-key`?"),
            ("base_url", "did you mean `base-url`?"),
            ("limitrate", "did you mean `limit-rate`?"),
            ("skipfailed", "did you mean `skip-failed`?"),
            ("outptu", "did you mean `output`?"),
            ("job", "did you mean `jobs`?"),
            ("j", "did you mean `jobs`?"),
            ("colour", "did you mean `color`?"),
            ("no-mtime", "write `mtime = false`"),
            ("dry_run", "it applies to one run"),
            ("input-file", "it applies to one run"),
            ("force", "it applies to one run"),
            ("network", "lists all settings"),
            ("poll-delay", "there is no setting"),
            ("config", "can't include another one"),
        ] {
            let message = find(&command(), name).unwrap_err();
            assert!(message.contains(what), "{name}: {message}");
        }
    }
}
