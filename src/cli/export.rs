//! `export`: an archive told in another program's format.
//!
//! What is picked is looked at file by file: one that is missing, damaged, unsafe or not for the format
//! is told on standard error and left out, and the rest is exported, exit code 1. Nothing in the
//! archive is changed.

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
use crate::media::duration;
use crate::storage::{self, ArchiveReader, NewFolder};
use crate::ui;

/// Does it; the exit code.
pub(super) fn run(args: &ExportArgs) -> Result<u8, Error> {
    let mut catalog = ArchiveReader::open(&args.dir)?;
    let mut troubles = ExportWarnings(0);
    catalog.report.notes().for_each(|note| ui::print_warning(&note));
    catalog.report.faults().for_each(|fault| troubles.report(fault));
    let tasks = select_tasks(std::mem::take(&mut catalog.tasks), &args.task, &mut troubles);
    let format = match args.format {
        ExportFormat::Bagit => None,
        ExportFormat::Otio => Some(Format::Otio),
        ExportFormat::Ffconcat => Some(Format::Ffconcat),
        ExportFormat::Csv => Some(Format::Csv),
        ExportFormat::M3u8 => Some(Format::M3u8),
    };
    match format {
        Some(format) => write_export(&catalog, &tasks, format, args, &mut troubles)?,
        None => write_bag(&catalog, &tasks, &args.output_file, &mut troubles)?,
    }
    Ok(u8::from(troubles.0 > 0))
}

/// How much could not be exported.
struct ExportWarnings(usize);

impl ExportWarnings {
    fn report(&mut self, trouble: impl Display) {
        self.0 += 1;
        ui::print_error(&trouble.to_string());
    }

    /// What was found; none when it is the fault of one file, which is told.
    fn ok_or_report<T>(&mut self, found: Result<T, storage::Error>) -> Result<Option<T>, Error> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_single_file() => {
                self.report(error);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The tasks with these ids, or all of them when there are none.
fn select_tasks(mut tasks: Vec<TaskEntry>, ids: &[String], troubles: &mut ExportWarnings) -> Vec<TaskEntry> {
    if !ids.is_empty() {
        let ids: BTreeSet<&str> = ids.iter().map(|id| id.trim()).collect();
        tasks.retain(|task| ids.contains(task.task_id.as_str()));
        for id in ids.iter().filter(|id| tasks.binary_search_by(|task| task.task_id.as_str().cmp(id)).is_err()) {
            troubles.report(format!("{id}: the archive has no such task"));
        }
    }
    tasks
}

fn write_export(
    catalog: &ArchiveReader,
    tasks: &[TaskEntry],
    format: Format,
    args: &ExportArgs,
    troubles: &mut ExportWarnings,
) -> Result<(), Error> {
    let place = path_base(&args.output_file, catalog.root())?;
    let mut items = Vec::new();
    for task in tasks {
        for file in &task.files {
            let Some(path) = troubles.ok_or_report(catalog.media_path(task, file))? else { continue };
            let asks_for_rate = format == Format::Otio && file.key().kind == Kind::Video;
            // Without a rate the export uses the usual one.
            let rate = if asks_for_rate { catalog.open_media(task, file).ok().and_then(duration::frame_rate) } else { None };
            let item = ExportItem { task, file, frame_rate: rate };
            match format.rejection_reason(&item) {
                Some(reason) => troubles.report(format!("{} is left out: {reason}", path.display())),
                None => items.push(item),
            }
        }
    }
    let fill = |to: &mut dyn Write| format.write(&items, &place, args.rate, to);
    if is_standard_output(&args.output_file) {
        ui::write_stdout(fill).map_err(Error::StandardOutput)
    } else {
        Ok(storage::replace(&args.output_file, fill)?)
    }
}

fn is_standard_output(file: &Path) -> bool {
    file == Path::new("-")
}

/// How files are named from where the export will stand.
fn path_base(output: &Path, root: &Path) -> Result<PathBase, Error> {
    if is_standard_output(output) {
        return PathBase::absolute(root).ok_or_else(|| Error::PathNotUtf8(root.to_owned()));
    }
    let folder = storage::canonical_parent(output)?;
    let is_ours = |name| [MANIFEST, SHA256SUMS, GALLERY, TEXT].iter().any(|ours| name == *ours);
    if folder.starts_with(root) && output.file_name().is_some_and(is_ours) {
        return Err(Error::OutputIsArchiveFile(output.to_owned()));
    }
    PathBase::relative_to(&folder, root).ok_or_else(|| Error::PathNotUtf8(root.to_owned()))
}

/// Everything of the tasks, their own manifests too.
fn write_bag(catalog: &ArchiveReader, tasks: &[TaskEntry], place: &Path, troubles: &mut ExportWarnings) -> Result<(), Error> {
    if is_standard_output(place) {
        return Err(Error::BagToStdout);
    }
    let mut bag = NewFolder::create(place)?;
    bag.create_dir("data")?;
    let mut payload = Vec::new();
    for task in tasks {
        let folder = layout::folder_name(&task.task_id);
        let text = task.text.as_ref().map(|text| (catalog.file_path(task, TEXT), Some(Sha256Hex::digest(text.as_bytes()))));
        let media = task.files.iter().map(|file| (catalog.media_path(task, file), Some(file.sha256().clone())));
        let manifest = (catalog.file_path(task, MANIFEST), None);
        for (found, expected) in media.chain(text).chain([manifest]) {
            let Some(from) = troubles.ok_or_report(found)? else { continue };
            let path = format!("data/{folder}/{}", from.file_name().unwrap_or_default().display());
            if let Some((size, sha256)) = troubles.ok_or_report(bag.copy(&from, &path, expected.as_ref()))? {
                payload.push(Payload { path, size, sha256 });
            }
        }
    }
    let today = Timestamp::now().to_string();
    for (name, text) in tag_files(&payload, &today[..10]) {
        bag.write_file(name, &text)?;
    }
    Ok(bag.finish()?)
}
