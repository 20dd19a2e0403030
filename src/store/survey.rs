//! Looking at an archive without trusting it: what its manifests claim, and what else lies about.
//!
//! Reads only, a task at a time, so that an archive of any size can be looked at, on as many threads as
//! there are. [`Survey::places`] names the folders, with what the root manifest says of each;
//! [`Survey::visit`] lists what should be there (from the task's own manifest and, for folders that are gone,
//! from the root's), what no manifest names, and what can't be believed. No symlink is followed and no path
//! that a manifest gives is opened before it is known to be a plain name in its task's folder.
//! [`Survey::check`] then holds one claim against the disk.

mod visit;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock::Lock;
use super::manifests::{self, Standing};
use super::{Error, finished, sight};
use crate::digest::{Hasher, read_through};
use crate::event::Fault;
use crate::manifest::{self, TaskEntry, Unread};
use crate::naming::{self, GALLERY, MANIFEST, SUMS};
use visit::own_names;

pub(crate) use visit::{Claim, Visit};

/// How long a writer at work in one folder is waited for, whatever is wrong there.
const PATIENCE: Duration = Duration::from_secs(5);

/// An archive, or one task's folder, to be looked at.
pub(crate) struct Survey {
    root: PathBuf,
    /// Its folders, whatever they hold.
    folders: BTreeSet<String>,
    /// What is wrong with it at first sight, by path.
    pub faults: Vec<(String, Fault)>,
    /// Whether the folder is one task's, and not an archive of such.
    pub is_single: bool,
    /// Since when the writers in these folders are waited for.
    waited: Mutex<HashMap<PathBuf, Instant>>,
}

/// One of the archive's folders, there or not, and what the root manifest says of its task.
pub(crate) struct Place {
    folder: String,
    rooted: Option<Vec<u8>>,
}

impl Survey {
    /// Begins to look at an archive, or at one task's folder.
    ///
    /// # Errors
    /// When there is neither, or its manifest is not ours or of a later version.
    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        let (mut folders, mut faults) = (BTreeSet::new(), Vec::new());
        for (name, kind) in entries(root)? {
            match () {
                () if [MANIFEST, SUMS, GALLERY].contains(&name.as_str()) => {}
                () if kind.is_dir() => _ = folders.insert(name),
                () => faults.push((name, Fault::Unknown)),
            }
        }
        let mut named = Vec::new();
        let standing = manifests::look(root, |task| {
            // Two are enough to know that it is no task's own.
            if named.len() < 2 {
                named.extend(task.entry());
            }
        })?;
        let mut survey = Self { root: root.to_owned(), folders, faults, is_single: false, waited: Mutex::default() };
        let has_tasks = survey.folders.iter().any(|name| root.join(name).join(MANIFEST).exists());
        match (standing, named.as_slice()) {
            (Standing::Nothing, _) if !has_tasks => return Err(Error::NoArchive(root.to_owned())),
            (Standing::Broken, _) => survey.faults.push((MANIFEST.to_owned(), Fault::Damaged)),
            (Standing::Ours, [task]) if !has_tasks && survey.is_folder_of(task) => {
                // What lies about here is told with the task.
                (survey.is_single, survey.faults) = (true, Vec::new());
            }
            _ => {}
        }
        Ok(survey)
    }

    /// Whether `root` is one task's folder, and not an archive of such.
    ///
    /// # Errors
    /// As for [`Survey::of`], and when there is nothing but a broken manifest: of an archive or of a task, nobody knows.
    pub(crate) fn is_single_at(root: &Path) -> Result<bool, Error> {
        let survey = Self::of(root)?;
        let is_broken = survey.faults.iter().any(|(path, fault)| (path.as_str(), *fault) == (MANIFEST, Fault::Damaged));
        if survey.folders.is_empty() && is_broken { Err(Error::NoArchive(root.to_owned())) } else { Ok(survey.is_single) }
    }

    /// Where it stands, as it was given.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// How many folders it has, each of them a place.
    #[must_use]
    pub(crate) fn folders(&self) -> usize {
        if self.is_single { 1 } else { self.folders.len() }
    }

    /// Names every place once, in no order that matters.
    pub(crate) fn places(&self, mut take: impl FnMut(Place)) {
        if self.is_single {
            return take(Place { folder: String::new(), rooted: None });
        }
        let mut left: HashSet<&str> = self.folders.iter().map(String::as_str).collect();
        let mut gone = HashSet::new();
        // A root manifest that breaks off has been told as damaged, and gives what can be read.
        let _ = File::open(self.root.join(MANIFEST)).and_then(|file| {
            manifest::walk(file, |task| {
                if let Some(id) = task.id() {
                    let folder = naming::folder(&id);
                    // However often it is named, a task is one.
                    if left.remove(folder.as_str()) || (!self.folders.contains(&folder) && gone.insert(folder.clone())) {
                        take(Place { folder, rooted: Some(task.to_vec()) });
                    }
                }
            })
        });
        for folder in left {
            take(Place { folder: folder.to_owned(), rooted: None });
        }
    }

    /// What should be in a place, and what is wrong there at first sight.
    ///
    /// # Errors
    /// When a folder can't be read.
    pub(crate) fn visit(&self, place: &Place) -> Result<Visit, Error> {
        let mut visit = Visit::default();
        if self.is_single {
            if let Some(task) = manifests::task_of(&self.root)? {
                visit.claim_task(&task, "");
                self.list("", &own_names(&task), &mut visit)?;
            }
            return Ok(visit);
        }
        if self.folders.contains(&place.folder) {
            self.visit_folder(&place.folder, &mut visit)?;
        }
        if let Some(task) = place.rooted.as_deref().and_then(|text| Unread::from(text).entry()) {
            visit.claim_rooted(&task);
        }
        Ok(visit)
    }

    fn visit_folder(&self, name: &str, visit: &mut Visit) -> Result<(), Error> {
        let (path, prefix) = (self.root.join(name), format!("{name}/"));
        let task = if naming::is_folder(name) { manifests::task_of(&path) } else { Ok(None) };
        match task {
            Ok(Some(task)) if naming::folder(&task.task_id) == name => {
                visit.claim_task(&task, &prefix);
                self.list(&prefix, &own_names(&task), visit)
            }
            Ok(None) if naming::is_folder(name) && path.join(MANIFEST).is_file() => {
                visit.faults.push((format!("{prefix}{MANIFEST}"), Fault::Damaged));
                self.list(&prefix, &[MANIFEST.to_owned()], visit)
            }
            _ => self.list(&prefix, &[], visit),
        }
    }

    /// Holds a claim against the disk: by size alone when `quick`, else by its bytes, which `passed` hears of as they are read.
    ///
    /// # Errors
    /// When the disk says no; that is not the file's fault.
    pub(crate) fn check(&self, claim: &Claim, quick: bool, mut passed: impl FnMut(u64)) -> io::Result<Option<Fault>> {
        let fault = sight::fault_of(&self.root, &claim.path, Some(claim.size))?;
        if fault.is_some() || quick {
            return Ok(fault);
        }
        let file = match File::open(self.root.join(&claim.path)) {
            // A forced run may have just replaced it by one of another name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Fault::Missing)),
            file => file?,
        };
        let mut hasher = Hasher::default();
        read_through(file, |bytes| {
            hasher.update(bytes);
            passed(bytes.len() as u64);
        })?;
        Ok((hasher.finish() != claim.sha256).then_some(Fault::Damaged))
    }

    /// Holds a claim that seems broken against the disk again, with its task's lock held: another process may just have
    /// replaced the file. One that has the lock for long is not waited for; what it has recorded as finished is no fault.
    ///
    /// # Errors
    /// As for [`Survey::check`].
    pub(crate) fn check_again(&self, claim: &Claim, quick: bool) -> io::Result<Option<Fault>> {
        let folder = if self.is_single { self.root.clone() } else { self.root.join(naming::folder(&claim.task_id)) };
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        // Where no lock can be had (a read-only disk), nobody else writes either.
        let lock = if is_folder { Lock::within(&folder, self.patience(&folder)) } else { Ok(None) };
        let fault = self.check_now(claim, &folder, quick)?;
        let name = claim.path.rsplit('/').next().unwrap_or_default();
        match lock {
            Ok(None) if fault.is_some() && is_folder && finished::has(&folder, name) => Ok(None),
            // Whoever had it may just have ended.
            Ok(None) if fault.is_some() => self.check_now(claim, &folder, quick),
            _ => Ok(fault),
        }
    }

    /// What is left of the time for the writer in `folder`, which begins with the first question.
    fn patience(&self, folder: &Path) -> Duration {
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        let started = waited.entry(folder.to_owned()).or_insert_with(Instant::now);
        PATIENCE.saturating_sub(started.elapsed())
    }

    /// Holds what the manifest in `folder` says by now of a claim against the disk.
    fn check_now(&self, claim: &Claim, folder: &Path, quick: bool) -> io::Result<Option<Fault>> {
        let Ok(Some(task)) = manifests::task_of(folder) else { return self.check(claim, quick, |_| {}) };
        let mut now = Visit::default();
        now.claim_task(&task, claim.path.rsplit_once('/').map_or("", |(folder, _)| &claim.path[..=folder.len()]));
        self.check(now.claims.iter().find(|other| other.slot == claim.slot).unwrap_or(claim), quick, |_| {})
    }

    /// Whether the surveyed folder is the one of `task`: its files stand in it, not in a folder below.
    fn is_folder_of(&self, task: &TaskEntry) -> bool {
        let folder = naming::folder(&task.task_id);
        let is_below = self.root.join(&folder).join(MANIFEST).exists();
        let is_named_so = self.root.canonicalize().is_ok_and(|path| path.file_name().is_some_and(|name| name == folder.as_str()));
        !is_below && (task.is_own() || is_named_so)
    }

    /// Tells the files below `prefix` that are not among `own`, dot-files aside.
    fn list(&self, prefix: &str, own: &[String], visit: &mut Visit) -> Result<(), Error> {
        for (name, kind) in entries(&self.root.join(prefix))? {
            let path = format!("{prefix}{name}");
            match () {
                () if own.contains(&name) => {}
                () if kind.is_dir() => self.list(&format!("{path}/"), &[], visit)?,
                () => visit.faults.push((path, Fault::Unknown)),
            }
        }
        Ok(())
    }
}

/// What a folder holds, in the order of names, dot-files aside.
fn entries(folder: &Path) -> Result<Vec<(String, fs::FileType)>, Error> {
    let read = || -> io::Result<Vec<(String, fs::FileType)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                entries.push((name, entry.file_type()?));
            }
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(entries)
    };
    read().map_err(Error::io("list", folder))
}
