//! What manifests claim of one task, without any of it being believed.
//!
//! The task's own manifest comes first; the root's adds what that one does not name. A path that is not a plain name of
//! ours in the task's folder is never claimed, but told as unsafe.

use std::collections::HashSet;

use crate::domain::asset_key::AssetKey;
use crate::domain::event::Fault;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::integrity::digest::Sha256Hex;
use crate::layout::{self, GALLERY, MANIFEST, TEXT};

/// A file that some manifest names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExpectedFile {
    /// The task that it is of.
    pub task_id: String,
    /// Which asset; none for the text.
    pub key: Option<AssetKey>,
    /// Relative to the folder that was surveyed.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of all its bytes.
    pub sha256: Sha256Hex,
}

impl ExpectedFile {
    /// Its name in its folder.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// What should be in a place, and what is wrong there at first sight.
#[derive(Default)]
pub(crate) struct TaskScan {
    /// Whose folder it is, as far as any manifest tells.
    pub task_id: Option<String>,
    /// What should be there.
    pub expected: Vec<ExpectedFile>,
    /// What is wrong, by path.
    pub faults: Vec<(String, Fault)>,
}

impl TaskScan {
    /// Claims what a task's own manifest names; `prefix` leads to its folder.
    pub(super) fn expect_task(&mut self, task: &TaskEntry, prefix: &str) {
        for file in &task.files {
            match file.name() {
                Some(name) => self.expect_file(task, file, format!("{prefix}{name}")),
                None => self.faults.push((format!("{prefix}{}", file.path()), Fault::Unsafe)),
            }
        }
        self.expect_text(task, prefix, "");
        self.task_id = Some(task.task_id.clone());
    }

    /// Claims what the root manifest names beyond that: files of folders that are gone or broken.
    pub(super) fn expect_root_entry(&mut self, task: &TaskEntry) {
        let folder = layout::folder_name(&task.task_id);
        let own: HashSet<String> = self.expected.iter().map(|claim| claim.path.clone()).collect();
        for file in task.files.iter().filter(|file| !own.contains(file.path())) {
            match file.name_in_folder(&folder) {
                Some(_) => self.expect_file(task, file, file.path().to_owned()),
                None => self.faults.push((file.path().to_owned(), Fault::Unsafe)),
            }
        }
        let prefix = format!("{folder}/");
        if !own.contains(&format!("{prefix}{TEXT}")) {
            self.expect_text(task, &prefix, &prefix);
        }
        self.task_id.get_or_insert_with(|| task.task_id.clone());
        // Files of a folder whose manifest is broken were listed as unknown; the root has just named them.
        let claimed: HashSet<&str> = self.expected.iter().map(|claim| claim.path.as_str()).collect();
        self.faults.retain(|(path, fault)| *fault != Fault::Unknown || !claimed.contains(path.as_str()));
    }

    /// Claims the text, whose file has one name alone; `recorded` leads to the task's folder in the manifest's own paths.
    fn expect_text(&mut self, task: &TaskEntry, prefix: &str, recorded: &str) {
        if let Some(path) = task.text_path.as_deref().filter(|path| *path != format!("{recorded}{TEXT}")) {
            let within = path.strip_prefix(recorded).unwrap_or(path);
            self.faults.push((format!("{prefix}{within}"), Fault::Unsafe));
        }
        if let Some(text) = &task.text {
            let (size, sha256) = (text.len() as u64, Sha256Hex::digest(text.as_bytes()));
            self.expected.push(ExpectedFile {
                task_id: task.task_id.clone(),
                key: None,
                path: format!("{prefix}{TEXT}"),
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

/// The files that a task's folder holds by right.
pub(super) fn expected_names(task: &TaskEntry) -> HashSet<String> {
    let files = task.files.iter().filter_map(FileEntry::name).map(str::to_owned);
    let text = task.text.as_ref().map(|_| TEXT.to_owned());
    files.chain(text).chain([MANIFEST.to_owned(), GALLERY.to_owned()]).collect()
}
