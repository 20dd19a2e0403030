//! `index` on a bucket: compacts the index, or makes it anew from the task manifests.

use super::index::{CompactedIndex, compact, rebuild};
use super::read::BucketReader;
use crate::storage::Error;
use crate::storage::location::BucketUrl;

/// Compacts the index of the archive at `url`, or makes it anew. The folder of one task has no index, so there is nothing to do.
/// Blocks. `progress` gets the number of manifests read so far.
///
/// # Errors
/// When there is no archive, or the index can't be read or written.
pub(crate) fn index_bucket(url: &BucketUrl, rebuilds: bool, progress: impl FnMut(u64)) -> Result<CompactedIndex, Error> {
    reindex(&BucketReader::open(url)?, rebuilds, progress)
}

fn reindex(reader: &BucketReader, rebuilds: bool, progress: impl FnMut(u64)) -> Result<CompactedIndex, Error> {
    if reader.is_single() {
        let mut single = CompactedIndex { tasks: 1, ..CompactedIndex::default() };
        single.report = reader.for_each_task(&mut |task| single.files = task.files.len() as u64)?;
        return Ok(single);
    }
    reader.require_archive()?;
    let bucket = &reader.bucket;
    reader.runtime.block_on(async { if rebuilds { rebuild(bucket, progress).await } else { compact(bucket).await } })
}
