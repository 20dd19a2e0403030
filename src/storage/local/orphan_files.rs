//! Files of a task in a folder without a manifest.

use std::fs;
use std::io;
use std::path::Path;

use super::{atomic, commit, commit_log, lock};
use crate::domain::asset_key::Kind;
use crate::layout;

/// Whether a folder holds files with the names of a task's files, and no dot-file that a run left to continue from. A
/// dot-file of another program, or a reservation, which comes from a bucket, is no such file.
pub(super) fn has_files_of_a_task(folder: &Path) -> io::Result<bool> {
    let mut has_files = false;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if is_left_by_a_run(&name) {
            return Ok(false);
        }
        has_files |= layout::is_text_name(&name) || Kind::ALL.into_iter().any(|kind| layout::is_file_name(kind, &name));
    }
    Ok(has_files)
}

/// Whether a run leaves a file of this name in a task's folder, to continue from it or to be removed.
fn is_left_by_a_run(name: &str) -> bool {
    commit::is_part(name) || name == commit_log::NAME || lock::is_lock_name(name.as_ref()) || atomic::is_leftover(name)
}
