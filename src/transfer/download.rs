//! Drives one asset, from its slot to a staged file: tries, waits, and tries again as long as the budget lasts.
//!
//! One budget covers requests that failed and bodies that broke. Only proven progress refills it: bytes of a known version,
//! beyond the furthest byte of all tries before. A file that is another one now starts over at once, which costs no try. What is left of a file that could not be had stays as a part for the
//! next run, when it can be continued.

use bytes::Bytes;
use url::Url;

use super::attempt::{AttemptContext, AttemptOutcome, MAX_RESTARTS, abandon_part};
use super::body_writer::WrittenBody;
use super::finish::{self, CompletedBody};
use super::{DownloadJob, Downloader, Error, Fetched};
use crate::domain::asset::AssetSource;
use crate::domain::event::{Counter, Event};
use crate::http::retry::RetryState;
use crate::http::{self, ResponseHead};
use crate::media::data_uri;
use crate::storage::{StagedFile, blocking};

impl Downloader {
    /// Fetches one asset.
    ///
    /// # Errors
    /// Why it could not be had.
    pub(crate) async fn fetch(&self, order: DownloadJob) -> Result<Fetched, Error> {
        // Never closed, so the slot always comes.
        let _slot = self.stop.run_until_cancelled(self.slots.acquire()).await.ok_or(Error::Stopped)?;
        self.disk.check()?;
        let staged = match order.asset.source().map_err(Error::InvalidUrl)? {
            AssetSource::Data => self.decode(order).await,
            AssetSource::Http(url) => self.download(order, &url).await,
        };
        let staged = staged.map_err(|error| self.disk.handle_error(error))?;
        Ok(staged.map_or(Fetched::NotWanted, |staged| Fetched::File(Box::new(staged))))
    }

    async fn decode(&self, order: DownloadJob) -> Result<Option<StagedFile>, Error> {
        let (wanted, max_size) = (self.kind_filter, self.max_size);
        // Base64 has four characters for three bytes.
        let _room = self.disk.reserve(Some(order.asset.url.len() as u64 / 4 * 3), &Counter::default())?;
        let staged = blocking(move || {
            let bytes = data_uri::decode(order.asset.url.trim()).map_err(|error| Error::InvalidUrl(error.to_string()))?;
            let mut part = order.parts.resume(&order.stem())?;
            part.restart().map_err(Error::Write)?;
            part.set_max_size(max_size);
            let head = ResponseHead {
                content_type: data_uri::declared_type(&order.asset.url).map(str::to_owned),
                has_end: true,
                ..ResponseHead::default()
            };
            let poured = WrittenBody { unwritten: vec![Bytes::from(bytes)], ..WrittenBody::from_part(part) };
            finish::finish(&order, CompletedBody::new(poured, head), wanted)
        });
        let staged = staged.await?;
        self.emitter.bytes.add(staged.as_ref().map_or(0, |staged| staged.entry().size()));
        Ok(staged)
    }

    async fn download(&self, order: DownloadJob, url: &Url) -> Result<Option<StagedFile>, Error> {
        let mut part = match order.parts.create(&order.stem()) {
            Some(part) => part,
            None => order.open_part().await?,
        };
        let mut tries = AttemptContext { downloader: self, job: &order, url, restarts: 0, last_version: None };
        let mut attempts = RetryState::new(self.policy);
        let mut furthest = part.size();
        loop {
            let (left, fault) = match tries.run(part).await {
                Ok(AttemptOutcome::Incomplete(part, error)) => (Some(part), Error::Http(error)),
                Ok(AttemptOutcome::Complete(arrival)) => {
                    let (same, wanted) = (order.clone(), self.kind_filter);
                    match blocking(move || finish::finish(&same, arrival, wanted)).await {
                        Ok(staged) => return Ok(staged),
                        Err(fault) => {
                            // It came to its end: no try gets further.
                            furthest = u64::MAX;
                            (None, fault)
                        }
                    }
                }
                Err(fault) => (None, fault),
            };
            let Error::Http(error) = fault else { return Err(fault) };
            part = match left {
                Some(part) => part,
                // What came can't be continued, but another try may bring it whole.
                None => order.open_part().await?,
            };
            if matches!(error, http::Error::RangeMismatch(_)) && tries.restarts <= MAX_RESTARTS {
                part = tries.restart(part).await?;
                continue;
            }
            if part.size() > furthest && part.version().is_some() && !tries.is_resume_disabled() {
                attempts.refill();
            }
            furthest = furthest.max(part.size());
            let delay = if error.is_transient() { attempts.next_delay(error.retry_after()) } else { None };
            let Some(delay) = delay else { return Err(abandon_part(part, Error::Http(error)).await) };
            self.emitter.emit(Event::Detail(format!("{}: {error}; trying again", order.display_name())));
            if self.stop.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                return Err(abandon_part(part, Error::Stopped).await);
            }
            if let Err(why) = self.disk.check() {
                return Err(abandon_part(part, why).await);
            }
        }
    }
}
