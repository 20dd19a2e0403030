//! A manifest of any length, written task by task.
//!
//! [`write()`] takes the tasks from a source that pushes, so that those of a root manifest never stand in
//! memory together.

use std::cell::RefCell;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::unknown_fields::WithUnknownFields;
use super::{GENERATOR, Manifest, TaskEntry, VERSION};

/// Where tasks come from: called once, with the function that takes them, in the order of their ids.
pub(super) type TaskSource<'a> = dyn FnOnce(&mut dyn FnMut(&TaskEntry) -> io::Result<()>) -> io::Result<()> + 'a;

/// Writes a manifest, two-space indent and a newline at the end, with the tasks that `source` pushes.
///
/// # Errors
/// What `writer` or `source` report.
pub fn write(mut writer: impl Write, source: Box<TaskSource<'_>>) -> io::Result<()> {
    let pushed = StreamedTasks(RefCell::new(Some(source)));
    let mut json = serde_json::Serializer::pretty(&mut writer);
    Manifest { manifest_version: VERSION, generator: GENERATOR, tasks: pushed }.serialize(&mut json)?;
    writer.write_all(b"\n")
}

/// Writes a task's own manifest, with the fields beside its list of tasks that this version does not know.
///
/// # Errors
/// What `writer` reports.
pub fn write_task_manifest(mut writer: impl Write, task: &TaskEntry) -> io::Result<()> {
    if task.unknown_manifest_fields.is_empty() {
        return write(writer, Box::new(|push| push(task)));
    }
    let known = Manifest { manifest_version: VERSION, generator: GENERATOR, tasks: [task] };
    let mut json = serde_json::Serializer::pretty(&mut writer);
    WithUnknownFields { known, unknown: &task.unknown_manifest_fields }.serialize(&mut json)?;
    writer.write_all(b"\n")
}

struct StreamedTasks<'a>(RefCell<Option<Box<TaskSource<'a>>>>);

impl Serialize for StreamedTasks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        if let Some(source) = self.0.borrow_mut().take() {
            source(&mut |task| list.serialize_element(task).map_err(|error| io::Error::other(error.to_string())))
                .map_err(serde::ser::Error::custom)?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::tests::entry;

    #[test]
    fn manifest_is_written_as_the_contract_shows() {
        let render = |ids: &[&str]| {
            let mut bytes = Vec::new();
            write(&mut bytes, Box::new(|push| ids.iter().try_for_each(|id| push(&entry(id))))).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            render(&["a"]),
            format!(
                "{{\n  \"manifest_version\": 1,\n  \"generator\": \"{GENERATOR}\",\n  \"tasks\": [\n    {{\n      \"task_id\": \"a\",\n      \"state\": \"complete\",\n      \"files\": [],\n      \"errors\": []\n    }}\n  ]\n}}\n"
            )
        );
        assert!(render(&[]).ends_with("\"tasks\": []\n}\n"));
    }
}
