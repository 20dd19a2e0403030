//! Names in a folder on Windows: every call uses the folder's path.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use winapi_util::Handle;
use winapi_util::file::information;

use super::{Dir, FileStat, OpenMode};

/// A virus scanner or a reader can have a file open for a moment, and then it can't be replaced.
const RENAME_RETRY_DELAYS_MS: [u64; 8] = [1, 5, 20, 50, 100, 200, 400, 800];

pub(super) fn open(dir: &Dir, name: &str, mode: OpenMode) -> io::Result<File> {
    let path = dir.path.join(name);
    if !matches!(mode, OpenMode::CreateNew | OpenMode::CreatePrivate) && fs::symlink_metadata(&path)?.is_symlink() {
        return Err(io::Error::other("it is a symlink"));
    }
    let mut options = OpenOptions::new();
    match mode {
        OpenMode::Read => options.read(true),
        OpenMode::ReadWrite => options.read(true).write(true),
        OpenMode::Append => options.append(true),
        // A private file inherits the access list of its folder, which is the user's own.
        OpenMode::CreateNew | OpenMode::CreatePrivate => options.read(true).write(true).create_new(true),
    };
    options.open(path)
}

pub(super) fn find(dir: &Dir, name: &str) -> io::Result<FileStat> {
    let path = dir.path.join(name);
    let found = fs::symlink_metadata(&path)?;
    let is_hard_link = found.is_file() && information(Handle::from_path(&path)?)?.number_of_links() > 1;
    Ok(FileStat { is_file: found.is_file(), is_folder: found.is_dir(), size: found.len(), is_hard_link, owner: 0 })
}

pub(super) fn rename(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    let (from, to) = (dir.path.join(from), dir.path.join(to));
    for pause in RENAME_RETRY_DELAYS_MS {
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => thread::sleep(Duration::from_millis(pause)),
            renamed => return renamed,
        }
    }
    fs::rename(&from, &to)
}

/// The system has no rename that fails when the name is taken.
pub(super) fn rename_no_replace(_: &Dir, _: &str, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Renames a file by way of a second name for it. [`io::ErrorKind::Unsupported`] where the file system has no hard links.
pub(super) fn rename_by_link(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    let (from, to) = (dir.path.join(from), dir.path.join(to));
    match fs::hard_link(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => Err(io::ErrorKind::Unsupported.into()),
        Ok(()) => fs::remove_file(&from),
    }
}

pub(super) fn subfolder(dir: &Dir, name: &str) -> io::Result<Dir> {
    let path = dir.path.join(name);
    // A junction is no folder either.
    if !fs::symlink_metadata(&path)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(Dir::at(&path))
}

pub(super) fn create_subfolder(dir: &Dir, name: &str) -> io::Result<()> {
    fs::create_dir(dir.path.join(name))
}

pub(super) fn hard_link(dir: &Dir, original: &Path, name: &str) -> io::Result<()> {
    fs::hard_link(original, dir.path.join(name))
}

#[cfg(windows)]
pub(super) fn symlink(dir: &Dir, target: &Path, name: &str) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, dir.path.join(name))
}

#[cfg(not(windows))]
pub(super) fn symlink(_: &Dir, _: &Path, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn read_link(dir: &Dir, name: &str) -> io::Result<PathBuf> {
    fs::read_link(dir.path.join(name))
}

/// Windows has reflinks on few disks, and makes them itself when it copies there.
#[expect(clippy::unnecessary_wraps, reason = "its twin on Unix can fail")]
pub(super) fn reflink(_: &Dir, _: &File, _: &str) -> io::Result<Option<File>> {
    Ok(None)
}

pub(super) fn remove(dir: &Dir, name: &str) -> io::Result<()> {
    fs::remove_file(dir.path.join(name))
}

pub(super) fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir.path)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

pub(super) fn is_in_place(_: &Dir) -> io::Result<bool> {
    Ok(true)
}

/// Windows has no numbers for users.
pub(super) fn user() -> u32 {
    0
}
