//! One row of the account's list: the id of its task, and what it says about it.
//!
//! Only the fields that are named here are held. A row may be of many megabytes, because `data` has the whole result.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::domain::json::{self, Fields};
use crate::domain::manifest::{MAX_DEPTH, depth};
use crate::domain::task::{TaskId, parse_time};
use crate::gateway::lenient_json;
use crate::integrity::digest::sha256;
use crate::redact::ApiKey;

/// The fields of a row that are read.
const FIELDS: [&str; 10] =
    ["task_id", "mj_id", "id", "prompt", "title", "model", "platform", "action", "properties", "submit_time"];
/// The fields of `meta` that a row may fill.
pub(crate) const LISTED_FIELDS: [&str; 5] = ["prompt", "title", "model", "platform", "action"];
/// The same, and where in `properties` some of them may stand instead.
const META: [(&str, Option<&str>); 5] =
    [("prompt", Some("input")), ("title", None), ("model", Some("origin_model_name")), ("platform", None), ("action", None)];

/// A task that the account lists.
#[derive(Clone, PartialEq, Debug)]
pub struct ListedTask {
    /// Its id.
    pub id: TaskId,
    /// What the row says about it, for keys that `meta` does not have.
    pub meta: Map<String, Value>,
}

/// The fields of one row, as they came. Any other value than an object has none.
#[derive(Default)]
pub(super) struct Row([Option<Box<RawValue>>; FIELDS.len()]);

impl Row {
    /// That of its id. A row that names no task has one of its fields.
    pub(super) fn fingerprint(&self) -> u128 {
        if let Some(id) = self.id() {
            return id.fingerprint();
        }
        let fields = self.0.iter().map(|field| field.as_deref().map_or("", RawValue::get));
        let text = fields.collect::<Vec<_>>().join("\0");
        u128::from_be_bytes(sha256(text.as_bytes()).as_chunks().0[0])
    }

    /// The task; none if the row names none. No text in it contains the key.
    pub(super) fn task(&self, key: &ApiKey) -> Option<ListedTask> {
        let id = self.id().filter(|id| !key.occurs_in(id.as_str()))?;
        let properties = self.properties();
        let inner = properties.as_deref().map(|raw| Fields::select(raw, &["input", "origin_model_name"])).unwrap_or_default();
        let mut meta = Map::new();
        for (name, other) in META {
            let value = self.get(name).and_then(value).or_else(|| value(inner.get(other?)?));
            if let Some(mut value) = value {
                key.redact_json_value(&mut value);
                meta.insert(name.to_owned(), value);
            }
        }
        Some(ListedTask { id, meta })
    }

    /// The Unix second in which the task was submitted.
    pub(super) fn submit_second(&self) -> Option<i64> {
        parse_time(self.get("submit_time")?).map(Timestamp::as_second)
    }

    fn get(&self, name: &str) -> Option<&RawValue> {
        let at = FIELDS.iter().position(|field| *field == name)?;
        self.0[at].as_deref()
    }

    /// A number as `id` is that of the row, not of the task.
    fn id(&self) -> Option<TaskId> {
        let text = |raw: &RawValue| json::map_string(raw, TaskId::new).flatten();
        let number = |raw: &RawValue| {
            let digits = raw.get();
            digits.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| TaskId::new(digits)).flatten()
        };
        let text_or_number = |name: &str| self.get(name).and_then(|raw| text(raw).or_else(|| number(raw)));
        text_or_number("task_id").or_else(|| text_or_number("mj_id")).or_else(|| self.get("id").and_then(text))
    }

    /// `properties`, which may also be JSON in a string.
    fn properties(&self) -> Option<Box<RawValue>> {
        let raw = self.get("properties")?;
        let inner = json::map_string(raw, |text| lenient_json::parse(text.as_bytes().to_vec()).ok()).flatten();
        inner.or_else(|| lenient(raw))
    }
}

/// A value that says something.
fn value(raw: &RawValue) -> Option<Value> {
    let value: Value = serde_json::from_str(lenient(raw)?.get()).ok()?;
    let is_blank = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    (!is_blank && depth(&value) < MAX_DEPTH).then_some(value)
}

/// The value with whole characters: a text may have been cut in the middle of one.
fn lenient(raw: &RawValue) -> Option<Box<RawValue>> {
    lenient_json::parse(raw.get().as_bytes().to_vec()).ok()
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
        let mut row = Row::default();
        while let Some(name) = map.next_key::<String>()? {
            match FIELDS.iter().position(|field| *field == name) {
                Some(at) => row.0[at] = Some(map.next_value()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(row)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Row, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Row::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_unit<E>(self) -> Result<Row, E> {
        Ok(Row::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(row: &str) -> Option<(String, String)> {
        let row: Row = serde_json::from_reader(row.as_bytes()).unwrap();
        let task = row.task(&ApiKey::parse("sk-1234567890abcdef").unwrap())?;
        Some((task.id.as_str().to_owned(), Value::Object(task.meta).to_string()))
    }

    #[test]
    fn id_is_task_id_else_mj_id_else_a_text_in_id() {
        for (row, id) in [
            (r#"{"id":7,"task_id":"a","mj_id":"b"}"#, "a"),
            (r#"{"id":"c","task_id":"","mj_id":"b"}"#, "b"),
            (r#"{"id":"c","task_id":null,"mj_id":" "}"#, "c"),
            (r#"{"task_id":777935781150867525777}"#, "777935781150867525777"),
            (r#"{"task_id":"\u0061/../b? c"}"#, "a/../b? c"),
            (r#"{"data":[[{"x":1}],"y"],"task_id":"veo3:1"}"#, "veo3:1"),
        ] {
            assert_eq!(task(row).unwrap().0, id, "{row}");
        }
        for row in [r#"{"id":7}"#, "{}", r#"{"task_id":{"x":1}}"#, r#"{"task_id":true}"#, "null", "7", "\"t1\"", "[1,{}]"] {
            assert_eq!(task(row), None, "{row}");
        }
        assert_eq!(task(r#"{"task_id":"sk-1234567890abcdef"}"#), None, "a key is no id");
    }

    #[test]
    fn meta_has_only_the_listed_keys() {
        for (row, meta) in [
            (r#"{"task_id":"a","prompt":"cat","quota":5,"group":"x","title":"T"}"#, r#"{"prompt":"cat","title":"T"}"#),
            (
                r#"{"task_id":"a","platform":"suno","action":"song","properties":{"input":"cat","origin_model_name":"v4","x":1}}"#,
                r#"{"prompt":"cat","model":"v4","platform":"suno","action":"song"}"#,
            ),
            (r#"{"task_id":"a","properties":"{\"input\":\"cat\"}"}"#, r#"{"prompt":"cat"}"#),
            (
                r#"{"task_id":"a","prompt":"own","model":"m","properties":{"input":"cat","origin_model_name":"v4"}}"#,
                r#"{"prompt":"own","model":"m"}"#,
            ),
            (r#"{"task_id":"a","prompt":"","properties":{"input":"cat"}}"#, r#"{"prompt":"cat"}"#),
            (r#"{"task_id":"a","prompt":null,"title":" ","platform":50,"properties":"no JSON"}"#, r#"{"platform":50}"#),
            (r#"{"task_id":"a","prompt":"cut \ud83d"}"#, "{\"prompt\":\"cut \u{fffd}\"}"),
            (r#"{"task_id":"a","prompt":"say sk-1234567890abcdef"}"#, r#"{"prompt":"say [key]"}"#),
            (r#"{"task_id":"a","properties":[1]}"#, "{}"),
        ] {
            assert_eq!(task(row).unwrap().1, meta, "{row}");
        }
        let deep = format!(r#"{{"task_id":"a","prompt":{}1{}}}"#, "[".repeat(110), "]".repeat(110));
        assert_eq!(task(&deep).unwrap().1, "{}");
    }
}
