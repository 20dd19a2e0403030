//! The media half of the stand-in: one server for the media hosts of all platforms, each under its name as the first
//! segment of the path.
//!
//! It is as strict as signed storage. A link works only with exactly the query it was issued with, and only for GET.
//! A request with any `Authorization` is refused and recorded, because a key sent here is a leaked key. The server
//! sends whole files and single ranges, with the validators that a resume needs.
//!
//! Invariant: no request makes it panic, and every body consists of the file's own bytes.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use wiremock::http::Method;
use wiremock::{Request, ResponseTemplate};

use super::samples::{Task, read_media};

/// Old enough to be a strong validator, and the same in every run.
const LAST_MODIFIED: &str = "Sun, 27 Jul 2025 06:49:48 GMT";
const REFUSED: &str = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code></Error>";

pub(crate) struct MediaHost {
    files: HashMap<String, File>,
    /// Path and query of each link in the responses.
    links: HashSet<String>,
    pub(crate) delay: OnceLock<Duration>,
    requests: AtomicUsize,
    leaks: Mutex<Vec<String>>,
}

struct File {
    bytes: Vec<u8>,
    content_type: String,
    etag: String,
}

impl MediaHost {
    pub(crate) fn new(tasks: &[Task], media_dir: &Path, address: &str) -> Self {
        let served = tasks.iter().flat_map(|task| &task.serves);
        let links = tasks.iter().flat_map(|task| task.links(address));
        Self {
            files: served
                .map(|(path, served)| (path.clone(), File::new(read_media(media_dir, served.file()), served.content_type())))
                .collect(),
            links: links.map(|link| link[address.len()..].to_owned()).collect(),
            delay: OnceLock::new(),
            requests: AtomicUsize::new(0),
            leaks: Mutex::default(),
        }
    }

    pub(crate) fn respond(&self, request: &Request) -> ResponseTemplate {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.response(request).set_delay(self.delay.get().copied().unwrap_or_default())
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn leaks(&self) -> Vec<String> {
        self.leaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn response(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path();
        if request.headers.contains_key("authorization") {
            self.leaks.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
            return ResponseTemplate::new(400).set_body_string("Only one auth mechanism allowed");
        }
        let Some(file) = self.files.get(path) else {
            return ResponseTemplate::new(404).set_body_string("This content is no longer available.");
        };
        if request.method != Method::GET || !self.links.contains(&path_and_query(request)) {
            return ResponseTemplate::new(403).set_body_raw(REFUSED, "application/xml");
        }
        file.response(request)
    }
}

impl File {
    fn new(bytes: Vec<u8>, content_type: String) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        Self { bytes, content_type, etag }
    }

    fn response(&self, request: &Request) -> ResponseTemplate {
        let size = self.bytes.len();
        let reply = |status, body: &[u8]| {
            ResponseTemplate::new(status)
                .set_body_raw(body, &self.content_type)
                .insert_header("accept-ranges", "bytes")
                .insert_header("etag", &*self.etag)
                .insert_header("last-modified", LAST_MODIFIED)
        };
        match self.range(request) {
            None => reply(200, &self.bytes),
            Some(range) if range.is_empty() => reply(416, &[]).insert_header("content-range", format!("bytes */{size}")),
            Some(Range { start, end }) => {
                reply(206, &self.bytes[start..end]).insert_header("content-range", format!("bytes {start}-{}/{size}", end - 1))
            }
        }
    }

    /// The range to send: none for the whole file, an empty one for a range beyond its end. Unreadable and multiple
    /// ranges are ignored, as RFC 9110 allows; a range for another version of the file must be ignored.
    fn range(&self, request: &Request) -> Option<Range<usize>> {
        let is_same_version =
            header(request, "if-range").is_none_or(|validator| [&*self.etag, LAST_MODIFIED].contains(&validator));
        let (first, last) = header(request, "range").filter(|_| is_same_version)?.strip_prefix("bytes=")?.split_once('-')?;
        let (start, size) = (first.parse().ok()?, self.bytes.len());
        let last = if last.is_empty() { usize::MAX } else { last.parse().ok().filter(|last| *last >= start)? };
        Some(start.min(size)..last.saturating_add(1).min(size))
    }
}

fn path_and_query(request: &Request) -> String {
    request.url.query().map_or_else(|| request.url.path().to_owned(), |query| format!("{}?{query}", request.url.path()))
}

fn header<'request>(request: &'request Request, name: &str) -> Option<&'request str> {
    request.headers.get(name)?.to_str().ok()
}
