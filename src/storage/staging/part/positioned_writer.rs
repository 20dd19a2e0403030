//! Writes bytes of a part at their offsets, from several connections, beyond the prefix that is hashed in order.
//!
//! Each connection reports what it has written ([`WrittenAhead`]). The hash that it took of these bytes goes to the journal, so
//! that a process that is killed does not lose them, even with a gap before them. Where they reach the prefix, it advances over
//! them by reading them back.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::Part;
use crate::integrity::digest::BlockHasher;
use crate::storage::staging::journal::Block;
use crate::storage::staging::positioned;

/// How many bytes the prefix advances at once.
const MAX_STEP: u64 = 8 << 20;

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
    /// Has hashed them, which proves them in the journal.
    pub hasher: BlockHasher,
}

impl Part {
    /// A writer for bytes beyond the hashed prefix.
    ///
    /// # Errors
    /// When the file can't be created.
    pub(crate) fn positioned_writer(&mut self) -> io::Result<PositionedWriter> {
        Ok(PositionedWriter(Arc::clone(self.open()?)))
    }

    /// Adds what positioned writers have written: their proofs go to the journal.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub(crate) fn add_written(&mut self, written: Vec<WrittenAhead>) -> io::Result<()> {
        for WrittenAhead { range, hasher } in written {
            if let Some(journal) = self.journal.as_mut().filter(|_| !range.is_empty()) {
                let (from, size) = (range.start, range.end - range.start);
                if let Err(error) = journal.add_block(Block { from, size, xxh3: hasher.finish() }) {
                    // On a full disk a part that can't be written takes the room of all others: it is removed.
                    self.journal = None;
                    return Err(error);
                }
            }
            self.ahead.insert(range);
        }
        Ok(())
    }

    /// Whether the hashed prefix can advance: what follows it is written.
    #[must_use]
    pub(crate) fn can_advance(&self) -> bool {
        self.ahead.end_after(self.prefix.size) > self.prefix.size
    }

    /// Advances the hashed prefix over what is written behind it without a gap, by at most [`MAX_STEP`]. So the caller is
    /// back soon, and proofs do not have to wait.
    ///
    /// # Errors
    /// When the bytes can't be read back.
    pub(crate) fn advance(&mut self) -> io::Result<()> {
        let to = self.ahead.end_after(self.prefix.size).min(self.prefix.size + MAX_STEP);
        let file = Arc::clone(self.open()?);
        let read = positioned::read_range(&file, self.prefix.size, to, |block| self.prefix.update(block));
        if let Err(error) = read.and_then(|read| if read < to { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }) {
            // What can't be read back is not continued.
            self.journal = None;
            return Err(error);
        }
        self.ahead.cut_before(to);
        self.checkpoint()
    }

    /// As [`Part::advance`], as far as possible.
    ///
    /// # Errors
    /// When the bytes can't be read back.
    pub(crate) fn pass_all_written(&mut self) -> io::Result<()> {
        while self.can_advance() {
            self.advance()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::storage::staging::part::tests::{begun, resume, version};

    fn written(range: Range<u64>) -> WrittenAhead {
        WrittenAhead { range, hasher: BlockHasher::default() }
    }

    #[test]
    fn bytes_written_ahead_are_hashed_on_advance() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.set_version(version()).unwrap();
        part.write_all(b"ab").unwrap();
        let ahead = part.positioned_writer().unwrap();
        ahead.write_at(b"ef", 4).unwrap();
        part.add_written(vec![written(4..6)]).unwrap();
        assert!(!part.can_advance());
        assert_eq!((part.size(), part.written()), (2, 4));
        ahead.write_at(b"cd", 2).unwrap();
        part.add_written(vec![written(2..4)]).unwrap();
        part.pass_all_written().unwrap();
        assert_eq!((part.size(), part.written()), (6, 6));
        part.write_all(b"g").unwrap();
        assert_eq!(part.size(), 7);
        part.add_written(vec![written(7..8)]).unwrap();
        assert!(part.advance().is_err(), "bytes that were never written can't be read back");
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
