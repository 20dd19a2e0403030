//! One large file over several connections.
//!
//! The file is cut into pieces of [`PIECE`] bytes, which lanes claim in file order and write at
//! their place; the front follows and hashes them while they are still in memory. No lane runs
//! further ahead of the front than the window allows, so that a kill costs at most 4 MiB a
//! connection, and memory does not grow with the file. Every range is proven as it comes; a lane
//! whose host changes its mind ends them all, and the caller decides what the part is still worth.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Error;
use super::body_writer::{LONGER_THAN_DECLARED, TransferContext};
use crate::domain::event::Counter;
use crate::http::retry::{RetryPolicy, RetryState};
use crate::http::{self, Body, MediaClient, RangeRequest};
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::{Part, PositionedWriter, blocking};

/// What a lane fetches at once.
pub(super) const SEGMENT_SIZE: u64 = 2 << 20;
/// Pieces that may be under way or ahead of the front, for each lane.
const SEGMENTS_PER_CONNECTION: usize = 2;
/// Bytes that are worth a hop.
const WRITE_BATCH: usize = 128 << 10;

/// What the lanes of one file share.
pub(super) struct SegmentedDownload {
    pub media: MediaClient,
    pub url: Url,
    pub version: RemoteVersion,
    pub total: u64,
    pub policy: RetryPolicy,
    pub meters: Vec<Counter>,
    pub stop: CancellationToken,
}

/// Pours everything from the part's front on over `count` connections: `first` has the front's bytes, `second` those a
/// piece later. To the end, or until the fault that is given back with what came.
pub(super) async fn download_segments(
    lanes: SegmentedDownload,
    mut part: Part,
    first: Body,
    second: Body,
    count: usize,
) -> Result<(Part, Option<Error>), Error> {
    let front = part.size();
    let (done, mut pieces) = mpsc::unbounded_channel();
    let shared = Arc::new(SegmentState {
        next_offset: AtomicU64::new(front + 2 * SEGMENT_SIZE),
        window: Semaphore::new(count * SEGMENTS_PER_CONNECTION - 2),
        writer: part.positioned_writer().map_err(Error::Write)?,
        done,
        download: lanes,
    });
    let mut running = JoinSet::new();
    let given = [(first, front..front + SEGMENT_SIZE), (second, front + SEGMENT_SIZE..front + 2 * SEGMENT_SIZE)];
    for begun in given.into_iter().map(Some).chain(std::iter::repeat_with(|| None)).take(count) {
        running.spawn(Arc::clone(&shared).run_worker(begun));
    }
    let mut ahead = BTreeSet::new();
    let mut fault = None;
    while part.size() < shared.download.total && fault.is_none() {
        tokio::select! {
            biased;
            Some((from, to)) = pieces.recv() => {
                ahead.insert((from, to));
                let to = advance_front(&mut ahead, part.size());
                if to > part.size() {
                    let passed = usize::try_from((to - part.size()).div_ceil(SEGMENT_SIZE)).unwrap_or(1);
                    part = blocking(move || part.advance(to).map_err(Error::Write).map(|()| part)).await?;
                    shared.window.add_permits(passed);
                }
            }
            Some(ended) = running.join_next() => fault = ended.unwrap_or_else(|_| Err(worker_panicked())).err(),
            else => fault = Some(worker_panicked()),
        }
    }
    running.shutdown().await;
    Ok((part, fault))
}

/// A lane that did not end as lanes do.
fn worker_panicked() -> Error {
    Error::Write(std::io::Error::other("a connection's writer broke down"))
}

/// Where the front gets to with the pieces ahead of it, which it takes out.
fn advance_front(ahead: &mut BTreeSet<(u64, u64)>, mut front: u64) -> u64 {
    while let Some(&(from, to)) = ahead.first().filter(|(from, _)| *from <= front) {
        ahead.remove(&(from, to));
        front = front.max(to);
    }
    front
}

struct SegmentState {
    download: SegmentedDownload,
    next_offset: AtomicU64,
    window: Semaphore,
    writer: PositionedWriter,
    done: mpsc::UnboundedSender<(u64, u64)>,
}

impl SegmentState {
    /// Fetches the piece that is begun, then claims others until there are none.
    async fn run_worker(self: Arc<Self>, begun: Option<(Body, Range<u64>)>) -> Result<(), Error> {
        if let Some((body, piece)) = begun {
            self.fetch_segment(piece, Some(body)).await?;
        }
        while let Some(piece) = self.claim_segment().await {
            self.fetch_segment(piece, None).await?;
        }
        Ok(())
    }

    async fn claim_segment(&self) -> Option<Range<u64>> {
        self.window.acquire().await.ok()?.forget();
        let from = self.next_offset.fetch_add(SEGMENT_SIZE, Ordering::Relaxed);
        (from < self.download.total).then(|| from..(from + SEGMENT_SIZE).min(self.download.total))
    }

    async fn fetch_segment(&self, whole: Range<u64>, mut body: Option<Body>) -> Result<(), Error> {
        let mut piece = whole.clone();
        let mut attempts = RetryState::new(self.download.policy);
        while !piece.is_empty() {
            let start = piece.start;
            let error = match self.fetch_some(&mut piece, body.take()).await {
                Ok(()) => continue,
                Err(Error::Http(error)) => error,
                Err(error) => return Err(error),
            };
            if piece.start > start {
                attempts.refill();
            }
            let is_other_file = matches!(error, http::Error::RangeMismatch(_));
            let delay = if error.is_transient() && !is_other_file { attempts.next_delay(error.retry_after()) } else { None };
            let Some(delay) = delay else { return Err(Error::Http(error)) };
            self.download.stop.run_until_cancelled(tokio::time::sleep(delay)).await.ok_or(Error::Stopped)?;
        }
        // The receiver is gone only when the run has ended.
        let _ = self.done.send((whole.start, whole.end));
        Ok(())
    }

    async fn request_segment(&self, piece: &Range<u64>) -> Result<Body, Error> {
        let SegmentedDownload { media, url, version, stop, .. } = &self.download;
        let ask = RangeRequest { start: piece.start, end: Some(piece.end), version: version.clone() };
        let body = stop.run_until_cancelled(media.get(url, Some(&ask))).await.ok_or(Error::Stopped)??;
        if body.head.is_partial {
            Ok(body)
        } else {
            Err(Error::Http(http::Error::RangeMismatch("the host sends the whole file")))
        }
    }

    /// Fetches the piece, or as much of it as one body brings; `piece` is what is left.
    async fn fetch_some(&self, piece: &mut Range<u64>, body: Option<Body>) -> Result<(), Error> {
        let SegmentedDownload { stop, meters, .. } = &self.download;
        let mut body = if let Some(body) = body { body } else { self.request_segment(piece).await? };
        // A body may go on beyond the piece: the first one is the whole rest of the file.
        let is_bounded = body.head.length.is_some_and(|length| length <= piece.end - piece.start);
        let meters: Vec<&Counter> = meters.iter().collect();
        let limits = TransferContext { meters: &meters, stop };
        while !piece.is_empty() {
            let (chunks, fault) = read_batch(&mut body, piece.end - piece.start, is_bounded, &limits).await;
            let (ahead, at) = (self.writer.clone(), piece.start);
            piece.start += chunks.iter().map(Bytes::len).sum::<usize>() as u64;
            blocking(move || write_chunks(&ahead, &chunks, at)).await?;
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        if is_bounded { expect_end(&mut body, &limits).await } else { Ok(()) }
    }
}

/// What is worth a hop of the next `left` bytes of `body`, and what ended them early.
async fn read_batch(body: &mut Body, left: u64, is_bounded: bool, limits: &TransferContext<'_>) -> (Vec<Bytes>, Option<Error>) {
    let (mut chunks, mut size) = (Vec::new(), 0);
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    while size < left.min(WRITE_BATCH) {
        match limits.next_chunk(body).await {
            Ok(Some(mut chunk)) => {
                if is_bounded && chunk.len() > left - size {
                    return (chunks, Some(Error::Http(http::Error::RangeMismatch(LONGER_THAN_DECLARED))));
                }
                chunk.truncate(left - size);
                size += chunk.len();
                chunks.push(chunk);
            }
            Ok(None) => {
                return (chunks, Some(Error::Http(http::Error::Transient("the body is shorter than its range".to_owned()))));
            }
            Err(fault) => return (chunks, Some(fault)),
        }
    }
    (chunks, None)
}

/// Sees the body of a piece end with the piece. One that goes on has other bytes than it says.
async fn expect_end(body: &mut Body, limits: &TransferContext<'_>) -> Result<(), Error> {
    match limits.next_chunk(body).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(Error::Http(http::Error::RangeMismatch(LONGER_THAN_DECLARED))),
        // All bytes of the range came, and nothing after them: the range itself proves them.
        Err(Error::Http(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn write_chunks(ahead: &PositionedWriter, chunks: &[Bytes], mut at: u64) -> Result<(), Error> {
    for chunk in chunks {
        ahead.write_at(chunk, at).map_err(Error::Write)?;
        at += chunk.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_advances_over_contiguous_segments() {
        let mut ahead = BTreeSet::from([(10, 20), (30, 40)]);
        assert_eq!(advance_front(&mut ahead, 0), 0);
        ahead.insert((0, 10));
        assert_eq!(advance_front(&mut ahead, 0), 20);
        ahead.insert((20, 30));
        assert_eq!(advance_front(&mut ahead, 20), 40);
        assert!(ahead.is_empty());
    }
}
