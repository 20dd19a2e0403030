//! The command `export`: writes an archive in the format of another program.
//!
//! Every selected file is checked. A file that is missing, damaged, unsafe or not allowed in the format is reported on
//! standard error and left out; the others are exported, and the exit code is 1. The archive is not changed.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;

use super::args::{ExportArgs, ExportFormat};
use super::error::Error;
use crate::domain::asset_key::Kind;
use crate::domain::manifest::TaskEntry;
use crate::integrity::digest::Sha256Hex;
use crate::jobs::export::{ExportItem, Format, PathBase, Payload, tag_files};
use crate::layout::{self, GALLERY, MANIFEST, SHA256SUMS, TEXT};
use crate::storage::{self, ArchiveReader, BagWriter};
use crate::ui;

/// Runs the command and returns the exit code.
pub(super) fn run(args: &ExportArgs) -> Result<u8, Error> {
    let mut reader = ArchiveReader::open(&args.dir)?;
    let mut problems = ExportProblems(0);
    reader.report.notes().for_each(|note| ui::print_warning(&note));
    reader.report.faults().for_each(|fault| problems.report(fault));
    let tasks = select_tasks(std::mem::take(&mut reader.tasks), &args.task, &mut problems);
    let format = match args.format {
        ExportFormat::Bagit => None,
        ExportFormat::Otio => Some(Format::Otio),
        ExportFormat::Ffconcat => Some(Format::Ffconcat),
        ExportFormat::Csv => Some(Format::Csv),
        ExportFormat::M3u8 => Some(Format::M3u8),
    };
    match format {
        Some(format) => write_export(&reader, &tasks, format, args, &mut problems)?,
        None => write_bag(&reader, &tasks, &args.output_file, &mut problems)?,
    }
    Ok(u8::from(problems.0 > 0))
}

/// Counts and prints what could not be exported.
struct ExportProblems(usize);

impl ExportProblems {
    fn report(&mut self, problem: impl Display) {
        self.0 += 1;
        ui::print_error(&problem.to_string());
    }

    /// The value, or none if only one file is affected, which is reported.
    fn ok_or_report<T>(&mut self, result: Result<T, storage::Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_single_file() => {
                self.report(error.message());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The tasks with these ids, or all tasks if `ids` is empty.
fn select_tasks(mut tasks: Vec<TaskEntry>, ids: &[String], problems: &mut ExportProblems) -> Vec<TaskEntry> {
    if !ids.is_empty() {
        let ids: BTreeSet<&str> = ids.iter().map(|id| id.trim()).collect();
        tasks.retain(|task| ids.contains(task.task_id.as_str()));
        for id in ids.iter().filter(|id| tasks.binary_search_by(|task| task.task_id.as_str().cmp(id)).is_err()) {
            problems.report(format!("{id}: the archive has no such task"));
        }
    }
    tasks
}

fn write_export(
    reader: &ArchiveReader,
    tasks: &[TaskEntry],
    format: Format,
    args: &ExportArgs,
    problems: &mut ExportProblems,
) -> Result<(), Error> {
    let base = path_base(&args.output_file, reader.root())?;
    let mut items = Vec::new();
    for task in tasks {
        for file in &task.files {
            let Some(path) = problems.ok_or_report(reader.media_path(task, file))? else { continue };
            let needs_rate = format == Format::Otio && file.key().kind == Kind::Video;
            let rate = if needs_rate { storage::frame_rate(&path) } else { None };
            let item = ExportItem { task, file, frame_rate: rate };
            match format.rejection_reason(&item) {
                Some(reason) => problems.report(format!("{} is left out: {reason}", path.display())),
                None => items.push(item),
            }
        }
    }
    let fill = |output: &mut dyn Write| format.write(&items, &base, args.rate, output);
    if is_standard_output(&args.output_file) {
        ui::write_stdout(fill).map_err(Error::StandardOutput)
    } else {
        Ok(storage::replace(&args.output_file, fill)?)
    }
}

fn is_standard_output(file: &Path) -> bool {
    file == Path::new("-")
}

/// What the paths in the export are relative to.
fn path_base(output: &Path, root: &Path) -> Result<PathBase, Error> {
    if is_standard_output(output) {
        return PathBase::absolute(root).ok_or_else(|| Error::PathNotUtf8(root.to_owned()));
    }
    let folder = storage::canonical_parent(output)?;
    let is_archive_file = |name| [MANIFEST, SHA256SUMS, GALLERY, TEXT].iter().any(|file| name == *file);
    if folder.starts_with(root) && output.file_name().is_some_and(is_archive_file) {
        return Err(Error::OutputIsArchiveFile(output.to_owned()));
    }
    PathBase::relative_to(&folder, root).ok_or_else(|| Error::PathNotUtf8(root.to_owned()))
}

/// Copies all files of the tasks, with their manifests, into a bag.
fn write_bag(reader: &ArchiveReader, tasks: &[TaskEntry], folder: &Path, problems: &mut ExportProblems) -> Result<(), Error> {
    if is_standard_output(folder) {
        return Err(Error::BagToStdout);
    }
    let mut bag = BagWriter::create(folder)?;
    let mut payload = Vec::new();
    for task in tasks {
        let task_folder = layout::folder_name(&task.task_id);
        let text = task.text.as_ref().map(|text| (reader.file_path(task, TEXT), Some(Sha256Hex::digest(text.as_bytes()))));
        let media = task.files.iter().map(|file| (reader.media_path(task, file), Some(file.sha256().clone())));
        let manifest = (reader.file_path(task, MANIFEST), None);
        for (source, expected) in media.chain(text).chain([manifest]) {
            let Some(from) = problems.ok_or_report(source)? else { continue };
            let path = format!("data/{task_folder}/{}", from.file_name().unwrap_or_default().display());
            if let Some((size, sha256)) = problems.ok_or_report(bag.copy(&from, &path, expected.as_ref()))? {
                payload.push(Payload { path, size, sha256 });
            }
        }
    }
    let today = Timestamp::now().to_string();
    for (name, text) in tag_files(&payload, &today[..10]) {
        bag.add_tag_file(name, &text)?;
    }
    Ok(bag.finish()?)
}
