//! `list`: the selected tasks of an archive, in order.
//!
//! It works offline, from the manifests, and changes nothing. Of each task only what the caller makes of it is kept, so that the
//! list of a large archive fits in memory. A task that can't be read is an error and left out.

use std::path::{Path, PathBuf};

use super::{emit_report, report_missing_ids};
use crate::domain::event::{Emitter, Event};
use crate::domain::manifest::TaskEntry;
use crate::domain::selection::{Selection, Selector};
use crate::storage::{ArchiveReader, Error};

/// The selected tasks, or what was made of them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listed<T = TaskEntry> {
    /// In the order of the selection.
    pub tasks: Vec<T>,
    /// Whether everything could be read, and the archive has every id that was asked for. The events name the rest.
    pub is_complete: bool,
    /// The canonical path of the archive, or its URL.
    pub(crate) root: PathBuf,
}

/// Lists the selected tasks of the archive, or of the one task's folder, at `root` (a path, or the URL of a bucket), with the
/// selected files. Blocks.
///
/// Each task that can't be read, and each id that was asked for and is not there, is an [`Event::Error`].
///
/// # Errors
/// When there is no archive of ours at `root`, or it can't be read.
pub fn list(root: impl AsRef<Path>, selection: &Selection, events: &Emitter) -> Result<Listed, Error> {
    list_with(root.as_ref(), selection, events, |task, _| task)
}

/// As [`list`], with what `make` makes of each task.
///
/// # Errors
/// As for [`list`].
pub(crate) fn list_with<T>(
    root: &Path,
    selection: &Selection,
    events: &Emitter,
    mut make: impl FnMut(TaskEntry, &ArchiveReader) -> T,
) -> Result<Listed<T>, Error> {
    let (mut selector, mut tasks) = (Selector::new(selection), Vec::new());
    let archive = ArchiveReader::for_each_task(root, |task, archive| {
        if let Some(task) = selector.select(task) {
            tasks.push((selection.position(&task), make(task, archive)));
        }
    })?;
    emit_report(&archive.report, events, Event::Error);
    let missing_ids = selector.missing_ids();
    report_missing_ids(&missing_ids, events);
    tasks.sort_by(|(one, _), (other, _)| one.cmp(other));
    let is_complete = !archive.report.has_faults() && missing_ids.is_empty();
    let tasks = tasks.into_iter().map(|(_, task)| task).collect();
    Ok(Listed { tasks, is_complete, root: archive.root().to_owned() })
}

/// The selected files of a task, its text last, as paths that begin with `root`. Each file that is missing, damaged or unsafe is
/// an error instead.
pub(crate) fn paths(
    root: &Path,
    selection: &Selection,
    task: &TaskEntry,
    archive: &ArchiveReader,
) -> Vec<Result<PathBuf, Error>> {
    let shown = |name: &str| archive.shown_path(root, &task.task_id, name);
    let files = task.files.iter().map(|file| {
        archive.media_path(task, file)?;
        archive.media_name(task, file).map(shown)
    });
    let text = (task.text.is_some() && selection.filter.includes_text())
        .then(|| archive.text_path(task).map(|_| shown(task.text_name())));
    files.chain(text).collect()
}
