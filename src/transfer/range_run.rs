//! One range while a worker downloads it: what is missing, what is reported, and whether its host slows down.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::Error;
use super::body_writer::{LONGER_THAN_DECLARED, TransferContext};
use crate::http::{self, Body};
use crate::integrity::digest::BlockHasher;
use crate::storage::{PositionedWriter, WrittenAhead, blocking};

/// How many bytes to collect before one call on a blocking thread.
const WRITE_BATCH: usize = 128 << 10;
/// How often a worker reports what it has written.
pub(super) const REPORT_INTERVAL: u64 = 2 << 20;
/// The bytes whose time is measured.
const PIECE: usize = 1 << 20;
/// A host slows down when a piece of a range takes this many times as long as the first one,
const SLOWDOWN: u32 = 8;
/// and at least this long.
const MIN_SLOW_PIECE: Duration = Duration::from_millis(100);

/// A range that a worker downloads.
pub(super) struct RangeRun {
    /// What is missing.
    pub rest: Range<u64>,
    /// The end of what is reported.
    reported: u64,
    /// Of the bytes that are written and not reported.
    hasher: BlockHasher,
    speed: PieceSpeed,
}

impl RangeRun {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { reported: range.start, hasher: BlockHasher::default(), speed: PieceSpeed::default(), rest: range }
    }

    /// Writes the next bytes.
    pub(super) async fn write(&mut self, writer: &PositionedWriter, chunks: Vec<Bytes>) -> Result<(), Error> {
        let (writer, mut offset, mut hasher) = (writer.clone(), self.rest.start, std::mem::take(&mut self.hasher));
        let written = blocking(move || {
            for chunk in &chunks {
                writer.write_at(chunk, offset).map_err(Error::Write)?;
                hasher.update(chunk);
                offset += chunk.len() as u64;
            }
            Ok::<_, Error>((hasher, offset))
        });
        (self.hasher, self.rest.start) = written.await?;
        Ok(())
    }

    pub(super) fn is_report_due(&self) -> bool {
        self.rest.start >= self.reported + REPORT_INTERVAL && !self.rest.is_empty()
    }

    /// What is written and not reported yet.
    pub(super) fn take_written(&mut self) -> WrittenAhead {
        let range = self.reported..self.rest.start;
        self.reported = range.end;
        WrittenAhead { range, hasher: std::mem::take(&mut self.hasher) }
    }

    /// Ends the range here. Returns what it lacks.
    pub(super) fn cut(&mut self) -> Range<u64> {
        let rest = self.rest.clone();
        self.rest.end = rest.start;
        rest
    }

    /// Counts bytes, and the time that it took to receive them.
    pub(super) fn count(&mut self, chunks: &[Bytes], waited: Duration) -> Option<Piece> {
        self.speed.count(chunks.iter().map(Bytes::len).sum(), waited)
    }
}

/// A piece that says something about its host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// The first one of its range, and how long it took.
    First(Duration),
    /// One that took much longer than the first one.
    Slow(Duration),
}

/// Compares how long the pieces of one range took.
#[derive(Default)]
struct PieceSpeed {
    /// The piece that is under way.
    waited: Duration,
    bytes: usize,
    first: Option<Duration>,
}

impl PieceSpeed {
    fn count(&mut self, bytes: usize, waited: Duration) -> Option<Piece> {
        self.waited += waited;
        self.bytes += bytes;
        if self.bytes < PIECE {
            return None;
        }
        let waited = std::mem::take(&mut self.waited);
        self.bytes = 0;
        match self.first {
            None => {
                self.first = Some(waited);
                Some(Piece::First(waited))
            }
            Some(first) => (waited > MIN_SLOW_PIECE.max(first * SLOWDOWN)).then_some(Piece::Slow(waited)),
        }
    }
}

/// Reads a batch of the `missing` bytes of `body`, after the `received` ones. Returns the fault that ended them early, too.
pub(super) async fn read_batch(
    body: &mut Body,
    received: u64,
    missing: u64,
    is_bounded: bool,
    context: &mut TransferContext<'_>,
) -> (Vec<Bytes>, Option<Error>) {
    let (mut chunks, mut size) = (Vec::new(), 0);
    let left = usize::try_from(missing).unwrap_or(usize::MAX);
    while size < left.min(WRITE_BATCH) {
        match context.next_chunk(body).await {
            Ok(Some(mut chunk)) => {
                if is_bounded && chunk.len() > left - size {
                    return (chunks, Some(Error::Http(http::Error::RangeMismatch(LONGER_THAN_DECLARED))));
                }
                chunk.truncate(left - size);
                size += chunk.len();
                chunks.push(chunk);
            }
            Ok(None) => {
                let (received, expected) = (received + size as u64, received + missing);
                return (chunks, Some(Error::Http(http::Error::Incomplete { received, expected })));
            }
            Err(fault) => return (chunks, Some(fault)),
        }
    }
    (chunks, None)
}

/// Checks that the body ends with its range. A body that continues has other bytes than it says.
pub(super) async fn expect_end(body: &mut Body, context: &mut TransferContext<'_>) -> Result<(), Error> {
    loop {
        return match context.next_chunk(body).await {
            // HTTP/2 can end a body with an empty frame.
            Ok(Some(chunk)) if chunk.is_empty() => continue,
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Error::Http(http::Error::RangeMismatch(LONGER_THAN_DECLARED))),
            // All bytes of the range arrived, and nothing after them: the range itself proves them.
            Err(Error::Http(_)) => Ok(()),
            Err(fault) => Err(fault),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_slows_down_when_a_piece_takes_much_longer_than_the_first() {
        for (pieces, is_slow) in [
            (&[10, 50, 99][..], false),
            (&[10, 101], true),
            (&[50, 399, 399], false),
            (&[50, 50, 401], true),
            (&[2000, 100, 100], false),
        ] {
            let mut run = RangeRun::new(0..8 << 20);
            let mut count = |piece| run.count(&[Bytes::from(vec![0; PIECE])], Duration::from_millis(piece));
            assert_eq!(count(pieces[0]), Some(Piece::First(Duration::from_millis(pieces[0]))));
            let found = pieces[1..].iter().filter_map(|piece| count(*piece)).count();
            assert_eq!(found == 1, is_slow, "{pieces:?}");
        }
    }
}
