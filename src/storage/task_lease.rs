//! The right to write to one task, on a disk or in a bucket.
//!
//! The methods of [`TaskLease`] have the same meaning for both: after `publish` a file is durable under its final name, and after
//! `commit` the task manifest names it. The futures of a bucket are boxed, because they are large: each task of a folder would
//! have room for one, too.

use std::sync::Arc;

use super::local::commit::{CommitError, Committed, TaskCommit};
use super::local::lease::TaskLease as LocalLease;
use super::local::part_factory::PartFactory;
#[cfg(feature = "bucket")]
use super::object::lease::ObjectLease;
use super::{Error, StagedFile, blocking};
use crate::domain::manifest::{FileEntry, TaskEntry};

/// The right to write to one task. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum TaskLease {
    Local(Arc<LocalLease>),
    #[cfg(feature = "bucket")]
    Object(Arc<ObjectLease>),
}

impl TaskLease {
    /// The factory for the parts of the task's downloads.
    #[must_use]
    pub(crate) fn parts(&self) -> PartFactory {
        match self {
            Self::Local(lease) => lease.parts(),
            #[cfg(feature = "bucket")]
            Self::Object(lease) => lease.parts(),
        }
    }

    /// Gives a file its final name. It is durable on return.
    ///
    /// # Errors
    /// When the disk or the bucket fails.
    pub(crate) async fn publish(&self, staged: StagedFile) -> Result<FileEntry, Error> {
        match self {
            Self::Local(lease) => lease.publish(staged).await,
            #[cfg(feature = "bucket")]
            Self::Object(lease) => Box::pin(lease.publish(staged)).await,
        }
    }

    /// Commits the task.
    ///
    /// # Errors
    /// When the disk or the bucket fails. The old manifest is then still valid, unless the failure came after the new one got
    /// its name.
    pub(crate) async fn commit(&self, commit: TaskCommit) -> Result<Committed, CommitError> {
        match self {
            Self::Local(lease) => lease.commit(commit).await,
            #[cfg(feature = "bucket")]
            Self::Object(lease) => Ok(Box::pin(lease.commit(commit)).await?),
        }
    }

    /// Removes what only the download of `entry`, which the manifest has, needed.
    ///
    /// # Errors
    /// When the worker thread panics.
    pub(crate) async fn cleanup(&self, entry: TaskEntry) -> Result<(), Error> {
        match self {
            Self::Local(lease) => {
                let lease = Arc::clone(lease);
                let clean = move || {
                    lease.cleanup(&entry);
                    Ok(())
                };
                blocking(clean).await
            }
            #[cfg(feature = "bucket")]
            Self::Object(lease) => lease.cleanup(entry).await,
        }
    }

    /// Completes what a killed run left: files that it finished replace those that `entry` names. Whether that changed the
    /// manifest. A bucket has no such files.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn recover_and_commit(&self, entry: TaskEntry) -> Result<bool, Error> {
        match self {
            Self::Local(lease) => lease.recover_and_commit(entry).await,
            #[cfg(feature = "bucket")]
            Self::Object(_) => Ok(false),
        }
    }

    /// Writes the text of `entry` again, in place of whatever has its name.
    ///
    /// # Errors
    /// When the disk or the bucket fails.
    pub(crate) async fn restore_text(&self, entry: TaskEntry) -> Result<(), Error> {
        match self {
            Self::Local(lease) => lease.restore_text(entry).await,
            #[cfg(feature = "bucket")]
            Self::Object(lease) => Box::pin(lease.restore_text(entry)).await,
        }
    }

    /// Of `files`, those that are not there with the recorded bytes.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) async fn broken_files(&self, files: Vec<FileEntry>) -> Result<Vec<FileEntry>, Error> {
        match self {
            Self::Local(lease) => {
                let lease = Arc::clone(lease);
                let check = move || {
                    let mut broken = Vec::new();
                    for file in files {
                        if !lease.has(&file)? {
                            broken.push(file);
                        }
                    }
                    Ok(broken)
                };
                blocking(check).await
            }
            #[cfg(feature = "bucket")]
            Self::Object(lease) => lease.broken_files(files).await,
        }
    }
}
