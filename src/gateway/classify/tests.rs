//! What each answer of the gateway means.

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
        (r#"{"error":{"message":"no task t1 for sk-1234567890abcdef"}}"#, "the gateway knows no such task: no task t1 for [key]"),
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
        (503, r#"{"error":{"message":"no channel"}}"#, "transient: the gateway answers HTTP 503 Service Unavailable: no channel"),
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
