//! Status and body of an API answer: what do they say?
//!
//! A pure decision. The gateway says the same thing in many ways (a missing task as 404, as 400 or
//! as 200; `error` as text or as an object), so the body is looked at before the status. Whatever it
//! echoes of the key is scrubbed before anyone else sees it; only the URLs of assets, which are sent, stay as they came.

use reqwest::StatusCode;
use serde_json::value::RawValue;

use super::lenient::{self, Unreadable};
use crate::http::{is_passing_status, status_line};
use crate::json::{self, Fields, Shape};
use crate::secret::ApiKey;
use crate::task::Task;

/// Characters of the gateway's own words that a message repeats.
const MOST_WORDS: usize = 300;
/// How far into an error's words it is looked for what is wrong, in bytes.
const LONGEST_ERROR: usize = 64 << 10;

/// Where errors have their words, the plainest first.
const WORDS: [&str; 5] = ["error", "message", "description", "msg", "code"];

/// What an answer says.
#[derive(Debug)]
pub enum Verdict {
    /// About the task.
    Task(Box<Task>),
    /// There is no such task.
    NotFound,
    /// The key was refused, with the gateway's words.
    Refused(String),
    /// A passing fault: worth asking again.
    Passing(String),
    /// Anything else, for this task alone.
    Error(String),
}

/// Judges an answer.
#[must_use]
pub fn judge(status: StatusCode, body: Vec<u8>, key: &ApiKey) -> Verdict {
    if status == StatusCode::NOT_FOUND {
        return Verdict::NotFound;
    }
    let start = Start::of(&body);
    let parsed = lenient::read(body);
    let object = parsed.as_ref().ok().filter(|answer| Shape::of(answer) == Shape::Object).map(|answer| Answered::of(answer));
    let is_error = !status.is_success() || object.as_ref().is_some_and(Answered::is_error_body);
    let is_of_no_task = |object: &Answered<'_>| !object.is_about_a_task() && object.0.get("task_id").is_none();
    if object.as_ref().is_some_and(|object| (is_error || is_of_no_task(object)) && object.says_not_found()) {
        return Verdict::NotFound;
    }
    let words = object.as_ref().and_then(|object| object.words(key));
    match (status.as_u16(), parsed) {
        (401, _) => Verdict::Refused(told(status, words)),
        (403, Ok(answer)) if Shape::of(&answer) == Shape::Object => Verdict::Refused(told(status, words)),
        (code, _) if code == 403 || is_passing_status(status) => Verdict::Passing(told(status, words)),
        (200..=299, Ok(_)) if is_error => Verdict::Error(told(status, words)),
        (200..=299, Ok(answer)) => read(answer, key),
        (200..=299, Err(error)) => Verdict::Error(broken(start, &error)),
        _ => Verdict::Error(told(status, words)),
    }
}

fn read(answer: Box<RawValue>, key: &ApiKey) -> Verdict {
    match Task::read(answer, key) {
        Ok(task) => Verdict::Task(Box::new(task)),
        Err(misread) => Verdict::Error(format!("the API's answer can't be read: {misread}")),
    }
}

/// The fields of an answer that tell what it is.
struct Answered<'a>(Fields<'a>);

impl<'a> Answered<'a> {
    fn of(answer: &'a RawValue) -> Self {
        let [error, message, description, msg, code] = WORDS;
        Self(Fields::of(answer, &[error, message, description, msg, code, "success", "status", "task_id", "task_result"]))
    }

    /// An error body says that something is wrong, and is about no task. (A failed task may have an `error` too.)
    fn is_error_body(&self) -> bool {
        let Self(fields) = self;
        let code = |code: &RawValue| code.get().parse::<u64>().is_ok_and(|code| matches!(code, 400..600 | 40_000..60_000));
        let is_wrong = says_something(fields, "error")
            || fields.object("error").is_some()
            || fields.get("success").is_some_and(|success| success.get() == "false")
            || of_text(fields, "code", |code| code != "success").unwrap_or(false)
            // As HTTP would, from gateways that answer 200 to everything.
            || fields.get("code").is_some_and(code);
        is_wrong && !self.is_about_a_task()
    }

    /// Whether it has a task's status, or a result.
    fn is_about_a_task(&self) -> bool {
        says_something(&self.0, "status") || self.0.object("task_result").is_some()
    }

    fn says_not_found(&self) -> bool {
        let inner = self.0.object("error").map(|error| Fields::of(error, &WORDS)).unwrap_or_default();
        let says_so = |fields: &Fields<'_>| WORDS.iter().any(|name| of_text(fields, name, is_not_found).unwrap_or(false));
        says_so(&self.0) || says_so(&inner)
    }

    /// The gateway's own words for what is wrong, from any of the shapes that it uses; none when nothing is.
    fn words(&self, key: &ApiKey) -> Option<String> {
        let words = |fields: &Fields<'_>, name: &str| of_text(fields, name, |text| beginning(&key.scrub(text)));
        match self.0.object("error") {
            Some(error) => words(&Fields::of(error, &WORDS), "message")
                .or_else(|| Some(beginning(&json::compact(error.get(), |text| Some(key.scrub(text).into_owned()))))),
            None => WORDS.iter().find_map(|name| words(&self.0, name)),
        }
    }
}

/// Whether an error's words are those of a missing task. Long ones are about something else.
fn is_not_found(words: &str) -> bool {
    let words = json::beginning(words, LONGEST_ERROR).to_lowercase().replace(['_', '-'], " ");
    let gone = ["not found", "not exist", "doesn't exist", "no such"].iter().any(|gone| words.contains(gone));
    (words.contains("task") && gone) || words.contains("任务不存在")
}

/// As much of the gateway's words as a message repeats.
fn beginning(words: &str) -> String {
    words.chars().take(MOST_WORDS).collect()
}

fn says_something(fields: &Fields<'_>, name: &str) -> bool {
    of_text(fields, name, |_| ()).is_some()
}

/// What `read` makes of a field that says something.
fn of_text<T>(fields: &Fields<'_>, name: &str, read: impl FnOnce(&str) -> T) -> Option<T> {
    json::text(fields.get(name)?, |text| (!text.trim().is_empty()).then(|| read(text))).flatten()
}

fn told(status: StatusCode, words: Option<String>) -> String {
    let status = status_line(status);
    words.map_or_else(|| status.clone(), |words| format!("{status}: {words}"))
}

/// How a body begins, blanks aside.
#[derive(Clone, Copy)]
enum Start {
    Nowhere,
    Markup,
    Other,
}

impl Start {
    fn of(body: &[u8]) -> Self {
        match body.trim_ascii_start() {
            [] => Self::Nowhere,
            [b'<', ..] => Self::Markup,
            _ => Self::Other,
        }
    }
}

fn broken(start: Start, error: &Unreadable) -> String {
    match start {
        Start::Nowhere => "the API's answer is empty".to_owned(),
        Start::Markup => "the API's answer is a web page, not JSON: is the base URL right?".to_owned(),
        Start::Other => format!("the API's answer {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> String {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        match judge(StatusCode::from_u16(status).unwrap(), body.into(), &key) {
            Verdict::Task(task) => format!("task {:?} {}", task.stage, task.response.text()),
            Verdict::NotFound => "not found".to_owned(),
            Verdict::Refused(words) => format!("refused {words}"),
            Verdict::Passing(words) => format!("passing {words}"),
            Verdict::Error(words) => format!("error {words}"),
        }
    }

    #[test]
    fn a_missing_task_is_told_in_many_ways() {
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
            assert_eq!(verdict(status, body), "not found", "{status} {body}");
        }
    }

    #[test]
    fn every_error_body_is_told_apart() {
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
            assert_eq!(verdict(status, body), told, "{status} {body}");
        }
    }

    #[test]
    fn a_failed_task_with_an_error_field_is_a_task() {
        assert!(verdict(200, r#"{"status":"FAILURE","error":"Task not found upstream"}"#).starts_with("task Failed"));
        assert!(verdict(200, r#"{"task_id":"x","message":"ok","task_result":{}}"#).starts_with("task Pending"));
        for pending in [
            r#"{"task_id":"x"}"#,
            r#"{"message":"queued"}"#,
            r#"{"error":null,"code":"","status":""}"#,
            r#"{"code":200}"#,
            r#"{"code":20000,"message":"success","data":{}}"#,
            r#"{"task_id":"x","description":"a poster: task not found"}"#,
            "{}",
        ] {
            assert!(verdict(200, pending).starts_with("task Pending"), "{pending}");
        }
    }

    #[test]
    fn answers_that_are_none_are_clear_errors() {
        for (body, told) in [
            ("", "error the API's answer is empty"),
            ("<!doctype html>", "error the API's answer is a web page"),
            (r#"{"status":"SUC"#, "error the API's answer is broken JSON: EOF"),
            ("[]", "error the API's answer can't be read: the answer is a list"),
            ("\"x\"", "error the API's answer can't be read: the answer is a string"),
            (r#"{"status":"SUCCESS","task_result":7}"#, "error the API's answer can't be read: task_result is a number"),
        ] {
            assert!(verdict(200, body).starts_with(told), "{body}: {}", verdict(200, body));
        }
        let deep = |levels: usize| format!(r#"{{"status":"SUCCESS","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(verdict(200, &deep(99)).starts_with("task"));
        assert!(verdict(200, &deep(100)).contains("nested deeper"));
        assert!(verdict(200, &deep(100_000)).contains("nested deeper"));
    }

    #[test]
    fn the_key_is_scrubbed_wherever_it_is_echoed() {
        let echo = r#"{"error":{"message":"Invalid token sk-1234567890abcdef"}}"#;
        assert_eq!(verdict(401, echo), "refused HTTP 401 Unauthorized: Invalid token [key]");
        let echo = r#"{"status":"SUCCESS","x":["1234567890abcdef"],"\u0073k-1234567890abcdef":1}"#;
        assert_eq!(verdict(200, echo), r#"task Finished {"status":"SUCCESS","x":["[key]"],"[key]":1}"#);
    }

    #[test]
    fn the_url_that_is_asked_for_keeps_the_key_and_the_recorded_one_does_not() {
        let (key, url) = (ApiKey::parse("sk-1234567890abcdef").unwrap(), "http://h/x?key=sk-1234567890abcdef");
        let answer = format!(r#"{{"status":"SUCCESS","task_result":{{"videos":["{url}"]}}}}"#);
        let Verdict::Task(task) = judge(StatusCode::OK, answer.as_bytes().to_vec(), &key) else { panic!("it is a task") };
        assert_eq!(&*task.assets[0].url, url);
        assert_eq!(task.assets[0].recorded_url().as_deref(), Some("http://h/x?key=[key]"));
        assert_eq!(task.response.text().get(), answer.replace("sk-1234567890abcdef", "[key]"));
    }
}
