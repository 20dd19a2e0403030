//! The files that a run writes because the user names them: the log and the list of `--failed-to`.
//!
//! A typing mistake must not overwrite a file. So an output file is refused when it is one that the run reads: a key, a
//! configuration, a certificate. The log may not be a list of ids either. The list of `--failed-to` may be the list that is read,
//! because it replaces that list at the end.

use std::path::{Path, PathBuf};

use super::args::{Args, Command, RemoteArgs};
use super::config::Config;
use super::error::Error;
use crate::storage;

/// Checks that the list of `--failed-to` replaces nothing that the run needs.
///
/// # Errors
/// If it would.
pub(super) fn check_failed_to(args: &Args, config: &Config) -> Result<(), Error> {
    let Some(path) = &args.failed_to else { return Ok(()) };
    let mut others = secrets_and_settings(args, config);
    others.extend(args.options.style.log_file.as_deref().map(|log| ("--log-file", log)));
    match reason_against(path, &others) {
        Some(reason) => Err(Error::WrongTarget { option: "--failed-to", path: path.clone(), reason }),
        None => Ok(()),
    }
}

/// Why `path` can't be the log.
pub(super) fn reason_against_log(path: &Path, args: &Args, config: &Config) -> Option<String> {
    let mut others = secrets_and_settings(args, config);
    others.extend(args.input_file.iter().map(|list| ("--input-file", list.as_path())));
    reason_against(path, &others)
}

/// The files that hold a key or settings, and the options that name them.
fn secrets_and_settings<'a>(args: &'a Args, config: &'a Config) -> Vec<(&'static str, &'a Path)> {
    let remote: &RemoteArgs = match &args.command {
        Some(Command::Repair { remote, .. }) => remote,
        _ => &args.options.remote,
    };
    let key = remote.api_key_file.as_deref().map(|path| ("--api-key-file", path));
    let certificate = remote.connection.ca_cert.as_deref().map(|path| ("--ca-cert", path));
    let access_key = args.options.access_key_file.as_deref().map(|path| ("--access-key-file", path));
    let settings = config.file.as_deref().map(|path| ("--config", path));
    let saved_keys = config.saved_keys.as_deref().map(|path| ("`login`", path));
    [key, access_key, certificate, settings, saved_keys].into_iter().flatten().collect()
}

fn reason_against(path: &Path, others: &[(&str, &Path)]) -> Option<String> {
    if path.as_os_str() == "-" {
        return Some("`-` stands for standard output, and a file is needed".to_owned());
    }
    let target = resolved(path);
    let taken = others.iter().find(|(_, other)| target.is_some() && resolved(other) == target);
    taken.map(|(option, _)| format!("{option} names the same file"))
}

/// The path without links, also of a file that does not exist yet. None if its folder does not exist.
fn resolved(path: &Path) -> Option<PathBuf> {
    let new = || Some(storage::canonical_parent(path).ok()?.join(path.file_name()?));
    dunce::canonicalize(path).ok().or_else(new)
}
