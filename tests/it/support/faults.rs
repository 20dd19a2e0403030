//! A remote file whose host makes one chosen fault per request, and is correct in everything else.
//!
//! By default ranges are served as the standard says: `ETag`, an old `Last-Modified`, `Date`, `Accept-Ranges`,
//! `If-Range`, 206 with `Content-Range`, 416. A script of [`ServerFault`]s names the deviations, one per request; the
//! last one repeats. The bytes are pseudo-random: no two places of a file are alike, so that a test sees bytes joined
//! at the wrong place.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::media::target;
use super::{Reply, World};

/// What a host does at one request.
#[derive(Clone, Debug)]
pub(crate) enum ServerFault {
    /// No fault.
    Healthy,
    /// Closes the connection after this many bytes of the body.
    CutAt(usize),
    /// Sends nothing more after this many bytes of the body.
    StallAt(usize),
    /// Sends the whole file, whatever range was requested, and claims to serve ranges.
    IgnoreRange,
    /// Sends a range that is one byte off, with a `Content-Range` that says so.
    WrongRange,
    /// Sends the first half of the range, with a `Content-Range` that says so.
    ShortRange,
    /// Declares the whole range, but ends the body after half of it, with a valid last chunk.
    ShortBody,
    /// Has another file now, and sends the range of that one, whatever `If-Range` says.
    ChangedEtag,
    /// Has another file now, and handles `If-Range` correctly.
    Replaced,
    /// Has only a weak validator, and serves any range.
    WeakEtag,
    /// Has a weak validator beside an old `Last-Modified`.
    WeakEtagAndLastModified,
    /// Has no validator, and serves any range.
    NoValidator,
    /// Has an old `Last-Modified` as its only validator.
    OnlyLastModified,
    /// Has only a `Last-Modified` that is too recent to be a validator.
    FreshLastModified,
    /// Does not support ranges.
    NoRanges,
    /// Answers with this status and these headers.
    Status(&'static str, &'static [(&'static str, &'static str)]),
    /// Answers 200 with an HTML page.
    Html,
    /// Sends this many bytes at once, with pauses between.
    Drip(usize),
    /// Sends the body in twenty pieces, with a pause of a tenth of a second before each.
    Slow,
    /// Sends everything in one chunk, and closes the connection instead of sending the last chunk.
    MissingLastChunk,
}

/// What one request asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SeenRequest {
    /// The first byte, and the last one if the request named it.
    pub range: Option<(u64, Option<u64>)>,
    pub if_range: Option<String>,
}

impl SeenRequest {
    /// The first byte that was requested.
    pub(crate) fn range_start(&self) -> u64 {
        self.range.map_or(0, |(from, _)| from)
    }
}

/// A file at the media host.
pub(crate) struct RemoteFile {
    pub path: String,
    pub url: String,
    pub bytes: Arc<Vec<u8>>,
    /// The file that `ChangedEtag` and `Replaced` serve.
    pub replacement: Arc<Vec<u8>>,
}

impl RemoteFile {
    /// Serves a video of `size` bytes at `path` as `script` says.
    pub(crate) fn new(world: &World, path: &str, size: usize, script: &[ServerFault]) -> Self {
        let (bytes, replacement) = (Arc::new(noise(1, size)), Arc::new(noise(2, size)));
        let remote = Self { path: path.to_owned(), url: format!("{}{path}", world.media.origin()), bytes, replacement };
        remote.set_script(world, script);
        remote
    }

    /// Serves the file as `script` says from now on.
    pub(crate) fn set_script(&self, world: &World, script: &[ServerFault]) {
        world.media.script(&self.path, script.iter().map(|fault| self.reply(fault.clone())));
    }

    /// Serves the same file at another link. Returns its URL.
    pub(crate) fn serve_at(&self, world: &World, path: &str, script: &[ServerFault]) -> String {
        world.media.script(path, script.iter().map(|fault| self.reply(fault.clone())))
    }

    pub(crate) fn reply(&self, fault: ServerFault) -> Reply {
        let (bytes, replacement) = (Arc::clone(&self.bytes), Arc::clone(&self.replacement));
        Reply::dynamic(move |head| answer(&fault, head, &bytes, &replacement))
    }

    /// The requests so far, in order.
    pub(crate) fn requests(&self, world: &World) -> Vec<SeenRequest> {
        requests_at(world, &self.path)
    }
}

/// The requests for `path` so far, in order.
pub(crate) fn requests_at(world: &World, path: &str) -> Vec<SeenRequest> {
    world.media.heads().iter().filter(|head| target(head) == path).map(|head| parse_request(head)).collect()
}

fn parse_request(head: &str) -> SeenRequest {
    let range = header(head, "range").map(|value| {
        let (from, to) = value.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (from.parse().unwrap(), to.parse().ok())
    });
    SeenRequest { range, if_range: header(head, "if-range") }
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

/// Pseudo-random bytes, the same for the same seed.
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

fn answer(fault: &ServerFault, head: &str, bytes: &Arc<Vec<u8>>, replacement: &Arc<Vec<u8>>) -> Reply {
    let is_replaced = matches!(fault, ServerFault::ChangedEtag | ServerFault::Replaced);
    let (file, etag) = if is_replaced { (replacement, "\"v2\"") } else { (bytes, ETAG) };
    let now = httpdate::fmt_http_date(SystemTime::now());
    let with_headers = |reply: Reply| {
        let reply = reply.content_type("video/mp4").header("Date", &now);
        let reply = if matches!(fault, ServerFault::NoRanges) { reply } else { reply.header("Accept-Ranges", "bytes") };
        match fault {
            ServerFault::NoValidator => reply,
            ServerFault::WeakEtag => reply.header("ETag", "W/\"v1\""),
            ServerFault::WeakEtagAndLastModified => reply.header("ETag", "W/\"v1\"").header("Last-Modified", OLD_DATE),
            ServerFault::OnlyLastModified => reply.header("Last-Modified", OLD_DATE),
            ServerFault::FreshLastModified => reply.header("Last-Modified", &now),
            _ => reply.header("ETag", etag).header("Last-Modified", OLD_DATE),
        }
    };
    let SeenRequest { range, if_range } = parse_request(head);
    // A host without a strong validator accepts any `If-Range`: such hosts break clients that join bytes without
    // proof.
    let is_same = match fault {
        ServerFault::Replaced => if_range.as_deref() == Some(etag),
        ServerFault::OnlyLastModified | ServerFault::WeakEtagAndLastModified => if_range.as_deref() == Some(OLD_DATE),
        ServerFault::ChangedEtag | ServerFault::WeakEtag | ServerFault::NoValidator | ServerFault::FreshLastModified => true,
        _ => if_range.as_deref() == Some(ETAG),
    };
    let whole = || with_headers(Reply::ok(file.as_slice()));
    let total = file.len() as u64;
    let sent = match (range, fault) {
        (_, ServerFault::Status(status, headers)) => {
            return headers.iter().fold(Reply::status(status), |reply, (name, value)| reply.header(name, value));
        }
        (_, ServerFault::Html) => return with_headers(Reply::ok("<!doctype html><title>Just a moment...</title>")),
        (None, _) | (_, ServerFault::IgnoreRange | ServerFault::NoRanges) => whole(),
        _ if !is_same => whole(),
        (Some((from, _)), _) if from >= total => {
            return with_headers(Reply::status("416 Range Not Satisfiable")).header("Content-Range", &format!("bytes */{total}"));
        }
        (Some((from, last)), _) => with_headers(partial(fault, file, from, last)),
    };
    match *fault {
        ServerFault::CutAt(at) => sent.cut_after(at),
        ServerFault::StallAt(at) => sent.stall_after(at),
        ServerFault::Drip(size) => sent.throttled(size, Duration::from_millis(2)),
        ServerFault::Slow => sent.throttled(file.len() / 20, Duration::from_millis(100)),
        ServerFault::MissingLastChunk => {
            let from = usize::try_from(range.map_or(0, |(from, _)| from)).unwrap();
            let left = file.len() - from;
            sent.chunked(&[]).cut_after(format!("{left:x}\r\n").len() + left)
        }
        _ => sent,
    }
}

fn partial(fault: &ServerFault, file: &[u8], from: u64, last: Option<u64>) -> Reply {
    let total = file.len() as u64;
    let to = last.map_or(total, |last| (last + 1).min(total));
    let (from, to) = match fault {
        ServerFault::WrongRange if to < total => (from + 1, to + 1),
        ServerFault::WrongRange => (from - 1, to),
        ServerFault::ShortRange => (from, to - (to - from) / 2),
        _ => (from, to),
    };
    let (start, end) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
    let body = &file[start..end];
    let reply = match fault {
        ServerFault::ShortBody => Reply::ok(&body[..body.len() / 2]).chunked(&[]),
        _ => Reply::ok(body),
    };
    reply.with_status("206 Partial Content").header("Content-Range", &format!("bytes {from}-{}/{total}", to - 1))
}
