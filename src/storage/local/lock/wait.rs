//! Waits for locks: how they are reported, and how they end early.
//!
//! Another process may hold a lock for any time, and any user who can read a folder can lock it. So every wait is reported
//! after [`REPORT_AFTER`], and ends when the run is stopped. Linux lists its locks, and a lock file names its holder, so that the
//! message can name the process.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::lock_file;

/// A longer wait is reported, once.
pub(crate) const REPORT_AFTER: Duration = Duration::from_secs(3);

/// Reports and ends waits for locks.
#[derive(Clone)]
pub(crate) struct LockWait {
    stop: CancellationToken,
    report: Arc<dyn Fn(&str) + Send + Sync>,
}

impl LockWait {
    /// Waits end when `stop` is cancelled. `report` gets a message for people.
    pub(crate) fn new(stop: CancellationToken, report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { stop, report: Arc::new(report) }
    }

    pub(in crate::storage) fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Completes when the run is stopped.
    #[cfg(feature = "bucket")]
    pub(in crate::storage) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(in crate::storage) fn report(&self, message: &str) {
        (self.report)(message);
    }
}

impl fmt::Debug for LockWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockWait").finish_non_exhaustive()
    }
}

/// The message about a wait for the lock of `folder`.
pub(in crate::storage) fn waiting_message(folder: &Path) -> String {
    let holder = lock_file::holder(&folder.join(super::NAME)).or_else(|| Some(format!("process {}", holder(folder)?)));
    match holder {
        Some(process) => format!("waiting for {}: {process} has locked it", folder.display()),
        None => format!("waiting for {}: another process has locked it", folder.display()),
    }
}

/// The process that holds the lock of `folder`, where the system lists locks.
#[cfg(target_os = "linux")]
fn holder(folder: &Path) -> Option<u32> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // Either the folder itself is locked, or the lock file in it.
    [folder.to_owned(), folder.join(super::NAME)].iter().find_map(|path| holder_in(&locks, &std::fs::metadata(path).ok()?))
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &Path) -> Option<u32> {
    None
}

/// A line reads `1: FLOCK  ADVISORY  WRITE 4711 fe:01:1234 0 EOF`: process, then device and inode. Processes of other
/// namespaces have the number 0 or -1.
#[cfg(target_os = "linux")]
fn holder_in(locks: &str, file: &std::fs::Metadata) -> Option<u32> {
    use std::os::linux::fs::MetadataExt;
    let (major, minor) = (rustix::fs::major(file.st_dev()), rustix::fs::minor(file.st_dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", file.st_ino());
    let mut lines = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&place.as_str()))?;
    line.get(4)?.parse().ok().filter(|process| *process > 0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::storage::local::lock::Lock;

    #[test]
    fn wait_message_names_the_lock_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(waiting_message(path).ends_with(": another process has locked it"));
        let _lock = Lock::try_lock_folder(path).unwrap().unwrap();
        // Some file systems report another device in `stat` than in the list of locks.
        let own = format!("waiting for {}: process {} has locked it", path.display(), std::process::id());
        let is_listed = std::fs::read_to_string("/proc/locks").unwrap().contains(&format!(" {} ", std::process::id()));
        assert_eq!(waiting_message(path) == own, is_listed, "{}", waiting_message(path));
    }

    #[test]
    fn cancelled_wait_ends_without_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let _held = Lock::try_lock_folder(folder.path()).unwrap().unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        let wait = LockWait::new(stop, |_| ());
        assert!(
            matches!(Lock::lock_folder(folder.path(), &wait), Err(crate::storage::Error::Locked(path)) if path == folder.path())
        );
    }
}
