//! An S3 server on loopback that can be told to fail, for tests of archives in buckets.
//!
//! It speaks the part of S3 that the program uses: objects with conditions and metadata, ranges, lists with pages, and uploads
//! in parts. Conditions are atomic, and the checksums of a request are compared with its body. It records every request and
//! every version of every object, so that a test can check what was asked and what ever changed. It holds objects in memory,
//! and has one bucket; another one is `NoSuchBucket`. Signatures are not checked.

pub(crate) mod audit;
pub(crate) mod faults;
mod http;
mod store;
#[cfg(feature = "bucket")]
mod tests;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use self::faults::{Fault, Rule, Rules};
pub(crate) use self::http::{Operation, Request};
use self::http::{Reply, read_request};
use self::store::Store;
pub(crate) use self::store::{Change, Object};

/// The name of the one bucket.
pub(crate) const BUCKET: &str = "clips";

/// The server. It stops when it is dropped.
pub(crate) struct BucketServer {
    address: String,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    rules: Mutex<Rules>,
    requests: Mutex<Vec<Request>>,
    is_stopping: AtomicBool,
}

impl BucketServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        let listener = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if state.is_stopping.load(Ordering::SeqCst) {
                    break;
                }
                let state = Arc::clone(&state);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, shared, listener: Some(listener) }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers every conditional write as if it had no condition.
    pub(crate) fn ignore_conditions(&self) {
        self.store().ignores_conditions = true;
    }

    /// Sets how many keys a page of a list has at most.
    pub(crate) fn set_page_size(&self, size: usize) {
        self.store().page_size = size;
    }

    /// Adds a rule. The first rule that applies to a request decides.
    pub(crate) fn add_rule(&self, rule: Rule) {
        self.shared.rules.lock().unwrap().add(rule);
    }

    pub(crate) fn clear_rules(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// All objects, by key.
    pub(crate) fn objects(&self) -> BTreeMap<String, Object> {
        self.store().objects.clone()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.store().objects.keys().cloned().collect()
    }

    /// The object at `key`. Fails when there is none.
    #[track_caller]
    pub(crate) fn object(&self, key: &str) -> Object {
        let object = self.store().objects.get(key).cloned();
        object.unwrap_or_else(|| panic!("no object {key}; there are {:?}", self.keys()))
    }

    /// Puts an object there directly, without a request.
    pub(crate) fn put(&self, key: &str, body: impl Into<Vec<u8>>, metadata: &[(&str, &str)]) {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.store().put_directly(key, body.into(), metadata);
    }

    /// Takes an object away directly, without a request.
    pub(crate) fn remove(&self, key: &str) {
        self.store().remove_directly(key);
    }

    /// Replaces the body of an object by another one, and keeps its metadata: damage, as a test makes it.
    pub(crate) fn damage(&self, key: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let object = self.object(key);
        let mut body = object.body.to_vec();
        edit(&mut body);
        self.store().put_directly(key, body, object.metadata);
    }

    /// Every change of an object by a request, in order.
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.store().changes.clone()
    }

    /// How many uploads in parts were neither completed nor aborted.
    pub(crate) fn open_uploads(&self) -> usize {
        self.store().uploads.len()
    }

    /// The requests since the start, or since `forget_requests`.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(crate) fn forget_requests(&self) {
        self.shared.requests.lock().unwrap().clear();
    }

    /// How many requests of this operation there were for keys with `part` in them.
    pub(crate) fn count(&self, operation: Operation, part: &str) -> usize {
        self.requests().iter().filter(|request| request.operation == operation && request.key.contains(part)).count()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap()
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it must stop.
        let _ = TcpStream::connect(&self.address);
        let _ = self.listener.take().map(JoinHandle::join);
    }
}

impl Shared {
    /// Serves the requests of one connection. A client that closes it early is no error.
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut stream = std::io::BufReader::new(stream);
        while let Some((request, body)) = read_request(&mut stream) {
            self.requests.lock().unwrap().push(request.clone());
            let fault = self.rules.lock().unwrap().fault_for(&request);
            let Some(reply) = self.reply(&request, body, fault) else { return };
            if reply.send(stream.get_mut(), request.operation == Operation::Head).is_err() {
                return;
            }
        }
    }

    /// The reply to a request. None: the connection is closed without one.
    fn reply(&self, request: &Request, body: Vec<u8>, fault: Option<Fault>) -> Option<Reply> {
        let serve = |body| self.store.lock().unwrap().serve(request, body);
        match fault {
            None => Some(serve(body)),
            Some(Fault::Drop) => None,
            Some(Fault::Lost) => {
                let _ = serve(body);
                None
            }
            Some(Fault::Error(status, code)) => Some(Reply::error(status, code)),
            Some(Fault::ErrorAfter(status, code)) => {
                let _ = serve(body);
                Some(Reply::error(status, code))
            }
            Some(Fault::Cut(length)) => Some(serve(body).cut(length)),
            Some(Fault::Hold { arrived, until }) => {
                arrived.open();
                until.wait().then(|| serve(body))
            }
            Some(Fault::HoldReply { done, until }) => {
                let reply = serve(body);
                done.open();
                until.wait().then_some(reply)
            }
        }
    }
}
