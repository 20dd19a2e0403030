//! What a response says of its task as a whole: finished, failed, pending, not found, or unreadable.
//!
//! "The status is compared without case and blanks" · "Not found is HTTP 404, or an error body that says so" · "up to
//! 64 MiB is read" · "An answer that is too large, broken, too deep (100 levels) or of the wrong shape is an `error`
//! of that task".

use serde_json::json;

use crate::support::{Answer, Reply, World, success};

#[test]
fn status_ignores_case_and_surrounding_whitespace() {
    let world = World::new();
    let mut cases = Vec::new();
    for (state, words) in [
        ("complete", &["SUCCESS", " succeeded\t", "Succeed", "Completed"][..]),
        ("failed", &["FAILURE", "failed", " Error ", "CANCEL", "CANCELED", "cancelled", "EXPIRED", "timeout"]),
        ("pending", &["IN_PROGRESS", "", "SUCCESSFUL", "MODAL", "UNKNOWN", "FAILURE.", "100%"]),
    ] {
        cases.extend(words.iter().map(|word| (json!(word), state)));
    }
    cases.extend([json!(null), json!(7), json!(["SUCCESS"])].map(|status| (status, "pending")));
    let ids: Vec<String> = (0..cases.len()).map(|n| format!("t{n}")).collect();
    for (id, (status, _)) in ids.iter().zip(&cases) {
        world.answer(id, &json!({"status": status, "progress": "100%", "task_result": {"text": "la"}}));
    }
    world.answer("none", &json!({"task_result": {"text": "la"}}));
    let args: Vec<&str> = ids.iter().map(String::as_str).chain(["none"]).collect();
    let run = world.run_json(&args).exits(1);
    for (id, (status, state)) in ids.iter().zip(&cases) {
        assert_eq!(run.state(id), *state, "{status}");
    }
    assert_eq!(run.state("none"), "pending");
}

#[test]
fn every_form_of_task_not_found_is_recognized() {
    let world = World::new();
    let not_there = json!({"code": "task_not_exist", "message": "task_not_exist", "data": null});
    let cases = [
        Answer::html(404),
        Answer::raw(404, ""),
        Answer::json(404, &success(&json!({"text": "la"}))),
        Answer::json(200, &json!({"error": "Task not found"})),
        Answer::json(400, &json!({"error": "Task not found"})),
        Answer::json(401, &json!({"error": "Task not found"})),
        Answer::json(500, &json!({"error": {"message": "task not found", "code": 5}})),
        Answer::json(200, &not_there),
        Answer::json(403, &not_there),
        Answer::json(429, &json!({"error": "Task not found"})),
        Answer::json(503, &not_there),
        Answer::json(400, &json!({"code": "task_not_exist"})),
        Answer::json(200, &json!({"error": {"code": "task_not_exist", "message": "?", "type": "new_api_error"}})),
        Answer::json(200, &json!({"message": "Task not found"})),
        Answer::json(200, &json!({"error": "TASK NOT FOUND", "status": null, "task_result": null})),
    ];
    let ids: Vec<String> = (0..cases.len()).map(|n| format!("t{n}")).collect();
    ids.iter().zip(cases).for_each(|(id, answer)| world.answers(id, [answer]));
    let run = world.run_json(&ids.iter().map(String::as_str).collect::<Vec<_>>()).exits(1);
    assert_eq!(run.summary()["not_found"], ids.len());
    assert_eq!(world.gateway_requests().len(), ids.len(), "not found is an answer: no request is retried");
}

#[test]
fn task_without_assets_is_empty_not_missing() {
    let world = World::new();
    world.answer("failed", &json!({"status": "FAILURE", "error": "Task not found upstream"}));
    world.answer("empty", &success(&json!({"videos": null, "images": [], "text": ""})));
    world.answer("bare", &json!({"status": "SUCCESS"}));
    let run = world.run_json(&["failed", "empty", "bare"]).exits(1);
    assert_eq!([run.state("failed"), run.state("empty"), run.state("bare")], ["failed", "empty", "empty"]);
}

#[test]
fn lone_surrogate_in_a_response_is_replaced() {
    let world = World::new();
    let answer = success(&json!({"images": [world.serve_sample("picture.png")], "text": "la"})).to_string();
    let cut = format!("\u{feff}{}", answer.replacen('{', r#"{"message":"a cat \ud83d","#, 1));
    world.answers("t1", [Answer::raw(200, cut)]);
    world.run(&["t1"]).exits(0);
    assert_eq!(
        (&world.task_entry("t1")["state"], &world.task_entry("t1")["message"]),
        (&json!("complete"), &json!("a cat \u{fffd}"))
    );
}

#[test]
fn unreadable_response_fails_only_its_task() {
    let world = World::new();
    let deep = |levels: usize| format!(r#"{{"status":"SUCCESS","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let broken = [
        Answer::raw(200, ""),
        Answer::html(200),
        Answer::raw(200, r#"{"status":"SUCCESS","task_res"#),
        Answer::raw(200, r#"{"status":"SUCCESS"} trailing"#),
        Answer::raw(200, b"{\"status\":\"SUCCESS\xff\"}".to_vec()),
        Answer::raw(200, "[]"),
        Answer::raw(200, "null"),
        Answer::raw(200, r#""SUCCESS""#),
        Answer::raw(200, r#"{"status":"SUCCESS","task_result":[]}"#),
        Answer::raw(200, r#"{"status":"SUCCESS","task_result":"http://h/x"}"#),
        Answer::raw(200, r#"{"status":"SUCCESS","task_result":true}"#),
        Answer::raw(200, deep(200)),
        Answer::raw(200, deep(200_000)),
        Answer::json(400, &json!({"error": {"message": "bad"}})),
        Answer::json(200, &json!({"success": false, "message": "overloaded"})),
    ];
    let ids: Vec<String> = (0..broken.len()).map(|n| format!("t{n}")).collect();
    ids.iter().zip(broken).for_each(|(id, answer)| world.answers(id, [answer]));
    world.serve_task("good", &json!({"text": "la"}));
    let args: Vec<&str> = ids.iter().map(String::as_str).chain(["good"]).collect();
    let run = world.run_json(&args).exits(1);
    for id in &ids {
        let task = run.task(id);
        assert_eq!(task["state"], "error", "{task}");
        assert!(task["error"].as_str().is_some_and(|error| !error.is_empty()), "{task}");
    }
    assert_eq!(run.state("good"), "complete");
    assert_eq!(world.tree().keys().filter(|name| name.ends_with("/manifest.json")).count(), 1, "no folder for the others");
}

#[test]
fn numbers_that_json_lacks_are_unknown_and_recorded_as_null() {
    let world = World::new();
    let url = world.serve_sample("picture.png");
    let body = format!(
        r#"{{"status":"SUCCESS","finish_time":NaN,"score":-Infinity,"note":"NaN, \"Infinity\"",
            "task_result":{{"images":[{{"url":"{url}","duration":Infinity}}]}}}}"#
    );
    world.answers("t1", [Answer::raw(200, body)]);
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    assert!(entry.get("finish_time").is_none() && entry["files"][0].get("duration_seconds").is_none(), "{entry}");
    let response = &entry["response"];
    assert_eq!((&response["finish_time"], &response["score"]), (&json!(null), &json!(null)));
    assert_eq!(response["note"], "NaN, \"Infinity\"");
}

#[test]
fn response_of_64_mib_is_read_and_a_larger_one_rejected() {
    let world = World::new();
    let body = |size: usize| {
        let shell = r#"{"status":"SUCCESS","preview":"data:,","task_result":{"text":"la"}}"#;
        shell.replace("data:,", &format!("data:,{}", "A".repeat(size - shell.len())))
    };
    world.answers("large", [Answer::raw(200, body(64 << 20))]);
    world.answers("larger", [Answer::raw(200, body((64 << 20) + 1))]);
    let run = world.run_json(&["large", "larger"]).exits(1);
    assert_eq!([run.state("large"), run.state("larger")], ["complete", "error"]);
    assert!(run.task("larger")["error"].as_str().unwrap().contains("64 MiB"));
    assert_eq!(world.task_entry("large")["response"]["preview"], "data:,", "payloads are cut out everywhere");
}

#[test]
fn response_without_a_length_is_bounded_too() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    let answer = success(&json!({"text": "la"})).to_string();
    world.media.script("/task/small", [Reply::ok(answer.as_str()).chunked(&[1, 7])]);
    world.media.script("/task/large", [Reply::ok(answer + &" ".repeat(64 << 20)).chunked(&[1, 7])]);
    let run = world.run_json(&["small", "large", "--base-url", &world.media.origin()]).exits(1);
    assert_eq!([run.state("small"), run.state("large")], ["complete", "error"]);
    assert!(run.task("large")["error"].as_str().unwrap().contains("64 MiB"));
}
