//! The index of an archive in a bucket: which tasks it has, read from a few objects.
//!
//! A run would otherwise read the manifest of every task that it is given. The index is a hint: a task that it does not name costs
//! one request, and the manifests alone say what the archive has. It has two forms, both JSON lines with gzip, an entry of a
//! root manifest per line:
//!
//! - `log/UTC-SHARD-RANDOM.jsonl.gz`: a segment, which one flush of one worker wrote. It never changes.
//! - `GENERATION/part-000.jsonl.gz`: the parts that `index` makes, by ranges of the id's hash. `current.json` names the
//!   current generation, and is replaced by compare-and-swap alone.
//!
//! Invariants.
//! - An entry is in a segment or in the current generation at every moment: a compaction deletes a segment only after the swap.
//!   So a reader lists the segments first, and reads `current.json` after that. An object that is gone meanwhile means that
//!   another generation is current: the reader begins again.
//! - Of several entries of one id one wins, whatever the order in which they are read: see [`entry`].
//! - What can't be read is an error, and never an index with fewer tasks. Everything read is bounded: see [`lines`].

mod compact;
mod current;
mod each;
mod entry;
mod generation;
mod known;
mod lines;
mod log;
mod names;
mod partitions;
mod rebuild;
mod snapshot;
#[cfg(test)]
mod tests;

pub(crate) use compact::{CompactedIndex, compact, rebuild};
pub(crate) use each::for_each_indexed;
pub(crate) use known::{Index, KnownTask};
#[cfg(fuzzing)]
pub use lines::read_index_object;
pub(crate) use log::IndexLog;
