//! The real program against lying servers: each `sN_` room is a section of the contract, each test a sentence of it.
//!
//! Whatever a test is about, every run in it is audited too (`support::audit`): what a manifest names is on
//! disk with that size and hash, the root tells what the task folders tell, no dot-file outlives a finished
//! task, and the key is nowhere.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]

mod house;
mod s11_hostile;
mod s1_job;
mod s2_archive;
mod s3_manifest;
mod s4_options;
mod s5_exit;
mod s6_output;
mod s7_rerun;
mod s8_commands;
mod support;
