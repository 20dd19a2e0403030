//! One attempt to download an asset: what to request, and what to do with the response.
//!
//! The part is continued only where `http` proves that the response is the rest of the same version. Otherwise the asset starts
//! over, and after [`MAX_RESTARTS`] restarts it is downloaded as one plain stream. A large file uses several connections once
//! its host has shown that it serves ranges.

use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use super::body_writer::{BodyEnd, TransferContext, WrittenBody, write_body};
use super::disk_space::SizeLimit;
use super::finish::CompletedBody;
use super::first_body::{FirstBody, Probe};
use super::kept_part::{abandon_part, incomplete_or_abandoned, restart_part};
use super::min_rate::RateMonitor;
use super::range_plan::RangePlan;
use super::segments::{self, RangeSource, SegmentSettings};
use super::{DownloadJob, Downloader, Error};
use crate::domain::event::{Counter, Event, FileProgress, Transfer};
use crate::http::{self, Body, Connection, ContentCoding, Decoder, HostState, RangeRequest, RedirectChain, ResponseHead, Route};
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::{self, Part, blocking};

/// A download of at least this many bytes has a progress bar.
const MIN_PROGRESS_BAR_SIZE: u64 = 8 << 20;
/// A file of at least this many bytes is downloaded over several connections.
const MIN_SEGMENTED_SIZE: u64 = 16 << 20;
/// After this many restarts because the file changed, it is not continued any more.
pub(super) const MAX_RESTARTS: u32 = 2;

/// What the attempts for one asset share.
pub(super) struct AttemptContext<'a> {
    pub downloader: &'a Downloader,
    pub job: &'a DownloadJob,
    pub url: &'a Url,
    /// The file's part of the run's progress.
    pub progress: Arc<FileProgress>,
    /// The host that was asked last.
    pub host: Arc<HostState>,
    /// How often the part turned out to be of another file.
    pub restarts: u32,
    /// The version in the last response, with the largest total of it in any response. It is kept when the part is emptied.
    pub last_version: Option<RemoteVersion>,
}

/// The result of one attempt.
#[expect(clippy::large_enum_variant, reason = "there is one at a time for each asset, and it is moved at once")]
pub(super) enum AttemptOutcome {
    /// The whole body.
    Complete(CompletedBody),
    /// Not the whole body. The next attempt may continue the part.
    Incomplete(Part, http::Error),
}

impl AttemptContext<'_> {
    /// Requests what `part` lacks, and writes it to the part. The first request uses `connection`, if there is one. The last
    /// attempt may be slower than `--min-rate`.
    pub(super) async fn run(
        &mut self,
        mut part: Part,
        mut connection: Option<Connection>,
        is_last: bool,
    ) -> Result<AttemptOutcome, Error> {
        let (downloader, is_plain) = (self.downloader, self.is_resume_disabled());
        self.remember_version(part.version().cloned());
        if part.size() > 0 && (is_plain || part.version().is_none()) {
            part = restart_part(part).await?;
        }
        if part.can_advance() {
            part = blocking(move || part.pass_all_written().map_err(Error::Write).map(|()| part)).await?;
        }
        let mut range = part.version().filter(|_| part.size() > 0).map(|version| remaining_range(&part, version.clone()));
        let mut body = loop {
            let stop = &downloader.stop;
            let body = match stop.run_until_cancelled(self.request(range.as_ref(), connection.take())).await {
                None => return Err(abandon_part(part, Error::Stopped).await),
                Some(Err(error)) => return Ok(AttemptOutcome::Incomplete(part, error)),
                Some(Ok(body)) => body,
            };
            match (&mut range, body.head.total) {
                // The last byte was requested again, and it is the last byte of the file.
                (Some(_), Some(total)) if body.head.is_partial && total == part.size() => {
                    self.progress.begin(Some(total), total);
                    return Ok(AttemptOutcome::Complete(CompletedBody::new(WrittenBody::from_part(part), body.head.clone())));
                }
                (Some(range), total) if body.head.is_partial && range.start < part.size() => {
                    range.version.total = total;
                    range.start = part.size();
                }
                _ => break body,
            }
        };
        if let Err(error) = self.last_version.as_ref().map_or(Ok(()), |known| body.head.merge_known_version(known)) {
            return Ok(AttemptOutcome::Incomplete(part, error));
        }
        self.remember_version(body.head.version());
        if !body.head.is_partial && !self.can_begin(&part, &body.head) {
            // The whole file instead of the rest: the file is another one now, or its host serves no ranges.
            part = if part.written() > 0 { self.restart(part).await? } else { restart_part(part).await? };
        }
        if let Some(version) = body.head.version() {
            part.set_version(version).map_err(Error::Write)?;
        }
        self.download_body(part, body, is_last).await
    }

    /// Whether a response that is the whole file can be written to `part` as it is: the part is new, or has bytes of the same
    /// version ahead of the first one.
    fn can_begin(&self, part: &Part, head: &ResponseHead) -> bool {
        if part.written() == 0 {
            return part.version().is_none() || part.version() == head.version().as_ref();
        }
        // What is ahead is of use only if ranges can be requested.
        let is_of_use = head.can_resume() && !self.is_resume_disabled();
        part.size() == 0 && part.version() == head.version().as_ref() && is_of_use
    }

    /// Whether each attempt requests the whole file, because the part could not be continued too often.
    pub(super) fn is_resume_disabled(&self) -> bool {
        self.restarts >= MAX_RESTARTS
    }

    /// Remembers `seen` as the last version. A known total is kept when a response has none.
    fn remember_version(&mut self, seen: Option<RemoteVersion>) {
        let Some(mut seen) = seen else { return };
        if let Some(known) = self.last_version.take().filter(|known| known.validator == seen.validator) {
            seen.total = seen.total.max(known.total);
        }
        self.last_version = Some(seen);
    }

    /// Empties the part, whose bytes are of another file.
    pub(super) async fn restart(&mut self, part: Part) -> Result<Part, Error> {
        self.restarts += 1;
        restart_part(part).await
    }

    /// Sends the request without the key first. A link on the gateway's own origin gets the key when that fails.
    async fn request(&mut self, range: Option<&RangeRequest>, connection: Option<Connection>) -> Result<Body, http::Error> {
        let Downloader { media, gateway, .. } = self.downloader;
        let mut route = connection.map_or_else(|| Route::to(media.host_for(self.url)), Route::over);
        let mut result = media.request(self.url, range, &mut route, RedirectChain::default()).await;
        if let Err(error) = &result
            && error.is_dead_link()
            && matches!(error.http_status(), Some(401 | 403))
        {
            result = gateway.get_media(self.url, range, media, &mut route).await.unwrap_or(result);
        }
        self.host = Arc::clone(route.host());
        route.hold(result)
    }

    /// Writes `body` to the part, over several connections where that is faster.
    async fn download_body(&self, mut part: Part, body: Body, is_last: bool) -> Result<AttemptOutcome, Error> {
        let Downloader { emitter, disk, max_size, .. } = self.downloader;
        let total = body.head.total.filter(|_| body.head.coding == ContentCoding::Identity);
        if max_size.is_some_and(|most| total.is_some_and(|total| total > most)) {
            return Err(abandon_part(part, Error::TooLarge).await);
        }
        let counter = Counter::default();
        counter.add(part.written());
        self.progress.begin(total.or(body.head.length), part.written());
        let reservation = disk.reserve(total, &counter)?;
        let limit = SizeLimit { user: *max_size, disk: reservation.max_size };
        part.set_max_size(limit.max_bytes());
        let is_large = total.is_none_or(|total| total >= MIN_PROGRESS_BAR_SIZE);
        if is_large {
            emitter.emit(Event::TransferStarted(Transfer { name: self.job.to_string(), total, counter: counter.clone() }));
        }
        let result = self.write_body(part, body, &counter, is_last).await;
        if is_large {
            emitter.emit(Event::TransferEnded(counter));
        }
        match result {
            // Its last bytes are written in `finish`, under the same limit.
            Ok(AttemptOutcome::Complete(body)) => Ok(AttemptOutcome::Complete(CompletedBody { limit, ..body })),
            result => result.map_err(|error| limit.explain(error)),
        }
    }

    async fn write_body(&self, part: Part, body: Body, counter: &Counter, is_last: bool) -> Result<AttemptOutcome, Error> {
        let head = body.head.clone();
        let counters = [&self.downloader.emitter.bytes, counter];
        let may_cut = !is_last && !self.is_resume_disabled() && head.can_resume();
        let rate = RateMonitor::new(self.downloader.min_rate.filter(|_| may_cut));
        let mut context = TransferContext { counters: &counters, progress: &self.progress, stop: &self.downloader.stop, rate };
        let probe = self.probe(&part, &body);
        let mut body = FirstBody::new(body, probe);
        let (written, end) = write_body(&mut body, Decoder::new(part, head.coding), &mut context).await?;
        let fault = match end {
            BodyEnd::Split => return Box::pin(self.download_segments(written, body, head, counter)).await,
            BodyEnd::Fault(fault) => Some(fault),
            BodyEnd::Complete => missing_bytes(&written, &head),
        };
        // Others can use the connection while the file is finished.
        drop(body);
        let Some(fault) = fault else { return Ok(AttemptOutcome::Complete(CompletedBody::new(written, head))) };
        // A body that broke off leaves a part that can be continued, or none.
        let part = match blocking(move || written.salvage()).await? {
            // No byte of a body that is longer than announced is known to be right.
            Some(part) if matches!(fault, Error::Http(http::Error::LengthMismatch(_))) => restart_part(part).await?,
            Some(part) => part,
            None => self.job.open_part().await?,
        };
        incomplete_or_abandoned(part, fault).await
    }

    /// Goes on over several connections.
    async fn download_segments(
        &self,
        written: WrittenBody,
        body: FirstBody,
        head: ResponseHead,
        counter: &Counter,
    ) -> Result<AttemptOutcome, Error> {
        let Downloader { connections, policy, min_rate, emitter, .. } = self.downloader;
        // A file that is split has no encoding, and so its part can always be continued.
        let (Some(part), Some(split), Some(total)) = (blocking(move || written.salvage()).await?, body.into_split(), head.total)
        else {
            return Err(Error::Store(storage::Error::Panicked));
        };
        let settings = SegmentSettings {
            subject: self.job.to_string(),
            connections: *connections,
            total,
            policy: *policy,
            min_rate: *min_rate,
            counters: vec![emitter.bytes.clone(), counter.clone()],
            progress: Arc::clone(&self.progress),
            emitter: emitter.clone(),
        };
        let (part, fault) = segments::download_segments(settings, split, part).await?;
        match fault {
            None => Ok(AttemptOutcome::Complete(CompletedBody::new(WrittenBody::from_part(part), head))),
            Some(fault) => incomplete_or_abandoned(part, fault).await,
        }
    }

    /// The probe for ranges, when the file is large enough for several connections and its version is known.
    fn probe(&self, part: &Part, body: &Body) -> Option<Probe> {
        let Downloader { media, connections, stop, .. } = self.downloader;
        let head = &body.head;
        let version = head.version().filter(|version| !self.is_resume_disabled() && part.version() == Some(version))?;
        let total = version.total?;
        let is_worth_it = *connections > 1 && total.saturating_sub(part.size()) >= MIN_SEGMENTED_SIZE;
        // What is there already is not requested again.
        let has_gaps = part.written() > part.size();
        if !(is_worth_it || has_gaps) || !head.can_resume() {
            return None;
        }
        let source = RangeSource {
            media: media.clone(),
            host: media.host_for(self.url),
            url: self.url.clone(),
            version,
            stop: stop.clone(),
        };
        let plan = RangePlan::new(part.size(), total, part.ahead().clone(), *connections, body.latency);
        Some(Probe::new(source, plan, part.size()))
    }
}

/// The range that continues `part`. Where the part may be complete, it is the last byte again: the response shows how long the
/// file is, and that it is still the same.
fn remaining_range(part: &Part, version: RemoteVersion) -> RangeRequest {
    let may_be_complete = version.total.is_none_or(|total| total == part.size());
    RangeRequest { start: part.size() - u64::from(may_be_complete), end: None, version }
}

/// The fault of a body that ended before the announced total.
fn missing_bytes(written: &WrittenBody, head: &ResponseHead) -> Option<Error> {
    let expected = head.total.filter(|_| head.coding == ContentCoding::Identity)?;
    let unwritten: usize = written.unwritten.iter().map(Bytes::len).sum();
    let received = written.sink.inner().size() + unwritten as u64;
    (received < expected).then_some(Error::Http(http::Error::Incomplete { received, expected }))
}
