//! Names in a folder on Unix: every call goes through the open folder, when there is one.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, linkat, mkdirat, openat, readlinkat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

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
        OpenMode::CreateNew | OpenMode::CreatePrivate => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
    };
    let permissions = if mode == OpenMode::CreatePrivate { 0o600 } else { 0o666 };
    let file = openat(folder, path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::from_raw_mode(permissions))?;
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
        is_folder: FileType::from_raw_mode(found.st_mode) == FileType::Directory,
        size: u64::try_from(found.st_size).unwrap_or(0),
        is_hard_link: found.st_nlink > 1,
        owner: found.st_uid,
    })
}

pub(super) fn rename(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    let ((from_folder, from), (to_folder, to)) = (resolve(dir, from), resolve(dir, to));
    Ok(renameat(from_folder, from, to_folder, to)?)
}

/// Renames a file to a name that must be free. [`io::ErrorKind::Unsupported`] where the file system has no such rename.
pub(super) fn rename_no_replace(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        let ((from_folder, from), (to_folder, to)) = (resolve(dir, from), resolve(dir, to));
        match renameat_with(from_folder, from, to_folder, to, RenameFlags::NOREPLACE) {
            Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => Err(io::ErrorKind::Unsupported.into()),
            renamed => Ok(renamed?),
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    {
        let _ = (dir, from, to);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The same by way of a second name for the file. [`io::ErrorKind::Unsupported`] where the file system has no hard links.
pub(super) fn rename_by_link(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    let ((from_folder, from), (to_folder, to)) = (resolve(dir, from), resolve(dir, to));
    match linkat(from_folder, &from, to_folder, to, AtFlags::empty()) {
        // Without hard links, some file systems say EPERM.
        Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP | Errno::PERM) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(unlinkat(from_folder, from, AtFlags::empty())?),
    }
}

pub(super) fn subfolder(dir: &Dir, name: &str) -> io::Result<Dir> {
    let (folder, path) = resolve(dir, name);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(folder, path, flags, Mode::empty())?;
    Ok(Dir::from_opened(&dir.join(name), Arc::new(opened.into())))
}

pub(super) fn create_subfolder(dir: &Dir, name: &str) -> io::Result<()> {
    let (folder, path) = resolve(dir, name);
    Ok(mkdirat(folder, path, Mode::from_raw_mode(0o777))?)
}

pub(super) fn hard_link(dir: &Dir, original: &Path, name: &str) -> io::Result<()> {
    let (folder, path) = resolve(dir, name);
    Ok(linkat(CWD, original, folder, path, AtFlags::empty())?)
}

pub(super) fn symlink(dir: &Dir, target: &Path, name: &str) -> io::Result<()> {
    let (folder, path) = resolve(dir, name);
    Ok(symlinkat(target, folder, path)?)
}

pub(super) fn read_link(dir: &Dir, name: &str) -> io::Result<PathBuf> {
    let (folder, path) = resolve(dir, name);
    let target = readlinkat(folder, path, Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()).into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn reflink(dir: &Dir, source: &File, name: &str) -> io::Result<Option<File>> {
    let file = open(dir, name, OpenMode::CreateNew)?;
    match rustix::fs::ioctl_ficlone(&file, source) {
        Ok(()) => Ok(Some(file)),
        Err(error) => {
            remove(dir, name)?;
            // Every other error means that a copy is needed.
            if matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::IO) { Err(error.into()) } else { Ok(None) }
        }
    }
}

#[cfg(target_vendor = "apple")]
pub(super) fn reflink(dir: &Dir, source: &File, name: &str) -> io::Result<Option<File>> {
    let (folder, path) = resolve(dir, name);
    match rustix::fs::fclonefileat(source, folder, path, rustix::fs::CloneFlags::empty()) {
        // The clone may be read-only, as its source.
        Ok(()) => open(dir, name, OpenMode::Read).map(Some),
        Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::EXIST)) => Err(error.into()),
        // Every other error means that a copy is needed.
        Err(_) => Ok(None),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn reflink(_: &Dir, _: &File, _: &str) -> io::Result<Option<File>> {
    Ok(None)
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
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The user that new files of this process belong to.
pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
