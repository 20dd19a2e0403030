//! The body of the first request for a large file, and the probe that finds out whether its host serves ranges.
//!
//! The first body is the whole rest of the file. While it arrives, a second connection asks for a later range. Until that answer
//! is there, the first body goes on, but not into that range. If the host sends the range, the file is split: several
//! connections go on ([`segments`](super::segments)). Otherwise the first body brings all of it.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Error;
use super::body_writer::TransferContext;
use super::range_plan::{RATE_PERIOD, RangePlan};
use super::segments::RangeSource;
use crate::http::{Body, Route};

/// How long the first body waits at the probed range, besides the time of two answers.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the first body brings next.
pub(super) enum Next {
    /// Bytes.
    Chunk(Bytes),
    /// Its end.
    End,
    /// The host sends a range of the file over another connection.
    Split,
}

/// A body with its probe.
pub(super) struct FirstBody {
    body: Body,
    probe: Option<Box<Probe>>,
    /// What the first body brought beyond the place where it has to wait.
    rest: Option<Bytes>,
}

/// What several connections begin with.
pub(super) struct Split {
    /// The connections, each with the range that it brings.
    pub started: Vec<(Body, Range<u64>)>,
    pub source: RangeSource,
    pub plan: RangePlan,
}

/// The request for a range.
pub(super) struct Probe {
    source: RangeSource,
    plan: RangePlan,
    /// Of the first body, in the file.
    position: u64,
    received: u64,
    began: Instant,
    request: Option<Request>,
    /// What the split begins with besides the first body.
    second: Option<(Box<Body>, Range<u64>)>,
    /// The first body goes on up to here.
    first_end: u64,
    /// Whether a part of the rest is there from the start.
    has_gaps: bool,
}

/// The probed range does not come.
struct Refused {
    /// The link may be of use for the first request alone.
    is_dead_link: bool,
}

struct Request {
    answer: Pin<Box<dyn Future<Output = Result<Box<Body>, Refused>> + Send>>,
    range: Range<u64>,
}

impl Probe {
    /// A probe for a first body that begins at `position`.
    pub(super) fn new(source: RangeSource, plan: RangePlan, position: u64) -> Self {
        let has_gaps = plan.has_gaps();
        let (request, second) = (None, None);
        Self { source, plan, position, received: 0, began: Instant::now(), request, second, first_end: u64::MAX, has_gaps }
    }

    /// Asks for a range, if that pays and the host has a free connection. True when the first body is to be cut without that:
    /// what comes after its range is there already, or has to wait for this connection.
    fn start_if_it_pays(&mut self) -> bool {
        if self.request.is_some() || !self.plan.pays(self.received, self.began.elapsed()) {
            return false;
        }
        let connection = if self.plan.has_one_connection() { None } else { self.source.host.try_connect() };
        if connection.is_none() && !self.plan.has_gaps() {
            return false;
        }
        self.plan.move_to(self.position);
        let Some(first) = self.plan.claim() else { return false };
        let Some((connection, range)) = connection.and_then(|connection| Some((connection, self.plan.claim()?))) else {
            let is_cut = self.plan.has_gaps();
            if is_cut {
                self.first_end = first.end;
            }
            return is_cut;
        };
        let (source, requested) = (self.source.clone(), range.clone());
        let answer = async move {
            let body = source.request(&requested, &mut Route::over(connection)).await;
            tracing::debug!(is_split = body.is_ok(), from = requested.start, "range probe");
            body.map(Box::new).map_err(|error| Refused { is_dead_link: error.is_dead_link() })
        };
        self.first_end = first.end;
        self.request = Some(Request { answer: Box::pin(answer), range });
        false
    }

    /// Cuts `chunk` where the first body has to wait. Returns what is beyond it.
    fn cut(&mut self, chunk: &mut Bytes) -> Option<Bytes> {
        let limit = self.first_end.saturating_sub(self.position);
        let rest = usize::try_from(limit).ok().filter(|limit| *limit < chunk.len()).map(|limit| chunk.split_off(limit));
        self.position += chunk.len() as u64;
        self.received += chunk.len() as u64;
        rest
    }
}

/// What happened first.
enum Event {
    Received(Option<Bytes>),
    /// The file is split, or can't be.
    Decided(bool),
    Waited,
}

impl FirstBody {
    pub(super) fn new(body: Body, probe: Option<Probe>) -> Self {
        Self { body, probe: probe.map(Box::new), rest: None }
    }

    /// The length of the body on the wire, when the host says it.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.head.length
    }

    /// The next bytes, the end, or the split. No byte that was received is lost.
    pub(super) async fn next(&mut self, context: &mut TransferContext<'_>) -> Result<Next, Error> {
        loop {
            match self.wait(context).await? {
                Event::Received(None) => return Ok(Next::End),
                Event::Received(Some(mut chunk)) => {
                    self.rest = self.probe.as_mut().and_then(|probe| probe.cut(&mut chunk));
                    if !chunk.is_empty() {
                        context.count(&self.body, chunk.len()).await;
                        return Ok(Next::Chunk(chunk));
                    }
                }
                Event::Decided(true) => return Ok(Next::Split),
                Event::Decided(false) => self.probe = None,
                Event::Waited => context.rate.count(0, RATE_PERIOD),
            }
        }
    }

    async fn wait(&mut self, context: &mut TransferContext<'_>) -> Result<Event, Error> {
        let Some(probe) = &mut self.probe else {
            return Ok(Event::Received(match self.rest.take() {
                Some(rest) => Some(rest),
                None => context.receive(&mut self.body).await?,
            }));
        };
        if probe.start_if_it_pays() {
            return Ok(Event::Decided(true));
        }
        let Some(Request { answer, range }) = &mut probe.request else {
            return tokio::select! {
                biased;
                chunk = context.receive(&mut self.body) => Ok(Event::Received(chunk?)),
                () = tokio::time::sleep(RATE_PERIOD) => Ok(Event::Waited),
            };
        };
        let is_waiting = probe.position == probe.first_end;
        let patience = PATIENCE + 2 * probe.plan.latency();
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            () = context.stop.cancelled() => return Err(Error::Stopped),
            () = tokio::time::sleep(patience), if is_waiting => Err(Refused { is_dead_link: false }),
            chunk = context.receive(&mut self.body), if !is_waiting => return Ok(Event::Received(chunk?)),
        };
        match answer {
            Ok(second) => probe.second = Some((second, range.clone())),
            // The first body must not bring again what is there. Another request will bring the range.
            Err(refused) if probe.has_gaps && !refused.is_dead_link => probe.plan.give_back(range.clone()),
            Err(_) => return Ok(Event::Decided(false)),
        }
        Ok(Event::Decided(true))
    }

    /// What several connections begin with, after [`Next::Split`].
    pub(super) fn into_split(self) -> Option<Split> {
        let Probe { source, mut plan, position, second, first_end, .. } = *self.probe?;
        let mut started = vec![(self.body, position..first_end)];
        if let Some((second, range)) = second {
            plan.answered(second.latency);
            started.push((*second, range));
        }
        started.retain(|(_, range)| !range.is_empty());
        Some(Split { started, source, plan })
    }
}
