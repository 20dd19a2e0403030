//! What the root manifest remembers of tasks whose own manifests are lost or broken.
//!
//! Many may be, where a disk went bad; so the root is gone through once, by whoever asks first, and only where each task
//! stands in it is kept. The file stays open: all answers are of one version of it, whatever is written meanwhile.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::manifest::{self, TaskEntry, Unread};
use crate::naming::MANIFEST;

/// The root manifest of an archive, asked for single tasks.
#[derive(Debug)]
pub(super) struct Memory {
    manifest: PathBuf,
    learned: OnceLock<Option<Learned>>,
}

#[derive(Debug)]
struct Learned {
    manifest: Mutex<File>,
    places: HashMap<String, Range<u64>>,
}

impl Memory {
    pub(super) fn new(root: &Path) -> Self {
        Self { manifest: root.join(MANIFEST), learned: OnceLock::new() }
    }

    /// What it says of a task, as the task's own manifest had it.
    pub(super) fn of(&self, task_id: &str) -> Option<TaskEntry> {
        let learned = self.learned.get_or_init(|| File::open(&self.manifest).ok().map(Learned::of)).as_ref()?;
        let entry = Unread::from(learned.text(task_id)?.as_slice()).entry()?;
        Some(entry.into_own())
    }
}

impl Learned {
    fn of(manifest: File) -> Self {
        let mut places = HashMap::new();
        // One that breaks off may still name some.
        let _ = manifest::walk(&manifest, |task| places.extend(task.id().map(|id| (id, task.place()))));
        Self { manifest: Mutex::new(manifest), places }
    }

    fn text(&self, task_id: &str) -> Option<Vec<u8>> {
        let place = self.places.get(task_id)?;
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        manifest.seek(SeekFrom::Start(place.start)).ok()?;
        let mut text = Vec::new();
        (&mut *manifest).take(place.end - place.start).read_to_end(&mut text).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::entry;

    #[test]
    fn every_task_is_remembered_where_the_manifest_has_it() {
        let root = tempfile::tempdir().unwrap();
        let mut text = Vec::new();
        let ids: Vec<String> = (0..10_000).map(|n| format!("{n:05}")).collect();
        manifest::write(&mut text, Box::new(|push| ids.iter().try_for_each(|id| push(&entry(id))))).unwrap();
        // Longer than what is read at once, twice, and broken off.
        text.truncate(text.len() - 30);
        assert!(text.len() > 2 * (256 << 10));
        std::fs::write(root.path().join(MANIFEST), &text).unwrap();
        let memory = Memory::new(root.path());
        for id in &ids[..9999] {
            assert_eq!(memory.of(id).unwrap().task_id, *id);
        }
        assert_eq!(memory.of("09999"), None);
        std::fs::remove_file(root.path().join(MANIFEST)).unwrap();
        assert!(memory.of("00007").is_some(), "it is one version of the file that answers");
        assert_eq!(Memory::new(root.path()).of("00007"), None);
    }
}
