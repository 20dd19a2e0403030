//! One try for an asset: what is asked for, and what is done with the answer.
//!
//! What is here is continued only as far as `http` proves the answer to be the rest of the same version; otherwise the
//! asset starts over, and after two such restarts it is one plain stream. A large file is spread over several
//! connections once its host has shown that it serves ranges.

use bytes::Bytes;
use url::Url;

use super::disk::Limit;
use super::finish::Arrival;
use super::lanes::{self, Lanes, PIECE};
use super::pour::{Limits, Poured, pour};
use super::{Downloader, Error, Order};
use crate::event::{Event, Meter, Transfer};
use crate::http::{self, Ask, Body, Coding, Decoder, Head};
use crate::store::{Part, blocking};
use crate::version::Version;

/// A download of at least this many bytes has a bar of its own.
const LARGE: u64 = 8 << 20;
/// A file of at least this many bytes is fetched over several connections.
const WORTH_LANES: u64 = 16 << 20;
/// After so many restarts over a changed file it is not continued any more.
pub(super) const MOST_RESTARTS: u32 = 2;

/// The tries for one asset.
pub(super) struct Tries<'a> {
    pub downloader: &'a Downloader,
    pub order: &'a Order,
    pub url: &'a Url,
    /// How often what was here turned out to be of another file.
    pub restarts: u32,
    /// The version that was seen last, with the largest total that was said of it. It outlives the bytes of the part.
    pub known: Option<Version>,
}

/// What came of one try.
#[expect(clippy::large_enum_variant, reason = "there is one at a time for each asset, and it is moved at once")]
pub(super) enum Tried {
    /// All of it.
    Whole(Arrival),
    /// Not all; the part is what the next try may continue.
    Broken(Part, http::Error),
}

impl Tries<'_> {
    /// Asks for what `part` lacks, and takes what comes.
    pub(super) async fn once(&mut self, mut part: Part) -> Result<Tried, Error> {
        let is_plain = self.is_plain();
        self.remember(part.version().cloned());
        if part.size() > 0 && (is_plain || part.version().is_none()) {
            part = emptied(part).await?;
        }
        let mut ask = part.version().filter(|_| part.size() > 0).map(|version| rest_of(&part, version.clone()));
        let mut body = loop {
            let body = match self.downloader.stop.run_until_cancelled(self.ask(ask.as_ref())).await {
                None => return Err(given_up(part, Error::Stopped).await),
                Some(Err(error)) => return Ok(Tried::Broken(part, error)),
                Some(Ok(body)) => body,
            };
            match (&mut ask, body.head.total) {
                // The last byte was asked for again, and the file ends with it.
                (Some(_), Some(total)) if body.head.is_partial && total == part.size() => {
                    return Ok(Tried::Whole(Arrival::new(Poured::of(part), body.head.clone())));
                }
                (Some(ask), total) if body.head.is_partial && ask.from < part.size() => {
                    ask.version.total = total;
                    ask.from = part.size();
                }
                _ => break body,
            }
        };
        if let Err(error) = self.known.as_ref().map_or(Ok(()), |known| body.head.agree(known)) {
            return Ok(Tried::Broken(part, error));
        }
        self.remember(body.head.version());
        if part.size() > 0 && !body.head.is_partial {
            // The whole file instead: it is another one now, or its host knows no ranges.
            part = self.restarted(part).await?;
        }
        if let Some(version) = body.head.version() {
            part.identify(version);
        }
        self.take(part, body).await
    }

    /// Whether each try asks for the whole file, because what came before could not be continued too often.
    pub(super) fn is_plain(&self) -> bool {
        self.restarts >= MOST_RESTARTS
    }

    /// Keeps `seen` in mind. A total that is known already is not forgotten for an answer without one.
    fn remember(&mut self, seen: Option<Version>) {
        let Some(mut seen) = seen else { return };
        if let Some(known) = self.known.take().filter(|known| known.validator == seen.validator) {
            seen.total = seen.total.max(known.total);
        }
        self.known = Some(seen);
    }

    /// The part without what it had, which was of another file.
    pub(super) async fn restarted(&mut self, part: Part) -> Result<Part, Error> {
        self.restarts += 1;
        emptied(part).await
    }

    /// Asks without the key first; a link on the gateway's own origin gets it when that is not enough.
    async fn ask(&self, ask: Option<&Ask>) -> Result<Body, http::Error> {
        let Downloader { media, gateway, .. } = self.downloader;
        match media.get(self.url, ask).await {
            Err(http::Error::Status { status, retry_after }) if matches!(status.as_u16(), 401 | 403) => {
                gateway.media(self.url, ask).await.unwrap_or(Err(http::Error::Status { status, retry_after }))
            }
            answer => answer,
        }
    }

    /// Takes the bytes of `body` into the part, over several connections where that is worth it.
    async fn take(&self, mut part: Part, body: Body) -> Result<Tried, Error> {
        let Downloader { emitter, disk, max_size, .. } = self.downloader;
        let total = body.head.total.filter(|_| body.head.coding == Coding::Identity);
        if max_size.is_some_and(|most| total.is_some_and(|total| total > most)) {
            return Err(given_up(part, Error::TooLarge).await);
        }
        let meter = Meter::default();
        meter.add(part.size());
        let room = disk.reserve(total, &meter)?;
        let limit = Limit { of_user: *max_size, of_disk: room.most };
        part.limit(limit.most());
        let is_large = total.is_none_or(|total| total >= LARGE);
        if is_large {
            emitter.emit(Event::Started(Transfer { name: self.order.name(), total, meter: meter.clone() }));
        }
        let tried = match self.probe(&part, &body.head, &meter).await {
            Some((lanes, second)) => self.by_lanes(lanes, part, body, second).await,
            None => self.by_one(part, body, &meter).await,
        };
        if is_large {
            emitter.emit(Event::Ended(meter));
        }
        // Its last bytes are written when it is finished, under the same limit.
        let limited =
            tried.map(|tried| if let Tried::Whole(arrival) = tried { Tried::Whole(Arrival { limit, ..arrival }) } else { tried });
        limited.map_err(|error| limit.explain(error))
    }

    async fn by_one(&self, part: Part, mut body: Body, meter: &Meter) -> Result<Tried, Error> {
        let head = body.head.clone();
        let meters = [&self.downloader.emitter.total, meter];
        let limits = Limits { meters: &meters, stop: &self.downloader.stop };
        let (poured, fault) = pour(&mut body, Decoder::new(part, head.coding), &limits).await?;
        // The connection is free for others while the file is finished.
        drop(body);
        let short = || Error::Http(http::Error::Passing("the body ended before the file did".to_owned()));
        let Some(fault) = fault.or_else(|| is_short(&poured, &head).then(short)) else {
            return Ok(Tried::Whole(Arrival::new(poured, head)));
        };
        // What a body that broke off leaves: a part that can be continued, or an empty one.
        let part = match blocking(move || poured.salvage()).await? {
            // Of a body that is longer than was said, no byte is known to be right.
            Some(part) if matches!(fault, Error::Http(http::Error::Length(_))) => emptied(part).await?,
            Some(part) => part,
            None => self.order.part().await?,
        };
        broken(part, fault).await
    }

    async fn by_lanes(&self, lanes: Lanes, part: Part, first: Body, second: Body) -> Result<Tried, Error> {
        let head = first.head.clone();
        let (part, fault) = lanes::pour(lanes, part, first, second, self.downloader.connections).await?;
        match fault {
            None => Ok(Tried::Whole(Arrival::new(Poured::of(part), head))),
            Some(fault) => broken(part, fault).await,
        }
    }

    /// The second of several connections, when the file is worth them and its host proves that it serves ranges.
    async fn probe(&self, part: &Part, head: &Head, meter: &Meter) -> Option<(Lanes, Body)> {
        let Downloader { media, connections, policy, emitter, stop, .. } = self.downloader;
        let version = head.version().filter(|version| !self.is_plain() && part.version() == Some(version))?;
        let total = version.total.filter(|total| total.saturating_sub(part.size()) >= WORTH_LANES)?;
        if *connections < 2 || !(head.is_partial || head.accepts_ranges) {
            return None;
        }
        let from = part.size() + PIECE;
        let ask = Ask { from, to: Some(from + PIECE), version: version.clone() };
        // The first body waits meanwhile; nothing of it is lost.
        let second = stop.run_until_cancelled(media.try_get(self.url, &ask)).await??.ok()?;
        let lanes = Lanes {
            media: media.clone(),
            url: self.url.clone(),
            version,
            total,
            policy: *policy,
            meters: vec![emitter.total.clone(), meter.clone()],
            stop: stop.clone(),
        };
        second.head.is_partial.then_some((lanes, second))
    }
}

/// What to ask for to continue `part`. Where it may have every byte already, that is its last one again: the answer tells
/// how long the file is, and that it is still the same.
fn rest_of(part: &Part, version: Version) -> Ask {
    let may_be_all = version.total.is_none_or(|total| total == part.size());
    Ask { from: part.size() - u64::from(may_be_all), to: None, version }
}

/// Whether a body that ended has brought less than its head promised.
fn is_short(poured: &Poured, head: &Head) -> bool {
    let rest: usize = poured.rest.iter().map(Bytes::len).sum();
    head.coding == Coding::Identity && head.total.is_some_and(|total| poured.sink.inner().size() + (rest as u64) < total)
}

/// Only the host's faults leave something to try again.
async fn broken(part: Part, fault: Error) -> Result<Tried, Error> {
    match fault {
        Error::Http(error) => Ok(Tried::Broken(part, error)),
        fault => Err(given_up(part, fault).await),
    }
}

/// Leaves the part for the next run, unless it is refused or in the way; why it was given up.
pub(super) async fn given_up(part: Part, why: Error) -> Error {
    let left = blocking(move || {
        match why {
            Error::Refused(_) | Error::TooLarge | Error::TooLargeForDisk(_) | Error::Write(_) | Error::Store(_) => part.discard(),
            _ => drop(part),
        }
        Ok::<_, Error>(why)
    });
    left.await.unwrap_or_else(|broke_down| broke_down)
}

async fn emptied(mut part: Part) -> Result<Part, Error> {
    blocking(move || part.restart().map_err(Error::Write).map(|()| part)).await
}
