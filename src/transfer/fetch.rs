//! Drives one asset: asks, pours, goes on where it broke off, and hands over what came.
//!
//! One budget covers requests that failed and bodies that broke; a new furthest byte refills it. What
//! is here is continued only as far as `http` proves the answer to be the rest of the same version;
//! otherwise the asset starts over, and after two such restarts it is one plain stream. What is left
//! of a file that could not be had stays as a part for the next run, when it can be continued.

use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use super::finish::{self, Arrival};
use super::lanes::{self, Lanes, PIECE};
use super::pour::{Limits, Poured, pour};
use super::{Downloader, Error, Fetched, Order};
use crate::asset::Source;
use crate::data_uri;
use crate::event::{Event, Meter, Transfer};
use crate::http::retry::Attempts;
use crate::http::{self, Ask, Body, Coding, Decoder, Head};
use crate::naming;
use crate::store::{Part, Staged, blocking};
use crate::version::Version;

/// A download of at least this many bytes has a bar of its own.
const LARGE: u64 = 8 << 20;
/// A file of at least this many bytes is fetched over several connections.
const WORTH_LANES: u64 = 16 << 20;
/// After so many restarts over a changed file it is not continued any more.
const MOST_RESTARTS: u32 = 2;

/// What came of one try.
#[expect(clippy::large_enum_variant, reason = "there is one at a time for each asset, and it is moved at once")]
enum Tried {
    /// All of it.
    Whole(Arrival),
    /// Not all; the part is what the next try may continue.
    Broken(Part, http::Error),
}

impl Downloader {
    /// Fetches one asset.
    ///
    /// # Errors
    /// Why it could not be had.
    pub async fn fetch(&self, order: Order) -> Result<Fetched, Error> {
        // Never closed, so the slot always comes.
        let _slot = self.stop.run_until_cancelled(self.slots.acquire()).await.ok_or(Error::Stopped)?;
        if self.disk.is_full() {
            return Err(Error::DiskFull);
        }
        let staged = match order.asset.source().map_err(Error::Source)? {
            Source::Data(_) => self.decode(order).await,
            Source::Http(url) => {
                let url = Url::parse(url).map_err(|error| Error::Source(format!("not an absolute URL ({error})")))?;
                self.download(order, &url).await
            }
        };
        let staged = staged.map_err(|error| self.disk.note(error))?;
        Ok(staged.map_or(Fetched::NotWanted, |staged| Fetched::File(Box::new(staged))))
    }

    async fn decode(&self, order: Order) -> Result<Option<Staged>, Error> {
        let (wanted, max_size) = (self.wanted, self.max_size);
        let staged = blocking(move || {
            let bytes = data_uri::decode(order.asset.url.trim()).map_err(|error| Error::Source(error.to_string()))?;
            let mut part = order.held.part(&stem(&order))?;
            part.restart().map_err(Error::Write)?;
            part.limit(max_size);
            let head = Head {
                content_type: data_uri::declared_type(&order.asset.url).map(str::to_owned),
                has_end: true,
                ..Head::default()
            };
            let poured = Poured { sink: Decoder::new(part, Coding::Identity), rest: vec![Bytes::from(bytes)] };
            finish::finish(&order, Arrival { poured, head }, wanted)
        });
        let staged = staged.await?;
        self.emitter.total.add(staged.as_ref().map_or(0, |staged| staged.entry().size()));
        Ok(staged)
    }

    async fn download(&self, order: Order, url: &Url) -> Result<Option<Staged>, Error> {
        let mut attempts = Attempts::new(self.policy);
        let (mut part, mut restarts) = match order.held.new_part(&stem(&order)) {
            Some(part) => (part, 0),
            None => (open(&order).await?, 0),
        };
        let mut furthest = part.size();
        loop {
            let (broken, error) = match self.attempt(&order, url, part, &mut restarts).await {
                // What came can't be continued, but another try may bring it whole.
                Err(Error::Http(error)) => (open(&order).await?, error),
                Err(error) => return Err(error),
                Ok(Tried::Broken(part, error)) => (part, error),
                Ok(Tried::Whole(arrival)) => {
                    let (same, wanted) = (order.clone(), self.wanted);
                    match blocking(move || finish::finish(&same, arrival, wanted)).await {
                        Err(Error::Http(error)) => (open(&order).await?, error),
                        done => return done,
                    }
                }
            };
            part = broken;
            if matches!(error, http::Error::Range(_)) && restarts <= MOST_RESTARTS {
                part = restarted(part).await?;
                restarts += 1;
                continue;
            }
            if part.size() > furthest {
                furthest = part.size();
                attempts.refill();
            }
            let delay = if error.is_passing() { attempts.next(error.retry_after()) } else { None };
            let Some(delay) = delay else {
                return blocking(move || Err(given_up(part, Error::Http(error)))).await;
            };
            self.emitter.emit(Event::Detail(format!("{}: {error}; trying again", name(&order))));
            let waited = self.stop.run_until_cancelled(tokio::time::sleep(delay)).await;
            if waited.is_none() {
                return blocking(move || Err(given_up(part, Error::Stopped))).await;
            }
        }
    }

    /// One request, and the body or bodies that come of it.
    async fn attempt(&self, order: &Order, url: &Url, mut part: Part, restarts: &mut u32) -> Result<Tried, Error> {
        let is_plain = *restarts >= MOST_RESTARTS;
        if is_plain && part.size() > 0 {
            part = restarted(part).await?;
        }
        let mut ask = part.version().filter(|_| part.size() > 0).map(|version| rest_of(&part, version.clone()));
        if ask.is_none() && part.size() > 0 {
            part = restarted(part).await?;
        }
        let body = loop {
            let asked = self.stop.run_until_cancelled(self.ask(url, ask.as_ref())).await;
            let body = match asked.unwrap_or(Err(http::Error::Final("interrupted".to_owned()))) {
                Ok(body) => body,
                Err(_) if self.stop.is_cancelled() => return blocking(move || Err(given_up(part, Error::Stopped))).await,
                Err(error) => return Ok(Tried::Broken(part, error)),
            };
            match (&mut ask, body.head.total) {
                // The last byte was asked for again, and the file ends with it.
                (Some(_), Some(total)) if body.head.is_partial && total == part.size() => {
                    let poured = Poured { sink: Decoder::new(part, Coding::Identity), rest: Vec::new() };
                    return Ok(Tried::Whole(Arrival { poured, head: body.head.clone() }));
                }
                (Some(ask), total) if body.head.is_partial && ask.from < part.size() => {
                    ask.version.total = total;
                    ask.from = part.size();
                }
                _ => break body,
            }
        };
        if part.size() > 0 && !body.head.is_partial {
            // The whole file instead: it is another one now, or its host knows no ranges.
            part = restarted(part).await?;
            *restarts += 1;
        }
        if let Some(version) = body.head.version().filter(|_| !is_plain) {
            part.identify(version);
        }
        self.take(order, url, part, body).await
    }

    /// Takes the bytes of `body` into the part, over several connections where that is worth it.
    async fn take(&self, order: &Order, url: &Url, mut part: Part, body: Body) -> Result<Tried, Error> {
        let head = body.head.clone();
        let total = head.total.filter(|_| head.coding == Coding::Identity);
        if self.max_size.is_some_and(|most| total.is_some_and(|total| total > most)) {
            part.discard();
            return Err(Error::TooLarge);
        }
        part.limit(self.max_size);
        let meter = Meter::default();
        meter.add(part.size());
        let _room = self.disk.reserve(total.unwrap_or(0), &meter)?;
        let is_large = total.is_none_or(|total| total >= LARGE);
        if is_large {
            self.emitter.emit(Event::Started(Transfer { name: name(order), total, meter: meter.clone() }));
        }
        let tried = match self.probe(url, &part, &head).await {
            Some((lanes, second)) => self.by_lanes(lanes, part, body, second, &meter).await,
            None => self.by_one(order, part, body, &meter).await,
        };
        if is_large {
            self.emitter.emit(Event::Ended(meter));
        }
        tried
    }

    async fn by_one(&self, order: &Order, part: Part, mut body: Body, meter: &Meter) -> Result<Tried, Error> {
        let head = body.head.clone();
        let meters = [&self.emitter.total, meter];
        let limits = Limits { meters: &meters, stop: &self.stop };
        let (poured, fault) = pour(&mut body, Decoder::new(part, head.coding), &limits).await?;
        // The connection is free for others while the file is finished.
        drop(body);
        match fault {
            None if is_short(&poured, &head) => {
                let short = http::Error::Passing("the body ended before the file did".to_owned());
                broken(order, poured, Error::Http(short)).await
            }
            None => Ok(Tried::Whole(Arrival { poured, head })),
            Some(fault) => broken(order, poured, fault).await,
        }
    }

    /// The second of several connections, when the file is worth them and its host proves that it serves ranges.
    async fn probe(&self, url: &Url, part: &Part, head: &Head) -> Option<(Lanes, Body)> {
        let version = head.version().filter(|version| part.version() == Some(version))?;
        let total = version.total.filter(|total| total.saturating_sub(part.size()) >= WORTH_LANES)?;
        if self.connections < 2 || !(head.is_partial || head.accepts_ranges) {
            return None;
        }
        let from = part.size() + PIECE;
        let ask = Ask { from, to: Some(from + PIECE), version: version.clone() };
        // The first body waits meanwhile; nothing of it is lost.
        let second = self.stop.run_until_cancelled(self.media.try_get(url, &ask)).await??.ok()?;
        let lanes = Lanes {
            media: self.media.clone(),
            url: url.clone(),
            version,
            total,
            policy: self.policy,
            meters: vec![self.emitter.total.clone()],
            stop: self.stop.clone(),
        };
        second.head.is_partial.then_some((lanes, second))
    }

    async fn by_lanes(&self, mut lanes: Lanes, part: Part, first: Body, second: Body, meter: &Meter) -> Result<Tried, Error> {
        let head = first.head.clone();
        lanes.meters.push(meter.clone());
        let mut part = Some(part);
        let ended = lanes::run(lanes, &mut part, first, second, self.connections).await;
        let Some(part) = part else { return Err(ended.err().unwrap_or(Error::Stopped)) };
        match ended {
            Ok(()) => {
                let poured = Poured { sink: Decoder::new(part, Coding::Identity), rest: Vec::new() };
                Ok(Tried::Whole(Arrival { poured, head }))
            }
            Err(Error::Http(error)) => Ok(Tried::Broken(part, error)),
            Err(error) => blocking(move || Err(given_up(part, error))).await,
        }
    }

    /// Asks without the key first; a link on the gateway's own origin gets it when that is not enough.
    async fn ask(&self, url: &Url, ask: Option<&Ask>) -> Result<Body, http::Error> {
        match self.media.get(url, ask).await {
            Err(http::Error::Status { status, retry_after }) if matches!(status.as_u16(), 401 | 403) => {
                self.gateway.media(url, ask).await.unwrap_or(Err(http::Error::Status { status, retry_after }))
            }
            answer => answer,
        }
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

/// What a body that broke off leaves: a part that can be continued, or an empty one.
async fn broken(order: &Order, poured: Poured, fault: Error) -> Result<Tried, Error> {
    let (held, stem) = (Arc::clone(&order.held), stem(order));
    blocking(move || match (poured.salvage()?, fault) {
        (Some(part), Error::Http(error)) => Ok(Tried::Broken(part, error)),
        (None, Error::Http(error)) => Ok(Tried::Broken(held.part(&stem)?, error)),
        (Some(part), fault) => Err(given_up(part, fault)),
        (None, fault) => Err(fault),
    })
    .await
}

/// Leaves the part for the next run, unless it is refused or in the way; why it was given up.
fn given_up(part: Part, why: Error) -> Error {
    match why {
        Error::Refused(_) | Error::TooLarge | Error::Write(_) | Error::Store(_) => part.discard(),
        _ => drop(part),
    }
    why
}

async fn open(order: &Order) -> Result<Part, Error> {
    let (held, stem) = (Arc::clone(&order.held), stem(order));
    blocking(move || Ok(held.part(&stem)?)).await
}

async fn restarted(mut part: Part) -> Result<Part, Error> {
    blocking(move || part.restart().map_err(Error::Write).map(|()| part)).await
}

fn name(order: &Order) -> String {
    format!("{} {}", stem(order), order.task)
}

/// A lone URL's kind may not be known before its bytes are.
fn stem(order: &Order) -> String {
    let asset = &order.asset;
    asset.kind.map_or_else(|| format!("asset-{}", asset.index), |kind| naming::stem(kind, asset.index, asset.count))
}
