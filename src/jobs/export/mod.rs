//! `export`: write an archive in the format of another program: timelines, playlists, tables, bags.
//!
//! A file that is missing, damaged or unsafe, or that the format can't hold, is reported as an error and left out. The rest is
//! exported. No file of the archive changes. A [`Selection`] picks the tasks and their files, and decides the order of the tasks;
//! files of a task are in the order of kinds and numbers. An export of nothing is an error and writes nothing.
//!
//! There is one module per format, with the escaping of that format; [`files`] writes the media themselves, under names for
//! people. What a format can't hold is refused with a reason, never altered. Kinds that it has no place for are left out silently.
//! Everything in an entry is hostile, except a file's path: storage has checked that it is a plain name in a task's folder.

mod bagit;
mod clip_facts;
mod csv;
mod fcpxml;
mod ffconcat;
pub(crate) mod files;
mod format;
mod jsonl;
mod m3u8;
mod otio;
pub(super) mod path_base;
mod rows;
mod timeline;
mod xmeml;
mod xml;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{JobOutcome, emit_report, report_missing_ids};
use crate::domain::event::{Emitter, Event};
use crate::domain::frame_rate::FrameRate;
use crate::domain::manifest::TaskEntry;
use crate::domain::selection::{Selection, Selector};
use crate::layout::is_archive_file_name;
use crate::storage::{self, ArchiveReader, Location};
use clip_facts::ClipFacts;
pub use format::ExportFormat;
pub(crate) use format::playing_seconds;
use format::{ExportItem, FormatOutput, TextFormat};
use path_base::PathBase;

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// The format.
    pub format: ExportFormat,
    /// The tasks and files to export, and their order.
    pub selection: Selection,
    /// The frame rate for files without one of their own. Only timelines use it.
    pub rate: FrameRate,
}

impl ExportOptions {
    /// All tasks, from the oldest, at 24 frames per second.
    #[must_use]
    pub fn new(format: ExportFormat) -> Self {
        Self { format, selection: Selection::default(), rate: FrameRate::FILM }
    }
}

/// Where an export goes.
pub enum ExportTarget<'a> {
    /// A file, which is replaced atomically; for a bag, a new folder. Paths in the export are relative to its folder, except in
    /// [`ExportFormat::Fcpxml`] and [`ExportFormat::Xmeml`], whose readers expect absolute ones.
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
    /// There is nothing to export.
    #[error(
        "nothing to export: the archive has nothing that was asked for and that the format can hold; nothing was written, and `yescale-dl list` shows what there is"
    )]
    Empty {
        /// Whether events say why: an id or a file is missing.
        is_reported: bool,
    },
    /// The stream can't be written.
    #[error("can't write the export: {0}")]
    Stream(#[source] io::Error),
}

/// Exports the archive, or the folder of one task, at `root`. Each task and file that is left out is an [`Event::Error`].
/// Blocks.
///
/// # Errors
/// When there is no archive of ours at `root`, nothing can be written to `target`, or there is nothing to export.
pub fn export(
    root: impl AsRef<Path>,
    options: &ExportOptions,
    target: ExportTarget<'_>,
    events: &Emitter,
) -> Result<JobOutcome, ExportError> {
    if !options.format.needs_no_files() {
        Location::parse(root.as_ref())?.into_folder("this format")?;
    }
    let selection = &options.selection;
    let mut selector = Selector::new(selection);
    let mut reader = ArchiveReader::open_selected(root.as_ref(), |task| selector.select(task))?;
    emit_report(&reader.report, events, Event::Error);
    let missing_ids = selector.missing_ids();
    report_missing_ids(&missing_ids, events);
    let mut skipped = Skipped { is_any: reader.report.has_faults() || !missing_ids.is_empty(), events };
    let mut tasks = std::mem::take(&mut reader.tasks);
    selection.sort(&mut tasks);
    let written = match (options.format.output(), target) {
        (FormatOutput::Text(format), target) => write_text(&reader, &tasks, format, options.rate, target, &mut skipped)?,
        (FormatOutput::Bag, ExportTarget::Path(folder)) => {
            storage::refuse_archive(folder, reader.archive_root())?;
            let has_text = selection.filter.includes_text();
            let files = bagit::write(&reader, &tasks, folder, has_text, &mut skipped)?;
            let files = files.ok_or(ExportError::Empty { is_reported: skipped.is_any })?;
            Written { tasks: tasks.len(), files, is_changed: true }
        }
        (FormatOutput::Bag, ExportTarget::Stream(_)) => return Err(ExportError::BagToStream),
    };
    let Written { tasks, files, is_changed } = written;
    Ok(JobOutcome { is_complete: !skipped.is_any, tasks: tasks as u64, files: files as u64, is_changed })
}

/// What an export has in it.
struct Written {
    tasks: usize,
    files: usize,
    /// Whether the target changed.
    is_changed: bool,
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

/// Writes the export.
fn write_text(
    reader: &ArchiveReader,
    tasks: &[TaskEntry],
    format: TextFormat,
    rate: FrameRate,
    target: ExportTarget<'_>,
    skipped: &mut Skipped<'_>,
) -> Result<Written, ExportError> {
    let base = path_base(&target, reader.root(), format.needs_absolute_paths())?;
    let items = collect_items(reader, tasks, format, skipped)?;
    if !format.has_content(tasks, &items) {
        return Err(ExportError::Empty { is_reported: skipped.is_any });
    }
    let is_changed = match target {
        ExportTarget::Path(file) => storage::replace(file, |to| format.write(tasks, &items, &base, rate, to))?,
        ExportTarget::Stream(to) => match format.write(tasks, &items, &base, rate, to) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(ExportError::Stream(error)),
            _ => true,
        },
    };
    let with_items = items.chunk_by(|one, other| one.task.task_id == other.task.task_id).count();
    // A table also has the tasks without files.
    let tasks = if format.is_table() { tasks.len() } else { with_items };
    Ok(Written { tasks, files: items.len(), is_changed })
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
            if !format.holds(file.key().kind) {
                continue;
            }
            let facts = if format.is_timeline() { ClipFacts::read(reader, task, file) } else { ClipFacts::default() };
            let item = ExportItem { task, file, facts };
            match format.rejection_reason(&item) {
                Some(reason) => skipped.report(format!("{} is left out: {reason}", path.display())),
                None => items.push(item),
            }
        }
    }
    format.keep_listed(&mut items);
    Ok(items)
}

/// How paths in the export begin: relative to the file, unless they `must_be_absolute`; absolute in a stream. Paths into a bucket
/// are URLs.
pub(super) fn path_base(target: &ExportTarget<'_>, root: &Path, must_be_absolute: bool) -> Result<PathBase, ExportError> {
    if let Location::Bucket(url) = Location::parse(root)? {
        return Ok(PathBase::in_bucket(&url.to_string()));
    }
    let base = match target {
        ExportTarget::Stream(_) => PathBase::absolute(root),
        ExportTarget::Path(file) => {
            let folder = storage::canonical_parent(file)?;
            if folder.starts_with(root) && file.file_name().is_some_and(is_archive_file_name) {
                return Err(ExportError::TargetIsArchiveFile((*file).to_owned()));
            }
            if must_be_absolute { PathBase::absolute(root) } else { PathBase::relative_to(&folder, root) }
        }
    };
    base.ok_or_else(|| ExportError::PathNotUtf8(root.to_owned()))
}
