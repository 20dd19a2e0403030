//! What may be typed (`args`), with what the environment and a file say besides (`config`), is in force (`given`), becomes
//! what will be done (`settings`), and is done (`get`, `verbs`, `export`) or told (`about`).

#![expect(
    clippy::disallowed_methods,
    reason = "what the user names on the command line is opened here, and the environment read"
)]

mod about;
mod args;
mod config;
mod error;
mod export;
mod gallery;
mod get;
mod given;
mod input;
mod settings;
mod signals;
mod values;
mod verbs;

use std::ffi::OsString;

use error::Error;
use settings::{Environment, Settings};

/// Ends a run that could not start, or could not go on.
const COULD_NOT: u8 = 2;

/// Runs the program with `arguments`, the program's name first; its exit code.
pub fn run<I: IntoIterator<Item = OsString>>(arguments: I) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    match run_in(&arguments, &environment) {
        Ok(code) => code,
        Err(Error::Usage(usage)) => {
            // A closed terminal can't be told anything.
            let _ = usage.print();
            u8::try_from(usage.exit_code()).unwrap_or(COULD_NOT)
        }
        Err(error) => {
            crate::ui::complain(&error.to_string());
            COULD_NOT
        }
    }
}

fn run_in(arguments: &[OsString], environment: Environment<'_>) -> Result<u8, Error> {
    let (mut args, given) = given::read(arguments, environment)?;
    given.warnings().iter().for_each(|warning| crate::ui::warn(warning));
    match args.verb.take() {
        Some(verb) => verbs::run(verb, &given, environment),
        None => get::run(Settings::resolve(args, &given.config, environment)?),
    }
}
