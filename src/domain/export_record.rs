//! The record of `export files`: which file of the archive has which name in the target folder.
//!
//! It stands in the target folder, as JSON lines: a header, then a line per file and step. A file is first planned, with its name,
//! and done when it has that name. The last line of a file counts. So the record alone decides what is new; what the user renamed
//! or deleted is still done.
//!
//! The record is hostile like every file. A name that could lead out of the folder, a line that can't be read and a header of
//! another program are errors: without the record it is not known which files were exported. A last line without its end is
//! what a killed run leaves, and never counts.

use std::collections::HashMap;
use std::io::{self, BufRead, Read as _};

use serde::{Deserialize, Serialize};

use super::asset_key::AssetKey;
use crate::integrity::digest::Sha256Hex;

/// The name of the record in the target folder.
pub(crate) const RECORD: &str = ".yescale-dl-export.jsonl";
/// The version of the record that this program writes.
const VERSION: u64 = 1;
/// The most bytes of a line. The longest one that this program writes is far shorter.
const MAX_LINE: u64 = 1 << 20;
/// The most bytes of a part of a name that any file system takes: HFS+ counts 255 units of UTF-16.
const MAX_COMPONENT: usize = 3 * 255;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    export_record_version: u64,
}

/// What an exported file is: a file of the archive under a template.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ExportKey {
    task_id: String,
    kind: String,
    index: usize,
    template: String,
}

impl ExportKey {
    #[must_use]
    pub(crate) fn new(task_id: &str, key: AssetKey, template: &str) -> Self {
        Self { task_id: task_id.to_owned(), kind: key.kind.as_str().to_owned(), index: key.index, template: template.to_owned() }
    }
}

/// A line of the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ExportedFile {
    task_id: String,
    kind: String,
    index: usize,
    template: String,
    /// Relative to the target folder, with `/`.
    pub name: String,
    /// The hash of the copy, where it has other bytes than the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hex>,
    /// Whether the file got its name.
    pub done: bool,
}

impl ExportedFile {
    /// A file that is about to get `name`.
    #[must_use]
    pub(crate) fn planned(key: ExportKey, name: String) -> Self {
        let ExportKey { task_id, kind, index, template } = key;
        Self { task_id, kind, index, template, name, sha256: None, done: false }
    }

    /// The file as it was planned first: its copy is made again.
    #[must_use]
    pub(crate) fn without_hash(self) -> Self {
        Self { sha256: None, ..self }
    }

    fn key(&self) -> ExportKey {
        ExportKey { task_id: self.task_id.clone(), kind: self.kind.clone(), index: self.index, template: self.template.clone() }
    }

    /// The line, with its end.
    #[must_use]
    pub(crate) fn to_line(&self) -> String {
        to_line(self)
    }
}

fn to_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain fields are always JSON") + "\n"
}

/// The line that a record begins with.
#[must_use]
pub(crate) fn header() -> String {
    to_line(&Header { export_record_version: VERSION })
}

/// Why a record can't be used.
#[derive(Debug)]
pub(crate) enum RecordError {
    /// It can't be read.
    Io(io::Error),
    /// Another program wrote it.
    Foreign,
    /// A later version of this program wrote it.
    Newer(u64),
    /// This line is damaged.
    Damaged(usize),
}

/// What a record says.
#[derive(Default, Debug)]
pub(crate) struct ExportRecord {
    files: HashMap<ExportKey, ExportedFile>,
    /// The bytes that count. What follows them is half a line of a killed run.
    pub length: u64,
}

impl ExportRecord {
    /// Reads a record to its end.
    ///
    /// # Errors
    /// When it can't be read, or anything in it can't be believed.
    pub(crate) fn read(mut reader: impl BufRead) -> Result<Self, RecordError> {
        let mut record = Self::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(RecordError::Io)?;
            if line.last() != Some(&b'\n') {
                let is_end = (line.len() as u64) < MAX_LINE;
                let is_ours = number > 1 || header().as_bytes().starts_with(&line);
                return match is_end {
                    true if is_ours => Ok(record),
                    true => Err(RecordError::Foreign),
                    false => Err(RecordError::Damaged(number)),
                };
            }
            match number {
                1 => check_header(&line)?,
                _ => record.add_line(&line).ok_or(RecordError::Damaged(number))?,
            }
            record.length += line.len() as u64;
        }
        unreachable!("the loop ends with the record")
    }

    fn add_line(&mut self, line: &[u8]) -> Option<()> {
        let file: ExportedFile = serde_json::from_slice(line).ok().filter(|file: &ExportedFile| is_safe(&file.name))?;
        self.set(file);
        Some(())
    }

    /// The newest line of a file.
    #[must_use]
    pub(crate) fn get(&self, key: &ExportKey) -> Option<&ExportedFile> {
        self.files.get(key)
    }

    /// Adds a line, in place of an earlier one of the same file.
    pub(crate) fn set(&mut self, file: ExportedFile) {
        self.files.insert(file.key(), file);
    }

    /// The names of all files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.values().map(|file| file.name.as_str())
    }
}

fn check_header(line: &[u8]) -> Result<(), RecordError> {
    match serde_json::from_slice::<Header>(line) {
        Ok(Header { export_record_version: VERSION }) => Ok(()),
        Ok(Header { export_record_version: version }) if version > VERSION => Err(RecordError::Newer(version)),
        _ => Err(RecordError::Foreign),
    }
}

/// Whether a name stays in its folder on every system, and no part of it is hidden.
fn is_safe(name: &str) -> bool {
    name.split('/').all(|part| {
        !part.is_empty()
            && part.len() <= MAX_COMPONENT
            && !part.starts_with('.')
            && !part.contains(|c: char| c.is_control() || matches!(c, '\\' | ':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asset_key::Kind;

    fn key(index: usize) -> ExportKey {
        ExportKey::new("t\"1", AssetKey { kind: Kind::Image, index }, "{title}")
    }

    fn read(text: &str) -> Result<ExportRecord, RecordError> {
        ExportRecord::read(text.as_bytes())
    }

    #[test]
    fn last_line_of_a_file_counts_and_half_a_line_does_not() {
        let planned = ExportedFile::planned(key(1), "a/b.png".to_owned());
        let done = ExportedFile { done: true, sha256: Some(Sha256Hex::digest(b"")), ..planned.clone() };
        let other = ExportedFile::planned(key(2), "c.png".to_owned());
        let whole = header() + &planned.to_line() + &other.to_line() + &done.to_line();
        for end in ["", "{\"task_id\":\"", "\0\0\0\0", &other.to_line()[..20]] {
            let record = read(&(whole.clone() + end)).unwrap();
            assert_eq!((record.get(&key(1)), record.get(&key(2)), record.get(&key(3))), (Some(&done), Some(&other), None));
            assert_eq!(record.length, whole.len() as u64);
            assert_eq!(record.names().count(), 2);
        }
        for begun in ["", &header()[..9], header().trim_end()] {
            assert_eq!(read(begun).unwrap().length, 0, "{begun}");
        }
    }

    #[test]
    fn record_that_cannot_be_believed_is_an_error() {
        let line = |name: &str| ExportedFile::planned(key(1), name.to_owned()).to_line();
        for name in ["", "/a", "../a", "a/../b", "a//b", "a\\b", "C:a", ".a", "a/.b", "a\0", "a\n", &"x".repeat(800)] {
            let record = header() + &line("ok") + &line(name) + &line("ok");
            assert!(matches!(read(&record), Err(RecordError::Damaged(3))), "{name}");
        }
        for bad in ["\n", "{}\n", "7\n", "\0\0\n", "{\"task_id\":\"t\"}\n"] {
            assert!(matches!(read(&(header() + bad)), Err(RecordError::Damaged(2))), "{bad}");
        }
        for foreign in ["my notes", "my notes\n", "{}\n", "{\"export_record_version\":0}\n", "\0\0\0"] {
            assert!(matches!(read(foreign), Err(RecordError::Foreign)), "{foreign}");
        }
        assert!(matches!(read("{\"export_record_version\":2}\n"), Err(RecordError::Newer(2))));
        let endless = header() + &"x".repeat(2 << 20);
        assert!(matches!(read(&endless), Err(RecordError::Damaged(2))));
    }
}
