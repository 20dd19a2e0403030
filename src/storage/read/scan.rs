//! Scans an archive for `verify`, without trusting it: what its manifests name, and what else is there.
//!
//! It only reads, one task at a time, so that an archive of any size can be scanned, on any number of threads.
//! [`ArchiveScan::for_each_unit`] names the folders, with the root manifest's entry of each. [`ArchiveScan::scan_task`] lists
//! the files that should be there (from the task's own manifest and, where the folder is gone, from the root's), the files that
//! no manifest names, and the paths that are unsafe. [`ArchiveScan::check`] then compares one file with its entries.
//!
//! No symlink is followed, and no path from a manifest is opened before it is known to be a plain name in its task's folder.
//! What can't be read is a finding, `unreadable`, and never ends the scan. Names that the layout can't produce and that can't
//! be read are ignored.

mod check;
mod filtered;
mod task_scan;
mod unknown;

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::event::Fault;
use crate::domain::manifest::{self, RawTask, TaskEntry};
use crate::domain::selection::TaskFilter;
use crate::layout::{self, GALLERY, MANIFEST, SHA256SUMS};
use crate::storage::Error;
use crate::storage::local::manifest_files::{self, ManifestLookup, ManifestStatus};
use crate::storage::local::path_check;
pub(crate) use check::group_by_path;
pub(in crate::storage) use filtered::{missing_ids, select};
pub(in crate::storage) use task_scan::expected_names;
pub(crate) use task_scan::{ExpectedFile, TaskScan};
use unknown::entries;

/// A file of this size or more is announced while it is read.
pub(crate) const LARGE_FILE: u64 = 64 << 20;

/// An archive, or one task's folder, that is scanned.
pub(crate) struct ArchiveScan {
    root: PathBuf,
    /// The folders in it, whatever they hold.
    folders: BTreeSet<String>,
    /// What is wrong with the root, by path.
    pub faults: Vec<(String, Fault)>,
    /// Whether the root is one task's folder, and not an archive.
    pub is_single: bool,
    /// The tasks and files to scan.
    filter: TaskFilter,
    /// The folders of the ids that the filter asks for, if it does.
    wanted_folders: Option<HashSet<String>>,
}

/// One folder of the archive, which may be missing, and the root manifest's entry of its task.
pub(crate) struct ScanUnit {
    folder: String,
    root_entry: Option<Vec<u8>>,
}

impl ArchiveScan {
    /// Lists an archive, or one task's folder.
    ///
    /// # Errors
    /// When there is neither, or the manifest is foreign or of a later version.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        let (mut folders, mut faults) = (BTreeSet::new(), Vec::new());
        for (name, kind) in entries(root).map_err(Error::io("list", root))? {
            match kind {
                _ if [MANIFEST, SHA256SUMS, GALLERY].contains(&name.as_str()) => {}
                Some(kind) if kind.is_dir() => _ = folders.insert(name),
                Some(_) => faults.push((name, Fault::Unknown)),
                None if layout::is_folder_name(&name) => faults.push((name, Fault::Unreadable)),
                None => {}
            }
        }
        let mut tasks = Vec::new();
        let status = manifest_files::read_root(root, |task| {
            // Two entries are enough to know that this is no task's own manifest.
            if tasks.len() < 2 {
                tasks.extend(task.parse());
            }
        });
        let status = match status {
            Err(Error::Io { .. }) => {
                faults.push((MANIFEST.to_owned(), Fault::Unreadable));
                ManifestStatus::Damaged
            }
            Ok(ManifestStatus::Damaged) => {
                faults.push((MANIFEST.to_owned(), Fault::Damaged));
                ManifestStatus::Damaged
            }
            status => status?,
        };
        let (filter, wanted_folders) = (TaskFilter::default(), None);
        let mut scan = Self { root: root.to_owned(), folders, faults, is_single: false, filter, wanted_folders };
        match (status, tasks.as_slice()) {
            (ManifestStatus::Missing, _) if !scan.may_have_tasks() => return Err(Error::NoArchive(root.to_owned())),
            (ManifestStatus::Valid, [task]) if !scan.has_tasks() && scan.is_folder_of(task) => {
                // Files here are reported with the task.
                (scan.is_single, scan.faults) = (true, Vec::new());
            }
            _ => {}
        }
        Ok(scan)
    }

    /// The scan of the tasks and files that `filter` selects. It reports no unknown files. A task that can't be read can't be
    /// compared with the filter, so its fault is reported unless the filter asks for other ids.
    #[must_use]
    pub(crate) fn with_filter(mut self, filter: &TaskFilter) -> Self {
        self.filter = filter.clone();
        self.wanted_folders = filter.ids.as_ref().map(|ids| ids.iter().map(|id| layout::folder_name(id)).collect());
        let wanted = &self.wanted_folders;
        let is_wanted = |path: &String| {
            !layout::is_folder_name(path) || wanted.as_ref().is_none_or(|wanted| self.is_single || wanted.contains(path))
        };
        self.faults.retain(|(path, fault)| filter.is_empty() || (*fault != Fault::Unknown && is_wanted(path)));
        self
    }

    /// Of the ids that the filter asks for, those that are not among the ids and folders `found`.
    #[must_use]
    pub(crate) fn missing_ids(&self, found: &HashSet<String>) -> Vec<String> {
        missing_ids(&self.filter, found)
    }

    /// Whether some folder has a manifest.
    fn has_tasks(&self) -> bool {
        self.folders.iter().any(|name| matches!(path_check::lstat(&self.root.join(name).join(MANIFEST)), Ok(Some(_))))
    }

    /// Whether some folder has a manifest, or could be a task's and can't be entered.
    fn may_have_tasks(&self) -> bool {
        self.folders.iter().any(|name| match path_check::lstat(&self.root.join(name).join(MANIFEST)) {
            Ok(found) => found.is_some(),
            Err(_) => layout::is_folder_name(name),
        })
    }

    /// Whether `root` is one task's folder, and not an archive.
    ///
    /// # Errors
    /// As for [`Self::open`], and when a damaged manifest is all there is: it may be an archive's or a task's.
    pub(crate) fn is_single_at(root: &Path) -> Result<bool, Error> {
        let scan = Self::open(root)?;
        let is_broken = scan.faults.iter().any(|(path, _)| path == MANIFEST);
        if scan.folders.is_empty() && is_broken { Err(Error::NoArchive(root.to_owned())) } else { Ok(scan.is_single) }
    }

    /// How many units the scan has.
    #[must_use]
    pub(crate) fn folder_count(&self) -> usize {
        if self.is_single { 1 } else { self.folders.len() }
    }

    /// Calls `on_unit` with every unit once, in any order. Returns the fault of the root manifest, when it can't be read to its
    /// end.
    pub(crate) fn for_each_unit(&self, mut on_unit: impl FnMut(ScanUnit)) -> Option<Fault> {
        if self.is_single {
            on_unit(ScanUnit { folder: String::new(), root_entry: None });
            return None;
        }
        let mut remaining: HashSet<&str> = self.folders.iter().map(String::as_str).collect();
        let mut missing = HashSet::new();
        let walked = File::open(self.root.join(MANIFEST)).and_then(|file| {
            manifest::for_each_task(file, |task| {
                if let Some(id) = task.id() {
                    let folder = layout::folder_name(&id);
                    // A task is one unit, however often the manifest names it.
                    if remaining.remove(folder.as_str()) || (!self.folders.contains(&folder) && missing.insert(folder.clone())) {
                        on_unit(ScanUnit { folder, root_entry: Some(task.to_vec()) });
                    }
                }
            })
        });
        for folder in remaining {
            on_unit(ScanUnit { folder: folder.to_owned(), root_entry: None });
        }
        match walked.map_err(|error| error.kind()) {
            Ok(_) | Err(io::ErrorKind::NotFound) => None,
            // Already reported as damaged. What could be read was used.
            Err(io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => Some(Fault::Damaged),
            Err(_) => Some(Fault::Unreadable),
        }
    }

    /// The files that should be in a unit, and what is wrong there without reading any file. Nothing of a task that the filter
    /// rejects.
    #[must_use]
    pub(crate) fn scan_task(&self, unit: &ScanUnit) -> TaskScan {
        if self.wanted_folders.as_ref().is_some_and(|wanted| !self.is_single && !wanted.contains(&unit.folder)) {
            return TaskScan::default();
        }
        let mut found = self.scan_unit(unit);
        if found.is_rejected {
            (found.expected, found.faults) = (Vec::new(), Vec::new());
        }
        if !self.filter.is_empty() {
            found.faults.retain(|(_, fault)| *fault != Fault::Unknown);
        }
        let folder = || (!found.faults.is_empty()).then(|| unit.folder.clone());
        found.found_as = found.task_id.clone().or_else(folder);
        found
    }

    fn scan_unit(&self, unit: &ScanUnit) -> TaskScan {
        let mut found = TaskScan::default();
        if self.is_single {
            let (own, is_entered) = self.expect_own_files("", None, true, &mut found);
            if !is_entered {
                found.faults.push((MANIFEST.to_owned(), Fault::Unreadable));
            }
            self.report_unknown_files("", &own, &mut found);
            return found;
        }
        let root_entry = unit.root_entry.as_deref().map(|text| RawTask::from(text).parse());
        if let Some(None) = root_entry {
            found.faults.push((MANIFEST.to_owned(), Fault::Damaged));
        }
        let is_listed = self.folders.contains(&unit.folder);
        let is_entered = !is_listed || self.scan_folder(&unit.folder, root_entry.is_some(), &mut found);
        if let Some(task) = root_entry.flatten() {
            // The task's own manifest decides, if it can be read.
            let has_own = found.task_id.is_some();
            found.task_id.get_or_insert_with(|| task.task_id.clone());
            match select(&self.filter, task) {
                Some(task) if is_entered && !found.is_rejected => found.expect_root_entry(&task),
                Some(_) => {}
                None => found.is_rejected |= !has_own,
            }
            if !is_listed && found.expected.is_empty() && found.faults.is_empty() {
                found.faults.push((format!("{}/{MANIFEST}", unit.folder), Fault::Missing));
            }
        }
        found
    }

    /// Scans a folder. Whether it can be entered.
    fn scan_folder(&self, name: &str, is_named: bool, found: &mut TaskScan) -> bool {
        let prefix = format!("{name}/");
        if !layout::is_folder_name(name) {
            self.report_unknown_files(&prefix, &HashSet::new(), found);
            return true;
        }
        let (own, is_entered) = self.expect_own_files(&prefix, Some(name), is_named, found);
        if is_entered {
            self.report_unknown_files(&prefix, &own, found);
        } else {
            found.faults.push((name.to_owned(), Fault::Unreadable));
        }
        is_entered
    }

    /// Expects the files of a task's own manifest, or reports its fault. Returns the names in the folder that are accounted
    /// for, and whether the folder can be entered.
    fn expect_own_files(
        &self,
        prefix: &str,
        name: Option<&str>,
        is_named: bool,
        found: &mut TaskScan,
    ) -> (HashSet<String>, bool) {
        let folder = self.root.join(prefix);
        if path_check::lstat(&folder.join(MANIFEST)).is_err() {
            return (HashSet::new(), false);
        }
        let fault = match manifest_files::read_own(&folder) {
            Ok(ManifestLookup::Task(task)) if name.is_none_or(|name| layout::folder_name(&task.task_id) == name) => {
                let names = expected_names(&task);
                found.task_id = Some(task.task_id.clone());
                match select(&self.filter, *task) {
                    Some(task) => found.expect_task(&task, prefix),
                    None => found.is_rejected = true,
                }
                return (names, true);
            }
            Ok(ManifestLookup::Missing) => is_named.then_some(Fault::Missing),
            Ok(ManifestLookup::Damaged { .. }) => Some(Fault::Damaged),
            Err(Error::Io { .. }) => Some(Fault::Unreadable),
            // The root manifest says that a task's manifest is here; otherwise it belongs to another program.
            Ok(ManifestLookup::Task(_)) | Err(_) => is_named.then_some(Fault::Damaged),
        };
        found.faults.extend(fault.map(|fault| (format!("{prefix}{MANIFEST}"), fault)));
        (fault.map(|_| MANIFEST.to_owned()).into_iter().collect(), true)
    }

    /// Whether the scanned folder is that of `task`: the files are in it, and not in a folder below.
    fn is_folder_of(&self, task: &TaskEntry) -> bool {
        let folder = layout::folder_name(&task.task_id);
        // What can't be checked counts as a folder below, as in an archive.
        let is_below = path_check::lstat(&self.root.join(&folder).join(MANIFEST)).map_or(true, |found| found.is_some());
        let is_named_after_task =
            self.root.canonicalize().is_ok_and(|path| path.file_name().is_some_and(|name| name == folder.as_str()));
        !is_below && (task.is_task_relative() || is_named_after_task)
    }
}
