//! Proof that bytes are the right ones: hashes, the digests that hosts send, and the version of a remote file.

pub(crate) mod checksum;
pub(crate) mod coding;
pub(crate) mod digest;
pub(crate) mod remote_version;
