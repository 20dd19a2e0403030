//! A complete file under its dot-name, with the entry that the manifest will have for it.
//!
//! It is not durable yet. Only a task's lease syncs it and gives it its final name (`publish` or `commit`); until then no
//! manifest under a final name has its entry.

use std::path::PathBuf;

use super::journal;
use crate::domain::manifest::FileEntry;
use crate::storage::local::dir::Dir;
use crate::storage::{Error, failpoint};

/// A complete file that waits to become durable.
pub(crate) struct StagedFile {
    dir: Dir,
    part_name: String,
    has_journal: bool,
    earlier_bytes: u64,
    entry: FileEntry,
}

impl StagedFile {
    /// `earlier_bytes` are those of its bytes that an earlier run had fetched.
    pub(super) fn new(dir: Dir, part_name: String, has_journal: bool, earlier_bytes: u64, entry: FileEntry) -> Self {
        Self { dir, part_name, has_journal, earlier_bytes, entry }
    }

    /// The entry that the manifest will have.
    #[must_use]
    pub(crate) fn entry(&self) -> &FileEntry {
        &self.entry
    }

    /// How many of its bytes this run fetched.
    #[must_use]
    pub(crate) fn fetched_bytes(&self) -> u64 {
        self.entry.size().saturating_sub(self.earlier_bytes)
    }

    /// Adds to the entry what is known of the file.
    pub(crate) fn update_entry(&mut self, describe: impl FnOnce(&mut FileEntry)) {
        describe(&mut self.entry);
    }

    /// Gives the entry another name, which the file will have.
    pub(in crate::storage) fn rename_entry(&mut self, name: &str) {
        self.entry = self.entry.clone().with_name(name);
    }

    /// Its dot-name.
    pub(in crate::storage) fn part_name(&self) -> &str {
        &self.part_name
    }

    /// Its path under the dot-name.
    pub(in crate::storage) fn path(&self) -> PathBuf {
        self.dir.join(&self.part_name)
    }

    /// Removes the file and its journal.
    pub(in crate::storage) fn discard(&self) {
        // What can't be removed now is removed by the next run.
        let _ = self.dir.remove(&self.part_name);
        let _ = self.dir.remove(&journal::journal_name(&self.part_name));
    }

    /// Gives the file its final name. Its bytes, and a record of them, must be durable.
    pub(in crate::storage) fn rename_into_place(self) -> Result<FileEntry, Error> {
        failpoint::reached("synced");
        let Self { dir, part_name, has_journal, entry, .. } = self;
        dir.rename(&part_name, entry.path()).map_err(Error::io("rename", &dir.join(entry.path())))?;
        if has_journal {
            // The commit log, or the manifest, proves the file now.
            let _ = dir.remove(&journal::journal_name(&part_name));
        }
        failpoint::reached("renamed");
        Ok(entry)
    }
}
