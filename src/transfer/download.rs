//! Downloads one asset to a staged file: attempts, and retries as long as the budget lasts.
//!
//! One budget covers failed requests and broken bodies. Only proven progress refills it: bytes of a known version, beyond the
//! furthest byte of all attempts before. A file that changed starts over at once, which costs no attempt. A part that can be
//! continued is kept for the next run when the download fails.

use bytes::Bytes;
use url::Url;

use super::attempt::{AttemptContext, AttemptOutcome, MAX_RESTARTS, abandon_part};
use super::body_writer::WrittenBody;
use super::finish::{self, CompletedBody};
use super::{DownloadJob, Downloader, Error, Fetched};
use crate::domain::asset::AssetSource;
use crate::domain::event::Counter;
use crate::http::retry::{Failure, NoRetry, RetryDriver};
use crate::http::{self, ResponseHead};
use crate::integrity::checksum::RepeatedMismatch;
use crate::media::data_uri;
use crate::storage::{Part, StagedFile, blocking};

impl Downloader {
    /// Downloads one asset.
    ///
    /// # Errors
    /// Why it could not be saved.
    pub(crate) async fn fetch(&self, job: DownloadJob) -> Result<Fetched, Error> {
        // The semaphore is never closed, so there is always a slot.
        let _slot = self.stop.run_until_cancelled(self.slots.acquire()).await.ok_or(Error::Stopped)?;
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
        self.emitter.bytes.add(staged.as_ref().map_or(0, |staged| staged.entry().size()));
        Ok(staged)
    }

    async fn download(&self, job: &DownloadJob, url: &Url) -> Result<Option<StagedFile>, Error> {
        let mut part = match job.parts.create(&job.stem()) {
            Some(part) => part,
            None => job.open_part().await?,
        };
        let mut context = AttemptContext { downloader: self, job, url, restarts: 0, last_version: None };
        let mut retries = RetryDriver::new(job, self.media.host_for(url), self.policy, &self.emitter, &self.stop);
        let mut furthest = part.size();
        let mut mismatches = RepeatedMismatch::default();
        loop {
            let (left, error) = match context.run(part).await {
                Ok(AttemptOutcome::Incomplete(part, error)) => (Some(part), error),
                Ok(AttemptOutcome::Complete(body)) => match self.finish(job, body, &mismatches).await {
                    Err(Error::Http(error)) => {
                        if let http::Error::ChecksumMismatch(mismatch) = &error {
                            mismatches.accepts(mismatch);
                        }
                        // The body was complete: no attempt gets further.
                        furthest = u64::MAX;
                        (None, error)
                    }
                    finished => return finished,
                },
                Err(Error::Http(error)) => (None, error),
                Err(error) => return Err(error),
            };
            part = match left {
                Some(part) => part,
                // The body can't be continued, but another attempt may succeed.
                None => job.open_part().await?,
            };
            if matches!(error, http::Error::RangeMismatch(_)) && context.restarts <= MAX_RESTARTS {
                part = context.restart(part).await?;
                continue;
            }
            if part.size() > furthest && part.version().is_some() && !context.is_resume_disabled() {
                retries.refill();
            }
            furthest = furthest.max(part.size());
            if let Err(end) = retries.wait_after(&Failure::from(&error)).await {
                return Err(abandon_after(part, error, end).await);
            }
            if let Err(error) = self.disk.check() {
                return Err(abandon_part(part, error).await);
            }
        }
    }

    async fn finish(
        &self,
        job: &DownloadJob,
        body: CompletedBody,
        mismatches: &RepeatedMismatch,
    ) -> Result<Option<StagedFile>, Error> {
        let (job, kind_filter) = (job.clone(), self.kind_filter);
        let body = CompletedBody { mismatches: mismatches.clone(), ..body };
        blocking(move || finish::finish(&job, body, kind_filter)).await
    }
}

/// The error of a download that is not retried any more.
async fn abandon_after(part: Part, error: http::Error, end: NoRetry) -> Error {
    let error = match end {
        NoRetry::GivenUp => Error::Http(error),
        NoRetry::Stopped => Error::Stopped,
    };
    abandon_part(part, error).await
}
