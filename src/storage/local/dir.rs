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
use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::Error;

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

/// How a file is opened. No mode follows a symlink, and none opens a hard link for writing. On Windows a symlink is only looked
/// for before the file is opened, and a hard link is not.
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
    /// The same, for a file that only its owner can read.
    CreatePrivate,
}

/// The beginning of the name of a file that is created to learn the owner of new files. The name looks like a temporary manifest,
/// so that the file is removed like one when the program is killed in between.
const OWNER_PROBE: &str = ".manifest.json.owner";
/// How many of them this process has begun to create.
static PROBES: AtomicU64 = AtomicU64::new(0);

/// What has a name in the folder.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct FileStat {
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Whether it is a folder. A symlink to one is not.
    pub is_folder: bool,
    /// In bytes.
    pub size: u64,
    /// Whether it has other names, so that writing to it would change a file elsewhere.
    pub is_hard_link: bool,
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

    /// The error when `action` on the file called `name` fails. Its path is made only then.
    pub(in crate::storage) fn failed(&self, action: &'static str, name: &str) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::io(action, &self.join(name))(error)
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

    /// Renames a file. [`io::ErrorKind::AlreadyExists`] when anything has the new name: then nothing changes.
    pub(in crate::storage) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        for rename in [system::rename_no_replace, system::rename_by_link] {
            match rename(self, from, to) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                renamed => return renamed,
            }
        }
        // A file system without hard links. An empty file takes the name first, and the rename replaces that one.
        drop(self.open(to, OpenMode::CreateNew)?);
        self.rename(from, to).inspect_err(|_| _ = self.remove(to))
    }

    /// Renames a file to a name that nothing has in a folder of this process. [`io::ErrorKind::AlreadyExists`] when something has
    /// it all the same. Unlike [`Self::rename_new`] it never makes a second name or an empty file: where the system has no such
    /// rename, the name is looked up first.
    pub(in crate::storage) fn rename_to_free_name(&self, from: &str, to: &str) -> io::Result<()> {
        match system::rename_no_replace(self, from, to) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            renamed => return renamed,
        }
        if self.stat(to)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    /// The folder called `name` in it. An error when that is a symlink.
    pub(in crate::storage) fn subfolder(&self, name: &str) -> io::Result<Self> {
        system::subfolder(self, name)
    }

    /// Creates a folder.
    pub(in crate::storage) fn create_subfolder(&self, name: &str) -> io::Result<()> {
        system::create_subfolder(self, name)
    }

    /// Gives the file at `original` a second name here. An error when the name exists.
    pub(in crate::storage) fn hard_link(&self, original: &Path, name: &str) -> io::Result<()> {
        system::hard_link(self, original, name)
    }

    /// Creates a symlink to `target`. An error when the name exists.
    pub(in crate::storage) fn symlink(&self, target: &Path, name: &str) -> io::Result<()> {
        system::symlink(self, target, name)
    }

    /// The target of a symlink.
    pub(in crate::storage) fn read_link(&self, name: &str) -> io::Result<PathBuf> {
        system::read_link(self, name)
    }

    /// Creates the file `name` as a reflink: it shares the blocks of `source` until one of the two is changed. None where the
    /// file system can't do that; then there is no such file.
    pub(in crate::storage) fn reflink(&self, source: &File, name: &str) -> io::Result<Option<File>> {
        system::reflink(self, source, name)
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

    /// As [`Self::check_trusted`], for a reader that writes nothing: a file of the folder's owner is trusted too.
    pub(in crate::storage) fn check_trusted_by_reader(&self, name: &str) -> io::Result<bool> {
        let Some(found) = self.stat(name)?.filter(|found| found.is_file && !found.is_hard_link) else { return Ok(false) };
        Ok(found.owner == system::user() || self.stat(".")?.is_some_and(|folder| folder.owner == found.owner))
    }

    /// The owner of a file that is created now: some network shares give all files to one user, whoever writes them.
    fn probe_new_file_owner(&self) -> io::Result<Option<u32>> {
        // Several parts of a task may be resumed at once, so each probe has its own name.
        let name = format!("{OWNER_PROBE}-{}-{}", std::process::id(), PROBES.fetch_add(1, Ordering::Relaxed));
        self.remove(&name)?;
        drop(self.open(&name, OpenMode::CreateNew)?);
        let found = self.stat(&name)?;
        self.remove(&name)?;
        Ok(found.map(|found| found.owner))
    }
}

#[cfg(test)]
mod tests;
