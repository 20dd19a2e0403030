//! A folder as its writer holds it: names in it are reached through the folder that was opened, not through its path.
//!
//! While a task is downloaded, somebody else may move its folder away and put a symlink in its place. On Unix each name is
//! therefore resolved against the open folder, and no symlink is followed. On Windows the path is used: there a program
//! can't move a folder in which another one has files open. A [`Dir`] without an open folder uses the path, too.
//!
//! What is found in a folder may be a trap: a hard link to a file elsewhere, or a file of another user. [`Found`] says so.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;

#[cfg_attr(unix, path = "dir/unix.rs")]
#[cfg_attr(not(unix), path = "dir/windows.rs")]
mod system;

/// A folder.
#[derive(Clone, Debug)]
pub(in crate::storage) struct Dir {
    path: PathBuf,
    #[cfg(unix)]
    opened: Option<Arc<File>>,
}

/// How a file is opened. In no case is a symlink followed, and nothing is written to through a hard link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::storage) enum OpenMode {
    /// To be read.
    Read,
    /// To be read and written.
    ReadWrite,
    /// To be written at its end.
    Append,
    /// Made, to be read and written; an error when something of that name is there.
    CreateNew,
}

/// A file that shows whom new files belong to. By its name it is a leftover of the manifest, and removed with these when the
/// program is killed beside it.
const OWNER_PROBE: &str = ".manifest.json.owner";

/// What stands under a name.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct FileStat {
    /// Whether it is a regular file.
    pub is_file: bool,
    /// In bytes.
    pub size: u64,
    /// Whether it has other names, so that writing to it would write to a file elsewhere, too.
    is_hard_link: bool,
    /// The user that owns it; 0 where users have no numbers.
    owner: u32,
}

impl Dir {
    /// The folder that `path` names at each use.
    pub(in crate::storage) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            #[cfg(unix)]
            opened: None,
        }
    }

    /// The folder that `opened` is, wherever it is moved to. `path` is where it was.
    #[cfg(unix)]
    pub(in crate::storage) fn from_opened(path: &Path, opened: Arc<File>) -> Self {
        Self { path: path.to_owned(), opened: Some(opened) }
    }

    /// Where a name of the folder is, for messages and for syncing.
    pub(in crate::storage) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file.
    pub(in crate::storage) fn open(&self, name: &str, how: OpenMode) -> io::Result<File> {
        system::open(self, name, how)
    }

    /// What stands under a name, itself and not what it leads to; none where nothing does.
    pub(in crate::storage) fn stat(&self, name: &str) -> io::Result<Option<FileStat>> {
        match system::find(self, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Gives a file another name, in place of what has that name.
    pub(in crate::storage) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        system::rename(self, from, to)
    }

    /// Removes a file; one that is not there is removed already.
    pub(in crate::storage) fn remove(&self, name: &str) -> io::Result<()> {
        match system::remove(self, name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The names in the folder; those that are not UTF-8 are not ours, and left out.
    pub(in crate::storage) fn names(&self) -> io::Result<Vec<String>> {
        system::names(self)
    }

    /// Whether the path still leads to the folder that was opened.
    pub(in crate::storage) fn is_in_place(&self) -> io::Result<bool> {
        system::is_in_place(self)
    }

    /// Checks that this user wrote the file called `name`: a regular file with one name, whose owner is the user that new files
    /// belong to. False also when there is no such file.
    pub(in crate::storage) fn check_trusted(&self, name: &str) -> io::Result<bool> {
        let Some(found) = self.stat(name)?.filter(|found| found.is_file && !found.is_hard_link) else { return Ok(false) };
        Ok(found.owner == system::user() || Some(found.owner) == self.probe_new_file_owner()?)
    }

    /// Some network shares give all files to one user, whoever writes them.
    fn probe_new_file_owner(&self) -> io::Result<Option<u32>> {
        self.remove(OWNER_PROBE)?;
        drop(self.open(OWNER_PROBE, OpenMode::CreateNew)?);
        let found = self.stat(OWNER_PROBE)?;
        self.remove(OWNER_PROBE)?;
        Ok(found.map(|found| found.owner))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn dir_creates_finds_renames_and_removes_files() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::at(folder.path());
        assert!(dir.stat("a").unwrap().is_none());
        dir.open("a", OpenMode::CreateNew).unwrap().write_all(b"abc").unwrap();
        assert_eq!(dir.open("a", OpenMode::CreateNew).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        dir.open("a", OpenMode::Append).unwrap().write_all(b"d").unwrap();
        let found = dir.stat("a").unwrap().unwrap();
        assert_eq!((found.is_file, found.size, found.is_hard_link), (true, 4, false));
        assert!(dir.check_trusted("a").unwrap());
        fs::write(folder.path().join("b"), b"old").unwrap();
        dir.rename("a", "b").unwrap();
        assert_eq!(dir.names().unwrap(), ["b"]);
        assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"abcd");
        dir.remove("b").unwrap();
        dir.remove("b").unwrap();
        assert!(dir.names().unwrap().is_empty());
    }

    #[test]
    fn hard_link_is_detected_and_not_opened_for_writing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("elsewhere"), b"precious").unwrap();
        fs::hard_link(folder.path().join("elsewhere"), folder.path().join("a")).unwrap();
        let dir = Dir::at(folder.path());
        let found = dir.stat("a").unwrap().unwrap();
        assert!(found.is_hard_link);
        assert!(!dir.check_trusted("a").unwrap());
        if cfg!(unix) {
            for how in [OpenMode::Append, OpenMode::ReadWrite] {
                assert!(dir.open("a", how).is_err(), "also when it took the name after the look");
            }
        }
    }
}
