//! The dirty marker: a process has committed tasks that the root manifest does not name yet.
//!
//! It is a locked dot-file in the root, from the first commit until the root manifest is written. A marker without a lock
//! belongs to a killed run. Which tasks that run committed is unknown, so the root is rebuilt from the task folders.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::lock::Lock;
use crate::storage::Error;

const PREFIX: &str = ".committing-";
/// The most markers of one process id.
const MAX_MARKERS: u32 = 1000;

/// The dirty marker of one process in one archive.
#[derive(Debug)]
pub(super) struct DirtyMarker {
    root: PathBuf,
    lock: Mutex<Option<Lock>>,
    is_enabled: bool,
}

impl DirtyMarker {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: Mutex::new(None), is_enabled: true }
    }

    /// A marker that is never set: the archive has no root manifest.
    pub(super) fn disabled(root: &Path) -> Self {
        Self { root: root.to_owned(), lock: Mutex::new(None), is_enabled: false }
    }

    /// The root of the archive.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Sets the marker, unless it is set.
    pub(super) fn set(&self) -> Result<(), Error> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() || !self.is_enabled {
            return Ok(());
        }
        // A process with the same id may have left one: in a container every process may have the same. Then the next name is
        // free. The marker that is there stays a sign for the next writer of the root manifest.
        for n in 0..MAX_MARKERS {
            let path = self.root.join(format!("{PREFIX}{}-{n}", std::process::id()));
            *lock = Lock::try_create_file(&path).map_err(Error::io("lock", &path))?;
            if lock.is_some() {
                return Ok(());
            }
        }
        let too_many =
            io::Error::other(format!("{MAX_MARKERS} files `{PREFIX}*` are in its way; `yescale-dl index` removes them"));
        Err(Error::io("mark changes in", &self.root)(too_many))
    }

    /// Removes the marker: the root manifest names every task.
    pub(super) fn clear(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for DirtyMarker {
    /// The root manifest still lacks committed tasks: the file stays, unlocked, as a sign for the next run.
    fn drop(&mut self) {
        if let Some(lock) = self.lock.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            lock.release_keeping_file();
        }
    }
}

/// The markers of killed processes. They stay for the next run, unless they are cleared.
pub(super) struct StaleMarkers {
    locks: Vec<Lock>,
    /// Whether there is a marker whose process may be alive or dead.
    is_uncertain: bool,
}

impl StaleMarkers {
    pub(super) fn is_empty(&self) -> bool {
        self.locks.is_empty() && !self.is_uncertain
    }

    /// Removes the markers: the root manifest names every task.
    pub(super) fn clear(mut self) {
        self.locks.clear();
    }
}

impl Drop for StaleMarkers {
    fn drop(&mut self) {
        self.locks.drain(..).for_each(Lock::release_keeping_file);
    }
}

/// Finds the markers of killed processes among the `names` in the root.
pub(super) fn find_stale(root: &Path, names: &[String]) -> StaleMarkers {
    let mut stale = StaleMarkers { locks: Vec::new(), is_uncertain: false };
    for name in names.iter().filter(|name| name.starts_with(PREFIX)) {
        // Only the marker of a dead process can be locked.
        match Lock::try_take_over(&root.join(name)) {
            Ok(lock) => stale.locks.extend(lock),
            // It may be that of another user's process, which may be dead.
            Err(_) => stale.is_uncertain = true,
        }
    }
    stale
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn find_stale(root: &Path) -> StaleMarkers {
        let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        super::find_stale(root, &names.collect::<Vec<_>>())
    }

    #[test]
    fn marker_of_a_killed_process_with_the_same_id_is_still_found() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(format!("{PREFIX}{}-0", std::process::id())), b"").unwrap();
        let marker = DirtyMarker::new(root.path());
        marker.set().unwrap();
        assert_eq!(find_stale(root.path()).locks.len(), 1);
    }

    #[test]
    fn commit_without_a_marker_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..MAX_MARKERS {
            fs::write(root.path().join(format!("{PREFIX}{}-{n}", std::process::id())), b"").unwrap();
        }
        assert!(DirtyMarker::new(root.path()).set().unwrap_err().message().contains("index"));
    }

    #[test]
    fn live_markers_are_kept_and_stale_ones_found_once() {
        let root = tempfile::tempdir().unwrap();
        let marker = DirtyMarker::new(root.path());
        marker.set().unwrap();
        marker.set().unwrap();
        assert!(find_stale(root.path()).is_empty());
        marker.clear();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        fs::write(root.path().join(".committing-1-0"), b"").unwrap();
        let found = find_stale(root.path());
        assert_eq!(found.locks.len(), 1);
        found.clear();
        assert!(find_stale(root.path()).is_empty());
        marker.set().unwrap();
        drop(marker);
        for _ in 0..2 {
            assert_eq!(
                find_stale(root.path()).locks.len(),
                1,
                "a marker that is dropped uncleared is stale, also in its own process"
            );
        }
    }
}
