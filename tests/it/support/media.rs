//! A media host over plain TCP, which can send anything, also what no HTTP library lets a server send.
//!
//! Each path has a script of replies, the last of which repeats; any other path is 404. Every request head is
//! recorded. Invariant: a host that received an `Authorization` fails its test when it is dropped.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest wait, so that a broken program fails a test instead of hanging it.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Opens once, and then releases every waiter.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits, and returns whether the gate opened in time.
    pub(crate) fn wait(&self) -> bool {
        let (open, condvar) = &*self.0;
        *condvar.wait_timeout_while(open.lock().unwrap(), MAX_WAIT, |open| !*open).unwrap().0
    }
}

/// Makes a reply from the head of a request.
type ReplyFn = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// One reply, built from a plain one.
#[derive(Clone)]
pub(crate) struct Reply {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
    body_limit: Option<usize>,
    is_stalled: bool,
    /// How much of the body is sent at once, and the pause before each piece.
    pace: Option<(usize, Duration)>,
    make: Option<ReplyFn>,
    gate: Option<Gate>,
    on_request: Option<Gate>,
}

#[derive(Clone)]
enum Framing {
    Length(usize),
    UntilClose,
    /// The body is the whole response.
    Raw,
    /// The sizes of the first chunks; the rest is one more chunk.
    Chunks(Vec<usize>),
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let framing = Framing::Length(body.len());
        let (status, headers) = ("200 OK".to_owned(), Vec::new());
        Self {
            status,
            headers,
            body,
            framing,
            body_limit: None,
            is_stalled: false,
            pace: None,
            make: None,
            gate: None,
            on_request: None,
        }
    }

    /// The reply that `make` makes from the request's head.
    pub(crate) fn dynamic(make: impl Fn(&str) -> Self + Send + Sync + 'static) -> Self {
        Self { make: Some(Arc::new(make)), ..Self::ok("") }
    }

    /// These bytes and nothing else, then the end of the connection.
    pub(crate) fn raw(wire: impl Into<Vec<u8>>) -> Self {
        Self { framing: Framing::Raw, ..Self::ok(wire) }
    }

    pub(crate) fn status(status: &str) -> Self {
        Self { status: status.to_owned(), ..Self::ok("no") }
    }

    /// The same reply with another status.
    pub(crate) fn with_status(self, status: &str) -> Self {
        Self { status: status.to_owned(), ..self }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::status("302 Found").header("Location", to)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn content_type(self, content_type: &str) -> Self {
        self.header("Content-Type", content_type)
    }

    /// The end of the connection is the end of the body.
    pub(crate) fn without_length(self) -> Self {
        Self { framing: Framing::UntilClose, ..self }
    }

    pub(crate) fn chunked(self, sizes: &[usize]) -> Self {
        Self { framing: Framing::Chunks(sizes.to_vec()), ..self }
    }

    /// Sends this much of the body and closes the connection.
    pub(crate) fn cut_after(self, sent: usize) -> Self {
        Self { body_limit: Some(sent), ..self }
    }

    /// Sends this much of the body, then nothing more, until the client closes the connection.
    pub(crate) fn stall_after(self, sent: usize) -> Self {
        Self { body_limit: Some(sent), is_stalled: true, ..self }
    }

    /// Sends the body in pieces of `size` bytes, with a pause before each.
    pub(crate) fn throttled(self, size: usize, pause: Duration) -> Self {
        Self { pace: Some((size, pause)), ..self }
    }

    /// Replies when `gate` opens. If it never opens, the connection is closed.
    pub(crate) fn after_gate(self, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    /// Opens `gate` when the request has arrived.
    pub(crate) fn notify_on_request(self, gate: &Gate) -> Self {
        Self { on_request: Some(gate.clone()), ..self }
    }

    /// Sends the reply. Calls `before_end` before the last byte: the client may send its next request when it has that.
    fn send(&self, stream: &mut TcpStream, before_end: impl FnOnce()) -> std::io::Result<()> {
        if let Some(gate) = &self.on_request {
            gate.open();
        }
        if self.gate.as_ref().is_some_and(|gate| !gate.wait()) {
            return Ok(());
        }
        let framing = match &self.framing {
            Framing::Length(length) => format!("Content-Length: {length}\r\n"),
            Framing::UntilClose | Framing::Raw => String::new(),
            Framing::Chunks(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        let headers = self.headers.iter().fold(String::new(), |all, (name, value)| all + &format!("{name}: {value}\r\n"));
        if !matches!(self.framing, Framing::Raw) {
            write!(stream, "HTTP/1.1 {}\r\nConnection: close\r\n{framing}{headers}\r\n", self.status)?;
        }
        let wire = self.encode_body();
        let sent = &wire[..self.body_limit.unwrap_or(wire.len()).min(wire.len())];
        let (size, pause) = self.pace.unwrap_or((usize::MAX, Duration::ZERO));
        let (most, last) = sent.split_at(sent.len().saturating_sub(1));
        for bytes in most.chunks(size) {
            thread::sleep(pause);
            stream.write_all(bytes)?;
        }
        before_end();
        stream.write_all(last)?;
        if self.is_stalled {
            // Ends when the client closes the connection, or at the stream's timeout.
            let _ = stream.read(&mut [0]);
        }
        Ok(())
    }

    fn encode_body(&self) -> Vec<u8> {
        let Framing::Chunks(sizes) = &self.framing else { return self.body.clone() };
        let (mut wire, mut rest) = (Vec::new(), self.body.as_slice());
        for size in sizes.iter().copied().chain([usize::MAX]) {
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            if !chunk.is_empty() {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            rest = after;
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        wire
    }
}

#[derive(Default)]
struct HostState {
    scripts: Mutex<HashMap<String, Vec<Reply>>>,
    heads: Mutex<Vec<String>>,
    active: AtomicUsize,
    max_active: AtomicUsize,
    is_stopping: AtomicBool,
    /// How many requests it takes at once, and the reply to more.
    concurrency: Mutex<Option<(usize, Reply)>>,
    /// Requests for this prefix may carry the key: this host then acts as the gateway behind a proxy.
    gateway_prefix: Mutex<Option<String>>,
}

pub(crate) struct MediaServer {
    address: String,
    host: Arc<HostState>,
    listener: Option<JoinHandle<()>>,
}

impl MediaServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let host = Arc::new(HostState::default());
        let shared = Arc::clone(&host);
        let listener = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_stopping.load(Ordering::SeqCst) {
                    break;
                }
                let host = Arc::clone(&shared);
                thread::spawn(move || host.serve(stream));
            }
        });
        Self { address, host, listener: Some(listener) }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the replies of `path` (without its query), one per request; the last one repeats. Returns its URL.
    pub(crate) fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) -> String {
        let replies = replies.into_iter().collect();
        self.host.scripts.lock().unwrap().insert(path.to_owned(), replies);
        format!("{}{path}", self.origin())
    }

    /// Takes at most `limit` requests at once, and sends `refusal` to all others.
    pub(crate) fn limit_concurrency(&self, limit: usize, refusal: Reply) {
        *self.host.concurrency.lock().unwrap() = Some((limit, refusal));
    }

    /// Makes this host a proxy too: requests for `prefix` are for the gateway and may carry the key.
    pub(crate) fn allow_key_for(&self, prefix: &str) {
        *self.host.gateway_prefix.lock().unwrap() = Some(prefix.to_owned());
    }

    /// The heads of all requests so far, verbatim.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.host.heads.lock().unwrap().clone()
    }

    /// How many requests there were for `path`.
    pub(crate) fn request_count(&self, path: &str) -> usize {
        self.heads().iter().filter(|head| target(head) == path).count()
    }

    pub(crate) fn max_active(&self) -> usize {
        self.host.max_active.load(Ordering::SeqCst)
    }
}

impl Drop for MediaServer {
    fn drop(&mut self) {
        self.host.is_stopping.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it must stop.
        let _ = TcpStream::connect(&self.address);
        let _ = self.listener.take().map(JoinHandle::join);
        if thread::panicking() {
            return;
        }
        let key_prefix = self.host.gateway_prefix.lock().unwrap().clone();
        for head in self.heads() {
            let is_gateway = key_prefix.as_ref().is_some_and(|prefix| target(&head).starts_with(prefix));
            assert!(is_gateway || !head.to_lowercase().contains("authorization"), "a media host received the key: {head}");
        }
    }
}

impl HostState {
    fn serve(&self, mut stream: TcpStream) {
        let _ = (stream.set_read_timeout(Some(MAX_WAIT)), stream.set_nodelay(true));
        let Some(head) = read_head(&mut stream) else { return };
        self.heads.lock().unwrap().push(head.clone());
        let now = self.active.fetch_add(1, Ordering::SeqCst) + 1;
        let refusal = self.concurrency.lock().unwrap().clone().filter(|(limit, _)| now > *limit);
        if let Some((_, refusal)) = refusal {
            // A refused request takes nobody's place.
            self.active.fetch_sub(1, Ordering::SeqCst);
            let _ = refusal.send(&mut stream, || {});
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
        self.max_active.fetch_max(now, Ordering::SeqCst);
        let path = target(&head).to_owned();
        let reply = self.next_reply(&path);
        let reply = reply.make.as_ref().map_or_else(|| reply.clone(), |make| make(&head));
        let is_counted = Cell::new(true);
        let end = || _ = is_counted.replace(false).then(|| self.active.fetch_sub(1, Ordering::SeqCst));
        // A client that closes the connection early is no error.
        let _ = reply.send(&mut stream, end);
        end();
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn next_reply(&self, path: &str) -> Reply {
        match self.scripts.lock().unwrap().get_mut(path) {
            Some(replies) if replies.len() > 1 => replies.remove(0),
            Some(replies) => replies[0].clone(),
            None => Reply::status("404 Not Found"),
        }
    }
}

/// The target of a request, without its query.
pub(super) fn target(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default()
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
