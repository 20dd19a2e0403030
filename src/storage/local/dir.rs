//! A folder that its writer holds open: names in it are resolved against the open folder, not against its path.
//!
//! While a task is downloaded, another process can move its folder away and put a symlink in its place. On Unix each name is
//! therefore resolved against the open folder, and no symlink is followed. On Windows the path is used: there a folder can't be
//! moved while a program has files in it open. A [`Dir`] without an open folder uses the path, too.
//!
//! A file in the folder can be a trap: a hard link to a file elsewhere, or a file of another user. [`Dir::check_trusted`]
//! detects both.

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

/// How a file is opened. No mode follows a symlink, and none opens a hard link for writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::storage) enum OpenMode {
    /// For reading.
    Read,
    /// For reading and writing.
    ReadWrite,
    /// For appending.
    Append,
    /// Creates the file, for reading and writing. An error when the name exists.
    CreateNew,
}

/// The name of a file that is created to learn the owner of new files. The name looks like a temporary manifest, so that it is
/// removed like one when the program is killed in between.
const OWNER_PROBE: &str = ".manifest.json.owner";

/// What has a name in the folder.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct FileStat {
    /// Whether it is a regular file.
    pub is_file: bool,
    /// In bytes.
    pub size: u64,
    /// Whether it has other names, so that writing to it would change a file elsewhere.
    is_hard_link: bool,
    /// The user id of its owner; 0 where users have no numbers.
    owner: u32,
}

impl Dir {
    /// The folder that has the path `path` at each use.
    pub(in crate::storage) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            #[cfg(unix)]
            opened: None,
        }
    }

    /// The folder that `opened` refers to, wherever it is moved. `path` is where it was.
    #[cfg(unix)]
    pub(in crate::storage) fn from_opened(path: &Path, opened: Arc<File>) -> Self {
        Self { path: path.to_owned(), opened: Some(opened) }
    }

    /// The path of a name in the folder, for messages and for syncing.
    pub(in crate::storage) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file.
    pub(in crate::storage) fn open(&self, name: &str, mode: OpenMode) -> io::Result<File> {
        system::open(self, name, mode)
    }

    /// The status of a name; of a symlink itself, not of its target. None when the name does not exist.
    pub(in crate::storage) fn stat(&self, name: &str) -> io::Result<Option<FileStat>> {
        match system::find(self, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Renames a file, in place of the file that has the new name.
    pub(in crate::storage) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        system::rename(self, from, to)
    }

    /// Removes a file. It is no error when the file does not exist.
    pub(in crate::storage) fn remove(&self, name: &str) -> io::Result<()> {
        match system::remove(self, name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The names in the folder. A name that is not UTF-8 is none of this program's, and left out.
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

    /// The owner of a file that is created now: some network shares give all files to one user, whoever writes them.
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
            for mode in [OpenMode::Append, OpenMode::ReadWrite] {
                assert!(dir.open("a", mode).is_err(), "also a link that was made after the check");
            }
        }
    }
}
