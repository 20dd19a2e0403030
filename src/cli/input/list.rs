//! Reads a list of task ids: one per line, or a JSON array.
//!
//! Owns the place of each entry (file and line). A list in a regular file is read twice: first it is checked to its end,
//! before the first request, then its ids are sent. Anything else is read once, as it arrives: it may not end. No more than
//! one entry is held.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::array::{ArrayReader, skip_whitespace};
use super::encoding::{self, Source, peek};
use super::line::{parse_json, parse_line};
use crate::cli::error::Error;
use crate::jobs::archive::Request;
use crate::redact::ApiKey;

/// The limit of an entry in bytes. A file with a longer line is not a list of ids.
pub(super) const MAX_ENTRY: usize = 1 << 20;

/// The limit in bytes of what is skipped of a line that is too long.
const MAX_SKIPPED: u64 = 64 << 20;

/// A list that is open.
pub(super) struct IdList {
    pub name: PathBuf,
    /// Whether reading may wait for ever: for a pipe or a terminal.
    pub may_wait: bool,
    source: Source,
}

impl IdList {
    /// Opens a file, or standard input for `-`. A regular file is checked to its end.
    ///
    /// # Errors
    /// If the file can't be opened, or has an entry that can't be read or is a typing mistake.
    pub(super) fn open(path: &Path, key: Option<&ApiKey>) -> Result<Self, Error> {
        let is_standard_input = path.as_os_str() == "-";
        let name = if is_standard_input { PathBuf::from("standard input") } else { path.to_owned() };
        let failed = |source| Error::Read { path: name.clone(), source };
        let file = if is_standard_input { standard_input_file() } else { Some(File::open(path).map_err(failed)?) };
        let Some(mut file) = file else {
            return Ok(Self { name, may_wait: true, source: Box::new(BufReader::new(io::stdin())) });
        };
        let kind = file.metadata().map_err(failed)?;
        if kind.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        if kind.is_file() {
            // Standard input may have been read in part by another program.
            let start = file.stream_position().map_err(failed)?;
            let copy = file.try_clone().map_err(failed)?;
            check(&name, Box::new(BufReader::new(copy)), key)?;
            file.seek(SeekFrom::Start(start)).map_err(failed)?;
        }
        Ok(Self { name, may_wait: !kind.is_file(), source: Box::new(BufReader::new(file)) })
    }

    /// The entries of the list.
    pub(super) fn into_entries(self) -> Entries {
        Entries::new(self.source)
    }
}

/// Reads a list to its end.
///
/// # Errors
/// If an entry is wrong. The error names the first one.
fn check(name: &Path, source: Source, key: Option<&ApiKey>) -> Result<(), Error> {
    let mut entries = Entries::new(source);
    let mut wrong = std::iter::from_fn(|| entries.next(key)).filter_map(|entry| Some((entry.line, entry.request.err()?)));
    let Some((line, message)) = wrong.next() else { return Ok(()) };
    Err(Error::List { origin: format!("{}:{line}", name.display()), message, more: wrong.count() })
}

/// Standard input, if it is a regular file. If its kind can't be told, it is read like a pipe.
fn standard_input_file() -> Option<File> {
    #[cfg(unix)]
    let file = File::from(std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned().ok()?);
    #[cfg(windows)]
    let file = File::from(std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned().ok()?);
    file.metadata().is_ok_and(|kind| kind.is_file()).then_some(file)
}

/// An entry of a list.
pub(super) struct Entry {
    pub line: u64,
    pub request: Result<Request, String>,
}

/// The entries of a list, read one at a time.
pub(super) struct Entries {
    source: Source,
    state: State,
    /// The number of the last line.
    line: u64,
    is_first: bool,
}

enum State {
    /// Nothing is read yet.
    Start,
    Lines,
    Array(ArrayReader),
    End,
}

impl Entries {
    fn new(source: Source) -> Self {
        Self { source, state: State::Start, line: 0, is_first: true }
    }

    /// The next entry; none at the end. After an error of the disk, nothing more is read.
    pub(super) fn next(&mut self, key: Option<&ApiKey>) -> Option<Entry> {
        if matches!(self.state, State::Start)
            && let Err(error) = self.start()
        {
            return Some(self.end_with(error.to_string()));
        }
        match &mut self.state {
            State::Array(array) => {
                let (line, item) = array.next(&mut self.source)?;
                Some(match item.map_err(|message| (line, message)).and_then(|item| parse_json(&item, line, key)) {
                    Ok(request) => Entry { line, request: Ok(request) },
                    Err((line, message)) => Entry { line, request: Err(message) },
                })
            }
            State::Lines => self.next_line(key),
            State::Start | State::End => None,
        }
    }

    /// Finds out the encoding, and whether the list is an array.
    fn start(&mut self) -> io::Result<()> {
        let source = std::mem::replace(&mut self.source, Box::new(io::empty()));
        self.source = encoding::decode(source)?;
        let mut line = 1;
        let is_array = skip_whitespace(&mut self.source, &mut line)? == Some(b'[');
        if is_array {
            self.source.consume(1);
        }
        self.line = line - 1;
        self.state = if is_array { State::Array(ArrayReader::new(line)) } else { State::Lines };
        Ok(())
    }

    fn next_line(&mut self, key: Option<&ApiKey>) -> Option<Entry> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            self.line += 1;
            let read = Read::take(&mut self.source, MAX_ENTRY as u64).read_until(b'\n', &mut bytes);
            let request = match read {
                Ok(0) => return None,
                Ok(MAX_ENTRY) if bytes.last() != Some(&b'\n') => {
                    let message = "the line is longer than 1 MiB: is this a list of task ids?".to_owned();
                    self.is_first = false;
                    return Some(match self.skip_line() {
                        Ok(true) => Entry { line: self.line, request: Err(message) },
                        Ok(false) => self.end_with(message),
                        Err(error) => self.end_with(error.to_string()),
                    });
                }
                Ok(_) => parse_line(&bytes, self.is_first, key),
                Err(error) => return Some(self.end_with(error.to_string())),
            };
            if let Some(request) = request.transpose() {
                self.is_first = false;
                return Some(Entry { line: self.line, request });
            }
        }
    }

    /// Skips the rest of a line. False if it is so long that the text has no lines.
    fn skip_line(&mut self) -> io::Result<bool> {
        let mut rest = Read::take(&mut self.source, MAX_SKIPPED);
        while peek(&mut rest)?.is_some() {
            let bytes = rest.fill_buf()?;
            let (length, is_end) = bytes.iter().position(|byte| *byte == b'\n').map_or((bytes.len(), false), |at| (at + 1, true));
            rest.consume(length);
            if is_end {
                return Ok(true);
            }
        }
        Ok(rest.limit() > 0)
    }

    /// An error after which nothing more is read.
    fn end_with(&mut self, message: String) -> Entry {
        self.state = State::End;
        Entry { line: self.line.max(1), request: Err(message) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// The entries of a list, as `LINE:ID` or `LINE:!ERROR`.
    fn entries(text: impl AsRef<[u8]>) -> Vec<String> {
        let key = ApiKey::parse("sk-1234567890abcdef").ok();
        let mut entries = Entries::new(Box::new(Cursor::new(text.as_ref().to_vec())));
        let shown = std::iter::from_fn(|| entries.next(key.as_ref())).map(|entry| match entry.request {
            Ok(request) => format!("{}:{}{}", entry.line, request.id.as_str(), if request.meta.is_some() { "+" } else { "" }),
            Err(message) => format!("{}:!{message}", entry.line),
        });
        shown.collect()
    }

    #[test]
    fn lists_have_lines_or_are_a_json_array() {
        assert_eq!(entries("\n# x\n a \r\n{\"id\":1,\"p\":2}\n\nb"), ["3:a", "4:1+", "6:b"]);
        assert_eq!(
            entries("\u{feff} \n[\"a b\", 1.50,\n {\"task_id\": 12345678901234567890123,\n \"p\": {}}]"),
            ["2:a b", "2:1.50", "3:12345678901234567890123+"]
        );
        for empty in ["", "\n", "[]", " \r\n[ ] "] {
            assert_eq!(entries(empty), [""; 0]);
        }
    }

    #[test]
    fn wrong_entries_are_named_with_their_line() {
        for (text, expected) in [
            ("a\nb c\nd", &["1:a", "2:!`b c` has blanks", "3:d"][..]),
            ("task_id\na", &["1:!`task_id` is the title of a column", "2:a"]),
            ("a\n{\"id\":", &["1:a", "2:!invalid JSON in column 6: EOF"]),
            ("[1,\nnull,\n{},\n\"b\"]", &["1:1", "2:!a task id in JSON is", "3:!a JSON object needs", "4:b"]),
            ("[1,\n {\"id\":2,\n \"x\" 3},\n4]", &["1:1", "3:!invalid JSON in column 6: expected `:`", "4:4"]),
            ("[1,\n2", &["1:1", "2:!the JSON array is not closed"]),
            ("[1 2]", &["1:!invalid JSON in column 3: text after the value"]),
        ] {
            let found = entries(text);
            let agrees =
                found.len() == expected.len() && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
            assert!(agrees, "{text}: {found:?}");
        }
        assert!(entries(b"a\n\xff\nb")[1].starts_with("2:!the line is not text"));
        for length in [MAX_ENTRY, MAX_ENTRY + 1, 2 << 20] {
            let found = entries(format!("a\n{}\nb\n", "x".repeat(length)));
            assert!(found.len() == 3 && found[1].starts_with("2:!the line is longer") && found[2] == "3:b", "{length}");
        }
        let found = entries("x".repeat(2 << 20));
        assert!(found.len() == 1 && found[0].starts_with("1:!the line is longer"));
        let found = entries([vec![b'x'; MAX_ENTRY + (64 << 20)], b"\nb\n".to_vec()].concat());
        assert!(found.len() == 1, "text without lines is not read to its end");
    }
}
