//! Errors of storage: what was done, to which path, and why it failed.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong in an archive, or on its disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file system call failed.
    #[error("can't {action} {}", .path.display())]
    Io {
        /// What was done: `create`, `write`, …
        action: &'static str,
        /// The path it was done to.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The run was stopped before another process released a lock.
    #[error("{} is locked by another process: run again when that one has ended", .0.display())]
    Locked(PathBuf),
    /// Another process has taken the lock over, because this one did not run for a minute or more.
    #[error("the lock of {} was lost while this machine slept or was busy; run again", .0.display())]
    LockLost(PathBuf),
    /// Nothing can be written to the archive. Found before anything was asked.
    #[error("can't write to the archive {}", .path.display())]
    NotWritable {
        /// The archive.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A panic in code that ran on another thread.
    #[error("internal error while writing to the archive; please report it")]
    Panicked,
    /// This program did not write what has this name.
    #[error("{} was not written by yescale-dl, and is never overwritten; move it away or choose another folder", .0.display())]
    Foreign(PathBuf),
    /// A later version of this program wrote the manifest.
    #[error("{} was written by a later version (manifest_version {version}); use that version", .path.display())]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// One task's folder was given where an archive is needed.
    #[error("{} is one task's folder, not an archive: name the folder that it is in", .0.display())]
    SingleTask(PathBuf),
    /// An archive was found where one task's folder is needed.
    #[error("{} names several tasks: it is the manifest of an archive, not of one task; name the archive", .0.display())]
    ManyTasks(PathBuf),
    /// The folder holds nothing that this program wrote.
    #[error("there is no archive in {}: name the folder or the bucket of one", .0.display())]
    NoArchive(PathBuf),
    /// Something exists where a new folder was to be created.
    #[error("{} exists, and is not an empty folder; choose a new one", .0.display())]
    Occupied(PathBuf),
    /// The target of an export is in the archive.
    #[error("can't export to {}: it is in the archive; choose a place outside", .0.display())]
    InArchive(PathBuf),
    /// The target of an export of files is a file.
    #[error("can't export to {}: it is not a folder; name another one with -O", .0.display())]
    NotAFolder(PathBuf),
    /// The record of an export of files can't be believed.
    #[error("{} is damaged in line {line}, so it is not known which files were exported; restore it, or remove it to export everything again", .path.display())]
    DamagedRecord {
        /// The record.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// The copies do not fit on the disk.
    #[error("not enough disk space in {}: {needed} bytes needed, {available} available; free some space, or choose another disk", .path.display())]
    NotEnoughSpace {
        /// Where.
        path: PathBuf,
        /// The bytes to copy.
        needed: u64,
        /// The free bytes.
        available: u64,
    },
    /// A link can't be made.
    #[error("can't make a link in {}", .path.display())]
    NoLink {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The output can't be replaced by a file.
    #[error("can't replace {}: it is not a plain file, or its name is not UTF-8; name another file", .0.display())]
    NotReplaceable(PathBuf),
    /// A file that a manifest names under a path that is never followed.
    #[error("{} is unsafe: it leads out of its task's folder, or through a symlink; it is never used", .0.display())]
    Unsafe(PathBuf),
    /// A file that a manifest names and that does not exist.
    #[error("{} is missing; `yescale-dl repair` fetches it again", .0.display())]
    Missing(PathBuf),
    /// A file that is not what its manifest says.
    #[error("{} is damaged; `yescale-dl repair` fetches it again", .0.display())]
    Damaged(PathBuf),
    /// A task's folder was moved away by another process while files were written to it.
    #[error("{} was moved or replaced while its task was archived; the files are where the folder is now", .0.display())]
    Moved(PathBuf),
    /// A file that can't be read.
    #[error("can't read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Single tasks of an archive could not be read.
    #[error("{0}")]
    Incomplete(String),
    /// A task's own manifest is damaged, and neither the root manifest nor the index of a bucket names the task.
    #[error("{} is damaged, and {} does not name its task; it is left as it is: restore it, or move it away and archive the task again by its id", .0.display(), index_name(.0))]
    DamagedManifest(PathBuf),
    /// A task's folder holds the manifest of another task.
    #[error("{} is the manifest of another task, `{id}`: move it back to the folder of that task", .path.display())]
    OtherTask {
        /// The manifest.
        path: PathBuf,
        /// The task id in it.
        id: String,
    },
    /// A URL that names no bucket.
    #[error("{url} names no archive: {why}")]
    BadBucketUrl {
        /// As it was given.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A bucket, in a build without the feature for it.
    #[error("can't use {0}: this build of yescale-dl has no support for buckets; use one with the feature `bucket`")]
    NoBuckets(String),
    /// A command that needs files on a disk was given a bucket.
    #[error(
        "{what} needs the archive on a disk, and {url} is in a bucket: copy it to a folder first, then run `yescale-dl index` there"
    )]
    NeedsLocalArchive {
        /// The command or the option.
        what: &'static str,
        /// The bucket.
        url: String,
    },
    /// A request to a bucket failed.
    #[error("can't {action} {url}")]
    Bucket {
        /// What was done: `read`, `create`, …
        action: &'static str,
        /// The object, or the bucket.
        url: String,
        /// The cause, which says what to do.
        source: BucketError,
    },
}

/// Why a request to a bucket failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct BucketError {
    /// What it concerns.
    pub fault: BucketFault,
    /// The cause, and what to do.
    pub message: String,
}

/// What a fault of a bucket concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BucketFault {
    /// The object does not exist.
    NotFound,
    /// The credentials are missing, wrong or not sufficient, or the bucket does not exist: every request fails like this.
    Refused,
    /// The store does not honour conditional writes, so that no archive is safe there.
    ConditionsIgnored,
    /// The store can't be reached, or answers with errors, after several tries.
    Unavailable,
    /// Something else, of this object alone.
    Other,
}

/// A copy of `error`, for another request that it concerns: an `io::Error` can't be cloned.
pub(super) fn clone_io_error(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

/// Whether a system says with this error that it lacks the call, for this kind of file or at all. EPERM and EACCES are not
/// among them: they may also mean that the user lacks a right.
#[cfg(unix)]
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let codes = [Errno::INVAL, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS, Errno::NOLCK, Errno::BADF, Errno::ISDIR];
    let is_code = |code| codes.map(Errno::raw_os_error).contains(&code);
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error().is_some_and(is_code)
}

/// As on Unix: ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED, ERROR_CALL_NOT_IMPLEMENTED.
#[cfg(not(unix))]
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || matches!(error.raw_os_error(), Some(1 | 50 | 120))
}

impl Error {
    /// Adds the action and the path to an I/O error.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// The I/O error, when something was written and not only read.
    #[must_use]
    pub(crate) fn write_error(&self) -> Option<&io::Error> {
        match self {
            Self::Io { action: "check" | "read" | "list" | "open", .. } => None,
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the error concerns a single file, so that the work can go on without that file.
    #[must_use]
    pub fn is_single_file(&self) -> bool {
        matches!(self, Self::Unsafe(_) | Self::Missing(_) | Self::Damaged(_) | Self::Unreadable { .. })
    }

    /// The message in one line, with its cause.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Io { source, .. } | Self::Unreadable { source, .. } => format!("{self}: {source}"),
            Self::NotWritable { source, .. } => format!("{self}: {source}; make it writable, or choose another one with -o"),
            Self::NoLink { source, .. } => format!("{self}: {source}; use --link auto, which copies where it must"),
            Self::Bucket { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}
/// What names the tasks of the archive that `manifest` is in.
fn index_name(manifest: &Path) -> &'static str {
    let is_url = manifest.to_str().is_some_and(|path| path.contains("://"));
    if is_url { "the index" } else { "the root manifest" }
}
