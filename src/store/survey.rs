//! Looking at an archive without trusting it: what its manifests claim, and what else lies about.
//!
//! Reads only. A [`Survey`] lists what should be there (claims, from the task manifests and, for
//! folders that are gone, from the root's), what no manifest names, and what can't be believed. No
//! symlink is followed and no path that a manifest gives is opened before it is known to be a plain
//! name in its task's folder. [`Survey::check`] then holds one claim against the disk.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use super::folder::{LOCK, read_manifest};
use super::lock::Lock;
use crate::digest::{Sha256Hex, hash_reader};
use crate::event::Fault;
use crate::kind::Slot;
use crate::manifest::{self, FileEntry, Lenient, Reader, TaskEntry, Verdict};
use crate::naming::{self, GALLERY, MANIFEST, SUMS, TEXT};

/// A file that some manifest names.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The task that it is of.
    pub task_id: String,
    /// Which asset; none for the text.
    pub slot: Option<Slot>,
    /// Relative to the folder that was surveyed.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of all its bytes.
    pub sha256: Sha256Hex,
}

/// What is there, and what should be.
pub struct Survey {
    root: PathBuf,
    /// What should be there.
    pub claims: Vec<Claim>,
    /// What is wrong at first sight, by path.
    pub faults: Vec<(String, Fault)>,
    /// Whether the folder is one task's, and not an archive of such.
    pub is_single: bool,
}

impl Survey {
    /// Surveys an archive, or one task's folder.
    ///
    /// # Errors
    /// When there is neither, or its manifest is not ours or of a later version.
    pub fn of(root: &Path) -> Result<Self, Error> {
        let mut survey = Self { root: root.to_owned(), claims: Vec::new(), faults: Vec::new(), is_single: false };
        let named = survey.root_manifest()?;
        if let [task] = named.as_slice()
            && survey.is_folder_of(task)
        {
            survey.is_single = true;
            survey.claim_task(task, "");
            survey.list("", &own_names(task))?;
            return Ok(survey);
        }
        let found = survey.folders()?;
        let claimed: HashSet<String> = survey.claims.iter().map(|claim| claim.path.clone()).collect();
        if found == 0 && named.is_empty() && !root.join(MANIFEST).exists() {
            return Err(Error::NoArchive(root.to_owned()));
        }
        let own = survey.claims.len();
        for task in &named {
            survey.claim_rooted(task, &claimed);
        }
        // Files of a folder whose manifest is broken were listed as unknown; the root has just named them.
        let named: HashSet<&str> = survey.claims[own..].iter().map(|claim| claim.path.as_str()).collect();
        survey.faults.retain(|(path, fault)| *fault != Fault::Unknown || !named.contains(path.as_str()));
        Ok(survey)
    }

    /// Whether `root` is one task's folder, and not an archive of such.
    ///
    /// # Errors
    /// As for [`Survey::of`].
    pub fn is_single_at(root: &Path) -> Result<bool, Error> {
        let mut survey = Self { root: root.to_owned(), claims: Vec::new(), faults: Vec::new(), is_single: false };
        let has_folders = entries(root)?.iter().any(|(name, kind)| kind.is_dir() && root.join(name).join(MANIFEST).exists());
        if has_folders {
            return Ok(false);
        }
        match survey.root_manifest()?.as_slice() {
            // Nothing, or what a crash left of a manifest: which one, nobody knows.
            [] if !survey.faults.is_empty() || !root.join(MANIFEST).exists() => Err(Error::NoArchive(root.to_owned())),
            [task] => Ok(survey.is_folder_of(task)),
            _ => Ok(false),
        }
    }

    /// Holds a claim against the disk: by size alone when `quick`, else by its bytes.
    ///
    /// # Errors
    /// When the disk says no; that is not the file's fault.
    pub fn check(&self, claim: &Claim, quick: bool) -> io::Result<Option<Fault>> {
        let path = self.root.join(&claim.path);
        let folder = path.parent().unwrap_or(&self.root);
        if !self.is_single && fs::symlink_metadata(folder).is_ok_and(|found| !found.is_dir()) {
            return Ok(Some(Fault::Unsafe));
        }
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Fault::Missing)),
            Err(error) => return Err(error),
            Ok(found) if found.is_symlink() => return Ok(Some(Fault::Unsafe)),
            Ok(found) if !found.is_file() || found.len() != claim.size => return Ok(Some(Fault::Damaged)),
            Ok(_) if quick => return Ok(None),
            Ok(_) => {}
        }
        let (hash, _) = hash_reader(File::open(&path)?)?;
        Ok((hash != claim.sha256).then_some(Fault::Damaged))
    }

    /// Holds a claim that seems broken against the disk again, with its task's lock held: another process may just have replaced the file.
    ///
    /// # Errors
    /// As for [`Survey::check`].
    pub fn check_again(&self, claim: &Claim, quick: bool) -> io::Result<Option<Fault>> {
        let folder = if self.is_single { self.root.clone() } else { self.root.join(naming::folder(&claim.task_id)) };
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        // Where no lock can be had (a read-only disk), nobody else writes either.
        let _lock = if is_folder { Lock::acquire(&folder.join(LOCK)).ok() } else { None };
        let Ok(Some(task)) = read_manifest(&folder) else { return self.check(claim, quick) };
        let mut now = Self { root: self.root.clone(), claims: Vec::new(), faults: Vec::new(), is_single: self.is_single };
        now.claim_task(&task, claim.path.rsplit_once('/').map_or("", |(folder, _)| &claim.path[..=folder.len()]));
        self.check(now.claims.iter().find(|other| other.slot == claim.slot).unwrap_or(claim), quick)
    }

    /// The tasks that the folder's own manifest names.
    fn root_manifest(&mut self) -> Result<Vec<TaskEntry>, Error> {
        let path = self.root.join(MANIFEST);
        let bytes = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &path)(error)),
            Ok(found) if !found.is_file() => return Err(Error::Foreign(path)),
            Ok(_) => fs::read(&path).map_err(Error::io("read", &path))?,
        };
        match manifest::judge(&bytes) {
            Verdict::Foreign => return Err(Error::Foreign(path)),
            Verdict::Newer(version) => return Err(Error::Newer { path, version }),
            Verdict::Broken => self.fault(MANIFEST, Fault::Damaged),
            Verdict::Ours => {}
        }
        let mut tasks = Vec::new();
        // One that breaks off has been told as damaged, and gives what can be read.
        let _ = Reader(bytes.as_slice()).for_each(|Lenient(task)| tasks.extend(task));
        Ok(tasks)
    }

    /// Whether the surveyed folder is the one of `task`: its files stand in it, not in a folder below.
    fn is_folder_of(&self, task: &TaskEntry) -> bool {
        let folder = naming::folder(&task.task_id);
        let is_below = self.root.join(&folder).join(MANIFEST).exists();
        let is_named_so = self.root.canonicalize().is_ok_and(|path| path.file_name().is_some_and(|name| name == folder.as_str()));
        let names_plainly =
            task.files.iter().map(FileEntry::path).chain(task.text_path.as_deref()).any(|path| !path.contains('/'));
        !is_below && (task.response.is_some() || is_named_so || names_plainly)
    }

    /// Claims what the task folders name; how many there are.
    fn folders(&mut self) -> Result<usize, Error> {
        let mut found = 0;
        for (name, kind) in entries(&self.root)? {
            if [MANIFEST, SUMS, GALLERY].contains(&name.as_str()) {
                continue;
            }
            let task = if kind.is_dir() && naming::is_folder(&name) { read_manifest(&self.root.join(&name)) } else { Ok(None) };
            match task {
                Ok(Some(task)) if naming::folder(&task.task_id) == name => {
                    found += 1;
                    self.claim_task(&task, &format!("{name}/"));
                    self.list(&format!("{name}/"), &own_names(&task))?;
                }
                Ok(None) if kind.is_dir() && naming::is_folder(&name) && self.root.join(&name).join(MANIFEST).is_file() => {
                    found += 1;
                    self.fault(&format!("{name}/{MANIFEST}"), Fault::Damaged);
                    self.list(&format!("{name}/"), &[MANIFEST.to_owned()])?;
                }
                _ if kind.is_dir() => self.list(&format!("{name}/"), &[])?,
                _ => self.fault(&name, Fault::Unknown),
            }
        }
        Ok(found)
    }

    /// Claims what a task's own manifest names; `prefix` leads to its folder.
    fn claim_task(&mut self, task: &TaskEntry, prefix: &str) {
        for file in &task.files {
            match file.name() {
                Some(name) => self.claim(task, Some(file.slot()), format!("{prefix}{name}"), file.size(), file.sha256().clone()),
                None => self.fault(&format!("{prefix}{}", file.path()), Fault::Unsafe),
            }
        }
        self.claim_text(task, prefix, "");
    }

    /// Claims the text, whose file has one name alone; `recorded` leads to the task's folder in the manifest's own paths.
    fn claim_text(&mut self, task: &TaskEntry, prefix: &str, recorded: &str) {
        if let Some(path) = task.text_path.as_deref().filter(|path| *path != format!("{recorded}{TEXT}")) {
            let within = path.strip_prefix(recorded).unwrap_or(path);
            self.fault(&format!("{prefix}{within}"), Fault::Unsafe);
        }
        if let Some(text) = &task.text {
            self.claim(task, None, format!("{prefix}{TEXT}"), text.len() as u64, Sha256Hex::of(text.as_bytes()));
        }
    }

    /// Claims what the root manifest names beyond that: files of folders that are gone or broken.
    fn claim_rooted(&mut self, task: &TaskEntry, claimed: &HashSet<String>) {
        let folder = naming::folder(&task.task_id);
        for file in &task.files {
            if claimed.contains(file.path()) {
                continue;
            }
            match file.rooted_name(&folder) {
                Some(_) => self.claim(task, Some(file.slot()), file.path().to_owned(), file.size(), file.sha256().clone()),
                None => self.fault(file.path(), Fault::Unsafe),
            }
        }
        if !claimed.contains(&format!("{folder}/{TEXT}")) && !claimed.contains(&format!("{folder}/{MANIFEST}")) {
            let prefix = format!("{folder}/");
            self.claim_text(task, &prefix, &prefix);
        }
    }

    fn claim(&mut self, task: &TaskEntry, slot: Option<Slot>, path: String, size: u64, sha256: Sha256Hex) {
        self.claims.push(Claim { task_id: task.task_id.clone(), slot, path, size, sha256 });
    }

    fn fault(&mut self, path: &str, fault: Fault) {
        self.faults.push((path.to_owned(), fault));
    }

    /// Tells the files below `prefix` that are not among `own`, dot-files aside.
    fn list(&mut self, prefix: &str, own: &[String]) -> Result<(), Error> {
        for (name, kind) in entries(&self.root.join(prefix))? {
            let path = format!("{prefix}{name}");
            match () {
                () if own.contains(&name) => {}
                () if kind.is_dir() => self.list(&format!("{path}/"), &[])?,
                () => self.fault(&path, Fault::Unknown),
            }
        }
        Ok(())
    }
}

/// The files that a task's folder holds by right.
fn own_names(task: &TaskEntry) -> Vec<String> {
    let files = task.files.iter().filter_map(FileEntry::name).map(str::to_owned);
    let text = task.text.as_ref().map(|_| TEXT.to_owned());
    files.chain(text).chain([MANIFEST.to_owned(), GALLERY.to_owned()]).collect()
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
