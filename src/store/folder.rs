//! One task's folder: what is known of it, and the one order in which it is written.
//!
//! [`Folder`] reads; [`Held`], a folder whose lock one holds, writes. The manifest comes last: until
//! it is replaced the old one stands, with everything that it names. Files that the new manifest no
//! longer names are removed after that, and only if the old one did name them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lock::Lock;
use super::mark::Mark;
use super::part::{Draft, Part};
use super::{Error, atomic, checkpoint, finished, journal, manifests, root};
use crate::manifest::{self, FileEntry, State, TaskEntry};
use crate::naming::{MANIFEST, TEXT};
use crate::task::TaskId;

pub(super) const LOCK: &str = ".lock";

/// A task's folder, there or not.
#[derive(Clone, Debug)]
pub struct Folder {
    id: String,
    path: PathBuf,
    mark: Arc<Mark>,
}

/// What a folder's manifest says, and how much of it is on disk.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The manifest's entry, when there is a manifest that can be read.
    pub entry: Option<TaskEntry>,
    /// Its files that are there, of the right size.
    pub here: Vec<FileEntry>,
    text_is_here: bool,
    has_leftovers: bool,
    is_recalled: bool,
}

impl Known {
    /// Whether the task's own manifest is lost or broken, and only the root's remembers it.
    #[must_use]
    pub fn is_recalled(&self) -> bool {
        self.is_recalled
    }

    /// Whether a run that died on its last steps left something to tidy up.
    #[must_use]
    pub fn has_leftovers(&self) -> bool {
        self.has_leftovers
    }

    /// Whether everything that the manifest names is on disk.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| self.text_is_here && self.here.len() == entry.files.len())
    }

    /// The entry's files, there or not.
    #[must_use]
    pub fn recorded(&self) -> &[FileEntry] {
        self.entry.as_ref().map_or(&[], |entry| &entry.files)
    }
}

impl Folder {
    pub(super) fn new(mark: Arc<Mark>, id: &TaskId, path: PathBuf) -> Self {
        Self { id: id.as_str().to_owned(), path, mark }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the task. Nothing, when there is no folder.
    ///
    /// # Errors
    /// When the folder or its manifest is not ours, belongs to another task or can't be read.
    pub fn read(&self) -> Result<Known, Error> {
        if !self.exists()? {
            return Ok(Known::default());
        }
        let (entry, is_recalled) = match manifests::task_of(&self.path)? {
            Some(entry) => (entry, false),
            // Broken, not missing: the root's manifest may still know what it said.
            None if fs::symlink_metadata(self.path.join(MANIFEST)).is_ok() => {
                match root::remembered(self.mark.root(), &self.id) {
                    Some(entry) => (entry, true),
                    None => return Ok(Known::default()),
                }
            }
            None => return Ok(Known::default()),
        };
        if entry.task_id != self.id {
            return Err(Error::OtherTask { path: self.path.join(MANIFEST), id: entry.task_id });
        }
        let is_here = |file: &&FileEntry| file.name().is_some_and(|name| atomic::is_file_of(&self.path.join(name), file.size()));
        let here = entry.files.iter().filter(is_here).cloned().collect();
        let text_is_here = entry.text.as_ref().is_none_or(|text| atomic::is_file_of(&self.path.join(TEXT), text.len() as u64));
        let has_leftovers = [LOCK, finished::NAME].iter().any(|name| fs::symlink_metadata(self.path.join(name)).is_ok());
        Ok(Known { entry: Some(entry), here, text_is_here, has_leftovers, is_recalled })
    }

    /// Takes the folder's lock, making the folder when it is missing; none while another process has it.
    ///
    /// # Errors
    /// When something else stands in its place or the disk says no.
    pub fn try_hold(&self) -> Result<Option<Held>, Error> {
        if !self.exists()? {
            match fs::create_dir(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("create", &self.path)(error));
                }
                _ => atomic::sync_folder(self.mark.root())?,
            }
        }
        let path = self.path.join(LOCK);
        let lock = Lock::try_acquire(&path).map_err(Error::io("lock", &path))?;
        Ok(lock.map(|lock| Held { folder: self.clone(), _lock: lock }))
    }

    fn exists(&self) -> Result<bool, Error> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_dir() => Ok(true),
            Ok(_) => Err(Error::Foreign(self.path.clone())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("read", &self.path)(error)),
        }
    }
}

/// A task's folder in the hands of its only writer.
#[derive(Debug)]
pub struct Held {
    folder: Folder,
    _lock: Lock,
}

impl Held {
    /// What is known of the task now.
    ///
    /// # Errors
    /// As for [`Folder::read`].
    pub fn read(&self) -> Result<Known, Error> {
        self.folder.read()
    }

    /// What is known of the task now, with the finished files of a run that died rolled forward: those count as here.
    ///
    /// # Errors
    /// As for [`Folder::read`].
    pub fn recover(&self) -> Result<Known, Error> {
        let mut known = self.folder.read()?;
        for file in finished::roll_forward(&self.folder.path)? {
            known.here.retain(|here| here.slot() != file.slot());
            known.here.push(file);
        }
        Ok(known)
    }

    /// A file on its way in, known by `stem` until it has a name, with what an earlier try left of it.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn part(&self, stem: &str) -> Result<Part, Error> {
        let path = self.folder.path.join(format!(".{stem}.part"));
        Part::resume(path.clone()).map_err(Error::io("resume", &path))
    }

    /// Gives a whole file its final name. `ours` are the files there that may be replaced.
    ///
    /// # Errors
    /// When something that is not ours has that name, or the disk says no.
    pub fn commit(&self, draft: Draft, ours: &[FileEntry]) -> Result<FileEntry, Error> {
        let target = self.folder.path.join(draft.entry.path());
        let is_ours = ours.iter().any(|file| file.name() == Some(draft.entry.path()));
        if !is_ours && fs::symlink_metadata(&target).is_ok() && !finished::is_proven(&target, &draft.entry)? {
            let _ = fs::remove_file(&draft.path);
            return Err(Error::Foreign(target));
        }
        if let Err(error) = finished::append(&self.folder.path, &draft) {
            // Without a record it would lie there nameless, and on a full disk in the way.
            let _ = fs::remove_file(&draft.path);
            return Err(error);
        }
        checkpoint::reached("recorded");
        fs::rename(&draft.path, &target).map_err(Error::io("rename", &target))?;
        // The record vouches for it now.
        let _ = fs::remove_file(journal::beside(&draft.path));
        checkpoint::reached("renamed");
        Ok(draft.entry)
    }

    /// Whether the file that `entry` names is there with the bytes that it names.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn has(&self, entry: &FileEntry) -> Result<bool, Error> {
        entry.name().map_or(Ok(false), |name| finished::is_proven(&self.folder.path.join(name), entry))
    }

    /// Writes the text that `entry` has, whatever stands in its place.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn restore_text(&self, entry: &TaskEntry) -> Result<(), Error> {
        match &entry.text {
            Some(text) => self.write_text(text, Some(entry)).and_then(|()| atomic::sync_folder(&self.folder.path)),
            None => Ok(()),
        }
    }

    /// Writes the text and, last, the manifest; then removes what only the way there needed.
    ///
    /// # Errors
    /// When the disk says no; the old manifest then still stands.
    pub fn record(&self, entry: &TaskEntry, before: Option<&TaskEntry>) -> Result<(), Error> {
        let folder = &self.folder.path;
        self.folder.mark.set()?;
        if let Some(text) = &entry.text {
            self.write_text(text, before)?;
        }
        checkpoint::reached("text-written");
        atomic::sync_folder(folder)?;
        atomic::write(folder, MANIFEST, |to| manifest::write(to, Box::new(|push| push(entry))))?;
        atomic::sync_folder(folder)?;
        checkpoint::reached("manifest-written");
        for stale in before.iter().flat_map(|before| &before.files).filter_map(FileEntry::name) {
            if !entry.files.iter().any(|file| file.path() == stale) {
                // It stays as a file that no manifest names, which `verify` tells.
                let _ = fs::remove_file(folder.join(stale));
            }
        }
        self.tidy(entry);
        Ok(())
    }

    /// Brings to an end what a run that died left: files that it finished take the place of those that `entry` names.
    /// Whether that changed the manifest.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn settle(&self, entry: &TaskEntry) -> Result<bool, Error> {
        let mut after = entry.clone();
        for file in finished::roll_forward(&self.folder.path)? {
            after.files.retain(|before| before.slot() != file.slot());
            after.files.push(file);
        }
        after.sort();
        if after == *entry {
            self.tidy(entry);
            return Ok(false);
        }
        self.record(&after, Some(entry)).map(|()| true)
    }

    /// Removes what only the way to `entry`, which the manifest has by now, needed. Parts stay where something is still missing.
    pub fn tidy(&self, entry: &TaskEntry) {
        let is_recorded = finished::is_recorded(&self.folder.path, entry);
        let is_done = matches!(entry.state, State::Complete | State::Partial);
        for found in fs::read_dir(&self.folder.path).into_iter().flatten().flatten() {
            let name = found.file_name();
            let Some(name) = name.to_str() else { continue };
            if (name == finished::NAME && is_recorded) || atomic::is_leftover(name) || (is_done && is_part(name)) {
                // What can't be removed now is removed by the next run.
                let _ = fs::remove_file(found.path());
            }
        }
    }

    fn write_text(&self, text: &str, before: Option<&TaskEntry>) -> Result<(), Error> {
        let path = self.folder.path.join(TEXT);
        let is_ours = before.is_some_and(|before| before.text_path.is_some());
        let is_same =
            || atomic::is_file_of(&path, text.len() as u64) && fs::read(&path).is_ok_and(|found| found == text.as_bytes());
        if fs::symlink_metadata(&path).is_ok() {
            if is_same() {
                return Ok(());
            }
            if !is_ours {
                return Err(Error::Foreign(path));
            }
        }
        atomic::write(&self.folder.path, TEXT, |to| to.write_all(text.as_bytes()))
    }
}

/// Whether `name` is an unfinished file's or its journal's.
fn is_part(name: &str) -> bool {
    let is_ours = |stem: &str| ["video-", "image-", "audio-", "asset-"].iter().any(|kind| stem.starts_with(kind));
    let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part").or_else(|| name.strip_suffix(".journal")));
    stem.is_some_and(is_ours)
}
