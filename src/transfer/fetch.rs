//! Drives one asset: asks, pours, tries again when that may help, and hands over what came.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Url;

use super::finish::{self, Arrival};
use super::pour::{Poured, pour};
use super::{Downloader, Error, Fetched, Order, blocking};
use crate::asset::Source;
use crate::data_uri;
use crate::event::{Event, Meter, Transfer};
use crate::http::retry::Attempts;
use crate::http::{self, Body, Coding, Decoder, Head};
use crate::naming;

/// A download of at least this many bytes has a bar of its own.
const LARGE: u64 = 8 << 20;

impl Downloader {
    /// Fetches one asset.
    ///
    /// # Errors
    /// Why it could not be had.
    pub async fn fetch(&self, order: Order) -> Result<Fetched, Error> {
        // Never closed, so the slot always comes.
        let _slot = self.slots.acquire().await;
        match order.asset.source().map_err(Error::Source)? {
            Source::Data(_) => self.decode(order).await,
            Source::Http(url) => {
                let url = Url::parse(url).map_err(|error| Error::Source(format!("not an absolute URL ({error})")))?;
                self.download(order, &url).await
            }
        }
    }

    async fn decode(&self, order: Order) -> Result<Fetched, Error> {
        let wanted = self.wanted;
        let fetched = blocking(move || {
            let bytes = data_uri::decode(order.asset.url.trim()).map_err(|error| Error::Source(error.to_string()))?;
            let sink = sink(&order, Coding::Identity);
            let head = Head {
                content_type: crate::asset::data_type(&order.asset.url).map(str::to_owned),
                has_end: true,
                ..Head::default()
            };
            finish::finish(&order, Arrival { poured: Poured { sink, rest: vec![Bytes::from(bytes)] }, head }, wanted)
        });
        let fetched = fetched.await?;
        if let Fetched::File(file) = &fetched {
            self.emitter.total.add(file.size());
        }
        Ok(fetched)
    }

    async fn download(&self, order: Order, url: &Url) -> Result<Fetched, Error> {
        let mut attempts = Attempts::new(self.policy);
        loop {
            let error = match self.attempt(&order, url).await {
                Ok(arrival) => {
                    let (order, wanted) = (order.clone(), self.wanted);
                    match blocking(move || finish::finish(&order, arrival, wanted)).await {
                        Err(Error::Http(error)) => error,
                        done => return done,
                    }
                }
                Err(Error::Http(error)) => error,
                Err(error) => return Err(error),
            };
            let delay = if error.is_passing() { attempts.next(error.retry_after()) } else { None };
            let Some(delay) = delay else { return Err(Error::Http(error)) };
            self.emitter.emit(Event::Detail(format!("{}: {error}; trying again", name(&order))));
            tokio::time::sleep(delay).await;
        }
    }

    /// One request and its body.
    async fn attempt(&self, order: &Order, url: &Url) -> Result<Arrival, Error> {
        let body = self.ask(url).await?;
        let head = body.head.clone();
        let sink = sink(order, head.coding);
        let meter = Meter::default();
        let is_large = head.length.is_none_or(|length| length >= LARGE);
        if is_large {
            self.emitter.emit(Event::Started(Transfer { name: name(order), total: head.length, meter: meter.clone() }));
        }
        let poured = pour(body, sink, &[&self.emitter.total, &meter]).await;
        if is_large {
            self.emitter.emit(Event::Ended(meter));
        }
        Ok(Arrival { poured: poured?, head })
    }

    /// Asks without the key first; a link on the gateway's own origin gets it when that is not enough.
    async fn ask(&self, url: &Url) -> Result<Body, http::Error> {
        match self.media.get(url).await {
            Err(http::Error::Status { status, retry_after }) if matches!(status.as_u16(), 401 | 403) => {
                self.gateway.media(url).await.unwrap_or(Err(http::Error::Status { status, retry_after }))
            }
            answer => answer,
        }
    }
}

fn sink(order: &Order, coding: Coding) -> Decoder<crate::store::Part> {
    Decoder::new(Arc::clone(&order.held).part(&stem(order)), coding)
}

fn name(order: &Order) -> String {
    format!("{} {}", stem(order), order.task)
}

/// A lone URL's kind may not be known before its bytes are.
fn stem(order: &Order) -> String {
    let asset = &order.asset;
    asset.kind.map_or_else(|| format!("asset-{}", asset.index), |kind| naming::stem(kind, asset.index, asset.count))
}
