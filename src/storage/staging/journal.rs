//! The journal beside a part file. It records from which version of the remote file the bytes came, and hashes that prove them.
//!
//! The first line holds the version. Each further line is a checkpoint. One kind proves the first bytes of the file: their
//! number and their SHA-256, which costs almost nothing, because it is taken from the running hash. The other kind proves one
//! block that a connection wrote beyond these: its offset, its length, and a fast hash. A crash can leave anything in the part
//! (zeros at its end, old blocks) and can cut the journal. So a part is trusted only as far as hashing it again gives the same
//! values. A sync does not prove that all bytes before a point are there. So only the hashes count, and the journal is never
//! synced.
//!
//! Lines are only added. When a part is continued and not all of its checkpoints hold, a line lists those that do, and all
//! lines before it are void.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::extents::Extents;
use super::positioned;
use crate::integrity::digest::{BlockHasher, Hasher, Sha256Hex};
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::local::dir::{Dir, OpenMode};

/// How many of a file's first bytes are kept in memory, to detect its media type.
pub(super) const HEAD_SIZE: usize = 16 << 10;
/// The most bytes of a journal that are read: enough for a part of a terabyte.
const MAX_SIZE: u64 = 64 << 20;

/// A journal that is being written. Its file is created with the first line.
#[derive(Debug)]
pub(super) struct Journal {
    dir: Dir,
    name: String,
    version: RemoteVersion,
    file: Option<File>,
}

/// What a line proves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Checkpoint {
    /// The first bytes of the file.
    Prefix { size: u64, sha256: Sha256Hex },
    /// A block beyond them.
    Block(Block),
}

/// A block that one connection wrote.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Block {
    pub from: u64,
    pub size: u64,
    pub xxh3: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Checkpoint(Checkpoint),
    /// These hold. Those of the lines before are void.
    Kept {
        kept: Vec<Checkpoint>,
    },
}

/// A part whose bytes are proven, ready to be continued.
pub(super) struct ResumedPart {
    pub journal: Journal,
    pub file: File,
    pub prefix: HashedPrefix,
    pub ahead: Extents,
}

impl Journal {
    pub(super) fn new(dir: Dir, name: String, version: RemoteVersion) -> Self {
        Self { dir, name, version, file: None }
    }

    pub(super) fn version(&self) -> &RemoteVersion {
        &self.version
    }

    /// Writes a checkpoint for the first `size` bytes, which are all that `hasher` has hashed.
    pub(super) fn checkpoint(&mut self, size: u64, hasher: &Hasher) -> io::Result<()> {
        self.append(&Line::Checkpoint(Checkpoint::Prefix { size, sha256: hasher.clone().finish() }))
    }

    /// Writes a checkpoint for a block beyond the prefix.
    pub(super) fn add_block(&mut self, block: Block) -> io::Result<()> {
        self.append(&Line::Checkpoint(Checkpoint::Block(block)))
    }

    fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut lines = Vec::new();
        if self.file.is_none() {
            self.dir.remove(&self.name)?;
            self.file = Some(self.dir.open(&self.name, OpenMode::CreateNew)?);
            serde_json::to_writer(&mut lines, &self.version)?;
            lines.push(b'\n');
        }
        serde_json::to_writer(&mut lines, line)?;
        lines.push(b'\n');
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&lines))
    }

    /// Removes the journal.
    pub(super) fn discard(&mut self) {
        self.file = None;
        // One that stays is harmless: without its part it proves nothing.
        let _ = self.dir.remove(&self.name);
    }
}

/// The name of a part's journal.
pub(in crate::storage) fn journal_name(part: &str) -> String {
    format!("{}.journal", part.strip_suffix(".part").unwrap_or(part))
}

/// Hashes the part called `name` again and compares it with its journal. Cuts off what neither proves. None when
/// nothing is proven. Only files that this user wrote are trusted: another user who can write here could have chosen both.
pub(super) fn validate_and_truncate(dir: &Dir, name: &str) -> io::Result<Option<ResumedPart>> {
    let journal_name = journal_name(name);
    if !dir.check_trusted(name)? || !dir.check_trusted(&journal_name)? {
        return Ok(None);
    }
    let Some(recorded) = Recorded::read(dir.open(&journal_name, OpenMode::Read)?) else { return Ok(None) };
    let count = recorded.checkpoints.len();
    let file = dir.open(name, OpenMode::ReadWrite)?;
    let Proven { prefix, ahead, kept } = Proven::find(&file, recorded.checkpoints)?;
    if kept.is_empty() {
        return Ok(None);
    }
    file.set_len(ahead.end().unwrap_or(prefix.size))?;
    // Not opened for appending: on Windows such a handle can't truncate the file.
    let mut journal_file = dir.open(&journal_name, OpenMode::ReadWrite)?;
    journal_file.set_len(recorded.size)?;
    journal_file.seek(SeekFrom::Start(recorded.size))?;
    let mut journal = Journal { dir: dir.clone(), name: journal_name, version: recorded.version, file: Some(journal_file) };
    if kept.len() < count {
        journal.append(&Line::Kept { kept })?;
    }
    Ok(Some(ResumedPart { journal, file, prefix, ahead }))
}

/// What a journal says.
struct Recorded {
    version: RemoteVersion,
    /// In the order in which they were written.
    checkpoints: Vec<Checkpoint>,
    /// The journal's length, up to the end of its last complete line.
    size: u64,
}

impl Recorded {
    /// Reads the complete lines. None when the first one is no version.
    fn read(journal: File) -> Option<Self> {
        let mut reader = BufReader::new(journal.take(MAX_SIZE));
        let (mut version, mut checkpoints, mut size) = (None, Vec::new(), 0);
        let mut line = Vec::new();
        // A line that can't be read proves nothing, and neither do those after it.
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) && line.ends_with(b"\n") {
            if version.is_none() {
                version = Some(serde_json::from_slice(&line).ok()?);
            } else {
                match serde_json::from_slice(&line) {
                    Ok(Line::Checkpoint(checkpoint)) => checkpoints.push(checkpoint),
                    Ok(Line::Kept { kept }) => checkpoints = kept,
                    Err(_) => break,
                }
            }
            size += line.len() as u64;
            line.clear();
        }
        Some(Self { version: version?, checkpoints, size })
    }
}

/// The bytes of a part that the checkpoints prove.
#[derive(Default)]
struct Proven {
    prefix: HashedPrefix,
    ahead: Extents,
    kept: Vec<Checkpoint>,
}

impl Proven {
    fn find(file: &File, checkpoints: Vec<Checkpoint>) -> io::Result<Self> {
        let (mut proven, mut is_broken, mut blocks) = (Self::default(), false, Vec::new());
        for checkpoint in checkpoints {
            match &checkpoint {
                Checkpoint::Prefix { .. } if is_broken => {}
                Checkpoint::Prefix { size, sha256 } => match proven.prefix.extended_to(file, *size, sha256)? {
                    Some(extended) => {
                        proven.prefix = extended;
                        proven.kept.push(checkpoint);
                    }
                    None => is_broken = true,
                },
                Checkpoint::Block(block) => blocks.push(block.clone()),
            }
        }
        blocks.sort_by_key(|block| block.from);
        let (prefix, mut end) = (proven.prefix.size, 0);
        for block in blocks {
            let block_end = block.from.saturating_add(block.size);
            // Blocks do not overlap. So none of their bytes is hashed twice, whatever a journal says.
            if block_end <= prefix || block.from < end {
                continue;
            }
            end = block_end;
            if block.is_in(file)? {
                proven.ahead.insert(block.from.max(prefix)..end);
                proven.kept.push(Checkpoint::Block(block));
            }
        }
        Ok(proven)
    }
}

impl Block {
    fn is_in(&self, file: &File) -> io::Result<bool> {
        let (mut hasher, end) = (BlockHasher::default(), self.from.saturating_add(self.size));
        let read = positioned::read_range(file, self.from, end, |bytes| hasher.update(bytes))?;
        Ok(read == end && hasher.finish() == self.xxh3)
    }
}

/// The first bytes of a part, and their running hash.
#[derive(Clone, Default)]
pub(super) struct HashedPrefix {
    pub hasher: Hasher,
    pub size: u64,
    pub head: Vec<u8>,
}

impl HashedPrefix {
    /// Adds the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD_SIZE - self.head.len())]);
    }

    /// These bytes, extended by those of `file` to `size`; none when the hash differs.
    fn extended_to(&self, file: &File, size: u64, sha256: &Sha256Hex) -> io::Result<Option<Self>> {
        let mut extended = self.clone();
        positioned::read_range(file, self.size, size, |block| extended.update(block))?;
        let is_same = extended.size == size && extended.hasher.clone().finish() == *sha256;
        Ok(is_same.then_some(extended))
    }
}

#[cfg(test)]
mod tests;
