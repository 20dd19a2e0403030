//! The completion scripts for shells. All are made from the definitions that are parsed.
//!
//! `clap_complete` makes those for zsh, fish, PowerShell and elvish. The one for bash is ours: that of `clap_complete` finds no
//! command when the name of the program has a hyphen, and offers no folders after a command. Left out are the ids of the main
//! job, because nothing completes them and zsh would take a command for one, and hidden options, because the scripts would offer
//! them.

mod bash;

use clap::{Arg, Command, ValueHint};
use clap_complete::Shell;

use super::args;

/// The name that the shells complete.
const PROGRAM: &str = "yescale-dl";

/// The completion script for a shell.
pub(super) fn script(shell: Shell) -> String {
    let mut command = completed_command();
    if shell == Shell::Bash {
        return bash::script(&command);
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Fish => mended_fish(&script, &command),
        Shell::Zsh => mended_zsh(script, &command),
        _ => script,
    }
}

/// The script for zsh, with lists: further values after a comma. The options of the main job may stand behind ids: a first word
/// that is no command is an id.
fn mended_zsh(script: String, command: &Command) -> String {
    let options = command.get_opts().chain(command.get_subcommands().flat_map(Command::get_opts));
    let lists = options.filter(|option| option.get_value_delimiter().is_some()).map(listed_values);
    let script = lists.filter(|values| !values.is_empty()).fold(script, |script, values| {
        let values = values.join(" ");
        script.replace(&format!("({values})"), &format!("_sequence compadd - {values}"))
    });
    let start = "_arguments \"${_arguments_options[@]}\" : \\\n";
    let (_, behind) = script.split_once(start).unwrap_or_default();
    let (options, _) = behind.split_once("\":: :_yescale-dl_commands\"").unwrap_or_default();
    let after_id = format!("            (*)\n{start}{options}'*:TASK_ID:' \\\n&& ret=0\n;;\n");
    let end = "        esac\n    ;;\nesac\n";
    // The last one is the end of the choice by command.
    match script.split_once(end) {
        Some((before, behind)) => format!("{before}{after_id}{end}{behind}"),
        None => script,
    }
}

/// The script for fish, with the arguments of the commands. It also completes the value of an option that stands before any
/// command: the line so far is then no valid one, as the value is missing. The options of the main
/// job may stand behind ids. And the value of `--wait` is optional.
fn mended_fish(script: &str, command: &Command) -> String {
    let parse = "argparse -s (__fish_yescale_dl_global_optspecs) -- $cmd";
    let script = script.replace("    or return\n", &format!("    or {parse} value 2>/dev/null\n    or return\n"));
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let main_job = format!(
        "\n# Whether the line is one of the main job: options may stand behind ids.\n\
        function __fish_yescale_dl_main_job\n    set -l word (__fish_yescale_dl_needs_command)\n    \
        or begin\n        set -q word[1]\n        and not contains -- $word[1] {}\n    end\nend\n\n\
        complete -c {PROGRAM} ",
        names.join(" ")
    );
    let script = script.replacen(&format!("\ncomplete -c {PROGRAM} "), &main_job, 1);
    let needs_command = format!("complete -c {PROGRAM} -n \"__fish_yescale_dl_needs_command\" -");
    let script = script.lines().map(|line| match line.strip_prefix(&needs_command) {
        Some(option) if option.starts_with("s ") || option.starts_with("l ") => {
            format!("complete -c {PROGRAM} -n \"__fish_yescale_dl_main_job\" -{option}\n")
        }
        _ => format!("{line}\n"),
    });
    let script: String = script.collect();
    let optional = command.get_opts().filter(|option| option.is_require_equals_set()).filter_map(Arg::get_long);
    let script = optional.fold(script, |script, name| script.replacen(&format!(" {name}="), &format!(" '{name}=?'"), 1));
    [script].into_iter().chain(command.get_subcommands().flat_map(fish_positionals)).collect()
}

/// The definitions that the scripts are made from.
fn completed_command() -> Command {
    let all = args::command();
    let main = all.get_arguments().filter(|arg| !arg.is_positional());
    let mut command = visible(&all, main)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(all.get_subcommands().map(|command| visible(command, command.get_arguments())));
    command.build();
    command
}

/// A command with those of `options` that are not hidden.
fn visible<'a>(command: &Command, options: impl Iterator<Item = &'a Arg>) -> Command {
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .args(options.filter(|option| !option.is_hide_set()))
        .disable_help_subcommand(true)
}

/// The values of an option or argument that can be listed.
fn listed_values(arg: &Arg) -> Vec<String> {
    let takes_values = arg.get_num_args().is_some_and(|count| count.takes_values());
    let values = arg.get_possible_values().into_iter().filter(|_| takes_values);
    values.filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_owned()).collect()
}

/// Lines for fish about the arguments of a command that are no options: `clap_complete` leaves them out.
fn fish_positionals(command: &Command) -> Vec<String> {
    let line = |arg: &Arg| {
        let values = match listed_values(arg) {
            _ if arg.get_value_hint() == ValueHint::DirPath => "(__fish_complete_directories)".to_owned(),
            values => values.join(" "),
        };
        let name = command.get_name();
        format!("complete -c {PROGRAM} -n \"__fish_yescale_dl_using_subcommand {name}\" -f -a \"{values}\"\n")
    };
    command.get_positionals().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_complete_every_command_option_and_value() {
        let command = completed_command();
        let commands: Vec<&Command> = [&command].into_iter().chain(command.get_subcommands()).collect();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let script = script(shell);
            let functions = script.matches("_commands() {").count();
            assert!(shell != Shell::Zsh || functions == commands.len(), "{functions} functions of zsh");
            for command in &commands {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
                for arg in command.get_opts() {
                    assert!(script.contains(arg.get_long().unwrap()), "{shell}: {arg}");
                    let has_values = !matches!(shell, Shell::PowerShell | Shell::Elvish);
                    let missing = listed_values(arg).into_iter().find(|value| has_values && !script.contains(value));
                    assert_eq!(missing, None, "{shell}: {arg}");
                }
            }
        }
    }

    #[test]
    fn every_value_has_a_hint_or_a_list() {
        let command = completed_command();
        for command in [&command].into_iter().chain(command.get_subcommands()) {
            for arg in command.get_arguments().filter(|arg| arg.get_num_args().is_some_and(|count| count.takes_values())) {
                let has_hint = !matches!(arg.get_value_hint(), ValueHint::Unknown | ValueHint::AnyPath);
                assert!(has_hint || !listed_values(arg).is_empty(), "{} {arg}: add a value_hint", command.get_name());
            }
        }
    }
}
