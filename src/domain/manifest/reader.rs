//! Reads a manifest of any length, task by task.
//!
//! A root manifest of a hundred thousand tasks is never in memory as a whole, and callers need only a part of most tasks.
//! [`for_each_task`] passes the text of one task at a time, a [`RawTask`]; the caller parses as much of it as it needs. Skipped
//! entries are never deserialized, which is many times as fast.

use std::io::{self, Read};
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Deserializer, Value};

use super::{BYTE_ORDER_MARK, TaskEntry};

/// The size of one read, in bytes. A longer task needs a longer read.
const CHUNK_SIZE: usize = 256 << 10;

/// The text of an item in the list of tasks. It need not be a task.
#[derive(Clone, Copy, Debug)]
pub struct RawTask<'a> {
    pub(super) text: &'a [u8],
    pub(super) start: u64,
}

impl RawTask<'_> {
    /// Its id; `None` when it is no task.
    #[must_use]
    pub fn id(self) -> Option<String> {
        #[derive(Deserialize)]
        struct IdOnly {
            task_id: String,
        }
        self.deserialize::<IdOnly>().map(|task| task.task_id)
    }

    /// The whole entry; `None` when it is no task that this version can parse.
    #[must_use]
    pub fn parse(self) -> Option<TaskEntry> {
        self.deserialize()
    }

    /// Whether it contains the API's answer, as in a task manifest.
    #[must_use]
    pub fn has_response(self) -> bool {
        #[derive(Deserialize)]
        struct ResponseOnly {
            response: Option<IgnoredAny>,
        }
        self.deserialize::<ResponseOnly>().is_some_and(|task| task.response.is_some())
    }

    /// Its byte range in the manifest.
    #[must_use]
    pub fn byte_range(self) -> Range<u64> {
        self.start..self.start + self.text.len() as u64
    }

    /// A copy of its text, to be parsed elsewhere with `RawTask::from`.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        self.text.to_vec()
    }

    fn deserialize<T: DeserializeOwned>(self) -> Option<T> {
        serde_json::from_slice(self.text).ok()
    }
}

impl<'a> From<&'a [u8]> for RawTask<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self { text, start: 0 }
    }
}

/// The fields of a manifest beside its tasks.
#[derive(Default, Debug)]
pub struct ManifestHeader {
    /// The version, if it is a number.
    pub version: Option<u64>,
    /// `Some(true)` for a list of tasks, `Some(false)` for an object (a later version may change the shape), else `None`.
    pub tasks_are_list: Option<bool>,
}

/// Calls `each` with the tasks of a manifest, in order.
///
/// # Errors
/// `UnexpectedEof` when the manifest ends early, `InvalidData` when it is no JSON object or has data behind its end, or the
/// error of `reader`. `each` has then seen the tasks before the error.
pub fn for_each_task(reader: impl Read, mut each: impl FnMut(RawTask<'_>)) -> io::Result<ManifestHeader> {
    let mut window = JsonWindow::new(reader);
    let mut header = ManifestHeader::default();
    window.skip_byte_order_mark()?;
    window.expect_byte(b'{')?;
    if window.peek()? == Some(b'}') {
        window.expect_byte(b'}')?;
    } else {
        while {
            let key: String = window.parse_value()?;
            window.expect_byte(b':')?;
            match key.as_str() {
                "manifest_version" => header.version = window.parse_value::<Value>()?.as_u64(),
                "tasks" if window.peek()? == Some(b'[') => {
                    window.for_each_element(&mut each)?;
                    header.tasks_are_list = Some(true);
                }
                "tasks" => header.tasks_are_list = window.parse_value::<Value>()?.is_object().then_some(false),
                _ => window.skip_value().map(|_| ())?,
            }
            window.consume_separator(b'}')?
        } {}
    }
    match window.peek()? {
        None => Ok(header),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The part of a manifest that is in memory.
pub(super) struct JsonWindow<R> {
    reader: R,
    /// The offset of `bytes` in the manifest.
    offset: u64,
    bytes: Vec<u8>,
    /// The next byte to parse, as an index into `bytes`.
    position: usize,
}

impl<R: Read> JsonWindow<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, offset: 0, bytes: Vec::new(), position: 0 }
    }

    /// The offset of the next byte in the manifest.
    pub(super) fn offset(&self) -> u64 {
        self.offset + self.position as u64
    }

    /// The bytes in memory that are not parsed.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.position..]
    }

    /// The bytes that are not parsed, at least `count` unless the manifest ends before.
    pub(super) fn peek_at_least(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.rest().len() < count && self.fill()? {}
        Ok(self.rest())
    }

    /// Passes over `count` bytes that are in memory.
    pub(super) fn skip(&mut self, count: usize) {
        self.position += count;
    }

    /// Skips a byte-order mark.
    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.bytes.len() < BYTE_ORDER_MARK.len() && self.fill()? {}
        if self.bytes.starts_with(BYTE_ORDER_MARK) {
            self.position = BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// Skips the next value; returns its range in `bytes`.
    fn skip_value(&mut self) -> io::Result<Range<usize>> {
        loop {
            let mut values = Deserializer::from_slice(&self.bytes[self.position..]).into_iter::<IgnoredAny>();
            let (next, end) = (values.next(), self.position + values.byte_offset());
            match next {
                // A number at the end of the window may have more digits behind it.
                Some(Ok(_)) if end < self.bytes.len() => {
                    let start = std::mem::replace(&mut self.position, end);
                    return Ok(start..end);
                }
                Some(Err(error)) if !error.is_eof() => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                _ if self.fill()? => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    fn parse_value<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let value = self.skip_value()?;
        serde_json::from_slice(&self.bytes[value]).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn for_each_element(&mut self, each: &mut impl FnMut(RawTask<'_>)) -> io::Result<()> {
        self.expect_byte(b'[')?;
        if self.peek()? == Some(b']') {
            return self.expect_byte(b']');
        }
        while {
            let task = self.skip_value()?;
            each(RawTask { start: self.offset + task.start as u64, text: &self.bytes[task] });
            self.consume_separator(b']')?
        } {}
        Ok(())
    }

    /// Consumes a comma or `end`; whether it was a comma.
    fn consume_separator(&mut self, end: u8) -> io::Result<bool> {
        if self.peek()? == Some(b',') {
            return self.expect_byte(b',').map(|()| true);
        }
        self.expect_byte(end).map(|()| false)
    }

    fn expect_byte(&mut self, byte: u8) -> io::Result<()> {
        match self.peek()? {
            Some(found) if found == byte => self.position += 1,
            Some(_) => return Err(io::ErrorKind::InvalidData.into()),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    /// The next byte that is no whitespace, without consuming it.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let rest = &self.bytes[self.position..];
            let whitespace = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
            let next = rest.get(whitespace).copied();
            self.position += whitespace;
            if next.is_some() || !self.fill()? {
                return Ok(next);
            }
        }
    }

    /// Drops the parsed bytes and reads more; whether there were more.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.position);
        self.offset += std::mem::take(&mut self.position) as u64;
        // A value that is longer than the window is parsed again after each read. Doubling keeps that linear.
        let chunk = self.bytes.len().max(CHUNK_SIZE) as u64;
        Ok((&mut self.reader).take(chunk).read_to_end(&mut self.bytes)? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::tests::entry;
    use crate::domain::manifest::write;

    /// Reads a few bytes at a time.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let end = to.len().min(3);
            self.0.read(&mut to[..end])
        }
    }

    fn ids(manifest: &str) -> io::Result<(Vec<Option<String>>, ManifestHeader)> {
        let mut ids = Vec::new();
        for_each_task(Trickle(manifest.as_bytes()), |task| ids.push(task.id())).map(|header| (ids, header))
    }

    fn render(ids: &[String]) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, |push| ids.iter().try_for_each(|id| push(&entry(id)))).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn manifest_of_any_length_round_trips() {
        for count in [0, 1, 2, 20_000] {
            let written: Vec<String> = (0..count).map(|n| format!("{n:06}")).collect();
            let (read, header) = ids(&render(&written)).unwrap();
            assert_eq!(read, written.into_iter().map(Some).collect::<Vec<_>>());
            assert_eq!((header.version, header.tasks_are_list), (Some(1), Some(true)));
        }
        let long = "x".repeat(3 * CHUNK_SIZE);
        assert_eq!(ids(&render(std::slice::from_ref(&long))).unwrap().0, [Some(long)]);
    }

    #[test]
    fn non_task_entries_are_returned_as_none() {
        let (read, header) =
            ids(r#"{"x":[1],"tasks":[{"task_id":"a","future":1}, {"no":"task"},7,"]"],"y":null , "z":{}}"#).unwrap();
        assert_eq!(read, [Some("a".to_owned()), None, None, None]);
        assert_eq!(header.version, None);
        for (shape, is_list) in [("{}", Some(false)), ("7", None), ("[]", Some(true))] {
            assert_eq!(ids(&format!(r#"{{"manifest_version":9,"tasks":{shape}}}"#)).unwrap().1.tasks_are_list, is_list);
        }
    }

    #[test]
    fn truncated_or_trailing_data_is_an_error() {
        let text = render(&["a".to_owned(), "b".to_owned()]);
        for end in 0..text.len() - 1 {
            assert_eq!(ids(&text[..end]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "cut at {end}");
        }
        for wrong in ["[]", "null", "{} x", r#"{"tasks":[},"#, r#"{"tasks":[1 2]}"#, r#"{"tasks" 1}"#, r#"{"a":1,}"#, "{1:1}"] {
            assert_eq!(ids(wrong).unwrap_err().kind(), io::ErrorKind::InvalidData, "{wrong}");
        }
    }
}
