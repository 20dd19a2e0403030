//! Files on their way into an archive: part files, their journals, positioned writes. Always on a local disk.
//!
//! Owns a file from its first byte until it has a final name: `Part -> Sealed -> StagedFile`. It refuses to give a final name:
//! only a task's lease does, once the file is durable.
//!
//! Invariant: bytes that an earlier attempt left are kept only as far as hashing them again gives the values in the journal.

pub(super) mod extents;
mod held;
pub(super) mod journal;
pub(super) mod part;
pub(super) mod positioned;
pub(super) mod staged_file;
mod write_back;
