//! `export files`: copies of the media, or links to them, under names for people.
//!
//! A template gives each file its name. The record in the target folder says what was exported before, so a later run adds what is
//! new and nothing else: what the user renamed or deleted stays so, and a changed title renames nothing. A file counts as exported
//! under its template: another template exports it again.
//!
//! From a bucket the files are downloaded, and compared with the recorded hashes.
//!
//! All names are planned and recorded before the first file is written ([`plan`]). Each file appears whole, under a name that
//! nothing else has. The archive is only read. A file that is missing or damaged there is reported, and the rest is exported.
//!
//! Texts are no files here. `--tag` writes them into songs.

mod plan;
mod tagging;
mod write;

use std::path::Path;

use jiff::tz::TimeZone;

use super::{ExportError, Skipped};
use crate::domain::event::{Emitter, Event};
use crate::domain::export_record::{ExportKey, ExportedFile};
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::domain::selection::{Selected, Selection};
use crate::domain::template::{NamedPath, Template};
use crate::jobs::{JobOutcome, StopHandle, emit_report, lock_wait};
use crate::storage::{ArchiveReader, CopySource, Error, ExportDir, Found, Location};
use plan::NamePlanner;
use tagging::Tagger;

/// How a file gets into the target folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LinkMode {
    /// A reflink, which shares the blocks on the disk; else a copy.
    #[default]
    Auto,
    /// A copy, whose bytes are compared with the recorded hash.
    Copy,
    /// A second name of the same file.
    Hard,
    /// A symlink.
    Sym,
}

/// What to export, and under which names.
#[derive(Clone, Debug, Default)]
pub struct FileExportOptions {
    /// The tasks and files, and their order, which decides numbers such as ` (2)`.
    pub selection: Selection,
    /// The names.
    pub template: Template,
    /// How files get into the folder.
    pub link: LinkMode,
    /// Whether tags are written into copies of audio files. Without effect on links.
    pub tag: bool,
}

/// Exports the files of the archive, or of one task, at `root` into the folder `target`. From a bucket they are downloaded.
/// Each file that is left out is an [`Event::Error`]. The outcome counts what was written; if nothing was, what had been
/// exported before. Blocks.
///
/// # Errors
/// When there is no archive of ours at `root`, or `target` or its disk can't be used. [`Error::Locked`] is the result of `stop`.
pub fn export_files(
    root: impl AsRef<Path>,
    options: &FileExportOptions,
    target: &Path,
    stop: &StopHandle,
    events: &Emitter,
) -> Result<JobOutcome, ExportError> {
    if let Location::Bucket(_) = Location::parse(target)? {
        return Err(Error::NotAFolder(target.to_owned()).into());
    }
    if !options.link.is_copy() {
        Location::parse(root.as_ref())?.into_folder("a link to a file")?;
    }
    let mut reader = ArchiveReader::open(root.as_ref())?;
    emit_report(&reader.report, events, Event::Error);
    let mut skipped = Skipped { is_any: reader.report.has_faults(), events };
    let tasks = std::mem::take(&mut reader.tasks);
    let tagger = (options.tag && options.link.is_copy()).then(|| Tagger::new(&reader, &tasks));
    let Selected { tasks, missing_ids } = options.selection.select(tasks);
    for id in missing_ids {
        skipped.report(format!("{id}: the archive has no such task"));
    }
    if tasks.iter().all(|task| task.files.is_empty()) {
        skipped.report(format!(
            "nothing to export: no file of {} is selected; check the ids and the filters, such as --only",
            root.as_ref().display()
        ));
        return Ok(JobOutcome { is_complete: false, tasks: 0, files: 0, is_changed: false });
    }
    let dir = ExportDir::open(target, reader.archive_root(), &lock_wait(stop.token(), events))?;
    let planner = NamePlanner::new(dir.record());
    let mut export = FileExport { reader: &reader, options, tagger, dir, planner, skipped, is_time_reported: false };
    let (items, present) = export.plan(&tasks)?;
    let written = export.write(&items);
    // What was written is recorded, also when the disk ended the export.
    let FileExport { dir, skipped, .. } = export;
    let finished = dir.finish();
    let written = written.and_then(|written| finished.map(|()| written))?;
    let (files, is_changed) = if written.is_empty() { (present, false) } else { (written, true) };
    let tasks = count_tasks(&files);
    Ok(JobOutcome { is_complete: !skipped.is_any, tasks, files: files.len() as u64, is_changed })
}

/// The number of tasks that the files are of. The files of a task follow each other.
fn count_tasks(ids: &[&str]) -> u64 {
    ids.chunk_by(|one, other| one == other).count() as u64
}

impl LinkMode {
    fn is_copy(self) -> bool {
        matches!(self, Self::Auto | Self::Copy)
    }
}

/// The extension of a file of the archive.
fn extension(file: &FileEntry) -> &str {
    file.path().rsplit_once('.').map_or("", |(_, extension)| extension)
}

struct FileExport<'a> {
    reader: &'a ArchiveReader,
    options: &'a FileExportOptions,
    tagger: Option<Tagger<'a>>,
    dir: ExportDir,
    planner: NamePlanner,
    skipped: Skipped<'a>,
    is_time_reported: bool,
}

/// A file to export.
struct Item<'a> {
    task: &'a TaskEntry,
    file: &'a FileEntry,
    source: CopySource,
    path: NamedPath,
    exported: ExportedFile,
}

impl FileExport<'_> {
    /// Names the files that are new, and records the names. Returns them, and the ids of the files that were exported before.
    fn plan<'t>(&mut self, tasks: &'t [TaskEntry]) -> Result<(Vec<Item<'t>>, Vec<&'t str>), Error> {
        let (local, template) = (TimeZone::system(), &self.options.template);
        let (mut items, mut present, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (task, file) in tasks.iter().flat_map(|task| task.files.iter().map(move |file| (task, file))) {
            let key = ExportKey::new(&task.task_id, file.key(), template.as_str());
            let recorded = self.dir.record().get(&key).cloned();
            if recorded.as_ref().is_some_and(|recorded| recorded.done) {
                present.push(task.task_id.as_str());
                continue;
            }
            let Some(source) = self.skipped.skip_single_file(self.reader.copy_source(task, file))? else { continue };
            let found = recorded.as_ref().map(|recorded| self.find_planned(recorded, &source)).transpose()?;
            let path = template.path(task, file, &local);
            let exported = match (recorded, found) {
                // A run was killed after the file got its name.
                (Some(recorded), Some(Found::Exported)) => {
                    self.dir.set_named(&recorded)?;
                    present.push(task.task_id.as_str());
                    continue;
                }
                (Some(recorded), Some(Found::Nothing)) => recorded.without_hash(),
                _ => {
                    let exported = ExportedFile::planned(key, self.planner.plan(&path, &mut self.dir)?);
                    new.push(exported.clone());
                    exported
                }
            };
            items.push(Item { task, file, source, path, exported });
        }
        self.check_space(&items)?;
        self.dir.plan(new)?;
        Ok((items, present))
    }

    /// What has the name that a killed run planned. What that run left beside it is removed.
    fn find_planned(&mut self, planned: &ExportedFile, source: &CopySource) -> Result<Found, Error> {
        let found = self.dir.find(planned, source)?;
        if found != Found::Other {
            self.planner.visit(&planned.name, &mut self.dir)?;
        }
        Ok(found)
    }

    /// Makes sure that copies of all files fit on the disk, unless they are reflinks.
    fn check_space(&mut self, items: &[Item<'_>]) -> Result<(), Error> {
        let Some(first) = items.first().filter(|_| self.options.link.is_copy()) else { return Ok(()) };
        let needed = items.iter().fold(0_u64, |sum, item| sum.saturating_add(item.source.size));
        let Some(available) = self.dir.free_space().filter(|free| *free < needed) else { return Ok(()) };
        if self.options.link == LinkMode::Auto && self.dir.try_reflink(&first.source)? {
            return Ok(());
        }
        Err(self.dir.not_enough_space(needed, available))
    }
}
