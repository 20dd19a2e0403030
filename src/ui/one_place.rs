//! Whether standard output and standard error are read by the same person in the same place: both are terminals, or both are one
//! file or pipe (`2>&1`). Then each fact is printed once; else each stream is complete on its own.

use std::io::{self, IsTerminal as _};

pub(crate) fn is_one_place() -> bool {
    let (out, err) = (io::stdout(), io::stderr());
    (out.is_terminal() && err.is_terminal()) || are_one_file(&out, &err)
}

#[cfg(unix)]
fn are_one_file(out: &io::Stdout, err: &io::Stderr) -> bool {
    match (rustix::fs::fstat(out), rustix::fs::fstat(err)) {
        (Ok(out), Ok(err)) => (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino),
        _ => false,
    }
}

/// Windows has no such test for pipes.
#[cfg(not(unix))]
fn are_one_file(_: &io::Stdout, _: &io::Stderr) -> bool {
    false
}
