//! The rows of a table: one per file, per asset that could not be saved, and per task that has neither.
//!
//! `csv` and `jsonl` write the same rows, in the order of the tasks. URLs are left out, and those in texts for people lose their
//! query: they are signed, and tables are often shared.

use super::ExportItem;
use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::{AssetError, FileEntry, TaskEntry};
use crate::layout;
use crate::media::duration::is_plausible;

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub task: &'a TaskEntry,
    pub part: Part<'a>,
}

/// What the row is about.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    File(&'a FileEntry),
    Error(&'a AssetError),
    Task,
}

/// The rows of `tasks`. `items` are the files to write, in the order of their tasks.
pub(super) fn rows<'a>(tasks: &'a [TaskEntry], items: &'a [ExportItem<'a>]) -> impl Iterator<Item = Row<'a>> {
    let mut items = items.iter().peekable();
    tasks.iter().flat_map(move |task| {
        let files = std::iter::from_fn(|| items.next_if(|item| std::ptr::eq(item.task, task)));
        let files = files.map(|item| Part::File(item.file));
        let errors = task.errors.iter().map(Part::Error);
        // A task whose files can't be read has files.
        let alone = (task.files.is_empty() && task.errors.is_empty()).then_some(Part::Task);
        files.chain(errors).chain(alone).map(|part| Row { task, part }).collect::<Vec<_>>()
    })
}

impl<'a> Row<'a> {
    /// The file of a row about a file.
    pub(super) fn file(&self) -> Option<&'a FileEntry> {
        if let Part::File(file) = self.part { Some(file) } else { None }
    }

    /// The error of a row about an error.
    pub(super) fn error(&self) -> Option<&'a AssetError> {
        if let Part::Error(error) = self.part { Some(error) } else { None }
    }

    /// The asset of a row about a file or an error.
    pub(super) fn key(&self) -> Option<AssetKey> {
        self.file().map(FileEntry::key).or_else(|| self.error().map(AssetError::key))
    }

    /// The recorded path of the task's text, if it is one that this program writes.
    pub(super) fn text_path(&self) -> Option<&'a str> {
        let path = self.task.text_path.as_deref()?;
        let folder = path.strip_suffix(self.task.text_name())?;
        let is_ours = folder.is_empty() || folder.strip_suffix('/')? == layout::folder_name(&self.task.task_id);
        is_ours.then_some(path)
    }
}

/// A duration of a manifest, if it is one.
pub(super) fn plausible(seconds: Option<f64>) -> Option<f64> {
    seconds.filter(|seconds| is_plausible(*seconds))
}
