//! `export`: write an archive in the format of another program: timelines, playlists, tables, bags.
//!
//! A file that is missing, damaged or unsafe, or that the format can't hold, is reported as an error and left out. The rest is
//! exported. Nothing in the archive changes. The order is that of the manifest: task id, kind, number.
//!
//! There is one module per format, with the escaping of that format; [`files`] writes the media themselves, under names for people. What a format can't hold is refused with a reason, never
//! altered. Everything in an entry is hostile, except a file's path: storage has checked that it is a plain name in a task's
//! folder.

mod bagit;
mod csv;
mod ffconcat;
pub(crate) mod files;
mod format;
mod m3u8;
mod otio;
mod path_base;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{JobOutcome, emit_report};
use crate::domain::asset_key::Kind;
use crate::domain::event::{Emitter, Event};
use crate::domain::manifest::TaskEntry;
use crate::layout::is_archive_file_name;
use crate::media::duration;
use crate::storage::{self, ArchiveReader};
pub use format::ExportFormat;
use format::{ExportItem, FormatOutput, TextFormat};
use path_base::PathBase;

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// The format.
    pub format: ExportFormat,
    /// The ids of the tasks to export. Empty: all tasks.
    pub tasks: Vec<String>,
    /// Frames per second for files without a frame rate of their own. Only [`ExportFormat::Otio`] uses it.
    pub rate: f64,
}

impl ExportOptions {
    /// All tasks, at 24 frames per second.
    #[must_use]
    pub fn new(format: ExportFormat) -> Self {
        Self { format, tasks: Vec::new(), rate: 24.0 }
    }
}

/// Where an export goes.
pub enum ExportTarget<'a> {
    /// A file, which is replaced atomically; for a bag, a new folder. Paths in the export are relative to its folder.
    Path(&'a Path),
    /// A stream. Paths in the export are absolute. A reader that closes the stream has read enough, which is no error.
    Stream(&'a mut dyn Write),
}

/// Why nothing could be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The archive can't be read, or the target can't be written.
    #[error("{}", .0.message())]
    Archive(#[from] storage::Error),
    /// The target is a file of the archive itself.
    #[error("can't export to {}: it is a file of the archive; choose another name", .0.display())]
    TargetIsArchiveFile(PathBuf),
    /// A bag can't be written to a stream.
    #[error("a bag can't be written to standard output: name a new folder with -O NEWDIR")]
    BagToStream,
    /// The format can't hold a path that is not text.
    #[error("can't export {}: its path is not UTF-8; rename the folder", .0.display())]
    PathNotUtf8(PathBuf),
    /// The stream can't be written.
    #[error("can't write the export: {0}")]
    Stream(#[source] io::Error),
}

/// Exports the archive, or the folder of one task, at `root`. Each task and file that is left out is an [`Event::Error`].
/// Blocks.
///
/// # Errors
/// When there is no archive of ours at `root`, or nothing can be written to `target`.
pub fn export(
    root: impl AsRef<Path>,
    options: &ExportOptions,
    target: ExportTarget<'_>,
    events: &Emitter,
) -> Result<JobOutcome, ExportError> {
    let mut reader = ArchiveReader::open(root.as_ref())?;
    emit_report(&reader.report, events, Event::Error);
    let mut skipped = Skipped { is_any: reader.report.has_faults(), events };
    let tasks = select_tasks(std::mem::take(&mut reader.tasks), &options.tasks, &mut skipped);
    let (files, is_changed) = match (options.format.output(), target) {
        (FormatOutput::Text(format), target) => write_text(&reader, &tasks, format, options.rate, target, &mut skipped)?,
        (FormatOutput::Bag, ExportTarget::Path(folder)) => (bagit::write(&reader, &tasks, folder, &mut skipped)?, true),
        (FormatOutput::Bag, ExportTarget::Stream(_)) => return Err(ExportError::BagToStream),
    };
    Ok(JobOutcome { is_complete: !skipped.is_any, tasks: tasks.len() as u64, files: files as u64, is_changed })
}

/// Reports what is left out.
struct Skipped<'a> {
    is_any: bool,
    events: &'a Emitter,
}

impl Skipped<'_> {
    fn report(&mut self, reason: String) {
        self.is_any = true;
        self.events.emit(Event::Error(reason));
    }

    /// Turns an error of a single file into `None` and reports it. Any other error ends the export.
    fn skip_single_file<T>(&mut self, result: Result<T, storage::Error>) -> Result<Option<T>, storage::Error> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_single_file() => {
                self.report(error.message());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The tasks with these ids, or all tasks when there are no ids.
fn select_tasks(mut tasks: Vec<TaskEntry>, ids: &[String], skipped: &mut Skipped<'_>) -> Vec<TaskEntry> {
    if !ids.is_empty() {
        let ids: BTreeSet<&str> = ids.iter().map(|id| id.trim()).collect();
        tasks.retain(|task| ids.contains(task.task_id.as_str()));
        for id in ids.iter().filter(|id| tasks.binary_search_by(|task| task.task_id.as_str().cmp(id)).is_err()) {
            skipped.report(format!("{id}: the archive has no such task"));
        }
    }
    tasks
}

/// Writes the export. Returns the number of its files, and whether the target changed.
fn write_text(
    reader: &ArchiveReader,
    tasks: &[TaskEntry],
    format: TextFormat,
    rate: f64,
    target: ExportTarget<'_>,
    skipped: &mut Skipped<'_>,
) -> Result<(usize, bool), ExportError> {
    let base = path_base(&target, reader.root())?;
    let items = collect_items(reader, tasks, format, skipped)?;
    let is_changed = match target {
        ExportTarget::Path(file) => storage::replace(file, |to| format.write(tasks, &items, &base, rate, to))?,
        ExportTarget::Stream(to) => match format.write(tasks, &items, &base, rate, to) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(ExportError::Stream(error)),
            _ => true,
        },
    };
    Ok((items.len(), is_changed))
}

/// The files that the format can hold.
fn collect_items<'a>(
    reader: &ArchiveReader,
    tasks: &'a [TaskEntry],
    format: TextFormat,
    skipped: &mut Skipped<'_>,
) -> Result<Vec<ExportItem<'a>>, ExportError> {
    let mut items = Vec::new();
    for task in tasks {
        for file in &task.files {
            let Some(path) = skipped.skip_single_file(reader.media_path(task, file))? else { continue };
            let needs_rate = format == TextFormat::Otio && file.key().kind == Kind::Video;
            // Without a rate the export uses the usual one.
            let frame_rate = if needs_rate { reader.open_media(task, file).ok().and_then(duration::frame_rate) } else { None };
            let item = ExportItem { task, file, frame_rate };
            match format.rejection_reason(&item) {
                Some(reason) => skipped.report(format!("{} is left out: {reason}", path.display())),
                None => items.push(item),
            }
        }
    }
    Ok(items)
}

/// How paths in the export begin.
fn path_base(target: &ExportTarget<'_>, root: &Path) -> Result<PathBase, ExportError> {
    let base = match target {
        ExportTarget::Stream(_) => PathBase::absolute(root),
        ExportTarget::Path(file) => {
            let folder = storage::canonical_parent(file)?;
            if folder.starts_with(root) && file.file_name().is_some_and(is_archive_file_name) {
                return Err(ExportError::TargetIsArchiveFile((*file).to_owned()));
            }
            PathBase::relative_to(&folder, root)
        }
    };
    base.ok_or_else(|| ExportError::PathNotUtf8(root.to_owned()))
}
