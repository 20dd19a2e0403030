//! What stands between a hostile file and the readers of containers.
//!
//! A reader sees only what is behind the tags, and gets so many bytes, whatever sizes it is told: then every read and
//! seek is an error, and the length unknown. A seek costs too, so that none leads in circles.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// What a seek or a read costs beside its bytes.
const OPERATION_COST: u64 = 128;

/// A file from `start` on, of which a budget may be read.
pub(super) struct BoundedReader<S> {
    source: S,
    start: u64,
    length: u64,
    budget: u64,
}

impl<S> BoundedReader<S> {
    /// This part of `source`, which may be moved about in and read for `budget` bytes.
    pub(super) fn new(source: S, part: Range<u64>, budget: u64) -> Self {
        Self { source, start: part.start, length: part.end.saturating_sub(part.start), budget }
    }

    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn spend(&mut self, cost: u64) -> io::Result<()> {
        self.budget = self.budget.checked_sub(cost).ok_or_else(|| io::Error::other("the container leads nowhere"))?;
        Ok(())
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
