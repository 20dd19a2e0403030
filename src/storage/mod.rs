//! The only room that touches the disk.
//!
//! An [`Archive`] is a folder of task [`Folder`]s, each complete on its own. What is written there
//! is written in one order, with a round of syncing between any two: data and its record, final name,
//! task manifest; then the root's derived files. A name without a dot in front therefore always stands for something whole. No
//! symlink inside the archive is followed, and nothing that is not ours is overwritten.

#![expect(clippy::disallowed_methods, reason = "this is the door to the disk")]

mod error;
mod failpoint;
mod local;
mod read;
mod staging;

pub use error::Error;
pub(crate) use local::archive::Archive;
pub(crate) use local::atomic::{canonical_parent, replace};
pub(crate) use local::bag_writer::BagWriter;
pub(crate) use local::lease::{StagedFile, TaskLease};
pub(crate) use local::lock::{LockWait, REPORT_AFTER};
pub(crate) use local::output_file::OutputFile;
pub use local::root_manifest::each_task;
pub(crate) use local::task_dir::{TaskDir, TaskSnapshot};
pub(crate) use read::reader::{ArchiveReader, frame_rate};
pub(crate) use read::report::Report;
pub(crate) use read::scan::{ArchiveScan, ExpectedFile, ScanUnit, group_by_path};
pub(crate) use staging::part::{Part, PositionedWriter, Sealed, SizeLimitExceeded};

use crate::threads;

/// Runs `work` where blocking is allowed.
///
/// # Errors
/// What `work` reports; a panic inside is one of them.
pub(crate) async fn blocking<T: Send + 'static, E: From<Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    threads::run_blocking(work).await.unwrap_or_else(|threads::WorkerError| Err(Error::Panicked.into()))
}
