//! The command `list`: prints the selected tasks as a table, or their ids, paths or entries for programs.
//!
//! On a terminal the table fits the window. Elsewhere it has all columns, separated by tabs, uncut and without a heading. What
//! can't be read is reported, and the rest is printed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::ListArgs;
use super::environment::Environment;
use super::error::Error;
use super::{input, print_messages, selection, settings};
use crate::domain::event::{Emitter, Event};
use crate::domain::manifest::TaskEntry;
use crate::domain::selection::Selection;
use crate::jobs::list::{Listed, list_with, paths};
use crate::redact::escape_control_chars_json;
use crate::storage::{self, ArchiveReader};
use crate::ui::{self, TableRow};

/// Prints the list; returns the exit code.
pub(super) fn run(args: &ListArgs, environment: Environment<'_>) -> Result<u8, Error> {
    let (dir, events) = (args.dir.as_path(), print_messages());
    let selection = selection::selection(&args.filter, &args.order, true)?;
    let is_complete = if args.ids {
        let listed = list_with(dir, &selection, &events, |task, _| input::id_line(&task.task_id))?;
        print(&listed, |id, to| writeln!(to, "{}", ui::redact_keys(id)))?
    } else if args.paths {
        print_paths(dir, &selection, &events)?
    } else if args.json {
        let mut has_unsafe = false;
        let listed = list_with(dir, &selection, &events, |task, archive| {
            let (task, rejected) = without_unsafe_files(task, archive);
            has_unsafe |= !rejected.is_empty();
            for error in rejected {
                events.emit(Event::Error(error.message()));
            }
            json_line(task, archive, dir)
        })?;
        print(&listed, |line, to| writeln!(to, "{line}"))? && !has_unsafe
    } else {
        let listed = list_with(dir, &selection, &events, |task, _| TableRow::new(&task))?;
        ui::print_table(&listed.tasks, settings::uses_color(args.color, &io::stdout(), environment))
            .map_err(Error::StandardOutput)?;
        listed.is_complete
    };
    Ok(u8::from(!is_complete))
}

/// Prints each item. Whether the list is complete.
fn print<T>(listed: &Listed<T>, mut print: impl FnMut(&T, &mut dyn Write) -> io::Result<()>) -> Result<bool, Error> {
    ui::write_stdout(|to| listed.tasks.iter().try_for_each(|item| print(item, to))).map_err(Error::StandardOutput)?;
    Ok(listed.is_complete)
}

fn print_paths(dir: &Path, selection: &Selection, events: &Emitter) -> Result<bool, Error> {
    let listed = list_with(dir, selection, events, |task, archive| paths(dir, selection, &task, archive))?;
    let mut is_complete = listed.is_complete;
    let mut found: Vec<PathBuf> = Vec::new();
    for path in listed.tasks.into_iter().flatten() {
        match path {
            Ok(path) => found.push(path),
            Err(error) => {
                is_complete = false;
                events.emit(Event::Error(error.message()));
            }
        }
    }
    ui::write_stdout(|to| found.iter().try_for_each(|path| ui::write_path(path, to))).map_err(Error::StandardOutput)?;
    Ok(is_complete)
}

/// The task with the files whose recorded paths are safe, and an error for each other one.
fn without_unsafe_files(mut task: TaskEntry, archive: &ArchiveReader) -> (TaskEntry, Vec<storage::Error>) {
    let names: Vec<_> = task.files.iter().map(|file| archive.media_name(&task, file).map(drop)).collect();
    let mut is_safe = names.iter().map(Result::is_ok).collect::<Vec<_>>().into_iter();
    task.files.retain(|_| is_safe.next().unwrap_or(false));
    (task, names.into_iter().filter_map(Result::err).collect())
}

/// The task's entry as one line of JSON: without the signed URLs, and with paths from the working directory.
fn json_line(task: TaskEntry, archive: &ArchiveReader, dir: &Path) -> String {
    let id = task.task_id.clone();
    let task = task.for_listing(|name| archive.shown_path(dir, &id, name).display().to_string());
    let json = serde_json::to_string(&task).expect("an entry is valid JSON: it was read from JSON");
    ui::redact_keys_in_json(&escape_control_chars_json(json)).into_owned()
}
