//! The only room that touches the disk.
//!
//! An [`Archive`] is a folder of task [`Folder`]s, each complete on its own. What is written there
//! is written in one order, with a round of syncing between any two: data and its record, final name,
//! task manifest; then the root's derived files. A name without a dot in front therefore always stands for something whole. No
//! symlink inside the archive is followed, and nothing that is not ours is overwritten.

#![expect(clippy::disallowed_methods, reason = "this is the door to the disk")]

mod archive;
mod atomic;
mod bag;
mod catalog;
mod checkpoint;
mod conclude;
mod dir;
mod error;
mod finished;
mod folder;
mod gather;
mod held;
mod journal;
mod lock;
mod manifests;
mod mark;
mod memory;
mod page;
mod part;
mod positioned;
mod report;
mod root;
mod rounds;
mod sight;
mod survey;
mod write_back;

pub(crate) use archive::Archive;
pub(crate) use atomic::{canonical_parent, replace};
pub(crate) use bag::BagWriter;
pub(crate) use catalog::{ArchiveReader, frame_rate};
pub use error::Error;
pub(crate) use folder::{TaskDir, TaskSnapshot};
pub(crate) use held::{StagedFile, TaskLease};
pub(crate) use lock::{LockWait, REPORT_AFTER};
pub(crate) use page::OutputFile;
pub(crate) use part::{Part, PositionedWriter, Sealed};
pub(crate) use report::Report;
pub use root::each_task;
pub(crate) use survey::{ArchiveScan, ExpectedFile, ScanUnit, group_by_path};

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
