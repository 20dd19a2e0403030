//! Downloads one asset to a staged file: attempts, and retries as long as the budget lasts.
//!
//! A download has a slot of the run while it has an open file. It gives the slot back when it has to wait for its host before
//! its first byte, so a host that refuses everything holds no slots.
//!
//! One budget covers failed requests and broken bodies. Only proven progress refills it: bytes of a known version, beyond the
//! furthest byte of all attempts before. A file that changed starts over at once, which costs no attempt. A part that can be
//! continued is kept for the next run when the download fails.

use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use super::attempt::{AttemptContext, AttemptOutcome, MAX_RESTARTS};
use super::body_writer::WrittenBody;
use super::finish::{self, CompletedBody};
use super::kept_part::abandon_part;
use super::{DownloadJob, Downloader, Error, Fetched, MinRate};
use crate::domain::asset::AssetSource;
use crate::domain::event::{Counter, FileProgress};
use crate::http::retry::{Failure, NoRetry, RetryDriver};
use crate::http::{self, Connection, HostState, ResponseHead, Slot};
use crate::integrity::checksum::{REPEATS_TO_ACCEPT, RepeatedMismatch};
use crate::media::data_uri;
use crate::storage::{Part, StagedFile, blocking};

impl Downloader {
    /// Downloads one asset.
    ///
    /// # Errors
    /// Why it could not be saved.
    pub(crate) async fn fetch(&self, job: DownloadJob) -> Result<Fetched, Error> {
        self.disk.check()?;
        let staged = match job.asset.source().map_err(Error::InvalidUrl)? {
            AssetSource::Data => self.decode(job).await,
            AssetSource::Http(url) => self.download(&job, &url).await,
        };
        let staged = staged.map_err(|error| {
            tracing::debug!(code = ?error.code(), status = error.http_status(), "download failed");
            self.disk.handle_error(error)
        })?;
        Ok(staged.map_or(Fetched::NotWanted, |staged| Fetched::File(Box::new(staged))))
    }

    async fn decode(&self, job: DownloadJob) -> Result<Option<StagedFile>, Error> {
        let (kind_filter, max_size) = (self.kind_filter, self.max_size);
        let mut slot = None;
        let _connection = self.connect(&self.media.hosts.local_host(), &mut slot).await?;
        self.disk.check()?;
        // Base64 has four characters for three bytes.
        let _reservation = self.disk.reserve(Some(job.asset.url.len() as u64 / 4 * 3), &Counter::default())?;
        let staged = blocking(move || {
            let bytes = data_uri::decode(job.asset.url.trim()).map_err(|error| Error::InvalidUrl(error.to_string()))?;
            let mut part = job.parts.resume(&job.stem())?;
            part.restart().map_err(Error::Write)?;
            part.set_max_size(max_size);
            let head = ResponseHead {
                content_type: data_uri::declared_type(&job.asset.url).map(str::to_owned),
                has_end: true,
                ..ResponseHead::default()
            };
            let written = WrittenBody { unwritten: vec![Bytes::from(bytes)], ..WrittenBody::from_part(part) };
            finish::finish(&job, CompletedBody::new(written, head), kind_filter)
        });
        let staged = staged.await?;
        let size = staged.as_ref().map_or(0, |staged| staged.entry().size());
        self.emitter.bytes.add(size);
        FileProgress::new(&self.emitter.files).begin(Some(size), size);
        Ok(staged)
    }

    async fn download(&self, job: &DownloadJob, url: &Url) -> Result<Option<StagedFile>, Error> {
        let host = self.media.host_for(url);
        let mut retries = RetryDriver::new(job, Arc::clone(&host), self.policy, &self.emitter, &self.stop);
        let progress = Arc::new(FileProgress::new(&self.emitter.files));
        let context =
            AttemptContext { downloader: self, job, url, progress, host: Arc::clone(&host), restarts: 0, last_version: None };
        let part = job.parts.create(&job.stem());
        Download { context, host, slot: None, part, furthest: None, mismatches: RepeatedMismatch::default(), wrong_bodies: 0 }
            .run(&mut retries)
            .await
    }

    /// Waits for a connection to `host`, and for a slot if there is none.
    async fn connect(&self, host: &Arc<HostState>, slot: &mut Option<Slot>) -> Result<Connection, Error> {
        let connect = async {
            if slot.is_some() {
                return host.connect().await;
            }
            let (admitted, connection) = host.admit().await?;
            *slot = Some(admitted);
            Ok(connection)
        };
        Ok(self.stop.run_until_cancelled(connect).await.ok_or(Error::Stopped)??)
    }
}

/// One asset, between and during its attempts.
struct Download<'a> {
    context: AttemptContext<'a>,
    host: Arc<HostState>,
    /// Kept between attempts while the part has an open file.
    slot: Option<Slot>,
    /// What the last attempt left. None: a file of an earlier attempt or run has to be opened.
    part: Option<Part>,
    /// The most bytes that an attempt began or ended with.
    furthest: Option<u64>,
    mismatches: RepeatedMismatch,
    /// How many complete bodies had a wrong digest.
    wrong_bodies: u32,
}

impl Download<'_> {
    async fn run(mut self, retries: &mut RetryDriver<'_>) -> Result<Option<StagedFile>, Error> {
        loop {
            self.context.host = Arc::clone(&self.host);
            let error = match self.attempt(retries.is_last_attempt()).await {
                Ok(staged) => return Ok(staged),
                Err(Error::Http(error)) => error,
                Err(error) => return Err(self.abandon(error).await),
            };
            if matches!(error, http::Error::RangeMismatch(_)) && self.context.restarts <= MAX_RESTARTS {
                let part = self.take_part().await?;
                self.part = Some(self.context.restart(part).await?);
                continue;
            }
            if self.has_progress(&error) {
                retries.refill();
            }
            if !self.part.as_ref().is_some_and(Part::is_open) {
                // Others can use the slot while this download waits.
                self.slot = None;
            }
            retries.set_host(Arc::clone(&self.context.host));
            match retries.wait_after(&Failure::from(&error)).await {
                Ok(()) => {}
                Err(NoRetry::GivenUp) => return Err(self.abandon(Error::Http(error)).await),
                Err(NoRetry::Stopped) => return Err(self.abandon(Error::Stopped).await),
            }
        }
    }

    /// One attempt. What it leaves is in `self.part`.
    async fn attempt(&mut self, is_last: bool) -> Result<Option<StagedFile>, Error> {
        let downloader = self.context.downloader;
        let mut connection = Some(downloader.connect(&self.host, &mut self.slot).await?);
        downloader.disk.check()?;
        if self.part.is_none() {
            // The bytes of an earlier run are hashed again, which may take a while.
            connection = None;
        }
        let part = self.take_part().await?;
        self.furthest = self.furthest.max(Some(part.written()));
        match self.context.run(part, connection, is_last).await? {
            AttemptOutcome::Incomplete(part, error) => {
                self.part = Some(part);
                Err(Error::Http(error))
            }
            AttemptOutcome::Complete(body) => {
                let body = CompletedBody { mismatches: self.mismatches.clone(), ..body };
                let finished = finish::finish_body(self.context.job, body, downloader.kind_filter).await;
                finished.inspect_err(|error| {
                    // The body was complete: no attempt gets further.
                    self.furthest = Some(u64::MAX);
                    if let Error::Http(http::Error::ChecksumMismatch(mismatch)) = error {
                        self.mismatches.accepts(mismatch);
                        self.wrong_bodies += 1;
                        if self.wrong_bodies < REPEATS_TO_ACCEPT {
                            // The same bytes must come again, which is progress too.
                            self.furthest = None;
                        }
                    }
                })
            }
        }
    }

    async fn take_part(&mut self) -> Result<Part, Error> {
        match self.part.take() {
            Some(part) => Ok(part),
            None => self.context.job.open_part().await,
        }
    }

    /// Whether the last attempt got further than all before it, and no slower than `--min-rate`.
    fn has_progress(&mut self, error: &http::Error) -> bool {
        let Some(part) = &self.part else { return false };
        let before = self.furthest.replace(self.furthest.unwrap_or(0).max(part.written())).unwrap_or(0);
        let min_rate = self.context.downloader.min_rate.filter(|_| matches!(error, http::Error::TooSlow));
        part.written() > before.saturating_add(min_rate.map_or(0, MinRate::bytes_per_period))
            && part.version().is_some()
            && !self.context.is_resume_disabled()
    }

    /// Keeps or removes the part, as `error` demands.
    async fn abandon(&mut self, error: Error) -> Error {
        match self.part.take() {
            Some(part) => abandon_part(part, error).await,
            None => error,
        }
    }
}
