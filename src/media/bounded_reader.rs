//! Limits what the readers of containers can read of a hostile file.
//!
//! A container reader sees only a part of the file and has a budget, whatever sizes the container claims. When the budget is
//! spent, each read and seek is an error, and nothing is known. Seeks cost, too, so that a reader can't loop forever.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// The cost of a seek, and of a read beside its bytes.
const OPERATION_COST: u64 = 128;
/// The most memory that is reserved before any byte was read.
const MAX_CAPACITY: usize = 8 << 10;

/// A part of a file, with a read budget.
pub(super) struct BoundedReader<S> {
    source: S,
    start: u64,
    length: u64,
    budget: u64,
}

impl<S> BoundedReader<S> {
    /// The given part of `source`. Reads and seeks together may cost `budget` bytes.
    pub(super) fn new(source: S, part: Range<u64>, budget: u64) -> Self {
        Self { source, start: part.start, length: part.end.saturating_sub(part.start), budget }
    }

    /// The length of the part in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn spend(&mut self, cost: u64) -> io::Result<()> {
        self.budget = self.budget.checked_sub(cost).ok_or_else(|| io::Error::other("the read budget is spent"))?;
        Ok(())
    }
}

impl<S: Read + Seek> BoundedReader<S> {
    /// The bytes at `position`; `None` when the part ends before.
    pub(super) fn array_at<const N: usize>(&mut self, position: u64) -> io::Result<Option<[u8; N]>> {
        if position.checked_add(N as u64).is_none_or(|end| end > self.length) {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.seek(SeekFrom::Start(position))?;
        self.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Up to `count` bytes at `position`; fewer where the part ends before.
    pub(super) fn prefix_at(&mut self, position: u64, count: usize) -> io::Result<Vec<u8>> {
        let count = self.length.saturating_sub(position).min(count as u64);
        // A reader without a buffer would otherwise be asked for a few bytes at a time.
        let mut bytes = Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX).min(MAX_CAPACITY));
        if count > 0 {
            self.seek(SeekFrom::Start(position))?;
            self.take(count).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }
}

impl<S: Read> Read for BoundedReader<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.spend(u64::try_from(count).unwrap_or(u64::MAX).saturating_add(OPERATION_COST))?;
        Ok(count)
    }
}

impl<S: Seek> Seek for BoundedReader<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.spend(OPERATION_COST)?;
        let to = match to {
            SeekFrom::Start(position) => SeekFrom::Start(self.start.saturating_add(position)),
            relative => relative,
        };
        self.source.seek(to)?.checked_sub(self.start).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }
}

impl<S: Read + Seek + Send + Sync> MediaSource for BoundedReader<S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
