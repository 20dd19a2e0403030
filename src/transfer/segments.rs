//! Downloads one large file over several connections.
//!
//! Workers, one per connection, claim ranges from the plan and write them at their offset. The front is the end of the bytes that
//! have no gap before them. It follows the workers, and the bytes that it passes are hashed while they are still in memory. At most
//! two ranges per connection may lie beyond the front (the window). The journal gets a proof of every
//! [`REPORT_INTERVAL`](super::range_run::REPORT_INTERVAL) bytes at once. So a process that is killed loses at most 4 MiB per
//! connection, however long the ranges are.
//!
//! The head of each response is checked against the requested range and version before its bytes are written. When a worker
//! fails, all workers stop, and the caller decides whether the part can be continued.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Error;
use super::body_writer::TransferContext;
use super::first_body::Split;
use super::min_rate::{MinRate, RateMonitor};
use super::range_plan::RangePlan;
use super::range_run::{Piece, RangeRun, expect_end, read_batch};
use crate::domain::event::{Counter, Emitter, FileProgress};
use crate::http::retry::{Failure, NoRetry, RetryDriver, RetryPolicy};
use crate::http::{self, Body, HostState, MediaClient, RangeRequest, Route};
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::{self, Part, PositionedWriter, WrittenAhead, blocking};

/// Ranges per connection that may be in progress or ahead of the front.
const RANGES_PER_CONNECTION: usize = 2;

/// Where the ranges of one version of a file come from.
#[derive(Clone)]
pub(super) struct RangeSource {
    pub media: MediaClient,
    pub host: Arc<HostState>,
    pub url: Url,
    pub version: RemoteVersion,
    pub stop: CancellationToken,
}

impl RangeSource {
    /// Requests `range`.
    ///
    /// # Errors
    /// No response, or anything but that range of that version.
    pub(super) async fn request(&self, range: &Range<u64>, route: &mut Route) -> Result<Body, Error> {
        let request = RangeRequest { start: range.start, end: Some(range.end), version: self.version.clone() };
        let answer = self.stop.run_until_cancelled(self.media.get(&self.url, Some(&request), route));
        let body = answer.await.ok_or(Error::Stopped)??;
        if body.head.is_partial {
            Ok(body)
        } else {
            Err(Error::Http(http::Error::RangeMismatch("the host sends the whole file")))
        }
    }
}

/// What the workers of one file share, besides their source.
pub(super) struct SegmentSettings {
    /// The asset, for people.
    pub subject: String,
    pub connections: usize,
    pub total: u64,
    pub policy: RetryPolicy,
    pub min_rate: Option<MinRate>,
    pub counters: Vec<Counter>,
    pub progress: Arc<FileProgress>,
    pub emitter: Emitter,
}

/// Downloads what the part lacks. Returns the part and, if it is not complete, the fault.
pub(super) async fn download_segments(
    settings: SegmentSettings,
    split: Split,
    mut part: Part,
) -> Result<(Part, Option<Error>), Error> {
    let Split { started, source, plan } = split;
    let (written, mut reports) = mpsc::unbounded_channel();
    let (connections, total) = (settings.connections, settings.total);
    let state = Arc::new(SegmentState {
        settings,
        source,
        plan: Mutex::new(plan),
        window: Semaphore::new((connections * RANGES_PER_CONNECTION).saturating_sub(started.len())),
        writer: part.positioned_writer().map_err(Error::Write)?,
        written,
    });
    let mut workers = JoinSet::new();
    for started in started.into_iter().map(Some).chain(std::iter::repeat_with(|| None)).take(connections) {
        workers.spawn(Arc::clone(&state).run_worker(started));
    }
    // The ends of complete ranges that the front has not passed.
    let mut ends = BTreeSet::new();
    let mut fault = None;
    while part.size() < total && fault.is_none() {
        let mut batch: Vec<Report> = std::iter::from_fn(|| reports.try_recv().ok()).collect();
        if part.can_advance() {
            fault = workers.try_join_next().and_then(|result| worker_fault(Some(result)));
        } else if batch.is_empty() {
            tokio::select! {
                biased;
                report = reports.recv() => batch.extend(report),
                result = workers.join_next() => fault = worker_fault(result),
            }
        }
        ends.extend(batch.iter().filter(|report| report.is_complete).map(|report| report.written.range.end));
        part = blocking(move || take_reports(part, batch).map_err(Error::Write)).await?;
        let ahead = ends.split_off(&(part.size() + 1));
        state.window.add_permits(std::mem::replace(&mut ends, ahead).len());
    }
    workers.shutdown().await;
    if fault.is_some() {
        let batch = std::iter::from_fn(|| reports.try_recv().ok()).collect();
        part = blocking(move || take_reports(part, batch).map_err(Error::Write)).await?;
    }
    Ok((part, fault))
}

/// Adds what the workers have written, and advances the front a step.
fn take_reports(mut part: Part, batch: Vec<Report>) -> io::Result<Part> {
    part.add_written(batch.into_iter().map(|report| report.written).collect())?;
    if part.can_advance() {
        part.advance()?;
    }
    Ok(part)
}

/// The fault of a worker that has ended. Without one, a range is missing and no worker is left.
fn worker_fault(result: Option<Result<Result<(), Error>, JoinError>>) -> Option<Error> {
    match result {
        Some(Ok(result)) => result.err(),
        _ => Some(Error::Store(storage::Error::Panicked)),
    }
}

/// What a worker has written.
struct Report {
    written: WrittenAhead,
    /// Whether it ends the worker's range.
    is_complete: bool,
}

struct SegmentState {
    settings: SegmentSettings,
    source: RangeSource,
    plan: Mutex<RangePlan>,
    window: Semaphore,
    writer: PositionedWriter,
    written: mpsc::UnboundedSender<Report>,
}

impl SegmentState {
    /// Downloads the range that is started, then claims others until there are none.
    async fn run_worker(self: Arc<Self>, started: Option<(Body, Range<u64>)>) -> Result<(), Error> {
        if let Some((body, range)) = started {
            self.fetch_range(range, Some(body)).await?;
        }
        while let Some(range) = self.claim_range().await {
            self.fetch_range(range, None).await?;
        }
        Ok(())
    }

    async fn claim_range(&self) -> Option<Range<u64>> {
        let permit = self.window.acquire().await.ok()?;
        let range = self.plan().claim()?;
        permit.forget();
        Some(range)
    }

    fn plan(&self) -> MutexGuard<'_, RangePlan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch_range(&self, range: Range<u64>, mut body: Option<Body>) -> Result<(), Error> {
        let SegmentSettings { subject, policy, emitter, min_rate, .. } = &self.settings;
        let RangeSource { host, stop, .. } = &self.source;
        let mut retries = RetryDriver::new(subject, Arc::clone(host), *policy, emitter, stop);
        let mut run = RangeRun::new(range);
        while !run.rest.is_empty() {
            let start = run.rest.start;
            // The last attempt may be slow.
            let rate = RateMonitor::new(min_rate.filter(|_| !retries.is_last_attempt()));
            let mut route = Route::to(Arc::clone(host));
            let error = match self.fetch_some(&mut run, body.take(), &mut route, rate).await {
                Ok(()) => continue,
                Err(Error::Http(error)) => error,
                Err(error) => return Err(error),
            };
            let min_rate = min_rate.filter(|_| matches!(error, http::Error::TooSlow));
            if run.rest.start > start + min_rate.map_or(0, MinRate::bytes_per_period) {
                retries.refill();
            }
            let mut failure = Failure::from(&error);
            if failure.is_busy {
                self.plan().refused();
            }
            // The file changed: the caller starts over.
            failure.is_transient &= !matches!(error, http::Error::RangeMismatch(_));
            retries.set_host(Arc::clone(route.host()));
            match retries.wait_after(&failure).await {
                Ok(()) => {}
                Err(NoRetry::GivenUp) => return Err(Error::Http(error)),
                Err(NoRetry::Stopped) => return Err(Error::Stopped),
            }
        }
        self.report(&mut run, true);
        Ok(())
    }

    /// Downloads the rest of the range, or as much of it as one body has.
    async fn fetch_some(
        &self,
        run: &mut RangeRun,
        body: Option<Body>,
        route: &mut Route,
        rate: RateMonitor,
    ) -> Result<(), Error> {
        let SegmentSettings { counters, progress, .. } = &self.settings;
        let mut body = match body {
            Some(body) => body,
            None => self.source.request(&run.rest, route).await?,
        };
        self.plan().answered(body.latency);
        // A body may continue beyond the range: the first one is the whole rest of the file.
        let is_bounded = body.head.length.is_some_and(|length| length <= run.rest.end - run.rest.start);
        let counters: Vec<&Counter> = counters.iter().collect();
        let mut context = TransferContext { counters: &counters, progress, stop: &self.source.stop, rate };
        let start = run.rest.start;
        while !run.rest.is_empty() {
            let missing = run.rest.end - run.rest.start;
            let began = Instant::now();
            let (chunks, fault) = read_batch(&mut body, run.rest.start - start, missing, is_bounded, &mut context).await;
            let piece = run.count(&chunks, began.elapsed());
            self.write(run, chunks).await?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            if self.give_back(run, piece) {
                return Ok(());
            }
        }
        if is_bounded { expect_end(&mut body, &mut context).await } else { Ok(()) }
    }

    /// Writes the next bytes of the range, and reports them from time to time.
    async fn write(&self, run: &mut RangeRun, chunks: Vec<Bytes>) -> Result<(), Error> {
        run.write(&self.writer, chunks).await?;
        if run.is_report_due() {
            self.report(run, false);
        }
        Ok(())
    }

    /// Ends the range here, and gives the rest back, if the host slows each answer down after its first bytes.
    fn give_back(&self, run: &mut RangeRun, piece: Option<Piece>) -> bool {
        let mut plan = self.plan();
        let is_test = match piece {
            Some(Piece::Slow(waited)) if self.source.media.throttle.is_none() => plan.slow_piece(waited),
            Some(Piece::First(waited)) => {
                plan.first_piece(waited);
                false
            }
            _ => false,
        };
        let is_given_back = !run.rest.is_empty() && (is_test || plan.is_too_long(&run.rest));
        if is_given_back {
            plan.give_back(run.cut());
        }
        is_given_back
    }

    fn report(&self, run: &mut RangeRun, is_complete: bool) {
        // A closed receiver is not an error: the download has ended.
        let _ = self.written.send(Report { written: run.take_written(), is_complete });
    }
}
