//! An archive in a bucket: many workers write to it at once, and no bytes that were published ever change.
//!
//! `object_store` is the one door to S3, GCS and Azure. The store must honour conditional writes: a run proves it before it asks
//! the gateway. There are no locks. Each step below may be repeated, by any worker, after any failure.
//!
//! 1. [`bucket`]: the store behind a URL, and what may stand in the environment.
//! 2. `probe`: the mark `PREFIX/.yescale/archive.json`; conditions are proved with it.
//! 3. `index`: which tasks are complete, read from a few objects.
//! 4. `publish`: a file is created only if its name is free. Its SHA-256 is in the object's metadata (`sha256`). Where other bytes
//!    have the name, the file gets a name with the first 16 digits of its hash.
//! 5. `commit`: the task manifest is created, or replaced by compare-and-swap on its ETag after a merge. `write_id` in its metadata
//!    shows whether a write whose answer was lost is our own.
//!
//! A lost answer is no failure, and a conflict is no proof: both are settled by looking at the object. A run never deletes an
//! object: another worker may have adopted it.

mod answer;
pub(super) mod archive;
mod backoff;
pub(super) mod bucket;
mod commit;
pub(super) mod connect;
mod environment;
mod error;
mod hint;
pub(super) mod index;
pub(super) mod lease;
mod manifest_object;
#[cfg(test)]
mod mock_server;
mod probe;
mod publish;
pub(super) mod read;
#[cfg(test)]
mod real_servers;
pub(super) mod reindex;
mod reservation;
mod runtime;
mod spool;
#[cfg(test)]
mod tests;
mod transport;
mod upload;
