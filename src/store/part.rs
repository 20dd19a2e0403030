//! One file on its way in: `Part -> Sealed -> Draft -> FileEntry`.
//!
//! A [`Part`] takes bytes under a dot-name and hashes them in order; its file is made with the first
//! byte. Bytes may also be written ahead of that front, at offsets, by several connections; the front
//! then reads them back. Once it is known of which version of the remote file the bytes are, a journal
//! vouches for them, and what a dropped part has is kept for the next try, or the next run; without a
//! version it is worth nothing and goes. [`Sealed`] has all bytes, size and hash; a [`Draft`] has its
//! name and entry too, and waits to be durable, in `Held::commit`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::journal::{self, Journal, Proof};
use super::write_back::WriteBack;
use super::{Error, checkpoint};
use crate::digest::Sha256Hex;
use crate::kind::Slot;
use crate::manifest::{FileEntry, Whole};
use crate::version::Version;

/// The journal vouches for the bytes at least this often: what a kill costs at most.
const VOUCHED_EVERY: u64 = 4 << 20;

/// A file that is still growing.
pub struct Part {
    path: PathBuf,
    file: Option<Arc<File>>,
    proof: Proof,
    journal: Option<Journal>,
    vouched: u64,
    most: Option<u64>,
    write_back: WriteBack,
}

impl Part {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            proof: Proof::default(),
            journal: None,
            vouched: 0,
            most: None,
            write_back: WriteBack::default(),
        }
    }

    /// The part at `path`, with what an earlier try left there, as far as it can be proven.
    pub(super) fn resume(path: PathBuf) -> io::Result<Self> {
        Ok(match journal::prove(&path)? {
            Some(proven) => Self {
                file: Some(Arc::new(proven.file)),
                vouched: proven.proof.size,
                proof: proven.proof,
                journal: Some(proven.journal),
                path,
                most: None,
                write_back: WriteBack::default(),
            },
            None => Self::new(path),
        })
    }

    /// How many bytes it has, from the first one on without a gap.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.proof.size
    }

    /// Of which version of the remote file they are, when that is known.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.journal.as_ref().map(Journal::version)
    }

    /// Says of which version the bytes from the first one on are: from here on they are worth keeping.
    pub fn identify(&mut self, version: Version) {
        if self.version() != Some(&version) {
            self.journal = Some(Journal::new(journal::beside(&self.path), version));
        }
    }

    /// Refuses to take more than `most` bytes in all, however they come.
    pub fn limit(&mut self, most: Option<u64>) {
        self.most = most;
    }

    /// Drops what was written: the next byte is the first again, of a version not known yet.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file = None;
        self.proof = Proof::default();
        self.vouched = 0;
        self.write_back = WriteBack::default();
        if let Some(mut journal) = self.journal.take() {
            journal.discard();
        }
        journal::remove(&self.path)
    }

    /// The file, for writers ahead of the front.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn ahead(&mut self) -> io::Result<Ahead> {
        Ok(Ahead(Arc::clone(self.open()?)))
    }

    /// Moves the front on to `to`, over bytes that were written ahead of it.
    ///
    /// # Errors
    /// When they can't be read back.
    pub fn advance(&mut self, to: u64) -> io::Result<()> {
        let mut file: &File = &Arc::clone(self.open()?);
        file.seek(SeekFrom::Start(self.proof.size))?;
        let mut block = vec![0; 256 << 10];
        while self.proof.size < to {
            let most = block.len().min(usize::try_from(to - self.proof.size).unwrap_or(usize::MAX));
            match file.read(&mut block[..most])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.proof.take(&block[..read]),
            }
        }
        self.vouch()
    }

    /// Ends the file.
    #[must_use]
    pub fn seal(self) -> Sealed {
        Sealed { sha256: self.proof.hasher.clone().finish(), part: self }
    }

    /// Gives it up, and its room on the disk with it.
    pub fn discard(mut self) {
        // What stays is overwritten by the next run.
        let _ = self.restart();
    }

    fn vouch(&mut self) -> io::Result<()> {
        if let Some(journal) = &mut self.journal
            && self.proof.size >= self.vouched + VOUCHED_EVERY
        {
            journal.vouch(self.proof.size, &self.proof.hasher)?;
            self.vouched = self.proof.size;
            checkpoint::reached("vouched");
        }
        let sent = self.file.as_ref().map_or(Ok(()), |file| self.write_back.wrote(file, self.proof.size));
        if sent.is_err() {
            // Reading it back would show what the disk never got.
            self.journal = None;
        }
        sent
    }

    fn open(&mut self) -> io::Result<&Arc<File>> {
        if self.file.is_none() {
            let create = || OpenOptions::new().create_new(true).read(true).write(true).open(&self.path);
            let file = match create() {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    journal::remove(&self.path)?;
                    create()
                }
                file => file,
            };
            self.file = Some(Arc::new(file?));
        }
        self.file.as_ref().ok_or_else(|| io::Error::other("the part was just opened"))
    }
}

/// Takes bytes at the front.
impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let front = self.proof.size;
        if self.most.is_some_and(|most| front + bytes.len() as u64 > most) {
            self.journal = None;
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more bytes than are allowed"));
        }
        if let Err(error) = self.ahead()?.write_at(bytes, front) {
            // A part that the disk would not take is in the way of all others: it goes.
            self.journal = None;
            return Err(error);
        }
        self.proof.take(bytes);
        self.vouch()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.file.is_none() {
            return;
        }
        let is_kept = match &mut self.journal {
            // Reading back what failed to be written would show what the disk never got, and the system tells it only once.
            Some(journal) if self.proof.size > 0 && self.write_back.finish().is_ok() => {
                self.proof.size == self.vouched || journal.vouch(self.proof.size, &self.proof.hasher).is_ok()
            }
            _ => false,
        };
        if !is_kept {
            // Where this fails, the next run starts over that name.
            let _ = self.restart();
        }
    }
}

/// Writes ahead of a part's front. Cheap to clone.
#[derive(Clone)]
pub struct Ahead(Arc<File>);

impl Ahead {
    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_all_at(&*self.0, bytes, offset);
        #[cfg(windows)]
        {
            let (mut bytes, mut offset) = (bytes, offset);
            while !bytes.is_empty() {
                let written = std::os::windows::fs::FileExt::seek_write(&*self.0, bytes, offset)?;
                (bytes, offset) = (&bytes[written..], offset + written as u64);
            }
            Ok(())
        }
    }
}

/// A file that has all its bytes.
pub struct Sealed {
    part: Part,
    sha256: Sha256Hex,
}

impl Sealed {
    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.part.size()
    }

    /// Of all bytes.
    #[must_use]
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// The first bytes, and whether they are all.
    #[must_use]
    pub fn head(&self) -> (&[u8], bool) {
        let head = &self.part.proof.head;
        (head, self.size() == head.len() as u64)
    }

    /// The file, to look into.
    ///
    /// # Errors
    /// When it can't be opened again.
    pub fn reader(&self) -> io::Result<File> {
        File::open(&self.part.path)
    }

    /// Gives it up: it is not what was promised.
    pub fn discard(self) {
        self.part.discard();
    }

    /// Names the file: `slot` as `name`, dated `modified`.
    ///
    /// # Errors
    /// When the disk says no; the bytes are then gone.
    pub fn draft(mut self, slot: Slot, name: &str, modified: Option<SystemTime>) -> Result<Draft, Error> {
        let entry = FileEntry::of(slot, &Named { name, sealed: &self });
        let path = self.part.path.clone();
        let dated = match (&self.part.file, modified) {
            (Some(file), Some(time)) => file.set_modified(time),
            _ => Ok(()),
        };
        if let Err(error) = self.part.write_back.finish().and(dated) {
            // After a failed sync nobody knows what is on the disk, whatever reading it back may say.
            self.part.discard();
            return Err(Error::io("write", &path)(error));
        }
        // It is more than a part now, and not to be removed as one. Its journal goes when something better vouches for it.
        self.part.file = None;
        Ok(Draft { path, has_journal: self.part.vouched > 0, entry })
    }
}

struct Named<'a> {
    name: &'a str,
    sealed: &'a Sealed,
}

impl Whole for Named<'_> {
    fn name(&self) -> &str {
        self.name
    }
    fn size(&self) -> u64 {
        self.sealed.size()
    }
    fn sha256(&self) -> &Sha256Hex {
        &self.sealed.sha256
    }
}

/// A whole file under its dot-name, with the entry that it will have.
pub struct Draft {
    pub(super) path: PathBuf,
    /// Whether a journal lies beside it.
    pub(super) has_journal: bool,
    pub(super) entry: FileEntry,
}

impl Draft {
    /// The entry, to say what is known of the file.
    pub fn describe(&mut self, describe: impl FnOnce(&mut FileEntry)) {
        describe(&mut self.entry);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::kind::Kind;
    use crate::store::journal::HEAD;
    use crate::store::write_back;
    use crate::version::Validator;

    fn version() -> Version {
        Version { validator: Validator::Etag("\"a\"".to_owned()), total: None }
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn bytes_are_hashed_counted_and_kept_at_hand() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::new(folder.path().join(".video-1.part"));
        part.write_all(&[7; HEAD - 1]).unwrap();
        part.write_all(b"abc").unwrap();
        let sealed = part.seal();
        assert_eq!(sealed.size(), HEAD as u64 + 2);
        assert_eq!(sealed.head().0.len(), HEAD);
        assert!(!sealed.head().1);
        let whole = [&[7; HEAD - 1][..], b"abc"].concat();
        let slot = Slot { kind: Kind::Video, index: 1 };
        let draft = sealed.draft(slot, "video-1.mp4", None).unwrap();
        assert_eq!(draft.entry.sha256(), &Sha256Hex::of(&whole));
        assert_eq!(fs::read(draft.path).unwrap(), whole);
    }

    #[test]
    fn a_part_that_is_given_up_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::new(folder.path().join(".video-1.part"));
        assert!(names(folder.path()).is_empty(), "no byte, no file");
        part.write_all(b"abc").unwrap();
        assert_eq!(names(folder.path()), [".video-1.part"]);
        drop(part);
        assert!(names(folder.path()).is_empty());
        let mut part = Part::new(folder.path().join(".video-1.part"));
        part.write_all(b"abc").unwrap();
        drop(part.seal());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_restarted_part_forgets_everything() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::new(folder.path().join(".video-1.part"));
        part.write_all(b"abc").unwrap();
        part.restart().unwrap();
        part.write_all(b"x").unwrap();
        let sealed = part.seal();
        assert_eq!((sealed.size(), sealed.head()), (1, (&b"x"[..], true)));
        assert_eq!(sealed.sha256, Sha256Hex::of(b"x"));
    }

    #[cfg(unix)]
    #[test]
    fn a_symlink_in_the_place_of_a_part_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, b"precious").unwrap();
        std::os::unix::fs::symlink(&outside, folder.path().join(".video-1.part")).unwrap();
        let mut part = Part::new(folder.path().join(".video-1.part"));
        part.write_all(b"abc").unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"precious");
    }

    #[test]
    fn a_dropped_part_of_a_known_version_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".video-1.part");
        let mut part = Part::new(path.clone());
        part.identify(version());
        part.write_all(b"abc").unwrap();
        drop(part);
        let mut part = Part::resume(path.clone()).unwrap();
        assert_eq!((part.size(), part.version()), (3, Some(&version())));
        part.write_all(b"def").unwrap();
        let sealed = part.seal();
        assert_eq!((sealed.head(), sealed.sha256()), ((&b"abcdef"[..], true), &Sha256Hex::of(b"abcdef")));
        drop(sealed.draft(Slot { kind: Kind::Video, index: 1 }, "video-1.mp4", None).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"abcdef");
    }

    #[test]
    fn a_dropped_part_whose_early_sync_fails_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::new(folder.path().join(".video-1.part"));
        part.identify(version());
        part.write_all(b"abc").unwrap();
        part.write_back = write_back::tests::failing();
        drop(part);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_kill_costs_what_came_since_the_last_4_mib() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".video-1.part");
        let mut part = Part::new(path.clone());
        part.identify(version());
        for _ in 0..11 {
            part.write_all(&vec![5; 1 << 20]).unwrap();
        }
        // What the disk has at this instant, and nothing that a drop would add.
        for name in [".video-1.part", ".video-1.journal"] {
            fs::copy(folder.path().join(name), folder.path().join(name.replace("-1", "-2"))).unwrap();
        }
        let resumed = Part::resume(folder.path().join(".video-2.part")).unwrap();
        assert_eq!(resumed.size(), 8 << 20);
    }

    #[test]
    fn bytes_written_ahead_are_hashed_when_the_front_comes_by() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::new(folder.path().join(".video-1.part"));
        part.identify(version());
        part.write_all(b"ab").unwrap();
        let ahead = part.ahead().unwrap();
        ahead.write_at(b"ef", 4).unwrap();
        ahead.write_at(b"cd", 2).unwrap();
        assert_eq!(part.size(), 2);
        part.advance(6).unwrap();
        assert!(part.advance(7).is_err(), "what was never written can't be read back");
        part.write_all(b"g").unwrap();
        assert_eq!(part.seal().sha256(), &Sha256Hex::of(b"abcdefg"));
    }

    #[test]
    fn bytes_ahead_of_the_front_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".video-1.part");
        let mut part = Part::new(path.clone());
        part.identify(version());
        part.write_all(b"ab").unwrap();
        part.ahead().unwrap().write_at(b"ef", 4).unwrap();
        drop(part);
        assert_eq!(Part::resume(path.clone()).unwrap().size(), 2);
        assert_eq!(fs::read(path).unwrap(), b"ab");
    }
}
