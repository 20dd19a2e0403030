//! `--failed-to FILE`: the tasks that did not end complete or partial, as a list for `-i` of a later run.
//!
//! Each request is recorded as it is read, in a temporary file: a run may have millions. Of the tasks that ended well only a
//! fingerprint is held. At the end, all others are written in the order in which they were read, each once. So a task that was
//! not asked about, or whose run was interrupted, is in the list, too. For that, lists in files are read to their end after the
//! run has ended early; a pipe is not waited for.
//!
//! Invariant: each line that is written gives the same id and the same fields when it is read again.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::error::Error;
use super::request_queue::Reading;
use crate::domain::event::{Outcome, TaskReport};
use crate::jobs::archive::Request;
use crate::layout::{MANIFEST, is_archive_file_name};
use crate::storage::{self, blocking};

/// The bytes of a fingerprint.
const FINGERPRINT: usize = 16;
/// Titles of columns, which a list can't begin with.
const COLUMN_TITLES: [&str; 4] = ["id", "task_id", "task-id", "taskid"];

/// The list. It is written at the end of the run.
pub(super) struct FailedList {
    path: PathBuf,
    log: RequestLog,
}

impl FailedList {
    /// Makes sure that the list can be written: an error before the first request is better than one after the last.
    ///
    /// # Errors
    /// If it can't be written, or would replace a file of the archive `output`.
    pub(super) fn prepare(path: PathBuf, output: &Path) -> Result<Self, Error> {
        let is_ours = path.file_name().is_some_and(is_archive_file_name);
        let folder = storage::canonical_parent(&path).map_err(Error::FailedTo)?;
        if is_ours && storage::canonical_parent(&output.join(MANIFEST)).is_ok_and(|root| folder.starts_with(root)) {
            return Err(Error::ArchiveFile(path));
        }
        storage::check_replaceable(&path).map_err(Error::FailedTo)?;
        let spill = storage::temporary_file().map_err(Error::FailedTo)?;
        let log =
            RequestLog(Arc::new(Mutex::new(Log { requests: BufWriter::new(spill), error: None, ended_well: HashSet::new() })));
        Ok(Self { path, log })
    }

    /// The log, for the end of each task.
    pub(super) fn request_log(&self) -> RequestLog {
        self.log.clone()
    }

    /// Waits until everything is read that has an end, then writes the list.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) async fn write(self, mut reading: watch::Receiver<Reading>) -> Result<(), Error> {
        let Self { path, log } = self;
        // An error: the reader has ended.
        let _ = reading.wait_for(|reading| *reading != Reading::Finite).await;
        let written = blocking(move || storage::replace(&path, |to| log.lock().write_failed(to)));
        written.await.map(drop).map_err(Error::FailedTo)
    }
}

/// The requests of the run, and the tasks that ended well. Clones share both.
#[derive(Clone)]
pub(super) struct RequestLog(Arc<Mutex<Log>>);

struct Log {
    /// Each request: its fingerprint, the length of its line in four bytes, its line.
    requests: BufWriter<File>,
    /// The first error of a write, which the end of the run reports.
    error: Option<io::Error>,
    ended_well: HashSet<u128>,
}

impl RequestLog {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request that was read.
    pub(super) fn record(&self, request: &Request) {
        let mut log = self.lock();
        if log.error.is_none() {
            log.error = log.record(request).err();
        }
    }

    /// Takes a task off the list, if it ended well or `--skip-failed` left it alone.
    pub(super) fn task_ended(&self, report: &TaskReport) {
        if matches!(report.outcome, Outcome::Complete | Outcome::Partial) || report.skipped {
            self.lock().ended_well.insert(report.task.fingerprint());
        }
    }
}

impl Log {
    fn record(&mut self, request: &Request) -> io::Result<()> {
        let line = list_line(request);
        let length = u32::try_from(line.len()).map_err(io::Error::other)?;
        self.requests.write_all(&request.id.fingerprint().to_be_bytes())?;
        self.requests.write_all(&length.to_be_bytes())?;
        self.requests.write_all(line.as_bytes())
    }

    /// Writes the lines of the tasks that did not end well, each once.
    fn write_failed(&mut self, to: &mut dyn Write) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.requests.flush()?;
        let mut recorded = self.requests.get_ref();
        let end = recorded.stream_position()?;
        recorded.rewind()?;
        let mut reader = BufReader::new(recorded.take(end));
        while !io::BufRead::fill_buf(&mut reader)?.is_empty() {
            let (mut fingerprint, mut length) = ([0; FINGERPRINT], [0; 4]);
            reader.read_exact(&mut fingerprint)?;
            reader.read_exact(&mut length)?;
            let mut line = vec![0; usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?];
            reader.read_exact(&mut line)?;
            if self.ended_well.insert(u128::from_be_bytes(fingerprint)) {
                line.push(b'\n');
                to.write_all(&line)?;
            }
        }
        Ok(())
    }
}

/// The line that gives the request when it is read.
fn list_line(request: &Request) -> String {
    let id = request.id.as_str();
    let is_plain =
        |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':'));
    let meta = match &request.meta {
        None if is_plain(id) && !COLUMN_TITLES.contains(&id.to_lowercase().as_str()) => return id.to_owned(),
        None => &Map::new(),
        Some(meta) => meta,
    };
    // A `task_id` among the fields is not the id, which then came from `id`.
    let name = if meta.contains_key("task_id") { "id" } else { "task_id" };
    let mut fields = Map::new();
    fields.insert(name.to_owned(), Value::String(id.to_owned()));
    fields.extend(meta.iter().map(|(name, value)| (name.clone(), value.clone())));
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::request_queue::RequestQueue;
    use crate::domain::task::TaskId;

    fn request(id: &str, meta: Option<&str>) -> Request {
        let meta = meta.map(|meta| serde_json::from_str(meta).unwrap());
        Request { meta, ..Request::new(TaskId::new(id).unwrap()) }
    }

    #[test]
    fn lines_give_the_id_and_the_fields_when_they_are_read_again() {
        for (id, meta, line) in [
            ("777935781150867525", None, "777935781150867525"),
            ("9f1c_-.~:x", None, "9f1c_-.~:x"),
            ("a b", None, r#"{"task_id":"a b"}"#),
            ("#x", None, r##"{"task_id":"#x"}"##),
            ("[1]", None, r#"{"task_id":"[1]"}"#),
            ("ä\"b\nc", None, r#"{"task_id":"ä\"b\nc"}"#),
            ("task_id", None, r#"{"task_id":"task_id"}"#),
            ("a", Some(r#"{"n":1.50,"id":7}"#), r#"{"task_id":"a","n":1.50,"id":7}"#),
            ("b", Some(r#"{"task_id":null}"#), r#"{"id":"b","task_id":null}"#),
        ] {
            assert_eq!(list_line(&request(id, meta)), line, "{id}");
        }
    }

    #[test]
    fn each_task_that_did_not_end_well_is_written_once_in_input_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed.txt");
        let list = FailedList::prepare(path.clone(), folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the check leaves nothing");
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        drop(receiver);
        let queue = RequestQueue::new(sender, Some(list.request_log()), None);
        let reading = queue.subscribe();
        for (id, outcome) in [
            ("b", Some(Outcome::Failed)),
            ("a", Some(Outcome::Complete)),
            ("b", None),
            ("c", None),
            ("d", Some(Outcome::Partial)),
            ("e", Some(Outcome::Pending)),
        ] {
            assert!(queue.send(request(id, None)), "requests are recorded although the run has ended");
            if let Some(outcome) = outcome {
                list.log.task_ended(&TaskReport::new(TaskId::new(id).unwrap(), outcome));
            }
        }
        drop(queue);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(list.write(reading)).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "b\nc\ne\n");
    }
}
