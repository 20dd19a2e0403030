//! Integration tests: the real program against a gateway and media hosts that send anything. Each `sN_` folder is a
//! section of `docs/contract.md`; each test checks a sentence of it.
//!
//! Every run of every test is audited too (`support::audit`): each file that a manifest names is on disk with that
//! size and hash, the root manifest agrees with the task folders, no dot-file is left in a finished task, and the key
//! appears nowhere.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]

mod house;
mod s10_shards;
mod s11_hostile;
mod s1_job;
mod s2_archive;
mod s3_manifest;
mod s4_options;
mod s5_exit;
mod s6_output;
mod s7_rerun;
mod s8_commands;
#[cfg(feature = "bucket")]
mod s9_bucket;
mod support;
