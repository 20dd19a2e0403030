//! The only layer that touches the disk. It owns the archive: its folders, files and locks, and the order in which they become
//! durable.
//!
//! Jobs see the task transaction, not a file system:
//! - [`Storage`] is an archive that is written to: `read` a task's [`TaskSnapshot`], `lease` a task, `update_index` or
//!   `rebuild_index` of the root.
//! - [`TaskLease`] is one task, locked: `recover` what a killed run left, make parts with a [`PartFactory`], `publish` a
//!   [`StagedFile`], `commit` a [`TaskCommit`].
//! - [`ArchiveReader`] and [`ArchiveScan`] read any archive without trusting it.
//!
//! Invariants. A file passes `Part -> Sealed -> StagedFile -> FileEntry`. The order on disk is: the data and its record, sync,
//! final name, sync of the folder, task manifest, then the root's derived files. So a name without a leading dot always belongs
//! to a complete file. No symlink inside the archive is followed, and nothing that this program did not write is overwritten.
//!
//! Where a second backend goes: [`Storage`] is the local one as long as there is no other. An object store gets a module beside
//! `local`, and `Storage` and `TaskLease` become closed enums here. `staging` serves both: parts are always on a local disk.

#![expect(clippy::disallowed_methods, reason = "this is the door to the disk")]

mod error;
mod failpoint;
mod local;
mod read;
mod staging;

pub use error::Error;
pub(crate) use local::archive::LocalArchive as Storage;
pub(crate) use local::atomic::{canonical_parent, replace};
pub(crate) use local::commit::TaskCommit;
pub(crate) use local::lease::TaskLease;
pub(crate) use local::lock::{LockWait, REPORT_AFTER};
pub(crate) use local::new_folder::NewFolder;
pub(crate) use local::output_file::OutputFile;
pub(crate) use local::part_factory::PartFactory;
pub use local::root_manifest::each_task;
pub(crate) use local::task_dir::TaskSnapshot;
pub(crate) use read::reader::ArchiveReader;
pub(crate) use read::report::Report;
pub(crate) use read::scan::{ArchiveScan, ExpectedFile, ScanUnit, group_by_path};
pub(crate) use staging::part::{Part, PositionedWriter, Sealed, SizeLimitExceeded};
pub(crate) use staging::staged_file::StagedFile;

use crate::threads;

/// Runs `work` on a thread that may block.
///
/// # Errors
/// The error of `work`, or [`Error::Panicked`] after a panic in it.
pub(crate) async fn blocking<T: Send + 'static, E: From<Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    threads::run_blocking(work).await.unwrap_or_else(|threads::WorkerError| Err(Error::Panicked.into()))
}
