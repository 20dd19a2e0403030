//! Reading an archive in a bucket: its tasks ([`tasks`]), its objects ([`listing`], [`body`]), and checking them ([`scan`]).
//!
//! It only reads, and trusts nothing: a path from a manifest or from the index is used only when it is a name that this program
//! gives, in its task's folder. A request that fails is an error or a finding, and never absence; only the answer that an object
//! does not exist is.
//!
//! Nothing is locked, so an archive may change while it is read. What seems to be wrong is looked at again before it is reported.

pub(super) mod body;
mod listing;
mod manifest;
mod mark;
pub(in crate::storage) mod scan;
mod tasks;

use std::path::PathBuf;

use tokio::runtime::Runtime;

use super::bucket::Bucket;
use super::runtime::blocking_runtime;
use crate::layout;
use crate::storage::Error;
use crate::storage::local::manifest_files::ManifestLookup;
use crate::storage::location::BucketUrl;

/// Requests under way at once.
const MAX_REQUESTS: usize = 32;

/// An archive in a bucket, or the folder of one task there, with a runtime of its own. Its methods block.
pub(in crate::storage) struct BucketReader {
    bucket: Bucket,
    runtime: Runtime,
    is_single: bool,
}

impl BucketReader {
    /// Connects to the archive at `url`.
    ///
    /// # Errors
    /// When the bucket can't be read.
    pub(in crate::storage) fn open(url: &BucketUrl) -> Result<Self, Error> {
        Self::of(connect(url)?)
    }

    /// As [`BucketReader::open`], for a bucket that is connected.
    fn of(bucket: Bucket) -> Result<Self, Error> {
        let runtime = blocking_runtime(&bucket.url)?;
        let is_single = runtime.block_on(is_task_folder(&bucket))?;
        Ok(Self { bucket, runtime, is_single })
    }

    /// Whether it is the folder of one task.
    pub(in crate::storage) fn is_single(&self) -> bool {
        self.is_single
    }

    /// The URL of the archive.
    pub(in crate::storage) fn root(&self) -> PathBuf {
        PathBuf::from(self.bucket.url.to_string())
    }

    /// The URL of an object.
    pub(in crate::storage) fn path_of(&self, relative: &str) -> PathBuf {
        PathBuf::from(self.bucket.url_of(relative))
    }

    /// The error when there is no archive.
    fn no_archive(&self) -> Error {
        Error::NoArchive(self.root())
    }
}

/// The store behind a URL.
fn connect(url: &BucketUrl) -> Result<Bucket, Error> {
    #[cfg(test)]
    if let Some(bucket) = super::bucket::tests::shared(url) {
        return Ok(bucket);
    }
    Err(Error::BadBucketUrl { url: url.to_string(), why: "not connected yet" })
}

/// Whether the URL is that of one task's folder. A damaged manifest there may be a task's; where the archive's mark is, it is none.
async fn is_task_folder(bucket: &Bucket) -> Result<bool, Error> {
    match manifest::read(bucket, "").await {
        Ok(ManifestLookup::Task(task)) => {
            let folder = layout::folder_name(&task.task_id);
            Ok(task.is_task_relative() || bucket.url.prefix.rsplit('/').next() == Some(folder.as_str()))
        }
        Ok(ManifestLookup::Damaged { .. }) => Ok(!mark::is_present(bucket).await?),
        // An archive that was copied from a disk has a root manifest. It counts for nothing in a bucket.
        Ok(ManifestLookup::Missing) | Err(Error::Foreign(_) | Error::ManyTasks(_) | Error::Newer { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
