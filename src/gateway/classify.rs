//! Status and body of an API answer: what do they say?
//!
//! A pure decision. The gateway says the same thing in many ways (a missing task as 404, as 400 or
//! as 200; `error` as text or as an object), so the body is looked at before the status. Whatever it
//! echoes of the key is scrubbed before anyone else sees it; only the URLs of assets, which are sent, stay as they came.

use reqwest::StatusCode;
use serde_json::value::RawValue;

use super::lenient_json::{self, Unreadable};
use crate::domain::json::{self, Fields, JsonType};
use crate::domain::task::Task;
use crate::http::{is_transient_status, status_line};
use crate::redact::ApiKey;

/// Characters of the gateway's own words that a message repeats.
const MAX_MESSAGE_CHARS: usize = 300;
/// How far into an error's words it is looked for what is wrong, in bytes.
const MAX_ERROR_SCAN: usize = 64 << 10;

/// Where errors have their words, the plainest first.
const MESSAGE_FIELDS: [&str; 5] = ["error", "message", "description", "msg", "code"];

/// What an answer says.
#[derive(Debug)]
pub enum ResponseClass {
    /// About the task.
    Task(Box<Task>),
    /// There is no such task.
    NotFound,
    /// The key was refused, with the gateway's words.
    KeyRejected(String),
    /// A passing fault: worth asking again.
    Transient(String),
    /// Anything else, for this task alone.
    Error(String),
}

/// Judges an answer.
#[must_use]
pub fn classify(status: StatusCode, body: Vec<u8>, key: &ApiKey) -> ResponseClass {
    if status == StatusCode::NOT_FOUND {
        return ResponseClass::NotFound;
    }
    let start = BodyStart::sniff(&body);
    let parsed = lenient_json::parse(body);
    let object = parsed
        .as_ref()
        .ok()
        .filter(|answer| JsonType::detect(answer) == JsonType::Object)
        .map(|answer| AnswerFields::parse(answer));
    let is_error = !status.is_success() || object.as_ref().is_some_and(AnswerFields::is_error_body);
    let is_of_no_task = |object: &AnswerFields<'_>| !object.is_about_a_task() && object.0.get("task_id").is_none();
    if object.as_ref().is_some_and(|object| (is_error || is_of_no_task(object)) && object.says_not_found()) {
        return ResponseClass::NotFound;
    }
    let words = object.as_ref().and_then(|object| object.error_message(key));
    match (status.as_u16(), parsed) {
        (401, _) => ResponseClass::KeyRejected(status_message(status, words)),
        (403, Ok(answer)) if JsonType::detect(&answer) == JsonType::Object => {
            ResponseClass::KeyRejected(status_message(status, words))
        }
        (code, _) if code == 403 || is_transient_status(status) => ResponseClass::Transient(status_message(status, words)),
        (200..=299, Ok(_)) if is_error => ResponseClass::Error(status_message(status, words)),
        (200..=299, Ok(answer)) => parse_task(answer, key),
        (200..=299, Err(error)) => ResponseClass::Error(unreadable_message(start, &error)),
        _ => ResponseClass::Error(status_message(status, words)),
    }
}

fn parse_task(answer: Box<RawValue>, key: &ApiKey) -> ResponseClass {
    match Task::parse(answer, key) {
        Ok(task) => ResponseClass::Task(Box::new(task)),
        Err(misread) => ResponseClass::Error(format!("the API's answer can't be read: {misread}")),
    }
}

/// The fields of an answer that tell what it is.
struct AnswerFields<'a>(Fields<'a>);

impl<'a> AnswerFields<'a> {
    fn parse(answer: &'a RawValue) -> Self {
        let [error, message, description, msg, code] = MESSAGE_FIELDS;
        Self(Fields::select(answer, &[error, message, description, msg, code, "success", "status", "task_id", "task_result"]))
    }

    /// An error body says that something is wrong, and is about no task. (A failed task may have an `error` too.)
    fn is_error_body(&self) -> bool {
        let Self(fields) = self;
        let code = |code: &RawValue| code.get().parse::<u64>().is_ok_and(|code| matches!(code, 400..600 | 40_000..60_000));
        let is_wrong = has_text(fields, "error")
            || fields.get_object("error").is_some()
            || fields.get("success").is_some_and(|success| success.get() == "false")
            || map_text(fields, "code", |code| code != "success").unwrap_or(false)
            // As HTTP would, from gateways that answer 200 to everything.
            || fields.get("code").is_some_and(code);
        is_wrong && !self.is_about_a_task()
    }

    /// Whether it has a task's status, or a result.
    fn is_about_a_task(&self) -> bool {
        has_text(&self.0, "status") || self.0.get_object("task_result").is_some()
    }

    fn says_not_found(&self) -> bool {
        let inner = self.0.get_object("error").map(|error| Fields::select(error, &MESSAGE_FIELDS)).unwrap_or_default();
        let says_so =
            |fields: &Fields<'_>| MESSAGE_FIELDS.iter().any(|name| map_text(fields, name, is_not_found).unwrap_or(false));
        says_so(&self.0) || says_so(&inner)
    }

    /// The gateway's own words for what is wrong, from any of the shapes that it uses; none when nothing is.
    fn error_message(&self, key: &ApiKey) -> Option<String> {
        let words = |fields: &Fields<'_>, name: &str| map_text(fields, name, |text| truncate_message(&key.redact(text)));
        match self.0.get_object("error") {
            Some(error) => words(&Fields::select(error, &MESSAGE_FIELDS), "message")
                .or_else(|| Some(truncate_message(&json::compact(error.get(), |text| Some(key.redact(text).into_owned()))))),
            None => MESSAGE_FIELDS.iter().find_map(|name| words(&self.0, name)),
        }
    }
}

/// Whether an error's words are those of a missing task. Long ones are about something else.
fn is_not_found(words: &str) -> bool {
    let words = json::truncate(words, MAX_ERROR_SCAN).to_lowercase().replace(['_', '-'], " ");
    let gone = ["not found", "not exist", "doesn't exist", "no such"].iter().any(|gone| words.contains(gone));
    (words.contains("task") && gone) || words.contains("任务不存在")
}

/// As much of the gateway's words as a message repeats.
fn truncate_message(words: &str) -> String {
    words.chars().take(MAX_MESSAGE_CHARS).collect()
}

fn has_text(fields: &Fields<'_>, name: &str) -> bool {
    map_text(fields, name, |_| ()).is_some()
}

/// What `read` makes of a field that says something.
fn map_text<T>(fields: &Fields<'_>, name: &str, read: impl FnOnce(&str) -> T) -> Option<T> {
    json::map_string(fields.get(name)?, |text| (!text.trim().is_empty()).then(|| read(text))).flatten()
}

fn status_message(status: StatusCode, words: Option<String>) -> String {
    let status = status_line(status);
    words.map_or_else(|| status.clone(), |words| format!("{status}: {words}"))
}

/// How a body begins, blanks aside.
#[derive(Clone, Copy)]
enum BodyStart {
    Nowhere,
    Markup,
    Other,
}

impl BodyStart {
    fn sniff(body: &[u8]) -> Self {
        match body.trim_ascii_start() {
            [] => Self::Nowhere,
            [b'<', ..] => Self::Markup,
            _ => Self::Other,
        }
    }
}

fn unreadable_message(start: BodyStart, error: &Unreadable) -> String {
    match start {
        BodyStart::Nowhere => "the API's answer is empty".to_owned(),
        BodyStart::Markup => "the API's answer is a web page, not JSON: is the base URL right?".to_owned(),
        BodyStart::Other => format!("the API's answer {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(status: u16, body: &str) -> String {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        match classify(StatusCode::from_u16(status).unwrap(), body.into(), &key) {
            ResponseClass::Task(task) => format!("task {:?} {}", task.phase, task.response.raw()),
            ResponseClass::NotFound => "not found".to_owned(),
            ResponseClass::KeyRejected(words) => format!("refused {words}"),
            ResponseClass::Transient(words) => format!("passing {words}"),
            ResponseClass::Error(words) => format!("error {words}"),
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
        for (status, body, told) in [
            (401, invalid, "refused HTTP 401 Unauthorized: Invalid token (request id: 7)"),
            (401, "", "refused HTTP 401 Unauthorized"),
            (401, r#"{"success":false,"message":"expired"}"#, "refused HTTP 401 Unauthorized: expired"),
            (403, r#"{"error":{"message":"banned"}}"#, "refused HTTP 403 Forbidden: banned"),
            (403, "<html>challenge</html>", "passing HTTP 403 Forbidden"),
            (403, "", "passing HTTP 403 Forbidden"),
            (503, "<html>", "passing HTTP 503 Service Unavailable"),
            (503, r#"{"error":{"message":"no channel"}}"#, "passing HTTP 503 Service Unavailable: no channel"),
            (429, "", "passing HTTP 429 Too Many Requests"),
            (500, "", "passing HTTP 500 Internal Server Error"),
            (524, "<html>", "passing HTTP 524"),
            (400, r#"{"description":"bad","type":"x","code":4}"#, "error HTTP 400 Bad Request: bad"),
            (400, r#"{"code":null,"message":"m","param":"p","type":"t"}"#, "error HTTP 400 Bad Request: m"),
            (200, r#"{"success":false,"message":"no"}"#, "error HTTP 200 OK: no"),
            (200, r#"{"error":"overloaded"}"#, "error HTTP 200 OK: overloaded"),
            (200, r#"{"code":500,"msg":"no quota"}"#, "error HTTP 200 OK: no quota"),
            (302, "", "error HTTP 302 Found"),
            (418, "", "error HTTP 418 I'm a teapot"),
        ] {
            assert_eq!(classified(status, body), told, "{status} {body}");
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
        for (body, told) in [
            ("", "error the API's answer is empty"),
            ("<!doctype html>", "error the API's answer is a web page"),
            (r#"{"status":"SUC"#, "error the API's answer is broken JSON: EOF"),
            ("[]", "error the API's answer can't be read: the answer is a list"),
            ("\"x\"", "error the API's answer can't be read: the answer is a string"),
            (r#"{"status":"SUCCESS","task_result":7}"#, "error the API's answer can't be read: task_result is a number"),
        ] {
            assert!(classified(200, body).starts_with(told), "{body}: {}", classified(200, body));
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
        let ResponseClass::Task(task) = classify(StatusCode::OK, answer.as_bytes().to_vec(), &key) else {
            panic!("it is a task")
        };
        assert_eq!(&*task.assets[0].url, url);
        assert_eq!(task.assets[0].recorded_url().as_deref(), Some("http://h/x?key=[key]"));
        assert_eq!(task.response.raw().get(), answer.replace("sk-1234567890abcdef", "[key]"));
    }
}
