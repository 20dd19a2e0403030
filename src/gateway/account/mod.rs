//! The account's own list of tasks: every task that was submitted in a range of time.
//!
//! `windows` decides which windows of time are requested, and whether one is complete. This file requests the pages of a window,
//! `body` receives one, `lenient_reader` mends it, `page` and `list` find its rows, and `row` reads a row. An answer may be of any
//! length: rows are passed on as they arrive, and only their fingerprints are held, of one window at a time.
//!
//! The list is read on a thread that may block, with a small runtime of its own: whoever takes the rows sets the pace. The access
//! key is another one than the API key, and is sent to the account's origin only.

mod body;
mod error;
mod lenient_reader;
mod list;
mod page;
mod row;
mod windows;

use reqwest::{Response, StatusCode, Url};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::base::BaseUrl;
use super::keyed_client::{KeyedClient, KeyedReply};
use crate::domain::event::{Emitter, Event};
use crate::http::retry::{NoRetry, RetryDriver, RetryPolicy};
use crate::http::{HostLimiter, HttpClient, PolicyViolation, Refusal, is_private_host, retry_after};
use crate::redact::ApiKey;
use body::Body;
pub use error::Error;
use error::Fault;
use page::{ListCounts, WindowRows};
pub(crate) use row::LISTED_FIELDS;
pub use row::ListedTask;
use windows::{FullSecond, RowCounts, Window, Windows};

/// Rows per page that are requested.
const PAGE_SIZE: usize = 1000;
/// A window with more pages has no end.
const MAX_PAGES: u32 = 1_000_000;

/// The range of Unix seconds that is requested. Whether a server counts its end is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seconds {
    /// The first second.
    pub first: i64,
    /// The last second.
    pub end: i64,
    /// Whether tasks of the last second are wanted. If not, it is there for the servers that do not count it.
    pub includes_end: bool,
}

/// Reads the list of one account.
pub struct AccountClient {
    client: KeyedClient,
    policy: RetryPolicy,
    hosts: HostLimiter,
    emitter: Emitter,
    stop: CancellationToken,
}

/// Takes the tasks of the list. False: it wants no more.
type Sink<'a> = &'a mut dyn FnMut(ListedTask) -> bool;

/// One reading of the list.
struct Reading<'a> {
    account: &'a AccountClient,
    runtime: Runtime,
    /// Ends the reading.
    ended: &'a CancellationToken,
    sink: Sink<'a>,
    counts: ListCounts,
    /// The second of the range whose tasks are not wanted.
    unwanted: Option<i64>,
}

impl AccountClient {
    /// The account at `base`, used with `key`, which never leaves its origin.
    ///
    /// # Errors
    /// When no header can contain the key.
    pub(crate) fn new(
        client: HttpClient,
        base: BaseUrl,
        key: ApiKey,
        policy: RetryPolicy,
        emitter: Emitter,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let client = KeyedClient::new(client, base, key).map_err(|_| Error::InvalidKey)?;
        Ok(Self { client, policy, hosts: HostLimiter::new(1, 0, policy), emitter, stop })
    }

    /// Calls `sink` with every task that was submitted in `range`, until it returns false or `ended` is cancelled. A task may come
    /// more than once. Blocks.
    ///
    /// # Errors
    /// When the list can't be read to its end. The tasks before that were passed on.
    pub(crate) fn each_task(mut self, range: Seconds, ended: &CancellationToken, sink: Sink<'_>) -> Result<(), Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        if self.client.base().as_url().scheme() == "http" && !runtime.block_on(is_private_host(self.client.base().as_url())) {
            let warning =
                format!("the access key is sent to {} without encryption; use an https account URL", self.client.base());
            self.client = self.client.with_cleartext_warning(warning);
        }
        // What waits for the host is woken by a task of the runtime.
        let handle = runtime.handle().clone();
        let _context = handle.enter();
        let unwanted = (!range.includes_end).then_some(range.end);
        let mut reading = Reading { account: &self, runtime, ended, sink, counts: ListCounts::default(), unwanted };
        let read = reading.read(Window { start: range.first, end: range.end });
        reading.report();
        match read {
            Ok(()) => Ok(()),
            Err(fault) => fault.into_error(self.client.base().to_string()).map_or(Ok(()), Err),
        }
    }
}

impl Reading<'_> {
    /// Reads every window.
    fn read(&mut self, range: Window) -> Result<(), Fault> {
        let (mut windows, mut full) = (Windows::new(range), Ok(()));
        while let Some(window) = windows.next() {
            let counts = self.read_window(window)?;
            tracing::debug!(start = window.start, end = window.end, rows = counts.distinct, total = counts.total, "listed");
            match windows.record(window, counts) {
                // The tasks of other seconds are no less wanted.
                Err(FullSecond(second)) if Some(second.as_second()) != self.unwanted => {
                    full = full.and(Err(Fault::FullSecond(second)));
                }
                _ => {}
            }
        }
        full
    }

    /// Reads the pages of a window, until one brings nothing new.
    fn read_window(&mut self, window: Window) -> Result<RowCounts, Fault> {
        let mut rows = WindowRows::default();
        for page in 1..=MAX_PAGES {
            let before = rows.seen.len();
            let received = self.read_page(window, page, &mut rows)?;
            if rows.seen.len() == before {
                rows.counts.distinct = rows.seen.len() as u64;
                return Ok(rows.counts);
            }
            rows.counts.received += received;
        }
        Err(Fault::Answer("its pages do not end".to_owned()))
    }

    /// Reads one page, again after transient faults. Returns its number of rows.
    fn read_page(&mut self, window: Window, page: u32, rows: &mut WindowRows) -> Result<u64, Fault> {
        let url = self.account.page_url(window, page);
        let host = self.account.hosts.host_for(&url);
        let AccountClient { policy, emitter, stop, .. } = self.account;
        let mut retries = RetryDriver::new(&"task list", host, *policy, emitter, stop);
        let mut is_retry = false;
        loop {
            let known = rows.seen.len();
            let fault = match self.request_page(&url, is_retry, rows) {
                Ok(received) => return Ok(received),
                Err(fault) => fault,
            };
            if rows.seen.len() > known {
                retries.refill();
            }
            is_retry = true;
            let failure = fault.failure();
            let wait = self.ended.run_until_cancelled(retries.wait_after(&failure));
            match self.runtime.block_on(wait) {
                Some(Ok(())) => {}
                Some(Err(NoRetry::GivenUp)) => return Err(fault),
                Some(Err(NoRetry::Stopped)) | None => return Err(Fault::Stopped),
            }
        }
    }

    /// Requests one page once.
    fn request_page(&mut self, url: &Url, is_retry: bool, rows: &mut WindowRows) -> Result<u64, Fault> {
        let account = self.account;
        let host = account.hosts.host_for(url);
        let exchange = async {
            let connection = if is_retry { host.reconnect().await? } else { host.connect().await? };
            match account.client.send(url, None, &account.emitter).await {
                Ok(KeyedReply::Response(response)) => Ok((connection, response)),
                Ok(KeyedReply::OffOrigin(..)) => Err(Fault::Request(PolicyViolation::OffOrigin.into())),
                Err(error) => {
                    connection.ended(&error);
                    Err(error.into())
                }
            }
        };
        let exchange = account.stop.run_until_cancelled(self.ended.run_until_cancelled(exchange));
        let (mut connection, response) = self.runtime.block_on(exchange).flatten().ok_or(Fault::Stopped)??;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let received = self.read_answer(response, rows);
        match &received {
            Err(fault) if fault.is_busy() => connection.refused(Refusal { status, retry_after }),
            _ => connection.accepted(),
        }
        received
    }

    /// Reads an answer, and passes its new tasks on. Returns its number of rows.
    fn read_answer(&mut self, response: Response, rows: &mut WindowRows) -> Result<u64, Fault> {
        let (account, key) = (self.account, &self.account.client.key);
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body = Body::new(response, &self.runtime, &account.stop).map_err(|error| error.redact_key(key))?;
        if status.is_success() {
            let (ended, sink) = (self.ended, &mut *self.sink);
            let mut send = |task| !ended.is_cancelled() && sink(task);
            return page::read(body, key, self.unwanted, rows, &mut self.counts, &mut send);
        }
        let (message, is_json) = page::error_body(body, key);
        let is_refusal = status == StatusCode::UNAUTHORIZED || (status == StatusCode::FORBIDDEN && is_json);
        let fault = Fault::Status { status, message, retry_after };
        Err(if is_refusal { Fault::Refused(fault.to_string()) } else { fault })
    }

    /// Says what was read.
    fn report(&self) {
        let (emitter, ListCounts { tasks, rows_without_id }) = (&self.account.emitter, &self.counts);
        emitter.emit(Event::Detail(format!("task list: {} read", count(*tasks, "task"))));
        if *rows_without_id > 0 {
            let rows = count(*rows_without_id, "row");
            emitter.emit(Event::Warning(format!("left out of the account's task list: {rows} without a task id")));
        }
    }
}

impl AccountClient {
    fn page_url(&self, window: Window, page: u32) -> Url {
        let mut url = self.client.base().as_url().clone();
        let path = format!("{}/yescale/task", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let Window { start, end } = window;
        url.set_query(Some(&format!("start_timestamp={start}&end_timestamp={end}&p={page}&page_size={PAGE_SIZE}")));
        url
    }
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
/// For the fuzz target: reads an answer of the account. Returns its ids and its number of rows.
#[cfg(fuzzing)]
pub fn read_list(bytes: &[u8], key: &ApiKey) -> (Vec<crate::domain::task::TaskId>, u64) {
    let mut ids = Vec::new();
    let (head, _) = list::read(bytes, &mut |row| {
        ids.extend(row.task(key).map(|task| task.id));
        Ok(())
    });
    (ids, head.rows)
}
