//! Reads the task ids: the arguments first, then the lists, line by line.
//!
//! Lists are streamed, so a list may be very long. The run counts a repeated id once, with the fields of its first line.
//! A line that can't be read is reported with its file and number; the other lines are still read, and the run ends with
//! exit code 2.
//!
//! Invariant: no id and no field contains the API key, because both are shown and stored.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::request_queue::RequestQueue;
use crate::domain::event::{Emitter, Event};
use crate::domain::manifest::{MAX_DEPTH, depth};
use crate::domain::task::TaskId;
use crate::jobs::archive::Request;
use crate::redact::ApiKey;

/// The limit of a line in bytes. A file with a longer line is not a list of ids.
const MAX_LINE: u64 = 1 << 20;

/// The ids of a run. The lists are open, but not read yet.
pub(super) struct Input {
    ids: Vec<TaskId>,
    lists: Vec<IdList>,
    key: ApiKey,
}

struct IdList {
    name: PathBuf,
    reader: Box<dyn BufRead + Send>,
    /// Standard input, or another list that may never end.
    is_stream: bool,
}

impl Input {
    /// Opens every list, so that a missing file is an error before the first request.
    pub(super) fn open(ids: Vec<TaskId>, lists: &[PathBuf], key: ApiKey) -> Result<Self, Error> {
        if ids.iter().any(|id| key.occurs_in(id.as_str())) {
            return Err(Error::KeyForId);
        }
        let lists = lists.iter().map(|path| -> Result<IdList, Error> {
            if path.as_os_str() == "-" {
                let reader = Box::new(BufReader::new(io::stdin()));
                return Ok(IdList { name: PathBuf::from("standard input"), reader, is_stream: true });
            }
            let file = File::open(path).and_then(|file| {
                let kind = file.metadata()?.file_type();
                if kind.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok((file, !kind.is_file())) }
            });
            let (file, is_stream) = file.map_err(|source| Error::Read { path: path.clone(), source })?;
            Ok(IdList { name: path.clone(), reader: Box::new(BufReader::new(file)), is_stream })
        });
        Ok(Self { ids, lists: lists.collect::<Result<_, _>>()?, key })
    }

    /// Sends a request for each id. Ends early if the receiver is closed. Standard input may never end, so it is not read
    /// any further once `queries_ended` is cancelled. Returns the number of lines that could not be read.
    pub(super) fn send(self, requests: &RequestQueue, emitter: &Emitter, queries_ended: &CancellationToken) -> u64 {
        let mut sender = RequestSender { requests, emitter, key: self.key, bad_lines: 0 };
        for id in self.ids {
            if !sender.send(Request::new(id)) {
                return sender.bad_lines;
            }
        }
        for list in self.lists {
            requests.begin_list(list.is_stream);
            if !sender.send_list(list, queries_ended) {
                break;
            }
        }
        sender.bad_lines
    }
}

/// Sends requests.
struct RequestSender<'a> {
    requests: &'a RequestQueue,
    emitter: &'a Emitter,
    key: ApiKey,
    bad_lines: u64,
}

impl RequestSender<'_> {
    /// Sends the requests of a list. Returns whether the receiver is still open.
    fn send_list(&mut self, mut list: IdList, queries_ended: &CancellationToken) -> bool {
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            if list.is_stream && (queries_ended.is_cancelled() || self.requests.is_closed()) {
                return true;
            }
            let read = io::Read::take(&mut list.reader, MAX_LINE).read_until(b'\n', &mut line);
            let request = match read {
                Ok(0) => return true,
                Ok(read) if read as u64 == MAX_LINE => {
                    Err("the line is longer than 1 MiB; is this a list of task ids?".to_owned())
                }
                Ok(_) => parse_line(&line, &self.key),
                Err(error) => Err(error.to_string()),
            };
            match request {
                Ok(Some(request)) => {
                    if !self.send(request) {
                        return false;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    self.bad_lines += 1;
                    self.emitter.emit(Event::Error(format!("{}:{number}: {error}", list.name.display())));
                    if line.is_empty() || line.len() as u64 == MAX_LINE {
                        return true;
                    }
                }
            }
        }
        true
    }

    /// Sends a request. Returns whether the receiver is still open.
    fn send(&self, request: Request) -> bool {
        self.requests.send(request)
    }
}

/// The request of a line; none for a blank line or a comment.
fn parse_line(line: &[u8], key: &ApiKey) -> Result<Option<Request>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return TaskId::new(text).map(|id| reject_key(id, key).map(Request::new)).transpose();
    }
    let mut value: Value = serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
    if depth(&value) > MAX_DEPTH {
        return Err(format!("JSON nested deeper than {MAX_DEPTH} levels"));
    }
    let id = value.as_object_mut().and_then(take_id).ok_or("a JSON line needs `task_id` or `id` with a string or a number")?;
    key.redact_json_value(&mut value);
    let meta = value.as_object().filter(|fields| !fields.is_empty()).cloned();
    Ok(Some(Request { meta, ..Request::new(reject_key(id, key)?) }))
}

fn reject_key(id: TaskId, key: &ApiKey) -> Result<TaskId, String> {
    if key.occurs_in(id.as_str()) { Err("the API key is given as a task id".to_owned()) } else { Ok(id) }
}

/// Removes the id from the fields, and returns it.
fn take_id(fields: &mut Map<String, Value>) -> Option<TaskId> {
    ["task_id", "id"].into_iter().find_map(|name| {
        let id = match fields.get(name)? {
            Value::String(text) => TaskId::new(text)?,
            Value::Number(digits) => TaskId::new(&digits.to_string())?,
            _ => return None,
        };
        fields.shift_remove(name);
        Some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> String {
        match parse_line(line.as_bytes(), &ApiKey::parse("sk-1234567890abcdef").unwrap()) {
            Ok(Some(Request { id, meta, .. })) => {
                format!("{} {}", id.as_str(), meta.map_or("-".to_owned(), |meta| Value::Object(meta).to_string()))
            }
            Ok(None) => "nothing".to_owned(),
            Err(error) => error,
        }
    }

    #[test]
    fn input_lines_are_ids_comments_or_json() {
        for (line, expected) in [
            ("777935781150867525\n", "777935781150867525 -"),
            ("  9f1c \r\n", "9f1c -"),
            ("\u{feff}9f1c", "9f1c -"),
            ("", "nothing"),
            ("   \n", "nothing"),
            ("# 9f1c", "nothing"),
            ("  # 9f1c", "nothing"),
            (r#"{"task_id":"a"}"#, "a -"),
            (r#"{"id":777935781150867525777,"prompt":"a cat"}"#, r#"777935781150867525777 {"prompt":"a cat"}"#),
            (r#"{"z":1.50,"task_id":"a","id":7,"a":null}"#, r#"a {"z":1.50,"id":7,"a":null}"#),
            (r#"{"task_id":null,"id":"b"}"#, r#"b {"task_id":null}"#),
            (r#"{"id":"a","x":["Bearer sk-1234567890abcdef"]}"#, r#"a {"x":["Bearer [key]"]}"#),
            ("sk-1234567890abcdef", "the API key is given as a task id"),
            (r#"{"id":"1234567890abcdef"}"#, "the API key is given as a task id"),
            (r#"{"prompt":"a cat"}"#, "a JSON line needs `task_id` or `id` with a string or a number"),
            (r#"{"task_id":" "}"#, "a JSON line needs `task_id` or `id` with a string or a number"),
        ] {
            assert_eq!(parsed(line), expected, "{line}");
        }
        assert!(parsed(r#"{"task_id":"#).starts_with("invalid JSON"));
        let deep = format!(r#"{{"id":1,"x":{}{}}}"#, "[".repeat(110), "]".repeat(110));
        assert!(parsed(&deep).starts_with("JSON nested"));
    }
}
