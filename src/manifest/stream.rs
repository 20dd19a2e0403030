//! Manifests of any length, read and written task by task.
//!
//! A root manifest of a hundred thousand tasks never stands in memory whole: [`Reader`] hands out
//! one task at a time, [`write()`] takes them from a source that pushes. How much of each entry is
//! read, and whether one that can't be is an error or passed over, is the caller's choice of type.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GENERATOR, Manifest, TaskEntry, VERSION};

/// Hands out the tasks of a manifest, one at a time, in their order.
pub struct Reader<R>(pub R);

impl<R: Read> Reader<R> {
    /// Calls `each` with every task, read as a `T`: a [`TaskEntry`], a [`Lenient`] one, or an [`Id`] alone.
    ///
    /// # Errors
    /// When the manifest, or a task as a `T`, can't be read; what came before has been handed out.
    pub fn for_each<T: DeserializeOwned>(self, each: impl FnMut(T)) -> io::Result<()> {
        let mut json = serde_json::Deserializer::from_reader(self.0);
        Tasks(each, PhantomData).deserialize(&mut json).map_err(io::Error::from)
    }
}

/// A task of which nothing but its id matters.
#[derive(Deserialize)]
pub struct Id {
    /// As recorded.
    pub task_id: String,
}

/// A task, or none where there is something else in its place.
pub struct Lenient(pub Option<TaskEntry>);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self(TaskEntry::deserialize(value).ok()))
    }
}

struct Tasks<F, T>(F, PhantomData<T>);

impl<'de, T: DeserializeOwned, F: FnMut(T)> DeserializeSeed<'de> for Tasks<F, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T)> Visitor<'de> for Tasks<F, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a manifest")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "tasks" {
                map.next_value_seed(List(&mut self.0, PhantomData))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct List<'f, F, T>(&'f mut F, PhantomData<T>);

impl<'de, T: DeserializeOwned, F: FnMut(T)> DeserializeSeed<'de> for List<'_, F, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned, F: FnMut(T)> Visitor<'de> for List<'_, F, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of tasks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(task) = seq.next_element::<T>()? {
            (self.0)(task);
        }
        Ok(())
    }
}

/// Where tasks come from: called once, with the function that takes them, in the order of their ids.
pub(super) type Source<'a> = dyn FnOnce(&mut dyn FnMut(&TaskEntry) -> io::Result<()>) -> io::Result<()> + 'a;

/// Writes a manifest, two-space indent and a newline at the end, with the tasks that `source` pushes.
///
/// # Errors
/// What `writer` or `source` report.
pub fn write(mut writer: impl Write, source: Box<Source<'_>>) -> io::Result<()> {
    let pushed = Pushed(RefCell::new(Some(source)));
    let mut json = serde_json::Serializer::pretty(&mut writer);
    Manifest { manifest_version: VERSION, generator: GENERATOR, tasks: pushed }.serialize(&mut json)?;
    writer.write_all(b"\n")
}

struct Pushed<'a>(RefCell<Option<Box<Source<'a>>>>);

impl Serialize for Pushed<'_> {
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
    use super::super::tests::entry;
    use super::*;

    fn render(ids: &[&str]) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, Box::new(|push| ids.iter().try_for_each(|id| push(&entry(id))))).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn ids(manifest: &str) -> Vec<String> {
        let mut ids = Vec::new();
        Reader(manifest.as_bytes()).for_each(|Lenient(task)| ids.extend(task.map(|task| task.task_id))).unwrap();
        ids
    }

    #[test]
    fn a_manifest_is_written_as_the_contract_shows_it() {
        assert_eq!(
            render(&["a"]),
            format!(
                "{{\n  \"manifest_version\": 1,\n  \"generator\": \"{GENERATOR}\",\n  \"tasks\": [\n    {{\n      \"task_id\": \"a\",\n      \"state\": \"complete\",\n      \"files\": [],\n      \"errors\": []\n    }}\n  ]\n}}\n"
            )
        );
        assert!(render(&[]).ends_with("\"tasks\": []\n}\n"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(ids(&render(&["a", "b"])), ["a", "b"]);
        assert_eq!(ids(r#"{"x":[1],"tasks":[{"task_id":"a","state":"complete","future":1},{"no":"task"},7],"y":null}"#), ["a"]);
    }

    #[test]
    fn what_is_no_task_is_an_error_unless_the_caller_is_lenient() {
        let text = r#"{"manifest_version":1,"tasks":[{"task_id":"a","state":"complete"},{"no":"task"}]}"#;
        assert!(Reader(text.as_bytes()).for_each(|_: TaskEntry| ()).is_err());
        assert!(Reader(text.as_bytes()).for_each(|_: Lenient| ()).is_ok());
    }

    #[test]
    fn a_manifest_that_breaks_off_is_an_error_not_a_short_list() {
        let text = render(&["a", "b"]);
        assert!(Reader(&text.as_bytes()[..text.len() - 3]).for_each(|_: Id| ()).is_err());
    }
}
