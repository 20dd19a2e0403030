//! One large file over several connections.
//!
//! The file is cut into pieces of [`PIECE`] bytes, which lanes claim in file order and write at
//! their place; the front follows and hashes them while they are still in memory. No lane runs
//! further ahead of the front than the window allows, so that a kill costs at most 4 MiB a
//! connection, and memory does not grow with the file. Every range is proven as it comes; a lane
//! whose host changes its mind ends them all, and the caller decides what the part is still worth.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Error;
use super::pour::{LONGER, Limits};
use crate::event::Meter;
use crate::http::retry::{Attempts, Policy};
use crate::http::{self, Ask, Body, MediaClient};
use crate::store::{Ahead, Part, blocking};
use crate::version::Version;

/// What a lane fetches at once.
pub(super) const PIECE: u64 = 2 << 20;
/// Pieces that may be under way or ahead of the front, for each lane.
const WINDOW: usize = 2;
/// Bytes that are worth a hop.
const HOP: usize = 128 << 10;

/// What the lanes of one file share.
pub(super) struct Lanes {
    pub media: MediaClient,
    pub url: Url,
    pub version: Version,
    pub total: u64,
    pub policy: Policy,
    pub meters: Vec<Meter>,
    pub stop: CancellationToken,
}

/// Pours everything from the part's front on over `count` connections: `first` has the front's bytes, `second` those a
/// piece later. To the end, or until the fault that is given back with what came.
pub(super) async fn pour(
    lanes: Lanes,
    mut part: Part,
    first: Body,
    second: Body,
    count: usize,
) -> Result<(Part, Option<Error>), Error> {
    let front = part.size();
    let (done, mut pieces) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        next: AtomicU64::new(front + 2 * PIECE),
        window: Semaphore::new(count * WINDOW - 2),
        ahead: part.ahead().map_err(Error::Write)?,
        done,
        lanes,
    });
    let mut running = JoinSet::new();
    let given = [(first, front..front + PIECE), (second, front + PIECE..front + 2 * PIECE)];
    for begun in given.into_iter().map(Some).chain(std::iter::repeat_with(|| None)).take(count) {
        running.spawn(Arc::clone(&shared).lane(begun));
    }
    let mut ahead = BTreeSet::new();
    let mut fault = None;
    while part.size() < shared.lanes.total && fault.is_none() {
        tokio::select! {
            biased;
            Some((from, to)) = pieces.recv() => {
                ahead.insert((from, to));
                let to = reach(&mut ahead, part.size());
                if to > part.size() {
                    let passed = usize::try_from((to - part.size()).div_ceil(PIECE)).unwrap_or(1);
                    part = blocking(move || part.advance(to).map_err(Error::Write).map(|()| part)).await?;
                    shared.window.add_permits(passed);
                }
            }
            Some(ended) = running.join_next() => fault = ended.unwrap_or_else(|_| Err(broke_down())).err(),
            else => fault = Some(broke_down()),
        }
    }
    running.shutdown().await;
    Ok((part, fault))
}

/// A lane that did not end as lanes do.
fn broke_down() -> Error {
    Error::Write(std::io::Error::other("a connection's writer broke down"))
}

/// Where the front gets to with the pieces ahead of it, which it takes out.
fn reach(ahead: &mut BTreeSet<(u64, u64)>, mut front: u64) -> u64 {
    while let Some(&(from, to)) = ahead.first().filter(|(from, _)| *from <= front) {
        ahead.remove(&(from, to));
        front = front.max(to);
    }
    front
}

struct Shared {
    lanes: Lanes,
    next: AtomicU64,
    window: Semaphore,
    ahead: Ahead,
    done: mpsc::UnboundedSender<(u64, u64)>,
}

impl Shared {
    /// Fetches the piece that is begun, then claims others until there are none.
    async fn lane(self: Arc<Self>, begun: Option<(Body, Range<u64>)>) -> Result<(), Error> {
        if let Some((body, piece)) = begun {
            self.piece(piece, Some(body)).await?;
        }
        while let Some(piece) = self.claim().await {
            self.piece(piece, None).await?;
        }
        Ok(())
    }

    async fn claim(&self) -> Option<Range<u64>> {
        self.window.acquire().await.ok()?.forget();
        let from = self.next.fetch_add(PIECE, Ordering::Relaxed);
        (from < self.lanes.total).then(|| from..(from + PIECE).min(self.lanes.total))
    }

    async fn piece(&self, whole: Range<u64>, mut body: Option<Body>) -> Result<(), Error> {
        let mut piece = whole.clone();
        let mut attempts = Attempts::new(self.lanes.policy);
        while !piece.is_empty() {
            let start = piece.start;
            let error = match self.some(&mut piece, body.take()).await {
                Ok(()) => continue,
                Err(Error::Http(error)) => error,
                Err(error) => return Err(error),
            };
            if piece.start > start {
                attempts.refill();
            }
            let is_other_file = matches!(error, http::Error::Range(_));
            let delay = if error.is_passing() && !is_other_file { attempts.next(error.retry_after()) } else { None };
            let Some(delay) = delay else { return Err(Error::Http(error)) };
            self.lanes.stop.run_until_cancelled(tokio::time::sleep(delay)).await.ok_or(Error::Stopped)?;
        }
        // The receiver is gone only when the run has ended.
        let _ = self.done.send((whole.start, whole.end));
        Ok(())
    }

    async fn ask(&self, piece: &Range<u64>) -> Result<Body, Error> {
        let Lanes { media, url, version, stop, .. } = &self.lanes;
        let ask = Ask { from: piece.start, to: Some(piece.end), version: version.clone() };
        let body = stop.run_until_cancelled(media.get(url, Some(&ask))).await.ok_or(Error::Stopped)??;
        if body.head.is_partial { Ok(body) } else { Err(Error::Http(http::Error::Range("the host sends the whole file"))) }
    }

    /// Fetches the piece, or as much of it as one body brings; `piece` is what is left.
    async fn some(&self, piece: &mut Range<u64>, body: Option<Body>) -> Result<(), Error> {
        let Lanes { stop, meters, .. } = &self.lanes;
        let mut body = if let Some(body) = body { body } else { self.ask(piece).await? };
        // A body may go on beyond the piece: the first one is the whole rest of the file.
        let is_bounded = body.head.length.is_some_and(|length| length <= piece.end - piece.start);
        let meters: Vec<&Meter> = meters.iter().collect();
        let limits = Limits { meters: &meters, stop };
        while !piece.is_empty() {
            let (chunks, fault) = gather(&mut body, piece.end - piece.start, is_bounded, &limits).await;
            let (ahead, at) = (self.ahead.clone(), piece.start);
            piece.start += chunks.iter().map(Bytes::len).sum::<usize>() as u64;
            blocking(move || write(&ahead, &chunks, at)).await?;
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        if is_bounded { ends(&mut body, &limits).await } else { Ok(()) }
    }
}

/// What is worth a hop of the next `left` bytes of `body`, and what ended them early.
async fn gather(body: &mut Body, left: u64, is_bounded: bool, limits: &Limits<'_>) -> (Vec<Bytes>, Option<Error>) {
    let (mut chunks, mut size) = (Vec::new(), 0);
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    while size < left.min(HOP) {
        match limits.chunk(body).await {
            Ok(Some(mut chunk)) => {
                if is_bounded && chunk.len() > left - size {
                    return (chunks, Some(Error::Http(http::Error::Range(LONGER))));
                }
                chunk.truncate(left - size);
                size += chunk.len();
                chunks.push(chunk);
            }
            Ok(None) => {
                return (chunks, Some(Error::Http(http::Error::Passing("the body is shorter than its range".to_owned()))));
            }
            Err(fault) => return (chunks, Some(fault)),
        }
    }
    (chunks, None)
}

/// Sees the body of a piece end with the piece. One that goes on has other bytes than it says.
async fn ends(body: &mut Body, limits: &Limits<'_>) -> Result<(), Error> {
    match limits.chunk(body).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(Error::Http(http::Error::Range(LONGER))),
        // All bytes of the range came, and nothing after them: the range itself proves them.
        Err(Error::Http(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn write(ahead: &Ahead, chunks: &[Bytes], mut at: u64) -> Result<(), Error> {
    for chunk in chunks {
        ahead.write_at(chunk, at).map_err(Error::Write)?;
        at += chunk.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_moves_over_what_is_joined_to_it() {
        let mut ahead = BTreeSet::from([(10, 20), (30, 40)]);
        assert_eq!(reach(&mut ahead, 0), 0);
        ahead.insert((0, 10));
        assert_eq!(reach(&mut ahead, 0), 20);
        ahead.insert((20, 30));
        assert_eq!(reach(&mut ahead, 20), 40);
        assert!(ahead.is_empty());
    }
}
