//! The target folder of `export files`: the files in it, and the record of what was exported there.
//!
//! The folder is locked, so that two runs on it plan no name twice. Before a file gets its name, the record says so (planned);
//! when the name is durable, the record says that too (done). So a run that is killed at any instant leaves no file that the next
//! one would export again under a second name. A file gets its name when its bytes are durable. One sync does that for many
//! files, and another one for their names.
//!
//! Everything else in the folder belongs to the user. Nothing is replaced, not even a file that appears in the last moment, and no
//! symlink below the folder is followed. The folder itself may be a link. It is never in the archive, nor is anything written into
//! an archive that is inside the folder.

mod find;
mod folders;
mod record_log;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::dir::Dir;
use super::free_space::disk_free_space;
use super::lock::{Lock, LockWait};
use super::path_check::refuse_archive;
use super::staged_copy::{CopySource, PREFIX, StagedCopy};
use super::synced_disk::SyncedDisk;
use crate::domain::export_record::{ExportRecord, ExportedFile};
use crate::storage::{Error, failpoint};
pub(crate) use find::Found;
use record_log::RecordLog;

/// Files whose names become durable together.
const BATCH: usize = 64;

/// The folder, locked.
pub(crate) struct ExportDir {
    path: PathBuf,
    root: Dir,
    /// The archive, which is never written to.
    archive: PathBuf,
    log: RecordLog,
    disk: SyncedDisk,
    /// The folder of the last file: files come in order.
    folder: Option<(String, Dir)>,
    /// Files that have their names, which are not durable yet.
    named: Vec<ExportedFile>,
    changed_folders: BTreeSet<PathBuf>,
    can_reflink: bool,
    _lock: Lock,
}

impl ExportDir {
    /// Opens the folder at `path`, which is created when it does not exist. Nothing in it is in `archive`, a canonical path.
    ///
    /// # Errors
    /// When it is no folder, is in the archive or can't be locked, or its record can't be used.
    pub(crate) fn open(path: &Path, archive: &Path, wait: &LockWait) -> Result<Self, Error> {
        refuse_archive(path, archive)?;
        fs::create_dir_all(path).map_err(|error| match path.is_file() {
            true => Error::NotAFolder(path.to_owned()),
            false => Error::io("create", path)(error),
        })?;
        refuse_archive(path, archive)?;
        let canonical = dunce::canonicalize(path).map_err(Error::io("open", path))?;
        let lock = Lock::lock_folder(&canonical, wait)?;
        let root = lock.open_dir(&canonical).map_err(Error::io("open", path))?;
        let log = RecordLog::open(&root)?;
        let disk = SyncedDisk::new(&canonical);
        Ok(Self {
            path: canonical,
            root,
            archive: archive.to_owned(),
            log,
            disk,
            folder: None,
            named: Vec::new(),
            changed_folders: BTreeSet::new(),
            can_reflink: true,
            _lock: lock,
        })
    }

    /// What was exported.
    #[must_use]
    pub(crate) fn record(&self) -> &ExportRecord {
        self.log.record()
    }

    /// The free space, where the system reports it.
    #[must_use]
    pub(crate) fn free_space(&self) -> Option<u64> {
        disk_free_space(&self.path)
    }

    /// The error when copies do not fit.
    #[must_use]
    pub(crate) fn not_enough_space(&self, needed: u64, available: u64) -> Error {
        Error::NotEnoughSpace { path: self.path.clone(), needed, available }
    }

    /// The names in a folder; none when there is no such folder. What killed runs left there is removed.
    ///
    /// # Errors
    /// When it can't be listed.
    pub(crate) fn names(&mut self, folder: &str) -> Result<Vec<String>, Error> {
        let path = self.folder_path(folder);
        let dir = match self.dir(folder, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            dir => dir.map_err(Error::io("open", &path))?,
        };
        let mut names = dir.names().map_err(Error::io("list", &path))?;
        names.retain(|name| {
            let is_left = name.starts_with(PREFIX);
            if is_left {
                // What can't be removed harms nothing.
                let _ = dir.remove(name);
            }
            !is_left
        });
        Ok(names)
    }

    /// Whether `name` in a folder is a folder that files can be exported to.
    ///
    /// # Errors
    /// When the disk can't say.
    pub(crate) fn is_folder(&mut self, folder: &str, name: &str) -> Result<bool, Error> {
        let path = self.folder_path(folder).join(name);
        let found = self.dir(folder, false).and_then(|dir| dir.stat(name)).map_err(Error::io("check", &path))?;
        Ok(found.is_some_and(|found| found.is_folder) && path != self.archive)
    }

    /// Records planned files, durably.
    ///
    /// # Errors
    /// When the record can't be written.
    pub(crate) fn plan(&mut self, files: Vec<ExportedFile>) -> Result<(), Error> {
        self.log.append(files)?;
        self.log.sync()?;
        failpoint::reached("export-planned");
        Ok(())
    }

    /// Begins the copy that gets the name of `file`: a reflink where the disk can, unless `reads` asks for a copy whose bytes are
    /// compared with the recorded hash.
    ///
    /// # Errors
    /// When the source is not as recorded, or the disk fails.
    pub(crate) fn stage(&mut self, file: &ExportedFile, source: &CopySource, reads: bool) -> Result<StagedCopy, Error> {
        let (path, dir) = self.place(file)?;
        if self.can_reflink && !reads && source.is_on_disk() {
            if let Some(copy) = StagedCopy::reflink(&dir, &path, source)? {
                return Ok(copy);
            }
            self.can_reflink = false;
        }
        let mut copy = StagedCopy::empty(&dir, &path)?;
        copy.fill(source)?;
        Ok(copy)
    }

    /// Begins the copies of files that are in a bucket. They are downloaded many at once, and compared with the recorded hashes.
    #[cfg(feature = "bucket")]
    pub(crate) fn download(&mut self, files: &[(&ExportedFile, &CopySource)]) -> Vec<Result<StagedCopy, Error>> {
        let mut copies: Vec<Result<StagedCopy, Error>> =
            files.iter().map(|(file, _)| self.place(file).and_then(|(path, dir)| StagedCopy::empty(&dir, &path))).collect();
        let empty = copies.iter_mut().zip(files).filter_map(|(copy, (_, source))| Some((copy.as_mut().ok()?, *source)));
        let mut downloaded = StagedCopy::download_all(empty.collect()).into_iter();
        let filled = copies.into_iter().map(|copy| copy.and_then(|copy| downloaded.next().unwrap_or(Ok(())).map(|()| copy)));
        filled.collect()
    }

    /// The path of a file, and its folder, which is created when it does not exist.
    fn place(&mut self, file: &ExportedFile) -> Result<(PathBuf, Dir), Error> {
        let path = self.path.join(&file.name);
        let dir = self.dir(split(&file.name).0, true).map_err(Error::io("create a folder for", &path))?;
        Ok((path, dir))
    }

    /// Tries whether a reflink of `source` can be made here.
    ///
    /// # Errors
    /// When the source can't be read, or the disk fails.
    pub(crate) fn try_reflink(&mut self, source: &CopySource) -> Result<bool, Error> {
        if !source.is_on_disk() {
            return Ok(false);
        }
        self.can_reflink = StagedCopy::reflink(&self.root, &self.path, source)?.is_some();
        Ok(self.can_reflink)
    }

    /// Gives copies their names. Returns for each, in order, whether it has its name: false when that is taken.
    ///
    /// # Errors
    /// When the record can't be written. What the disk refuses for one copy is the result of that one.
    pub(crate) fn publish(&mut self, copies: Vec<(StagedCopy, ExportedFile)>) -> Result<Vec<Result<bool, Error>>, Error> {
        let paths: Vec<PathBuf> = copies.iter().map(|(copy, _)| copy.path()).collect();
        let synced = self.disk.sync(paths.iter().map(PathBuf::as_path));
        let with_hash = copies.iter().map(|(_, file)| file).filter(|file| file.sha256.is_some());
        self.log.append(with_hash.cloned().collect())?;
        failpoint::reached("export-copied");
        let mut results = Vec::new();
        for ((mut copy, file), path) in copies.into_iter().zip(&paths) {
            let named = copy.publish(split(&file.name).1, synced.result(path));
            failpoint::reached("export-named");
            if let Ok(true) = named {
                self.set_named(&file)?;
            }
            results.push(named);
        }
        Ok(results)
    }

    /// Makes a symlink to `source`, or a second name of it. False when the name is taken.
    ///
    /// # Errors
    /// When the disk fails, or has no such links.
    pub(crate) fn link(&mut self, file: &ExportedFile, source: &CopySource, is_symlink: bool) -> Result<bool, Error> {
        let (folder, name) = split(&file.name);
        let path = self.folder_path(folder);
        let dir = self.dir(folder, true).map_err(Error::io("create a folder for", &path))?;
        let linked = if is_symlink { dir.symlink(&link_target(&path, source), name) } else { dir.hard_link(&source.path, name) };
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(source) => Err(Error::NoLink { path, source }),
            Ok(()) => self.set_named(file).map(|()| true),
        }
    }

    /// Records that a file has its name: now, or since a run that was killed.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn set_named(&mut self, file: &ExportedFile) -> Result<(), Error> {
        self.changed_folders.insert(self.folder_path(split(&file.name).0));
        let mut named = file.clone();
        named.done = true;
        self.named.push(named);
        if self.named.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes all names durable, and then the record of them.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        self.log.sync()
    }

    fn flush(&mut self) -> Result<(), Error> {
        let folders = std::mem::take(&mut self.changed_folders);
        let synced = self.disk.sync(folders.iter().map(PathBuf::as_path));
        for folder in &folders {
            synced.result(folder).map_err(Error::io("sync", folder))?;
        }
        self.log.append(std::mem::take(&mut self.named))?;
        failpoint::reached("export-recorded");
        Ok(())
    }
}

/// The folder and the last part of a name.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

/// The path of a symlink in `folder` to `source`: relative, so that both can be moved together. Absolute across disks of Windows.
fn link_target(folder: &Path, source: &CopySource) -> PathBuf {
    pathdiff::diff_paths(&source.path, folder).unwrap_or_else(|| source.path.clone())
}

#[cfg(test)]
mod tests;
