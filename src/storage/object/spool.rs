//! The spool: a folder on a local disk, where files are downloaded before they are uploaded to a bucket.
//!
//! It has the layout of a local archive, so that downloads use the same code: parts, journals, locks. A task's folder is removed
//! once the task is committed. The default spool is a temporary folder, which goes with the run. In a folder that the user names,
//! the parts of a killed run stay, and the next run resumes them; each bucket has a folder of its own there.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::domain::manifest::TaskEntry;
use crate::layout;
use crate::storage::local::archive::LocalArchive;
use crate::storage::local::atomic;
use crate::storage::{Error, LocalLease};

/// The spool of one bucket.
#[derive(Debug)]
pub(super) struct Spool {
    pub archive: LocalArchive,
    /// Removes the folder when it is dropped.
    _temporary: Option<TempDir>,
}

impl Spool {
    /// The spool of the archive at `url`, in `folder`, which is not created here, or in a temporary folder.
    ///
    /// # Errors
    /// When a temporary folder can't be created, or the folder holds something that is not ours.
    pub(super) fn open(folder: Option<&Path>, url: &str) -> Result<Self, Error> {
        let (root, temporary) = if let Some(folder) = folder {
            (folder.join(layout::folder_name(url)), None)
        } else {
            let temporary = atomic::temporary_folder("yescale-spool-")?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let archive = LocalArchive::open(&root)?;
        Ok(Self { archive, _temporary: temporary })
    }
}

/// Removes the folder of a task whose manifest has `entry`. Parts of files that are still missing stay, and so does the folder.
/// Blocks.
pub(super) fn clean_up(lease: &LocalLease, entry: &TaskEntry) {
    lease.cleanup(entry);
    // It is not empty while parts are left, or where the lock is a file in it. Then it goes with the spool.
    let _ = fs::remove_dir(lease.folder());
}
