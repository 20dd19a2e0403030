//! A file while it is downloaded: `Part -> Sealed -> StagedFile`.
//!
//! A [`Part`] writes bytes under a dot-name and hashes them in order. Its file is created with the first byte. Several
//! connections can also write at offsets beyond the hashed prefix ([`PositionedWriter`]); the prefix then advances by reading
//! those bytes back. A part in a new folder holds its bytes in memory as long as they are few: then its file is written with its
//! task, or when the part is dropped. Once the version of the remote file is known, a journal records checkpoints, and a dropped part stays for
//! the next attempt or the next run. Without a version the bytes can't be continued, and a dropped part is removed. (This file
//! is long because of its tests: what a drop and what a crash leave is one idea.)

mod positioned_writer;
mod sealed;

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use super::held::HeldBytes;
use super::journal::{self, HashedPrefix, Journal};
use super::positioned;
use super::write_back::WriteBack;
use crate::domain::event::Counter;
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::failpoint;
use crate::storage::local::dir::{Dir, OpenMode};

pub(crate) use positioned_writer::PositionedWriter;
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
        Ok(match journal::validate_and_truncate(&dir, &name)? {
            Some(resumed) => Self {
                file: Some(Arc::new(resumed.file)),
                held: None,
                checkpointed: resumed.prefix.size,
                prefix: resumed.prefix,
                journal: Some(resumed.journal),
                dir,
                name,
                max_size: None,
                write_back: WriteBack::default(),
                earlier_bytes: Counter::default(),
            },
            None => Self::new(dir, name),
        })
    }

    /// How many bytes it has from the first one on, without a gap.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        self.prefix.size
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
    pub(crate) fn set_version(&mut self, version: RemoteVersion) {
        if self.version() != Some(&version) {
            self.journal = Some(Journal::new(self.dir.clone(), journal::journal_name(&self.name), version));
        }
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
        self.checkpointed = 0;
        self.earlier_bytes.set(0);
        if let Some(mut journal) = self.journal.take() {
            journal.discard();
        }
        self.dir.remove(&self.name)
    }

    /// A writer for bytes beyond the hashed prefix.
    ///
    /// # Errors
    /// When the file can't be created.
    pub(crate) fn positioned_writer(&mut self) -> io::Result<PositionedWriter> {
        Ok(PositionedWriter(Arc::clone(self.open()?)))
    }

    /// Advances the hashed prefix to `to`, over bytes that a positioned writer has written.
    ///
    /// # Errors
    /// When they can't be read back.
    pub(crate) fn advance(&mut self, to: u64) -> io::Result<()> {
        let file = Arc::clone(self.open()?);
        if positioned::read_range(&file, self.prefix.size, to, |block| self.prefix.update(block))? < to {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.checkpoint()
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
        let is_kept = match &mut self.journal {
            // Reading the bytes back after a failed write could return what the disk never got. The system reports such a
            // failure once.
            Some(journal) if self.prefix.size > 0 && self.write_back.finish().is_ok() => {
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::domain::asset_key::{AssetKey, Kind};
    use crate::integrity::digest::Sha256Hex;
    use crate::integrity::remote_version::Validator;
    use crate::storage::staging::held::MAX_HELD;
    use crate::storage::staging::write_back;

    pub(in crate::storage) fn version() -> RemoteVersion {
        RemoteVersion { validator: Validator::Etag("\"a\"".to_owned()), total: None }
    }

    /// The part called `.video-1.part` in `folder`.
    pub(in crate::storage) fn begun(folder: &Path) -> Part {
        Part::new(Dir::at(folder), ".video-1.part".to_owned())
    }

    pub(in crate::storage) fn resume(folder: &Path) -> Part {
        Part::resume(Dir::at(folder), ".video-1.part".to_owned()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn dropped_part_without_a_version_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        assert!(names(folder.path()).is_empty(), "without a byte there is no file");
        part.write_all(b"abc").unwrap();
        assert_eq!(names(folder.path()), [".video-1.part"]);
        drop(part);
        assert!(names(folder.path()).is_empty());
        let mut part = begun(folder.path());
        part.write_all(b"abc").unwrap();
        drop(part.seal());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn restart_discards_all_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.write_all(b"abc").unwrap();
        part.restart().unwrap();
        part.write_all(b"x").unwrap();
        let sealed = part.seal();
        assert_eq!((sealed.size(), sealed.head()), (1, (&b"x"[..], true)));
        assert_eq!(sealed.sha256(), &Sha256Hex::digest(b"x"));
    }

    #[cfg(unix)]
    #[test]
    fn symlinked_part_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, b"precious").unwrap();
        std::os::unix::fs::symlink(&outside, folder.path().join(".video-1.part")).unwrap();
        let mut part = begun(folder.path());
        part.write_all(b"abc").unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"precious");
    }

    #[test]
    fn dropped_part_of_a_known_version_resumes_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".video-1.part");
        let mut part = begun(folder.path());
        part.set_version(version());
        part.write_all(b"abc").unwrap();
        drop(part);
        let mut part = resume(folder.path());
        assert_eq!((part.size(), part.version()), (3, Some(&version())));
        part.write_all(b"def").unwrap();
        let sealed = part.seal();
        assert_eq!((sealed.head(), sealed.sha256()), ((&b"abcdef"[..], true), &Sha256Hex::digest(b"abcdef")));
        drop(sealed.into_staged(AssetKey { kind: Kind::Video, index: 1 }, "video-1.mp4", None).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"abcdef");
    }

    #[test]
    fn dropped_part_with_a_failed_sync_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.set_version(version());
        part.write_all(b"abc").unwrap();
        part.write_back = write_back::tests::failing();
        drop(part);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn resume_continues_at_the_last_4_mib_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.set_version(version());
        for _ in 0..11 {
            part.write_all(&vec![5; 1 << 20]).unwrap();
        }
        // What the disk has now, without what a drop adds.
        for name in [".video-1.part", ".video-1.journal"] {
            fs::copy(folder.path().join(name), folder.path().join(name.replace("-1", "-2"))).unwrap();
        }
        let resumed = Part::resume(Dir::at(folder.path()), ".video-2.part".to_owned()).unwrap();
        assert_eq!(resumed.size(), 8 << 20);
    }

    fn held(folder: &Path) -> Part {
        Part::new_held(Dir::at(folder), ".video-1.part".to_owned())
    }

    #[test]
    fn small_part_of_a_new_folder_is_in_memory_until_its_task_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = held(folder.path());
        part.set_version(version());
        part.write_all(b"abc").unwrap();
        part.write_all(b"def").unwrap();
        let sealed = part.seal();
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut sealed.reader().unwrap(), &mut bytes).unwrap();
        assert_eq!((bytes.as_slice(), sealed.sha256()), (&b"abcdef"[..], &Sha256Hex::digest(b"abcdef")));
        let mut staged = sealed.into_staged(AssetKey { kind: Kind::Video, index: 1 }, "video-1.mp4", None).unwrap();
        assert!(names(folder.path()).is_empty());
        staged.write_to_disk().unwrap();
        staged.write_to_disk().unwrap();
        assert_eq!(fs::read(staged.path()).unwrap(), b"abcdef");
        assert_eq!(names(folder.path()), [".video-1.part"]);
    }

    #[test]
    fn part_that_outgrows_the_memory_is_written_with_all_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for more in [0, 1, MAX_HELD] {
            let mut part = held(folder.path());
            part.set_version(version());
            let bytes = vec![7; MAX_HELD + more];
            part.write_all(&bytes[..MAX_HELD]).unwrap();
            assert!(part.file.is_none());
            part.write_all(&bytes[MAX_HELD..]).unwrap();
            assert_eq!(part.file.is_some(), more > 0);
            let sealed = part.seal();
            assert_eq!((sealed.size(), sealed.sha256()), (bytes.len() as u64, &Sha256Hex::digest(&bytes)));
            let mut staged = sealed.into_staged(AssetKey { kind: Kind::Video, index: 1 }, "video-1.mp4", None).unwrap();
            staged.write_to_disk().unwrap();
            assert!(fs::read(staged.path()).unwrap() == bytes);
        }
    }

    #[test]
    fn dropped_part_in_memory_is_written_if_it_can_be_continued() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = held(folder.path());
        part.write_all(b"abc").unwrap();
        drop(part);
        assert!(names(folder.path()).is_empty(), "of an unknown version");
        let mut part = held(folder.path());
        part.set_version(version());
        drop(part);
        assert!(names(folder.path()).is_empty(), "without a byte");
        let mut part = held(folder.path());
        part.set_version(version());
        part.write_all(b"abc").unwrap();
        drop(part);
        assert_eq!(resume(folder.path()).size(), 3);
    }

    #[test]
    fn restarted_part_in_memory_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = held(folder.path());
        part.write_all(b"abc").unwrap();
        part.restart().unwrap();
        part.write_all(b"x").unwrap();
        assert_eq!(part.seal().sha256(), &Sha256Hex::digest(b"x"));
        let mut part = held(folder.path());
        part.set_max_size(Some(2));
        assert!(part.write_all(b"abc").is_err(), "a limit counts in memory, too");
    }
}
