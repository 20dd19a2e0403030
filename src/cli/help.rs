//! The help: a short one for `-h`, and for no arguments at all on a terminal; the long one is clap's.
//!
//! The short help fits one screen. It has the options that most runs need, one line each, and the names of the commands.
//! clap's own `-h` has every option.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgAction, Command};

use super::args;

/// The options of the short help, in its order.
const SHORT_HELP: [&str; 11] =
    ["input_file", "output", "api_key_file", "only", "wait", "skip_failed", "dry_run", "jobs", "json", "quiet", "verbose"];

/// The error of a parser without the arguments that ask for help; the short one instead, if `-h` asked for it.
pub(super) fn shorten(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let mut options = arguments.iter().take_while(|word| *word != "--");
    let is_of_command = arguments.get(1).is_some_and(|word| args::command().find_subcommand(word).is_some());
    match error.kind() {
        ErrorKind::DisplayHelp if !is_of_command && options.all(|word| word != "--help") => render(short(), &["-h"]),
        _ => error,
    }
}

/// The short help as a usage error, for a run without arguments.
pub(super) fn missing_arguments() -> clap::Error {
    render(short().arg_required_else_help(true), &[])
}

/// The long help, of one command if it is named.
pub(super) fn long(command: Option<&str>) -> clap::Error {
    render(args::command(), &command.into_iter().chain(["--help"]).collect::<Vec<_>>())
}

/// What clap prints for arguments that ask for help.
fn render(command: Command, arguments: &[&str]) -> clap::Error {
    let parsed = command.try_get_matches_from([&["yescale-dl"], arguments].concat());
    parsed.expect_err("arguments that ask for help have no matches")
}

/// A command with the options and the text of the short help.
fn short() -> Command {
    let full = args::command();
    let option = |name: &&str| full.get_arguments().find(|option| option.get_id() == *name).cloned();
    let options = SHORT_HELP.iter().filter_map(option).enumerate();
    let options = options.map(|(order, option)| {
        let takes_value = matches!(option.get_action(), ArgAction::Set | ArgAction::Append);
        let option = option.help_heading(None::<&str>).display_order(order);
        option.hide_default_value(takes_value).hide_possible_values(takes_value)
    });
    let names: Vec<&str> = full.get_subcommands().map(Command::get_name).collect();
    Command::new("yescale-dl")
        .max_term_width(100)
        .override_usage("yescale-dl [OPTIONS] TASK_ID...\n       yescale-dl COMMAND [OPTIONS]")
        .help_template(concat!(
            "Archives what you generated through the YEScale gateway.\n",
            "Give it the API key once: yescale-dl login. (Or set YESCALE_API_KEY.)\n\n",
            "{usage-heading} {usage}\n\nOptions:\n{options}{after-help}"
        ))
        .after_help(format!("Commands: {}\n\nAll options, examples and exit codes: yescale-dl --help", names.join(", ")))
        .args(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_help_has_one_line_per_option_and_fits_a_screen() {
        let text = short().term_width(80).render_help().to_string();
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for name in SHORT_HELP {
            let long = format!("--{}", name.replace('_', "-"));
            assert_eq!(text.matches(&long).count(), 1, "{name}: {text}");
        }
    }

    #[test]
    fn every_option_has_a_line_that_fits_the_short_help() {
        let full = args::command();
        for command in [&full].into_iter().chain(full.get_subcommands()) {
            for option in command.get_arguments() {
                let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                assert!((1..=60).contains(&help.len()), "{}: {} {help}", command.get_name(), option.get_id());
            }
        }
    }
}
