//! Claims held against the disk.
//!
//! A file that several entries name is read once. What seems broken is looked at again under its task's lock, all of a task
//! at once: the lock is taken once, and the task's manifest and its record of finished files are read once, so that the cost
//! stays linear in the number of claims.

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

/// How long a writer at work in one folder is waited for, whatever is wrong there.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

impl ArchiveScan {
    /// Holds claims on one file against the disk: by size alone when `quick`, else by its bytes, which are read once and
    /// which `passed` hears of. What is wrong with each claim.
    #[must_use]
    pub(crate) fn check(&self, claims: &[ExpectedFile], quick: bool, passed: impl FnMut(u64)) -> Vec<Option<Fault>> {
        // The disk says no: nobody knows what the file is like.
        self.compare_with_disk(claims, quick, passed).unwrap_or_else(|_| vec![Some(Fault::Unreadable); claims.len()])
    }

    fn compare_with_disk(
        &self,
        claims: &[ExpectedFile],
        quick: bool,
        mut passed: impl FnMut(u64),
    ) -> io::Result<Vec<Option<Fault>>> {
        let Some(ExpectedFile { path, .. }) = claims.first() else { return Ok(Vec::new()) };
        let all = |fault| Ok(vec![Some(fault); claims.len()]);
        let size = match path_check::checked_size(&self.root, path)? {
            Ok(size) => size,
            Err(fault) => return all(fault),
        };
        let is_of_size = |claim: &ExpectedFile| claim.size == size;
        let mut sha256 = None;
        if !quick && claims.iter().any(is_of_size) {
            let file = match File::open(self.root.join(path)) {
                // A forced run may have just replaced it by one of another name.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return all(Fault::Missing),
                file => file?,
            };
            let mut hasher = Hasher::default();
            for_each_chunk(file, |bytes| {
                hasher.update(bytes);
                passed(bytes.len() as u64);
            })?;
            sha256 = Some(hasher.finish());
        }
        let is_whole = |claim: &ExpectedFile| is_of_size(claim) && sha256.as_ref().is_none_or(|sha256| *sha256 == claim.sha256);
        Ok(claims.iter().map(|claim| (!is_whole(claim)).then_some(Fault::Damaged)).collect())
    }

    /// Holds claims of one task that seem broken against the disk again, with the task's lock held: another process may just
    /// have replaced the files. One that has the lock for long is not waited for; what it has recorded as finished is no
    /// fault. The claims that are broken all the same. What is read of the task is read once, however many they are.
    #[must_use]
    pub(crate) fn recheck_locked(&self, claims: Vec<ExpectedFile>, quick: bool) -> Vec<(ExpectedFile, Fault)> {
        let Some(first) = claims.first() else { return Vec::new() };
        let folder = if self.is_single { self.root.clone() } else { self.root.join(layout::folder_name(&first.task_id)) };
        // Where it can't be looked at, no lock is to be had either, and what was found stands.
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        // Where no lock can be had (a read-only disk), nobody else writes either.
        let lock = if is_folder { Lock::lock_folder_timeout(&folder, LOCK_TIMEOUT) } else { Ok(None) };
        let broken = self.recheck(claims, &folder, quick);
        if broken.is_empty() || !is_folder || !matches!(lock, Ok(None)) {
            return broken;
        }
        // A record that can't be read excuses nothing.
        let names = broken.iter().map(|(claim, _)| claim.name()).collect();
        let finished = commit_log::find_verified(&folder, &names).unwrap_or_default();
        let left = broken.into_iter().map(|(claim, _)| claim).filter(|claim| !finished.contains(claim.name())).collect();
        // Whoever had it may just have ended.
        self.recheck(left, &folder, quick)
    }

    /// Holds what the manifest in `folder` says by now of claims against the disk.
    fn recheck(&self, claims: Vec<ExpectedFile>, folder: &Path, quick: bool) -> Vec<(ExpectedFile, Fault)> {
        let mut now = TaskScan::default();
        // Where it can't be read, the claims stand as they are.
        if let Ok(ManifestLookup::Task(task)) = manifest_files::read_own(folder) {
            let prefix = claims.first().and_then(|claim| claim.path.rsplit_once('/')).map(|(folder, _)| format!("{folder}/"));
            now.expect_task(&task, prefix.as_deref().unwrap_or_default());
        }
        let mut by_part: HashMap<Option<AssetKey>, ExpectedFile> = HashMap::new();
        for claim in now.expected {
            by_part.entry(claim.key).or_insert(claim);
        }
        let renewed = claims.into_iter().map(|claim| (by_part.get(&claim.key).unwrap_or(&claim).clone(), claim)).collect();
        let groups = group_by_path(renewed, |(now, _): &(ExpectedFile, ExpectedFile)| &now.path);
        let check = |group: Vec<(ExpectedFile, ExpectedFile)>| {
            let (now, claims): (Vec<ExpectedFile>, Vec<ExpectedFile>) = group.into_iter().unzip();
            let faults = self.check(&now, quick, |_| {});
            claims.into_iter().zip(faults).filter_map(|(claim, fault)| Some((claim, fault?))).collect::<Vec<_>>()
        };
        groups.into_par_iter().flat_map_iter(check).collect()
    }
}

/// Puts together what is about the same path, in the order of first mention.
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
