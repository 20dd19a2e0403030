//! The task ids of a run: the arguments first, then the lists.
//!
//! `list` reads a list, whose entries `line` parses; `array` cuts a JSON array into its items, and `encoding` decodes the text.
//! `slips` finds typing mistakes. Before the first request, the arguments and the lists in regular files are checked. Any other
//! list is streamed, so it may be very long, or end late: an entry that can't be read is reported with its line, the others are
//! still read, and the run ends with exit code 2. The run counts a repeated id once, with the fields of its first line.
//!
//! Filters read lists too: `read_ids`. `id_line` is the reverse: a line for a list.
//!
//! Invariant: no id and no field contains the API key, because both are shown and stored. `settings` checks the arguments.

mod array;
mod encoding;
mod line;
mod list;
mod slips;

use std::io::{Cursor, Read as _};
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::request_queue::RequestQueue;
use crate::domain::event::{Emitter, Event};
use crate::domain::task::TaskId;
use crate::jobs::archive::Request;
use crate::redact::ApiKey;
pub(super) use line::id_line;
use list::IdList;

/// The ids of a run. The lists are open, and those in regular files are checked.
pub(super) struct Input {
    ids: Vec<TaskId>,
    lists: Vec<IdList>,
    key: ApiKey,
}

impl Input {
    /// Opens every list, so that a missing file is an error before the first request.
    ///
    /// # Errors
    /// If a list can't be opened, or a list in a regular file is wrong.
    pub(super) fn open(ids: Vec<TaskId>, lists: &[PathBuf], key: ApiKey) -> Result<Self, Error> {
        let lists = lists.iter().map(|path| IdList::open(path, Some(&key))).collect::<Result<_, _>>()?;
        Ok(Self { ids, lists, key })
    }

    /// Sends a request for each id. Ends early if the receiver is closed. A list that may wait for ever is not read any further
    /// once `queries_ended` is cancelled. Returns the number of entries that could not be read.
    pub(super) fn send(self, requests: &RequestQueue, emitter: &Emitter, queries_ended: &CancellationToken) -> u64 {
        let Self { ids, lists, key } = self;
        let mut bad_entries = 0;
        for id in ids {
            if !requests.send(Request::new(id)) {
                return bad_entries;
            }
        }
        for list in lists {
            let (name, may_wait) = (list.name.clone(), list.may_wait);
            let mut entries = list.into_entries();
            requests.begin_list(may_wait);
            while !(may_wait && (queries_ended.is_cancelled() || requests.is_closed())) {
                let Some(entry) = entries.next(Some(&key)) else { break };
                match entry.request {
                    Ok(request) => {
                        if !requests.send(request) {
                            return bad_entries;
                        }
                    }
                    Err(error) => {
                        bad_entries += 1;
                        emitter.emit(Event::Error(format!("{}:{}: {error}", name.display(), entry.line)));
                    }
                }
            }
        }
        bad_entries
    }
}

/// The ids in the lists, for a command that works without a key. The other fields are ignored.
///
/// # Errors
/// If a list can't be read, or one of its entries can't.
pub(super) fn read_ids(lists: &[PathBuf]) -> Result<Vec<TaskId>, Error> {
    let mut ids = Vec::new();
    for path in lists {
        let list = IdList::open(path, None)?;
        let name = list.name.clone();
        let mut entries = list.into_entries();
        while let Some(entry) = entries.next(None) {
            let origin = || format!("{}:{}", name.display(), entry.line);
            ids.push(entry.request.map_err(|message| Error::List { origin: origin(), message, more: 0 })?.id);
        }
    }
    Ok(ids)
}

/// `bytes` as UTF-8, as far as they are text.
pub(super) fn decode(bytes: Vec<u8>) -> Vec<u8> {
    let mut text = Vec::new();
    // Reading from memory can't fail.
    let _ = encoding::decode(Box::new(Cursor::new(bytes))).and_then(|mut source| source.read_to_end(&mut text));
    text
}

/// The ids of the arguments, of which the last `after_dashes` stand after `--`.
///
/// # Errors
/// If an argument is blank or a typing mistake.
pub(super) fn argument_ids(arguments: &[String], after_dashes: usize) -> Result<Vec<TaskId>, Error> {
    let checked = arguments.len().saturating_sub(after_dashes);
    let id = |(at, text): (usize, &String)| match TaskId::new(text) {
        None => Err(Error::BlankId),
        Some(_) if at < checked => slips::argument_id(text).map_err(Error::Slip),
        Some(id) => Ok(id),
    };
    arguments.iter().enumerate().map(id).collect()
}
