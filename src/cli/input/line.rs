//! One entry of a list: a plain line, or JSON with an id.
//!
//! Invariant: no id and no field contains the API key, because both are shown and stored. A command without a key passes none.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::slips;
use crate::domain::manifest::{MAX_DEPTH, depth};
use crate::domain::task::TaskId;
use crate::jobs::archive::Request;
use crate::redact::{ApiKey, escape_control_chars, escape_control_chars_json};

/// The request of a line; none for a blank line or a comment. `is_first` tells whether no entry stands before it.
pub(super) fn parse_line(line: &[u8], is_first: bool, key: Option<&ApiKey>) -> Result<Option<Request>, String> {
    let text = str::from_utf8(line)
        .map_err(|_| "the line is not text: save the list as UTF-8, or as UTF-16 with a byte-order mark".to_owned())?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.starts_with('{') {
        let is_open = serde_json::from_str::<Value>(text).is_err_and(|error| error.is_eof());
        let hint = if is_open { "; an object stands on one line (with jq: use -c), or in a JSON array" } else { "" };
        return parse_json(text, 1, key).map(Some).map_err(|(_, message)| format!("{message}{hint}"));
    }
    if occurs_in(key, text) {
        return Err(KEY_AS_ID.to_owned());
    }
    let id = slips::line_id(text, is_first)?;
    // The id of a URL is encoded in the text.
    let id = if id.as_str() == text { id } else { reject_key(id, key)? };
    Ok(Some(Request::new(id)))
}

/// The request of a JSON value: an id, or an object with one. Its first line is `line`. An error comes with its line.
pub(super) fn parse_json(text: &str, line: u64, key: Option<&ApiKey>) -> Result<Request, (u64, String)> {
    let here = |message: &str| (line, message.to_owned());
    let mut value: Value = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let what = match message.split(" at line ").next().unwrap_or_default() {
            "trailing characters" => "text after the value: is a comma missing?",
            what => what,
        };
        (line + (error.line() as u64).saturating_sub(1), format!("invalid JSON in column {}: {what}", error.column()))
    })?;
    if depth(&value) > MAX_DEPTH {
        return Err((line, format!("JSON nested deeper than {MAX_DEPTH} levels")));
    }
    let id = match &mut value {
        Value::Object(fields) => {
            take_id(fields).ok_or_else(|| here("a JSON object needs `task_id` or `id` with a string or a number"))?
        }
        id => json_id(id).ok_or_else(|| here("a task id in JSON is a string, a number, or an object with `task_id` or `id`"))?,
    };
    if let Some(key) = key {
        key.redact_json_value(&mut value);
    }
    let meta = value.as_object().filter(|fields| !fields.is_empty()).cloned();
    let id = reject_key(id, key).map_err(|message| (line, message))?;
    Ok(Request { meta, ..Request::new(id) })
}

const KEY_AS_ID: &str = "the API key is given as a task id";

fn reject_key(id: TaskId, key: Option<&ApiKey>) -> Result<TaskId, String> {
    if occurs_in(key, id.as_str()) { Err(KEY_AS_ID.to_owned()) } else { Ok(id) }
}

fn occurs_in(key: Option<&ApiKey>, text: &str) -> bool {
    key.is_some_and(|key| key.occurs_in(text))
}

/// A line that a list reads as this id: the id itself or, if that would be read in another way, a JSON object.
pub(in crate::cli) fn id_line(id: &str) -> String {
    // The strictest rules are those for a first line. A terminal must not act on the line.
    let plain = parse_line(id.as_bytes(), true, None);
    let is_read_as_it_is = plain.is_ok_and(|request| request.is_some_and(|request| request.id.as_str() == id));
    if is_read_as_it_is && matches!(escape_control_chars(id), Cow::Borrowed(_)) {
        return id.to_owned();
    }
    escape_control_chars_json(serde_json::json!({"task_id": id}).to_string())
}

/// Removes the id from the fields, and returns it.
fn take_id(fields: &mut Map<String, Value>) -> Option<TaskId> {
    ["task_id", "id"].into_iter().find_map(|name| {
        let id = json_id(fields.get(name)?)?;
        fields.shift_remove(name);
        Some(id)
    })
}

fn json_id(value: &Value) -> Option<TaskId> {
    match value {
        Value::String(text) => TaskId::new(text),
        Value::Number(digits) => TaskId::new(&digits.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> String {
        match parse_line(line.as_bytes(), false, Some(&ApiKey::parse("sk-1234567890abcdef").unwrap())) {
            Ok(Some(Request { id, meta, .. })) => {
                format!("{} {}", id.as_str(), meta.map_or("-".to_owned(), |meta| Value::Object(meta).to_string()))
            }
            Ok(None) => "nothing".to_owned(),
            Err(error) => error,
        }
    }

    #[test]
    fn input_lines_are_ids_comments_or_json() {
        for (line, expected) in [
            ("777935781150867525\n", "777935781150867525 -"),
            ("  9f1c \r\n", "9f1c -"),
            ("\u{feff}9f1c", "9f1c -"),
            ("", "nothing"),
            ("   \n", "nothing"),
            ("# 9f1c", "nothing"),
            ("  # 9f1c", "nothing"),
            ("https://api.yescale.io/task/9f1c", "9f1c -"),
            (r#"{"task_id":"a"}"#, "a -"),
            (r#"{"task_id":"a b, [c]"}"#, "a b, [c] -"),
            (r#"{"id":777935781150867525777,"prompt":"a cat"}"#, r#"777935781150867525777 {"prompt":"a cat"}"#),
            (r#"{"z":1.50,"task_id":"a","id":7,"a":null}"#, r#"a {"z":1.50,"id":7,"a":null}"#),
            (r#"{"task_id":null,"id":"b"}"#, r#"b {"task_id":null}"#),
            (r#"{"id":"a","x":["Bearer sk-1234567890abcdef"]}"#, r#"a {"x":["Bearer [key]"]}"#),
            ("sk-1234567890abcdef", "the API key is given as a task id"),
            ("Bearer sk-1234567890abcdef", "the API key is given as a task id"),
            (r#"{"id":"1234567890abcdef"}"#, "the API key is given as a task id"),
            (r#"{"prompt":"a cat"}"#, "a JSON object needs `task_id` or `id` with a string or a number"),
            (r#"{"task_id":" "}"#, "a JSON object needs `task_id` or `id` with a string or a number"),
        ] {
            assert_eq!(parsed(line), expected, "{line}");
        }
        assert!(parsed(r#"{"task_id":"#).starts_with("invalid JSON"));
        let deep = format!(r#"{{"id":1,"x":{}{}}}"#, "[".repeat(110), "]".repeat(110));
        assert!(parsed(&deep).starts_with("JSON nested"));
        assert!(parsed("777,kling").contains("row of a table"));
    }

    #[test]
    fn every_id_survives_the_way_through_its_line() {
        for id in ["777", "veo3:17-Y", "-x", "ä🎬", "a?b#c%d", "Task"] {
            assert_eq!(id_line(id), id);
        }
        for id in [
            "a b",
            "#a",
            "task_id",
            "{\"id\":1}",
            "[777",
            "a,b",
            "\"q\"",
            "a\nb",
            "a\tb",
            "a\u{1b}[31mb",
            "a\u{9b}b",
            "a\u{202e}b",
            "\u{feff}a",
            "https://api.yescale.io/task/9f1c",
            "—wait",
            "a\0b",
        ] {
            let line = id_line(id);
            assert!(line.starts_with('{') && !line.contains(|c: char| c.is_control()), "{line}");
            let request = parse_line(line.as_bytes(), true, None).unwrap().unwrap();
            assert_eq!((request.id.as_str(), request.meta), (id, None));
        }
    }
}
