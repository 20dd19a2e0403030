//! The root of a local archive: whether this program wrote it, and where its tasks are.
//!
//! It refuses a root whose manifest or checksum list another program wrote, and one that is a single task's folder. Everything
//! that writes to the archive starts here: a task with [`LocalArchive::lease`], the root's files with
//! [`LocalArchive::update_index`].

use std::fs;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::dir::{Dir, OpenMode};
use super::dirty_marker::DirtyMarker;
use super::free_space::disk_free_space;
use super::group_sync::GroupSync;
use super::lease::TaskLease;
use super::lock::{self, LockWait};
use super::manifest_files::{self, RootIdentity};
use super::recent_commits::RecentCommits;
use super::root_lookup::RootManifestLookup;
use super::root_manifest::{self, RebuiltIndex};
use super::sums_list::names_task_files_only;
use super::task_dir::{TaskDir, TaskSnapshot};
use super::{atomic, path_check};
use crate::domain::task::TaskId;
use crate::layout::{self, MANIFEST, SHA256SUMS};
use crate::storage::{Error, Report};

/// An archive on a local disk, open for writing. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LocalArchive {
    root: PathBuf,
    dirty_marker: Arc<DirtyMarker>,
    group_sync: Arc<GroupSync>,
    root_lookup: Arc<RootManifestLookup>,
    recent: Arc<RecentCommits>,
    /// Whether the root itself is the folder of the only task.
    is_single: bool,
}

impl LocalArchive {
    /// The archive at `root`, which may not exist yet. Creates nothing.
    ///
    /// # Errors
    /// When the root is foreign, or of a later version.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let archive = Self {
            root: root.to_owned(),
            dirty_marker: Arc::new(DirtyMarker::new(root)),
            group_sync: Arc::new(GroupSync::new(root)),
            root_lookup: Arc::new(RootManifestLookup::new(root)),
            recent: Arc::default(),
            is_single: false,
        };
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => archive.refuse_foreign()?,
            Ok(_) => return Err(Error::Foreign(root.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("open", root)(error)),
        }
        Ok(archive)
    }

    /// The one task's folder at `root`, as an archive of one task. It has no root files to keep up to date.
    #[must_use]
    pub(crate) fn single_task(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            dirty_marker: Arc::new(DirtyMarker::disabled(root)),
            group_sync: Arc::new(GroupSync::new(root)),
            root_lookup: Arc::new(RootManifestLookup::new(root)),
            recent: Arc::default(),
            is_single: true,
        }
    }

    /// Creates the root folder when it is missing.
    ///
    /// # Errors
    /// When it can't be created.
    pub(crate) fn create(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.root).map_err(Error::io("create", &self.root))?;
        match self.root.canonicalize().ok().as_deref().and_then(Path::parent) {
            Some(parent) => atomic::sync_folder(parent).or(Ok(())),
            None => Ok(()),
        }
    }

    /// What the archive has of a task, without its lock. An empty snapshot when it has nothing. Blocks.
    ///
    /// # Errors
    /// When the task's folder or manifest is foreign, belongs to another task or can't be read.
    pub(crate) fn read(&self, id: &TaskId) -> Result<TaskSnapshot, Error> {
        self.task_dir(id).read_snapshot()
    }

    /// Locks a task's folder, which is created when it is missing. None while another process holds the lock. Blocks.
    ///
    /// # Errors
    /// When something else has the folder's name, or the folder can't be created or locked.
    pub(crate) fn lease(&self, id: &TaskId) -> Result<Option<Arc<TaskLease>>, Error> {
        self.task_dir(id).try_lease()
    }

    /// As [`Self::lease`], as soon as no other process holds the lock. `wait` reports a long wait, and can end it. Blocks.
    ///
    /// # Errors
    /// [`Error::Locked`] when `wait` ended first; else as for [`Self::lease`].
    pub(crate) fn lease_when_free(&self, id: &TaskId, wait: &LockWait) -> Result<Arc<TaskLease>, Error> {
        let (started, mut is_reported) = (Instant::now(), false);
        loop {
            if let Some(lease) = self.lease(id)? {
                return Ok(lease);
            }
            if wait.is_cancelled() {
                return Err(Error::Locked(self.task_path(&self.root, id)));
            }
            let waited = started.elapsed();
            if waited >= lock::REPORT_AFTER && !is_reported {
                wait.report(&self.waiting_message(id));
                is_reported = true;
            }
            thread::sleep(lock::poll_interval(waited));
        }
    }

    /// The message for a person who waits for the lease of a task.
    #[must_use]
    pub(crate) fn waiting_message(&self, id: &TaskId) -> String {
        lock::waiting_message(&self.task_path(&self.root, id))
    }

    /// The path of a task's folder when the archive is at `root`: as the user wrote it, for messages.
    #[must_use]
    pub(crate) fn task_path(&self, root: &Path, id: &TaskId) -> PathBuf {
        if self.is_single { root.to_owned() } else { root.join(layout::folder_name(id.as_str())) }
    }

    fn task_dir(&self, id: &TaskId) -> TaskDir {
        let path = self.task_path(&self.root, id);
        TaskDir {
            id: id.as_str().to_owned(),
            path,
            dirty_marker: Arc::clone(&self.dirty_marker),
            group_sync: Arc::clone(&self.group_sync),
            root_lookup: Arc::clone(&self.root_lookup),
            recent: Arc::clone(&self.recent),
        }
    }

    /// How many bytes the disk has left for media, where the system reports that. The space to rewrite the root's files is not
    /// counted.
    #[must_use]
    pub(crate) fn free_space(&self) -> Option<u64> {
        let size = |name: &str| fs::symlink_metadata(self.root.join(name)).map_or(0, |found| found.len());
        disk_free_space(&self.root).map(|free| free.saturating_sub(size(MANIFEST) + size(SHA256SUMS)))
    }

    /// Makes sure that the archive can be written to. Returns a warning when the system has no locks there. Blocks.
    ///
    /// # Errors
    /// [`Error::NotWritable`].
    pub(crate) fn check_writable(&self) -> Result<Option<String>, Error> {
        self.probe_with(|file| lock::missing_locks_warning(file, &self.root))
            .map_err(|source| Error::NotWritable { path: self.root.clone(), source })
    }

    /// Writes a little to the disk and removes it again.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn probe_write(&self) -> io::Result<()> {
        self.probe_with(|_| ())
    }

    /// Writes a new file in the root, calls `examine` with it, and removes it. When this process is killed, the file is removed
    /// by the next writer of the root.
    fn probe_with<T>(&self, examine: impl FnOnce(&fs::File) -> T) -> io::Result<T> {
        let dir = Dir::at(&self.root);
        let (name, mut file) = atomic::create_temporary(&dir, MANIFEST, OpenMode::CreateNew)?;
        let written = file.write_all(&[0; 4096]).and_then(|()| file.sync_data());
        let examined = written.map(|()| examine(&file));
        // Closed first: some systems can't remove an open file.
        drop(file);
        dir.remove(&name)?;
        examined
    }

    /// Updates the index of the archive from the task folders of `changed`. On a local disk the index is the root manifest and
    /// `SHA256SUMS`; in a bucket it is the index objects (`docs/contract.md`, section 9).
    ///
    /// The tasks whose fingerprints are in `reused` should be in the root manifest already; when one is not, the root is
    /// rebuilt. Unless `is_all`, this run may have committed more tasks than `changed` names, and the dirty marker stays for the
    /// next run.
    ///
    /// # Errors
    /// When the disk fails, or `wait` ended before the root's lock was free. Then the old files are unchanged.
    pub(crate) fn update_index(
        &self,
        changed: Vec<TaskId>,
        reused: &[u128],
        is_all: bool,
        wait: &LockWait,
    ) -> Result<Report, Error> {
        if self.is_single {
            return Ok(Report::default());
        }
        let report = root_manifest::update(&self.root, changed, reused, &self.recent, wait)?;
        if is_all {
            self.dirty_marker.clear();
        }
        Ok(report)
    }

    /// Writes the index anew from the task folders. On a local disk the index is the root manifest and `SHA256SUMS`; in a bucket
    /// it is the index objects (`docs/contract.md`, section 9). A task that can't be read in its folder keeps its entry.
    ///
    /// # Errors
    /// When the disk fails, or `wait` ended before the root's lock was free. Then the old files are unchanged.
    pub(crate) fn rebuild_index(&self, wait: &LockWait) -> Result<RebuiltIndex, Error> {
        root_manifest::rebuild(&self.root, wait)
    }

    fn refuse_foreign(&self) -> Result<(), Error> {
        let found = manifest_files::identify_root(&self.root)?;
        if found == RootIdentity::SingleTask {
            return Err(Error::SingleTask(self.root.clone()));
        }
        let sums = self.root.join(SHA256SUMS);
        let fail = |error| Error::io("read", &sums)(error);
        let is_ours = match path_check::lstat(&sums).map_err(fail)? {
            None => true,
            Some(found) if !found.is_file() => false,
            Some(_) => {
                let open = || fs::File::open(&sums).map(BufReader::new);
                found != RootIdentity::Missing || open().and_then(names_task_files_only).map_err(fail)?
            }
        };
        if is_ours { Ok(()) } else { Err(Error::Foreign(sums)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_archive_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let hash = "0".repeat(64);
        let ours = r#"{"manifest_version":1,"tasks":[]}"#;
        for (manifest, sums, is_opened) in [
            (None, None, true),
            (Some(ours), None, true),
            (Some(""), None, true),
            (Some(ours), Some("anything".to_owned()), true),
            (None, Some(format!("{hash}  t1/video-1.mp4\n")), true),
            (None, Some(String::new()), true),
            (None, Some(format!("{hash}  t1/video-1.mp4\n{hash}  linux.iso\n")), false),
            (None, Some(format!("{hash} *t1/video-1.mp4\n")), false),
            (None, Some(format!("{hash}  photos/summer.jpg\n")), false),
            (None, Some(format!("{hash}  t1/text.txt\n{hash}  t1/image-01.png\n")), true),
            (None, Some(format!("{hash}  t1/text-0123456789abcdef.txt\n{hash}  t1/image-1-0123456789abcdef.png\n")), true),
            (None, Some(format!("{hash}  t1/text-notes.txt\n")), false),
            (None, Some("notes".to_owned()), false),
            (Some(r#"{"name":"my app"}"#), None, false),
            (Some(r#"{"manifest_version":2,"tasks":[]}"#), None, false),
        ] {
            for (name, content) in [(MANIFEST, manifest.map(str::to_owned)), (SHA256SUMS, sums.clone())] {
                let _ = fs::remove_file(path.join(name));
                if let Some(content) = content {
                    fs::write(path.join(name), content).unwrap();
                }
            }
            assert_eq!(LocalArchive::open(path).is_ok(), is_opened, "{manifest:?} {sums:?}");
        }
    }

    #[test]
    fn file_is_no_archive_and_missing_folder_is_created() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(matches!(LocalArchive::open(&file), Err(Error::Foreign(_))));
        let missing = folder.path().join("a/b");
        let archive = LocalArchive::open(&missing).unwrap();
        assert!(!missing.exists());
        archive.create().unwrap();
        assert!(missing.is_dir());
    }
}
