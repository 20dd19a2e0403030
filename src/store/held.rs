//! A task's folder in the hands of its only writer, and the one order in which it is written.
//!
//! Between any two steps lies a round of syncing, which many tasks share. A file: its bytes and its line in the
//! record of finished files, then its final name. A task: its text and its manifest under dot-names, then the
//! text's own name, then the manifest's. The one file of a new task goes with the text: the manifest under its
//! dot-name is record enough. Until the manifest has its name the old one stands, with everything that it names;
//! files that the new one no longer names are removed after that, and only if the old one did name them.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::atomic::New;
use super::folder::{Folder, Known};
use super::lock::{self, Lock};
use super::part::{Draft, Part};
use super::{Error, atomic, blocking, checkpoint, finished, journal};
use crate::manifest::{self, FileEntry, State, TaskEntry};
use crate::naming::{MANIFEST, TEXT};

/// A task's folder, locked.
#[derive(Debug)]
pub struct Held {
    folder: Folder,
    /// Whether this run made it and was the first in it: nobody left anything there.
    is_new: bool,
    /// The files of a new folder that have begun their way in.
    begun: Mutex<HashSet<String>>,
    lock: Lock,
}

/// A whole file that waits to be durable.
pub struct Staged {
    draft: Draft,
    target: PathBuf,
}

impl Held {
    pub(super) fn new(folder: Folder, lock: Lock, is_new: bool) -> Arc<Self> {
        Arc::new(Self { folder, is_new, begun: Mutex::default(), lock })
    }

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
        if self.is_new {
            return Ok(Known::default());
        }
        let mut known = self.folder.read()?;
        for file in finished::roll_forward(self.folder.path())? {
            known.here.retain(|here| here.slot() != file.slot());
            known.here.push(file);
        }
        Ok(known)
    }

    /// A file that begins its way in, known by `stem` until it has a name; none where an earlier try may have left some
    /// of it. Costs no look at the disk.
    #[must_use]
    pub fn new_part(&self, stem: &str) -> Option<Part> {
        let is_first = || self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(stem.to_owned());
        (self.is_new && is_first()).then(|| Part::new(self.part_path(stem)))
    }

    /// A file on its way in, known by `stem` until it has a name, with what an earlier try left of it.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn part(&self, stem: &str) -> Result<Part, Error> {
        self.begin()?;
        let path = self.part_path(stem);
        Part::resume(path.clone()).map_err(Error::io("resume", &path))
    }

    fn part_path(&self, stem: &str) -> PathBuf {
        self.folder.path().join(format!(".{stem}.part"))
    }

    /// Lets whoever looks at a folder that had something before see that somebody was at work here.
    fn begin(&self) -> Result<(), Error> {
        if self.is_new { Ok(()) } else { finished::begin(self.folder.path()).map(|_| ()) }
    }

    /// Puts a whole file down for its final name. `ours` are the files there that may be replaced.
    ///
    /// # Errors
    /// When something that is not ours has that name; the file is then gone.
    pub fn stage(&self, draft: Draft, ours: &[FileEntry]) -> Result<Staged, Error> {
        let target = self.folder.path().join(draft.entry.path());
        let is_ours = self.is_new || ours.iter().any(|file| file.name() == Some(draft.entry.path()));
        if !is_ours && fs::symlink_metadata(&target).is_ok() && !finished::is_proven(&target, &draft.entry)? {
            discard(&draft);
            return Err(Error::Foreign(target));
        }
        Ok(Staged { draft, target })
    }

    /// Records a file as finished, and gives it its final name once that is durable.
    ///
    /// # Errors
    /// When the disk says no; where it could not be recorded or synced, the file is gone.
    pub async fn commit(self: &Arc<Self>, staged: Staged) -> Result<FileEntry, Error> {
        let held = Arc::clone(self);
        let staged = blocking(move || match finished::append(held.folder.path(), &staged.draft) {
            Ok(()) => Ok(staged),
            Err(error) => {
                // Without a record it would lie there nameless, and on a full disk in the way.
                discard(&staged.draft);
                Err(error)
            }
        })
        .await?;
        checkpoint::reached("recorded");
        let written = vec![staged.draft.path.clone(), self.folder.path().join(finished::NAME)];
        self.then(written, move |_, synced| staged.place(synced)).await
    }

    /// Whether the file that `entry` names is there with the bytes that it names.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn has(&self, entry: &FileEntry) -> Result<bool, Error> {
        entry.name().map_or(Ok(false), |name| finished::is_proven(&self.folder.path().join(name), entry))
    }

    /// Writes the text that `entry` has, whatever stands in its place.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn restore_text(self: &Arc<Self>, entry: TaskEntry) -> Result<(), Error> {
        let held = Arc::clone(self);
        let staged = blocking(move || {
            held.begin()?;
            Ok::<_, Error>((held.stage_text(&entry, Some(&entry))?, entry))
        });
        let (text, entry) = staged.await?;
        if let Some(text) = text {
            self.then(vec![text.temporary().to_owned()], move |_, synced| synced.and_then(|()| text.place())).await?;
        }
        self.then(Vec::new(), move |held, synced| synced.map(|()| held.tidy(&entry))).await
    }

    /// Gives `only`, the one file of a new task, and the text their names and, last, writes the manifest; then removes what
    /// only the way there needed.
    ///
    /// # Errors
    /// When the disk says no; the old manifest then still stands.
    pub async fn record(
        self: &Arc<Self>,
        entry: TaskEntry,
        before: Option<TaskEntry>,
        only: Option<Staged>,
    ) -> Result<(), Error> {
        let held = Arc::clone(self);
        let staged = blocking(move || {
            held.folder.mark.set()?;
            held.begin()?;
            let text = held.stage_text(&entry, before.as_ref())?;
            let fill = |to: &mut dyn Write| manifest::write(to, Box::new(|push| push(&entry)));
            let new = atomic::stage(held.folder.path(), MANIFEST, fill);
            let new = new.inspect_err(|_| text.iter().for_each(New::discard))?;
            Ok::<_, Error>((text, new, entry, before))
        });
        // On a full disk the file would be in the way of all others.
        let (text, new, entry, before) = staged.await.inspect_err(|_| only.iter().for_each(|only| discard(&only.draft)))?;
        // In a folder that this run made, the one file has left nothing behind.
        let is_tidy = self.is_new && only.is_some();
        if text.is_some() || only.is_some() {
            let parts = only.iter().map(|only| only.draft.path.clone());
            let written = parts.chain(text.iter().chain([&new]).map(|new| new.temporary().to_owned())).collect();
            let place = move |_: &Self, synced: Result<(), Error>| {
                match only {
                    Some(only) => only.place(synced).map(|_| ())?,
                    None => synced?,
                }
                text.map_or(Ok(()), |text| text.place())
            };
            self.then(written, place).await?;
        }
        checkpoint::reached("text-written");
        self.then(vec![new.temporary().to_owned()], move |_, synced| synced.and_then(|()| new.place())).await?;
        let conclude = move |held: &Self, synced: Result<(), Error>| {
            checkpoint::reached("manifest-written");
            synced?;
            if !is_tidy {
                held.conclude(&entry, before.as_ref());
            }
            Ok(())
        };
        self.then(Vec::new(), conclude).await
    }

    /// Does something in the folder, which stays locked meanwhile, once `written` and all names there are durable.
    async fn then<T: Send + 'static>(
        self: &Arc<Self>,
        mut written: Vec<PathBuf>,
        what: impl FnOnce(&Self, Result<(), Error>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let held = Arc::clone(self);
        written.extend([self.folder.path().to_owned(), self.folder.mark.root().to_owned()]);
        self.folder.rounds.after(written, move |synced| what(&held, synced)).await
    }

    /// The manifest stands: removes files that `before` named and `entry` does not, and what only the way needed.
    fn conclude(&self, entry: &TaskEntry, before: Option<&TaskEntry>) {
        for stale in before.iter().flat_map(|before| &before.files).filter_map(FileEntry::name) {
            if !entry.files.iter().any(|file| file.path() == stale) {
                // It stays as a file that no manifest names, which `verify` tells.
                let _ = fs::remove_file(self.folder.path().join(stale));
            }
        }
        self.tidy(entry);
    }

    /// Brings to an end what a run that died left: files that it finished take the place of those that `entry` names.
    /// Whether that changed the manifest.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn settle(self: &Arc<Self>, entry: TaskEntry) -> Result<bool, Error> {
        let (held, mut after) = (Arc::clone(self), entry.clone());
        let (before, after) = blocking(move || {
            for file in finished::roll_forward(held.folder.path())? {
                after.files.retain(|before| before.slot() != file.slot());
                after.files.push(file);
            }
            after.sort();
            if after == entry {
                held.tidy(&entry);
            }
            Ok::<_, Error>((entry, after))
        })
        .await?;
        let has_changed = after != before;
        if has_changed {
            self.record(after, Some(before), None).await?;
        }
        Ok(has_changed)
    }

    /// Removes what only the way to `entry`, which the manifest has by now, needed. Parts stay where something is still missing.
    pub fn tidy(&self, entry: &TaskEntry) {
        let is_recorded = finished::is_recorded(self.folder.path(), entry);
        let is_done = matches!(entry.state, State::Complete | State::Partial);
        for found in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let name = found.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_stray_lock = name == lock::NAME && self.lock.is_of_folder();
            if is_stray_lock || (name == finished::NAME && is_recorded) || atomic::is_leftover(name) || (is_done && is_part(name))
            {
                // What can't be removed now is removed by the next run.
                let _ = fs::remove_file(found.path());
            }
        }
    }

    /// The text of `entry`, to be placed; none where it stands already.
    fn stage_text(&self, entry: &TaskEntry, before: Option<&TaskEntry>) -> Result<Option<New>, Error> {
        let Some(text) = &entry.text else { return Ok(None) };
        let path = self.folder.path().join(TEXT);
        if fs::symlink_metadata(&path).is_ok() {
            if is_same(&path, text) {
                return Ok(None);
            }
            if before.is_none_or(|before| before.text_path.is_none()) {
                return Err(Error::Foreign(path));
            }
        }
        atomic::stage(self.folder.path(), TEXT, |to| to.write_all(text.as_bytes())).map(Some)
    }
}

impl Staged {
    /// What a manifest will say of it.
    #[must_use]
    pub fn entry(&self) -> &FileEntry {
        &self.draft.entry
    }

    fn place(self, synced: Result<(), Error>) -> Result<FileEntry, Error> {
        if let Err(error) = synced {
            // After a failed sync nobody knows what is on the disk, whatever reading it back may say.
            discard(&self.draft);
            return Err(error);
        }
        checkpoint::reached("synced");
        fs::rename(&self.draft.path, &self.target).map_err(Error::io("rename", &self.target))?;
        if self.draft.has_journal {
            // The record vouches for it now.
            let _ = fs::remove_file(journal::beside(&self.draft.path));
        }
        checkpoint::reached("renamed");
        Ok(self.draft.entry)
    }
}

/// Gives a file up, and its journal.
fn discard(draft: &Draft) {
    // What can't be removed now is removed by the next run.
    let _ = fs::remove_file(&draft.path);
    let _ = fs::remove_file(journal::beside(&draft.path));
}

fn is_same(path: &Path, text: &str) -> bool {
    atomic::is_file_of(path, text.len() as u64) && fs::read(path).is_ok_and(|found| found == text.as_bytes())
}

/// Whether `name` is an unfinished file's or its journal's.
fn is_part(name: &str) -> bool {
    let is_ours = |stem: &str| ["video-", "image-", "audio-", "asset-"].iter().any(|kind| stem.starts_with(kind));
    let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part").or_else(|| name.strip_suffix(".journal")));
    stem.is_some_and(is_ours)
}
