//! Decides what a response of the gateway means, from its status and its body. No I/O.
//!
//! The gateway says the same thing in many ways: a missing task is 404, 400 or 200, and `error` is a text or an object. So the
//! body counts before the status. The key is redacted in everything that the gateway echoes. Only the URLs of assets keep it,
//! because requests are sent to them.

use reqwest::StatusCode;
use serde_json::value::RawValue;

use super::error::Error;
use super::lenient_json::{self, Unreadable};
use crate::domain::json::{self, Fields, JsonType};
use crate::domain::task::Task;
use crate::http::status_line;
use crate::redact::ApiKey;

/// The most characters of the gateway's own words in a message.
const MAX_MESSAGE_CHARS: usize = 300;
/// How much of a message is searched for its cause, in bytes.
const MAX_ERROR_SCAN: usize = 64 << 10;

/// The fields that contain the message of an error, the plainest first.
const MESSAGE_FIELDS: [&str; 5] = ["error", "message", "description", "msg", "code"];

/// Reads a response: the task, or why it is none.
///
/// # Errors
/// See [`Error`]. No text in it contains `key`.
pub fn classify(status: StatusCode, body: Vec<u8>, key: &ApiKey) -> Result<Box<Task>, Error> {
    if status == StatusCode::NOT_FOUND {
        return Err(Error::NotFound);
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
    if object.as_ref().is_some_and(|object| (is_error || has_no_task(object)) && object.says_not_found()) {
        return Err(Error::NotFound);
    }
    let message = object.as_ref().and_then(|object| object.error_message(key));
    let is_key_rejected = status == StatusCode::UNAUTHORIZED || (status == StatusCode::FORBIDDEN && object.is_some());
    if is_key_rejected {
        return Err(Error::KeyRejected(status_message(status, message)));
    }
    match parsed {
        Ok(answer) if status.is_success() && !is_error => {
            Task::parse(answer, key).map(Box::new).map_err(|error| Error::BadAnswer(format!("can't be read: {error}")))
        }
        Err(error) if status.is_success() => Err(Error::BadAnswer(unreadable_message(start, &error))),
        _ => Err(Error::Status { status, message }),
    }
}

/// The fields of an answer that decide what it is.
struct AnswerFields<'a>(Fields<'a>);

impl<'a> AnswerFields<'a> {
    fn parse(answer: &'a RawValue) -> Self {
        let [error, message, description, msg, code] = MESSAGE_FIELDS;
        Self(Fields::select(answer, &[error, message, description, msg, code, "success", "status", "task_id", "task_result"]))
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
            |fields: &Fields<'_>| MESSAGE_FIELDS.iter().any(|name| map_text(fields, name, is_not_found).unwrap_or(false));
        says_so(&self.0) || says_so(&inner)
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

/// Whether a message says that a task does not exist. The gateway's protocol has no field for this cause.
fn is_not_found(message: &str) -> bool {
    let message = json::truncate(message, MAX_ERROR_SCAN).to_lowercase().replace(['_', '-'], " ");
    let is_missing = ["not found", "not exist", "doesn't exist", "no such"].iter().any(|text| message.contains(text));
    (message.contains("task") && is_missing) || message.contains("任务不存在")
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
}

fn unreadable_message(start: BodyStart, error: &Unreadable) -> String {
    match start {
        BodyStart::Empty => "is empty".to_owned(),
        BodyStart::Markup => "is a web page, not JSON: is the base URL right?".to_owned(),
        BodyStart::Other => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(status: u16, body: &str) -> String {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        match classify(StatusCode::from_u16(status).unwrap(), body.into(), &key) {
            Ok(task) => format!("task {:?} {}", task.phase, task.response.raw()),
            Err(Error::NotFound) => "not found".to_owned(),
            Err(Error::KeyRejected(message)) => format!("refused {message}"),
            Err(error) if error.is_transient() => format!("transient: {error}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_form_of_task_not_found_is_recognized() {
        for (status, body) in [
            (404, ""),
            (404, "<html>"),
            (404, r#"{"status":"SUCCESS"}"#),
            (200, r#"{"error":"Task not found"}"#),
            (400, r#"{"error":"Task not found"}"#),
            (401, r#"{"error":"Task not found"}"#),
            (500, r#"{"error":"task not found"}"#),
            (400, r#"{"code":"task_not_exist","message":"x","data":null}"#),
            (200, r#"{"code":"task_not_exist","message":"x","data":null}"#),
            (200, r#"{"message":"task_not_exist"}"#),
            (400, r#"{"error":"midjourney_task_not_found"}"#),
            (400, r#"{"error":{"message":"The task does not exist (request id: 1)","type":"new_api_error","code":""}}"#),
            (400, r#"{"error":{"code":"task_not_exist"}}"#),
            (200, r#"{"code":404,"message":"Task not found"}"#),
            (200, r#"{"code":40400,"msg":"任务不存在"}"#),
        ] {
            assert_eq!(classified(status, body), "not found", "{status} {body}");
        }
    }

    #[test]
    fn error_bodies_are_classified() {
        let invalid = r#"{"error":{"message":"Invalid token (request id: 7)","type":"new_api_error","code":""}}"#;
        for (status, body, expected) in [
            (401, invalid, "refused HTTP 401 Unauthorized: Invalid token (request id: 7)"),
            (401, "", "refused HTTP 401 Unauthorized"),
            (401, r#"{"success":false,"message":"expired"}"#, "refused HTTP 401 Unauthorized: expired"),
            (403, r#"{"error":{"message":"banned"}}"#, "refused HTTP 403 Forbidden: banned"),
            (403, "<html>challenge</html>", "transient: the gateway answers HTTP 403 Forbidden"),
            (403, "", "transient: the gateway answers HTTP 403 Forbidden"),
            (503, "<html>", "transient: the gateway answers HTTP 503 Service Unavailable"),
            (
                503,
                r#"{"error":{"message":"no channel"}}"#,
                "transient: the gateway answers HTTP 503 Service Unavailable: no channel",
            ),
            (429, "", "transient: the gateway answers HTTP 429 Too Many Requests"),
            (500, "", "transient: the gateway answers HTTP 500 Internal Server Error"),
            (524, "<html>", "transient: the gateway answers HTTP 524"),
            (400, r#"{"description":"bad","type":"x","code":4}"#, "the gateway answers HTTP 400 Bad Request: bad"),
            (400, r#"{"code":null,"message":"m","param":"p","type":"t"}"#, "the gateway answers HTTP 400 Bad Request: m"),
            (200, r#"{"success":false,"message":"no"}"#, "the gateway answers HTTP 200 OK: no"),
            (200, r#"{"error":"overloaded"}"#, "the gateway answers HTTP 200 OK: overloaded"),
            (200, r#"{"code":500,"msg":"no quota"}"#, "the gateway answers HTTP 200 OK: no quota"),
            (302, "", "the gateway answers HTTP 302 Found"),
            (418, "", "the gateway answers HTTP 418 I'm a teapot"),
        ] {
            assert_eq!(classified(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn task_with_an_error_field_is_still_a_task() {
        assert!(classified(200, r#"{"status":"FAILURE","error":"Task not found upstream"}"#).starts_with("task Failed"));
        assert!(classified(200, r#"{"task_id":"x","message":"ok","task_result":{}}"#).starts_with("task Pending"));
        for pending in [
            r#"{"task_id":"x"}"#,
            r#"{"message":"queued"}"#,
            r#"{"error":null,"code":"","status":""}"#,
            r#"{"code":200}"#,
            r#"{"code":20000,"message":"success","data":{}}"#,
            r#"{"task_id":"x","description":"a poster: task not found"}"#,
            "{}",
        ] {
            assert!(classified(200, pending).starts_with("task Pending"), "{pending}");
        }
    }

    #[test]
    fn unusable_responses_give_clear_errors() {
        for (body, expected) in [
            ("", "the gateway's answer is empty"),
            ("<!doctype html>", "the gateway's answer is a web page"),
            (r#"{"status":"SUC"#, "the gateway's answer is broken JSON: EOF"),
            ("[]", "the gateway's answer can't be read: the answer is a list"),
            ("\"x\"", "the gateway's answer can't be read: the answer is a string"),
            (r#"{"status":"SUCCESS","task_result":7}"#, "the gateway's answer can't be read: task_result is a number"),
        ] {
            assert!(classified(200, body).starts_with(expected), "{body}: {}", classified(200, body));
        }
        let deep = |levels: usize| format!(r#"{{"status":"SUCCESS","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(classified(200, &deep(99)).starts_with("task"));
        assert!(classified(200, &deep(100)).contains("nested deeper"));
        assert!(classified(200, &deep(100_000)).contains("nested deeper"));
    }

    #[test]
    fn echoed_key_is_redacted_everywhere() {
        let echo = r#"{"error":{"message":"Invalid token sk-1234567890abcdef"}}"#;
        assert_eq!(classified(401, echo), "refused HTTP 401 Unauthorized: Invalid token [key]");
        let echo = r#"{"status":"SUCCESS","x":["1234567890abcdef"],"\u0073k-1234567890abcdef":1}"#;
        assert_eq!(classified(200, echo), r#"task Finished {"status":"SUCCESS","x":["[key]"],"[key]":1}"#);
    }

    #[test]
    fn key_is_kept_in_the_requested_url_and_redacted_in_the_recorded_one() {
        let (key, url) = (ApiKey::parse("sk-1234567890abcdef").unwrap(), "http://h/x?key=sk-1234567890abcdef");
        let answer = format!(r#"{{"status":"SUCCESS","task_result":{{"videos":["{url}"]}}}}"#);
        let task = classify(StatusCode::OK, answer.as_bytes().to_vec(), &key).unwrap();
        assert_eq!(&*task.assets[0].url, url);
        assert_eq!(task.assets[0].recorded_url().as_deref(), Some("http://h/x?key=[key]"));
        assert_eq!(task.response.raw().get(), answer.replace("sk-1234567890abcdef", "[key]"));
    }
}
