//! What the root manifest remembers of tasks whose own manifests are lost or broken.
//!
//! Many may be, where a disk went bad; so the root is gone through once, by whoever asks first, and only where each task
//! stands in it is kept. The file is opened for each answer and closed again: while it is open, some systems can't replace
//! it. Where another version stands there by then, that one is gone through. A root manifest that is damaged still tells
//! what can be read. One that the disk does not give is an error: nothing is taken for forgotten.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::domain::manifest::{self, RawTask, TaskEntry};
use crate::layout::{self, MANIFEST};
use crate::storage::Error;
use crate::storage::error::clone_io_error;
use crate::storage::staging::positioned;

/// The root manifest of an archive, asked for single tasks.
#[derive(Debug)]
pub(in crate::storage) struct RootManifestIndex {
    manifest: PathBuf,
    offsets: OnceLock<io::Result<RootManifestOffsets>>,
}

/// Where each task stands, by the name of its folder.
type RootManifestOffsets = HashMap<String, TaskOffset>;

#[derive(Debug)]
struct TaskOffset {
    /// The task's id, where its folder has another name.
    id: Option<String>,
    text: Range<u64>,
}

impl RootManifestIndex {
    pub(in crate::storage) fn new(root: &Path) -> Self {
        Self { manifest: root.join(MANIFEST), offsets: OnceLock::new() }
    }

    /// What it says of a task, as the task's own manifest had it.
    ///
    /// # Errors
    /// When the disk says no.
    pub(in crate::storage) fn task_entry(&self, task_id: &str) -> Result<Option<TaskEntry>, Error> {
        Ok(self
            .root_entry(&layout::folder_name(task_id))?
            .filter(|task| task.task_id == task_id)
            .map(TaskEntry::into_task_relative))
    }

    /// What it says of the task whose folder has this name.
    ///
    /// # Errors
    /// When the disk says no.
    pub(in crate::storage) fn root_entry(&self, folder: &str) -> Result<Option<TaskEntry>, Error> {
        let found = match self.offsets()?.get(folder) {
            Some(place) => self.read_entry_at(place, folder),
            None => return Ok(None),
        };
        let found = found.and_then(|found| match found {
            Some(task) => Ok(Some(task)),
            // Another version has been written since.
            None => scan_offsets(&self.manifest)?.get(folder).map_or(Ok(None), |place| self.read_entry_at(place, folder)),
        });
        found.map_err(Error::io("read", &self.manifest))
    }

    /// The folders and ids of all the tasks that it names.
    ///
    /// # Errors
    /// When the disk says no.
    pub(in crate::storage) fn folders_and_ids(&self) -> Result<impl Iterator<Item = (&str, &str)>, Error> {
        Ok(self.offsets()?.iter().map(|(folder, place)| (folder.as_str(), place.id.as_deref().unwrap_or(folder))))
    }

    /// The id of the task whose folder has this name.
    ///
    /// # Errors
    /// When the disk says no.
    pub(in crate::storage) fn id_of(&self, folder: &str) -> Result<Option<&str>, Error> {
        let found = self.offsets()?.get_key_value(folder);
        Ok(found.map(|(folder, place)| place.id.as_deref().unwrap_or(folder)))
    }

    fn offsets(&self) -> Result<&RootManifestOffsets, Error> {
        let learned = self.offsets.get_or_init(|| scan_offsets(&self.manifest));
        learned.as_ref().map_err(|error| Error::io("read", &self.manifest)(clone_io_error(error)))
    }

    /// The entry at `place`, when it is the one of the task whose folder has this name.
    fn read_entry_at(&self, place: &TaskOffset, folder: &str) -> io::Result<Option<TaskEntry>> {
        let mut text = Vec::new();
        let read = File::open(&self.manifest).and_then(|file| {
            positioned::read_range(&file, place.text.start, place.text.end, |block| text.extend_from_slice(block))
        });
        match read {
            Ok(end) if end == place.text.end => {
                Ok(RawTask::from(text.as_slice()).parse().filter(|task| layout::folder_name(&task.task_id) == folder))
            }
            // A shorter version stands there, or none.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where each task stands in the root manifest; nothing where there is none.
fn scan_offsets(manifest: &Path) -> io::Result<RootManifestOffsets> {
    let mut places = HashMap::new();
    let mut learn = |task: RawTask<'_>| {
        if let Some(id) = task.id() {
            let (folder, text) = (layout::folder_name(&id), task.byte_range());
            let id = (folder != id).then_some(id);
            places.entry(folder).or_insert(TaskOffset { id, text });
        }
    };
    let file = match File::open(manifest) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RootManifestOffsets::new()),
        file => file?,
    };
    if let Err(error) = manifest::for_each_task(&file, &mut learn) {
        if !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) {
            return Err(error);
        }
        // One that breaks off, or is garbled, may still name more behind the damage.
        let mut text = Vec::new();
        (&file).rewind()?;
        (&file).read_to_end(&mut text)?;
        manifest::salvage(&text, learn);
    }
    Ok(places)
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
        manifest::write(&mut text, Box::new(|push| ids.iter().try_for_each(|id| push(&entry(id))))).unwrap();
        // Longer than what is read at once, twice, and broken off.
        text.truncate(text.len() - 30);
        assert!(text.len() > 2 * (256 << 10));
        std::fs::write(root.path().join(MANIFEST), &text).unwrap();
        let memory = RootManifestIndex::new(root.path());
        let of = |id: &str| memory.task_entry(id).unwrap();
        for id in &ids[..9999] {
            assert_eq!(of(id).unwrap().task_id, *id);
        }
        assert_eq!(of("09999"), None);
        assert_eq!(memory.folders_and_ids().unwrap().count(), 9999);
        let mut other = Vec::new();
        manifest::write(&mut other, Box::new(|push| ids[5000..].iter().try_for_each(|id| push(&entry(id))))).unwrap();
        let new = root.path().join("new");
        std::fs::write(&new, &other).unwrap();
        std::fs::rename(&new, root.path().join(MANIFEST)).unwrap();
        assert_eq!(of("09000").unwrap().task_id, "09000", "another version answers once it stands there");
        assert_eq!(of("00007"), None);
        std::fs::remove_file(root.path().join(MANIFEST)).unwrap();
        assert_eq!(of("09000"), None);
    }

    #[test]
    fn unreadable_root_manifest_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(MANIFEST)).unwrap();
        assert!(RootManifestIndex::new(root.path()).task_entry("t1").is_err());
    }

    #[test]
    fn task_is_found_by_its_folder_name() {
        let root = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        manifest::write(&mut text, Box::new(|push| ["Odd", "t1"].iter().try_for_each(|id| push(&entry(id))))).unwrap();
        std::fs::write(root.path().join(MANIFEST), &text).unwrap();
        let memory = RootManifestIndex::new(root.path());
        assert_eq!(memory.id_of(&layout::folder_name("Odd")).unwrap(), Some("Odd"));
        assert_eq!(memory.root_entry("t1").unwrap().unwrap().task_id, "t1");
        assert_eq!(memory.task_entry("odd").unwrap(), None);
    }
}
