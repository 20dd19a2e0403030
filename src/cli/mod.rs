//! The command line: what may be typed (`args`), with what the environment and a file say besides (`config`), is in force
//! (`given`), and becomes what will be done (`settings`). Then it is done: the main job is `get`, a verb has a file of its
//! name, and what the program tells of itself is `about`.

#![expect(
    clippy::disallowed_methods,
    reason = "what the user names on the command line is opened here, and the environment read"
)]

mod about;
mod args;
mod config;
mod environment;
mod error;
mod export;
mod gallery;
mod get;
mod given;
mod input;
mod settings;
mod signals;
mod values;
mod verify;

use std::ffi::OsString;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::secret::ApiKey;
use crate::store::{Archive, LockWait, Survey};
use crate::{threads, ui};
use args::Verb;
use environment::{Environment, KEY_VARIABLE};
use error::Error;
use settings::Settings;

/// Ends a run that could not start, or could not go on.
const COULD_NOT: u8 = 2;

/// Runs the program with `arguments`, the program's name first; its exit code.
pub fn run<I: IntoIterator<Item = OsString>>(arguments: I) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment = |name: &str| std::env::var_os(name).filter(|value| !value.to_string_lossy().trim().is_empty());
    // Known before anything that was typed is told.
    if let Some(Ok(key)) = environment(KEY_VARIABLE).map(|key| ApiKey::parse(&key.to_string_lossy())) {
        ui::hide(&key);
    }
    match run_in(&arguments, &environment) {
        Ok(code) => code,
        Err(Error::Usage(usage)) => {
            let code = u8::try_from(usage.exit_code()).unwrap_or(COULD_NOT);
            error::report_usage(usage);
            code
        }
        Err(error) => {
            ui::complain(&error.to_string());
            COULD_NOT
        }
    }
}

/// All that the program can do: the main job, or what a verb says.
fn run_in(arguments: &[OsString], environment: Environment<'_>) -> Result<u8, Error> {
    let (mut args, given) = given::read(arguments, environment)?;
    given.warnings().iter().for_each(|warning| ui::warn(warning));
    if !matches!(args.verb, Some(Verb::Config(_) | Verb::Schema { .. } | Verb::Completions { .. } | Verb::Man)) {
        threads::prepare().map_err(Error::Threads)?;
    }
    let Some(verb) = args.verb.take() else {
        return get::run(Settings::resolve(args, &given.config, environment)?);
    };
    match verb {
        Verb::Verify { dir, quick, style } => verify::run(&dir, quick, settings::style(&style, environment)),
        Verb::Repair { dir, quick, remote, style } => {
            let options = settings::remote(remote, &given.config)?;
            verify::repair(&dir, quick, options, settings::style(&style, environment))
        }
        Verb::Index { dir } => index(&dir),
        Verb::Export(args) => export::run(&args),
        Verb::Gallery { dir } => Ok(gallery::run(&dir)?),
        Verb::Config(_) => tell(&given.told()),
        Verb::Schema { document } => tell(&about::schema(document)),
        Verb::Completions { shell } => tell(&about::completions(shell)),
        Verb::Man => tell(&about::manual()),
    }
}

fn index(dir: &Path) -> Result<u8, Error> {
    // A task's folder has nothing that is derived.
    if Survey::is_single_at(dir)? {
        return Ok(0);
    }
    let report = Archive::open(dir)?.rebuild_root(&lock_wait(CancellationToken::new()))?;
    report.notes().chain(report.faults()).for_each(|message| ui::warn(&message));
    Ok(u8::from(report.has_faults()))
}

/// Waits for locks until `stop` is cancelled, and warns of a long wait.
fn lock_wait(stop: CancellationToken) -> LockWait {
    LockWait::new(stop, ui::warn)
}

/// It is all that the verb does; its exit code.
fn tell(text: &str) -> Result<u8, Error> {
    ui::hand_out(|output| output.write_all(ui::hidden(text).as_bytes())).map_err(Error::StandardOutput)?;
    Ok(0)
}
