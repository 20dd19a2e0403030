//! Writes a manifest of any length, task by task.
//!
//! [`write()`] streams: its source pushes one task at a time, so that the tasks of a root manifest are never in memory
//! together.

use std::cell::Cell;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::unknown_fields::WithUnknownFields;
use super::{GENERATOR, Manifest, TaskEntry, VERSION};

/// Writes a manifest, two-space indent and a newline at the end. `source` is called once, with the function that writes a task,
/// and gives the tasks in the order of their ids.
///
/// # Errors
/// Errors of `writer` and of `source`.
pub fn write<F>(writer: impl Write, source: F) -> io::Result<()>
where
    F: FnOnce(&mut dyn FnMut(&TaskEntry) -> io::Result<()>) -> io::Result<()>,
{
    write_document(writer, &manifest_of(StreamedTasks(Cell::new(Some(source)))))
}

/// Writes a task manifest, with the unknown fields that it had beside its list of tasks.
///
/// # Errors
/// Errors of `writer`.
pub fn write_task_manifest(mut writer: impl Write, task: &TaskEntry) -> io::Result<()> {
    let (known, unknown) = (manifest_of([task]), &task.unknown_manifest_fields);
    // Each of its hundreds of tokens would be one call of `writer`.
    let mut text = Vec::with_capacity(TYPICAL_SIZE);
    if unknown.is_empty() {
        write_document(&mut text, &known)?;
    } else {
        write_document(&mut text, &WithUnknownFields { known, unknown })?;
    }
    writer.write_all(&text)
}

/// The text of a task in a manifest, with the line break in front of it.
pub(crate) fn list_entry(task: &TaskEntry) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(TYPICAL_SIZE);
    write(&mut text, |push| push(task))?;
    text.truncate(text.len() - LIST_END.len());
    text.drain(..list_start()?.len());
    Ok(text)
}

/// The beginning of a manifest, up to its first task.
pub(crate) fn list_start() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    write(&mut text, |_| Ok(()))?;
    text.truncate(text.len() - EMPTY_LIST_END.len());
    Ok(text)
}

/// What follows the last task in a manifest.
const LIST_END: &[u8] = b"\n  ]\n}\n";
/// What ends a manifest without tasks.
const EMPTY_LIST_END: &[u8] = b"]\n}\n";
/// Most tasks take fewer bytes.
const TYPICAL_SIZE: usize = 2 << 10;

/// Writes a manifest from the texts of its tasks, which [`list_entry`] makes.
pub(crate) struct ListWriter<W> {
    to: W,
    is_empty: bool,
}

impl<W: Write> ListWriter<W> {
    pub(crate) fn begin(mut to: W) -> io::Result<Self> {
        to.write_all(&list_start()?)?;
        Ok(Self { to, is_empty: true })
    }

    /// Where the caller writes the text of the next task, or of several with commas between them.
    pub(crate) fn next_entry(&mut self) -> io::Result<&mut W> {
        if !std::mem::take(&mut self.is_empty) {
            self.to.write_all(b",")?;
        }
        Ok(&mut self.to)
    }

    pub(crate) fn end(mut self) -> io::Result<W> {
        self.to.write_all(if self.is_empty { EMPTY_LIST_END } else { LIST_END })?;
        Ok(self.to)
    }
}

fn manifest_of<T>(tasks: T) -> Manifest<T> {
    Manifest { manifest_version: VERSION, generator: GENERATOR, tasks }
}

fn write_document(mut writer: impl Write, document: &impl Serialize) -> io::Result<()> {
    document.serialize(&mut serde_json::Serializer::pretty(&mut writer))?;
    writer.write_all(b"\n")
}

/// A list whose source pushes the items while the list is serialized. Serde has only a shared reference to it: the cell allows
/// taking the source out, once.
struct StreamedTasks<F>(Cell<Option<F>>);

impl<F> Serialize for StreamedTasks<F>
where
    F: FnOnce(&mut dyn FnMut(&TaskEntry) -> io::Result<()>) -> io::Result<()>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        if let Some(source) = self.0.take() {
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
            write(&mut bytes, |push| ids.iter().try_for_each(|id| push(&entry(id)))).unwrap();
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
