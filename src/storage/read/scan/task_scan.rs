//! The files that manifests name for one task. None of them is trusted yet.
//!
//! The task's own manifest comes first. The root manifest adds only files that the task's own does not name. A path that is not
//! one of this program's names in the task's folder is never expected, and is reported as unsafe.

use std::collections::HashSet;

use crate::domain::asset_key::AssetKey;
use crate::domain::event::Fault;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::integrity::digest::Sha256Hex;
use crate::layout::{self, GALLERY, MANIFEST};

/// A file that some manifest names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExpectedFile {
    /// The task that it belongs to.
    pub task_id: String,
    /// The asset; none for the text.
    pub key: Option<AssetKey>,
    /// Relative to the folder that is scanned.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of all its bytes.
    pub sha256: Sha256Hex,
}

impl ExpectedFile {
    /// Its name in the task's folder.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// The files that should be in a unit, and what is wrong there without reading any file.
#[derive(Default)]
pub(crate) struct TaskScan {
    /// The task of the folder, when some manifest names it.
    pub task_id: Option<String>,
    /// The files that should be there.
    pub expected: Vec<ExpectedFile>,
    /// The faults, by path.
    pub faults: Vec<(String, Fault)>,
    /// Whether a filter rejects the task.
    pub is_rejected: bool,
    /// The task's id, or the folder if the id can't be read. None if the folder holds no task.
    pub found_as: Option<String>,
}

impl TaskScan {
    /// Expects the files of a task's own manifest. `prefix` leads to its folder.
    pub(in crate::storage) fn expect_task(&mut self, task: &TaskEntry, prefix: &str) {
        for file in &task.files {
            match file.name() {
                Some(name) => self.expect_file(task, file, format!("{prefix}{name}")),
                None => self.faults.push((format!("{prefix}{}", file.path()), Fault::Unsafe)),
            }
        }
        self.expect_text(task, prefix, "");
        self.task_id = Some(task.task_id.clone());
    }

    /// Expects the further files of the root manifest's entry, or of the index of a bucket: those of folders that are missing or
    /// broken.
    pub(in crate::storage) fn expect_root_entry(&mut self, task: &TaskEntry) {
        let folder = layout::folder_name(&task.task_id);
        let own: HashSet<String> = self.expected.iter().map(|file| file.path.clone()).collect();
        for file in task.files.iter().filter(|file| !own.contains(file.path())) {
            match file.name_in_folder(&folder) {
                Some(_) => self.expect_file(task, file, file.path().to_owned()),
                None => self.faults.push((file.path().to_owned(), Fault::Unsafe)),
            }
        }
        let prefix = format!("{folder}/");
        // The root manifest may name the text differently while a run writes. The task's own manifest decides.
        if !self.expected.iter().any(|file| file.key.is_none()) {
            self.expect_text(task, &prefix, &prefix);
        }
        self.task_id.get_or_insert_with(|| task.task_id.clone());
        // Files of a folder with a broken manifest were listed as unknown. The root manifest has just named some of them.
        let expected: HashSet<&str> = self.expected.iter().map(|file| file.path.as_str()).collect();
        self.faults.retain(|(path, fault)| *fault != Fault::Unknown || !expected.contains(path.as_str()));
    }

    /// Expects the text. `recorded` leads to the task's folder in the manifest's own paths.
    fn expect_text(&mut self, task: &TaskEntry, prefix: &str, recorded: &str) {
        let name = task.text_name();
        if let Some(path) = task.text_path.as_deref().filter(|path| *path != format!("{recorded}{name}")) {
            let within = path.strip_prefix(recorded).unwrap_or(path);
            self.faults.push((format!("{prefix}{within}"), Fault::Unsafe));
        }
        if let Some(text) = &task.text {
            let (size, sha256) = (text.len() as u64, Sha256Hex::digest(text.as_bytes()));
            self.expected.push(ExpectedFile {
                task_id: task.task_id.clone(),
                key: None,
                path: format!("{prefix}{name}"),
                size,
                sha256,
            });
        }
    }

    fn expect_file(&mut self, task: &TaskEntry, file: &FileEntry, path: String) {
        let (size, sha256) = (file.size(), file.sha256().clone());
        self.expected.push(ExpectedFile { task_id: task.task_id.clone(), key: Some(file.key()), path, size, sha256 });
    }
}

/// The names that a task's folder may hold.
pub(in crate::storage) fn expected_names(task: &TaskEntry) -> HashSet<String> {
    let files = task.files.iter().filter_map(FileEntry::name).map(str::to_owned);
    let text = task.text.as_ref().map(|_| task.text_name().to_owned());
    files.chain(text).chain([MANIFEST.to_owned(), GALLERY.to_owned()]).collect()
}
