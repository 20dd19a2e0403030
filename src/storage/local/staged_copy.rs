//! A copy of an archive's file that does not have its final name yet. The file is on a disk or in a bucket.
//!
//! It stands under a dot-name in the folder where it will be, so that a file never appears in part. The bytes are compared with
//! the recorded hash while they are copied; a reflink is compared by its size, because its bytes are not read. Dropped before it
//! has its name, it is removed; what a killed run leaves is removed by the next one.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
#[cfg(feature = "bucket")]
use std::sync::Arc;

use super::dir::{Dir, OpenMode};
use crate::integrity::digest::{Hasher, Sha256Hex, for_each_chunk, hash_reader};
use crate::storage::Error;
#[cfg(feature = "bucket")]
use crate::storage::object::read::BucketReader;

/// What the names of unfinished copies begin with.
pub(super) const PREFIX: &str = ".yescale-dl-copy.";

/// A file of the archive.
#[derive(Clone)]
pub(crate) struct CopySource {
    /// Its checked path, or its URL.
    pub path: PathBuf,
    /// In bytes, as recorded.
    pub size: u64,
    /// Of all its bytes, as recorded.
    pub sha256: Sha256Hex,
    /// Where it is in a bucket, if it is in one.
    #[cfg(feature = "bucket")]
    object: Option<(Arc<BucketReader>, String)>,
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

    /// A copy that has no bytes yet.
    pub(super) fn empty(dir: &Dir, target: &Path) -> Result<Self, Error> {
        let temp_name = unused_name();
        let file = dir.open(&temp_name, OpenMode::CreateNew).map_err(Error::io("create", target))?;
        Ok(Self { dir: dir.clone(), temp_name, target: target.to_owned(), file, is_published: false })
    }

    /// Makes it a plain copy again, whatever was written into it.
    ///
    /// # Errors
    /// As for a new copy.
    pub(crate) fn fill(&mut self, source: &CopySource) -> Result<(), Error> {
        #[cfg(feature = "bucket")]
        if source.object.is_some() {
            return Self::download_all(vec![(self, source)]).pop().unwrap_or(Ok(()));
        }
        let mut writer = self.begin()?;
        let size = for_each_chunk(source.open()?, |bytes| writer.write(bytes));
        size.map_err(|error| Error::Unreadable { path: source.path.clone(), source: error })?;
        writer.finish(source)
    }

    /// Fills copies of files that are in a bucket, many at once.
    #[cfg(feature = "bucket")]
    pub(super) fn download_all(copies: Vec<(&mut Self, &CopySource)>) -> Vec<Result<(), Error>> {
        let object = |source: &CopySource| source.object.clone().expect("the file is in a bucket");
        let Some((reader, _)) = copies.first().map(|(_, source)| object(source)) else { return Vec::new() };
        let downloads = copies.into_iter().map(|(copy, source)| {
            let (reader, relative) = object(source);
            async move {
                let mut writer = copy.begin()?;
                match reader.for_each_chunk(&relative, |bytes| writer.write(bytes)).await? {
                    true => writer.finish(source),
                    false => Err(Error::Missing(source.path.clone())),
                }
            }
        });
        reader.run_all(downloads)
    }

    /// Drops its bytes, and begins to write others.
    fn begin(&mut self) -> Result<CopyWriter<'_>, Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(Error::io("write", &self.target))?;
        Ok(CopyWriter { file: &mut self.file, target: &self.target, hasher: Hasher::default(), written: Ok(()) })
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

    /// Gives it the time of its source. An object has only the time of its upload.
    ///
    /// # Errors
    /// When the disk keeps no such times.
    pub(crate) fn copy_time(&self, source: &CopySource) -> io::Result<()> {
        if !source.is_on_disk() {
            return Ok(());
        }
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

/// Writes and hashes the bytes of a copy.
struct CopyWriter<'a> {
    file: &'a mut File,
    target: &'a Path,
    hasher: Hasher,
    written: io::Result<()>,
}

impl CopyWriter<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if self.written.is_ok() {
            self.written = self.file.write_all(bytes);
        }
    }

    /// Makes sure that the bytes were written and are those of `source`.
    fn finish(self, source: &CopySource) -> Result<(), Error> {
        self.written.map_err(Error::io("write", self.target))?;
        if self.hasher.finish() == source.sha256 { Ok(()) } else { Err(Error::Damaged(source.path.clone())) }
    }
}

impl CopySource {
    /// A file on a disk.
    pub(in crate::storage) fn new(path: PathBuf, size: u64, sha256: Sha256Hex) -> Self {
        #[cfg(feature = "bucket")]
        let source = Self { path, size, sha256, object: None };
        #[cfg(not(feature = "bucket"))]
        let source = Self { path, size, sha256 };
        source
    }

    /// The same, for an object at `relative` in a bucket.
    #[cfg(feature = "bucket")]
    pub(in crate::storage) fn in_bucket(self, bucket: Arc<BucketReader>, relative: String) -> Self {
        Self { object: Some((bucket, relative)), ..self }
    }

    /// Whether it is on a disk, and not in a bucket.
    #[must_use]
    pub(crate) fn is_on_disk(&self) -> bool {
        #[cfg(feature = "bucket")]
        let is_on_disk = self.object.is_none();
        #[cfg(not(feature = "bucket"))]
        let is_on_disk = true;
        is_on_disk
    }

    /// Opens it; only on a disk.
    ///
    /// # Errors
    /// When it can't be read.
    fn open(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(|source| Error::Unreadable { path: self.path.clone(), source })
    }
}

/// A name that no other file has.
fn unused_name() -> String {
    format!("{PREFIX}{:016x}", fastrand::u64(..))
}
