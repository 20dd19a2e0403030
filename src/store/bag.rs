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
use super::{Error, atomic, sight};
use crate::digest::{Hasher, Sha256Hex, read_through};

/// A bag that is being filled; dropped before its end, it leaves nothing.
pub(crate) struct Bag {
    place: PathBuf,
    making: TempDir,
    folders: BTreeSet<PathBuf>,
    /// None where folders can't be locked: there a killed program's folder stays.
    _lock: Option<Lock>,
}

impl Bag {
    /// Begins a bag that will stand at `place`, where nothing may be but an empty folder.
    ///
    /// # Errors
    /// When something is there, or the disk says no.
    pub(crate) fn begin(place: &Path) -> Result<Self, Error> {
        let found = sight::seen(place).map_err(Error::io("look at", place))?;
        let is_empty = || fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none());
        let is_free = found.is_none_or(|found| found.is_dir() && is_empty());
        let Some(name) = place.file_name().filter(|_| is_free) else { return Err(Error::Occupied(place.to_owned())) };
        let mut builder = Builder::new();
        let prefix = format!(".{}.yescale-dl-", name.to_string_lossy());
        sweep(atomic::parent(place), &prefix);
        builder.prefix(&prefix);
        #[cfg(unix)]
        // Temporary folders are private by default; the bag is as open as the user's umask says.
        builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777));
        let making = builder.tempdir_in(atomic::parent(place)).map_err(Error::io("create", place))?;
        let lock = Lock::try_of(making.path()).map_err(Error::io("lock", making.path()))?.filter(Lock::is_of_folder);
        let mut bag = Self { place: place.to_owned(), making, folders: BTreeSet::new(), _lock: lock };
        bag.make_folder("data")?;
        Ok(bag)
    }

    /// Copies the file at `from` into the bag as `to`; its size and hash.
    ///
    /// # Errors
    /// When it can't be read, or its bytes are not the `expected` ones, after which it is not in the bag; or the disk says no.
    pub(crate) fn copy(&mut self, from: &Path, to: &str, expected: Option<&Sha256Hex>) -> Result<(u64, Sha256Hex), Error> {
        let (folder, _) = to.rsplit_once('/').unwrap_or_default();
        self.make_folder(folder)?;
        let path = self.making.path().join(to);
        let unreadable = |source| Error::Unreadable { path: from.to_owned(), source };
        let source = File::open(from).map_err(unreadable)?;
        let mut target = File::create_new(&path).map_err(Error::io("create", &path))?;
        let (mut hasher, mut written) = (Hasher::default(), Ok(()));
        let size = read_through(source, |bytes| {
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
    pub(crate) fn add(&self, name: &str, text: &str) -> Result<(), Error> {
        atomic::write(self.making.path(), name, |to| to.write_all(text.as_bytes()))
    }

    /// Puts the bag in its place.
    ///
    /// # Errors
    /// When the disk says no, or something has come to stand there meanwhile.
    pub(crate) fn end(self) -> Result<(), Error> {
        for folder in &self.folders {
            atomic::sync_folder(folder)?;
        }
        atomic::sync_folder(self.making.path())?;
        // Not everywhere does a rename replace an empty folder; one that is not empty stays.
        let _ = fs::remove_dir(&self.place);
        fs::rename(self.making.path(), &self.place).map_err(Error::io("create", &self.place))?;
        let _gone = self.making.keep();
        atomic::sync_folder(atomic::parent(&self.place))
    }

    fn make_folder(&mut self, name: &str) -> Result<(), Error> {
        let path = self.making.path().join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        self.folders.insert(path);
        Ok(())
    }
}

/// Removes what killed programs left of bags: folders in `folder` whose names begin with `prefix`, and that nobody holds.
fn sweep(folder: &Path, prefix: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for left in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path()) {
        if let Ok(Some(lock)) = Lock::try_of(&left)
            && lock.is_of_folder()
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
    fn what_a_killed_program_left_is_swept_and_what_a_living_one_makes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        for left in [".bag.yescale-dl-dead01", ".bag.mine", ".other.yescale-dl-dead01"] {
            fs::create_dir_all(folder.path().join(left).join("data/t")).unwrap();
        }
        let living = Bag::begin(&folder.path().join("bag")).unwrap();
        assert!(!folder.path().join(".bag.yescale-dl-dead01").exists());
        let second = Bag::begin(&folder.path().join("bag")).unwrap();
        assert_eq!(names(), 4, "two of others, two in the making");
        living.end().unwrap();
        drop(second);
        assert_eq!(names(), 3, "the bag, and what others have");
    }

    #[test]
    fn a_bag_stands_in_its_place_only_when_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let (source, place) = (folder.path().join("source"), folder.path().join("bag"));
        fs::write(&source, b"abc").unwrap();
        fs::create_dir(&place).unwrap();
        drop(Bag::begin(&place).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "what was given up is gone");

        let mut bag = Bag::begin(&place).unwrap();
        assert_eq!(bag.copy(&source, "data/t/a", Some(&Sha256Hex::of(b"abc"))).unwrap(), (3, Sha256Hex::of(b"abc")));
        assert!(matches!(bag.copy(&source, "data/t/b", Some(&Sha256Hex::of(b"abd"))), Err(Error::Damaged(_))));
        bag.add("bagit.txt", "x").unwrap();
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing yet");
        bag.end().unwrap();
        assert_eq!(fs::read(place.join("data/t/a")).unwrap(), b"abc");
        assert!(place.join("bagit.txt").exists() && !place.join("data/t/b").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
        assert!(matches!(Bag::begin(&place), Err(Error::Occupied(_))));
        assert!(matches!(Bag::begin(&source), Err(Error::Occupied(_))));
    }
}
