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

use super::args::{ExportArgs, Exported};
use super::error::Error;
use crate::digest::Sha256Hex;
use crate::export::{Format, Item, Payload, Place, tags};
use crate::kind::Kind;
use crate::manifest::TaskEntry;
use crate::naming::{self, GALLERY, MANIFEST, SUMS, TEXT};
use crate::store::{self, Bag, Catalog};
use crate::ui;

/// Does it; the exit code.
pub(super) fn run(args: &ExportArgs) -> Result<u8, Error> {
    let mut catalog = Catalog::of(&args.dir)?;
    let mut troubles = Troubles(0);
    catalog.report.notes().for_each(|note| ui::warn(&note));
    catalog.report.faults().for_each(|fault| troubles.tell(fault));
    let tasks = picked(std::mem::take(&mut catalog.tasks), &args.task, &mut troubles);
    let format = match args.format {
        Exported::Bagit => None,
        Exported::Otio => Some(Format::Otio),
        Exported::Ffconcat => Some(Format::Ffconcat),
        Exported::Csv => Some(Format::Csv),
        Exported::M3u8 => Some(Format::M3u8),
    };
    match format {
        Some(format) => write(&catalog, &tasks, format, args, &mut troubles)?,
        None => fill_bag(&catalog, &tasks, &args.output_file, &mut troubles)?,
    }
    Ok(u8::from(troubles.0 > 0))
}

/// How much could not be exported.
struct Troubles(usize);

impl Troubles {
    fn tell(&mut self, trouble: impl Display) {
        self.0 += 1;
        ui::complain(&trouble.to_string());
    }

    /// What was found; none when it is the fault of one file, which is told.
    fn pass<T>(&mut self, found: Result<T, store::Error>) -> Result<Option<T>, Error> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_of_one_file() => {
                self.tell(error);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The tasks with these ids, or all of them when there are none.
fn picked(mut tasks: Vec<TaskEntry>, ids: &[String], troubles: &mut Troubles) -> Vec<TaskEntry> {
    if !ids.is_empty() {
        let ids: BTreeSet<&str> = ids.iter().map(|id| id.trim()).collect();
        tasks.retain(|task| ids.contains(task.task_id.as_str()));
        for id in ids.iter().filter(|id| tasks.binary_search_by(|task| task.task_id.as_str().cmp(id)).is_err()) {
            troubles.tell(format!("{id}: the archive has no such task"));
        }
    }
    tasks
}

fn write(
    catalog: &Catalog,
    tasks: &[TaskEntry],
    format: Format,
    args: &ExportArgs,
    troubles: &mut Troubles,
) -> Result<(), Error> {
    let place = place(&args.output_file, catalog.root())?;
    let mut items = Vec::new();
    for task in tasks {
        for file in &task.files {
            let Some(path) = troubles.pass(catalog.media(task, file))? else { continue };
            let asks_for_rate = format == Format::Otio && file.slot().kind == Kind::Video;
            let rate = if asks_for_rate { store::frame_rate(&path) } else { None };
            let item = Item { task, file, rate };
            match format.refuses(&item) {
                Some(reason) => troubles.tell(format!("{} is left out: {reason}", path.display())),
                None => items.push(item),
            }
        }
    }
    let fill = |to: &mut dyn Write| format.write(&items, &place, args.rate, to);
    if is_standard_output(&args.output_file) {
        ui::hand_out(fill).map_err(Error::StandardOutput)
    } else {
        Ok(store::replace(&args.output_file, fill)?)
    }
}

fn is_standard_output(file: &Path) -> bool {
    file == Path::new("-")
}

/// How files are named from where the export will stand.
fn place(output: &Path, root: &Path) -> Result<Place, Error> {
    if is_standard_output(output) {
        return Place::anywhere(root).ok_or_else(|| Error::NotText(root.to_owned()));
    }
    let folder = store::folder_of(output)?;
    let is_ours = |name| [MANIFEST, SUMS, GALLERY, TEXT].iter().any(|ours| name == *ours);
    if folder.starts_with(root) && output.file_name().is_some_and(is_ours) {
        return Err(Error::OwnFile(output.to_owned()));
    }
    Place::within(&folder, root).ok_or_else(|| Error::NotText(root.to_owned()))
}

/// Everything of the tasks, their own manifests too.
fn fill_bag(catalog: &Catalog, tasks: &[TaskEntry], place: &Path, troubles: &mut Troubles) -> Result<(), Error> {
    if is_standard_output(place) {
        return Err(Error::NoPlace);
    }
    let mut bag = Bag::begin(place)?;
    let mut payload = Vec::new();
    for task in tasks {
        let folder = naming::folder(&task.task_id);
        let text = task.text.as_ref().map(|text| (catalog.find(task, TEXT), Some(Sha256Hex::of(text.as_bytes()))));
        let media = task.files.iter().map(|file| (catalog.media(task, file), Some(file.sha256().clone())));
        let manifest = (catalog.find(task, MANIFEST), None);
        for (found, expected) in media.chain(text).chain([manifest]) {
            let Some(from) = troubles.pass(found)? else { continue };
            let path = format!("data/{folder}/{}", from.file_name().unwrap_or_default().display());
            if let Some((size, sha256)) = troubles.pass(bag.copy(&from, &path, expected.as_ref()))? {
                payload.push(Payload { path, size, sha256 });
            }
        }
    }
    let today = Timestamp::now().to_string();
    for (name, text) in tags(&payload, &today[..10]) {
        bag.add(name, &text)?;
    }
    Ok(bag.end()?)
}
