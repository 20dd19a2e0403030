//! A file while it is downloaded: `Part -> Sealed -> StagedFile`.
//!
//! A [`Part`] writes bytes under a dot-name and hashes them in order. Its file is created with the first byte. Several
//! connections can also write at offsets beyond the hashed prefix ([`PositionedWriter`]); the prefix then advances by reading
//! those bytes back. A part in a new folder holds its bytes in memory as long as they are few: then its file is written with its
//! task, or when the part is dropped. Once the version of the remote file is known, a journal records checkpoints, and a dropped
//! part stays for the next attempt or the next run. Without a version the bytes can't be continued, and a dropped part is removed.

mod positioned_writer;
mod sealed;
#[cfg(test)]
pub(in crate::storage) mod tests;

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use super::extents::Extents;
use super::held::HeldBytes;
use super::journal::{self, HashedPrefix, Journal};
use super::positioned;
use super::write_back::WriteBack;
use crate::domain::event::Counter;
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::failpoint;
use crate::storage::local::dir::{Dir, OpenMode};

pub(crate) use positioned_writer::{PositionedWriter, WrittenAhead};
pub(crate) use sealed::Sealed;

/// The journal gets a checkpoint at least this often: a process that is killed loses at most this many bytes.
const CHECKPOINT_INTERVAL: u64 = 4 << 20;

/// The cause of a failed write to a [`Part`] that has reached its maximum size.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more bytes than are allowed")]
pub(crate) struct SizeLimitExceeded;

impl SizeLimitExceeded {
    /// Whether this is why a write failed, and not the disk.
    #[must_use]
    pub(crate) fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.downcast_ref::<Self>().is_some())
    }
}

/// A file that still grows.
pub(crate) struct Part {
    dir: Dir,
    name: String,
    file: Option<Arc<File>>,
    /// All bytes, as long as they are held in memory instead of a file.
    held: Option<HeldBytes>,
    prefix: HashedPrefix,
    /// What is written beyond the prefix.
    ahead: Extents,
    journal: Option<Journal>,
    checkpointed: u64,
    max_size: Option<u64>,
    write_back: WriteBack,
    earlier_bytes: Counter,
}

impl Part {
    pub(in crate::storage) fn new(dir: Dir, name: String) -> Self {
        Self {
            dir,
            name,
            file: None,
            held: None,
            prefix: HashedPrefix::default(),
            ahead: Extents::default(),
            journal: None,
            checkpointed: 0,
            max_size: None,
            write_back: WriteBack::default(),
            earlier_bytes: Counter::default(),
        }
    }

    /// The part of a new folder, which holds its bytes in memory as long as they are few.
    pub(in crate::storage) fn new_held(dir: Dir, name: String) -> Self {
        let mut part = Self::new(dir, name);
        part.held = Some(HeldBytes::default());
        part
    }

    /// The part called `name`, with the bytes of earlier attempts as far as they are proven.
    pub(in crate::storage) fn resume(dir: Dir, name: String) -> io::Result<Self> {
        let resumed = journal::validate_and_truncate(&dir, &name)?;
        let mut part = Self::new(dir, name);
        if let Some(resumed) = resumed {
            part.file = Some(Arc::new(resumed.file));
            part.checkpointed = resumed.prefix.size;
            (part.prefix, part.ahead, part.journal) = (resumed.prefix, resumed.ahead, Some(resumed.journal));
            part.pass_all_written()?;
        }
        Ok(part)
    }

    /// How many bytes it has from the first one on, without a gap.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        self.prefix.size
    }

    /// How many bytes it has in all, also beyond a gap.
    #[must_use]
    pub(crate) fn written(&self) -> u64 {
        self.prefix.size + self.ahead.size_after(self.prefix.size)
    }

    /// What it has beyond [`Part::size`].
    #[must_use]
    pub(crate) fn ahead(&self) -> &Extents {
        &self.ahead
    }

    /// Whether it holds a file open, or bytes in memory.
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some() || self.held.as_ref().is_some_and(|held| !held.is_empty())
    }

    /// The version of the remote file that the bytes are of, when it is known.
    #[must_use]
    pub(crate) fn version(&self) -> Option<&RemoteVersion> {
        self.journal.as_ref().map(Journal::version)
    }

    /// Sets the version that the bytes are of. From here on the part is kept when it is dropped.
    ///
    /// # Errors
    /// When the bytes of another version can't be cut off.
    pub(crate) fn set_version(&mut self, version: RemoteVersion) -> io::Result<()> {
        if self.version() != Some(&version) {
            if let Some(file) = self.file.as_ref().filter(|_| self.ahead.end().is_some()) {
                // The old journal proves them, and no other does.
                file.set_len(self.prefix.size)?;
            }
            self.ahead.clear();
            // Some systems can't replace a file that is open.
            self.journal = None;
            let mut journal = Journal::new(self.dir.clone(), journal::journal_name(&self.name), version);
            if self.file.is_some() && self.prefix.size > 0 {
                // The new journal replaces the old one with its first line, and must prove as much.
                journal.checkpoint(self.prefix.size, &self.prefix.hasher)?;
                self.checkpointed = self.prefix.size;
            }
            self.journal = Some(journal);
        }
        Ok(())
    }

    /// Whether all bytes are in memory alone, and `more` bytes would be, too.
    #[must_use]
    pub(crate) fn can_hold(&self, more: usize) -> bool {
        self.held.as_ref().is_some_and(|held| held.has_room(more))
    }

    /// All bytes, if they are in memory alone.
    fn held(&self) -> Option<&[u8]> {
        self.held.as_ref().map(HeldBytes::as_slice)
    }

    /// Sets how many bytes it may have in all, however they are written.
    pub(crate) fn set_max_size(&mut self, max_size: Option<u64>) {
        self.max_size = max_size;
    }

    /// Counts with `counter` those of its bytes that an earlier run wrote. All parts of this name in this run share it.
    pub(in crate::storage) fn count_earlier_bytes(&mut self, counter: Counter) {
        self.earlier_bytes = counter;
    }

    /// Removes all bytes. The next byte is the first one again, of an unknown version.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        // A sync under way keeps the file open, and some systems can't remove an open file. The error of the sync does not
        // matter: its bytes are removed.
        let _ = std::mem::take(&mut self.write_back).finish();
        self.file = None;
        self.held.iter_mut().for_each(HeldBytes::clear);
        self.prefix = HashedPrefix::default();
        self.ahead.clear();
        self.checkpointed = 0;
        self.earlier_bytes.set(0);
        if let Some(mut journal) = self.journal.take() {
            journal.discard();
        }
        self.dir.remove(&self.name)
    }

    /// Removes the part, which frees its space on the disk.
    pub(crate) fn discard(mut self) {
        // What can't be removed now is overwritten by the next run.
        let _ = self.restart();
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        if let Some(journal) = &mut self.journal
            && self.prefix.size >= self.checkpointed + CHECKPOINT_INTERVAL
        {
            journal.checkpoint(self.prefix.size, &self.prefix.hasher)?;
            self.checkpointed = self.prefix.size;
            failpoint::reached("vouched");
        }
        let started = self.file.as_ref().map_or(Ok(()), |file| self.write_back.start_sync_if_due(file, self.prefix.size));
        if started.is_err() {
            // Reading the bytes back could return what the disk never got.
            self.journal = None;
        }
        started
    }

    /// Creates the file, if there is none, with the bytes that were held in memory.
    fn open(&mut self) -> io::Result<&Arc<File>> {
        if self.file.is_none() {
            let file = self.file.insert(Arc::new(create_part(&self.dir, &self.name)?));
            if let Some(held) = self.held.take()
                && let Err(error) = positioned::write_all_at(file, held.as_slice(), 0)
            {
                // On a full disk a part that can't be written takes the room of all others: it is removed.
                self.journal = None;
                return Err(error);
            }
        }
        self.file.as_ref().ok_or_else(|| io::Error::other("the part was just opened"))
    }
}

/// Creates the file of a part, in place of one that an earlier attempt left.
pub(super) fn create_part(dir: &Dir, name: &str) -> io::Result<File> {
    match dir.open(name, OpenMode::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            dir.remove(name)?;
            dir.open(name, OpenMode::CreateNew)
        }
        file => file,
    }
}

/// Appends to the hashed prefix.
impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let front = self.prefix.size;
        // These bytes are written again.
        self.ahead.cut_before(front + bytes.len() as u64);
        if self.max_size.is_some_and(|max| front + bytes.len() as u64 > max) {
            self.journal = None;
            return Err(io::Error::other(SizeLimitExceeded));
        }
        if self.held.as_mut().is_some_and(|held| held.extend(bytes)) {
            self.prefix.update(bytes);
            return Ok(bytes.len());
        }
        if let Err(error) = self.positioned_writer()?.write_at(bytes, front) {
            // On a full disk a part that can't be written takes the room of all others: it is removed.
            self.journal = None;
            return Err(error);
        }
        self.prefix.update(bytes);
        self.checkpoint()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.held.as_ref().is_some_and(|held| !held.is_empty()) && self.journal.is_some() {
            // An error leaves a part without a journal, which is removed.
            let _ = self.open();
        }
        if self.file.is_none() {
            return;
        }
        let is_empty = self.written() == 0;
        let is_kept = match &mut self.journal {
            // Reading the bytes back after a failed write could return what the disk never got. The system reports such a
            // failure once.
            Some(journal) if !is_empty && self.write_back.finish().is_ok() => {
                self.prefix.size == self.checkpointed || journal.checkpoint(self.prefix.size, &self.prefix.hasher).is_ok()
            }
            _ => false,
        };
        if !is_kept {
            // Where this fails, the next run replaces the file.
            let _ = self.restart();
        }
    }
}
