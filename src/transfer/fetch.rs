//! Drives one asset, from its slot to a staged file: tries, waits, and tries again as long as the budget lasts.
//!
//! One budget covers requests that failed and bodies that broke. Only proven progress refills it: bytes of a known version,
//! beyond the furthest byte of all tries before. A file that is another one now starts over at once, which costs no try. What is left of a file that could not be had stays as a part for the
//! next run, when it can be continued.

use bytes::Bytes;
use url::Url;

use super::finish::{self, Arrival};
use super::pour::Poured;
use super::tries::{MOST_RESTARTS, Tried, Tries, given_up};
use super::{Downloader, Error, Fetched, Order};
use crate::asset::Source;
use crate::data_uri;
use crate::event::{Event, Meter};
use crate::http::retry::Attempts;
use crate::http::{self, Head};
use crate::store::{Staged, blocking};

impl Downloader {
    /// Fetches one asset.
    ///
    /// # Errors
    /// Why it could not be had.
    pub(crate) async fn fetch(&self, order: Order) -> Result<Fetched, Error> {
        // Never closed, so the slot always comes.
        let _slot = self.stop.run_until_cancelled(self.slots.acquire()).await.ok_or(Error::Stopped)?;
        self.disk.check()?;
        let staged = match order.asset.source().map_err(Error::Source)? {
            Source::Data => self.decode(order).await,
            Source::Http(url) => self.download(order, &url).await,
        };
        let staged = staged.map_err(|error| self.disk.note(error))?;
        Ok(staged.map_or(Fetched::NotWanted, |staged| Fetched::File(Box::new(staged))))
    }

    async fn decode(&self, order: Order) -> Result<Option<Staged>, Error> {
        let (wanted, max_size) = (self.wanted, self.max_size);
        // Base64 has four characters for three bytes.
        let _room = self.disk.reserve(Some(order.asset.url.len() as u64 / 4 * 3), &Meter::default())?;
        let staged = blocking(move || {
            let bytes = data_uri::decode(order.asset.url.trim()).map_err(|error| Error::Source(error.to_string()))?;
            let mut part = order.held.part(&order.stem())?;
            part.restart().map_err(Error::Write)?;
            part.limit(max_size);
            let head = Head {
                content_type: data_uri::declared_type(&order.asset.url).map(str::to_owned),
                has_end: true,
                ..Head::default()
            };
            let poured = Poured { rest: vec![Bytes::from(bytes)], ..Poured::of(part) };
            finish::finish(&order, Arrival::new(poured, head), wanted)
        });
        let staged = staged.await?;
        self.emitter.total.add(staged.as_ref().map_or(0, |staged| staged.entry().size()));
        Ok(staged)
    }

    async fn download(&self, order: Order, url: &Url) -> Result<Option<Staged>, Error> {
        let mut part = match order.held.new_part(&order.stem()) {
            Some(part) => part,
            None => order.part().await?,
        };
        let mut tries = Tries { downloader: self, order: &order, url, restarts: 0, known: None };
        let mut attempts = Attempts::new(self.policy);
        let mut furthest = part.size();
        loop {
            let (left, fault) = match tries.once(part).await {
                Ok(Tried::Broken(part, error)) => (Some(part), Error::Http(error)),
                Ok(Tried::Whole(arrival)) => {
                    let (same, wanted) = (order.clone(), self.wanted);
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
                None => order.part().await?,
            };
            if matches!(error, http::Error::Range(_)) && tries.restarts <= MOST_RESTARTS {
                part = tries.restarted(part).await?;
                continue;
            }
            if part.size() > furthest && part.version().is_some() && !tries.is_plain() {
                attempts.refill();
            }
            furthest = furthest.max(part.size());
            let delay = if error.is_passing() { attempts.next(error.retry_after()) } else { None };
            let Some(delay) = delay else { return Err(given_up(part, Error::Http(error)).await) };
            self.emitter.emit(Event::Detail(format!("{}: {error}; trying again", order.name())));
            if self.stop.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                return Err(given_up(part, Error::Stopped).await);
            }
            if let Err(why) = self.disk.check() {
                return Err(given_up(part, why).await);
            }
        }
    }
}
