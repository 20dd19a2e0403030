//! A file that has all its bytes: their number and hash are final. [`Sealed::into_staged`] gives it its entry.
//!
//! It is not durable yet, and a small one is not on the disk yet.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::time::SystemTime;

use super::Part;
use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::FileEntry;
use crate::integrity::digest::Sha256Hex;
use crate::storage::Error;
use crate::storage::local::dir::OpenMode;
use crate::storage::staging::staged_file::StagedFile;

/// A file that has all its bytes.
pub(crate) struct Sealed {
    part: Part,
    sha256: Sha256Hex,
}

impl Part {
    /// Ends the file: no more bytes are written to it.
    #[must_use]
    pub(crate) fn seal(self) -> Sealed {
        Sealed { sha256: self.prefix.hasher.clone().finish(), part: self }
    }
}

impl Sealed {
    /// In bytes.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        self.part.size()
    }

    /// Of all bytes.
    #[must_use]
    pub(crate) fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// The first bytes, and whether they are the whole file.
    #[must_use]
    pub(crate) fn head(&self) -> (&[u8], bool) {
        let head = &self.part.prefix.head;
        (head, self.size() == head.len() as u64)
    }

    /// A reader of the file.
    ///
    /// # Errors
    /// When it can't be opened again.
    pub(crate) fn reader(&self) -> io::Result<SealedReader<'_>> {
        Ok(match self.part.held() {
            Some(bytes) => SealedReader::Memory(Cursor::new(bytes)),
            None => SealedReader::File(self.part.dir.open(&self.part.name, OpenMode::Read)?),
        })
    }

    /// Removes the file, because a check refused it.
    pub(crate) fn discard(self) {
        self.part.discard();
    }

    /// Makes the entry of the file: the asset `key`, to be called `name`. Sets the modification time to `modified`.
    ///
    /// # Errors
    /// When the disk fails; the bytes are then removed.
    pub(in crate::storage) fn into_staged(
        mut self,
        key: AssetKey,
        name: &str,
        modified: Option<SystemTime>,
    ) -> Result<StagedFile, Error> {
        let mut entry = FileEntry::new(key, name, self.size(), self.sha256.clone());
        if modified.is_some() {
            let path = self.part.dir.join(&self.part.name);
            self.part.open().map_err(Error::io("write", &path))?;
        }
        let (dir, part_name) = (self.part.dir.clone(), self.part.name.clone());
        if let Some(held) = self.part.held.take() {
            return Ok(StagedFile::in_memory(dir, part_name, held, entry));
        }
        if let Err(error) = self.part.write_back.finish() {
            // After a failed sync the content of the disk is unknown, whatever reading it back returns.
            self.part.discard();
            return Err(dir.failed("write", &part_name)(error));
        }
        if let (Some(file), Some(time)) = (&self.part.file, modified)
            && let Err(error) = file.set_modified(time)
        {
            // Some file systems keep no times, or let only the owner set them. The file is complete all the same.
            entry.warnings.push(format!("can't set its time: {error}"));
        }
        // Dropping the part must not remove the file. Its journal is removed when a durable record replaces it.
        self.part.file = None;
        Ok(StagedFile::new(dir, part_name, self.part.checkpointed > 0, self.part.earlier_bytes.get(), entry))
    }
}

/// Reads a file that is on the disk or still in memory.
pub(crate) enum SealedReader<'a> {
    File(File),
    Memory(Cursor<&'a [u8]>),
}

impl Read for SealedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for SealedReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Memory(bytes) => bytes.seek(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::domain::asset_key::Kind;
    use crate::storage::staging::journal::HEAD_SIZE;
    use crate::storage::staging::part::tests::begun;

    #[test]
    fn seal_hashes_counts_and_keeps_the_head() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.write_all(&[7; HEAD_SIZE - 1]).unwrap();
        part.write_all(b"abc").unwrap();
        let sealed = part.seal();
        assert_eq!(sealed.size(), HEAD_SIZE as u64 + 2);
        assert_eq!(sealed.head().0.len(), HEAD_SIZE);
        assert!(!sealed.head().1);
        let whole = [&[7; HEAD_SIZE - 1][..], b"abc"].concat();
        let key = AssetKey { kind: Kind::Video, index: 1 };
        let staged = sealed.into_staged(key, "video-1.mp4", None).unwrap();
        assert_eq!(staged.entry().sha256(), &Sha256Hex::digest(&whole));
        assert_eq!(std::fs::read(staged.path()).unwrap(), whole);
    }
}
