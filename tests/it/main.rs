//! The real program against lying servers: each module is a section of the contract, each test a sentence of it.
//!
//! Whatever a test is about, every run in it is audited too (`support::audit`): what a manifest names is on
//! disk with that size and hash, the root tells what the task folders tell, no dot-file outlives a finished
//! task, and the key is nowhere.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]

mod layers;
mod support;

mod about;
mod again;
mod anything;
mod archive;
mod bag;
mod browsing;
mod config;
mod content;
mod deadlinks;
mod digests;
mod disk;
mod exit;
mod export;
mod exported;
mod gallery;
mod hostile;
mod index;
mod interrupt;
mod keeping;
mod key;
mod killed;
mod left_out;
mod library;
mod limits;
mod manifest;
mod options;
mod output;
mod promises;
mod reading;
mod refusing;
mod repair;
mod resume;
mod samples;
mod schema;
mod segments;
mod together;
mod verify;
mod wait;
