//! One page of the list: finds the new tasks in an answer, and says why an answer is no list.
//!
//! The tasks of a page are held until it has ended, up to [`MAX_HELD`] bytes: a slow run would else keep the server waiting, which
//! may then close the connection. After a fault, the tasks before it are passed on.

use std::collections::HashSet;
use std::io::{self, Read as _};

use super::body::Body;
use super::error::Fault;
use super::list;
use super::row::{ListedTask, Row};
use super::windows::RowCounts;
use crate::gateway::classify;
use crate::redact::ApiKey;

/// The most bytes of the body of an error that are read.
const MAX_ERROR_SIZE: u64 = 64 << 10;
/// The most bytes of tasks that are held.
const MAX_HELD: usize = 16 << 20;
/// What a task takes besides its texts.
const TASK_SIZE: usize = 512;

/// The rows of one window so far.
#[derive(Default)]
pub(super) struct WindowRows {
    pub seen: HashSet<u128>,
    pub counts: RowCounts,
}

/// What was read of the whole list.
#[derive(Default)]
pub(super) struct ListCounts {
    pub tasks: u64,
    pub rows_without_id: u64,
}

/// Tasks that are held.
#[derive(Default)]
struct TaskBuffer {
    tasks: Vec<ListedTask>,
    bytes: usize,
}

impl TaskBuffer {
    fn push(&mut self, task: ListedTask) {
        let texts = task.meta.values().filter_map(|value| value.as_str()).map(str::len);
        self.bytes += TASK_SIZE + task.id.as_str().len() + texts.sum::<usize>();
        self.tasks.push(task);
    }

    /// Passes the tasks on. False: no more are wanted.
    fn flush(&mut self, send: &mut dyn FnMut(ListedTask) -> bool) -> bool {
        self.bytes = 0;
        self.tasks.drain(..).all(send)
    }
}

/// Reads a page, and passes the tasks on that are new in their window and not of the `unwanted` second. Returns its number of rows.
///
/// # Errors
/// When it can't be read to its end, is no list, or no more tasks are wanted.
pub(super) fn read(
    mut body: Body<'_>,
    key: &ApiKey,
    unwanted: Option<i64>,
    rows: &mut WindowRows,
    counts: &mut ListCounts,
    send: &mut dyn FnMut(ListedTask) -> bool,
) -> Result<u64, Fault> {
    let (mut buffer, mut is_wanted) = (TaskBuffer::default(), true);
    let mut on_row = |row: &Row| {
        let is_new = rows.seen.insert(row.fingerprint());
        if is_new && (unwanted.is_none() || row.submit_second() != unwanted) {
            match row.task(key) {
                Some(task) => {
                    counts.tasks += 1;
                    buffer.push(task);
                }
                None => counts.rows_without_id += 1,
            }
        }
        is_wanted = buffer.bytes <= MAX_HELD || buffer.flush(send);
        if is_wanted { Ok(()) } else { Err(io::Error::other("no more tasks are wanted")) }
    };
    let (head, result) = list::read(&mut body, &mut on_row);
    if !is_wanted || !buffer.flush(send) {
        return Err(Fault::Stopped);
    }
    match (result, body.fault.take()) {
        (_, Some(Fault::Request(error))) => return Err(error.redact_key(key).into()),
        (_, Some(fault)) => return Err(fault),
        (Err(error), None) if error.is_eof() && head.rows > 0 => return Err(Fault::Cut),
        (Err(error), None) => return Err(Fault::Answer(unreadable(body.first, &error))),
        (Ok(()), None) => {}
    }
    if head.success == Some(false) || !head.has_list() {
        let message = head.messages().and_then(|messages| classify::error_message(&messages, key));
        let message = message.map(|message| format!("the account says `{message}`"));
        return Err(Fault::Answer(message.unwrap_or_else(|| "the answer has no list of tasks".to_owned())));
    }
    rows.counts.total = head.total.or(rows.counts.total);
    Ok(head.rows)
}

/// The message in the body of an error, and whether the body is JSON. A body that can't be read says nothing.
pub(super) fn error_body(body: Body<'_>, key: &ApiKey) -> (Option<String>, bool) {
    let mut bytes = Vec::new();
    let _ = body.take(MAX_ERROR_SIZE).read_to_end(&mut bytes);
    classify::error_body(bytes, key)
}

/// Why an answer is no JSON, by its first byte that is no blank.
fn unreadable(first: Option<u8>, error: &serde_json::Error) -> String {
    match first {
        None => "the answer is empty".to_owned(),
        Some(b'<') => "the answer is a web page, not JSON: is the account URL right?".to_owned(),
        Some(_) => format!("the answer is broken JSON: {error}"),
    }
}
