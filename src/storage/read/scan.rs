//! Looking at an archive without trusting it: what its manifests claim, and what else lies about.
//!
//! Reads only, a task at a time, so that an archive of any size can be looked at, on as many threads as
//! there are. [`Survey::places`] names the folders, with what the root manifest says of each;
//! [`Survey::visit`] lists what should be there (from the task's own manifest and, for folders that are gone,
//! from the root's), what no manifest names, and what can't be believed. No symlink is followed and no path
//! that a manifest gives is opened before it is known to be a plain name in its task's folder.
//! [`Survey::check`] then holds the claims on one file against the disk.
//!
//! What the disk does not give is a finding like any other, `unreadable`: it never ends the look at the rest. Names that the
//! layout can't produce, and that can't be read, are ignored.

mod check;
mod task_scan;

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::event::Fault;
use crate::domain::manifest::{self, RawTask, TaskEntry};
use crate::layout::{self, GALLERY, MANIFEST, SHA256SUMS};
use crate::storage::Error;
use crate::storage::local::manifest_files::{self, ManifestLookup, ManifestStatus};
use crate::storage::local::path_check;
use task_scan::expected_names;

pub(crate) use check::group_by_path;
pub(crate) use task_scan::{ExpectedFile, TaskScan};

/// An archive, or one task's folder, to be looked at.
pub(crate) struct ArchiveScan {
    root: PathBuf,
    /// Its folders, whatever they hold.
    folders: BTreeSet<String>,
    /// What is wrong with it at first sight, by path.
    pub faults: Vec<(String, Fault)>,
    /// Whether the folder is one task's, and not an archive of such.
    pub is_single: bool,
}

/// One of the archive's folders, there or not, and what the root manifest says of its task.
pub(crate) struct ScanUnit {
    folder: String,
    root_entry: Option<Vec<u8>>,
}

impl ArchiveScan {
    /// Begins to look at an archive, or at one task's folder.
    ///
    /// # Errors
    /// When there is neither, or its manifest is not ours or of a later version.
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
        let mut named = Vec::new();
        let standing = manifest_files::read_root(root, |task| {
            // Two are enough to know that it is no task's own.
            if named.len() < 2 {
                named.extend(task.parse());
            }
        });
        let standing = match standing {
            Err(Error::Io { .. }) => {
                faults.push((MANIFEST.to_owned(), Fault::Unreadable));
                ManifestStatus::Damaged
            }
            Ok(ManifestStatus::Damaged) => {
                faults.push((MANIFEST.to_owned(), Fault::Damaged));
                ManifestStatus::Damaged
            }
            standing => standing?,
        };
        let mut survey = Self { root: root.to_owned(), folders, faults, is_single: false };
        match (standing, named.as_slice()) {
            (ManifestStatus::Missing, _) if !survey.may_have_tasks() => return Err(Error::NoArchive(root.to_owned())),
            (ManifestStatus::Valid, [task]) if !survey.has_tasks() && survey.is_folder_of(task) => {
                // What lies about here is told with the task.
                (survey.is_single, survey.faults) = (true, Vec::new());
            }
            _ => {}
        }
        Ok(survey)
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

    /// Whether `root` is one task's folder, and not an archive of such.
    ///
    /// # Errors
    /// As for [`Survey::of`], and when there is nothing but a broken manifest: of an archive or of a task, nobody knows.
    pub(crate) fn is_single_at(root: &Path) -> Result<bool, Error> {
        let survey = Self::open(root)?;
        let is_broken = survey.faults.iter().any(|(path, _)| path == MANIFEST);
        if survey.folders.is_empty() && is_broken { Err(Error::NoArchive(root.to_owned())) } else { Ok(survey.is_single) }
    }

    /// Where it stands, as it was given.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// How many folders it has, each of them a place.
    #[must_use]
    pub(crate) fn folder_count(&self) -> usize {
        if self.is_single { 1 } else { self.folders.len() }
    }

    /// Names every place once, in no order that matters. What is wrong with the root manifest itself, when it can't be read
    /// to its end.
    pub(crate) fn for_each_unit(&self, mut take: impl FnMut(ScanUnit)) -> Option<Fault> {
        if self.is_single {
            take(ScanUnit { folder: String::new(), root_entry: None });
            return None;
        }
        let mut left: HashSet<&str> = self.folders.iter().map(String::as_str).collect();
        let mut gone = HashSet::new();
        let walked = File::open(self.root.join(MANIFEST)).and_then(|file| {
            manifest::for_each_task(file, |task| {
                if let Some(id) = task.id() {
                    let folder = layout::folder_name(&id);
                    // However often it is named, a task is one.
                    if left.remove(folder.as_str()) || (!self.folders.contains(&folder) && gone.insert(folder.clone())) {
                        take(ScanUnit { folder, root_entry: Some(task.to_vec()) });
                    }
                }
            })
        });
        for folder in left {
            take(ScanUnit { folder: folder.to_owned(), root_entry: None });
        }
        match walked.map_err(|error| error.kind()) {
            Ok(_) | Err(io::ErrorKind::NotFound) => None,
            // It has been told as damaged, and gives what can be read.
            Err(io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => Some(Fault::Damaged),
            Err(_) => Some(Fault::Unreadable),
        }
    }

    /// What should be in a place, and what is wrong there at first sight.
    #[must_use]
    pub(crate) fn scan_task(&self, place: &ScanUnit) -> TaskScan {
        let mut visit = TaskScan::default();
        if self.is_single {
            let (own, is_entered) = self.expect_own_files("", None, true, &mut visit);
            if !is_entered {
                visit.faults.push((MANIFEST.to_owned(), Fault::Unreadable));
            }
            self.report_unknown_files("", &own, &mut visit);
            return visit;
        }
        let rooted = place.root_entry.as_deref().map(|text| RawTask::from(text).parse());
        if let Some(None) = rooted {
            visit.faults.push((MANIFEST.to_owned(), Fault::Damaged));
        }
        let is_here = self.folders.contains(&place.folder);
        let is_entered = !is_here || self.scan_folder(&place.folder, rooted.is_some(), &mut visit);
        if let Some(task) = rooted.flatten() {
            if is_entered {
                visit.expect_root_entry(&task);
            }
            visit.task_id.get_or_insert_with(|| task.task_id.clone());
            if !is_here && visit.expected.is_empty() && visit.faults.is_empty() {
                visit.faults.push((format!("{}/{MANIFEST}", place.folder), Fault::Missing));
            }
        }
        visit
    }

    /// Looks at a folder; whether it can be entered.
    fn scan_folder(&self, name: &str, is_named: bool, visit: &mut TaskScan) -> bool {
        let prefix = format!("{name}/");
        if !layout::is_folder_name(name) {
            self.report_unknown_files(&prefix, &HashSet::new(), visit);
            return true;
        }
        let (own, is_entered) = self.expect_own_files(&prefix, Some(name), is_named, visit);
        if is_entered {
            self.report_unknown_files(&prefix, &own, visit);
        } else {
            visit.faults.push((name.to_owned(), Fault::Unreadable));
        }
        is_entered
    }

    /// Claims what a task's own manifest names, or says what is wrong with it. The names in its folder that are accounted
    /// for, and whether the folder can be entered.
    fn expect_own_files(
        &self,
        prefix: &str,
        name: Option<&str>,
        is_named: bool,
        visit: &mut TaskScan,
    ) -> (HashSet<String>, bool) {
        let folder = self.root.join(prefix);
        if path_check::lstat(&folder.join(MANIFEST)).is_err() {
            return (HashSet::new(), false);
        }
        let fault = match manifest_files::read_own(&folder) {
            Ok(ManifestLookup::Task(task)) if name.is_none_or(|name| layout::folder_name(&task.task_id) == name) => {
                visit.expect_task(&task, prefix);
                return (expected_names(&task), true);
            }
            Ok(ManifestLookup::Missing) => is_named.then_some(Fault::Missing),
            Ok(ManifestLookup::Damaged { .. }) => Some(Fault::Damaged),
            Err(Error::Io { .. }) => Some(Fault::Unreadable),
            // The root says that a task's manifest is here; else it is another program's.
            Ok(ManifestLookup::Task(_)) | Err(_) => is_named.then_some(Fault::Damaged),
        };
        visit.faults.extend(fault.map(|fault| (format!("{prefix}{MANIFEST}"), fault)));
        (fault.map(|_| MANIFEST.to_owned()).into_iter().collect(), true)
    }

    /// Whether the surveyed folder is the one of `task`: its files stand in it, not in a folder below.
    fn is_folder_of(&self, task: &TaskEntry) -> bool {
        let folder = layout::folder_name(&task.task_id);
        // What can't be seen is below, as an archive has it.
        let is_below = path_check::lstat(&self.root.join(&folder).join(MANIFEST)).map_or(true, |found| found.is_some());
        let is_named_so = self.root.canonicalize().is_ok_and(|path| path.file_name().is_some_and(|name| name == folder.as_str()));
        !is_below && (task.is_task_relative() || is_named_so)
    }

    /// Tells the files below `prefix` that are not among `own`, dot-files aside. A folder that can't be listed is unreadable
    /// where it is a task's; no manifest names what is in any other.
    fn report_unknown_files(&self, prefix: &str, own: &HashSet<String>, visit: &mut TaskScan) {
        let folder = prefix.trim_end_matches('/');
        let Ok(found) = entries(&self.root.join(prefix)) else {
            return match folder.split_once('/') {
                _ if folder.is_empty() || layout::is_folder_name(folder) => {
                    visit.faults.push((folder.to_owned(), Fault::Unreadable));
                }
                Some((task, _)) if layout::is_folder_name(task) => visit.faults.push((folder.to_owned(), Fault::Unknown)),
                _ => {}
            };
        };
        for (name, kind) in found {
            let path = format!("{prefix}{name}");
            match kind {
                _ if own.contains(&name) => {}
                Some(kind) if kind.is_dir() => self.report_unknown_files(&format!("{path}/"), &HashSet::new(), visit),
                _ => visit.faults.push((path, Fault::Unknown)),
            }
        }
    }
}

/// What a folder holds, in the order of names, dot-files aside; no type where the disk does not tell.
fn entries(folder: &Path) -> io::Result<Vec<(String, Option<fs::FileType>)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, entry.file_type().ok()));
        }
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(entries)
}
