//! A new folder of files that appears under its name only when it is complete.
//!
//! It is filled under a temporary name beside its target, and renamed when everything in it is durable: a crash leaves no
//! partial folder under the final name. The temporary folder is locked meanwhile. So the next writer for the same target can
//! tell a killed program's folder from a live one's, and removes the former. Files are copied only with the bytes that were
//! recorded of them. What the files mean is up to the caller.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::{Builder, TempDir};

use super::lock::Lock;
use super::{atomic, path_check};
use crate::integrity::digest::{Hasher, Sha256Hex, for_each_chunk};
use crate::storage::Error;
use crate::storage::error::is_unsupported;

/// A folder that is being filled. Dropped before [`Self::finish`], it leaves nothing.
pub(crate) struct NewFolder {
    target: PathBuf,
    temp_dir: TempDir,
    folders: BTreeSet<PathBuf>,
    /// None where folders can't be locked: there the folder of a killed program stays.
    _lock: Option<Lock>,
}

impl NewFolder {
    /// Begins a folder for `target`, where nothing may exist but an empty folder.
    ///
    /// # Errors
    /// When something exists there, or the disk fails.
    pub(crate) fn create(target: &Path) -> Result<Self, Error> {
        let found = path_check::lstat(target).map_err(Error::io("check", target))?;
        let is_empty = || fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
        let is_free = found.is_none_or(|found| found.is_dir() && is_empty());
        let Some(name) = target.file_name().filter(|_| is_free) else { return Err(Error::Occupied(target.to_owned())) };
        let mut builder = Builder::new();
        let prefix = format!(".{}.yescale-dl-", name.to_string_lossy());
        remove_stale_folders(atomic::parent(target), &prefix);
        builder.prefix(&prefix);
        #[cfg(unix)]
        // Temporary folders are private by default. This one gets the permissions of the user's umask.
        builder.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777));
        let temp_dir = builder.tempdir_in(atomic::parent(target)).map_err(Error::io("create", target))?;
        let lock = match Lock::try_lock_folder_itself(temp_dir.path()) {
            Err(error) if is_unsupported(&error) => None,
            lock => lock.map_err(Error::io("lock", temp_dir.path()))?,
        };
        Ok(Self { target: target.to_owned(), temp_dir, folders: BTreeSet::new(), _lock: lock })
    }

    /// Copies the file at `from` into the folder as `to`. Returns its size and hash.
    ///
    /// # Errors
    /// When the file can't be read, or its bytes are not the `expected` ones: then the copy is removed. Also when the disk
    /// fails.
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

    /// Writes a file with this text at the top of the folder.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn write_file(&self, name: &str, text: &str) -> Result<(), Error> {
        atomic::write(self.temp_dir.path(), name, |to| to.write_all(text.as_bytes())).map(drop)
    }

    /// Gives the folder its final name.
    ///
    /// # Errors
    /// When the disk fails, or the name was taken meanwhile.
    pub(crate) fn finish(self) -> Result<(), Error> {
        for folder in &self.folders {
            atomic::sync_folder(folder)?;
        }
        atomic::sync_folder(self.temp_dir.path())?;
        // A rename does not replace an empty folder on every system. A folder that is not empty stays.
        let _ = fs::remove_dir(&self.target);
        fs::rename(self.temp_dir.path(), &self.target).map_err(Error::io("create", &self.target))?;
        let _gone = self.temp_dir.keep();
        atomic::sync_folder(atomic::parent(&self.target))
    }

    /// Creates a folder inside, and its parent folders.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn create_dir(&mut self, name: &str) -> Result<(), Error> {
        let path = self.temp_dir.path().join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        self.folders.insert(path);
        Ok(())
    }
}

/// Removes the folders of killed programs: those in `folder` whose names begin with `prefix` and that no process has locked.
fn remove_stale_folders(folder: &Path, prefix: &str) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for left in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).map(|entry| entry.path()) {
        if let Ok(Some(_lock)) = Lock::try_lock_folder_itself(&left) {
            // What can't be removed now is removed by the next writer.
            let _ = fs::remove_dir_all(&left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn stale_folders_are_removed_and_live_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        for left in [".bag.yescale-dl-dead01", ".bag.mine", ".other.yescale-dl-dead01"] {
            fs::create_dir_all(folder.path().join(left).join("data/t")).unwrap();
        }
        let live = NewFolder::create(&folder.path().join("bag")).unwrap();
        assert!(!folder.path().join(".bag.yescale-dl-dead01").exists());
        let second = NewFolder::create(&folder.path().join("bag")).unwrap();
        assert_eq!(names(), 4, "two that are not ours, and two being filled");
        live.finish().unwrap();
        drop(second);
        assert_eq!(names(), 3, "the finished one, and the two that are not ours");
    }

    #[test]
    fn new_folder_appears_at_its_path_only_when_finished() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("source"), folder.path().join("bag"));
        fs::write(&source, b"abc").unwrap();
        fs::create_dir(&target).unwrap();
        drop(NewFolder::create(&target).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a dropped folder leaves nothing");

        let mut new = NewFolder::create(&target).unwrap();
        assert_eq!(new.copy(&source, "data/t/a", Some(&Sha256Hex::digest(b"abc"))).unwrap(), (3, Sha256Hex::digest(b"abc")));
        assert!(matches!(new.copy(&source, "data/t/b", Some(&Sha256Hex::digest(b"abd"))), Err(Error::Damaged(_))));
        new.write_file("bagit.txt", "x").unwrap();
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "nothing yet");
        new.finish().unwrap();
        assert_eq!(fs::read(target.join("data/t/a")).unwrap(), b"abc");
        assert!(target.join("bagit.txt").exists() && !target.join("data/t/b").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
        assert!(matches!(NewFolder::create(&target), Err(Error::Occupied(_))));
        assert!(matches!(NewFolder::create(&source), Err(Error::Occupied(_))));
    }
}
