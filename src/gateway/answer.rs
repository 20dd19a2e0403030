//! Status and body of an API answer: what do they say?
//!
//! A pure decision. The gateway says the same thing in many ways (a missing task as 404, as 400 or
//! as 200; `error` as text or as an object), so the body is looked at before the status. Whatever it
//! echoes of the key is scrubbed before anyone else sees it; only the URLs of assets, which are sent, stay as they came.

use reqwest::StatusCode;
use serde_json::{Map, Value};

use super::lenient;
use crate::http::{is_passing_status, status_line};
use crate::manifest::{MOST_LEVELS, depth};
use crate::secret::ApiKey;
use crate::task::Task;

/// Characters of the gateway's own words that a message repeats.
const MOST_WORDS: usize = 300;

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
pub fn judge(status: StatusCode, body: &[u8], key: &ApiKey) -> Verdict {
    if status == StatusCode::NOT_FOUND {
        return Verdict::NotFound;
    }
    let parsed = lenient::read(body);
    let object = parsed.as_ref().ok().and_then(Value::as_object);
    let is_error = !status.is_success() || object.is_some_and(is_error_body);
    let is_of_no_task = |object: &Map<String, Value>| !is_about_a_task(object) && !object.contains_key("task_id");
    if object.is_some_and(|object| (is_error || is_of_no_task(object)) && says_not_found(object)) {
        return Verdict::NotFound;
    }
    let words = object.and_then(words_of).map(|words| key.scrub(&words).into_owned());
    match (status.as_u16(), parsed) {
        (401, _) => Verdict::Refused(told(status, words)),
        (403, Ok(Value::Object(_))) => Verdict::Refused(told(status, words)),
        (code, _) if code == 403 || is_passing_status(status) => Verdict::Passing(told(status, words)),
        (200..=299, Ok(_)) if is_error => Verdict::Error(told(status, words)),
        (200..=299, Ok(answer)) => read(answer, key),
        (200..=299, Err(error)) => Verdict::Error(broken(body, &error)),
        _ => Verdict::Error(told(status, words)),
    }
}

fn read(answer: Value, key: &ApiKey) -> Verdict {
    if depth(&answer) > MOST_LEVELS {
        return Verdict::Error(format!("the API's answer is nested deeper than {MOST_LEVELS} levels"));
    }
    match Task::read(answer) {
        Ok(mut task) => {
            task.hide(key);
            Verdict::Task(Box::new(task))
        }
        Err(misread) => Verdict::Error(format!("the API's answer can't be read: {misread}")),
    }
}

/// An error body says that something is wrong, and is about no task. (A failed task may have an `error` too.)
fn is_error_body(object: &Map<String, Value>) -> bool {
    let is_wrong = text(object, "error").is_some()
        || object.get("error").is_some_and(Value::is_object)
        || object.get("success") == Some(&Value::Bool(false))
        || text(object, "code").is_some_and(|code| code != "success")
        // As HTTP would, from gateways that answer 200 to everything.
        || object.get("code").and_then(Value::as_u64).is_some_and(|code| matches!(code, 400..600 | 40_000..60_000));
    is_wrong && !is_about_a_task(object)
}

/// Whether it has a task's status, or a result.
fn is_about_a_task(object: &Map<String, Value>) -> bool {
    text(object, "status").is_some() || object.get("task_result").is_some_and(Value::is_object)
}

fn says_not_found(object: &Map<String, Value>) -> bool {
    let inner = object.get("error").and_then(Value::as_object);
    [Some(object), inner].into_iter().flatten().flat_map(|object| WORDS.iter().filter_map(|name| text(object, name))).any(
        |words| {
            let words = words.to_lowercase().replace(['_', '-'], " ");
            let gone = ["not found", "not exist", "doesn't exist", "no such"].iter().any(|gone| words.contains(gone));
            (words.contains("task") && gone) || words.contains("任务不存在")
        },
    )
}

/// The gateway's own words for what is wrong, from any of the shapes that it uses; none when nothing is.
fn words_of(object: &Map<String, Value>) -> Option<String> {
    let inner = object.get("error").and_then(Value::as_object);
    inner
        .map(|error| text(error, "message").map_or_else(|| Value::Object(error.clone()).to_string(), str::to_owned))
        .or_else(|| WORDS.iter().find_map(|name| text(object, name)).map(str::to_owned))
}

/// A field that says something.
fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

fn told(status: StatusCode, words: Option<String>) -> String {
    let status = status_line(status);
    match words {
        Some(words) => format!("{status}: {}", words.chars().take(MOST_WORDS).collect::<String>()),
        None => status,
    }
}

fn broken(body: &[u8], error: &serde_json::Error) -> String {
    let start = body.trim_ascii_start();
    if start.is_empty() {
        "the API's answer is empty".to_owned()
    } else if start.starts_with(b"<") {
        "the API's answer is a web page, not JSON: is the base URL right?".to_owned()
    } else {
        format!("the API's answer is broken JSON: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> String {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        match judge(StatusCode::from_u16(status).unwrap(), body.as_bytes(), &key) {
            Verdict::Task(task) => format!("task {:?} {}", task.stage, task.response),
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
        assert!(verdict(200, &deep(100_000)).contains("broken JSON: recursion limit"));
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
        let Verdict::Task(task) = judge(StatusCode::OK, answer.as_bytes(), &key) else { panic!("it is a task") };
        assert_eq!(&*task.assets[0].url, url);
        assert_eq!(task.assets[0].recorded_url().as_deref(), Some("http://h/x?key=[key]"));
        assert_eq!(task.response.to_string(), answer.replace("sk-1234567890abcdef", "[key]"));
    }
}
