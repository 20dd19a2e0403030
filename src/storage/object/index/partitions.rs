//! Entries sorted into 256 partitions by the first byte of the id's hash, on the local disk.
//!
//! An archive has up to 10^7 tasks, and a single partition is in memory at a time. A small index never reaches the disk:
//! buffers are written only when they hold [`MAX_BUFFERED`] bytes together. The files are temporary, and closed after each
//! write: some systems allow few open files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use tempfile::TempDir;

use super::entry::{IndexEntry, Rank};
use crate::storage::Error;

/// The number of partitions.
pub(super) const COUNT: usize = 256;
/// The bytes that stay in memory.
const MAX_BUFFERED: usize = 32 << 20;

/// The entries, each as its length, its fingerprint, its rank and its line.
#[derive(Debug)]
pub(super) struct Partitions {
    folder: Option<TempDir>,
    buffers: Vec<Vec<u8>>,
    buffered: usize,
    /// All entries, more than one of a task included.
    pub entries: u64,
    /// The bytes of their lines.
    pub bytes: u64,
}

/// The entries of a partition, one per task, in the order of the ids' hashes.
pub(super) struct Winners {
    encoded: Vec<u8>,
    entries: Vec<(u128, Rank, Range<usize>)>,
}

impl Default for Partitions {
    fn default() -> Self {
        Self { folder: None, buffers: vec![Vec::new(); COUNT], buffered: 0, entries: 0, bytes: 0 }
    }
}

impl Partitions {
    /// The partition of a fingerprint.
    pub(super) fn number_of(fingerprint: u128) -> usize {
        usize::from(fingerprint.to_be_bytes()[0])
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, entry: &IndexEntry<'_>) -> Result<(), Error> {
        let buffer = &mut self.buffers[Self::number_of(entry.fingerprint)];
        let before = buffer.len();
        let len = u32::try_from(entry.line.len()).map_err(|_| Error::Panicked)?;
        buffer.extend_from_slice(&len.to_le_bytes());
        buffer.extend_from_slice(&entry.fingerprint.to_le_bytes());
        entry.rank.encode(buffer);
        buffer.extend_from_slice(entry.line);
        self.buffered += buffer.len() - before;
        self.entries += 1;
        self.bytes += entry.line.len() as u64;
        if self.buffered >= MAX_BUFFERED { self.spill() } else { Ok(()) }
    }

    /// Takes a partition out, together with that of `other`. Of several entries of one task, the one with the greatest rank stays.
    pub(super) fn take(&mut self, number: usize, other: Option<&mut Self>) -> Result<Winners, Error> {
        let mut encoded = self.take_encoded(number)?;
        if let Some(other) = other {
            encoded.append(&mut other.take_encoded(number)?);
        }
        Ok(Winners::new(encoded))
    }

    fn take_encoded(&mut self, number: usize) -> Result<Vec<u8>, Error> {
        let buffer = std::mem::take(&mut self.buffers[number]);
        self.buffered -= buffer.len();
        let Some(path) = self.path(number) else { return Ok(buffer) };
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(buffer),
            spilled => {
                let mut spilled = spilled.map_err(Error::io("read", &path))?;
                spilled.extend(buffer);
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                Ok(spilled)
            }
        }
    }

    /// Writes all buffers to the disk.
    fn spill(&mut self) -> Result<(), Error> {
        if self.folder.is_none() {
            self.folder = Some(tempfile::tempdir().map_err(Error::io("create", &std::env::temp_dir()))?);
        }
        for number in 0..COUNT {
            let buffer = std::mem::take(&mut self.buffers[number]);
            if let Some(path) = self.path(number).filter(|_| !buffer.is_empty()) {
                let file = File::options().create(true).append(true).open(&path);
                file.and_then(|mut file| file.write_all(&buffer)).map_err(Error::io("write", &path))?;
            }
        }
        self.buffered = 0;
        Ok(())
    }

    fn path(&self, number: usize) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join(format!("{number:03}")))
    }
}

impl Winners {
    fn new(encoded: Vec<u8>) -> Self {
        const HEAD: usize = 4 + 16;
        let (mut entries, mut at) = (Vec::new(), 0);
        while let Some((len, rest)) = encoded[at..].split_first_chunk()
            && let Some((fingerprint, rest)) = rest.split_first_chunk()
            && let Some((rank, _)) = Rank::decode(rest)
        {
            let start = at + HEAD + Rank::LEN;
            at = start + u32::from_le_bytes(*len) as usize;
            entries.push((u128::from_le_bytes(*fingerprint), rank, start..at));
        }
        entries.sort_unstable_by(|(id, rank, _), (other, other_rank, _)| (id, other_rank).cmp(&(other, rank)));
        entries.dedup_by_key(|(id, ..)| *id);
        Self { encoded, entries }
    }

    /// The lines, and the number of files that each names.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.entries.iter().map(|(_, rank, line)| (&self.encoded[line.clone()], u64::from(rank.files)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Stamp;
    use super::*;

    #[test]
    fn each_task_comes_out_once_in_the_order_of_the_hashes_whatever_was_spilled() {
        let mut partitions = Partitions::default();
        let line = |id: u64, state: &str| format!("{{\"task_id\":\"{id}\",\"state\":\"{state}\"}}\n");
        for (id, state) in (0..2000).flat_map(|id| [(id, "failed"), (id, "complete"), (id, "partial")]) {
            partitions.push(&IndexEntry::parse(line(id, state).as_bytes(), Stamp(1)).unwrap()).unwrap();
            if id % 700 == 699 {
                partitions.spill().unwrap();
            }
        }
        assert_eq!(partitions.entries, 6000);
        let (mut ids, mut last) = (Vec::new(), 0);
        for number in 0..COUNT {
            let winners = partitions.take(number, None).unwrap();
            for (line, _) in winners.lines() {
                let entry = IndexEntry::parse(line, Stamp(1)).unwrap();
                assert!(Partitions::number_of(entry.fingerprint) == number && entry.hash() >= last);
                assert_eq!(entry.head.state, crate::domain::manifest::State::Complete);
                last = entry.hash();
                ids.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        ids.sort_unstable();
        let mut expected: Vec<String> = (0..2000).map(|id| line(id, "complete")).collect();
        expected.sort_unstable();
        assert_eq!(ids, expected);
    }
}
