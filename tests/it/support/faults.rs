//! A remote file whose host does a given thing wrong at each request, and everything else right.
//!
//! By default ranges are served as the standard has it: `ETag`, an old `Last-Modified`, `Date`,
//! `Accept-Ranges`, `If-Range`, 206 with `Content-Range`, 416. A script of [`Fault`]s says what is
//! otherwise, one a request; the last one stays. Bytes are pseudo-random, so that no two places of a
//! file look alike and a wrong splice is seen.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::media::target;
use super::{Reply, World};

/// What a host does at one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing wrong.
    Full,
    /// Hangs up after so many bytes of the body.
    CutAt(usize),
    /// Sends nothing more after so many bytes of the body.
    StallAt(usize),
    /// Sends the whole file, whatever range was asked for, and claims to serve ranges.
    IgnoreRange,
    /// Sends, and says so, a range one byte off.
    WrongRange,
    /// Sends, and says so, the first half of the range.
    ShortRange,
    /// Says that it sends the range, but ends after half of it, in order.
    ShortBody,
    /// Has another file by now, and sends the range of that one, whatever `If-Range` says.
    ChangedEtag,
    /// Has another file by now, and does all right.
    Replaced,
    /// Has only a weak validator, and serves any range.
    WeakEtag,
    /// Has no validator, and serves any range.
    NoValidator,
    /// Has an old date for a validator.
    Dated,
    /// Has a date that is too young to be one.
    JustNow,
    /// Knows no ranges.
    NoRanges,
    /// Answers so, with these headers.
    Status(&'static str, &'static [(&'static str, &'static str)]),
    /// Answers 200 with a page.
    Html,
    /// Sends so many bytes at once, with pauses between.
    Drip(usize),
    /// Sends everything in one chunk, and hangs up instead of ending.
    Unended,
}

/// What was asked for at one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    /// The first byte, and the last one, when it was said.
    pub range: Option<(u64, Option<u64>)>,
    pub if_range: Option<String>,
}

impl Seen {
    /// The first byte asked for.
    pub(crate) fn from(&self) -> u64 {
        self.range.map_or(0, |(from, _)| from)
    }
}

/// A file at the media host.
pub(crate) struct Remote {
    pub path: String,
    pub url: String,
    pub bytes: Arc<Vec<u8>>,
    /// What the host has after `ChangedEtag` and `Replaced`.
    pub other: Arc<Vec<u8>>,
}

impl Remote {
    /// A video of `size` bytes at `path`, served as `script` says.
    pub(crate) fn new(world: &World, path: &str, size: usize, script: &[Fault]) -> Self {
        let (bytes, other) = (Arc::new(noise(1, size)), Arc::new(noise(2, size)));
        let remote = Self { path: path.to_owned(), url: format!("{}{path}", world.media.origin()), bytes, other };
        remote.now(world, script);
        remote
    }

    /// From here on it is served as `script` says.
    pub(crate) fn now(&self, world: &World, script: &[Fault]) {
        world.media.script(&self.path, script.iter().map(|fault| self.reply(fault.clone())));
    }

    /// The same file at another link; its URL.
    pub(crate) fn also_at(&self, world: &World, path: &str, script: &[Fault]) -> String {
        world.media.script(path, script.iter().map(|fault| self.reply(fault.clone())))
    }

    pub(crate) fn reply(&self, fault: Fault) -> Reply {
        let (bytes, other) = (Arc::clone(&self.bytes), Arc::clone(&self.other));
        Reply::made(move |head| answer(&fault, head, &bytes, &other))
    }

    /// The requests so far, in order.
    pub(crate) fn seen(&self, world: &World) -> Vec<Seen> {
        seen_at(world, &self.path)
    }
}

/// The requests for `path` so far, in order.
pub(crate) fn seen_at(world: &World, path: &str) -> Vec<Seen> {
    world.media.heads().iter().filter(|head| target(head) == path).map(|head| seen(head)).collect()
}

fn seen(head: &str) -> Seen {
    let range = field(head, "range").map(|value| {
        let (from, to) = value.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (from.parse().unwrap(), to.parse().ok())
    });
    Seen { range, if_range: field(head, "if-range") }
}

fn field(head: &str, name: &str) -> Option<String> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// Deterministic bytes that look like nothing.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub(crate) const ETAG: &str = "\"v1\"";
pub(crate) const OLD_DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn answer(fault: &Fault, head: &str, bytes: &Arc<Vec<u8>>, other: &Arc<Vec<u8>>) -> Reply {
    let is_other = matches!(fault, Fault::ChangedEtag | Fault::Replaced);
    let (file, etag) = if is_other { (other, "\"v2\"") } else { (bytes, ETAG) };
    let now = httpdate::fmt_http_date(SystemTime::now());
    let dressed = |reply: Reply| {
        let reply = reply.typed("video/mp4").header("Date", &now);
        let reply = if matches!(fault, Fault::NoRanges) { reply } else { reply.header("Accept-Ranges", "bytes") };
        match fault {
            Fault::NoValidator => reply,
            Fault::WeakEtag => reply.header("ETag", "W/\"v1\""),
            Fault::Dated => reply.header("Last-Modified", OLD_DATE),
            Fault::JustNow => reply.header("Last-Modified", &now),
            _ => reply.header("ETag", etag).header("Last-Modified", OLD_DATE),
        }
    };
    let Seen { range, if_range } = seen(head);
    // Who has no strong validator of its own lets any `If-Range` through: the lax hosts that splicing breaks on.
    let is_same = match fault {
        Fault::Replaced => if_range.as_deref() == Some(etag),
        Fault::Dated => if_range.as_deref() == Some(OLD_DATE),
        Fault::ChangedEtag | Fault::WeakEtag | Fault::NoValidator | Fault::JustNow => true,
        _ => if_range.as_deref() == Some(ETAG),
    };
    let whole = || dressed(Reply::ok(file.as_slice()));
    let total = file.len() as u64;
    let sent = match (range, fault) {
        (_, Fault::Status(status, headers)) => {
            return headers.iter().fold(Reply::status(status), |reply, (name, value)| reply.header(name, value));
        }
        (_, Fault::Html) => return dressed(Reply::ok("<!doctype html><title>Just a moment...</title>")),
        (None, _) | (_, Fault::IgnoreRange | Fault::NoRanges) => whole(),
        _ if !is_same => whole(),
        (Some((from, _)), _) if from >= total => {
            return dressed(Reply::status("416 Range Not Satisfiable")).header("Content-Range", &format!("bytes */{total}"));
        }
        (Some((from, last)), _) => dressed(partial(fault, file, from, last)),
    };
    match *fault {
        Fault::CutAt(at) => sent.cut(at),
        Fault::StallAt(at) => sent.stalled(at),
        Fault::Drip(size) => sent.paced(size, Duration::from_millis(2)),
        Fault::Unended => {
            let from = usize::try_from(range.map_or(0, |(from, _)| from)).unwrap();
            let left = file.len() - from;
            sent.chunked(&[]).cut(format!("{left:x}\r\n").len() + left)
        }
        _ => sent,
    }
}

fn partial(fault: &Fault, file: &[u8], from: u64, last: Option<u64>) -> Reply {
    let total = file.len() as u64;
    let to = last.map_or(total, |last| (last + 1).min(total));
    let (from, to) = match fault {
        Fault::WrongRange if to < total => (from + 1, to + 1),
        Fault::WrongRange => (from - 1, to),
        Fault::ShortRange => (from, to - (to - from) / 2),
        _ => (from, to),
    };
    let (start, end) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
    let body = &file[start..end];
    let reply = match fault {
        Fault::ShortBody => Reply::ok(&body[..body.len() / 2]).chunked(&[]),
        _ => Reply::ok(body),
    };
    reply.under("206 Partial Content").header("Content-Range", &format!("bytes {from}-{}/{total}", to - 1))
}
