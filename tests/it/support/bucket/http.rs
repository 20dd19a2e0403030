//! Requests and replies of the bucket server on the wire: HTTP/1.1 with a length, and connections that stay open.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Operation {
    Get,
    Head,
    Put,
    Delete,
    DeleteMany,
    List,
    ListUploads,
    StartUpload,
    PutPart,
    CompleteUpload,
    AbortUpload,
    /// The server does not know it.
    Other,
}

/// A request, without its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub operation: Operation,
    pub bucket: String,
    /// Empty when the request is about the bucket.
    pub key: String,
    pub query: BTreeMap<String, String>,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn parse(line: &str, headers: BTreeMap<String, String>) -> Option<Self> {
        let (method, target) = line.split_once(' ')?;
        let target = target.split(' ').next()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let path = decode(path.strip_prefix('/')?);
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let has = |name: &str| query.contains_key(name);
        let operation = match (method, key.is_empty()) {
            ("GET", true) if has("uploads") => Operation::ListUploads,
            ("GET", true) => Operation::List,
            ("POST", true) if has("delete") => Operation::DeleteMany,
            ("GET", false) => Operation::Get,
            ("HEAD", false) => Operation::Head,
            ("PUT", false) if has("uploadId") => Operation::PutPart,
            ("PUT", false) => Operation::Put,
            ("DELETE", false) if has("uploadId") => Operation::AbortUpload,
            ("DELETE", false) => Operation::Delete,
            ("POST", false) if has("uploads") => Operation::StartUpload,
            ("POST", false) if has("uploadId") => Operation::CompleteUpload,
            _ => Operation::Other,
        };
        Some(Self { operation, bucket: bucket.to_owned(), key: key.to_owned(), query, headers })
    }
}

/// Reads a request and its body. None at the end of the connection.
pub(super) fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(Request, Vec<u8>)> {
    let first = read_line(stream)?;
    let mut headers = BTreeMap::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Some(0), |length: &String| length.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((Request::parse(&first, headers)?, body))
}

fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

/// A reply. Its length is told also where the body is not sent.
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    /// How much of the body is sent before the connection is closed.
    limit: Option<usize>,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), limit: None }
    }

    pub(super) fn xml(body: &str) -> Self {
        Self::new(200, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}")).header("Content-Type", "application/xml")
    }

    pub(super) fn error(status: u16, code: &str) -> Self {
        let xml = Self::xml(&format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"));
        Self { status, ..xml }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn cut(self, length: usize) -> Self {
        Self { limit: Some(length), ..self }
    }

    /// Sends it in one piece, so that no client waits for an acknowledgement. After a cut, the connection must end.
    pub(super) fn send(&self, stream: &mut TcpStream, is_head: bool) -> std::io::Result<()> {
        let mut wire = format!("HTTP/1.1 {} Status\r\nContent-Length: {}\r\n", self.status, self.body.len()).into_bytes();
        for (name, value) in &self.headers {
            write!(wire, "{name}: {value}\r\n")?;
        }
        wire.extend_from_slice(b"\r\n");
        if !is_head {
            wire.extend_from_slice(&self.body[..self.limit.unwrap_or(self.body.len()).min(self.body.len())]);
        }
        stream.write_all(&wire)?;
        if self.limit.is_some() { Err(std::io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}
