//! Scans a long root manifest in this program's own layout, without parsing its entries.
//!
//! It is for manifests of a million tasks, of which a run changes one: parsing all of them takes seconds, a scan some tenths.
//! What is proved of a file for which [`scan_layout`] returns a range:
//! - It begins and ends as [`write`](super::write()) writes it: version 1, a version of this program, the list of tasks, and
//!   nothing behind the list.
//! - Each entry begins and ends on a line of its own, and begins with its id. All lines between are indented more deeply. The
//!   writer puts fields of other versions on one line, so no value can look like the end of an entry.
//! - The ids are in ascending order, without duplicates.
//! - The file is UTF-8 without control characters other than the line breaks, and in each entry the quotes and brackets are
//!   balanced. An entry in which they are not (a prompt can contain a bracket) is parsed.
//!
//! What is not proved: the syntax and the values within an entry. A caller that needs those parses the entry.
//! A file in any other layout is no error: it is read by [`for_each_task`](super::for_each_task).

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use memchr::memchr;
use memchr::memmem::Finder;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::reader::{JsonWindow, RawTask, for_each_task};

/// The beginning of a manifest, up to the version of this program.
const HEAD: &[u8] = b"{\n  \"manifest_version\": 1,\n  \"generator\": \"yescale-dl ";
/// What follows the version of this program.
const LIST: &[u8] = b"\",\n  \"tasks\": [";
/// The end of a manifest, behind the last task.
const TAIL: &[u8] = b"\n  ]\n}\n";
/// The longest version of this program, in bytes.
const MAX_VERSION: usize = 100;
/// The beginning of an entry, up to its id.
const START: &[u8] = b"\n    {\n      \"task_id\": \"";
/// How much of a manifest is parsed to see who wrote it, in bytes.
const BEGINNING: u64 = 256 << 10;
/// The first line of an entry, which [`START`] begins with.
const FIRST_LINE: usize = b"\n    {".len();
/// The end of an entry.
const END: &[u8] = b"\n    }";

/// Calls `each` with the id and the text of each task, until it returns false. Returns the range of the list of tasks: from the
/// line break in front of the first to the end of the last. `None` when `each` returned false, or when the manifest is not in
/// this program's layout or has no tasks; then `each` has seen the tasks before that.
///
/// # Errors
/// Errors of `reader`.
pub(crate) fn scan_layout(reader: impl Read, mut each: impl FnMut(&str, RawTask<'_>) -> bool) -> io::Result<Option<Range<u64>>> {
    let (mut window, ends) = (JsonWindow::new(reader), Finder::new(END));
    let Some(head) = head_len(window.peek_at_least(HEAD.len() + MAX_VERSION + LIST.len())?) else { return Ok(None) };
    window.skip(head);
    let start = window.offset();
    let mut last = String::new();
    loop {
        let Some(len) = entry_len(&mut window, &ends)? else { return Ok(None) };
        let offset = window.offset();
        let rest = window.peek_at_least(len + TAIL.len() + 1)?;
        let (text, behind) = rest.split_at(len);
        let task = RawTask { text: &text[1..], start: offset + 1 };
        match checked_id(text, task) {
            Some(id) if *id > *last => {
                if !each(&id, task) {
                    return Ok(None);
                }
                last.clear();
                last.push_str(&id);
            }
            _ => return Ok(None),
        }
        let (is_followed, is_end) = (behind.first() == Some(&b','), behind == TAIL);
        window.skip(len);
        if is_end {
            return Ok(Some(start..window.offset()));
        }
        if !is_followed {
            return Ok(None);
        }
        window.skip(1);
    }
}

/// The entry of the task `id`, in a part of the list that was scanned.
#[must_use]
pub(crate) fn find_entry<'a>(list: &'a [u8], id: &str) -> Option<&'a [u8]> {
    let entry = &list[memchr::memmem::find(list, &entry_start(id))?..];
    memchr::memmem::find(entry, END).map(|end| &entry[..end + END.len()])
}

/// Whether a manifest begins as this program's do, with two tasks or more, and ends so.
///
/// # Errors
/// When `file` can't be read.
pub(crate) fn frames_many_tasks(mut file: impl Read + Seek) -> io::Result<bool> {
    let mut start = Vec::new();
    (&mut file).take(BEGINNING).read_to_end(&mut start)?;
    let mut count = 0;
    // The beginning of a longer manifest ends early.
    let _ = for_each_task(start.as_slice(), |task| count += usize::from(task.id().is_some()));
    if count < 2 || head_len(&start).is_none() {
        return Ok(false);
    }
    let mut end = [0; END.len() + TAIL.len()];
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(end.len() as u64)))?;
    file.read_exact(&mut end)?;
    Ok(end.starts_with(END) && end.ends_with(TAIL))
}

/// The text with which the entry of a task begins: the line break in front of it, and its first lines.
fn entry_start(id: &str) -> Vec<u8> {
    let id = Value::from(id).to_string();
    [START.strip_suffix(b"\"").unwrap_or(START), id.as_bytes(), b",\n"].concat()
}

/// The length of the beginning of our manifests, up to the list of tasks.
fn head_len(text: &[u8]) -> Option<usize> {
    let version = text.strip_prefix(HEAD)?;
    let len = memchr(b'"', version)?;
    let is_plain = version[..len].iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
    (is_plain && version[len..].starts_with(LIST)).then_some(HEAD.len() + len + LIST.len())
}

/// The length of the next entry, with the line break in front of it.
fn entry_len(window: &mut JsonWindow<impl Read>, ends: &Finder<'_>) -> io::Result<Option<usize>> {
    let mut searched = 0;
    loop {
        let rest = window.rest();
        if let Some(end) = ends.find(&rest[searched..]) {
            return Ok(Some(searched + end + END.len()));
        }
        searched = rest.len().saturating_sub(END.len() - 1);
        if !window.fill()? {
            return Ok(None);
        }
    }
}

/// The id of an entry in our layout.
fn checked_id<'a>(text: &'a [u8], task: RawTask<'_>) -> Option<Cow<'a, str>> {
    let after_start = std::str::from_utf8(text.strip_prefix(START)?).ok()?;
    let lines = text.get(FIRST_LINE..)?;
    if !is_indented(lines) || !(is_balanced(lines) || serde_json::from_slice::<IgnoredAny>(task.text).is_ok()) {
        return None;
    }
    let (id, rest) = after_start.split_once('"')?;
    if id.contains('\\') {
        // Escaped as this program does it, so that the entry can be found by its text.
        return task.id().filter(|id| text.starts_with(&entry_start(id))).map(Cow::Owned);
    }
    rest.starts_with(",\n").then_some(Cow::Borrowed(id))
}

/// Whether all lines of an entry but the last are indented by six blanks or more, and there are no other control characters.
/// Here and below, loops without branches, which the compiler turns into vector instructions.
fn is_indented(lines: &[u8]) -> bool {
    let Some(len) = lines.len().checked_sub(END.len()) else { return false };
    let behind = |n: usize| lines[n..n + len].iter();
    let next = behind(1).zip(behind(2)).zip(behind(3)).zip(behind(4)).zip(behind(5)).zip(behind(6));
    let wrong = lines[..len].iter().zip(next).fold(0, |wrong, (byte, (((((a, b), c), d), e), f))| {
        let other = (a ^ b' ') | (b ^ b' ') | (c ^ b' ') | (d ^ b' ') | (e ^ b' ') | (f ^ b' ');
        wrong | (u8::from(*byte == b'\n') & u8::from(other != 0))
    });
    let control = lines[..len].iter().fold(0, |any, byte| any | (u8::from(*byte < b' ') & u8::from(*byte != b'\n')));
    wrong | control == 0
}

/// Whether a text behind an opening brace has as many closing as opening braces and brackets, and an even number of quotes.
/// Counted in one byte: a difference of 256 is not found.
fn is_balanced(text: &[u8]) -> bool {
    // This bit turns a bracket into a brace.
    let count = |first: u8, brace: u8| text.iter().fold(first, |all, byte| all.wrapping_add(u8::from(byte | 0x20 == brace)));
    let quotes = text.iter().fold(0, |odd, byte| odd ^ u8::from(*byte == b'"'));
    count(1, b'{') == count(0, b'}') && quotes == 0
}

#[cfg(test)]
mod tests;
