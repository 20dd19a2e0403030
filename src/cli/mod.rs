//! The command line: from the arguments to the exit code.
//!
//! `args` defines options and commands. `effective` merges the typed arguments over the environment (`environment`) and the
//! configuration file (`config`). `help` and `mistyped` (commands among the ids) end a run that was not meant as one. `settings`
//! validates the result and makes the options of a run from it. Then one command runs: `main_job`, or the file with the name of
//! the command (`verify` also has `repair`; `selection` reads the filters; `generate` has schemas and the manual page,
//! `completions` the shell scripts). `ending` reports how it ended. `runner` runs a session, with `input` (the ids), `account`
//! (those of `--since`), `request_queue`, `ui_thread` (the output), `runtime` and `signals`. `observers` watch the events of
//! the main job: `exec` and `failed_to`. `login` asks for the keys that later runs find in `saved_keys`. `log_file` opens the
//! log, and `written_files` protects the files that a run reads.
//!
//! To add an option of a run:
//!
//! 1. `args`: its flag and its help text. An option for every run goes into `ConfigurableArgs`, or into `RemoteArgs` inside it
//!    when `repair` needs it, too; the configuration file and the command `config` then accept it. An option for one run goes
//!    into `Args`, and its name into the settings that `config` refuses with a reason.
//! 2. `effective`: a row in `implicit_default`, only for an option whose default its parser does not have.
//! 3. `session/options.rs`: a field of `Options`, with its default in `Options::new`.
//! 4. `settings`: its value in `Settings::resolve`. An option of `RemoteArgs` is also set in `remote_options`. The compiler
//!    does not require that one: `..Options::new(key)` there gives a forgotten field its default.
//! 5. `Session::prepare` in `session/mod.rs`: passes it to the code that uses it.
//! 6. The tables of options in `docs/options.md` and in section 4 of `docs/contract.md`.
//!
//! To add a command: a variant of `args::Command`, its arm in `dispatch`, and its place in `docs/commands.md`. If
//! the word is in the list of `mistyped`, it leaves that list.

#![expect(clippy::disallowed_methods, reason = "the command line opens the files that the user names, and reads the environment")]

mod account;
mod args;
mod completions;
mod config;
mod effective;
mod ending;
mod environment;
mod error;
mod exec;
mod export;
mod failed_to;
mod gallery;
mod generate;
mod help;
mod input;
mod list;
mod log_file;
mod login;
mod main_job;
mod mistyped;
mod nearest;
mod observers;
mod request_queue;
mod runner;
mod runtime;
mod saved_keys;
mod selection;
mod settings;
mod shard;
mod signals;
mod ui_thread;
mod values;
mod verify;
mod written_files;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::event::{Emitter, Event};
#[cfg(feature = "bucket")]
use crate::http::client::check_proxies;
use crate::jobs::{JobOutcome, StopHandle, index};
use crate::layout::{MANIFEST, SHA256SUMS};
use crate::redact::ApiKey;
#[cfg(feature = "bucket")]
use crate::session;
use crate::storage::Location;
use crate::{threads, ui};
use args::Command;
use ending::JsonFrame;
use environment::{ACCESS_KEY_VARIABLE, Environment, KEY_FILE_VARIABLE, KEY_VARIABLE};
use error::Error;
use saved_keys::KeyKind;
use settings::Settings;

/// The exit code of a run that could not start or could not continue.
const EXIT_FATAL: u8 = 2;

/// Runs the program with `arguments`, of which the first is the program's name, and returns the exit code.
pub fn run<I: IntoIterator<Item = OsString>>(arguments: I) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment = |name: &str| std::env::var_os(name).filter(|value| !value.to_string_lossy().trim().is_empty());
    // Registered before any message can repeat an argument.
    for name in [KEY_VARIABLE, KEY_FILE_VARIABLE, ACCESS_KEY_VARIABLE] {
        let key = environment(name).filter(|key| name != KEY_FILE_VARIABLE || settings::looks_like_a_key(key.as_ref()));
        if let Some(key) = key.and_then(|key| ApiKey::parse(&key.to_string_lossy()).ok()) {
            ui::register_key(&key);
        }
    }
    let mut frame = JsonFrame::new(&arguments);
    ui::set_message_color(settings::uses_color(args::When::Auto, &std::io::stderr(), &environment));
    let result = dispatch(&arguments, &environment, &mut frame);
    ending::end(result, frame)
}

/// Parses the arguments and runs the main job or the command.
fn dispatch(arguments: &[OsString], environment: Environment<'_>, frame: &mut JsonFrame) -> Result<u8, Error> {
    let (mut args, effective) = effective::parse(arguments, environment)?;
    log_file::start(&args, &effective.config);
    let (style, archive) = match &args.command {
        None => (Some(&args.options.style), Some(args.options.output.as_path())),
        Some(Command::Verify { dir, style, .. } | Command::Repair { dir, style, .. }) => (Some(style), Some(dir.as_path())),
        Some(_) => (None, None),
    };
    if let Some(style) = style {
        ui::set_message_color(settings::uses_color(style.color, &std::io::stderr(), environment));
    }
    let is_json = style.is_some_and(|style| style.json);
    // A URL that names no bucket may contain a password, and is not shown.
    archive.map_or(Ok(()), |archive| Location::parse(archive).map(drop))?;
    frame.start(is_json, archive);
    effective.warnings().iter().for_each(|warning| ui::print_warning(warning));
    if !matches!(args.command, Some(Command::Config(_) | Command::Schema { .. } | Command::Completions { .. } | Command::Man)) {
        threads::init_pools().map_err(Error::Threads)?;
    }
    let Some(command) = args.command.take() else {
        written_files::check_failed_to(&args, &effective.config)?;
        return main_job::run(Settings::resolve(args, &effective.config, environment)?);
    };
    prepare_reading(&command, &effective.config)?;
    match command {
        Command::Verify { dir, quick, filter, style } => {
            verify::run(&dir, quick, &selection::filter(&filter)?, settings::style(&style, environment))
        }
        Command::Repair { dir, quick, filter, remote, style } => {
            let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
            if remote.api_key_file.as_ref().is_some_and(is_stdin) && filter.input_file.iter().any(is_stdin) {
                return Err(Error::StdinUsedTwice);
            }
            let filter = selection::filter(&filter)?;
            let options = settings::remote_options(*remote, &effective.config)?;
            verify::repair(&dir, quick, &filter, options, settings::style(&style, environment))
        }
        Command::Index { dir, facts, rebuild } => run_index(&dir, facts, rebuild),
        Command::List(args) => list::run(&args, environment),
        Command::Export(args) => export::run(&args),
        Command::Gallery(args) => gallery::run(&args),
        Command::Login(args) => login::run(*args, environment),
        Command::Config(_) => {
            print_result(&effective.to_toml())?;
            effective.config.report_all()?;
            [KeyKind::Api, KeyKind::Access].into_iter().try_for_each(|kind| effective.config.check_saved(kind)).map(|()| 0)
        }
        Command::Schema { document } => print_result(&generate::schema(document)),
        Command::Completions { shell } => print_result(&completions::script(shell)),
        Command::Man => print_result(&generate::man_page()),
        Command::Help { command } => Err(help::long(command.as_deref()).into()),
    }
}

/// Prepares the connections of a command that reads a bucket: checks the proxies, and trusts the root of `--ca-cert`, or of the
/// configuration file.
#[cfg(feature = "bucket")]
fn prepare_reading(command: &Command, config: &config::Config) -> Result<(), Error> {
    let (dir, typed) = match command {
        Command::Repair { dir, remote, .. } => (dir, remote.connection.ca_cert.clone()),
        Command::Verify { dir, .. } | Command::Index { dir, .. } => (dir, None),
        Command::List(args) => (&args.dir, None),
        Command::Export(args) => (&args.dir, None),
        _ => return Ok(()),
    };
    let configured = || config.entry("ca-cert")?.values.first().map(PathBuf::from);
    let Location::Bucket(_) = Location::parse(dir)? else { return Ok(()) };
    check_proxies().map_err(session::Error::from)?;
    if let Some(path) = typed.or_else(configured) {
        let pem = settings::read_certificates(&path)?;
        crate::storage::trust_for_reading(path, pem);
    }
    Ok(())
}

#[cfg(not(feature = "bucket"))]
fn prepare_reading(_: &Command, _: &config::Config) -> Result<(), Error> {
    Ok(())
}

fn run_index(dir: &Path, with_facts: bool, rebuilds: bool) -> Result<u8, Error> {
    let paths = [dir.join(MANIFEST), dir.join(SHA256SUMS)];
    if !with_facts {
        let index = if rebuilds { index::rebuild_index } else { index::index };
        let outcome = index(dir, &StopHandle::default(), &print_messages())?;
        if let Location::Bucket(url) = Location::parse(dir)? {
            print_result(&ui::written_line(&[Path::new(&format!("the index of {url}"))], outcome))?;
            return Ok(exit_code(outcome));
        }
        return report_written(&paths, outcome);
    }
    let outcome = index::index_with_facts(dir, &StopHandle::default(), &print_messages())?;
    print_result(&ui::facts_line(&existing(&paths), outcome))?;
    Ok(exit_code(outcome.index))
}

/// Prints warnings and errors at once, for jobs that show no progress.
fn print_messages() -> Emitter {
    Emitter::new(|event| match event {
        Event::Warning(message) => ui::print_warning(&message),
        Event::Error(message) => ui::print_error(&message),
        _ => {}
    })
}

/// Prints what a job wrote and where, in one line, and returns the exit code. Of `paths`, those that do not exist are left out: an
/// archive without files has no list of checksums.
fn report_written(paths: &[PathBuf], outcome: JobOutcome) -> Result<u8, Error> {
    print_result(&ui::written_line(&existing(paths), outcome))?;
    Ok(exit_code(outcome))
}

fn existing(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).filter(|path| path.symlink_metadata().is_ok()).collect()
}

fn exit_code(outcome: JobOutcome) -> u8 {
    u8::from(!outcome.is_complete)
}

/// Prints the result of a command that only prints, and returns the exit code.
fn print_result(text: &str) -> Result<u8, Error> {
    ui::write_stdout(|output| output.write_all(ui::redact_keys(text).as_bytes())).map_err(Error::StandardOutput)?;
    Ok(0)
}
