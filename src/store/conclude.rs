//! A task's folder brought to its end: the text, the manifest, and what only the way there needed.
//!
//! The text and the manifest are written under dot-names first; then the text gets its own name, then, last, the
//! manifest. Until it has that the old one stands, with everything that it names; files that the new one no longer
//! names are removed after that, and only if the old one did name them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::atomic::New;
use super::held::{Held, Staged};
use super::{Error, atomic, blocking, checkpoint, finished, lock, sight};
use crate::manifest::{self, FileEntry, State, TaskEntry};
use crate::naming::{MANIFEST, TEXT};

impl Held {
    /// Gives `only`, the one file of a new task, and the text their names and, last, writes the manifest; then removes what
    /// only the way there needed.
    ///
    /// # Errors
    /// When the disk says no; the old manifest then still stands.
    pub(crate) async fn record(
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
        let (text, new, entry, before) = staged.await.inspect_err(|_| only.iter().for_each(|only| only.draft.discard()))?;
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

    /// Writes the text that `entry` has, whatever stands in its place.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) async fn restore_text(self: &Arc<Self>, entry: TaskEntry) -> Result<(), Error> {
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

    /// Brings to an end what a run that died left: files that it finished take the place of those that `entry` names.
    /// Whether that changed the manifest.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) async fn settle(self: &Arc<Self>, entry: TaskEntry) -> Result<bool, Error> {
        let (held, mut after) = (Arc::clone(self), entry.clone());
        let (before, after) = blocking(move || {
            held.roll_forward(&mut after.files)?;
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

    /// Removes what only the way to `entry`, which the manifest has by now, needed. Parts stay where something is still missing.
    pub(crate) fn tidy(&self, entry: &TaskEntry) {
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

fn is_same(path: &Path, text: &str) -> bool {
    sight::is_file_of(path, text.len() as u64) && fs::read(path).is_ok_and(|found| found == text.as_bytes())
}

/// Whether `name` is an unfinished file's or its journal's.
fn is_part(name: &str) -> bool {
    let is_ours = |stem: &str| ["video-", "image-", "audio-", "asset-"].iter().any(|kind| stem.starts_with(kind));
    let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part").or_else(|| name.strip_suffix(".journal")));
    stem.is_some_and(is_ours)
}
