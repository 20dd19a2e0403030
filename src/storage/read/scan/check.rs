//! Compares expected files with the disk.
//!
//! A file that several entries name is read once. What seems broken is checked again under its task's lock, for all files of a
//! task together: the lock, the task's manifest and its commit log are taken once. So the cost stays linear in the number of
//! expected files.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use rayon::prelude::*;

use super::{ArchiveScan, ExpectedFile, TaskScan};
use crate::domain::asset_key::AssetKey;
use crate::domain::event::Fault;
use crate::integrity::digest::{Hasher, for_each_chunk};
use crate::layout;
use crate::storage::local::lock::Lock;
use crate::storage::local::manifest_files::{self, ManifestLookup};
use crate::storage::local::{commit_log, path_check};

/// How long to wait for a process that is writing in one folder.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

impl ArchiveScan {
    /// Compares one file with its entries: by size alone when `quick`, else by its bytes, which are read once and counted with
    /// `on_bytes`. Returns the fault of each entry.
    #[must_use]
    pub(crate) fn check(&self, expected: &[ExpectedFile], quick: bool, on_bytes: impl FnMut(u64)) -> Vec<Option<Fault>> {
        // The disk can't be read, so the state of the file is unknown.
        self.compare_with_disk(expected, quick, on_bytes).unwrap_or_else(|_| vec![Some(Fault::Unreadable); expected.len()])
    }

    fn compare_with_disk(
        &self,
        expected: &[ExpectedFile],
        quick: bool,
        mut on_bytes: impl FnMut(u64),
    ) -> io::Result<Vec<Option<Fault>>> {
        let Some(ExpectedFile { path, .. }) = expected.first() else { return Ok(Vec::new()) };
        let all = |fault| Ok(vec![Some(fault); expected.len()]);
        let size = match path_check::checked_size(&self.root, path)? {
            Ok(size) => size,
            Err(fault) => return all(fault),
        };
        let is_of_size = |file: &ExpectedFile| file.size == size;
        let mut sha256 = None;
        if !quick && expected.iter().any(is_of_size) {
            let file = match File::open(self.root.join(path)) {
                // A forced run may have just replaced it by a file with another name.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return all(Fault::Missing),
                file => file?,
            };
            let mut hasher = Hasher::default();
            for_each_chunk(file, |bytes| {
                hasher.update(bytes);
                on_bytes(bytes.len() as u64);
            })?;
            sha256 = Some(hasher.finish());
        }
        let is_intact = |file: &ExpectedFile| is_of_size(file) && sha256.as_ref().is_none_or(|sha256| *sha256 == file.sha256);
        Ok(expected.iter().map(|file| (!is_intact(file)).then_some(Fault::Damaged)).collect())
    }

    /// Checks the broken files of one task again while the task's lock is held: another process may have just replaced them.
    /// When another process keeps the lock for long, files that its commit log proves are no faults. Returns the files that are
    /// broken all the same. Everything about the task is read once, however many files there are.
    #[must_use]
    pub(crate) fn recheck_locked(&self, expected: Vec<ExpectedFile>, quick: bool) -> Vec<(ExpectedFile, Fault)> {
        let Some(first) = expected.first() else { return Vec::new() };
        let folder = if self.is_single { self.root.clone() } else { self.root.join(layout::folder_name(&first.task_id)) };
        // Where the folder can't be examined, it can't be locked either, and the findings are kept.
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        // Where no lock can be taken (a read-only disk), no other process writes either.
        let lock = if is_folder { Lock::lock_folder_timeout(&folder, LOCK_TIMEOUT) } else { Ok(None) };
        let broken = self.recheck(expected, &folder, quick);
        if broken.is_empty() || !is_folder || !matches!(lock, Ok(None)) {
            return broken;
        }
        // When the commit log can't be read, no finding is dropped because of it.
        let names = broken.iter().map(|(file, _)| file.name()).collect();
        let finished = commit_log::find_verified(&folder, &names).unwrap_or_default();
        let left = broken.into_iter().map(|(file, _)| file).filter(|file| !finished.contains(file.name())).collect();
        // The holder of the lock may have finished meanwhile.
        self.recheck(left, &folder, quick)
    }

    /// Compares the current entries of the manifest in `folder` with the disk.
    fn recheck(&self, expected: Vec<ExpectedFile>, folder: &Path, quick: bool) -> Vec<(ExpectedFile, Fault)> {
        let mut now = TaskScan::default();
        // Where it can't be read, the old entries are used.
        if let Ok(ManifestLookup::Task(task)) = manifest_files::read_own(folder) {
            let prefix = expected.first().and_then(|file| file.path.rsplit_once('/')).map(|(folder, _)| format!("{folder}/"));
            now.expect_task(&task, prefix.as_deref().unwrap_or_default());
        }
        let mut by_key: HashMap<Option<AssetKey>, ExpectedFile> = HashMap::new();
        for file in now.expected {
            by_key.entry(file.key).or_insert(file);
        }
        let renewed = expected.into_iter().map(|file| (by_key.get(&file.key).unwrap_or(&file).clone(), file)).collect();
        let groups = group_by_path(renewed, |(now, _): &(ExpectedFile, ExpectedFile)| &now.path);
        let check = |group: Vec<(ExpectedFile, ExpectedFile)>| {
            let (now, expected): (Vec<ExpectedFile>, Vec<ExpectedFile>) = group.into_iter().unzip();
            let faults = self.check(&now, quick, |_| {});
            expected.into_iter().zip(faults).filter_map(|(file, fault)| Some((file, fault?))).collect::<Vec<_>>()
        };
        groups.into_par_iter().flat_map_iter(check).collect()
    }
}

/// Groups items of the same path, in the order of first mention.
pub(crate) fn group_by_path<T>(items: Vec<T>, path: impl Fn(&T) -> &String) -> Vec<Vec<T>> {
    let (mut groups, mut at): (Vec<Vec<T>>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for item in items {
        let group = *at.entry(path(&item).clone()).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(item);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_path_are_grouped_in_order_of_first_mention() {
        let items = ["b", "a", "b", "c", "a"].map(str::to_owned).to_vec();
        assert_eq!(group_by_path(items, |item| item), [vec!["b", "b"], vec!["a", "a"], vec!["c"]]);
    }
}
