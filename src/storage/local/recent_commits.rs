//! The entries of tasks that this run has committed, for the root manifest.
//!
//! Without them, the manifest of each new task would be read back at the end of the run. An entry counts only while the manifest
//! in the task's folder is still the file that this run wrote: another process may have replaced it. An entry is kept as the text
//! that the root's files will have, and all of them together are bounded: the other manifests are read.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::path_check;
use super::root_entry::RootEntry;
use crate::domain::manifest::TaskEntry;
use crate::layout::{self, MANIFEST};

/// How many bytes of entries are kept.
const MAX_TOTAL: usize = 8 << 20;
/// An entry takes so many bytes besides its texts.
const OVERHEAD: usize = 200;

/// The entries that this run has committed.
#[derive(Debug, Default)]
pub(super) struct RecentCommits(Mutex<Entries>);

/// Entries by the names of their folders.
#[derive(Debug, Default)]
struct Entries {
    by_folder: HashMap<String, (FileIdentity, RootEntry)>,
    size: usize,
}

impl Entries {
    fn remove(&mut self, folder: &str) -> Option<(FileIdentity, RootEntry)> {
        let removed = self.by_folder.remove(folder);
        self.size -= removed.as_ref().map_or(0, |(_, entry)| entry.size() + OVERHEAD);
        removed
    }
}

/// What tells the file that was written from any other file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl FileIdentity {
    /// The identity of an open file. None where the system has none.
    pub(super) fn of(file: &File) -> io::Result<Option<Self>> {
        file.metadata().map(|found| Self::from_metadata(&found))
    }

    #[cfg(unix)]
    #[expect(clippy::unnecessary_wraps, reason = "other systems have no such numbers")]
    fn from_metadata(found: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let (device, inode, modified) = (found.dev(), found.ino(), (found.mtime(), found.mtime_nsec()));
        Some(Self { device, inode, size: found.len(), modified })
    }

    #[cfg(not(unix))]
    fn from_metadata(_: &Metadata) -> Option<Self> {
        None
    }
}

impl RecentCommits {
    /// Keeps the entry of a task whose manifest is the file `written`.
    pub(super) fn add(&self, written: Option<FileIdentity>, entry: &TaskEntry) {
        let Some(written) = written else { return };
        let entry = entry.clone().into_root_relative();
        let folder = layout::folder_name(&entry.task_id);
        // An entry that is not kept is read from its manifest.
        let made = RootEntry::new(&entry);
        let mut entries = self.entries();
        entries.remove(&folder);
        if let Ok(entry) = made
            && entries.size + entry.size() + OVERHEAD <= MAX_TOTAL
        {
            entries.size += entry.size() + OVERHEAD;
            entries.by_folder.insert(folder, (written, entry));
        }
    }

    /// Takes the entry of the task in the folder called `name` of the archive at `root`, if its manifest is still that of this run.
    pub(super) fn take_current(&self, root: &Path, name: &str) -> Option<RootEntry> {
        let (written, entry) = self.entries().remove(name)?;
        // A manifest that can't be looked up now is read, and that reports the error.
        let found = path_check::lstat(&root.join(name).join(MANIFEST)).ok()??;
        (FileIdentity::from_metadata(&found) == Some(written)).then_some(entry)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::manifest::tests::entry;

    #[test]
    fn entry_counts_only_while_its_manifest_is_the_file_that_was_written() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("t1").join(MANIFEST);
        fs::create_dir(root.path().join("t1")).unwrap();
        let recent = RecentCommits::default();
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            recent.add(FileIdentity::of(&File::open(&path).unwrap()).unwrap(), &entry("t1"));
        };
        write("one");
        assert!(recent.take_current(root.path(), "t1").is_some());
        assert!(recent.take_current(root.path(), "t1").is_none(), "it is taken once");
        write("one");
        fs::rename(&path, root.path().join("old")).unwrap();
        assert!(recent.take_current(root.path(), "t1").is_none(), "the manifest is gone");
        write("one");
        fs::write(root.path().join("new"), "one").unwrap();
        fs::rename(root.path().join("new"), &path).unwrap();
        assert!(recent.take_current(root.path(), "t1").is_none(), "another process has replaced it");
        write("one");
        fs::write(&path, "another").unwrap();
        assert!(recent.take_current(root.path(), "t1").is_none(), "it was edited");
    }

    #[test]
    fn memory_of_the_entries_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        let identity = FileIdentity::of(&File::open(root.path()).unwrap()).unwrap();
        let recent = RecentCommits::default();
        let size = |recent: &RecentCommits| recent.entries().size;
        let mut long = entry("0");
        long.text = Some("x".repeat(1 << 20));
        for n in 0..10 {
            long.task_id = n.to_string();
            recent.add(identity, &long);
        }
        assert_eq!(recent.entries().by_folder.len(), 7);
        recent.add(identity, &entry("0"));
        assert!(size(&recent) < (6 << 20) + (64 << 10), "a smaller entry took the place of a long one");
        for n in 1..7 {
            recent.entries().remove(&n.to_string());
        }
        recent.entries().remove("0");
        assert_eq!(size(&recent), 0);
    }
}
