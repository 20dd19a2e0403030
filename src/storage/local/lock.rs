//! Locks between processes, which leave no file behind.
//!
//! The system holds each lock, and frees it when its holder dies. A folder is locked itself where the system can do that, else
//! with a dot-file in it. (Creating and removing a lock file for every task would cost more than everything else that a small
//! task writes.) The holder removes its lock file. So after locking, a process checks that the path still names the file that
//! it locked: a lock on a removed file protects nothing. Where the system can't lock files either, the file itself is the lock
//! ([`lock_file`]); a process that has a lock of the system respects such a file too.
//!
//! Limit: where one process can lock the folder and another one can't (two mounts of one share with different options), the
//! process with the lock file doesn't see the lock of the folder. Both then hold the lock. A lock file that has just been created
//! and is still empty is not seen by the other one either.

mod heartbeat;
mod lock_file;
mod machine;
mod wait;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::dir::Dir;
use crate::storage::Error;
use crate::storage::error::is_unsupported;
use lock_file::LockFile;

pub(in crate::storage) use wait::waiting_message;
pub(crate) use wait::{LockWait, REPORT_AFTER};

/// The name of the lock file in a folder that can't be locked itself.
pub(in crate::storage) const NAME: &str = ".lock";
/// The beginning of the names of files beside a lock file that exist while a stale lock is taken over.
const SIBLING_PREFIX: &str = ".lock.";

/// How long to wait before trying again to take a lock that another process holds. After a long wait it is up to
/// [`MAX_POLL_INTERVAL`]: to try a lock file of another machine makes a file.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(in crate::storage) struct Lock {
    holding: Holding,
    keeps_file: bool,
}

/// What a lock is.
#[derive(Debug)]
enum Holding {
    /// A folder that the system locked.
    #[cfg(unix)]
    Folder(Arc<File>),
    /// A file that the system locked, and its path.
    File(PathBuf, File),
    /// A file that is a lock because it exists.
    LockFile(LockFile),
}

/// Which lock files are opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenFile {
    Existing,
    New,
    Any,
}

/// Whether it was reported that the system has no locks here.
static IS_REPORTED: AtomicBool = AtomicBool::new(false);

/// Whether `name` is that of a lock file in a folder, or of a file beside it.
pub(in crate::storage) fn is_lock_name(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name == NAME || is_sibling_name(name))
}

/// Whether `name` is that of a file which exists while a stale lock is taken over. The holder of the lock may remove it.
pub(in crate::storage) fn is_sibling_name(name: &str) -> bool {
    name.starts_with(SIBLING_PREFIX)
}

/// A warning when the system can't lock `file`, once per process. `folder` is named in it.
pub(in crate::storage) fn missing_locks_warning(file: &File, folder: &Path) -> Option<String> {
    match file.try_lock() {
        Err(TryLockError::Error(error)) if is_unsupported(&error) => first_warning(folder),
        _ => None,
    }
}

fn first_warning(folder: &Path) -> Option<String> {
    let is_first = !IS_REPORTED.swap(true, Ordering::Relaxed);
    is_first.then(|| format!("the file system of {} has no locks: lock files are used instead", folder.display()))
}

/// How long to wait before the next attempt to take a lock, after a wait of `waited`.
pub(crate) fn poll_interval(waited: Duration) -> Duration {
    (waited / 10).clamp(POLL_INTERVAL, MAX_POLL_INTERVAL)
}

impl Lock {
    /// Locks `folder` as soon as no other process holds its lock. `wait` reports a long wait, and can end it. Blocks.
    ///
    /// # Errors
    /// [`Error::Locked`] when `wait` ended first; else the error of the disk.
    pub(in crate::storage) fn lock_folder(folder: &Path, wait: &LockWait) -> Result<Self, Error> {
        let fail = |error| Error::io("lock", folder)(error);
        // One lock per archive, whatever symlinks lead to it.
        let real = folder.canonicalize().map_err(fail)?;
        let started = Instant::now();
        let mut is_reported = false;
        loop {
            if let Some(lock) = Self::try_lock_folder(&real).map_err(fail)? {
                if let Holding::LockFile(_) = lock.holding
                    && let Some(warning) = first_warning(folder)
                {
                    wait.report(&warning);
                }
                return Ok(lock);
            }
            if wait.is_cancelled() {
                return Err(Error::Locked(folder.to_owned()));
            }
            if !is_reported && started.elapsed() >= REPORT_AFTER {
                is_reported = true;
                wait.report(&waiting_message(folder));
            }
            thread::sleep(poll_interval(started.elapsed()));
        }
    }

    /// Locks `folder`; none when another process holds the lock for as long as `timeout`. Blocks.
    pub(in crate::storage) fn lock_folder_timeout(folder: &Path, timeout: Duration) -> io::Result<Option<Self>> {
        let started = Instant::now();
        loop {
            match Self::try_lock_folder(folder)? {
                None if started.elapsed() < timeout => thread::sleep(POLL_INTERVAL),
                found => return Ok(found),
            }
        }
    }

    /// Locks `folder`; none while another process holds the lock.
    pub(in crate::storage) fn try_lock_folder(folder: &Path) -> io::Result<Option<Self>> {
        match Self::try_lock_folder_itself(folder) {
            Err(error) if is_unsupported(&error) => Self::open(&folder.join(NAME), OpenFile::Any),
            // Falling back to the lock file could give two owners.
            locked => locked,
        }
    }

    /// As [`Self::try_lock_folder`], with an error where the system can't lock folders.
    pub(in crate::storage) fn try_lock_folder_itself(folder: &Path) -> io::Result<Option<Self>> {
        #[cfg(unix)]
        {
            let file = open_folder(folder)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Another folder may have taken its place. A process on a machine without locks may hold a lock file in it.
            let is_free = still_names(folder, &file)? && !lock_file::has_live_holder(&folder.join(NAME))?;
            Ok(is_free.then(|| Self::from(Holding::Folder(Arc::new(file)))))
        }
        #[cfg(not(unix))]
        {
            let _ = folder;
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Whether the folder itself is locked. Then no process holds a lock file in it.
    pub(in crate::storage) fn is_folder_lock(&self) -> bool {
        !matches!(self.holding, Holding::File(..) | Holding::LockFile(_))
    }

    /// Whether another process has taken the lock over, because this one did not run for long.
    pub(in crate::storage) fn is_lost(&self) -> io::Result<bool> {
        if let Holding::LockFile(lock) = &self.holding { lock.is_held().map(|is_held| !is_held) } else { Ok(false) }
    }

    /// The locked folder, opened. `path` is the path that was locked.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(in crate::storage) fn open_dir(&self, path: &Path) -> io::Result<Dir> {
        #[cfg(unix)]
        return Ok(match &self.holding {
            Holding::Folder(folder) => Dir::from_opened(path, Arc::clone(folder)),
            _ => Dir::from_opened(path, Arc::new(open_folder(path)?)),
        });
        #[cfg(not(unix))]
        Ok(Dir::at(path))
    }

    /// Releases the lock, and leaves its file in place.
    pub(in crate::storage) fn release_keeping_file(mut self) {
        self.keeps_file = true;
        if let Holding::LockFile(lock) = &mut self.holding {
            lock.release_keeping_file();
        }
    }

    /// Creates and locks the file at `path`; none when there is a file already.
    pub(in crate::storage) fn try_create_file(path: &Path) -> io::Result<Option<Self>> {
        Self::open(path, OpenFile::New)
    }

    /// Locks the file that a dead process left at `path`; none when its process lives, or has removed it.
    pub(in crate::storage) fn try_take_over(path: &Path) -> io::Result<Option<Self>> {
        Self::open(path, OpenFile::Existing)
    }

    fn open(path: &Path, which: OpenFile) -> io::Result<Option<Self>> {
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("the lock file is not a plain file"));
        }
        let Some((file, is_new)) = open_file(path, which)? else { return Ok(None) };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if is_unsupported(&error) => {
                let lock = if is_new { LockFile::begin(path, file).map(Some) } else { LockFile::try_take_over(path) };
                return Ok(lock?.map(|lock| Self::from(Holding::LockFile(lock))));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Its holder may have removed it. A process on a machine without locks may hold it.
        let is_free = still_names(path, &file)? && (is_new || !lock_file::has_live_holder(path)?);
        Ok(is_free.then(|| Self::from(Holding::File(path.to_owned(), file))))
    }
}

impl From<Holding> for Lock {
    fn from(holding: Holding) -> Self {
        Self { holding, keeps_file: false }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Holding::File(path, file) = &self.holding
            && !self.keeps_file
            && still_names(path, file).unwrap_or(false)
        {
            // Removed while it is still locked: no other process can have locked this file in between.
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens a lock file, and returns whether this call created it; none when the file is not one of those in `which`.
fn open_file(path: &Path, which: OpenFile) -> io::Result<Option<(File, bool)>> {
    if which != OpenFile::Existing {
        match File::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| Some((file, true))),
        }
    }
    if which == OpenFile::New {
        return Ok(None);
    }
    match OpenOptions::new().write(true).open(path) {
        // Its holder has just removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // That of another user, who is alive.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && lock_file::has_live_holder(path).unwrap_or(false) => {
            Ok(None)
        }
        file => file.map(|file| Some((file, false))),
    }
}

#[cfg(unix)]
fn open_folder(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    Ok(open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

#[cfg(unix)]
fn still_names(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    Ok(fs::symlink_metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino())))
}

#[cfg(not(unix))]
fn still_names(path: &Path, _: &File) -> io::Result<bool> {
    Ok(path.exists())
}

#[cfg(test)]
mod tests;
