//! Locks between processes, which leave no file behind.
//!
//! The system holds each lock, and frees it when its holder dies. A folder is locked itself where the system can do that, else
//! with a dot-file in it. (Creating and removing a lock file for every task would cost more than everything else that a small
//! task writes.) The holder removes its lock file. So after locking, a process checks that the path still names the file that
//! it locked: a lock on a removed file protects nothing.

mod wait;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::dir::Dir;
use crate::storage::Error;

pub(in crate::storage) use wait::waiting_message;
pub(crate) use wait::{LockWait, REPORT_AFTER};

/// The name of the lock file in a folder that can't be locked itself.
pub(in crate::storage) const NAME: &str = ".lock";

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(in crate::storage) struct Lock {
    /// The path of the lock file, if there is one.
    path: Option<PathBuf>,
    /// The lock file, or the folder itself.
    file: Arc<File>,
}

/// How long to wait before trying again to take a lock that another process holds.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

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
                return Ok(lock);
            }
            if wait.is_cancelled() {
                return Err(Error::Locked(folder.to_owned()));
            }
            if !is_reported && started.elapsed() >= REPORT_AFTER {
                is_reported = true;
                wait.report(&waiting_message(folder));
            }
            thread::sleep(POLL_INTERVAL);
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
        #[cfg(unix)]
        loop {
            let file = open_folder(folder)?;
            match file.try_lock() {
                Ok(()) if still_names(folder, &file)? => return Ok(Some(Self { path: None, file: Arc::new(file) })),
                // Another folder has taken its place.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if is_folder_lock_unsupported(&error) => break,
                // Falling back to the lock file could give two owners.
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Self::try_lock_file(&folder.join(NAME))
    }

    /// Whether the folder itself is locked. Then no process holds a lock file in it.
    pub(in crate::storage) fn is_folder_lock(&self) -> bool {
        self.path.is_none()
    }

    /// The locked folder, opened. `path` is the path that was locked.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(in crate::storage) fn open_dir(&self, path: &Path) -> io::Result<Dir> {
        #[cfg(unix)]
        return Ok(Dir::from_opened(
            path,
            if self.is_folder_lock() { Arc::clone(&self.file) } else { Arc::new(open_folder(path)?) },
        ));
        #[cfg(not(unix))]
        Ok(Dir::at(path))
    }

    /// Releases the lock, and leaves its file in place.
    pub(in crate::storage) fn release_keeping_file(mut self) {
        self.path = None;
    }

    /// Locks the file at `path`, which is created when it is missing; none while another process holds the lock.
    pub(in crate::storage) fn try_lock_file(path: &Path) -> io::Result<Option<Self>> {
        Self::open(path, true)
    }

    /// Locks the file that a dead process left at `path`; none when its process lives, or has removed it.
    pub(in crate::storage) fn try_take_over(path: &Path) -> io::Result<Option<Self>> {
        match Self::open(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found,
        }
    }

    fn open(path: &Path, create: bool) -> io::Result<Option<Self>> {
        loop {
            if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
                return Err(io::Error::other("the lock file is not a plain file"));
            }
            let file = OpenOptions::new().create(create).truncate(false).write(true).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                // Some network shares have no locks. Working without one is better than not working.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if still_names(path, &file)? {
                return Ok(Some(Self { path: Some(path.to_owned()), file: Arc::new(file) }));
            }
        }
    }
}

/// Whether only files can be locked here, as on some network shares.
#[cfg(unix)]
fn is_folder_lock_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::BADF, Errno::INVAL, Errno::ISDIR, Errno::NOTSUP, Errno::NOSYS]
        .map(Errno::raw_os_error)
        .map(Some)
        .contains(&error.raw_os_error())
}

impl Drop for Lock {
    fn drop(&mut self) {
        let is_there = |path: &&PathBuf| still_names(path, &self.file).unwrap_or(false);
        if let Some(path) = self.path.as_ref().filter(is_there) {
            // Removed while it is still locked: no other process can have locked this file in between.
            let _ = fs::remove_file(path);
        }
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
mod tests {
    use super::*;

    #[test]
    fn lock_file_has_one_holder_and_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let first = Lock::try_lock_file(&path).unwrap();
        assert!(first.is_some());
        assert!(Lock::try_lock_file(&path).unwrap().is_none());
        drop(first);
        assert!(!path.exists());
        assert!(Lock::try_lock_file(&path).unwrap().is_some());
    }

    #[test]
    fn folder_lock_has_one_holder_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::try_lock_folder(folder.path()).unwrap();
        assert!(first.is_some());
        assert!(Lock::try_lock_folder(folder.path()).unwrap().is_none());
        drop(first);
        assert!(Lock::try_lock_folder(folder.path()).unwrap().is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Lock::try_lock_folder(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn stale_lock_file_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        fs::write(&path, b"").unwrap();
        assert!(Lock::try_take_over(&path).unwrap().is_some());
        assert!(Lock::try_take_over(&path).unwrap().is_none(), "a lock file that is gone is not created again");
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn lock_on_a_replaced_file_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let orphan = File::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        File::create(&path).unwrap();
        assert!(!still_names(&path, &orphan).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn symlinked_lock_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert!(Lock::try_lock_file(&path).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn threads_hold_the_lock_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = &folder.path().join(".lock");
        let inside = &std::sync::atomic::AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(move || {
                    for _ in 0..50 {
                        let lock = loop {
                            if let Some(lock) = Lock::try_lock_file(path).unwrap() {
                                break lock;
                            }
                            thread::yield_now();
                        };
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
