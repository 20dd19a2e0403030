//! The file of the record: read once, and then only appended to.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom, Write as _};

use crate::domain::export_record::{self, ExportRecord, ExportedFile, RECORD, RecordError};
use crate::storage::Error;
use crate::storage::local::dir::{Dir, OpenMode};
use crate::storage::local::group_sync;

/// The record of a folder that is locked. It is created with its first line.
pub(super) struct RecordLog {
    dir: Dir,
    record: ExportRecord,
    file: Option<File>,
}

impl RecordLog {
    /// Reads the record in `dir`.
    pub(super) fn open(dir: &Dir) -> Result<Self, Error> {
        Ok(Self { dir: dir.clone(), record: read(dir)?, file: None })
    }

    pub(super) fn record(&self) -> &ExportRecord {
        &self.record
    }

    /// Appends lines.
    pub(super) fn append(&mut self, files: Vec<ExportedFile>) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(RECORD);
        let file = match &mut self.file {
            Some(file) => file,
            file => file.insert(open(&self.dir, self.record.length).map_err(Error::io("write", &path))?),
        };
        let lines: String = files.iter().map(ExportedFile::to_line).collect();
        file.write_all(lines.as_bytes()).map_err(Error::io("write", &path))?;
        for file in files {
            self.record.set(file);
        }
        Ok(())
    }

    /// Makes what was appended durable.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let synced = file.sync_all().and_then(|()| group_sync::sync(&self.dir.join("")));
        synced.map_err(Error::io("sync", &self.dir.join(RECORD)))
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
    log.set_len(length)?;
    log.seek(SeekFrom::End(0))?;
    if length == 0 {
        log.write_all(export_record::header().as_bytes())?;
    }
    Ok(log)
}
