//! The sign that a process has committed tasks which the root manifest does not name yet.
//!
//! A locked dot-file in the root, from the first commit until the root manifest is written. One that
//! is found unlocked belongs to a run that died in between: what it committed is known to nobody, so
//! the root is rebuilt from the task folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::lock::Lock;
use crate::storage::Error;

const PREFIX: &str = ".committing-";

/// The mark of one process in one archive.
#[derive(Debug)]
pub(in crate::storage) struct DirtyMarker {
    root: PathBuf,
    lock: Mutex<Option<Lock>>,
    is_enabled: bool,
}

impl DirtyMarker {
    pub(in crate::storage) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: Mutex::new(None), is_enabled: true }
    }

    /// No mark: there is no root manifest that could lag behind.
    pub(in crate::storage) fn disabled(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: Mutex::new(None), is_enabled: false }
    }

    /// The archive.
    pub(in crate::storage) fn root(&self) -> &Path {
        &self.root
    }

    /// Sets the mark, unless it stands.
    pub(in crate::storage) fn set(&self) -> Result<(), Error> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Another process of the same number may have died on another machine: then the next name is free.
        let names = (0_u32..).map(|n| self.root.join(format!("{PREFIX}{}-{n}", std::process::id())));
        for path in names.take(if held.is_some() || !self.is_enabled { 0 } else { 1000 }) {
            *held = Lock::try_lock_file(&path).map_err(Error::io("lock", &path))?;
            if held.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Takes the mark away: the root manifest names everything.
    pub(in crate::storage) fn clear(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for DirtyMarker {
    /// What was committed is still not in the root manifest: the file stays, unlocked, and tells it.
    fn drop(&mut self) {
        if let Some(lock) = self.lock.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            lock.release_keeping_file();
        }
    }
}

/// The marks of processes that died with them set. They stay for whoever comes next, unless they are cleared.
pub(in crate::storage) struct StaleMarkers {
    locks: Vec<Lock>,
    /// Whether there is a mark of which nobody can say whether its process lives.
    is_uncertain: bool,
}

impl StaleMarkers {
    pub(in crate::storage) fn is_empty(&self) -> bool {
        self.locks.is_empty() && !self.is_uncertain
    }

    /// Takes the marks away: the root manifest names everything.
    pub(in crate::storage) fn clear(mut self) {
        self.locks.clear();
    }
}

impl Drop for StaleMarkers {
    fn drop(&mut self) {
        self.locks.drain(..).for_each(Lock::release_keeping_file);
    }
}

/// The marks of processes that died with them set.
///
/// # Errors
/// When the root can't be listed: then nobody knows whether there are any.
pub(in crate::storage) fn find_stale(root: &Path) -> io::Result<StaleMarkers> {
    let mut dead = StaleMarkers { locks: Vec::new(), is_uncertain: false };
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            // Getting the lock is the proof.
            match Lock::try_take_over(&entry.path()) {
                Ok(lock) => dead.locks.extend(lock),
                // It may be another user's who died.
                Err(_) => dead.is_uncertain = true,
            }
        }
    }
    Ok(dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_markers_are_kept_and_stale_ones_found_once() {
        let root = tempfile::tempdir().unwrap();
        let mark = DirtyMarker::new(root.path());
        mark.set().unwrap();
        mark.set().unwrap();
        assert!(find_stale(root.path()).unwrap().is_empty());
        mark.clear();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        fs::write(root.path().join(".committing-1-0"), b"").unwrap();
        let found = find_stale(root.path()).unwrap();
        assert_eq!(found.locks.len(), 1);
        found.clear();
        assert!(find_stale(root.path()).unwrap().is_empty());
        mark.set().unwrap();
        drop(mark);
        for _ in 0..2 {
            assert_eq!(
                find_stale(root.path()).unwrap().locks.len(),
                1,
                "who ends without the root manifest leaves word, also within its process"
            );
        }
    }
}
