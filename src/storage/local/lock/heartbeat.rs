//! The heartbeat of this process's lock files: it shows processes on other machines that the holder is alive.
//!
//! One thread serves all lock files. It starts with the first one, and ends when there are none. A file that has another
//! token by now belongs to another process, and is left alone.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::lock_file::{HEARTBEAT, has_token};
use crate::threads;

#[derive(Default)]
struct LockFiles {
    /// The path of each, by its token.
    paths: Vec<(String, PathBuf)>,
    is_thread_running: bool,
}

static LOCK_FILES: Mutex<LockFiles> = Mutex::new(LockFiles { paths: Vec::new(), is_thread_running: false });

fn lock_files() -> MutexGuard<'static, LockFiles> {
    LOCK_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins the heartbeat of the lock file at `path`.
///
/// # Errors
/// When no thread can be started: without a heartbeat other machines would take the lock over.
pub(super) fn begin(path: &Path, token: &str) -> io::Result<()> {
    let mut files = lock_files();
    if !files.is_thread_running {
        threads::spawn_thread("locks", run)?;
        files.is_thread_running = true;
    }
    files.paths.push((token.to_owned(), path.to_owned()));
    Ok(())
}

/// The lock file has another path now.
pub(super) fn rename(token: &str, path: &Path) {
    for (_, old) in lock_files().paths.iter_mut().filter(|(other, _)| other == token) {
        path.clone_into(old);
    }
}

/// Ends the heartbeat of a lock file.
pub(super) fn end(token: &str) {
    lock_files().paths.retain(|(other, _)| other != token);
}

fn run() {
    loop {
        thread::sleep(HEARTBEAT);
        let paths = {
            let mut files = lock_files();
            files.is_thread_running = !files.paths.is_empty();
            files.paths.clone()
        };
        if paths.is_empty() {
            return;
        }
        for (token, path) in paths {
            // One that can't be written now is written at the next beat.
            let _ = beat(&path, &token);
        }
    }
}

/// Appends to the lock file, when it still has this token.
fn beat(path: &Path, token: &str) -> io::Result<()> {
    if has_token(path, token)? { OpenOptions::new().append(true).open(path)?.write_all(b"\n") } else { Ok(()) }
}
