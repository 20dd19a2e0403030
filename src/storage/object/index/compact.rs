//! Makes the compacted index: `index`, and `index --rebuild` with the manifests in place of the old index.
//!
//! The order is what keeps every entry: list the log, read what goes in, write the parts of a new generation, swap the pointer,
//! and only then delete what went in. A process that is killed meanwhile leaves two objects with the same entries. Of two
//! compactions at once, the one that swaps later finds another pointer, drops its parts and begins again. When the outcome of a
//! swap is unknown, nothing is deleted. Parts that a killed compaction left are deleted a week later: no compaction takes that
//! long.

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use object_store::{Error as StoreError, ObjectStoreExt, UpdateVersion};

use super::current::{Current, Pointer, swap};
use super::each::partition;
use super::generation::write_generation;
use super::lines::{ReadError, Source, damaged};
use super::names::{self, CURRENT, INDEX, Segment};
use super::partitions::Partitions;
use super::rebuild::{Manifests, read_manifests};
use super::snapshot::{ATTEMPTS, Listing, give_up, list, segment_sources};
use crate::storage::Error;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::object::bucket::Bucket;
use crate::storage::object::error::is_absent;
use crate::storage::read::report::Report;

/// How long the parts of an unknown compaction are kept.
const MAX_COMPACTION: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Objects that are looked at together.
const HEADS_AT_ONCE: usize = 32;

/// What a compaction found and wrote.
#[derive(Debug, Default)]
pub(crate) struct CompactedIndex {
    pub tasks: u64,
    /// Files that the tasks name.
    pub files: u64,
    /// Whether a new generation was written.
    pub is_changed: bool,
    /// What is wrong with single tasks.
    pub report: Report,
}

/// A compaction under way: what it began with.
struct Compaction<'a> {
    bucket: &'a Bucket,
    began: Timestamp,
    listing: Listing,
    before: Option<Pointer>,
}

/// Merges the log into a new generation of parts.
///
/// # Errors
/// When an object of the index can't be read, written or deleted, or is damaged.
pub(crate) async fn compact(bucket: &Bucket) -> Result<CompactedIndex, Error> {
    let mut attempt = 1;
    loop {
        let compaction = Compaction::begin(bucket).await?;
        let current = compaction.current();
        if let Some(current) = current.filter(|_| compaction.listing.segments.is_empty()) {
            compaction.delete_stale(current).await?;
            return Ok(CompactedIndex::new(current, false));
        }
        match &compaction.before {
            None if compaction.listing.segments.is_empty() => return Ok(CompactedIndex::default()),
            // A compaction would lose the tasks of the parts that a damaged pointer named.
            Some(Pointer { current: None, .. }) => return Err(damaged(bucket, CURRENT, "it names no generation")),
            _ => {}
        }
        match compaction.merge().await {
            Ok(Some(compacted)) => return Ok(compacted),
            Ok(None) | Err(ReadError::Gone(_)) if attempt < ATTEMPTS => attempt += 1,
            Ok(None) => return Err(contended(bucket)),
            Err(error) => return Err(give_up(bucket, error)),
        }
    }
}

/// Makes the index anew from the task manifests. `progress` gets the number of manifests read so far.
///
/// # Errors
/// When the bucket can't be listed, a manifest can't be fetched, or the index can't be written.
pub(crate) async fn rebuild(bucket: &Bucket, mut progress: impl FnMut(u64)) -> Result<CompactedIndex, Error> {
    for _ in 0..ATTEMPTS {
        // The log is listed before the manifests are read: they have all that its segments say.
        let compaction = Compaction::begin(bucket).await?;
        let mut manifests = read_manifests(bucket, names::stamp(compaction.began), &mut progress).await?;
        manifests.report_lost(bucket, compaction.old()).await;
        let Manifests { partitions, report, .. } = manifests;
        if let Some(compacted) = compaction.finish(partitions).await? {
            return Ok(CompactedIndex { report, ..compacted });
        }
    }
    Err(contended(bucket))
}

impl<'a> Compaction<'a> {
    async fn begin(bucket: &'a Bucket) -> Result<Self, Error> {
        let began = Timestamp::now();
        let listing = list(bucket, INDEX).await?;
        Ok(Self { bucket, began, listing, before: Pointer::read(bucket).await? })
    }

    fn current(&self) -> Option<&Current> {
        self.before.as_ref()?.current.as_ref()
    }

    /// The log and the old parts.
    fn old(&self) -> Vec<Source> {
        let mut sources = segment_sources(&self.listing.segments, None);
        sources.extend(self.current().map(Current::sources).unwrap_or_default());
        sources
    }

    /// Merges the log and the old parts. None when another compaction was faster.
    async fn merge(self) -> Result<Option<CompactedIndex>, ReadError> {
        let partitions = partition(self.bucket, self.old()).await?;
        Ok(self.finish(partitions).await?)
    }

    /// Writes a new generation, swaps the pointer and deletes what went in. None when another compaction was faster.
    async fn finish(self, partitions: Partitions) -> Result<Option<CompactedIndex>, Error> {
        let new = write_generation(self.bucket, names::new_generation(self.began), partitions).await?;
        let version: Option<&UpdateVersion> = self.before.as_ref().map(|before| &before.version);
        let is_ours = swap(self.bucket, version, &new).await?;
        let dropped = if is_ours { self.current() } else { Some(&new) };
        let parts = dropped.map(Current::sources).unwrap_or_default().into_iter().map(|source| source.relative);
        if !is_ours {
            delete(self.bucket, parts.collect()).await?;
            return Ok(None);
        }
        let segments = self.listing.segments.iter().map(|Segment { relative, .. }| relative.clone());
        delete(self.bucket, segments.chain(parts).collect()).await?;
        self.delete_stale(&new).await?;
        Ok(Some(CompactedIndex::new(&new, true)))
    }

    /// Deletes the parts of killed compactions.
    async fn delete_stale(&self, current: &Current) -> Result<(), Error> {
        let limit = names::stamp(self.began - MAX_COMPACTION);
        let is_kept = |name: &str| {
            let is_named = [Some(current), self.current()].into_iter().flatten().any(|kept| kept.generation == name);
            is_named || names::generation_stamp(name).is_none_or(|stamp| stamp >= limit)
        };
        let stale = self.listing.generations.iter().filter(|(name, _)| !is_kept(name)).map(|(_, relative)| relative.clone());
        delete(self.bucket, stale.collect()).await
    }
}

impl CompactedIndex {
    fn new(current: &Current, is_changed: bool) -> Self {
        let (tasks, files) = current
            .parts
            .iter()
            .fold((0_u64, 0_u64), |(tasks, files), part| (tasks.saturating_add(part.tasks), files.saturating_add(part.files)));
        Self { tasks, files, is_changed, report: Report::default() }
    }
}

/// Deletes objects. One that is gone already is no error. Nor is an answer that can't be read, when the objects are gone: some
/// servers do not name what they deleted.
async fn delete(bucket: &Bucket, objects: Vec<String>) -> Result<(), Error> {
    let keys: Vec<_> = objects.iter().map(|relative| Ok(bucket.key(relative))).collect();
    let mut deleted = bucket.store.delete_stream(stream::iter(keys).boxed());
    while let Some(result) = deleted.next().await {
        match result {
            Ok(_) | Err(StoreError::NotFound { .. }) => {}
            Err(error) if are_gone(bucket, &objects).await => drop(error),
            Err(error) => return Err(bucket.error("delete from", INDEX)(error)),
        }
    }
    Ok(())
}

/// Whether none of these objects exists.
async fn are_gone(bucket: &Bucket, objects: &[String]) -> bool {
    let heads = stream::iter(objects).map(|relative| async { bucket.store.head(&bucket.key(relative)).await });
    let is_gone = |found| std::future::ready(matches!(found, Err(error) if is_absent(&error)));
    heads.buffer_unordered(HEADS_AT_ONCE).all(is_gone).await
}

fn contended(bucket: &Bucket) -> Error {
    let message = format!("{ATTEMPTS} times another `yescale-dl index` was faster; run one at a time");
    let source = BucketError { fault: BucketFault::Other, message };
    Error::Bucket { action: "replace", url: bucket.url_of(CURRENT), source }
}
