//! A bag of files (RFC 8493) on its way to disk.
//!
//! It is filled in a temporary folder beside its place and renamed there when all of it is durable: a
//! crash leaves no half bag under its name. The folder is locked meanwhile, so that the next bag for the same place tells
//! what a killed program left from what a living one makes, and removes the former. A file goes in only with the bytes
//! that were recorded of it. What the tag files say is no concern here.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir};

use super::lock::Lock;
use super::{atomic, path_check};
use crate::integrity::digest::{Hasher, Sha256Hex, for_each_chunk};
use crate::storage::Error;

/// A bag that is being filled; dropped before its end, it leaves nothing.
pub(crate) struct NewFolder {
    target: PathBuf,
    temp_dir: TempDir,
    folders: BTreeSet<PathBuf>,
    /// None where folders can't be locked: there a killed program's folder stays.
    _lock: Option<Lock>,
}

impl NewFolder {
    /// Begins a bag that will stand at `place`, where nothing may be but an empty folder.
    ///
    /// # Errors
    /// When something is there, or the disk says no.
    pub(crate) fn create(place: &Path) -> Result<Self, Error> {
        let found = path_check::lstat(place).map_err(Error::io("look at", place))?;
        let is_empty = || fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none());
        let is_free = found.is_none_or(|found| found.is_dir() && is_empty());
        let Some(name) = place.file_name().filter(|_| is_free) else { return Err(Error::Occupied(place.to_owned())) };
        let mut builder = Builder::new();
        let prefix = format!(".{}.yescale-dl-", name.to_string_lossy());
        remove_stale_folders(atomic::parent(place), &prefix);
        builder.prefix(&prefix);
        #[cfg(unix)]
        // Temporary folders are private by default; the bag is as open as the user's umask says.
        builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777));
        let making = builder.tempdir_in(atomic::parent(place)).map_err(Error::io("create", place))?;
        let lock = Lock::try_lock_folder(making.path()).map_err(Error::io("lock", making.path()))?.filter(Lock::is_folder_lock);
        Ok(Self { target: place.to_owned(), temp_dir: making, folders: BTreeSet::new(), _lock: lock })
    }

    /// Copies the file at `from` into the bag as `to`; its size and hash.
    ///
    /// # Errors
    /// When it can't be read, or its bytes are not the `expected` ones, after which it is not in the bag; or the disk says no.
    pub(crate) fn copy(&mut self, from: &Path, to: &str, expected: Option<&Sha256Hex>) -> Result<(u64, Sha256Hex), Error> {
        let (folder, _) = to.rsplit_once('/').unwrap_or_default();
        self.create_dir(folder)?;
        let path = self.temp_dir.path().join(to);
        let unreadable = |source| Error::Unreadable { path: from.to_owned(), source };
        let source = File::open(from).map_err(unreadable)?;
        let mut target = File::create_new(&path).map_err(Error::io("create", &path))?;
        let (mut hasher, mut written) = (Hasher::default(), Ok(()));
        let size = for_each_chunk(source, |bytes| {
            hasher.update(bytes);
            if written.is_ok() {
                written = target.write_all(bytes);
            }
        });
        let sha256 = hasher.finish();
        match size {
            Ok(size) if expected.is_none_or(|expected| *expected == sha256) => {
                written.and_then(|()| target.sync_all()).map_err(Error::io("write", &path))?;
                Ok((size, sha256))
            }
            failed => {
                drop(target);
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                Err(failed.map_or_else(unreadable, |_| Error::Damaged(from.to_owned())))
            }
        }
    }

    /// Adds a file of our own at the top.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn write_file(&self, name: &str, text: &str) -> Result<(), Error> {
        atomic::write(self.temp_dir.path(), name, |to| to.write_all(text.as_bytes()))
    }

    /// Puts the bag in its place.
    ///
    /// # Errors
    /// When the disk says no, or something has come to stand there meanwhile.
    pub(crate) fn finish(self) -> Result<(), Error> {
        for folder in &self.folders {
            atomic::sync_folder(folder)?;
        }
        atomic::sync_folder(self.temp_dir.path())?;
        // Not everywhere does a rename replace an empty folder; one that is not empty stays.
        let _ = fs::remove_dir(&self.target);
        fs::rename(self.temp_dir.path(), &self.target).map_err(Error::io("create", &self.target))?;
        let _gone = self.temp_dir.keep();
        atomic::sync_folder(atomic::parent(&self.target))
    }

    /// Creates a folder in it, and the folders above that one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn create_dir(&mut self, name: &str) -> Result<(), Error> {
        let path = self.temp_dir.path().join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        self.folders.insert(path);
        Ok(())
    }
}

/// Removes what killed programs left of bags: folders in `folder` whose names begin with `prefix`, and that nobody holds.
fn remove_stale_folders(folder: &Path, prefix: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for left in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path()) {
        if let Ok(Some(lock)) = Lock::try_lock_folder(&left)
            && lock.is_folder_lock()
        {
            // What can't be removed now is removed by the next.
            let _ = fs::remove_dir_all(&left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn stale_bags_are_removed_and_live_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        for left in [".bag.yescale-dl-dead01", ".bag.mine", ".other.yescale-dl-dead01"] {
            fs::create_dir_all(folder.path().join(left).join("data/t")).unwrap();
        }
        let living = NewFolder::create(&folder.path().join("bag")).unwrap();
        assert!(!folder.path().join(".bag.yescale-dl-dead01").exists());
        let second = NewFolder::create(&folder.path().join("bag")).unwrap();
        assert_eq!(names(), 4, "two of others, two in the making");
        living.finish().unwrap();
        drop(second);
        assert_eq!(names(), 3, "the bag, and what others have");
    }

    #[test]
    fn bag_appears_at_its_path_only_when_finished() {
        let folder = tempfile::tempdir().unwrap();
        let (source, place) = (folder.path().join("source"), folder.path().join("bag"));
        fs::write(&source, b"abc").unwrap();
        fs::create_dir(&place).unwrap();
        drop(NewFolder::create(&place).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "what was given up is gone");

        let mut bag = NewFolder::create(&place).unwrap();
        assert_eq!(bag.copy(&source, "data/t/a", Some(&Sha256Hex::digest(b"abc"))).unwrap(), (3, Sha256Hex::digest(b"abc")));
        assert!(matches!(bag.copy(&source, "data/t/b", Some(&Sha256Hex::digest(b"abd"))), Err(Error::Damaged(_))));
        bag.write_file("bagit.txt", "x").unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing yet");
        bag.finish().unwrap();
        assert_eq!(fs::read(place.join("data/t/a")).unwrap(), b"abc");
        assert!(place.join("bagit.txt").exists() && !place.join("data/t/b").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
        assert!(matches!(NewFolder::create(&place), Err(Error::Occupied(_))));
        assert!(matches!(NewFolder::create(&source), Err(Error::Occupied(_))));
    }
}
