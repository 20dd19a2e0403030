//! Downloads one large file over several connections.
//!
//! The file is divided into segments of [`SEGMENT_SIZE`] bytes. Workers, one per connection, claim segments in file order and
//! write them at their offset. The front is the end of the bytes that have no gap before them. It follows the workers, and the
//! segments that it passes are hashed while they are still in memory. At most two segments per connection may lie beyond the
//! front (the window). If the process is killed, at most 4 MiB per connection are lost. The memory does not grow with the file.
//!
//! The head of each response is checked against the requested range and version before its bytes are written. When a worker
//! fails, all workers stop, and the caller decides whether the part can be continued.

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
use super::min_rate::{MinRate, RateMonitor};
use crate::domain::event::{Counter, Emitter, FileProgress};
use crate::http::retry::{Failure, NoRetry, RetryDriver, RetryPolicy};
use crate::http::{self, Body, HostState, MediaClient, RangeRequest, Route};
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::{self, Part, PositionedWriter, blocking};

/// The bytes of one range request.
pub(super) const SEGMENT_SIZE: u64 = 2 << 20;
/// Segments per connection that may be in progress or ahead of the front.
const SEGMENTS_PER_CONNECTION: usize = 2;
/// How many bytes to collect before one call on a blocking thread.
const WRITE_BATCH: usize = 128 << 10;

/// What the workers of one file share.
pub(super) struct SegmentedDownload {
    /// The asset, for people.
    pub subject: String,
    pub media: MediaClient,
    pub host: Arc<HostState>,
    pub url: Url,
    pub version: RemoteVersion,
    pub total: u64,
    pub policy: RetryPolicy,
    pub min_rate: Option<MinRate>,
    pub counters: Vec<Counter>,
    pub progress: Arc<FileProgress>,
    pub emitter: Emitter,
    pub stop: CancellationToken,
}

/// Downloads everything from the part's front on over `count` connections. `first` starts at the front, `second` one segment
/// later. Returns the part and, if it is not complete, the fault.
pub(super) async fn download_segments(
    download: SegmentedDownload,
    mut part: Part,
    first: Body,
    second: Body,
    count: usize,
) -> Result<(Part, Option<Error>), Error> {
    let front = part.size();
    let (finished, mut segments) = mpsc::unbounded_channel();
    let state = Arc::new(SegmentState {
        next_offset: AtomicU64::new(front + 2 * SEGMENT_SIZE),
        window: Semaphore::new(count * SEGMENTS_PER_CONNECTION - 2),
        writer: part.positioned_writer().map_err(Error::Write)?,
        finished,
        download,
    });
    let mut workers = JoinSet::new();
    let started = [(first, front..front + SEGMENT_SIZE), (second, front + SEGMENT_SIZE..front + 2 * SEGMENT_SIZE)];
    for started in started.into_iter().map(Some).chain(std::iter::repeat_with(|| None)).take(count) {
        workers.spawn(Arc::clone(&state).run_worker(started));
    }
    let mut ahead = BTreeSet::new();
    let mut fault = None;
    while part.size() < state.download.total && fault.is_none() {
        tokio::select! {
            biased;
            Some((from, to)) = segments.recv() => {
                ahead.insert((from, to));
                let to = advance_front(&mut ahead, part.size());
                if to > part.size() {
                    let count = usize::try_from((to - part.size()).div_ceil(SEGMENT_SIZE)).unwrap_or(1);
                    part = blocking(move || part.advance(to).map_err(Error::Write).map(|()| part)).await?;
                    state.window.add_permits(count);
                }
            }
            Some(result) = workers.join_next() => fault = result.unwrap_or_else(|_| Err(worker_panicked())).err(),
            else => fault = Some(worker_panicked()),
        }
    }
    workers.shutdown().await;
    Ok((part, fault))
}

fn worker_panicked() -> Error {
    Error::Store(storage::Error::Panicked)
}

/// Moves the front over the segments that follow it without a gap, and removes them from `ahead`.
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
    finished: mpsc::UnboundedSender<(u64, u64)>,
}

impl SegmentState {
    /// Downloads the segment that is started, then claims others until there are none.
    async fn run_worker(self: Arc<Self>, started: Option<(Body, Range<u64>)>) -> Result<(), Error> {
        if let Some((body, segment)) = started {
            self.fetch_segment(segment, Some(body)).await?;
        }
        while let Some(segment) = self.claim_segment().await {
            self.fetch_segment(segment, None).await?;
        }
        Ok(())
    }

    async fn claim_segment(&self) -> Option<Range<u64>> {
        self.window.acquire().await.ok()?.forget();
        let from = self.next_offset.fetch_add(SEGMENT_SIZE, Ordering::Relaxed);
        (from < self.download.total).then(|| from..(from + SEGMENT_SIZE).min(self.download.total))
    }

    async fn fetch_segment(&self, segment: Range<u64>, mut body: Option<Body>) -> Result<(), Error> {
        let SegmentedDownload { subject, host, policy, emitter, stop, .. } = &self.download;
        let mut retries = RetryDriver::new(subject, Arc::clone(host), *policy, emitter, stop);
        let mut rest = segment.clone();
        while !rest.is_empty() {
            let start = rest.start;
            // The last attempt may be slow.
            let rate = RateMonitor::new(self.download.min_rate.filter(|_| !retries.is_last_attempt()));
            let mut route = Route::to(Arc::clone(host));
            let error = match self.fetch_some(&mut rest, body.take(), &mut route, rate).await {
                Ok(()) => continue,
                Err(Error::Http(error)) => error,
                Err(error) => return Err(error),
            };
            let min_rate = self.download.min_rate.filter(|_| matches!(error, http::Error::TooSlow));
            if rest.start > start + min_rate.map_or(0, MinRate::bytes_per_period) {
                retries.refill();
            }
            let mut failure = Failure::from(&error);
            // The file changed: the caller starts over.
            failure.is_transient &= !matches!(error, http::Error::RangeMismatch(_));
            retries.set_host(Arc::clone(route.host()));
            match retries.wait_after(&failure).await {
                Ok(()) => {}
                Err(NoRetry::GivenUp) => return Err(Error::Http(error)),
                Err(NoRetry::Stopped) => return Err(Error::Stopped),
            }
        }
        // A closed receiver is not an error: the download has ended.
        let _ = self.finished.send((segment.start, segment.end));
        Ok(())
    }

    async fn request_segment(&self, rest: &Range<u64>, route: &mut Route) -> Result<Body, Error> {
        let SegmentedDownload { media, url, version, stop, .. } = &self.download;
        let range = RangeRequest { start: rest.start, end: Some(rest.end), version: version.clone() };
        let body = stop.run_until_cancelled(media.get(url, Some(&range), route)).await.ok_or(Error::Stopped)??;
        if body.head.is_partial {
            Ok(body)
        } else {
            Err(Error::Http(http::Error::RangeMismatch("the host sends the whole file")))
        }
    }

    /// Downloads `rest`, or as much of it as one body has. `rest` becomes what is still missing.
    async fn fetch_some(
        &self,
        rest: &mut Range<u64>,
        body: Option<Body>,
        route: &mut Route,
        rate: RateMonitor,
    ) -> Result<(), Error> {
        let SegmentedDownload { stop, counters, progress, .. } = &self.download;
        let mut body = if let Some(body) = body { body } else { self.request_segment(rest, route).await? };
        // A body may continue beyond the segment: the first one is the whole rest of the file.
        let is_bounded = body.head.length.is_some_and(|length| length <= rest.end - rest.start);
        let counters: Vec<&Counter> = counters.iter().collect();
        let mut context = TransferContext { counters: &counters, progress, stop, rate };
        let start = rest.start;
        while !rest.is_empty() {
            let (chunks, fault) =
                read_batch(&mut body, rest.start - start, rest.end - rest.start, is_bounded, &mut context).await;
            let (writer, offset) = (self.writer.clone(), rest.start);
            rest.start += chunks.iter().map(Bytes::len).sum::<usize>() as u64;
            blocking(move || write_chunks(&writer, &chunks, offset)).await?;
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        if is_bounded { expect_end(&mut body, &mut context).await } else { Ok(()) }
    }
}

/// Reads a batch of the `missing` bytes of `body`, after the `received` ones. Returns the fault that ended them early, too.
async fn read_batch(
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
async fn expect_end(body: &mut Body, context: &mut TransferContext<'_>) -> Result<(), Error> {
    match context.next_chunk(body).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(Error::Http(http::Error::RangeMismatch(LONGER_THAN_DECLARED))),
        // All bytes of the range arrived, and nothing after them: the range itself proves them.
        Err(Error::Http(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn write_chunks(writer: &PositionedWriter, chunks: &[Bytes], mut offset: u64) -> Result<(), Error> {
    for chunk in chunks {
        writer.write_at(chunk, offset).map_err(Error::Write)?;
        offset += chunk.len() as u64;
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
