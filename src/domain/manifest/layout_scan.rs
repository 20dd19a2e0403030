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
mod tests {
    use super::*;
    use crate::domain::manifest::tests::entry;
    use crate::domain::manifest::{TaskEntry, write};

    fn render(tasks: &[TaskEntry]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, |push| tasks.iter().try_for_each(push)).unwrap();
        bytes
    }

    fn scan(text: &[u8]) -> Option<(Vec<String>, Range<u64>)> {
        let mut ids = Vec::new();
        let range = scan_layout(text, |id, task| {
            assert_eq!(task.id().as_deref(), Some(id));
            ids.push(id.to_owned());
            true
        });
        range.unwrap().map(|range| (ids, range))
    }

    fn tasks() -> Vec<TaskEntry> {
        let mut tasks: Vec<TaskEntry> = ["a", "b\"\\{", "c", "d\u{1}\n", "é"].map(entry).into();
        tasks[0].text = Some("la {[ \"\n    }".to_owned());
        tasks[2].meta = serde_json::from_str(r#"{"x": {"y": [1, {}], "z": "\""}}"#).unwrap();
        tasks
    }

    #[test]
    fn own_layout_is_scanned() {
        let tasks = tasks();
        let text = render(&tasks);
        let (ids, range) = scan(&text).unwrap();
        assert!(ids.iter().eq(tasks.iter().map(|task| &task.task_id)));
        let list = &text[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(list.starts_with(START) && list.ends_with(END));
        for id in &ids {
            assert_eq!(RawTask::from(find_entry(list, id).unwrap()).id().as_ref(), Some(id));
        }
    }

    #[test]
    fn manifest_that_is_longer_than_a_read_is_scanned() {
        let mut tasks: Vec<TaskEntry> = (0..20_000).map(|n| entry(&format!("{n:06}"))).collect();
        tasks[7].text = Some("x".repeat(3 << 20));
        assert_eq!(scan(&render(&tasks)).unwrap().0.len(), tasks.len());
    }

    #[test]
    fn other_layouts_are_not_scanned() {
        let text = String::from_utf8(render(&tasks())).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let swapped: Vec<TaskEntry> = tasks().into_iter().rev().collect();
        let twice = [tasks()[0].clone(), tasks()[0].clone()];
        for other in [
            String::new(),
            format!("\u{feff}{text}"),
            text.replace('\n', "\r\n"),
            text.replace("  ", "\t"),
            value.to_string(),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.replace("manifest_version\": 1", "manifest_version\": 2"),
            text.replace("yescale-dl ", "other "),
            text.replace("\n  ]\n}\n", "\n  ],\n  \"more\": 1\n}\n"),
            text.replace("    },\n    {", "    }\n    {"),
            text.replace("    },\n    {", "    },\n    7,\n    {"),
            text.replace("    },\n    {", "    },\n    {\"task_id\": \"aa\"},\n    {"),
            text.replace("    },\n    {", "    }, {"),
            text.replace("      \"errors\": []", "      \"errors\": [,"),
            text.replace(
                "      \"errors\": []",
                "      \"more\": [{\n    },\n    {\n      \"task_id\": \"aa\",\n      \"x\": 1}]",
            ),
            text.replace("\"state\"", "\"state"),
            text.replace("complete", "comp\0ete"),
            text.replace("\"task_id\"", "\"task_ie\""),
            text.replacen("[]", "]", 1),
            String::from_utf8(render(&swapped)).unwrap(),
            String::from_utf8(render(&twice)).unwrap(),
            String::from_utf8(render(&[])).unwrap(),
        ] {
            assert_eq!(scan(other.as_bytes()), None, "{other}");
        }
        assert_eq!(scan(&[text.as_bytes(), &[0; 100]].concat()), None);
        assert_eq!(
            scan(
                &text
                    .replace("complete", "comp\u{fe}ete")
                    .into_bytes()
                    .iter()
                    .map(|byte| if *byte == 0xc3 { 0xff } else { *byte })
                    .collect::<Vec<u8>>()
            ),
            None
        );
        for end in 0..text.len() {
            assert_eq!(scan(&text.as_bytes()[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn beginning_and_end_show_a_manifest_of_many_tasks() {
        let frames = |text: &[u8]| frames_many_tasks(io::Cursor::new(text)).unwrap();
        let text = render(&tasks());
        assert!(frames(&text));
        let mut long = tasks();
        long[3].text = Some("x".repeat(1 << 20));
        let long = render(&long);
        assert!(frames(&long));
        for end in 0..text.len() {
            assert!(!frames(&text[..end]), "cut at {end}");
        }
        for other in [render(&tasks()[..1]), render(&[]), [long.as_slice(), b" "].concat(), [b" ", long.as_slice()].concat()] {
            assert!(!frames(&other));
        }
        let foreign = String::from_utf8(text).unwrap().replace("yescale-dl ", "other ");
        assert!(!frames(foreign.as_bytes()));
    }

    #[test]
    fn scan_ends_when_it_is_told_to() {
        let mut count = 0;
        let range = scan_layout(render(&tasks()).as_slice(), |_, _| {
            count += 1;
            count < 2
        });
        assert_eq!((range.unwrap(), count), (None, 2));
    }
}
