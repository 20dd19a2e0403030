//! The tasks that this run has committed, on their way into the index.
//!
//! Entries are compressed as they come. A flush seals them as a segment with a name of its own, and the segment stays here until
//! the bucket has confirmed it: after an error, or when the flush is dropped, the next flush writes the same bytes under the same
//! name. So a segment may be written twice, and changes nothing. What a killed run did not flush costs the next one a request per
//! task.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use object_store::PutOptions;

use super::entry::line_of;
use super::names::Segment;
use crate::domain::manifest::TaskEntry;
use crate::domain::shard::Shard;
use crate::storage::Error;
use crate::storage::object::backoff::Backoff;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::upload::UploadSettings;

/// A segment has at most this many entries.
const MAX_ENTRIES: usize = 10_000;
/// A segment is sealed at this size, long before a reader refuses it.
const MAX_COMPRESSED: usize = 8 << 20;
/// The same before compression: the tasks of one run may have a long prompt in common. Tests get there with a few entries.
const MAX_PLAIN: usize = if cfg!(test) { 4 << 20 } else { 64 << 20 };
/// The longest that an entry waits.
const MAX_AGE: Duration = Duration::from_secs(300);
/// The pause after a flush that failed.
const RETRY_DELAY: Duration = Duration::from_secs(60);

/// Collects entries, and writes them as segments. Shared by all tasks of a run.
#[derive(Debug)]
pub(crate) struct IndexLog {
    bucket: Bucket,
    shard: Option<Shard>,
    state: Mutex<LogState>,
    /// Held by the one flush that writes.
    flushing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct LogState {
    open: Option<OpenSegment>,
    /// Segments that the bucket has not confirmed: their names below the prefix, and their bytes.
    sealed: Vec<(String, Bytes)>,
    /// No flush is due before.
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct OpenSegment {
    lines: GzEncoder<Vec<u8>>,
    entries: usize,
    plain: usize,
    began: Instant,
}

impl IndexLog {
    pub(crate) fn new(bucket: Bucket, shard: Option<Shard>) -> Self {
        Self { bucket, shard, state: Mutex::default(), flushing: tokio::sync::Mutex::default() }
    }

    /// Adds the entry of a committed task, with paths relative to the task's folder, as its manifest has it.
    pub(crate) fn add(&self, entry: &TaskEntry) {
        // Without a line, the task costs every run a request.
        let Some(line) = line_of(entry) else { return };
        let mut state = self.state();
        let open = state.open.get_or_insert_with(OpenSegment::new);
        // Writing to memory does not fail.
        let _ = open.lines.write_all(&line);
        open.entries += 1;
        open.plain += line.len();
        if open.is_full() {
            state.seal(self.shard);
        }
    }

    /// Writes a segment when 10,000 entries wait, or the oldest one for 5 minutes.
    ///
    /// # Errors
    /// When the segment can't be written. The entries wait for the next flush, which is due after a minute.
    pub(crate) async fn flush_if_due(&self, now: Instant) -> Result<(), Error> {
        // Tasks that end meanwhile leave it to the one that writes, and go on.
        let Ok(_flushing) = self.flushing.try_lock() else { return Ok(()) };
        if !self.state().is_due(now) {
            return Ok(());
        }
        self.state().seal_if_old(now, self.shard);
        let flushed = self.write_sealed().await;
        self.state().retry_at = flushed.is_err().then(|| now + RETRY_DELAY);
        flushed
    }

    /// Writes all entries that wait, if any do. A run calls it at its end, and when it is stopped.
    ///
    /// # Errors
    /// As for [`Self::flush_if_due`].
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        let _flushing = self.flushing.lock().await;
        self.state().seal(self.shard);
        self.write_sealed().await
    }

    /// Writes the sealed segments. Only the holder of `flushing` calls it.
    async fn write_sealed(&self) -> Result<(), Error> {
        loop {
            let Some((relative, bytes)) = self.state().sealed.first().cloned() else { return Ok(()) };
            self.write(&relative, &bytes).await?;
            self.state().sealed.retain(|(name, _)| *name != relative);
        }
    }

    /// Writes a segment, again after errors that may pass.
    async fn write(&self, relative: &str, bytes: &Bytes) -> Result<(), Error> {
        let (key, mut backoff) = (self.bucket.key(relative), Backoff::new(UploadSettings::default().first_delay));
        loop {
            // The name is random, so that nothing else can be there.
            match self.bucket.store.put_opts(&key, bytes.clone().into(), PutOptions::default()).await {
                Ok(_) => return Ok(()),
                Err(error) => backoff.wait(self.bucket.error("write", relative)(error)).await?,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogState {
    fn is_due(&self, now: Instant) -> bool {
        let is_waiting = self.retry_at.is_some_and(|retry_at| now < retry_at);
        !is_waiting && (!self.sealed.is_empty() || self.is_open_old(now))
    }

    fn is_open_old(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| now.saturating_duration_since(open.began) >= MAX_AGE)
    }

    fn seal_if_old(&mut self, now: Instant, shard: Option<Shard>) {
        if self.is_open_old(now) {
            self.seal(shard);
        }
    }

    /// Ends the open segment.
    fn seal(&mut self, shard: Option<Shard>) {
        if let Some(open) = self.open.take()
            && let Ok(bytes) = open.lines.finish()
        {
            self.sealed.push((Segment::new_relative(Timestamp::now(), shard), bytes.into()));
        }
    }
}

impl OpenSegment {
    fn new() -> Self {
        Self { lines: GzEncoder::new(Vec::new(), Compression::default()), entries: 0, plain: 0, began: Instant::now() }
    }

    fn is_full(&self) -> bool {
        self.entries >= MAX_ENTRIES || self.plain >= MAX_PLAIN || self.lines.get_ref().len() >= MAX_COMPRESSED
    }
}
