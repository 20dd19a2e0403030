//! A new version of a small file, complete under a dot-name beside the old one, until it gets its final name.

use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;

use super::dir::{Dir, OpenMode};
use super::recent_commits::FileIdentity;
use super::synced_disk;
use crate::storage::Error;

/// A new version of a file, under a dot-name. When it never gets its final name, the next writer of the folder removes it.
/// Until then it can be the only record of files that have their final names already.
#[must_use]
pub(super) struct PendingReplace {
    dir: Dir,
    temp_name: String,
    name: String,
    identity: Option<FileIdentity>,
}

impl PendingReplace {
    pub(super) fn new(dir: Dir, temp_name: String, name: &str) -> Self {
        Self { dir, temp_name, name: name.to_owned(), identity: None }
    }

    /// The same, with the identity of the complete file.
    pub(super) fn with_identity(self, identity: Option<FileIdentity>) -> Self {
        Self { identity, ..self }
    }

    /// The identity of the file, which it keeps under its final name.
    pub(super) fn identity(&self) -> Option<FileIdentity> {
        self.identity
    }

    /// The final name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The path under the dot-name.
    pub(super) fn temp_path(&self) -> PathBuf {
        self.dir.join(&self.temp_name)
    }

    /// Takes the place of the old version, unless that has the same bytes. Whether the file changed.
    pub(super) fn replace_old(self) -> Result<bool, Error> {
        // An old version that can't be read is replaced.
        let is_changed = !self.is_like_old().unwrap_or(false);
        self.replace_old_if(is_changed)
    }

    /// As [`Self::replace_old`], where the caller knows whether the old version has the same bytes.
    pub(super) fn replace_old_if(self, is_changed: bool) -> Result<bool, Error> {
        if is_changed {
            return self.sync_and_rename().map(|()| true);
        }
        self.discard();
        // A run that was killed may have left it without a sync.
        synced_disk::sync(&self.dir.join(&self.name)).map_err(self.dir.failed("sync", &self.name)).map(|()| false)
    }

    /// Removes the old version: this one is empty. Whether there was one.
    pub(super) fn remove_old(self) -> Result<bool, Error> {
        self.discard();
        let old = self.dir.join(&self.name);
        let was_there = self.dir.stat(&self.name).map_err(Error::io("read", &old))?.is_some();
        self.dir.remove(&self.name).map_err(Error::io("remove", &old))?;
        Ok(was_there)
    }

    /// Whether it has no bytes.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        let found = self.dir.stat(&self.temp_name).map_err(self.dir.failed("read", &self.temp_name))?;
        Ok(found.is_some_and(|found| found.size == 0))
    }

    /// Whether the old version has the same bytes.
    fn is_like_old(&self) -> io::Result<bool> {
        let (old, new) = (self.dir.stat(&self.name)?, self.dir.stat(&self.temp_name)?);
        if !old.zip(new).is_some_and(|(old, new)| old.is_file && old.size == new.size) {
            return Ok(false);
        }
        let open = |name: &str| self.dir.open(name, OpenMode::Read).map(|file| BufReader::with_capacity(64 << 10, file));
        let (mut old, mut new) = (open(&self.name)?, open(&self.temp_name)?);
        loop {
            let (one, other) = (old.fill_buf()?, new.fill_buf()?);
            let length = one.len().min(other.len());
            if length == 0 || one[..length] != other[..length] {
                return Ok(one.is_empty() && other.is_empty());
            }
            old.consume(length);
            new.consume(length);
        }
    }

    /// Makes it durable and gives it the final name.
    pub(super) fn sync_and_rename(self) -> Result<(), Error> {
        let synced = synced_disk::sync(&self.temp_path()).map_err(self.dir.failed("sync", &self.name));
        synced.and_then(|()| self.rename_into_place()).inspect_err(|_| self.discard())
    }

    /// Gives it the final name, in place of the old version.
    pub(super) fn rename_into_place(&self) -> Result<(), Error> {
        self.dir.rename(&self.temp_name, &self.name).map_err(self.dir.failed("replace", &self.name))
    }

    /// Gives it the final name, which no file has yet.
    ///
    /// # Errors
    /// [`Error::Foreign`] when a file has the name.
    pub(super) fn rename_to_free_name(&self) -> Result<(), Error> {
        match self.dir.rename_to_free_name(&self.temp_name, &self.name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Foreign(self.dir.join(&self.name))),
            renamed => renamed.map_err(self.dir.failed("create", &self.name)),
        }
    }

    /// Removes it.
    pub(super) fn discard(&self) {
        // What can't be removed now is removed by the next writer of the folder.
        let _ = self.dir.remove(&self.temp_name);
    }
}
