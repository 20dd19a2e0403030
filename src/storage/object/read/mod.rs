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
pub(in crate::storage) mod scan;
mod tasks;

use std::path::PathBuf;

use futures::stream::{self, StreamExt};
use tokio::runtime::Runtime;

use super::bucket::Bucket;
use super::connect::{StoreOptions, connect};
use super::probe::require_archive;
use super::runtime::blocking_runtime;
use crate::layout;
use crate::storage::Error;
use crate::storage::local::manifest_files::ManifestLookup;
use crate::storage::location::BucketUrl;

/// Requests under way at once.
const MAX_REQUESTS: usize = 32;

/// An archive in a bucket, or the folder of one task there, with a runtime of its own. Its methods block.
pub(in crate::storage) struct BucketReader {
    pub(super) bucket: Bucket,
    pub(super) runtime: Runtime,
    is_single: bool,
    /// Whether the mark of an archive is there. What was uploaded by another program may have none.
    has_mark: bool,
}

impl BucketReader {
    /// Connects to the archive at `url`.
    ///
    /// # Errors
    /// When the bucket can't be read.
    pub(in crate::storage) fn open(url: &BucketUrl) -> Result<Self, Error> {
        Self::of(connect_for_reading(url)?)
    }

    /// As [`BucketReader::open`], for a bucket that is connected.
    fn of(bucket: Bucket) -> Result<Self, Error> {
        let runtime = blocking_runtime(&bucket.url)?;
        let (is_single, has_mark) = runtime.block_on(async {
            let is_single = is_task_folder(&bucket).await?;
            Ok::<_, Error>((is_single, !is_single && has_mark(&bucket).await?))
        })?;
        Ok(Self { bucket, runtime, is_single, has_mark })
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

    /// Calls `on_chunk` with all bytes of an object, in order. Whether the object exists.
    ///
    /// # Errors
    /// When it can't be read to its end.
    pub(in crate::storage) async fn for_each_chunk(&self, relative: &str, on_chunk: impl FnMut(&[u8])) -> Result<bool, Error> {
        body::for_each_chunk(&self.bucket, relative, on_chunk).await
    }

    /// Runs futures, many at once. Their results are in the same order.
    pub(in crate::storage) fn run_all<F: Future>(&self, futures: impl Iterator<Item = F>) -> Vec<F::Output> {
        self.runtime.block_on(stream::iter(futures).buffered(MAX_REQUESTS).collect())
    }

    /// Refuses a place with neither a mark nor a task's manifest in one of `folders`: that is the wrong prefix, and no archive
    /// without tasks.
    ///
    /// # Errors
    /// [`Error::NoArchive`], and when a manifest can't be looked for.
    async fn refuse_no_archive(&self, folders: impl Iterator<Item = &str>) -> Result<(), Error> {
        if self.has_mark || listing::has_manifest(&self.bucket, folders).await? {
            Ok(())
        } else {
            Err(Error::NoArchive(self.root()))
        }
    }

    /// As above; looks for folders itself.
    ///
    /// # Errors
    /// [`Error::NoArchive`], and when the bucket can't be listed.
    pub(super) fn require_archive(&self) -> Result<(), Error> {
        if self.has_mark {
            return Ok(());
        }
        self.runtime.block_on(async {
            let folders = listing::task_folders(&self.bucket).await?;
            self.refuse_no_archive(folders.iter().map(|folder| &**folder)).await
        })
    }
}

/// The store behind a URL.
fn connect_for_reading(url: &BucketUrl) -> Result<Bucket, Error> {
    connect(url, &StoreOptions::for_reading())
}

/// Whether the mark of an archive is there.
///
/// # Errors
/// When it can't be read, or is that of a later version.
async fn has_mark(bucket: &Bucket) -> Result<bool, Error> {
    match require_archive(bucket).await {
        Ok(()) => Ok(true),
        Err(Error::NoArchive(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the URL is that of one task's folder. A damaged manifest there may be a task's; where the archive's mark or other
/// folders are, it is none.
async fn is_task_folder(bucket: &Bucket) -> Result<bool, Error> {
    match manifest::read(bucket, "").await {
        Ok(ManifestLookup::Task(task)) => {
            let folder = layout::folder_name(&task.task_id);
            Ok(task.is_task_relative() || bucket.url.prefix.rsplit('/').next() == Some(folder.as_str()))
        }
        Ok(ManifestLookup::Damaged { .. }) => Ok(!has_mark(bucket).await? && listing::task_folders(bucket).await?.is_empty()),
        // An archive that was copied from a disk has a root manifest. It counts for nothing in a bucket.
        Ok(ManifestLookup::Missing) | Err(Error::Foreign(_) | Error::ManyTasks(_) | Error::Newer { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
