//! The only layer that touches the disk. It owns the archive: its folders, files and locks, and the order in which they become
//! durable.
//!
//! Jobs see the task transaction, not a file system:
//! - [`Storage`] is an archive that is written to, on a disk (`local`) or in a bucket (`object`): `read` a task's
//!   [`TaskSnapshot`], `lease` a task, `update_index`. It is a closed enum; other services are a matter of `object_store`.
//! - [`TaskLease`] is one task, locked: `recover` what a killed run left, make parts with a [`PartFactory`], `publish` a
//!   [`StagedFile`], `commit` a [`TaskCommit`].
//! - [`ArchiveReader`] and [`ArchiveScan`] read any archive without trusting it.
//!
//! Invariants. A file passes `Part -> Sealed -> StagedFile -> FileEntry`. The order on disk is: the data and its record, sync,
//! final name, sync of the folder, task manifest, then the root's derived files. So a name without a leading dot always belongs
//! to a complete file. No symlink inside the archive is followed, and nothing that this program did not write is overwritten.

#![expect(clippy::disallowed_methods, reason = "storage is the only layer that touches the disk")]

mod backend;
mod error;
mod failpoint;
mod local;
mod location;
#[cfg(feature = "bucket")]
mod object;
mod read;
mod staging;
mod task_lease;

pub(crate) use backend::{BucketOptions, Checked, LeaseRead, Storage};
pub use error::{BucketError, BucketFault, Error};
pub(crate) use local::archive::LocalArchive;
pub(crate) use local::atomic::{canonical_parent, check_replaceable, replace, temporary_file};
pub(crate) use local::commit::{CommitError, Committed, TaskCommit};
pub(crate) use local::export_dir::{ExportDir, Found};
pub(crate) use local::lease::TaskLease as LocalLease;
pub(crate) use local::lock::{LockWait, REPORT_AFTER, poll_interval as lock_poll_interval};
pub(crate) use local::new_folder::NewFolder;
pub(crate) use local::output_file::OutputFile;
pub(crate) use local::part_factory::PartFactory;
pub(crate) use local::path_check::refuse_archive;
pub(crate) use local::root_manifest::RebuiltIndex;
pub use local::root_manifest::each_task;
#[cfg(feature = "cli")]
pub(crate) use local::secret_file::{read as read_secret, remove as remove_secret, replace as replace_secret};
pub(crate) use local::staged_copy::{CopySource, StagedCopy};
pub(crate) use local::task_dir::TaskSnapshot;
pub(crate) use location::{BucketUrl, Location};
#[cfg(feature = "bucket")]
pub(crate) use object::connect::trust_for_reading;
#[cfg(all(feature = "bucket", fuzzing))]
pub use object::index::read_index_object;
#[cfg(feature = "bucket")]
pub(crate) use object::index::{CompactedIndex, KnownTask};
#[cfg(feature = "bucket")]
pub(crate) use object::read::scan::{BucketScan, CheckedTask};
#[cfg(feature = "bucket")]
pub(crate) use object::reindex::index_bucket;
pub(crate) use read::reader::ArchiveReader;
pub(crate) use read::report::Report;
pub(crate) use read::scan::{ArchiveScan, ExpectedFile, LARGE_FILE, ScanUnit, group_by_path};
pub(crate) use staging::extents::Extents;
pub(crate) use staging::part::{Part, PositionedWriter, Sealed, SizeLimitExceeded, WrittenAhead};
pub(crate) use staging::staged_file::StagedFile;
pub(crate) use task_lease::TaskLease;

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

/// As [`blocking`], for a few calls to the disk. They may wait behind those of other tasks.
async fn blocking_shortly<T: Send + 'static, E: From<Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    threads::run_short(work).await.unwrap_or_else(|threads::WorkerError| Err(Error::Panicked.into()))
}
