//! How a task of the archive is read and leased, where that costs more than a look at a disk.
//!
//! In a bucket each read is a request, so a run reads nothing more once it has stopped asking or the bucket fails, and a task that
//! waits only once. Nothing is written to a store before its conditions are proved.

use std::time::Instant;

use super::ArchiveJob;
use super::task_end::TaskAbort;
use super::task_job::TaskJob;
use crate::domain::event::Event;
use crate::storage::{self, LeaseRead, REPORT_AFTER, TaskLease, TaskSnapshot};

impl ArchiveJob {
    /// Whether a bucket may still be asked about tasks. Reading a task costs a request there, so that ends with the questions
    /// to the gateway, and when the bucket fails. Of an archive on a disk every task is looked at.
    pub(super) fn may_read_bucket(&self) -> Result<(), TaskAbort> {
        if !self.storage.is_bucket() {
            return Ok(());
        }
        self.downloader.disk.check().map_err(|error| TaskAbort::disk(&error))?;
        if self.queries.is_stopped() { Err(TaskAbort::QueriesEnded) } else { Ok(()) }
    }
}

impl TaskJob {
    /// What a bucket has of the task. A task that waits is read once: if another worker archives it meanwhile, the commit finds
    /// that.
    pub(super) async fn read_bucket(&mut self) -> Result<TaskSnapshot, TaskAbort> {
        self.job.may_read_bucket()?;
        if self.poll.is_absent {
            return Ok(TaskSnapshot::default());
        }
        let snapshot = self.job.storage.read(self.id()).await?;
        self.poll.is_absent = snapshot.entry.is_none();
        Ok(snapshot)
    }

    /// Waits until no other process holds the task's folder, leases it, and returns the lease with what was read under it. A run
    /// that is stopped meanwhile reports the task as locked.
    pub(super) async fn acquire_lease(&self, read: LeaseRead) -> Result<(TaskLease, TaskSnapshot), TaskAbort> {
        let replaces = self.job.force || self.repair.is_some();
        if self.job.storage.is_bucket() && !self.job.check_writable().await {
            // Nothing is written to a store before its conditional writes are proved to work. This also holds for `meta`.
            return Err(TaskAbort::QueriesEnded);
        }
        let started = Instant::now();
        let (mut read, mut is_reported) = (read, false);
        loop {
            if let Some(leased) = self.job.storage.lease(self.id(), read, replaces).await? {
                return Ok(leased);
            }
            if read == LeaseRead::New {
                // Whoever has the lease may archive the task.
                read = LeaseRead::Recovered;
            }
            if !is_reported && started.elapsed() >= REPORT_AFTER {
                is_reported = true;
                self.job.emitter.emit(Event::Warning(self.job.storage.waiting_message(self.id())));
            }
            let delay = tokio::time::sleep(storage::lock_poll_interval(started.elapsed()));
            let is_locked = || storage::Error::Locked(self.job.storage.task_path(&self.job.display_root, self.id()));
            self.job.stop.run_until_cancelled(delay).await.ok_or_else(is_locked)?;
        }
    }
}
