//! A copy of an archive's file that does not have its final name yet.
//!
//! It stands under a dot-name in the folder where it will be, so that a file never appears in part. The bytes are compared with
//! the recorded hash while they are copied; a reflink is compared by its size, because its bytes are not read. Dropped before it
//! has its name, it is removed; what a killed run leaves is removed by the next one.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::dir::{Dir, OpenMode};
use crate::integrity::digest::{Hasher, Sha256Hex, for_each_chunk, hash_reader};
use crate::storage::Error;

/// What the names of unfinished copies begin with.
pub(super) const PREFIX: &str = ".yescale-dl-copy.";

/// A file of the archive.
#[derive(Clone, Debug)]
pub(crate) struct CopySource {
    /// Its checked path.
    pub path: PathBuf,
    /// In bytes, as recorded.
    pub size: u64,
    /// Of all its bytes, as recorded.
    pub sha256: Sha256Hex,
}

/// The copy.
pub(crate) struct StagedCopy {
    dir: Dir,
    temp_name: String,
    /// Where it will be, for messages.
    target: PathBuf,
    file: File,
    is_published: bool,
}

impl StagedCopy {
    /// Makes a reflink; none where the disk can't.
    pub(super) fn reflink(dir: &Dir, target: &Path, source: &CopySource) -> Result<Option<Self>, Error> {
        let original = source.open()?;
        let temp_name = unused_name();
        let made = dir.reflink(&original, &temp_name).map_err(Error::io("create", target))?;
        let Some(file) = made else { return Ok(None) };
        let copy = Self { dir: dir.clone(), temp_name, target: target.to_owned(), file, is_published: false };
        let size = copy.file.metadata().map_err(Error::io("read", target))?.len();
        if size == source.size { Ok(Some(copy)) } else { Err(Error::Damaged(source.path.clone())) }
    }

    /// Copies the bytes.
    pub(super) fn copy(dir: &Dir, target: &Path, source: &CopySource) -> Result<Self, Error> {
        let temp_name = unused_name();
        let file = dir.open(&temp_name, OpenMode::CreateNew).map_err(Error::io("create", target))?;
        let mut copy = Self { dir: dir.clone(), temp_name, target: target.to_owned(), file, is_published: false };
        copy.fill(source)?;
        Ok(copy)
    }

    /// Makes it a plain copy again, whatever was written into it.
    ///
    /// # Errors
    /// As for a new copy.
    pub(crate) fn fill(&mut self, source: &CopySource) -> Result<(), Error> {
        let write_error = |error| Error::io("write", &self.target)(error);
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(write_error)?;
        let (mut hasher, mut written) = (Hasher::default(), Ok(()));
        let target = &mut self.file;
        let size = for_each_chunk(source.open()?, |bytes| {
            hasher.update(bytes);
            if written.is_ok() {
                written = target.write_all(bytes);
            }
        });
        size.map_err(|error| Error::Unreadable { path: source.path.clone(), source: error })?;
        written.map_err(write_error)?;
        if hasher.finish() == source.sha256 { Ok(()) } else { Err(Error::Damaged(source.path.clone())) }
    }

    /// The copy, to write tags into.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// The hash of its bytes.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn hash(&mut self) -> Result<Sha256Hex, Error> {
        let hashed = self.file.seek(SeekFrom::Start(0)).and_then(|_| hash_reader(&self.file));
        hashed.map(|(sha256, _)| sha256).map_err(Error::io("read", &self.target))
    }

    /// Gives it the time of its source.
    ///
    /// # Errors
    /// When the disk keeps no such times.
    pub(crate) fn copy_time(&self, source: &CopySource) -> io::Result<()> {
        let time = source.open().map_err(|error| io::Error::other(error.message()))?.metadata()?.modified()?;
        self.file.set_modified(time)
    }

    /// Where it is until it has its name.
    pub(super) fn path(&self) -> PathBuf {
        self.dir.join(&self.temp_name)
    }

    /// Gives it the name `name` in its folder, when `synced` says that it is durable. False when that is taken: nothing is
    /// replaced.
    pub(super) fn publish(&mut self, name: &str, synced: io::Result<()>) -> Result<bool, Error> {
        synced.map_err(Error::io("sync", &self.target))?;
        match self.dir.rename_new(&self.temp_name, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            renamed => {
                renamed.map_err(Error::io("create", &self.target))?;
                self.is_published = true;
                Ok(true)
            }
        }
    }
}

impl Drop for StagedCopy {
    fn drop(&mut self) {
        if !self.is_published {
            // What can't be removed now is removed by the next run.
            let _ = self.dir.remove(&self.temp_name);
        }
    }
}

impl CopySource {
    /// Opens it.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn open(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(|source| Error::Unreadable { path: self.path.clone(), source })
    }
}

/// A name that no other file has.
fn unused_name() -> String {
    format!("{PREFIX}{:016x}", fastrand::u64(..))
}
