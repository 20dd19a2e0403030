//! One try for an asset: what is asked for, and what is done with the answer.
//!
//! What is here is continued only as far as `http` proves the answer to be the rest of the same version; otherwise the
//! asset starts over, and after two such restarts it is one plain stream. A large file is spread over several
//! connections once its host has shown that it serves ranges.

use bytes::Bytes;
use url::Url;

use super::body_writer::{TransferContext, WrittenBody, write_body};
use super::disk_space::SizeLimit;
use super::finish::CompletedBody;
use super::segments::{self, SEGMENT_SIZE, SegmentedDownload};
use super::{DownloadJob, Downloader, Error};
use crate::domain::event::{Counter, Event, Transfer};
use crate::http::{self, Body, ContentCoding, Decoder, RangeRequest, ResponseHead};
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::{Part, blocking};

/// A download of at least this many bytes has a bar of its own.
const MIN_PROGRESS_BAR_SIZE: u64 = 8 << 20;
/// A file of at least this many bytes is fetched over several connections.
const MIN_SEGMENTED_SIZE: u64 = 16 << 20;
/// After so many restarts over a changed file it is not continued any more.
pub(super) const MAX_RESTARTS: u32 = 2;

/// The tries for one asset.
pub(super) struct AttemptContext<'a> {
    pub downloader: &'a Downloader,
    pub job: &'a DownloadJob,
    pub url: &'a Url,
    /// How often what was here turned out to be of another file.
    pub restarts: u32,
    /// The version that was seen last, with the largest total that was said of it. It outlives the bytes of the part.
    pub last_version: Option<RemoteVersion>,
}

/// What came of one try.
#[expect(clippy::large_enum_variant, reason = "there is one at a time for each asset, and it is moved at once")]
pub(super) enum AttemptOutcome {
    /// All of it.
    Complete(CompletedBody),
    /// Not all; the part is what the next try may continue.
    Incomplete(Part, http::Error),
}

impl AttemptContext<'_> {
    /// Asks for what `part` lacks, and takes what comes.
    pub(super) async fn run(&mut self, mut part: Part) -> Result<AttemptOutcome, Error> {
        let is_plain = self.is_resume_disabled();
        self.remember_version(part.version().cloned());
        if part.size() > 0 && (is_plain || part.version().is_none()) {
            part = restart_part(part).await?;
        }
        let mut ask = part.version().filter(|_| part.size() > 0).map(|version| remaining_range(&part, version.clone()));
        let mut body = loop {
            let body = match self.downloader.stop.run_until_cancelled(self.request(ask.as_ref())).await {
                None => return Err(abandon_part(part, Error::Stopped).await),
                Some(Err(error)) => return Ok(AttemptOutcome::Incomplete(part, error)),
                Some(Ok(body)) => body,
            };
            match (&mut ask, body.head.total) {
                // The last byte was asked for again, and the file ends with it.
                (Some(_), Some(total)) if body.head.is_partial && total == part.size() => {
                    return Ok(AttemptOutcome::Complete(CompletedBody::new(WrittenBody::from_part(part), body.head.clone())));
                }
                (Some(ask), total) if body.head.is_partial && ask.start < part.size() => {
                    ask.version.total = total;
                    ask.start = part.size();
                }
                _ => break body,
            }
        };
        if let Err(error) = self.last_version.as_ref().map_or(Ok(()), |known| body.head.merge_known_version(known)) {
            return Ok(AttemptOutcome::Incomplete(part, error));
        }
        self.remember_version(body.head.version());
        if part.size() > 0 && !body.head.is_partial {
            // The whole file instead: it is another one now, or its host knows no ranges.
            part = self.restart(part).await?;
        }
        if let Some(version) = body.head.version() {
            part.set_version(version);
        }
        self.download_body(part, body).await
    }

    /// Whether each try asks for the whole file, because what came before could not be continued too often.
    pub(super) fn is_resume_disabled(&self) -> bool {
        self.restarts >= MAX_RESTARTS
    }

    /// Keeps `seen` in mind. A total that is known already is not forgotten for an answer without one.
    fn remember_version(&mut self, seen: Option<RemoteVersion>) {
        let Some(mut seen) = seen else { return };
        if let Some(known) = self.last_version.take().filter(|known| known.validator == seen.validator) {
            seen.total = seen.total.max(known.total);
        }
        self.last_version = Some(seen);
    }

    /// The part without what it had, which was of another file.
    pub(super) async fn restart(&mut self, part: Part) -> Result<Part, Error> {
        self.restarts += 1;
        restart_part(part).await
    }

    /// Asks without the key first; a link on the gateway's own origin gets it when that is not enough.
    async fn request(&self, ask: Option<&RangeRequest>) -> Result<Body, http::Error> {
        let Downloader { media, gateway, .. } = self.downloader;
        match media.get(self.url, ask).await {
            Err(http::Error::Status { status, retry_after }) if matches!(status.as_u16(), 401 | 403) => {
                gateway.get_media(self.url, ask).await.unwrap_or(Err(http::Error::Status { status, retry_after }))
            }
            answer => answer,
        }
    }

    /// Takes the bytes of `body` into the part, over several connections where that is worth it.
    async fn download_body(&self, mut part: Part, body: Body) -> Result<AttemptOutcome, Error> {
        let Downloader { emitter, disk, max_size, .. } = self.downloader;
        let total = body.head.total.filter(|_| body.head.coding == ContentCoding::Identity);
        if max_size.is_some_and(|most| total.is_some_and(|total| total > most)) {
            return Err(abandon_part(part, Error::TooLarge).await);
        }
        let meter = Counter::default();
        meter.add(part.size());
        let room = disk.reserve(total, &meter)?;
        let limit = SizeLimit { user: *max_size, disk: room.max_size };
        part.set_max_size(limit.max_bytes());
        let is_large = total.is_none_or(|total| total >= MIN_PROGRESS_BAR_SIZE);
        if is_large {
            emitter.emit(Event::TransferStarted(Transfer { name: self.job.display_name(), total, counter: meter.clone() }));
        }
        let tried = match self.probe_ranges(&part, &body.head, &meter).await {
            Some((lanes, second)) => self.download_segmented(lanes, part, body, second).await,
            None => self.download_single(part, body, &meter).await,
        };
        if is_large {
            emitter.emit(Event::TransferEnded(meter));
        }
        // Its last bytes are written when it is finished, under the same limit.
        let limited = tried.map(|tried| {
            if let AttemptOutcome::Complete(arrival) = tried {
                AttemptOutcome::Complete(CompletedBody { limit, ..arrival })
            } else {
                tried
            }
        });
        limited.map_err(|error| limit.explain(error))
    }

    async fn download_single(&self, part: Part, mut body: Body, meter: &Counter) -> Result<AttemptOutcome, Error> {
        let head = body.head.clone();
        let meters = [&self.downloader.emitter.bytes, meter];
        let limits = TransferContext { meters: &meters, stop: &self.downloader.stop };
        let (poured, fault) = write_body(&mut body, Decoder::new(part, head.coding), &limits).await?;
        // The connection is free for others while the file is finished.
        drop(body);
        let short = || Error::Http(http::Error::Transient("the body ended before the file did".to_owned()));
        let Some(fault) = fault.or_else(|| is_incomplete(&poured, &head).then(short)) else {
            return Ok(AttemptOutcome::Complete(CompletedBody::new(poured, head)));
        };
        // What a body that broke off leaves: a part that can be continued, or an empty one.
        let part = match blocking(move || poured.salvage()).await? {
            // Of a body that is longer than was said, no byte is known to be right.
            Some(part) if matches!(fault, Error::Http(http::Error::LengthMismatch(_))) => restart_part(part).await?,
            Some(part) => part,
            None => self.job.open_part().await?,
        };
        incomplete_or_abandoned(part, fault).await
    }

    async fn download_segmented(
        &self,
        lanes: SegmentedDownload,
        part: Part,
        first: Body,
        second: Body,
    ) -> Result<AttemptOutcome, Error> {
        let head = first.head.clone();
        let (part, fault) = segments::download_segments(lanes, part, first, second, self.downloader.connections).await?;
        match fault {
            None => Ok(AttemptOutcome::Complete(CompletedBody::new(WrittenBody::from_part(part), head))),
            Some(fault) => incomplete_or_abandoned(part, fault).await,
        }
    }

    /// The second of several connections, when the file is worth them and its host proves that it serves ranges.
    async fn probe_ranges(&self, part: &Part, head: &ResponseHead, meter: &Counter) -> Option<(SegmentedDownload, Body)> {
        let Downloader { media, connections, policy, emitter, stop, .. } = self.downloader;
        let version = head.version().filter(|version| !self.is_resume_disabled() && part.version() == Some(version))?;
        let total = version.total.filter(|total| total.saturating_sub(part.size()) >= MIN_SEGMENTED_SIZE)?;
        if *connections < 2 || !(head.is_partial || head.accepts_ranges) {
            return None;
        }
        let from = part.size() + SEGMENT_SIZE;
        let ask = RangeRequest { start: from, end: Some(from + SEGMENT_SIZE), version: version.clone() };
        // The first body waits meanwhile; nothing of it is lost.
        let second = stop.run_until_cancelled(media.try_get(self.url, &ask)).await??.ok()?;
        let lanes = SegmentedDownload {
            media: media.clone(),
            url: self.url.clone(),
            version,
            total,
            policy: *policy,
            meters: vec![emitter.bytes.clone(), meter.clone()],
            stop: stop.clone(),
        };
        second.head.is_partial.then_some((lanes, second))
    }
}

/// What to ask for to continue `part`. Where it may have every byte already, that is its last one again: the answer tells
/// how long the file is, and that it is still the same.
fn remaining_range(part: &Part, version: RemoteVersion) -> RangeRequest {
    let may_be_all = version.total.is_none_or(|total| total == part.size());
    RangeRequest { start: part.size() - u64::from(may_be_all), end: None, version }
}

/// Whether a body that ended has brought less than its head promised.
fn is_incomplete(poured: &WrittenBody, head: &ResponseHead) -> bool {
    let rest: usize = poured.unwritten.iter().map(Bytes::len).sum();
    head.coding == ContentCoding::Identity && head.total.is_some_and(|total| poured.sink.inner().size() + (rest as u64) < total)
}

/// Only the host's faults leave something to try again.
async fn incomplete_or_abandoned(part: Part, fault: Error) -> Result<AttemptOutcome, Error> {
    match fault {
        Error::Http(error) => Ok(AttemptOutcome::Incomplete(part, error)),
        fault => Err(abandon_part(part, fault).await),
    }
}

/// Leaves the part for the next run, unless it is refused or in the way; why it was given up.
pub(super) async fn abandon_part(part: Part, why: Error) -> Error {
    let left = blocking(move || {
        match why {
            Error::Rejected(_) | Error::TooLarge | Error::TooLargeForDisk(_) | Error::Write(_) | Error::Store(_) => {
                part.discard();
            }
            _ => drop(part),
        }
        Ok::<_, Error>(why)
    });
    left.await.unwrap_or_else(|broke_down| broke_down)
}

async fn restart_part(mut part: Part) -> Result<Part, Error> {
    blocking(move || part.restart().map_err(Error::Write).map(|()| part)).await
}
