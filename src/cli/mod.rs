//! What was typed (`args`) becomes what will be done (`settings`), is made ready (`prepare`) and done (`get`, `verbs`).

#![expect(
    clippy::disallowed_methods,
    reason = "what the user names on the command line is opened here, and the environment read"
)]

mod args;
mod error;
mod gallery;
mod get;
mod input;
mod prepare;
mod settings;
mod signals;
mod values;
mod verbs;

use std::ffi::OsString;

use clap::Parser;

/// Ends a run that could not start, or could not go on.
const COULD_NOT: u8 = 2;

/// Runs the program with `arguments`, the program's name first; its exit code.
pub fn run<I: IntoIterator<Item = OsString>>(arguments: I) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    // A verb counts only as the first word: anywhere else it is an id.
    let is_verb = arguments.get(1).and_then(|word| word.to_str()).is_some_and(args::Verb::is);
    let done = if is_verb {
        args::VerbArgs::try_parse_from(arguments).map(|args| verbs::run(args.verb, &environment))
    } else {
        args::Args::read(arguments).map(|args| settings::Settings::resolve(args, &environment).and_then(get::run))
    };
    match done {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            crate::ui::complain(&error.to_string());
            COULD_NOT
        }
        Err(usage) => {
            // A closed terminal can't be told anything.
            let _ = usage.print();
            u8::try_from(usage.exit_code()).unwrap_or(COULD_NOT)
        }
    }
}
