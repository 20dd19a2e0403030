//! The archive that a run writes to: on a local disk, or in a bucket.
//!
//! [`Storage`] and [`TaskLease`] are closed enums. Each method has the same meaning for both. What blocks runs on a worker thread.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::local::archive::LocalArchive;
use super::local::task_dir::TaskSnapshot;
#[cfg(feature = "bucket")]
use super::object::{archive::ObjectArchive, index::KnownTask};
use super::{Error, LocalLease, Location, LockWait, Report, TaskLease, blocking, blocking_shortly};
use crate::domain::shard::Shard;
use crate::domain::task::TaskId;

/// An archive that is written to. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    Local(LocalArchive),
    #[cfg(feature = "bucket")]
    Object(ObjectArchive),
}

/// What is known of a task without a request to a bucket.
pub(crate) enum Checked {
    /// What the archive has.
    Snapshot(Box<TaskSnapshot>),
    /// What the index of a bucket says.
    #[cfg(feature = "bucket")]
    Indexed(KnownTask),
    /// Nothing: [`Storage::read`] must be called.
    #[cfg(feature = "bucket")]
    Unknown,
}

/// What to read when a task is leased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LeaseRead {
    /// What the archive has of the task.
    Snapshot,
    /// The same, after the files that a killed run finished have got their final names.
    Recovered,
    /// As `Recovered`, of a task that the archive did not have a moment ago. A bucket is not asked again: the commit notices what
    /// another worker has written meanwhile.
    New,
}

/// How to open an archive in a bucket.
pub(crate) struct BucketOptions<'a> {
    /// The user's folder for downloads.
    pub spool: Option<&'a Path>,
    /// The part of the ids that the run takes.
    pub shard: Option<Shard>,
    pub user_agent: &'a str,
    /// One more trusted root, and the file that it is from.
    pub ca_cert: Option<&'a (PathBuf, Vec<u8>)>,
    pub connect_timeout: Duration,
    pub stall_timeout: Duration,
    pub retry_delay: Duration,
}

impl Storage {
    /// The archive at `location`, which may not exist yet. Creates and sends nothing, but for a temporary folder as the spool of a
    /// bucket.
    ///
    /// # Errors
    /// When the folder is foreign or of a later version, or the settings of the bucket are not valid.
    pub(crate) fn open(location: &Location, options: &BucketOptions<'_>) -> Result<Self, Error> {
        match location {
            Location::Folder(root) => LocalArchive::open(root).map(Self::Local),
            #[cfg(feature = "bucket")]
            Location::Bucket(url) => ObjectArchive::open(url, options).map(Self::Object),
            #[cfg(not(feature = "bucket"))]
            Location::Bucket(url) => {
                let _ = options;
                Err(Error::NoBuckets(url.to_string()))
            }
        }
    }

    /// The one task's folder at `root`, as an archive of one task.
    #[must_use]
    pub(crate) fn single_task(root: &Path) -> Self {
        Self::Local(LocalArchive::single_task(root))
    }

    /// Whether reading a task costs a request.
    #[must_use]
    pub(crate) fn is_bucket(&self) -> bool {
        match self {
            Self::Local(_) => false,
            #[cfg(feature = "bucket")]
            Self::Object(_) => true,
        }
    }

    /// The disk that files are downloaded to: that of the archive, or of the spool.
    #[must_use]
    pub(crate) fn disk(&self) -> LocalArchive {
        match self {
            Self::Local(archive) => archive.clone(),
            #[cfg(feature = "bucket")]
            Self::Object(archive) => archive.spool().clone(),
        }
    }

    /// Prepares the archive for a run: creates the folder, or reads the index of a bucket. Returns a warning when the index is
    /// damaged.
    ///
    /// # Errors
    /// When the folder can't be created, or the bucket can't be read.
    pub(crate) async fn prepare(&self, is_dry_run: bool) -> Result<Option<String>, Error> {
        match self {
            Self::Local(_) if is_dry_run => Ok(None),
            Self::Local(archive) => archive.create().map(|()| None),
            #[cfg(feature = "bucket")]
            Self::Object(archive) => archive.prepare(is_dry_run).await,
        }
    }

    /// What is known of a task without a request to a bucket. Blocks.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(crate) fn check(&self, id: &TaskId) -> Result<Checked, Error> {
        match self {
            Self::Local(archive) => archive.read(id).map(|found| Checked::Snapshot(Box::new(found))),
            #[cfg(feature = "bucket")]
            Self::Object(archive) => Ok(archive.known(id).map_or(Checked::Unknown, Checked::Indexed)),
        }
    }

    /// What the archive has of a task. An empty snapshot when it has nothing.
    ///
    /// # Errors
    /// When the task's folder or manifest is foreign, belongs to another task or can't be read.
    pub(crate) async fn read(&self, id: &TaskId) -> Result<TaskSnapshot, Error> {
        match self {
            Self::Local(archive) => {
                let (archive, id) = (archive.clone(), id.clone());
                blocking(move || archive.read(&id)).await
            }
            #[cfg(feature = "bucket")]
            Self::Object(archive) => archive.read(id).await,
        }
    }

    /// Leases a task, and reads what the archive has of it. None while another process on this machine works on the
    /// task. `replaces`: files of the task may be replaced by other bytes.
    ///
    /// # Errors
    /// When something else has the folder's name, or the folder can't be created, locked or read.
    pub(crate) async fn lease(
        &self,
        id: &TaskId,
        read: LeaseRead,
        replaces: bool,
    ) -> Result<Option<(TaskLease, TaskSnapshot)>, Error> {
        match self {
            Self::Local(archive) => {
                let (archive, id) = (archive.clone(), id.clone());
                let Some(lease) = blocking_shortly(move || archive.lease(&id)).await? else { return Ok(None) };
                let snapshot = match read {
                    // There is nothing to read or to recover.
                    _ if lease.is_new() => TaskSnapshot::default(),
                    LeaseRead::Snapshot => lease.in_background(LocalLease::read_snapshot).await?,
                    LeaseRead::Recovered | LeaseRead::New => lease.in_background(LocalLease::recover).await?,
                };
                Ok(Some((TaskLease::Local(lease), snapshot)))
            }
            #[cfg(feature = "bucket")]
            Self::Object(archive) => {
                let leased = Box::pin(archive.lease(id, read, replaces)).await?;
                Ok(leased.map(|(lease, snapshot)| (TaskLease::Object(lease), snapshot)))
            }
        }
    }

    /// The message for a person who waits for the lease of a task.
    #[must_use]
    pub(crate) fn waiting_message(&self, id: &TaskId) -> String {
        self.disk().waiting_message(id)
    }

    /// The path or URL of a task's folder, where `root` is the archive as the user wrote it.
    #[must_use]
    pub(crate) fn task_path(&self, root: &Path, id: &TaskId) -> PathBuf {
        match self {
            Self::Local(archive) => archive.task_path(root, id),
            #[cfg(feature = "bucket")]
            Self::Object(archive) => archive.task_path(id),
        }
    }

    /// The path or URL of a file in a task's folder.
    #[must_use]
    pub(crate) fn file_path(&self, folder: &Path, name: &str) -> String {
        match self {
            Self::Local(_) => folder.join(name).display().to_string(),
            #[cfg(feature = "bucket")]
            Self::Object(_) => format!("{}/{name}", folder.display()),
        }
    }

    /// Makes sure that the archive can be written to. Returns a warning when the system has no locks there.
    ///
    /// # Errors
    /// [`Error::NotWritable`], or why a bucket is not safe to write to.
    pub(crate) async fn check_writable(&self) -> Result<Option<String>, Error> {
        match self {
            Self::Local(archive) => {
                let archive = archive.clone();
                blocking(move || archive.check_writable()).await
            }
            #[cfg(feature = "bucket")]
            Self::Object(archive) => archive.check_writable().await,
        }
    }

    /// Updates the index of the archive: the root manifest and `SHA256SUMS`, or the index objects of a bucket.
    ///
    /// # Errors
    /// When the disk or the bucket fails, or `wait` ended before the root's lock was free. Then the old index is valid.
    pub(crate) async fn update_index(
        &self,
        changed: Vec<TaskId>,
        reused: Vec<u128>,
        is_all: bool,
        wait: LockWait,
    ) -> Result<Report, Error> {
        match self {
            Self::Local(archive) => {
                let archive = archive.clone();
                blocking(move || archive.update_index(changed, &reused, is_all, &wait)).await
            }
            // It collects the entries as they are committed.
            #[cfg(feature = "bucket")]
            Self::Object(archive) => archive.flush_index(&wait).await,
        }
    }
}
