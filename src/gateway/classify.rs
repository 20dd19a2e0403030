//! Decides what a response of the gateway means, from its status and its body. No I/O.
//!
//! The gateway says the same thing in many ways: a missing task is 404, 400 or 200, and `error` is a text or an object. So the body
//! counts before the status. Of a 404, `not_found` says whether the task or the URL is unknown. The key is redacted in everything
//! that the gateway echoes. Only the URLs of assets keep it, because requests are sent to them.

use reqwest::StatusCode;
use serde_json::value::RawValue;

use super::error::Error;
use super::lenient_json::{self, Unreadable};
use super::not_found::{Words, says_task_is_missing};
use crate::domain::json::{self, Fields, JsonType};
use crate::domain::task::{Task, TaskId};
use crate::http::status_line;
use crate::redact::ApiKey;

/// The most characters of the gateway's own words in a message.
const MAX_MESSAGE_CHARS: usize = 300;
/// The longest body of a 404 that is read, in bytes.
const MAX_ERROR_SIZE: usize = 64 << 10;

/// The fields that contain the message of an error, the plainest first.
pub(super) const MESSAGE_FIELDS: [&str; 5] = ["error", "message", "description", "msg", "code"];
/// The other fields in which servers say what a 404 is about.
const DETAIL_FIELDS: [&str; 5] = ["detail", "path", "url", "uri", "instance"];

/// Reads a response about the task `id`: the task, or why it is none.
///
/// # Errors
/// See [`Error`]. No text in it contains `key`.
pub fn classify(status: StatusCode, body: Vec<u8>, id: &TaskId, key: &ApiKey) -> Result<Box<Task>, Error> {
    if status == StatusCode::NOT_FOUND {
        return Err(classify_404(body, id, key));
    }
    let start = BodyStart::sniff(&body);
    let parsed = lenient_json::parse(body);
    let object = parsed
        .as_ref()
        .ok()
        .filter(|answer| JsonType::detect(answer) == JsonType::Object)
        .map(|answer| AnswerFields::parse(answer));
    let is_error = !status.is_success() || object.as_ref().is_some_and(AnswerFields::is_error_body);
    let has_no_task = |object: &AnswerFields<'_>| !object.is_about_a_task() && object.0.get("task_id").is_none();
    let message = || object.as_ref().and_then(|object| object.error_message(key));
    if object.as_ref().is_some_and(|object| (is_error || has_no_task(object)) && object.says_not_found()) {
        return Err(Error::NotFound { words: message(), is_explicit: true, status });
    }
    let is_key_rejected = status == StatusCode::UNAUTHORIZED || (status == StatusCode::FORBIDDEN && object.is_some());
    if is_key_rejected {
        return Err(Error::KeyRejected(status_message(status, message())));
    }
    match parsed {
        Ok(answer) if status.is_success() && !is_error => {
            Task::parse(answer, key).map(Box::new).map_err(|error| Error::BadAnswer(format!("can't be read: {error}")))
        }
        Err(error) if status.is_success() => Err(Error::BadAnswer(unreadable_message(start, &error))),
        _ => Err(Error::Status { status, message: message() }),
    }
}

/// What a 404 means. Its words are kept.
fn classify_404(body: Vec<u8>, id: &TaskId, key: &ApiKey) -> Error {
    let not_found = |words, is_explicit| Error::NotFound { words, is_explicit, status: StatusCode::NOT_FOUND };
    let start = BodyStart::sniff(&body);
    if body.len() > MAX_ERROR_SIZE {
        return not_found(start.describe(), false);
    }
    let text = truncate_message(&key.redact(String::from_utf8_lossy(body.trim_ascii()).as_ref()));
    let words = start.describe().or_else(|| Some(text).filter(|text| !text.is_empty()));
    let answer = lenient_json::parse(body).ok().filter(|answer| JsonType::detect(answer) == JsonType::Object);
    let Some(object) = answer.as_ref().map(|answer| AnswerFields::parse(answer)) else {
        return not_found(words, false);
    };
    let message = object.error_message(key);
    if object.is_about_a_task() {
        return not_found(message, false);
    }
    let texts: Vec<(Words, String)> = object.texts().into_iter().map(|text| (Words::new(&text, id), text)).collect();
    if texts.iter().any(|(words, _)| words.name_missing_task()) {
        return not_found(message, true);
    }
    match texts.into_iter().find(|(words, _)| words.name_url()) {
        Some((_, text)) => {
            let text = truncate_message(&key.redact(&text));
            Error::UnknownUrl(
                message.filter(|message| *message != text).map_or(text.clone(), |message| format!("{message}: {text}")),
            )
        }
        None => not_found(message.or(words), false),
    }
}

/// The fields of an answer that decide what it is.
struct AnswerFields<'a>(Fields<'a>);

/// The message in the body of an error, and whether the body is a JSON object.
pub(super) fn error_body(body: Vec<u8>, key: &ApiKey) -> (Option<String>, bool) {
    let answer = lenient_json::parse(body).ok().filter(|answer| JsonType::detect(answer) == JsonType::Object);
    (answer.as_ref().and_then(|answer| error_message(answer, key)), answer.is_some())
}

/// The message in an object that is an error.
pub(super) fn error_message(object: &RawValue, key: &ApiKey) -> Option<String> {
    AnswerFields::parse(object).error_message(key)
}

impl<'a> AnswerFields<'a> {
    fn parse(answer: &'a RawValue) -> Self {
        let names = MESSAGE_FIELDS.into_iter().chain(DETAIL_FIELDS).chain(["success", "status", "task_id", "task_result"]);
        Self(Fields::select(answer, &names.collect::<Vec<_>>()))
    }

    /// Whether the body reports an error and is not about a task. (A failed task may have an `error`, too.)
    fn is_error_body(&self) -> bool {
        let Self(fields) = self;
        let code = |code: &RawValue| code.get().parse::<u64>().is_ok_and(|code| matches!(code, 400..600 | 40_000..60_000));
        let is_wrong = has_text(fields, "error")
            || fields.get_object("error").is_some()
            || fields.get("success").is_some_and(|success| success.get() == "false")
            || map_text(fields, "code", |code| code != "success").unwrap_or(false)
            // The status that HTTP would have, from gateways that answer 200 to everything.
            || fields.get("code").is_some_and(code);
        is_wrong && !self.is_about_a_task()
    }

    /// Whether it has the status or the result of a task.
    fn is_about_a_task(&self) -> bool {
        has_text(&self.0, "status") || self.0.get_object("task_result").is_some()
    }

    fn says_not_found(&self) -> bool {
        let inner = self.0.get_object("error").map(|error| Fields::select(error, &MESSAGE_FIELDS)).unwrap_or_default();
        let says_so =
            |fields: &Fields<'_>| MESSAGE_FIELDS.iter().any(|name| map_text(fields, name, says_task_is_missing).unwrap_or(false));
        says_so(&self.0) || says_so(&inner)
    }

    /// The texts that may say what a 404 is about, those inside `error` first.
    fn texts(&self) -> Vec<String> {
        let names = || MESSAGE_FIELDS.into_iter().chain(DETAIL_FIELDS);
        let inner =
            self.0.get_object("error").map(|error| Fields::select(error, &names().collect::<Vec<_>>())).unwrap_or_default();
        let fields = [&inner, &self.0];
        fields.iter().flat_map(|fields| names().filter_map(|name| map_text(fields, name, str::to_owned))).collect()
    }

    /// The message of an error, in any of the shapes that gateways use.
    fn error_message(&self, key: &ApiKey) -> Option<String> {
        let text = |fields: &Fields<'_>, name: &str| map_text(fields, name, |text| truncate_message(&key.redact(text)));
        match self.0.get_object("error") {
            Some(error) => text(&Fields::select(error, &MESSAGE_FIELDS), "message")
                .or_else(|| Some(truncate_message(&json::compact(error.get(), |text| Some(key.redact(text).into_owned()))))),
            None => MESSAGE_FIELDS.iter().find_map(|name| text(&self.0, name)),
        }
    }
}

fn truncate_message(message: &str) -> String {
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

fn has_text(fields: &Fields<'_>, name: &str) -> bool {
    map_text(fields, name, |_| ()).is_some()
}

/// The result of `read` on a field that is a text and not blank.
fn map_text<T>(fields: &Fields<'_>, name: &str, read: impl FnOnce(&str) -> T) -> Option<T> {
    json::map_string(fields.get(name)?, |text| (!text.trim().is_empty()).then(|| read(text))).flatten()
}

fn status_message(status: StatusCode, message: Option<String>) -> String {
    let status = status_line(status);
    message.map_or_else(|| status.clone(), |message| format!("{status}: {message}"))
}

/// The beginning of a body, without blanks.
#[derive(Clone, Copy)]
enum BodyStart {
    Empty,
    Markup,
    Other,
}

impl BodyStart {
    fn sniff(body: &[u8]) -> Self {
        match body.trim_ascii_start() {
            [] => Self::Empty,
            [b'<', ..] => Self::Markup,
            _ => Self::Other,
        }
    }

    /// What stands for the words of a body that is no text for people.
    fn describe(self) -> Option<String> {
        matches!(self, Self::Markup).then(|| "a web page, not JSON: is the base URL right?".to_owned())
    }
}

fn unreadable_message(start: BodyStart, error: &Unreadable) -> String {
    match start {
        BodyStart::Empty => "is empty".to_owned(),
        BodyStart::Markup => "is a web page, not JSON: is the base URL right?".to_owned(),
        BodyStart::Other => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
