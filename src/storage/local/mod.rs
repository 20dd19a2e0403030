//! An archive on a local disk: task folders, locks, the commit log, group sync, atomic replacement, the root manifest.
//!
//! Owns every write to an archive, and every name in it. A task is written by one process at a time, which holds the lock of its
//! folder ([`lease`]); the root's files are written under the short lock of the root ([`root_manifest`]).
//!
//! Invariant: a process that is killed at any instant leaves only complete files under final names, and either the old manifest
//! or the new one. Dot-names are either recovered or removed by the next writer.

pub(super) mod archive;
pub(super) mod atomic;
mod collect;
pub(super) mod commit;
pub(super) mod commit_log;
pub(super) mod dir;
mod dirty_marker;
pub(super) mod export_dir;
mod free_space;
mod group_sync;
pub(super) mod lease;
pub(super) mod lock;
pub(super) mod manifest_files;
mod new_file;
pub(super) mod new_folder;
mod orphan_files;
pub(super) mod output_file;
pub(super) mod part_factory;
pub(super) mod path_check;
mod pending_replace;
mod recent_commits;
mod root_entry;
mod root_index;
mod root_lookup;
pub(super) mod root_manifest;
mod root_splice;
#[cfg(feature = "cli")]
pub(super) mod secret_file;
pub(super) mod staged_copy;
mod sums_list;
mod synced_disk;
pub(super) mod task_dir;
