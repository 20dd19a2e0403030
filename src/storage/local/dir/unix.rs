//! Names in a folder on Unix: every call goes through the open folder, when there is one.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};

use super::{Dir, FileStat, OpenMode};

/// The folder to resolve against, and the path to resolve.
fn resolve<'a>(dir: &'a Dir, name: &str) -> (BorrowedFd<'a>, PathBuf) {
    match &dir.opened {
        Some(folder) => (folder.as_fd(), name.into()),
        None => (CWD, dir.path.join(name)),
    }
}

pub(super) fn open(dir: &Dir, name: &str, mode: OpenMode) -> io::Result<File> {
    let (folder, path) = resolve(dir, name);
    let flags = match mode {
        // Opening a pipe in place of a file must not block.
        OpenMode::Read => OFlags::RDONLY | OFlags::NONBLOCK,
        OpenMode::ReadWrite => OFlags::RDWR | OFlags::NONBLOCK,
        OpenMode::Append => OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK,
        OpenMode::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
    };
    let file = openat(folder, path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::from_raw_mode(0o666))?;
    if matches!(mode, OpenMode::ReadWrite | OpenMode::Append) {
        // Another file may have taken the name since it was checked.
        let opened = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(opened.st_mode) != FileType::RegularFile || opened.st_nlink > 1 {
            return Err(io::Error::other("it is no plain file, or a hard link to a file elsewhere"));
        }
    }
    Ok(file.into())
}

pub(super) fn find(dir: &Dir, name: &str) -> io::Result<FileStat> {
    let (folder, path) = resolve(dir, name);
    let found = statat(folder, path, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileStat {
        is_file: FileType::from_raw_mode(found.st_mode) == FileType::RegularFile,
        size: u64::try_from(found.st_size).unwrap_or(0),
        is_hard_link: found.st_nlink > 1,
        owner: found.st_uid,
    })
}

pub(super) fn rename(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    let ((from_folder, from), (to_folder, to)) = (resolve(dir, from), resolve(dir, to));
    Ok(renameat(from_folder, from, to_folder, to)?)
}

pub(super) fn remove(dir: &Dir, name: &str) -> io::Result<()> {
    let (folder, path) = resolve(dir, name);
    Ok(unlinkat(folder, path, AtFlags::empty())?)
}

pub(super) fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let (folder, path) = resolve(dir, ".");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entries = rustix::fs::Dir::new(openat(folder, path, flags, Mode::empty())?)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        names.extend(entry.file_name().to_str().ok().filter(|name| !matches!(*name, "." | "..")).map(str::to_owned));
    }
    Ok(names)
}

pub(super) fn is_in_place(dir: &Dir) -> io::Result<bool> {
    let Some(folder) = &dir.opened else { return Ok(true) };
    let held = rustix::fs::fstat(folder)?;
    match statat(CWD, dir.path.as_path() as &Path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok((found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The user that new files of this process belong to.
pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
