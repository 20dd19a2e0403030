//! An archive on a local disk: task folders, locks, the commit log, group sync, atomic replacement, the root manifest.

pub(super) mod archive;
pub(super) mod atomic;
pub(super) mod bag_writer;
mod collect;
mod commit;
pub(super) mod commit_log;
pub(super) mod dir;
pub(super) mod dirty_marker;
mod group_sync;
pub(super) mod lease;
pub(super) mod lock;
pub(super) mod manifest_files;
pub(super) mod output_file;
pub(super) mod path_check;
mod root_index;
pub(super) mod root_manifest;
pub(super) mod task_dir;
