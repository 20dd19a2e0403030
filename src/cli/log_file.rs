//! `--log-file`: opens the file that `ui` writes the log to.
//!
//! Lines are appended, so that runs, also at the same time, share one file. Only its owner can read a new file. A file that
//! can't be opened, or may be one of the archive's own, is a warning: a log never keeps a run from its work.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::args::{Args, Command};
use crate::layout::{GALLERY, MANIFEST, SHA256SUMS};
use crate::ui;

/// Starts the log, if the arguments name one. Called before anything is printed.
pub(super) fn start(args: &Args) {
    let style = match &args.command {
        None => &args.options.style,
        Some(Command::Verify { style, .. } | Command::Repair { style, .. }) => style,
        Some(_) => return,
    };
    let Some(path) = &style.log_file else { return };
    match open(path) {
        Ok(file) => ui::start_log(Box::new(file)),
        Err(error) => ui::print_warning(&format!("can't open the log {}: {error}; the run continues without it", path.display())),
    }
}

fn open(path: &Path) -> io::Result<File> {
    if [MANIFEST, SHA256SUMS, GALLERY].iter().any(|ours| path.file_name().is_some_and(|name| name == *ours)) {
        return Err(io::Error::other("an archive has files of this name; choose another one"));
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
