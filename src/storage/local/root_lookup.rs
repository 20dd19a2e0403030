//! Looks up single tasks in the root manifest, for tasks whose own manifests are missing or damaged.
//!
//! A run looks up every new task. A long root manifest is searched by id ([`RootIndex`]). Another one, and one that is damaged,
//! is read once, with the first look-up, and only the offset of each task is kept: a failing disk can damage many manifests. The
//! file is opened for each look-up and closed again, because some systems can't replace an open file.
//! When the file was replaced meanwhile, it is scanned again. A damaged root manifest still gives the entries that can be
//! parsed. A root manifest that can't be read is an error, so no task is treated as unknown.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::root_index::{IndexLookup, RootIndex};
use crate::domain::manifest::{self, RawTask, TaskEntry};
use crate::layout::{self, MANIFEST};
use crate::storage::Error;
use crate::storage::staging::positioned;

/// A damaged root manifest is read as a whole up to this size, in bytes: that of a million tasks.
const MAX_DAMAGED: u64 = 1 << 30;

/// The root manifest of an archive, for look-ups of single tasks.
#[derive(Debug)]
pub(super) struct RootManifestLookup {
    root: PathBuf,
    manifest: PathBuf,
    index: Mutex<IndexState>,
    /// Set once they could be read: an error may pass.
    offsets: OnceLock<RootManifestOffsets>,
}

/// Whether a long root manifest can be searched by id.
#[derive(Debug)]
enum IndexState {
    /// Not scanned, or replaced since.
    Unknown,
    Index(RootIndex),
    /// It is short, damaged, or has another layout than this program's.
    Unusable,
}

/// The offset of each task, by the name of its folder.
type RootManifestOffsets = HashMap<String, TaskOffset>;

#[derive(Debug)]
struct TaskOffset {
    /// The task's id, where its folder has another name.
    id: Option<String>,
    text: Range<u64>,
}

impl RootManifestLookup {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            manifest: root.join(MANIFEST),
            index: Mutex::new(IndexState::Unknown),
            offsets: OnceLock::new(),
        }
    }

    /// The entry of a task, with paths relative to the task's folder.
    ///
    /// # Errors
    /// When the root manifest can't be read.
    pub(super) fn task_entry(&self, task_id: &str) -> Result<Option<TaskEntry>, Error> {
        match self.find_in_index(task_id) {
            IndexLookup::Found(task) => return Ok(Some(task.into_task_relative())),
            IndexLookup::Absent => return Ok(None),
            IndexLookup::Unreadable | IndexLookup::Replaced => {}
        }
        Ok(self
            .root_entry(&layout::folder_name(task_id))?
            .filter(|task| task.task_id == task_id)
            .map(TaskEntry::into_task_relative))
    }

    /// The entry of the task whose folder has this name.
    ///
    /// # Errors
    /// When the root manifest can't be read.
    pub(super) fn root_entry(&self, folder: &str) -> Result<Option<TaskEntry>, Error> {
        let found = match self.offsets()?.get(folder) {
            Some(offset) => self.read_entry_at(offset, folder),
            None => return Ok(None),
        };
        let found = found.and_then(|found| match found {
            Some(task) => Ok(Some(task)),
            // The file was replaced meanwhile.
            None => scan_offsets(&self.manifest)?.get(folder).map_or(Ok(None), |offset| self.read_entry_at(offset, folder)),
        });
        found.map_err(Error::io("read", &self.manifest))
    }

    /// The folders and ids of all tasks in it.
    ///
    /// # Errors
    /// When the root manifest can't be read.
    pub(super) fn folders_and_ids(&self) -> Result<impl Iterator<Item = (&str, &str)>, Error> {
        Ok(self.offsets()?.iter().map(|(folder, offset)| (folder.as_str(), offset.id.as_deref().unwrap_or(folder))))
    }

    /// The id of the task whose folder has this name.
    ///
    /// # Errors
    /// When the root manifest can't be read.
    pub(super) fn id_of(&self, folder: &str) -> Result<Option<&str>, Error> {
        let found = self.offsets()?.get_key_value(folder);
        Ok(found.map(|(folder, offset)| offset.id.as_deref().unwrap_or(folder)))
    }

    /// The entry of a task in a long root manifest. `Unreadable` when only [`Self::offsets`] can say whether there is one.
    fn find_in_index(&self, task_id: &str) -> IndexLookup {
        let mut state = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        // Other processes may replace the file.
        for _ in 0..3 {
            if let IndexState::Unknown = *state {
                // A file that can't be read is an error of the other scan.
                let scanned = RootIndex::scan(&self.root).ok().flatten();
                *state = scanned.map_or(IndexState::Unusable, IndexState::Index);
            }
            let IndexState::Index(index) = &*state else { break };
            match index.find(&self.root, task_id) {
                Ok(IndexLookup::Replaced) => *state = IndexState::Unknown,
                Ok(found) => return found,
                // The other look-up reports the error.
                Err(_) => break,
            }
        }
        IndexLookup::Unreadable
    }

    fn offsets(&self) -> Result<&RootManifestOffsets, Error> {
        if let Some(offsets) = self.offsets.get() {
            return Ok(offsets);
        }
        let scanned = scan_offsets(&self.manifest).map_err(Error::io("read", &self.manifest))?;
        Ok(self.offsets.get_or_init(|| scanned))
    }

    /// The entry at `offset`, when it is that of the task whose folder has this name.
    fn read_entry_at(&self, offset: &TaskOffset, folder: &str) -> io::Result<Option<TaskEntry>> {
        let mut text = Vec::new();
        let read = File::open(&self.manifest).and_then(|file| {
            positioned::read_range(&file, offset.text.start, offset.text.end, |block| text.extend_from_slice(block))
        });
        match read {
            Ok(end) if end == offset.text.end => {
                Ok(RawTask::from(text.as_slice()).parse().filter(|task| layout::folder_name(&task.task_id) == folder))
            }
            // A shorter version has replaced it, or it was removed.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The offset of each task in the root manifest; empty when there is none.
fn scan_offsets(manifest: &Path) -> io::Result<RootManifestOffsets> {
    let mut offsets = HashMap::new();
    let mut on_task = |task: RawTask<'_>| {
        if let Some(id) = task.id() {
            let (folder, text) = (layout::folder_name(&id), task.byte_range());
            let id = (folder != id).then_some(id);
            offsets.entry(folder).or_insert(TaskOffset { id, text });
        }
    };
    let file = match File::open(manifest) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RootManifestOffsets::new()),
        file => file?,
    };
    if let Err(error) = manifest::for_each_task(&file, &mut on_task) {
        if !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) {
            return Err(error);
        }
        // A manifest that is cut or damaged may have more entries behind the damage.
        if file.metadata()?.len() > MAX_DAMAGED {
            return Err(io::Error::other(
                "it is damaged, and too long to search; move it away, and `yescale-dl index` makes another",
            ));
        }
        let mut text = Vec::new();
        (&file).rewind()?;
        (&file).read_to_end(&mut text)?;
        manifest::salvage(&text, on_task);
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::tests::entry;

    #[test]
    fn index_finds_every_task_of_the_root_manifest() {
        let root = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        let ids: Vec<String> = (0..10_000).map(|n| format!("{n:05}")).collect();
        manifest::write(&mut text, |push| ids.iter().try_for_each(|id| push(&entry(id)))).unwrap();
        // Longer than two blocks, and cut.
        text.truncate(text.len() - 30);
        assert!(text.len() > 2 * (256 << 10));
        std::fs::write(root.path().join(MANIFEST), &text).unwrap();
        let lookup = RootManifestLookup::new(root.path());
        let of = |id: &str| lookup.task_entry(id).unwrap();
        for id in &ids[..9999] {
            assert_eq!(of(id).unwrap().task_id, *id);
        }
        assert_eq!(of("09999"), None);
        assert_eq!(lookup.folders_and_ids().unwrap().count(), 9999);
        let mut other = Vec::new();
        manifest::write(&mut other, |push| ids[5000..].iter().try_for_each(|id| push(&entry(id)))).unwrap();
        let new = root.path().join("new");
        std::fs::write(&new, &other).unwrap();
        std::fs::rename(&new, root.path().join(MANIFEST)).unwrap();
        assert_eq!(of("09000").unwrap().task_id, "09000", "a version that replaced the first is read");
        assert_eq!(of("00007"), None);
        std::fs::remove_file(root.path().join(MANIFEST)).unwrap();
        assert_eq!(of("09000"), None);
    }

    #[test]
    fn long_root_manifest_is_searched_by_id() {
        let root = tempfile::tempdir().unwrap();
        let place = |ids: &[String]| {
            let mut text = Vec::new();
            manifest::write(&mut text, |push| ids.iter().try_for_each(|id| push(&entry(id)))).unwrap();
            std::fs::write(root.path().join("new"), &text).unwrap();
            std::fs::rename(root.path().join("new"), root.path().join(MANIFEST)).unwrap();
        };
        let mut ids: Vec<String> = (0..10_000).map(|n| format!("{:05}", 2 * n)).collect();
        ids.extend(["Odd \"{", "\u{1}", "é"].map(str::to_owned));
        ids.sort();
        place(&ids);
        let lookup = RootManifestLookup::new(root.path());
        let of = |id: &str| lookup.task_entry(id).unwrap().map(|task| task.task_id);
        assert!(ids.iter().all(|id| of(id).as_ref() == Some(id)));
        assert!(["", "00001", "19999", "2", "~", "Odd"].iter().all(|id| of(id).is_none()));
        assert!(lookup.offsets.get().is_none(), "not every offset is in memory");
        place(&ids[5000..]);
        assert_eq!((of(&ids[4999]), of(&ids[5000]).as_ref()), (None, Some(&ids[5000])), "the version that replaced the first");
        std::fs::remove_file(root.path().join(MANIFEST)).unwrap();
        assert_eq!(of(&ids[5000]), None);
    }

    #[test]
    fn unreadable_root_manifest_is_an_error_until_it_can_be_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(MANIFEST);
        std::fs::create_dir(&path).unwrap();
        let lookup = RootManifestLookup::new(root.path());
        assert!(lookup.task_entry("t1").is_err());
        std::fs::remove_dir(&path).unwrap();
        let mut text = Vec::new();
        manifest::write(&mut text, |push| push(&entry("t1"))).unwrap();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(lookup.task_entry("t1").unwrap().unwrap().task_id, "t1");
    }

    #[test]
    fn damaged_root_manifest_without_bound_is_not_read_into_the_memory() {
        let root = tempfile::tempdir().unwrap();
        let file = File::create(root.path().join(MANIFEST)).unwrap();
        file.set_len(MAX_DAMAGED + 1).unwrap();
        let error = RootManifestLookup::new(root.path()).task_entry("t1").unwrap_err();
        assert!(error.message().contains("too long"), "{}", error.message());
    }

    #[test]
    fn task_is_found_by_its_folder_name() {
        let root = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        manifest::write(&mut text, |push| ["Odd", "t1"].iter().try_for_each(|id| push(&entry(id)))).unwrap();
        std::fs::write(root.path().join(MANIFEST), &text).unwrap();
        let lookup = RootManifestLookup::new(root.path());
        assert_eq!(lookup.id_of(&layout::folder_name("Odd")).unwrap(), Some("Odd"));
        assert_eq!(lookup.root_entry("t1").unwrap().unwrap().task_id, "t1");
        assert_eq!(lookup.task_entry("odd").unwrap(), None);
    }
}
