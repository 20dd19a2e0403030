//! A list that is a JSON array: of ids, or of objects with an id.
//!
//! The array is cut into its items as it arrives, and serde parses one item at a time. So a long array needs no memory, and
//! one from a pipe is streamed. After an error between items nothing more is read: what follows has no known place.

use std::io::{self, BufRead};

use super::encoding::peek;
use super::list::MAX_ENTRY;

/// What ends an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Comma,
    ArrayEnd,
    FileEnd,
}

/// Cuts an array into its items.
pub(super) struct ArrayReader {
    /// The line of the next byte.
    line: u64,
    before: Before,
}

/// What was read last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Start,
    Comma,
    ArrayEnd,
    Error,
}

/// An item or an error, and its line. None at the end.
pub(super) type Item = Option<(u64, Result<String, String>)>;

impl ArrayReader {
    /// A reader that begins on `line`, behind the bracket that opens the array.
    pub(super) fn new(line: u64) -> Self {
        Self { line, before: Before::Start }
    }

    /// The next item.
    pub(super) fn next(&mut self, source: &mut dyn BufRead) -> Item {
        if self.before == Before::Error {
            return None;
        }
        let item = self.next_item(source).unwrap_or_else(|error| Some((self.line, Err(error.to_string()))));
        if matches!(item, Some((_, Err(_)))) {
            self.before = Before::Error;
        }
        item
    }

    fn next_item(&mut self, source: &mut dyn BufRead) -> io::Result<Item> {
        let next = self.skip_whitespace(source)?;
        let error = |line: u64, message: &str| Ok(Some((line, Err(message.to_owned()))));
        match (self.before, next) {
            (Before::ArrayEnd, None) => return Ok(None),
            (Before::ArrayEnd, Some(_)) => return error(self.line, "text after the end of the JSON array"),
            (_, None) => return error(self.line, NOT_CLOSED),
            (Before::Start, Some(b']')) => {
                source.consume(1);
                self.before = Before::ArrayEnd;
                return self.next_item(source);
            }
            (_, Some(b',' | b']')) => {
                return error(self.line, "a task id is missing in the JSON array: remove the comma before or after it");
            }
            _ => {}
        }
        let first_line = self.line;
        let Some((bytes, delimiter)) = self.read_item(source)? else {
            return error(first_line, "an item of the JSON array is longer than 1 MiB: is a quote or a bracket missing?");
        };
        self.before = match delimiter {
            Delimiter::Comma => Before::Comma,
            Delimiter::ArrayEnd => Before::ArrayEnd,
            Delimiter::FileEnd => return error(first_line, NOT_CLOSED),
        };
        Ok(Some((first_line, String::from_utf8(bytes).map_err(|_| "the JSON array is not valid UTF-8".to_owned()))))
    }

    /// The bytes of an item up to its delimiter, which is read too. None if the item is too long.
    fn read_item(&mut self, source: &mut dyn BufRead) -> io::Result<Option<(Vec<u8>, Delimiter)>> {
        let (mut item, mut nesting, mut is_string, mut is_escaped) = (Vec::new(), 0_usize, false, false);
        while peek(source)?.is_some() {
            let bytes = source.fill_buf()?;
            let mut end = None;
            let mut length = 0;
            for &byte in bytes {
                length += 1;
                self.line += u64::from(byte == b'\n');
                match byte {
                    _ if is_escaped => is_escaped = false,
                    b'\\' if is_string => is_escaped = true,
                    b'"' => is_string = !is_string,
                    _ if is_string => {}
                    b'[' | b'{' => nesting += 1,
                    b',' if nesting == 0 => end = Some(Delimiter::Comma),
                    b']' if nesting == 0 => end = Some(Delimiter::ArrayEnd),
                    b']' | b'}' => nesting = nesting.saturating_sub(1),
                    _ => {}
                }
                if end.is_some() {
                    break;
                }
            }
            item.extend_from_slice(&bytes[..length - usize::from(end.is_some())]);
            source.consume(length);
            if let Some(end) = end {
                return Ok((item.len() <= MAX_ENTRY).then_some((item, end)));
            }
            if item.len() > MAX_ENTRY {
                return Ok(None);
            }
        }
        Ok(Some((item, Delimiter::FileEnd)))
    }

    /// Skips whitespace. Returns the next byte, which is not read.
    fn skip_whitespace(&mut self, source: &mut dyn BufRead) -> io::Result<Option<u8>> {
        skip_whitespace(source, &mut self.line)
    }
}

const NOT_CLOSED: &str = "the JSON array is not closed: is the end of the file missing?";

/// Skips whitespace and counts its lines. Returns the next byte, which is not read.
pub(super) fn skip_whitespace(source: &mut dyn BufRead, line: &mut u64) -> io::Result<Option<u8>> {
    loop {
        match peek(source)? {
            Some(byte) if byte.is_ascii_whitespace() => {
                *line += u64::from(byte == b'\n');
                source.consume(1);
            }
            next => return Ok(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items of the array `text`, without its first bracket, and its error.
    fn items(text: &str) -> String {
        let (mut source, mut reader) = (text.as_bytes(), ArrayReader::new(1));
        let items = std::iter::from_fn(|| reader.next(&mut source));
        let shown = items.map(|(line, item)| format!("{line}:{}", item.unwrap_or_else(|error| format!("!{error}"))));
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn array_is_cut_into_its_items() {
        for (text, expected) in [
            ("]", ""),
            (" \n ] \n", ""),
            ("1,2]", "1:1|1:2"),
            ("\n  \"a\",\n  {\"id\": \"b,]\",\n   \"x\": [1, {}]}\n]\n", "2:\"a\"|3:{\"id\": \"b,]\",\n   \"x\": [1, {}]}\n"),
            ("\"\\\"],\", 7 ]", "1:\"\\\"],\"|1:7 "),
        ] {
            assert_eq!(items(text), expected, "{text}");
        }
        for (text, what) in [
            ("", "1:!the JSON array is not closed"),
            ("1,\n2", "1:1|2:!the JSON array is not closed"),
            ("1,\n]", "1:1|2:!a task id is missing"),
            ("1,,2]", "1:1|1:!a task id is missing"),
            ("1]\n[2]", "1:1|2:!text after the end"),
            ("\"a, 1]", "1:!the JSON array is not closed"),
        ] {
            assert!(items(text).starts_with(what), "{text}: {}", items(text));
        }
        let long = format!("1, \"{}\"]", "x".repeat(MAX_ENTRY + 1));
        assert!(items(&long).contains("longer than 1 MiB"));
    }
}
