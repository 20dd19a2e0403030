//! What the root manifest remembers of tasks whose own manifests are lost or broken.
//!
//! Many may be, where a disk went bad; so the root is gone through once, by whoever asks first, and only where each task
//! stands in it is kept. The file is opened for each answer and closed again: while it is open, some systems can't replace
//! it. Where another version stands there by then, it is gone through again.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::positioned;
use crate::manifest::{self, TaskEntry, Unread};
use crate::naming::MANIFEST;

/// The root manifest of an archive, asked for single tasks.
#[derive(Debug)]
pub(super) struct Memory {
    manifest: PathBuf,
    /// Where each task stands, once somebody has asked.
    places: Mutex<Option<HashMap<String, Range<u64>>>>,
}

impl Memory {
    pub(super) fn new(root: &Path) -> Self {
        Self { manifest: root.join(MANIFEST), places: Mutex::default() }
    }

    /// What it says of a task, as the task's own manifest had it.
    pub(super) fn of(&self, task_id: &str) -> Option<TaskEntry> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = &*places {
            let place = places.get(task_id)?;
            if let Some(entry) = self.entry_at(place, task_id) {
                return Some(entry);
            }
        }
        // Nobody has asked before, or the file is another one by now.
        let place = places.insert(self.places()?).get(task_id)?;
        self.entry_at(place, task_id)
    }

    fn places(&self) -> Option<HashMap<String, Range<u64>>> {
        let mut places = HashMap::new();
        // One that breaks off may still name some.
        let _ = manifest::walk(File::open(&self.manifest).ok()?, |task| places.extend(task.id().map(|id| (id, task.place()))));
        Some(places)
    }

    /// The entry at `place`, when it is the one of `task_id`.
    fn entry_at(&self, place: &Range<u64>, task_id: &str) -> Option<TaskEntry> {
        let file = File::open(&self.manifest).ok()?;
        let mut text = Vec::new();
        positioned::read_range(&file, place.start, place.end, |block| text.extend_from_slice(block)).ok()?;
        let entry = Unread::from(text.as_slice()).entry().filter(|entry| entry.task_id == task_id)?;
        Some(entry.into_own())
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
        let mut other = Vec::new();
        manifest::write(&mut other, Box::new(|push| ids[5000..].iter().try_for_each(|id| push(&entry(id))))).unwrap();
        let new = root.path().join("new");
        std::fs::write(&new, &other).unwrap();
        std::fs::rename(&new, root.path().join(MANIFEST)).unwrap();
        assert_eq!(memory.of("09000").unwrap().task_id, "09000", "the file is replaced, and read again");
        assert_eq!(memory.of("00007"), None);
    }
}
