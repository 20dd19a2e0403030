//! The objects of the index at one moment.

use futures::TryStreamExt;
use object_store::UpdateVersion;

use super::current::{Current, Pointer};
use super::lines::{ReadError, Source, damaged};
use super::names::{INDEX, LOG, Segment, generation_stamp};
use crate::domain::shard::Shard;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;

/// How often a reader begins again when objects are gone.
pub(super) const ATTEMPTS: usize = 8;

/// The log and the current generation. Together they have every entry that was ever flushed.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub segments: Vec<Segment>,
    pub current: Option<(Current, UpdateVersion)>,
}

impl Snapshot {
    /// Lists the log, and reads the pointer after that: what a compaction has deleted from the log by then is in its generation.
    pub(super) async fn read(bucket: &Bucket) -> Result<Self, Error> {
        let segments = list(bucket, LOG).await?.segments;
        Ok(Self { segments, current: Pointer::read_valid(bucket).await? })
    }

    /// The segments, and then the parts, that may have tasks of `shard`.
    pub(super) fn sources(&self, shard: Option<Shard>) -> Vec<Source> {
        let mut sources = segment_sources(&self.segments, shard);
        sources.extend(self.parts().into_iter().filter(|source| {
            let range = source.part.map(|(range, _)| range);
            range.zip(shard).is_none_or(|(range, shard)| range.overlaps(shard))
        }));
        sources
    }

    /// The parts of the generation, in the order of the hashes.
    pub(super) fn parts(&self) -> Vec<Source> {
        self.current.as_ref().map(|(current, _)| current.sources()).unwrap_or_default()
    }
}

/// The segments that may have tasks of `shard`.
pub(super) fn segment_sources(segments: &[Segment], shard: Option<Shard>) -> Vec<Source> {
    let segments = segments.iter().filter(|segment| segment.overlaps(shard));
    segments.map(|segment| Source { relative: segment.relative.clone(), stamp: segment.stamp, part: None }).collect()
}

/// What a list of the index names.
#[derive(Default, Debug)]
pub(super) struct Listing {
    pub segments: Vec<Segment>,
    /// The objects of generations, each with the name of its generation. Only when the whole index is listed.
    pub generations: Vec<(String, String)>,
}

/// Lists the segments in `folder`, which is [`LOG`] or [`INDEX`], and the generations in the latter.
pub(super) async fn list(bucket: &Bucket, folder: &'static str) -> Result<Listing, Error> {
    let (index, mut listing) = (bucket.key(INDEX), Listing::default());
    let mut objects = bucket.store.list(Some(&bucket.key(folder)));
    while let Some(object) = objects.try_next().await.map_err(bucket.error("list", folder))? {
        let relative = object.location.as_ref().strip_prefix(index.as_ref()).and_then(|rest| rest.strip_prefix('/'));
        match relative.and_then(|relative| relative.split_once('/')) {
            Some(("log", name)) => listing.segments.extend(Segment::parse(name)),
            Some((generation, name)) if generation_stamp(generation).is_some() => {
                listing.generations.push((generation.to_owned(), format!("{INDEX}/{generation}/{name}")));
            }
            // This program can't have written it.
            _ => {}
        }
    }
    Ok(listing)
}

/// The error of a reader that has begun again too often.
pub(super) fn give_up(bucket: &Bucket, error: ReadError) -> Error {
    match error {
        ReadError::Failed(error) => error,
        ReadError::Gone(relative) => damaged(bucket, &relative, "it is gone"),
    }
}
