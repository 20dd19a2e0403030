//! Reads every task of the index, for lists and exports.
//!
//! The log is sorted into partitions first; after that the parts are read in the order of the hashes, two ahead. When objects are
//! gone in between, the reader begins again with the next partition: what it has passed on is not passed on again.

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};

use super::lines::{ReadError, Source, damaged};
use super::names::INDEX;
use super::partitions::{self, Partitions};
use super::snapshot::{ATTEMPTS, Snapshot, give_up, segment_sources};
use crate::domain::manifest::TaskEntry;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;

/// Objects that are read at once.
const READS_AT_ONCE: usize = 4;
/// Parts that are read before they are needed.
const PARTS_AHEAD: usize = 2;

/// Calls `each` with every task that the index names, once, with paths relative to the archive's root. The order is that of the
/// ids' hashes. Memory stays bounded, whatever the number of tasks.
///
/// # Errors
/// When an object of the index can't be read, or is damaged. `each` has then seen a part of the tasks.
pub(crate) async fn for_each_indexed(bucket: &Bucket, mut each: impl FnMut(TaskEntry)) -> Result<(), Error> {
    let (mut attempt, mut next) = (1, 0);
    loop {
        match for_each_from(bucket, &mut next, &mut each).await {
            Ok(()) => return Ok(()),
            Err(ReadError::Gone(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(give_up(bucket, error)),
        }
    }
}

/// As [`for_each_indexed`], from the partition `next`, which moves on.
async fn for_each_from(bucket: &Bucket, next: &mut usize, each: &mut impl FnMut(TaskEntry)) -> Result<(), ReadError> {
    let snapshot = Snapshot::read(bucket).await?;
    let mut log = partition(bucket, segment_sources(&snapshot.segments, None)).await?;
    let parts = snapshot.parts();
    let width = partitions::COUNT / parts.len().max(1);
    if parts.is_empty() {
        return emit(bucket, &mut log, &mut Partitions::default(), next, partitions::COUNT, each).map_err(ReadError::from);
    }
    let ends = (1..=parts.len()).map(|number| number * width);
    let start = *next;
    let waiting: Vec<(usize, Source)> = ends.zip(parts).filter(|(end, _)| *end > start).collect();
    let read = |(end, source): (usize, Source)| async move {
        let read = source.read(bucket, |part: &mut Partitions, entry| part.push(&entry)).await;
        read.map(|part| (end, part))
    };
    let mut reads = stream::iter(waiting).map(read).buffered(PARTS_AHEAD);
    while let Some((end, mut part)) = reads.try_next().await? {
        emit(bucket, &mut log, &mut part, next, end, each)?;
    }
    Ok(())
}

/// Passes on the tasks of the partitions from `next` to `end`.
fn emit(
    bucket: &Bucket,
    log: &mut Partitions,
    part: &mut Partitions,
    next: &mut usize,
    end: usize,
    each: &mut impl FnMut(TaskEntry),
) -> Result<(), Error> {
    while *next < end {
        let winners = log.take(*next, Some(part))?;
        *next += 1;
        for (line, _) in winners.lines() {
            each(serde_json::from_slice(line).map_err(|error| damaged(bucket, INDEX, format_args!("in an entry: {error}")))?);
        }
    }
    Ok(())
}

/// Sorts the entries of some objects into partitions.
pub(super) async fn partition(bucket: &Bucket, sources: Vec<Source>) -> Result<Partitions, ReadError> {
    let partitions = Arc::new(Mutex::new(Partitions::default()));
    let read = |source: Source| {
        let partitions = Arc::clone(&partitions);
        source.read(bucket, move |(): &mut (), entry| partitions.lock().unwrap_or_else(PoisonError::into_inner).push(&entry))
    };
    let mut reads = stream::iter(sources).map(read).buffer_unordered(READS_AT_ONCE);
    while reads.try_next().await?.is_some() {}
    drop(reads);
    let all = std::mem::take(&mut *partitions.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(all)
}
