//! What can go wrong on the disk: which thing, at which path, and why.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong on the disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system said no.
    #[error("can't {action} {}", .path.display())]
    Io {
        /// What was tried: `create`, `write`, …
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The run was stopped before another process released a lock.
    #[error("{} is locked by another process", .0.display())]
    Locked(PathBuf),
    /// A panic.
    #[error("the writer broke down: a fault of this program")]
    Panicked,
    /// Something of that name is there and is not ours.
    #[error("{} is not ours, and is never overwritten; move it away or choose another folder", .0.display())]
    Foreign(PathBuf),
    /// A later version of this program wrote it.
    #[error("{} was written by a later version (manifest_version {version}); use that one", .path.display())]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// One task's folder where an archive of such is needed.
    #[error("{} is one task's folder, not an archive", .0.display())]
    SingleTask(PathBuf),
    /// An archive where one task's folder is needed.
    #[error("{} names several tasks: it is an archive's, and no task's own", .0.display())]
    ManyTasks(PathBuf),
    /// There is nothing of ours.
    #[error("there is no archive in {}", .0.display())]
    NoArchive(PathBuf),
    /// A place for something new is taken.
    #[error("{} is there, and not an empty folder; choose a new one", .0.display())]
    Occupied(PathBuf),
    /// What is to be written to can't be replaced by a file.
    #[error("{} can't be replaced: it is not a plain file, or has no name in UTF-8", .0.display())]
    NotReplaceable(PathBuf),
    /// A file that a manifest names under a path that is never followed.
    #[error("{} is unsafe: it leads out of its task's folder, or through a link", .0.display())]
    Unsafe(PathBuf),
    /// A file that a manifest names and that is not there.
    #[error("{} is missing; `yescale-dl repair` fetches it again", .0.display())]
    Missing(PathBuf),
    /// A file that is not what a manifest says.
    #[error("{} is damaged; `yescale-dl repair` fetches it again", .0.display())]
    Damaged(PathBuf),
    /// A task folder that another process moved away while it was written to.
    #[error("{} was moved or replaced while its task was archived; what was written is where the folder is now", .0.display())]
    Moved(PathBuf),
    /// A file that the disk does not give.
    #[error("can't read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Some of an archive's tasks could not be read.
    #[error("{0}")]
    Incomplete(String),
    /// A task's own manifest that is damaged, and of whose task nobody else knows.
    #[error("{} is damaged, and the root manifest does not name its task; it is left as it is", .0.display())]
    DamagedManifest(PathBuf),
    /// A task folder that belongs to another task.
    #[error("{} is the manifest of another task, `{id}`", .path.display())]
    OtherTask {
        /// The manifest.
        path: PathBuf,
        /// The id that it names.
        id: String,
    },
}

/// `error` once more, for whoever else it befell: it can't be cloned.
pub(super) fn clone_io_error(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

impl Error {
    /// Names the path and the action that an I/O error lacks.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// What the system said, when something was written and not only looked at.
    #[must_use]
    pub(crate) fn write_error(&self) -> Option<&io::Error> {
        match self {
            Self::Io { action: "look at" | "read" | "list" | "open", .. } => None,
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether it is one file's fault alone, and others can do without it.
    #[must_use]
    pub fn is_single_file(&self) -> bool {
        matches!(self, Self::Unsafe(_) | Self::Missing(_) | Self::Damaged(_) | Self::Unreadable { .. })
    }

    /// The whole story in one line, the cause included.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Io { source, .. } | Self::Unreadable { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}
