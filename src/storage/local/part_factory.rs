//! Part files in a leased task folder: all that a download needs of the lease.
//!
//! A download makes its part here and stages the complete file here. It can neither publish nor commit: the job does that, with
//! the lease. A factory, and so every download under way, keeps the lease and its lock alive.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use super::commit_log;
use super::dir::Dir;
use super::lease::TaskLease;
use crate::domain::asset_key::AssetKey;
use crate::domain::event::Counter;
use crate::layout;
use crate::storage::Error;
use crate::storage::error::is_unsupported;
use crate::storage::staging::journal;
use crate::storage::staging::part::{Part, Sealed};
use crate::storage::staging::staged_file::StagedFile;

/// Makes the parts of one task and stages the complete ones. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PartFactory {
    lease: Arc<TaskLease>,
    /// Whether small files are held in memory until their task is committed.
    holds_small_files: bool,
}

impl TaskLease {
    /// The factory for parts in this folder.
    #[must_use]
    pub(crate) fn parts(self: &Arc<Self>) -> PartFactory {
        PartFactory { lease: Arc::clone(self), holds_small_files: true }
    }
}

impl PartFactory {
    /// The same, with all files on the disk.
    #[cfg(feature = "bucket")]
    #[must_use]
    pub(in crate::storage) fn on_disk(self) -> Self {
        Self { holds_small_files: false, ..self }
    }

    /// An empty part, named by `stem` until its final name is known. None where an earlier attempt may have left bytes: then
    /// [`Self::resume`] the part. Doesn't touch the disk.
    #[must_use]
    pub(crate) fn create(&self, stem: &str) -> Option<Part> {
        let lease = &self.lease;
        let is_first = || self.earlier_bytes(stem).1;
        let new = if self.holds_small_files { Part::new_held } else { Part::new };
        (lease.is_new && is_first()).then(|| new(lease.dir.clone(), part_name(stem)))
    }

    /// The part named by `stem`, with the bytes of earlier attempts that its journal proves. Blocks.
    ///
    /// # Errors
    /// When the part can't be read, or the folder can't be written to.
    pub(crate) fn resume(&self, stem: &str) -> Result<Part, Error> {
        let lease = &self.lease;
        lease.mark_in_progress()?;
        let name = part_name(stem);
        if !lease.is_new {
            self.take_over_padded(stem).map_err(lease.dir.failed("resume", &name))?;
        }
        let mut part = match Part::resume(lease.dir.clone(), name.clone()) {
            // Some file systems can't cut a file, or can't open it to be continued. There it starts over.
            Err(error) if is_unsupported(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
                Part::new(lease.dir.clone(), name)
            }
            part => part.map_err(lease.dir.failed("resume", &name))?,
        };
        let (earlier_bytes, is_first) = self.earlier_bytes(stem);
        earlier_bytes.set(if is_first { part.written() } else { part.written().min(earlier_bytes.get()) });
        part.count_earlier_bytes(earlier_bytes);
        Ok(part)
    }

    /// As [`take_over_padded`]. The folder is listed once: a task may have thousands of parts.
    fn take_over_padded(&self, stem: &str) -> io::Result<()> {
        let dir = &self.lease.dir;
        let mut padded = self.lease.padded_parts.lock().unwrap_or_else(PoisonError::into_inner);
        let padded = match &mut *padded {
            Some(padded) => padded,
            unknown => unknown.insert(padded_names(dir)?),
        };
        take_over_padded(dir, padded, stem)
    }

    /// The counter for bytes of the part named by `stem` that an earlier run wrote, and whether this run begins with it.
    fn earlier_bytes(&self, stem: &str) -> (Counter, bool) {
        let mut parts = self.lease.started_parts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !parts.contains_key(stem);
        (parts.entry(stem.to_owned()).or_default().clone(), is_first)
    }

    /// Stages a complete file: as the asset `key`, to be called `name`, with the modification time `modified`. A file that has
    /// the name already is only replaced when the task's manifest or commit log names it. Where the asset has a suffixed name,
    /// the plain one may belong to other bytes from a bucket: then the new file gets a suffixed name too. Blocks.
    ///
    /// # Errors
    /// When a foreign file has the name, or the disk fails; the staged bytes are then removed.
    pub(crate) fn stage(
        &self,
        sealed: Sealed,
        key: AssetKey,
        name: &str,
        modified: Option<SystemTime>,
    ) -> Result<StagedFile, Error> {
        let lease = &self.lease;
        let mut staged = sealed.into_staged(key, name, modified)?;
        if self.is_free(name, &staged)? {
            return Ok(staged);
        }
        if lease.has_suffixed_name(key) {
            let suffixed = layout::suffixed_name(name, staged.entry().sha256());
            if self.is_free(&suffixed, &staged)? {
                staged.rename_entry(&suffixed);
                return Ok(staged);
            }
        }
        staged.discard();
        Err(Error::Foreign(lease.dir.join(name)))
    }

    /// Whether a staged file may get `name`. In a new folder the rename finds out.
    fn is_free(&self, name: &str, staged: &StagedFile) -> Result<bool, Error> {
        let lease = &self.lease;
        if lease.is_new {
            return Ok(true);
        }
        let exists = || lease.dir.stat(name).map_err(lease.dir.failed("check", name)).map(|found| found.is_some());
        Ok(lease.may_replace(name) || !exists()? || commit_log::matches_entry(&lease.dir, name, staged.entry())?)
    }
}

fn part_name(stem: &str) -> String {
    format!(".{stem}.part")
}

/// Gives the part of an older version its name of today: it had zeros before its number. A part with the name of today stays.
fn take_over_padded(dir: &Dir, padded: &mut HashMap<String, String>, stem: &str) -> io::Result<()> {
    let (name, Some(old_name)) = (part_name(stem), padded.get(stem)) else { return Ok(()) };
    if dir.stat(&name)?.is_some() {
        return Ok(());
    }
    // The journal first: a run that is killed in between is continued by the next one.
    let (from, to) = (journal::journal_name(old_name), journal::journal_name(&name));
    if dir.stat(&from)?.is_some() {
        dir.rename(&from, &to)?;
    }
    dir.rename(old_name, &name)?;
    padded.remove(stem);
    Ok(())
}

/// The parts in a folder whose numbers have leading zeros, by the stems of today.
fn padded_names(dir: &Dir) -> io::Result<HashMap<String, String>> {
    let stem = |name: &str| {
        let (kind, number) = name.strip_prefix('.')?.strip_suffix(".part")?.rsplit_once('-')?;
        number.starts_with('0').then(|| format!("{kind}-{}", number.trim_start_matches('0')))
    };
    Ok(dir.names()?.into_iter().filter_map(|name| Some((stem(&name)?, name))).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::task::TaskId;
    use crate::storage::local::archive::LocalArchive;

    #[test]
    fn padded_part_of_an_older_version_gets_the_name_of_today() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".image-01.part", ".image-01.journal", ".image-10.part", ".image-011.part", ".video-01.part"] {
            fs::write(at(name), name).unwrap();
        }
        let dir = Dir::at(folder.path());
        let mut padded = padded_names(&dir).unwrap();
        let mut take_over = |stem| take_over_padded(&dir, &mut padded, stem).unwrap();
        take_over("image-1");
        assert_eq!(fs::read_to_string(at(".image-1.part")).unwrap(), ".image-01.part");
        assert_eq!(fs::read_to_string(at(".image-1.journal")).unwrap(), ".image-01.journal");
        take_over("image-11");
        take_over("image-2");
        fs::write(at(".image-001.part"), "other").unwrap();
        take_over_padded(&dir, &mut padded_names(&dir).unwrap(), "image-1").unwrap();
        let mut names = dir.names().unwrap();
        names.sort();
        let expected =
            [".image-001.part", ".image-1.journal", ".image-1.part", ".image-10.part", ".image-11.part", ".video-01.part"];
        assert_eq!(names, expected);
    }

    #[test]
    fn folder_is_listed_once_for_all_parts_of_a_task() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("t1");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(".image-01.part"), "").unwrap();
        let archive = LocalArchive::open(root.path()).unwrap();
        let lease = archive.lease(&TaskId::new("t1").unwrap()).unwrap().unwrap();
        let parts = lease.parts();
        parts.resume("image-1").unwrap();
        assert!(!folder.join(".image-01.part").exists());
        fs::write(folder.join(".image-02.part"), "").unwrap();
        parts.resume("image-2").unwrap();
        assert!(folder.join(".image-02.part").exists(), "no second listing has found it");
    }
}
