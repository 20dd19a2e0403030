//! The files that no manifest names.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::{ArchiveScan, TaskScan};
use crate::domain::event::Fault;
use crate::layout;

impl ArchiveScan {
    /// Reports the files below `prefix` that are not in `own`, except dot-files. A folder that can't be listed is `unreadable`
    /// when it is a task's, because only there a manifest names files.
    pub(super) fn report_unknown_files(&self, prefix: &str, own: &HashSet<String>, found: &mut TaskScan) {
        let folder = prefix.trim_end_matches('/');
        let Ok(entries) = entries(&self.root.join(prefix)) else {
            return match folder.split_once('/') {
                _ if folder.is_empty() || layout::is_folder_name(folder) => {
                    found.faults.push((folder.to_owned(), Fault::Unreadable));
                }
                Some((task, _)) if layout::is_folder_name(task) => found.faults.push((folder.to_owned(), Fault::Unknown)),
                _ => {}
            };
        };
        for (name, kind) in entries {
            let path = format!("{prefix}{name}");
            match kind {
                _ if own.contains(&name) => {}
                Some(kind) if kind.is_dir() => self.report_unknown_files(&format!("{path}/"), &HashSet::new(), found),
                _ => found.faults.push((path, Fault::Unknown)),
            }
        }
    }
}

/// The entries of a folder, sorted by name, without dot-files. The type is none where the disk does not report it.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<(String, Option<fs::FileType>)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, entry.file_type().ok()));
        }
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(entries)
}
