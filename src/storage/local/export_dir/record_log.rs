//! The file of the record: read once, and then only appended to.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};

use crate::domain::export_record::{self, ExportRecord, ExportedFile, RECORD, RecordError};
use crate::storage::Error;
use crate::storage::local::dir::{Dir, OpenMode};
use crate::storage::local::synced_disk;

/// The record of a folder that is locked. It is created with its first line.
pub(super) struct RecordLog {
    dir: Dir,
    record: ExportRecord,
    file: Option<File>,
    /// Whether the last append failed, so that half a line may follow the `length` bytes of whole lines.
    has_half_line: bool,
}

impl RecordLog {
    /// Reads the record in `dir`.
    pub(super) fn open(dir: &Dir) -> Result<Self, Error> {
        Ok(Self { dir: dir.clone(), record: read(dir)?, file: None, has_half_line: false })
    }

    pub(super) fn record(&self) -> &ExportRecord {
        &self.record
    }

    /// Appends lines. After an error the file has whole lines, and at most half a line behind them, as after a kill.
    pub(super) fn append(&mut self, files: Vec<ExportedFile>) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let lines: String = files.iter().map(ExportedFile::to_line).collect();
        let written = self.append_text(&lines);
        written.map_err(self.dir.failed("write", RECORD))?;
        for file in files {
            self.record.set(file);
        }
        Ok(())
    }

    fn append_text(&mut self, text: &str) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            file => {
                let mut opened = open(&self.dir, self.record.length)?;
                self.record.length = opened.stream_position()?;
                file.insert(opened)
            }
        };
        if self.has_half_line {
            cut(file, self.record.length)?;
        }
        // A line behind half a line would make the whole record unreadable.
        self.has_half_line = true;
        file.write_all(text.as_bytes())?;
        self.has_half_line = false;
        self.record.length += text.len() as u64;
        Ok(())
    }

    /// Makes what was appended durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let synced = file.sync_all().and_then(|()| synced_disk::sync(&self.dir.join("")));
        synced.map_err(self.dir.failed("sync", RECORD))
    }
}

fn read(root: &Dir) -> Result<ExportRecord, Error> {
    let path = root.join(RECORD);
    let found = root.stat(RECORD).map_err(Error::io("read", &path))?;
    let Some(found) = found else { return Ok(ExportRecord::default()) };
    if !found.is_file || found.is_hard_link {
        return Err(Error::Foreign(path));
    }
    let file = root.open(RECORD, OpenMode::Read).map_err(Error::io("read", &path))?;
    ExportRecord::read(BufReader::with_capacity(64 << 10, file)).map_err(|error| match error {
        RecordError::Io(error) => Error::io("read", &path)(error),
        RecordError::Foreign => Error::Foreign(path.clone()),
        RecordError::Newer(version) => Error::Newer { path: path.clone(), version },
        RecordError::Damaged(line) => Error::DamagedRecord { path: path.clone(), line },
    })
}

/// Opens the record for appending after `length` bytes. What follows them is half a line of a killed run.
fn open(root: &Dir, length: u64) -> io::Result<File> {
    let mut log = match root.open(RECORD, OpenMode::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => root.open(RECORD, OpenMode::ReadWrite)?,
        created => created?,
    };
    cut(&mut log, length)?;
    if length == 0 {
        log.write_all(export_record::header().as_bytes())?;
    }
    Ok(log)
}

/// Removes what follows `length` bytes, and continues there.
fn cut(log: &mut File, length: u64) -> io::Result<()> {
    log.set_len(length)?;
    log.seek(SeekFrom::Start(length)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asset_key::{AssetKey, Kind};
    use crate::domain::export_record::ExportKey;

    fn key(index: usize) -> ExportKey {
        ExportKey::new("t", AssetKey { kind: Kind::Image, index }, "{title}")
    }

    fn file(index: usize) -> ExportedFile {
        ExportedFile::planned(key(index), format!("{index}.png"))
    }

    #[test]
    fn half_line_of_a_failed_append_is_removed_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::at(folder.path());
        let mut log = RecordLog::open(&dir).unwrap();
        log.append(vec![file(1)]).unwrap();
        let mut writable = log.file.replace(File::open(folder.path().join(RECORD)).unwrap()).unwrap();
        assert!(log.append(vec![file(2)]).is_err());
        writable.write_all(&file(2).to_line().as_bytes()[..9]).unwrap();
        log.file = Some(writable);
        log.append(vec![file(3)]).unwrap();
        let record = read(&dir).unwrap();
        assert_eq!([1, 2, 3].map(|index| record.get(&key(index)).is_some()), [true, false, true]);
    }
}
