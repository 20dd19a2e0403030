//! A task's folder brought to its end: the text, the manifest, and what only the way there needed.
//!
//! The text and the manifest are written under dot-names first; then the text gets its own name, then, last, the
//! manifest. Until it has that the old one stands, with everything that it names; files that the new one no longer
//! names are removed after that, and only if the old one did name them.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use super::atomic::PendingReplace;
use super::dir::{FileStat, OpenMode};
use super::lease::{StagedFile, TaskLease};
use super::{atomic, commit_log, lock};
use crate::domain::manifest::{self, FileEntry, State, TaskEntry};
use crate::layout::{MANIFEST, TEXT};
use crate::storage::{Error, blocking, failpoint};

impl TaskLease {
    /// Gives `only`, the one file of a new task, and the text their names and, last, writes the manifest; then removes what
    /// only the way there needed.
    ///
    /// # Errors
    /// When the disk says no; the old manifest then still stands.
    pub(crate) async fn commit_task(
        self: &Arc<Self>,
        entry: TaskEntry,
        before: Option<TaskEntry>,
        only: Option<StagedFile>,
    ) -> Result<(), Error> {
        let held = Arc::clone(self);
        let staged = blocking(move || {
            held.task_dir.dirty_marker.set()?;
            held.mark_in_progress()?;
            let text = held.stage_text(&entry, before.as_ref())?;
            let fill = |to: &mut dyn Write| manifest::write_task_manifest(to, &entry);
            let new = atomic::stage(&held.dir, MANIFEST, fill);
            let new = new.inspect_err(|_| text.iter().for_each(PendingReplace::discard))?;
            Ok::<_, Error>((text, new, entry, before))
        });
        // On a full disk the file would be in the way of all others.
        let (text, new, entry, before) =
            staged.await.inspect_err(|_| only.iter().for_each(|only| only.verified_part.discard()))?;
        // In a folder that this run made, the one file has left nothing behind.
        let is_tidy = self.is_new && only.is_some();
        if text.is_some() || only.is_some() {
            let parts = only.iter().map(|only| only.verified_part.path());
            let written = parts.chain(text.iter().chain([&new]).map(PendingReplace::temp_path)).collect();
            let place = move |_: &Self, synced: Result<(), Error>| {
                match only {
                    Some(only) => only.rename_into_place(synced).map(|_| ())?,
                    None => synced?,
                }
                text.map_or(Ok(()), |text| text.rename_into_place())
            };
            self.after_sync(written, place).await?;
        }
        failpoint::reached("text-written");
        let is_first = before.is_none();
        self.after_sync(vec![new.temp_path()], move |held, synced| {
            synced?;
            held.refuse_moved()?;
            if is_first {
                // Somebody may have put a file of another kind there since.
                held.read_snapshot()?;
            }
            new.rename_into_place()
        })
        .await?;
        let conclude = move |held: &Self, synced: Result<(), Error>| {
            failpoint::reached("manifest-written");
            synced?;
            if !is_tidy {
                held.remove_unnamed_files(&entry, before.as_ref());
            }
            Ok(())
        };
        self.after_sync(Vec::new(), conclude).await
    }

    /// Writes the text that `entry` has, whatever stands in its place.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) async fn restore_text(self: &Arc<Self>, entry: TaskEntry) -> Result<(), Error> {
        let held = Arc::clone(self);
        let staged = blocking(move || {
            held.mark_in_progress()?;
            Ok::<_, Error>((held.stage_text(&entry, Some(&entry))?, entry))
        });
        let (text, entry) = staged.await?;
        if let Some(text) = text {
            self.after_sync(vec![text.temp_path()], move |_, synced| synced.and_then(|()| text.rename_into_place())).await?;
        }
        self.after_sync(Vec::new(), move |held, synced| synced.map(|()| held.cleanup(&entry))).await
    }

    /// Brings to an end what a run that died left: files that it finished take the place of those that `entry` names.
    /// Whether that changed the manifest.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) async fn recover_and_commit(self: &Arc<Self>, entry: TaskEntry) -> Result<bool, Error> {
        let (held, mut after) = (Arc::clone(self), entry.clone());
        let (before, after) = blocking(move || {
            held.roll_forward(&mut after.files)?;
            after.sort();
            if after == entry {
                held.cleanup(&entry);
            }
            Ok::<_, Error>((entry, after))
        })
        .await?;
        let has_changed = after != before;
        if has_changed {
            self.commit_task(after, Some(before), None).await?;
        }
        Ok(has_changed)
    }

    /// The manifest stands: removes files that `before` named and `entry` does not, and what only the way needed.
    fn remove_unnamed_files(&self, entry: &TaskEntry, before: Option<&TaskEntry>) {
        let named: HashSet<&str> = entry.files.iter().map(FileEntry::path).collect();
        for stale in before.iter().flat_map(|before| &before.files).filter_map(FileEntry::name) {
            if !named.contains(stale) {
                // It stays as a file that no manifest names, which `verify` tells.
                let _ = self.dir.remove(stale);
            }
        }
        self.cleanup(entry);
    }

    /// Removes what only the way to `entry`, which the manifest has by now, needed. Parts stay where something is still missing.
    pub(crate) fn cleanup(&self, entry: &TaskEntry) {
        let is_recorded = commit_log::is_superseded_by(&self.dir, entry);
        let is_done = matches!(entry.state, State::Complete | State::Partial);
        // Where the names can't be read, the next run removes what is left.
        for name in &self.dir.names().unwrap_or_default() {
            let name = name.as_str();
            let is_stray_lock = name == lock::NAME && self.lock.is_folder_lock();
            if is_stray_lock
                || (name == commit_log::NAME && is_recorded)
                || atomic::is_leftover(name)
                || (is_done && is_part(name))
            {
                // What can't be removed now is removed by the next run.
                let _ = self.dir.remove(name);
            }
        }
    }

    /// Whether the file of the text holds `text`.
    fn has_text(&self, found: FileStat, text: &str) -> io::Result<bool> {
        let is_same = |mut file: File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes == text.as_bytes())
        };
        let has_size = found.is_file && found.size == text.len() as u64;
        if has_size { self.dir.open(TEXT, OpenMode::Read).and_then(is_same) } else { Ok(false) }
    }

    /// The folder that is locked must still be the one that the archive shows, or the manifest would stand elsewhere.
    pub(in crate::storage) fn refuse_moved(&self) -> Result<(), Error> {
        let path = self.task_dir.path();
        if self.dir.is_in_place().map_err(Error::io("read", path))? { Ok(()) } else { Err(Error::Moved(path.to_owned())) }
    }

    /// The text of `entry`, to be placed; none where it stands already.
    fn stage_text(&self, entry: &TaskEntry, before: Option<&TaskEntry>) -> Result<Option<PendingReplace>, Error> {
        let Some(text) = &entry.text else { return Ok(None) };
        if let Some(found) = self.dir.stat(TEXT).map_err(Error::io("read", &self.dir.join(TEXT)))? {
            if self.has_text(found, text).map_err(Error::io("read", &self.dir.join(TEXT)))? {
                return Ok(None);
            }
            if before.is_none_or(|before| before.text_path.is_none()) {
                return Err(Error::Foreign(self.dir.join(TEXT)));
            }
        }
        atomic::stage(&self.dir, TEXT, |to| to.write_all(text.as_bytes())).map(Some)
    }
}

/// Whether `name` is an unfinished file's or its journal's.
fn is_part(name: &str) -> bool {
    let is_ours = |stem: &str| ["video-", "image-", "audio-", "asset-"].iter().any(|kind| stem.starts_with(kind));
    let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part").or_else(|| name.strip_suffix(".journal")));
    stem.is_some_and(is_ours)
}
