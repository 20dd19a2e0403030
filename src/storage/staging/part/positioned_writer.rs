//! Writes bytes of a part at their offsets, from several connections, beyond the prefix that is hashed in order.
//!
//! Each connection reports what it has written ([`WrittenAhead`]). Where those bytes reach the prefix, it advances over them by
//! reading them back. Where a gap is left, the hash that the connection took of them goes to the journal, so that a process that
//! is killed does not lose them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::Part;
use crate::integrity::digest::BlockHasher;
use crate::storage::staging::journal::Block;
use crate::storage::staging::positioned;

/// Writes beyond the hashed prefix of a part. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PositionedWriter(Arc<File>);

impl PositionedWriter {
    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        positioned::write_all_at(&self.0, bytes, offset)
    }
}

/// Bytes that one connection has written.
pub(crate) struct WrittenAhead {
    pub range: Range<u64>,
    /// Proves them. Without it, a process that is killed loses them, if there is a gap before them.
    pub hasher: Option<BlockHasher>,
}

impl Part {
    /// A writer for bytes beyond the hashed prefix.
    ///
    /// # Errors
    /// When the file can't be created.
    pub(crate) fn positioned_writer(&mut self) -> io::Result<PositionedWriter> {
        Ok(PositionedWriter(Arc::clone(self.open()?)))
    }

    /// Adds what positioned writers have written, and advances the hashed prefix as far as there is no gap.
    ///
    /// # Errors
    /// When the bytes can't be read back, or the journal can't be written.
    pub(crate) fn add_written(&mut self, written: Vec<WrittenAhead>) -> io::Result<()> {
        for written in &written {
            self.ahead.insert(written.range.clone());
        }
        self.pass_written()?;
        let Some(journal) = &mut self.journal else { return Ok(()) };
        for WrittenAhead { range, hasher } in written {
            if let Some(hasher) = hasher.filter(|_| range.end > self.prefix.size) {
                let (from, size) = (range.start, range.end - range.start);
                journal.add_block(Block { from, size, xxh3: hasher.finish() })?;
            }
        }
        Ok(())
    }

    /// Advances the hashed prefix over what is written behind it without a gap.
    pub(super) fn pass_written(&mut self) -> io::Result<()> {
        let to = self.ahead.end_after(self.prefix.size);
        if to == self.prefix.size {
            return Ok(());
        }
        let file = Arc::clone(self.open()?);
        if positioned::read_range(&file, self.prefix.size, to, |block| self.prefix.update(block))? < to {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.ahead.remove_before(to);
        self.checkpoint()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::integrity::digest::Sha256Hex;
    use crate::storage::staging::part::tests::{begun, resume, version};

    fn unproven(range: Range<u64>) -> WrittenAhead {
        WrittenAhead { range, hasher: None }
    }

    #[test]
    fn bytes_written_ahead_are_hashed_on_advance() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.set_version(version()).unwrap();
        part.write_all(b"ab").unwrap();
        let ahead = part.positioned_writer().unwrap();
        ahead.write_at(b"ef", 4).unwrap();
        part.add_written(vec![unproven(4..6)]).unwrap();
        assert_eq!((part.size(), part.written()), (2, 4));
        ahead.write_at(b"cd", 2).unwrap();
        part.add_written(vec![unproven(2..4)]).unwrap();
        assert_eq!((part.size(), part.written()), (6, 6));
        assert!(part.add_written(vec![unproven(6..7)]).is_err(), "bytes that were never written can't be read back");
        part.ahead.clear();
        part.write_all(b"g").unwrap();
        assert_eq!(part.seal().sha256(), &Sha256Hex::digest(b"abcdefg"));
    }

    #[test]
    fn bytes_ahead_of_the_hashed_prefix_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".video-1.part");
        let mut part = begun(folder.path());
        part.set_version(version()).unwrap();
        part.write_all(b"ab").unwrap();
        part.positioned_writer().unwrap().write_at(b"ef", 4).unwrap();
        drop(part);
        assert_eq!(resume(folder.path()).size(), 2);
        assert_eq!(fs::read(path).unwrap(), b"ab");
    }
}
