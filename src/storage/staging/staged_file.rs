//! A complete file under its dot-name, with the entry that the manifest will have for it.
//!
//! It is not durable yet. Only a task's lease syncs it and gives it its final name (`publish` or `commit`); until then no
//! manifest under a final name has its entry.

use std::io::{self, Write};
use std::path::PathBuf;

use super::held::HeldBytes;
use super::journal;
use super::part::create_part;
use crate::domain::manifest::FileEntry;
use crate::storage::local::dir::Dir;
use crate::storage::{Error, failpoint};

/// A complete file that waits to become durable.
pub(crate) struct StagedFile {
    dir: Dir,
    part_name: String,
    /// The bytes of a small file that is not on the disk yet.
    held: Option<HeldBytes>,
    has_journal: bool,
    earlier_bytes: u64,
    entry: FileEntry,
}

impl StagedFile {
    /// A file on the disk. `earlier_bytes` are those of its bytes that an earlier run had fetched.
    pub(super) fn new(dir: Dir, part_name: String, has_journal: bool, earlier_bytes: u64, entry: FileEntry) -> Self {
        Self { dir, part_name, held: None, has_journal, earlier_bytes, entry }
    }

    /// A small file in memory.
    pub(super) fn in_memory(dir: Dir, part_name: String, bytes: HeldBytes, entry: FileEntry) -> Self {
        Self { dir, part_name, held: Some(bytes), has_journal: false, earlier_bytes: 0, entry }
    }

    /// Writes the bytes that are still in memory under the dot-name. Blocks.
    ///
    /// # Errors
    /// When the disk fails.
    pub(in crate::storage) fn write_to_disk(&mut self) -> Result<(), Error> {
        let Some(bytes) = self.held.take() else { return Ok(()) };
        let written = create_part(&self.dir, &self.part_name).and_then(|mut file| file.write_all(bytes.as_slice()));
        written.map_err(self.dir.failed("write", &self.part_name))
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
    ///
    /// # Errors
    /// [`Error::Foreign`] when another file has the name and may not be replaced; also when the disk fails.
    pub(in crate::storage) fn rename_into_place(&self, may_replace: bool) -> Result<(), Error> {
        failpoint::reached("synced");
        let (from, to) = (&self.part_name, self.entry.path());
        let renamed = if may_replace { self.dir.rename(from, to) } else { self.dir.rename_to_free_name(from, to) };
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::Foreign(self.dir.join(to))),
            renamed => renamed.map_err(self.dir.failed("rename", to))?,
        }
        if self.has_journal {
            // The commit log, or the manifest, proves the file now.
            let _ = self.dir.remove(&journal::journal_name(from));
        }
        failpoint::reached("renamed");
        Ok(())
    }

    /// The entry of a file that has its final name.
    pub(in crate::storage) fn into_entry(self) -> FileEntry {
        self.entry
    }
}
