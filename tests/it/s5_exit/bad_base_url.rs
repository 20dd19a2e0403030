//! A wrong base URL, and the words of a 404.
//!
//! "a 404 whose JSON error names a URL or a route means a wrong base URL: when the first answers of a run say so, one message
//! with those words and the base URL, exit 2. Any other 404 is not found, its words kept."

use serde_json::{Value, json};

use crate::support::{Answer, World};

fn invalid_url(id: &str) -> Answer {
    let message = format!("Invalid URL (GET /api/task/{id})");
    Answer::json(404, &json!({"error": {"message": message, "type": "invalid_request_error", "param": "", "code": ""}}))
}

#[test]
fn first_answers_that_name_an_unknown_url_end_the_run() {
    for (body, words) in [
        (json!({"error": {"message": "Invalid URL (GET /api/task/t1)"}}), "Invalid URL (GET /api/task/t1)"),
        (json!({"error": "Route not found"}), "Route not found"),
        (json!({"message": "no Route matched with those values"}), "no Route matched with those values"),
        (json!({"statusCode": 404, "message": "Cannot GET /task/t1", "error": "Not Found"}), "Cannot GET /task/t1"),
        (json!({"status": 404, "error": "Not Found", "path": "/api/task/t1"}), "/api/task/t1"),
    ] {
        let world = World::new();
        world.answers("t1", [Answer::json(404, &body)]);
        let run = world.run_json(&["t1"]).exits(2);
        assert_eq!((run.state("t1").as_str(), run.stderr.lines().count()), ("error", 1), "{run:?}");
        assert!(run.stderr.contains(words) && run.stderr.contains(&world.base_url()), "{run:?}");
    }
}

#[test]
fn wrong_base_url_is_found_once_for_many_ids() {
    let world = World::new();
    let ids: Vec<String> = (0..1000).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.answers(id, [invalid_url(id)]);
    }
    let mut running = world.start(&["--json", "-i", "-"]);
    running.write(&(ids.join("\n") + "\n"));
    // Standard input stays open, and is not waited for.
    let run = world.audit(running.wait(true)).exits(2);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("Invalid URL (GET /api/task/t") && run.stderr.contains(" tasks were not asked about"), "{run:?}");
    assert!(world.gateway_requests().len() < 500, "{} questions", world.gateway_requests().len());
}

#[test]
fn any_answer_about_a_task_shows_that_the_base_url_is_right() {
    let exists = Answer::json(200, &json!({"status": "IN_PROGRESS"}));
    let missing = Answer::json(404, &json!({"error": "Task not found"}));
    for answer in [exists, missing] {
        for order in [["known", "odd"], ["odd", "known"]] {
            let world = World::new();
            world.answers("known", [answer.clone()]);
            world.answers("odd", [invalid_url("odd")]);
            let run = world.run_json(&order).exits(1);
            assert_eq!(run.state("odd"), "not_found");
            assert!(run.stderr.contains("odd: the gateway knows no such task (Invalid URL (GET /api/task/odd))"), "{run:?}");
        }
    }
}

#[test]
fn words_of_any_other_404_are_kept() {
    let json = |body: Value| Answer::json(404, &body);
    for (id, answer, words) in [
        ("t1", json(json!({"error": {"message": "nothing here for you"}})), " (nothing here for you);"),
        ("route-66", json(json!({"error": "Task route-66 not found"})), " (Task route-66 not found);"),
        ("url", json(json!({"message": "unknown: url"})), " (unknown: url);"),
        ("t1", Answer::html(404), " (a web page, not JSON: is the base URL right?);"),
        ("t1", Answer::raw(404, "404 page not found\n"), " (404 page not found);"),
        ("t1", Answer::raw(404, ""), "the gateway knows no such task;"),
        ("t1", Answer::json(400, &json!({"error": "task_not_exist"})), " (task_not_exist);"),
    ] {
        let world = World::new();
        world.answers(id, [answer]);
        let run = world.run_json(&[id]).exits(1);
        assert_eq!(run.state(id), "not_found");
        assert!(run.stderr.contains(words), "{words} {run:?}");
    }
}
