//! Makes many files, and the names in many folders, durable.
//!
//! With few paths, or on a file system that is not known to report failures of `syncfs`, each path is synced separately. Else one
//! call makes the whole file system durable.
//!
//! Some file systems can't sync a folder (CIFS, many in user space). There the names are durable when the system makes them so,
//! and nothing else is lost. A file that can't be synced is an error.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::storage::error::{clone_io_error, is_unsupported};
use crate::threads;

/// Up to this many paths are synced one by one: `syncfs` also waits for the writes of other programs.
const MAX_INDIVIDUAL_SYNCS: usize = 8;

/// A disk whose files and folders are synced many at once.
pub(super) struct SyncedDisk {
    /// None where each path must be synced separately.
    system: Option<File>,
}

/// What a sync of many paths did.
pub(super) struct Synced {
    pub is_many: bool,
    all: io::Result<()>,
    errors: HashMap<PathBuf, io::Error>,
}

impl SyncedDisk {
    /// The disk with `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { system: open_file_system(root) }
    }

    /// A disk where each path is synced separately.
    pub(super) fn unknown() -> Self {
        Self { system: None }
    }

    /// Makes files, and the names in folders, durable.
    pub(super) fn sync<'a>(&mut self, paths: impl Iterator<Item = &'a Path> + Clone) -> Synced {
        let few = few_distinct(paths.clone());
        let is_many = few.is_none();
        if is_many && let Some(system) = self.system.take() {
            match sync_system(&system) {
                Ok(()) => {
                    self.system = Some(system);
                    return Synced { is_many, all: Ok(()), errors: HashMap::new() };
                }
                // The system reports a failure once, and it may concern a path of the next group. So it is not used again.
                Err(error) if !is_sync_unsupported(&error) => return Synced { is_many, all: Err(error), errors: HashMap::new() },
                Err(_) => {}
            }
        }
        let errors = few.map_or_else(|| sync_each(paths.collect()), sync_in_turn);
        Synced { is_many, all: Ok(()), errors }
    }
}

impl Synced {
    /// Whether nothing failed that concerns all paths.
    pub(super) fn all(&self) -> io::Result<()> {
        self.all.as_ref().copied().map_err(clone_io_error)
    }

    /// Whether one of the paths is durable.
    pub(super) fn result(&self, path: &Path) -> io::Result<()> {
        self.all().and(self.errors.get(path).map_or(Ok(()), |error| Err(clone_io_error(error))))
    }
}

/// The different paths, unless there are more than are synced one by one. To sort all paths of a large group would cost more than
/// its sync.
fn few_distinct<'a>(paths: impl Iterator<Item = &'a Path>) -> Option<Vec<&'a Path>> {
    let mut distinct: Vec<&Path> = Vec::new();
    for path in paths {
        if !distinct.iter().any(|known| known.as_os_str() == path.as_os_str()) {
            if distinct.len() == MAX_INDIVIDUAL_SYNCS {
                return None;
            }
            distinct.push(path);
        }
    }
    Some(distinct)
}

/// Syncs each path separately, on all cores. Returns the errors, by path.
fn sync_each(paths: BTreeSet<&Path>) -> HashMap<PathBuf, io::Error> {
    match threads::cpu_pool() {
        Ok(pool) => pool.install(|| paths.into_par_iter().filter_map(sync_path).collect()),
        Err(_) => sync_in_turn(paths),
    }
}

/// Syncs each path separately. Returns the errors, by path.
fn sync_in_turn<'a>(paths: impl IntoIterator<Item = &'a Path>) -> HashMap<PathBuf, io::Error> {
    paths.into_iter().filter_map(sync_path).collect()
}

fn sync_path(path: &Path) -> Option<(PathBuf, io::Error)> {
    sync(path).err().map(|error| (path.to_owned(), error))
}

/// Makes a file, or the names in a folder, durable. A folder that can't be synced is skipped.
#[cfg(unix)]
pub(super) fn sync(path: &Path) -> io::Result<()> {
    match open_to_sync(path).and_then(|file| file.sync_all()) {
        Err(error) if is_sync_unsupported(&error) && path.is_dir() => Ok(()),
        synced => synced,
    }
}

/// Makes a file durable. Windows can sync only a file that is open for writing. It can't sync folders, and they need no sync.
#[cfg(not(unix))]
pub(super) fn sync(path: &Path) -> io::Result<()> {
    if path.is_dir() { Ok(()) } else { std::fs::OpenOptions::new().write(true).open(path)?.sync_all() }
}

/// Whether the system can't sync this, or the user may not: a folder that may be written and not read can't be opened for it.
fn is_sync_unsupported(error: &io::Error) -> bool {
    is_unsupported(error) || error.kind() == io::ErrorKind::PermissionDenied
}

/// A pipe may have taken the place of the file: opening it must not block.
#[cfg(unix)]
fn open_to_sync(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let file = File::from(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
    let found = file.metadata()?;
    if found.is_file() || found.is_dir() { Ok(file) } else { Err(io::Error::other("it is neither a file nor a folder any more")) }
}

/// The file system of `root`, where one call makes all of it durable and reports failures.
#[cfg(target_os = "linux")]
fn open_file_system(root: &Path) -> Option<File> {
    // ext2 to ext4, XFS, Btrfs, F2FS, tmpfs. Others may be remote or in user space, where `syncfs` does nothing.
    const KNOWN: [u32; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994];
    let system = File::open(root).ok()?;
    let kind = rustix::fs::fstatfs(&system).ok()?.f_type;
    // Before Linux 5.8 `syncfs` did not report failures.
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next()?, numbers.next()?);
    let is_known = u32::try_from(kind).is_ok_and(|kind| KNOWN.contains(&kind));
    (is_known && version >= (5, 8)).then_some(system)
}

#[cfg(not(target_os = "linux"))]
fn open_file_system(_: &Path) -> Option<File> {
    None
}

#[cfg(target_os = "linux")]
fn sync_system(system: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(system)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_system(system: &File) -> io::Result<()> {
    system.sync_all()
}
