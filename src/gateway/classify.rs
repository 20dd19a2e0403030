//! Decides what a response of the gateway means, from its status and its body. No I/O.
//!
//! The gateway says the same thing in many ways: a missing task is 404, 400 or 200, and `error` is a text or an object. So the
//! body counts before the status. Of a 404, `not_found` says whether the task or the URL is unknown. The key is redacted in everything that the gateway echoes. Only the URLs of assets keep it,
//! because requests are sent to them.

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
mod tests {
    use super::*;

    fn classified(status: u16, body: &str) -> String {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        match classify(StatusCode::from_u16(status).unwrap(), body.into(), &TaskId::new("t1").unwrap(), &key) {
            Ok(task) => format!("task {:?} {}", task.phase, task.response.raw()),
            Err(Error::NotFound { .. }) => "not found".to_owned(),
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
    fn words_of_a_404_are_kept_and_tell_a_missing_task_from_an_unknown_url() {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        let page = "<!doctype html><title>404</title>";
        for (body, expected) in [
            ("", "the gateway knows no such task"),
            (page, "the gateway knows no such task: a web page, not JSON: is the base URL right?"),
            ("404 page not found\n", "the gateway knows no such task: 404 page not found"),
            (
                r#"{"error":{"message":"no task t1 for sk-1234567890abcdef"}}"#,
                "the gateway knows no such task: no task t1 for [key]",
            ),
            (r#"{"detail":"Not Found"}"#, r#"the gateway knows no such task: {"detail":"Not Found"}"#),
            (r#"{"status":"SUCCESS","message":"Invalid URL"}"#, "the gateway knows no such task: Invalid URL"),
            (
                r#"{"error":{"message":"Invalid URL (GET /api/task/t1)","type":"invalid_request_error"}}"#,
                "the gateway knows no such URL: Invalid URL (GET /api/task/t1)",
            ),
            (
                r#"{"statusCode":404,"error":"Not Found","message":"Route GET:/task/t1 not found"}"#,
                "the gateway knows no such URL: Not Found: Route GET:/task/t1 not found",
            ),
            (r#"{"status":404,"error":"Not Found","path":"/task/t1"}"#, "the gateway knows no such URL: Not Found: /task/t1"),
        ] {
            let error = classify(StatusCode::NOT_FOUND, body.into(), &TaskId::new("t1").unwrap(), &key).unwrap_err();
            assert_eq!(error.to_string(), expected, "{body}");
        }
        let long = format!("<p>{}", "x".repeat(MAX_ERROR_SIZE));
        assert!(matches!(
            classify(StatusCode::NOT_FOUND, long.into(), &TaskId::new("t1").unwrap(), &key),
            Err(Error::NotFound { .. })
        ));
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
        let task = classify(StatusCode::OK, answer.as_bytes().to_vec(), &TaskId::new("t1").unwrap(), &key).unwrap();
        assert_eq!(&*task.assets[0].url, url);
        assert_eq!(task.assets[0].recorded_url().as_deref(), Some("http://h/x?key=[key]"));
        assert_eq!(task.response.raw().get(), answer.replace("sk-1234567890abcdef", "[key]"));
    }
}
