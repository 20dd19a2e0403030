//! An archive in a bucket, open for a run.
//!
//! A run reads the index once, before the first question to the gateway. A task that the index calls complete costs no request.
//! Of any other task the manifest is read. What the run commits, and what it finds complete without an entry in the index, is
//! appended to the index.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::connect::{StoreOptions, connect};
use super::index::{Index, IndexLog};
use super::lease::ObjectLease;
use super::manifest_object::{ManifestObject, read_manifest};
use super::probe::{probe, refuse_foreign};
use super::publish::Publisher;
use super::spool::Spool;
use crate::domain::manifest::TaskEntry;
use crate::domain::shard::Shard;
use crate::domain::task::TaskId;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::local::archive::LocalArchive;
use crate::storage::location::BucketUrl;
use crate::storage::{BucketOptions, Error, KnownTask, LeaseRead, Location, LockWait, Report, TaskSnapshot, blocking};

/// How often to look whether the index log is due.
const FLUSH_CHECK_INTERVAL: Duration = Duration::from_secs(20);
/// How long the index may take to be written after the run was stopped.
const FLUSH_GRACE: Duration = Duration::from_secs(10);

/// An archive in a bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ObjectArchive(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: Bucket,
    publisher: Publisher,
    spool: Spool,
    shard: Option<Shard>,
    index: OnceLock<Index>,
    log: IndexLog,
    /// Whether the run may write to the bucket.
    may_write: OnceLock<()>,
}

impl ObjectArchive {
    /// The archive at `url`. Creates nothing but a temporary folder for the spool, if the user names none.
    ///
    /// # Errors
    /// When the settings in the environment are not valid, or the spool can't be used.
    pub(in crate::storage) fn open(url: &BucketUrl, options: &BucketOptions<'_>) -> Result<Self, Error> {
        let bucket = connect(url, &store_options(options))?;
        let (spool, shard) = (Spool::open(options.spool, &url.to_string())?, options.shard);
        let (publisher, log) = (Publisher::new(bucket.clone()), IndexLog::new(bucket.clone(), shard));
        let (index, may_write) = (OnceLock::new(), OnceLock::new());
        Ok(Self(Arc::new(Inner { bucket, publisher, spool, shard, index, log, may_write })))
    }

    /// Where files are downloaded to.
    pub(in crate::storage) fn spool(&self) -> &LocalArchive {
        &self.0.spool.archive
    }

    pub(super) fn bucket(&self) -> &Bucket {
        &self.0.bucket
    }

    pub(super) fn publisher(&self) -> &Publisher {
        &self.0.publisher
    }

    /// Creates the spool, unless this is a dry run, and reads the index. Called once, before anything else. Returns a warning when
    /// the index is damaged: it only saves requests, so the run goes on without it.
    ///
    /// # Errors
    /// When the spool can't be created, or the bucket can't be read.
    pub(in crate::storage) async fn prepare(&self, is_dry_run: bool) -> Result<Option<String>, Error> {
        if is_dry_run {
            // Nothing is written, so the conditions are not proved. An archive of a later version is refused all the same.
            refuse_foreign(&self.0.bucket).await?;
        } else {
            let spool = self.spool().clone();
            blocking(move || spool.create()).await?;
        }
        let (index, warning) = match Index::load(&self.0.bucket, self.0.shard).await {
            Ok(index) => (index, None),
            Err(error @ Error::Bucket { source: BucketError { fault: BucketFault::Other, .. }, .. }) => {
                (Index::default(), Some(format!("{}; until then, the manifests of all tasks are read", error.message())))
            }
            Err(error) => return Err(error),
        };
        self.0.index.get_or_init(|| index);
        if !is_dry_run {
            self.0.may_write.get_or_init(|| ());
            tokio::spawn(flush_periodically(Arc::downgrade(&self.0)));
        }
        Ok(warning)
    }

    /// What the index says of a task.
    pub(in crate::storage) fn known(&self, id: &TaskId) -> Option<KnownTask> {
        self.0.index.get()?.known(id)
    }

    /// What the manifest says of a task. What it names is in the bucket: files are published before the manifest.
    ///
    /// # Errors
    /// When the manifest can't be read, or is not that of the task.
    pub(in crate::storage) async fn read(&self, id: &TaskId) -> Result<TaskSnapshot, Error> {
        self.read_object(id).await.map(|object| TaskSnapshot::of_bucket(object.entry))
    }

    pub(super) async fn read_object(&self, id: &TaskId) -> Result<ManifestObject, Error> {
        let object = read_manifest(&self.0.bucket, id, self.known(id).is_some()).await?;
        if let Some(entry) = &object.entry
            && self.known(id).is_none_or(|known| !known.is_of(entry))
        {
            // A run that was killed has not indexed it, or not its last change.
            self.add_to_index(entry).await;
        }
        Ok(object)
    }

    /// Leases a task in the spool, and reads its manifest. None while another process uses the same spool folder.
    ///
    /// # Errors
    /// When the spool or the manifest can't be read.
    pub(in crate::storage) async fn lease(
        &self,
        id: &TaskId,
        read: LeaseRead,
        replaces: bool,
    ) -> Result<Option<(Arc<ObjectLease>, TaskSnapshot)>, Error> {
        let (spool, task) = (self.spool().clone(), id.clone());
        let Some(local) = blocking(move || spool.lease(&task)).await? else { return Ok(None) };
        let lease = ObjectLease::new(self.clone(), local, id.clone(), replaces);
        let snapshot = match read {
            LeaseRead::New => lease.assume_new().await,
            LeaseRead::Snapshot | LeaseRead::Recovered => lease.read().await?,
        };
        Ok(Some((Arc::new(lease), snapshot)))
    }

    /// The URL of a task's folder.
    pub(in crate::storage) fn task_path(&self, id: &TaskId) -> PathBuf {
        Location::Bucket((*self.0.bucket.url).clone()).task_path(id)
    }

    /// Proves that the bucket can be written to, and that it honours conditional writes.
    ///
    /// # Errors
    /// When it can't, or does not.
    pub(in crate::storage) async fn check_writable(&self) -> Result<Option<String>, Error> {
        let spool = self.spool().clone();
        blocking(move || spool.check_writable()).await?;
        probe(&self.0.bucket).await.map(|()| None)
    }

    /// Adds a task to the index, which is written from time to time. A failed write is tried again with the next one.
    pub(super) async fn add_to_index(&self, entry: &TaskEntry) {
        self.0.log.add(entry);
        if self.0.may_write.get().is_some() {
            // The entries stay in the log. The end of the run reports a fault that lasts.
            let _ = self.0.log.flush_if_due(Instant::now()).await;
        }
    }

    /// Writes what is not yet in the index. After the run was stopped it gives up early.
    ///
    /// # Errors
    /// When the bucket can't be written to. The next run finds the tasks by their manifests.
    pub(in crate::storage) async fn flush_index(&self, wait: &LockWait) -> Result<Report, Error> {
        let overdue = async {
            wait.stopped().await;
            tokio::time::sleep(FLUSH_GRACE).await;
        };
        let mut report = Report::default();
        tokio::select! {
            flushed = self.0.log.flush() => flushed?,
            () = overdue => report.add_note(late_index(&self.0.bucket)),
        }
        Ok(report)
    }
}

/// The note of a stopped run that has not written its index in time.
fn late_index(bucket: &Bucket) -> String {
    format!("can't write the index of {} in time: nothing is lost, the next run finds the tasks", bucket.url)
}

fn store_options(options: &BucketOptions<'_>) -> StoreOptions {
    StoreOptions {
        user_agent: options.user_agent.to_owned(),
        connect_timeout: options.connect_timeout,
        stall_timeout: options.stall_timeout,
        ca_cert: options.ca_cert.cloned(),
        retry_delay: options.retry_delay,
    }
}

/// Writes the index while the run waits for something else.
async fn flush_periodically(archive: std::sync::Weak<Inner>) {
    loop {
        tokio::time::sleep(FLUSH_CHECK_INTERVAL).await;
        let Some(archive) = archive.upgrade() else { return };
        // As in `add_to_index`.
        let _ = archive.log.flush_if_due(Instant::now()).await;
    }
}
