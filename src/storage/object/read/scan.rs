//! Checks an archive in a bucket for `verify`, without trusting it.
//!
//! All objects are listed once. Then each folder's manifest is read, and the objects that it names are compared with it: by their
//! bytes, or by their sizes and recorded hashes. Up to 32 requests are under way, in any order of tasks. A task that the index
//! names and that has no manifest is a finding too. Where a manifest is lost, the index says which files the task has, as the root
//! manifest does on a disk: it is read again for those folders alone.
//!
//! Workers may write meanwhile. What seems broken is checked again, against the manifest as it is then. A file that no manifest
//! names may be one that is about to be named.

mod check;
mod indexed;

use std::collections::{HashMap, HashSet};

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use super::listing::{self, Objects};
use super::{BucketReader, MAX_REQUESTS, manifest};
use crate::domain::event::{Emitter, Fault};
use crate::domain::manifest::TaskEntry;
use crate::domain::selection::TaskFilter;
use crate::layout::{self, GALLERY, MANIFEST, SHA256SUMS};
use crate::storage::Error;
use crate::storage::local::manifest_files::ManifestLookup;
use crate::storage::location::BucketUrl;
use crate::storage::read::scan::{self, ExpectedFile, TaskScan, expected_names};
use check::Checker;
use indexed::{LostEntries, read_index, read_lost};

/// An archive in a bucket, or the folder of one task there, that is checked.
pub(crate) struct BucketScan {
    reader: BucketReader,
    objects: Objects,
    /// What is wrong with the root, by path.
    pub faults: Vec<(String, Fault)>,
    filter: TaskFilter,
    /// The ids that the index names, by folder, where the folder had no manifest when it was listed.
    indexed: HashMap<String, String>,
}

/// The manifest of a folder.
enum Own {
    Task(Box<TaskEntry>),
    Missing,
    Damaged,
    /// The store did not give it: nothing is known of the folder.
    Unreadable,
    /// That of another task, program or version.
    Foreign,
}

/// A task that was checked.
pub(crate) struct CheckedTask {
    /// What was found without reading a file.
    pub scan: TaskScan,
    /// The files that were checked, and their bytes.
    pub files: u64,
    /// As recorded.
    pub bytes: u64,
    /// The files that are not as recorded.
    pub broken: Vec<(ExpectedFile, Fault)>,
}

impl BucketScan {
    /// Lists what `filter` selects of the archive, or of the one task's folder, at `url`.
    ///
    /// # Errors
    /// When there is neither, or it can't be listed.
    pub(crate) fn open(url: &BucketUrl, filter: &TaskFilter) -> Result<Self, Error> {
        Self::of(BucketReader::open(url)?, filter)
    }

    fn of(reader: BucketReader, filter: &TaskFilter) -> Result<Self, Error> {
        let mut scan =
            Self { reader, objects: Objects::default(), faults: Vec::new(), filter: filter.clone(), indexed: HashMap::new() };
        let reader = &scan.reader;
        scan.objects = reader.runtime.block_on(list(reader, filter))?;
        if !reader.is_single {
            scan.faults = scan.reader.runtime.block_on(read_index(&scan.reader, &scan.objects, filter, &mut scan.indexed))?;
            let ours = [MANIFEST, SHA256SUMS, GALLERY];
            // Some programs create an empty object for a folder.
            let is_known = |name: &str, size: u64| ours.contains(&name) || (size == 0 && layout::is_folder_name(name));
            let unknown = scan.objects.root.iter().filter(|(name, size)| filter.is_empty() && !is_known(name, *size));
            scan.faults.extend(unknown.map(|(name, _)| (name.to_string(), Fault::Unknown)));
        }
        Ok(scan)
    }

    /// Whether it is the folder of one task.
    pub(crate) fn is_single(&self) -> bool {
        self.reader.is_single
    }

    /// Of the ids that the filter asks for, those that are not among the ids and folders `found`.
    pub(crate) fn missing_ids(&self, found: &HashSet<String>) -> Vec<String> {
        scan::missing_ids(&self.filter, found)
    }

    /// How many tasks [`BucketScan::check_all`] checks.
    pub(crate) fn folder_count(&self) -> usize {
        if self.is_single() { 1 } else { self.objects.folders.len() + self.gone().count() }
    }

    /// Checks every task, and calls `on_task` with each: by the bytes of its files, or when `quick` by sizes and recorded hashes.
    pub(crate) fn check_all(&self, quick: bool, events: &Emitter, mut on_task: impl FnMut(CheckedTask)) {
        self.reader.runtime.block_on(async {
            let requests = Semaphore::new(MAX_REQUESTS);
            let checker = Checker { bucket: &self.reader.bucket, quick, events, requests: &requests };
            let single = self.is_single().then_some("").into_iter();
            let listed = self.objects.folders.keys().filter(|_| !self.is_single()).map(String::as_str);
            let mut lost = Vec::new();
            let mut tasks = stream::iter(single.chain(listed).chain(self.gone()))
                .map(|folder| self.check_folder(folder, &checker))
                .buffer_unordered(MAX_REQUESTS);
            while let Some(checked) = tasks.next().await {
                match checked {
                    Ok(task) => on_task(task),
                    Err(folder) => lost.push(folder),
                }
            }
            drop(tasks);
            let entries = read_lost(&self.reader, &lost).await;
            let mut tasks =
                stream::iter(lost).map(|folder| self.check_lost(folder, &entries, &checker)).buffer_unordered(MAX_REQUESTS);
            while let Some(task) = tasks.next().await {
                on_task(task);
            }
        });
    }

    /// The folders of tasks that the index names, and that were not listed.
    fn gone(&self) -> impl Iterator<Item = &str> {
        self.indexed.keys().map(String::as_str).filter(|folder| !self.objects.folders.contains_key(*folder))
    }

    /// Checks one folder: empty for the folder of one task. The folder is an error when its manifest is lost.
    async fn check_folder<'a>(&self, folder: &'a str, checker: &Checker<'_>) -> Result<CheckedTask, &'a str> {
        let mut found = TaskScan::default();
        if folder.is_empty() || layout::is_folder_name(folder) {
            match self.read_manifest(folder, checker).await {
                Own::Task(task) => self.expect_own(folder, *task, &mut found),
                // A run has not finished it.
                Own::Missing if !folder.is_empty() && !self.indexed.contains_key(folder) => {
                    self.report_unknown(folder, &HashSet::new(), &mut found);
                }
                _ => return Err(folder),
            }
        } else {
            self.report_unknown(folder, &HashSet::new(), &mut found);
        }
        Ok(self.finish(folder, found, checker).await)
    }

    /// Checks a folder whose manifest was lost a moment ago, with the entry that the index has.
    async fn check_lost(&self, folder: &str, entries: &LostEntries, checker: &Checker<'_>) -> CheckedTask {
        let mut found = TaskScan::default();
        let entry = entries.get(folder);
        let fault = match self.read_manifest(folder, checker).await {
            Own::Task(task) => {
                self.expect_own(folder, *task, &mut found);
                return self.finish(folder, found, checker).await;
            }
            Own::Missing => Some(Fault::Missing),
            Own::Damaged => Some(Fault::Damaged),
            Own::Unreadable => Some(Fault::Unreadable),
            // Another program wrote it, unless the index names the task.
            Own::Foreign if entries.is_unknown() => Some(Fault::Unreadable),
            Own::Foreign => entry.is_some().then_some(Fault::Damaged),
        };
        if let Some(fault) = fault {
            let prefix = prefix_of(folder);
            found.faults.push((format!("{prefix}{MANIFEST}"), fault));
            // A folder that is named after its task needs no index.
            found.task_id =
                self.indexed.get(folder).cloned().or_else(|| (layout::folder_name(folder) == folder).then(|| folder.to_owned()));
        }
        if fault != Some(Fault::Unreadable) {
            self.report_unknown(folder, &fault.map(|_| MANIFEST.to_owned()).into_iter().collect(), &mut found);
        }
        match entry.map(|entry| scan::select(&self.filter, entry)) {
            Some(Some(task)) => {
                found.task_id = Some(task.task_id.clone());
                found.expect_root_entry(&task);
            }
            Some(None) => found.is_rejected = true,
            None => {}
        }
        self.finish(folder, found, checker).await
    }

    /// Checks the files that a folder should have.
    async fn finish(&self, folder: &str, mut found: TaskScan, checker: &Checker<'_>) -> CheckedTask {
        if found.is_rejected {
            (found.expected, found.faults) = (Vec::new(), Vec::new());
        }
        if !self.filter.is_empty() {
            found.faults.retain(|(_, fault)| *fault != Fault::Unknown);
        }
        found.found_as = found.task_id.clone().or_else(|| (!found.faults.is_empty()).then(|| folder.to_owned()));
        checker.check(found, self.listed(folder)).await
    }

    /// Reads the manifest of a folder.
    async fn read_manifest(&self, folder: &str, checker: &Checker<'_>) -> Own {
        let prefix = prefix_of(folder);
        let _permit = checker.requests.acquire().await;
        match manifest::read(&self.reader.bucket, &prefix).await {
            Ok(ManifestLookup::Task(task)) if folder.is_empty() || layout::folder_name(&task.task_id) == folder => {
                Own::Task(task)
            }
            Ok(ManifestLookup::Missing) => Own::Missing,
            Ok(ManifestLookup::Damaged { .. }) => Own::Damaged,
            Err(Error::Bucket { .. } | Error::Io { .. }) => Own::Unreadable,
            Ok(ManifestLookup::Task(_)) | Err(_) => Own::Foreign,
        }
    }

    /// Expects what a task's own manifest names.
    fn expect_own(&self, folder: &str, task: TaskEntry, found: &mut TaskScan) {
        let prefix = prefix_of(folder);
        let names = expected_names(&task);
        found.task_id = Some(task.task_id.clone());
        match scan::select(&self.filter, task) {
            Some(task) => found.expect_task(&task, &prefix),
            None => found.is_rejected = true,
        }
        self.report_unknown(folder, &names, found);
    }

    /// The names that were listed in a folder, and the sizes.
    fn listed(&self, folder: &str) -> &[(Box<str>, u64)] {
        match folder {
            "" => &self.objects.root,
            folder => self.objects.folders.get(folder).map_or(&[], Vec::as_slice),
        }
    }

    /// Reports the objects in a folder that are not in `own`.
    fn report_unknown(&self, folder: &str, own: &HashSet<String>, found: &mut TaskScan) {
        let prefix = prefix_of(folder);
        let names = self.listed(folder).iter().map(|(name, _)| name);
        let unknown = names.filter(|name| !own.contains(&***name)).map(|name| (format!("{prefix}{name}"), Fault::Unknown));
        found.faults.extend(unknown);
        if folder.is_empty() {
            let below = self.objects.folders.iter().flat_map(|(folder, names)| names.iter().map(move |(name, _)| (folder, name)));
            found.faults.extend(below.map(|(folder, name)| (format!("{folder}/{name}"), Fault::Unknown)));
        }
    }
}

/// What the paths of a folder begin with. Nothing for the folder of one task.
fn prefix_of(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

/// Lists the archive, or the folders of the tasks that the filter asks for.
async fn list(reader: &BucketReader, filter: &TaskFilter) -> Result<Objects, Error> {
    let Some(ids) = filter.ids.as_ref().filter(|_| !reader.is_single) else {
        let objects = listing::objects(&reader.bucket, None).await?;
        if !reader.is_single {
            let has_manifest = |names: &[(Box<str>, u64)]| names.iter().any(|(name, _)| &**name == MANIFEST);
            let folders = objects.folders.iter().filter(|(folder, names)| layout::is_folder_name(folder) && has_manifest(names));
            reader.refuse_no_archive(folders.map(|(folder, _)| folder.as_str())).await?;
        }
        return Ok(objects);
    };
    let folders: Vec<String> = ids.iter().map(|id| layout::folder_name(id)).collect();
    let listed = folders.iter().map(|folder| listing::objects(&reader.bucket, Some(folder)));
    let mut listed = stream::iter(listed).buffer_unordered(MAX_REQUESTS);
    let mut all = Objects::default();
    while let Some(objects) = listed.next().await {
        all.folders.extend(objects?.folders);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
