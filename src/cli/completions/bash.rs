//! The completion script for bash, from version 3.2, without the package bash-completion.
//!
//! The script knows for each option whether it takes a value and of which type, and for each command its options and arguments.
//! bash splits `--color=al` into three words: an option, `=`, and the value.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, ValueHint};

use super::{PROGRAM, listed_values};

/// What can be completed somewhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Completion {
    Folders,
    Files,
    Words(Vec<String>),
    /// Values separated by commas.
    List(Vec<String>),
    /// A value that can't be completed.
    Nothing,
}

impl Completion {
    fn of(arg: &Arg) -> Self {
        match (arg.get_value_hint(), listed_values(arg)) {
            (ValueHint::DirPath, _) => Self::Folders,
            (ValueHint::FilePath | ValueHint::AnyPath, _) => Self::Files,
            (_, values) if values.is_empty() => Self::Nothing,
            (_, values) if arg.get_value_delimiter().is_some() => Self::List(values),
            (_, values) => Self::Words(values),
        }
    }

    /// The call in the script.
    fn call(&self) -> String {
        match self {
            Self::Folders => "_yescale_dl_paths -d".to_owned(),
            Self::Files => "_yescale_dl_paths -f".to_owned(),
            Self::Words(words) => format!("_yescale_dl_words \"{}\"", words.join(" ")),
            Self::List(words) => format!("_yescale_dl_list \"{}\"", words.join(" ")),
            Self::Nothing => ":".to_owned(),
        }
    }
}

/// The script for the program and its commands.
pub(super) fn script(program: &Command) -> String {
    let commands: Vec<&Command> = program.get_subcommands().collect();
    let names: Vec<&str> = commands.iter().map(|command| command.get_name()).collect();
    let (mut options, mut arguments) = (String::new(), String::new());
    for command in [&program].into_iter().chain(&commands) {
        let name = if command.get_name() == program.get_name() { "" } else { command.get_name() };
        let _ = writeln!(
            options,
            "        \"{name}\") options=\"{}\" ;;",
            spellings(command.get_opts().chain(flags(command))).join(" ")
        );
        for (at, arg) in command.get_positionals().enumerate() {
            let _ = writeln!(arguments, "        \"{name},{at}\") {} ;;", Completion::of(arg).call());
        }
    }
    TEMPLATE
        .replace("@commands@", &names.join("|"))
        .replace("@names@", &names.join(" "))
        .replace("@values@", &value_cases(program, &commands))
        .replace("@options@", &options)
        .replace("@arguments@", &arguments)
        .replace("@program@", PROGRAM)
}

/// The flags of a command.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional() && !takes_value(arg))
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

/// How options are typed. One with an optional value is typed without it.
fn spellings<'a>(options: impl Iterator<Item = &'a Arg>) -> Vec<String> {
    let mut spellings: Vec<String> = options
        .flat_map(|option| {
            let short = option.get_short().map(|letter| format!("-{letter}"));
            short.into_iter().chain(option.get_long().map(|name| format!("--{name}")))
        })
        .collect();
    spellings.dedup();
    spellings
}

/// A case per completion, for the options whose next word is their value. An option means the same in every command.
fn value_cases(program: &Command, commands: &[&Command]) -> String {
    let options = [&program].into_iter().chain(commands).flat_map(|command| command.get_opts());
    let mut cases: Vec<(Completion, Vec<String>)> = Vec::new();
    for option in options.filter(|option| !option.is_require_equals_set()) {
        let (completion, spelled) = (Completion::of(option), spellings([option].into_iter()));
        match cases.iter_mut().find(|(known, _)| *known == completion) {
            Some((_, known)) => known.extend(spelled),
            None => cases.push((completion, spelled)),
        }
    }
    let case = |(completion, mut spelled): (Completion, Vec<String>)| {
        spelled.sort_unstable();
        spelled.dedup();
        format!("        {}) {} ;;\n", spelled.join("|"), completion.call())
    };
    cases.into_iter().map(case).collect()
}

const TEMPLATE: &str = include_str!("bash/template.sh");
