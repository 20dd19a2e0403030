//! A new version of a small file while it is written, under a dot-name beside the old one.
//!
//! Parts of it can be copied from the old version. A long part is copied by the system: on Linux with `copy_file_range`, which
//! shares the bytes where the file system can, and needs no pass through this program elsewhere. A version that is dropped before
//! it is complete is removed; one that a killed process leaves is removed by the next writer of the folder.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;

use super::atomic;
use super::dir::{Dir, OpenMode};
use super::pending_replace::PendingReplace;
use super::recent_commits::FileIdentity;
use crate::layout::MANIFEST;
use crate::storage::staging::positioned;
use crate::storage::{Error, failpoint};

/// A longer part is copied by the system, a shorter one with what is written before and behind it.
const SHORT: u64 = 128 << 10;

/// A file under a dot-name that is not complete.
#[must_use]
pub(super) struct NewFile {
    /// None once the file is complete, and in place of a version that is removed.
    pending: Option<PendingReplace>,
    writer: Option<BufWriter<File>>,
}

impl NewFile {
    /// Creates a new version of `name` in `dir`.
    pub(super) fn create(dir: &Dir, name: &str) -> Result<Self, Error> {
        let (temp_name, file) = atomic::create_temporary(dir, name, OpenMode::CreateNew).map_err(dir.failed("create", name))?;
        let pending = PendingReplace::new(dir.clone(), temp_name, name);
        Ok(Self { pending: Some(pending), writer: Some(BufWriter::new(file)) })
    }

    /// Copies these bytes of `old`. The cursor of `old` is moved.
    ///
    /// # Errors
    /// `UnexpectedEof` when `old` is shorter, or the error of one of the files.
    pub(super) fn copy(&mut self, mut old: &File, bytes: Range<u64>) -> io::Result<()> {
        let len = bytes.end.saturating_sub(bytes.start);
        let writer = self.writer()?;
        let copied = if len < SHORT {
            let mut result = Ok(());
            let end = positioned::read_range(old, bytes.start, bytes.end, |block| {
                if result.is_ok() {
                    result = writer.write_all(block);
                }
            })?;
            result.map(|()| end.saturating_sub(bytes.start))?
        } else {
            writer.flush()?;
            old.seek(SeekFrom::Start(bytes.start))?;
            io::copy(&mut io::Read::take(old, len), writer.get_mut())?
        };
        if copied < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Completes the file. It still has its dot-name.
    pub(super) fn finish(mut self) -> io::Result<PendingReplace> {
        let writer = self.writer()?;
        writer.flush()?;
        let identity = FileIdentity::of(writer.get_ref())?;
        self.close();
        let pending = self.pending.take().ok_or(io::ErrorKind::NotFound)?.with_identity(identity);
        failpoint::reached(if pending.name() == MANIFEST { "manifest-temporary" } else { "other-temporary" });
        Ok(pending)
    }

    fn writer(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.writer.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Closes the file without a write. Some systems can't remove an open file.
    fn close(&mut self) {
        drop(self.writer.take().map(BufWriter::into_parts));
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer()?.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        self.close();
        if let Some(pending) = &self.pending {
            pending.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_old_file_are_copied_in_any_length() {
        let folder = tempfile::tempdir().unwrap();
        let old: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(folder.path().join("a"), &old).unwrap();
        let file = File::open(folder.path().join("a")).unwrap();
        let mut new = NewFile::create(&Dir::at(folder.path()), "a").unwrap();
        let parts = [3..3, 10..20, 5..700_000, 999_999..1_000_000, 0..1_000_000];
        let mut expected = Vec::new();
        for part in parts {
            new.write_all(b"-").unwrap();
            new.copy(&file, part.clone()).unwrap();
            expected.push(b'-');
            expected.extend(&old[usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap()]);
        }
        // Some systems can't replace a file that is open.
        drop(file);
        new.finish().unwrap().sync_and_rename().unwrap();
        assert!(std::fs::read(folder.path().join("a")).unwrap() == expected);
    }

    #[test]
    fn old_file_that_ends_early_is_an_error_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), vec![7; 300_000]).unwrap();
        let file = File::open(folder.path().join("a")).unwrap();
        for part in [299_999..300_001, 0..300_001, 400_000..800_000] {
            let mut new = NewFile::create(&Dir::at(folder.path()), "a").unwrap();
            assert_eq!(new.copy(&file, part).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            drop(new);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}
