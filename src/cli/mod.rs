//! What was typed (`args`) becomes what will be done (`settings`) and is done (`get`).

#![expect(
    clippy::disallowed_methods,
    reason = "what the user names on the command line is opened here, and the environment read"
)]

mod args;
mod error;
mod get;
mod input;
mod settings;
mod signals;

use std::ffi::OsString;

use clap::Parser;

/// Ends a run that could not start, or could not go on.
const COULD_NOT: u8 = 2;

/// Runs the program with `arguments`, the program's name first; its exit code.
pub fn run<I: IntoIterator<Item = OsString>>(arguments: I) -> u8 {
    let args = match args::Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // A closed terminal can't be told anything.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(COULD_NOT);
        }
    };
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    match settings::Settings::resolve(args, &environment).and_then(get::run) {
        Ok(code) => code,
        Err(error) => {
            crate::ui::complain(&error.to_string());
            COULD_NOT
        }
    }
}
