//! `--log-file`: opens the file that `ui` writes the log to.
//!
//! Lines are appended, so that runs, also at the same time, share one file. Only its owner can read a new file. A file that
//! can't be opened, that the run reads, or that may be one of the archive's own, is a warning: a log never keeps a run from its
//! work. So a named pipe without a reader is not waited for.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::args::{Args, Command};
use super::config::Config;
use super::written_files::reason_against_log;
use crate::layout::is_archive_file_name;
use crate::ui;

/// Starts the log, if the arguments name one. Called before anything is printed.
pub(super) fn start(args: &Args, config: &Config) {
    let style = match &args.command {
        None => &args.options.style,
        Some(Command::Verify { style, .. } | Command::Repair { style, .. }) => style,
        Some(_) => return,
    };
    let Some(path) = &style.log_file else { return };
    let opened = match reason_against_log(path, args, config) {
        Some(reason) => Err(io::Error::other(reason)),
        None => open(path),
    };
    match opened {
        Ok(file) => ui::start_log(Box::new(file)),
        Err(error) => ui::print_warning(&format!("can't open the log {}: {error}; the run continues without it", path.display())),
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A link has another name than the file that it leads to.
    let target = dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.file_name().is_some_and(is_archive_file_name) {
        return Err(io::Error::other("an archive has files of this name; choose another one"));
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    system::open(&mut options, path)
}

#[cfg(unix)]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::Path;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use rustix::io::Errno;

    pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        let opened = options.mode(0o600).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
        let file = opened.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::NXIO) => io::Error::other("nothing reads from this pipe"),
            _ => error,
        })?;
        // Lines then wait for a slow reader, and none is lost.
        fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
        Ok(file)
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        options.open(path)
    }
}
