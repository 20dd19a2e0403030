//! The command line: what may be typed (`args`), with what the environment and a file say besides (`config`), is in force
//! (`given`), and becomes what will be done (`settings`). Then it is done: the main job is `get`, a verb has a file of its
//! name, and what the program tells of itself is `about`.

#![expect(
    clippy::disallowed_methods,
    reason = "what the user names on the command line is opened here, and the environment read"
)]

mod args;
mod config;
mod effective;
mod environment;
mod error;
mod export;
mod gallery;
mod generate;
mod input;
mod runner;
mod settings;
mod signals;
mod values;
mod verify;

use std::ffi::OsString;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::redact::ApiKey;
use crate::storage::{ArchiveScan, LockWait, Storage};
use crate::{threads, ui};
use args::Command;
use environment::{Environment, KEY_VARIABLE};
use error::Error;
use settings::Settings;

/// Ends a run that could not start, or could not go on.
const EXIT_FATAL: u8 = 2;

/// Runs the program with `arguments`, the program's name first; its exit code.
pub fn run<I: IntoIterator<Item = OsString>>(arguments: I) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment = |name: &str| std::env::var_os(name).filter(|value| !value.to_string_lossy().trim().is_empty());
    // Known before anything that was typed is told.
    if let Some(Ok(key)) = environment(KEY_VARIABLE).map(|key| ApiKey::parse(&key.to_string_lossy())) {
        ui::register_key(&key);
    }
    match dispatch(&arguments, &environment) {
        Ok(code) => code,
        Err(Error::Usage(usage)) => {
            let code = u8::try_from(usage.exit_code()).unwrap_or(EXIT_FATAL);
            error::report_usage(usage);
            code
        }
        Err(error) => {
            ui::print_error(&error.to_string());
            EXIT_FATAL
        }
    }
}

/// All that the program can do: the main job, or what a verb says.
fn dispatch(arguments: &[OsString], environment: Environment<'_>) -> Result<u8, Error> {
    let (mut args, given) = effective::parse(arguments, environment)?;
    given.warnings().iter().for_each(|warning| ui::print_warning(warning));
    if !matches!(args.command, Some(Command::Config(_) | Command::Schema { .. } | Command::Completions { .. } | Command::Man)) {
        threads::init_pools().map_err(Error::Threads)?;
    }
    let Some(verb) = args.command.take() else {
        return runner::run(Settings::resolve(args, &given.config, environment)?);
    };
    match verb {
        Command::Verify { dir, quick, style } => verify::run(&dir, quick, settings::style(&style, environment)),
        Command::Repair { dir, quick, remote, style } => {
            let options = settings::remote_options(remote, &given.config)?;
            verify::repair(&dir, quick, options, settings::style(&style, environment))
        }
        Command::Index { dir } => index(&dir),
        Command::Export(args) => export::run(&args),
        Command::Gallery { dir } => Ok(gallery::run(&dir)?),
        Command::Config(_) => print_result(&given.to_toml()),
        Command::Schema { document } => print_result(&generate::schema(document)),
        Command::Completions { shell } => print_result(&generate::completions(shell)),
        Command::Man => print_result(&generate::man_page()),
    }
}

fn index(dir: &Path) -> Result<u8, Error> {
    // A task's folder has nothing that is derived.
    if ArchiveScan::is_single_at(dir)? {
        return Ok(0);
    }
    let report = Storage::open(dir)?.rebuild_index(&lock_wait(CancellationToken::new()))?;
    report.notes().chain(report.faults()).for_each(|message| ui::print_warning(&message));
    Ok(u8::from(report.has_faults()))
}

/// Waits for locks until `stop` is cancelled, and warns of a long wait.
fn lock_wait(stop: CancellationToken) -> LockWait {
    LockWait::new(stop, ui::print_warning)
}

/// It is all that the verb does; its exit code.
fn print_result(text: &str) -> Result<u8, Error> {
    ui::write_stdout(|output| output.write_all(ui::redact_keys(text).as_bytes())).map_err(Error::StandardOutput)?;
    Ok(0)
}
