//! One file on its way in: `Part -> Sealed -> Draft -> FileEntry`.
//!
//! A [`Part`] takes bytes in order, writes them under a dot-name and hashes them as they pass; its
//! file is made with the first byte. [`Sealed`] has all of them, and knows size and hash. A
//! [`Draft`] is synced and has its final name and manifest entry, but is not renamed yet: only
//! `Held::commit` turns it into a `FileEntry`. A part that is dropped on the way leaves no file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Error;
use crate::asset::Slot;
use crate::digest::{Hasher, Sha256Hex};
use crate::manifest::{FileEntry, Whole};

/// How many of a file's first bytes are kept at hand, to tell what it is.
pub(super) const HEAD: usize = 16 << 10;

/// A file that is still growing.
pub struct Part {
    path: PathBuf,
    file: Option<File>,
    hasher: Hasher,
    size: u64,
    head: Vec<u8>,
}

impl Part {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, hasher: Hasher::default(), size: 0, head: Vec::new() }
    }

    /// Drops what was written: the next byte is the first again.
    ///
    /// # Errors
    /// When the file can't be cut.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file = None;
        remove(&self.path)?;
        *self = Self::new(std::mem::take(&mut self.path));
        Ok(())
    }

    /// Ends the file.
    #[must_use]
    pub fn seal(mut self) -> Sealed {
        let hasher = std::mem::take(&mut self.hasher);
        Sealed { sha256: hasher.finish(), part: self }
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            remove(&self.path)?;
            self.file = Some(OpenOptions::new().create_new(true).read(true).write(true).open(&self.path)?);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("the part was just opened"))
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.open()?.write(bytes)?;
        let bytes = &bytes[..written];
        self.hasher.update(bytes);
        self.size += written as u64;
        self.head.extend_from_slice(&bytes[..written.min(HEAD - self.head.len())]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Where this fails, the next run starts over that name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
        self.part.size
    }

    /// The first bytes, and whether they are all.
    #[must_use]
    pub fn head(&self) -> (&[u8], bool) {
        (&self.part.head, self.part.size == self.part.head.len() as u64)
    }

    /// The file, to look into.
    ///
    /// # Errors
    /// When it can't be opened again.
    pub fn reader(&self) -> io::Result<File> {
        File::open(&self.part.path)
    }

    /// Makes the bytes durable and names the file: `slot` as `name`, dated `modified`.
    ///
    /// # Errors
    /// When the disk says no; the bytes are then gone.
    pub fn draft(mut self, slot: Slot, name: &str, modified: Option<SystemTime>) -> Result<Draft, Error> {
        let fail = |action| Error::io(action, &self.part.path);
        if let Some(file) = &self.part.file {
            if let Some(time) = modified {
                file.set_modified(time).map_err(fail("date"))?;
            }
            file.sync_all().map_err(fail("sync"))?;
        }
        let entry = FileEntry::of(slot, &Named { name, sealed: &self });
        self.part.file = None;
        Ok(Draft { path: self.part.path.clone(), entry })
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

/// A whole, synced file under its dot-name, with the entry that it will have.
pub struct Draft {
    pub(super) path: PathBuf,
    /// What is known of it can still be said here.
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
    use super::*;
    use crate::asset::Kind;

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
}
