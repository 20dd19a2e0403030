//! A gateway that can't be reached, or answers no question: one message, exit 2, and nothing more is asked.
//!
//! "the run stops asking: one message with the host and the cause, how many tasks were not asked, exit 2"

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::json;

use crate::support::commands::run_command;
use crate::support::run::Running;
use crate::support::{Answer, Gate, Reply, Run, World, dead_url, sample, success};

/// The one line of standard error, with the number of tasks that were not asked about.
#[track_caller]
fn only_line(run: &Run) -> &str {
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    run.stderr.trim_end()
}

/// The tasks that were asked about without an answer, or not asked about.
fn unanswered(run: &Run) -> u64 {
    let count = |name: &str| run.summary()[name].as_u64().unwrap_or_default();
    count("error") + count("not_asked")
}

/// Reads standard output up to a line with `text`.
fn read_until(running: &mut Running, text: &str) {
    while !running.read_line().contains(text) {}
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n}")).collect()
}

#[test]
fn dead_port_ends_the_run_with_one_message() {
    let world = World::new();
    world.archive_task("here");
    let asked = world.gateway_requests().len();
    let list = world.write_file("ids.txt", [ids(2000), vec!["here".to_owned()]].concat().join("\n"));
    let base_url = dead_url();
    let run = world.run_json(&["-i", list.to_str().unwrap(), "--base-url", &base_url]).exits(2);
    let line = only_line(&run);
    assert!(line.starts_with(&format!("error: can't reach the gateway {base_url}: no connection")), "{line}");
    assert!(line.contains("; 1,999 tasks were not asked about"), "{line}");
    assert_eq!((unanswered(&run), run.state("here").as_str()), (2000, "complete"), "{}", run.summary());
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(world.gateway_requests().len(), asked);
}

#[test]
fn one_id_is_enough_to_find_that_nothing_is_answered() {
    let server_error = json!({"error": {"message": "no channel"}});
    for (answer, cause) in [
        (Answer::html(503), "HTTP 503 Service Unavailable"),
        (Answer::html(403), "HTTP 403 Forbidden"),
        (Answer::raw(500, ""), "HTTP 500 Internal Server Error"),
        (Answer::json(502, &server_error), "HTTP 502 Bad Gateway: no channel"),
    ] {
        let world = World::new();
        world.answers("t1", [answer]);
        let run = world.run_json(&["t1", "--retries", "2"]).exits(2);
        assert_eq!((run.state("t1").as_str(), world.gateway_requests().len()), ("error", 3));
        assert!(only_line(&run).contains(&format!("{}: {cause};", world.base_url())), "{run:?}");
    }
}

#[test]
fn question_without_an_answer_ends_the_other_questions_at_once() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    // Questions that are never answered, and one that is refused.
    let never = Gate::default();
    for id in ["t1", "t2", "t3"] {
        world.media.script(&format!("/task/{id}"), [Reply::ok("{}").after_gate(&never)]);
    }
    world.media.script("/task/t4", [Reply::status("502 Bad Gateway")]);
    let run = world.run_json(&["t1", "t2", "t3", "t4", "--retries", "1", "--base-url", &world.media.origin()]).exits(2);
    assert!(only_line(&run).contains("; 3 tasks were not asked about"), "{run:?}");
}

#[test]
fn answers_about_other_tasks_show_that_the_gateway_works() {
    let world = World::new();
    let good = ids(20);
    for id in &good {
        world.serve_task(id, &json!({"text": "la"}));
    }
    world.answers("bad", [Answer::raw(500, "")]);
    let mut running = world.start(&["--json", "--retries", "1", "-i", "-"]);
    running.write(&(good.join("\n") + "\n"));
    read_until(&mut running, "complete");
    running.write("bad\n");
    let run = world.audit(running.wait(false)).exits(1);
    assert_eq!((&run.summary()["complete"], &run.summary()["error"]), (&json!(20), &json!(1)));
    assert!(only_line(&run).starts_with("error: bad: the gateway answers HTTP 500"), "{run:?}");
}

#[test]
fn gateway_that_fails_in_mid_run_ends_the_run() {
    let world = World::new();
    world.serve_task("good", &json!({"text": "la"}));
    let bad = ids(300);
    for id in &bad {
        world.answers(id, [Answer::html(502)]);
    }
    let mut running = world.start(&["--json", "--retries", "1", "-i", "-"]);
    running.write("good\n");
    read_until(&mut running, "complete");
    running.write(&(bad.join("\n") + "\n"));
    let run = world.audit(running.wait(false)).exits(2);
    assert!(only_line(&run).contains(": HTTP 502 Bad Gateway; ") && unanswered(&run) == 300, "{run:?}");
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 1);
}

#[test]
fn gateway_that_dies_in_mid_run_ends_the_run() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    // It answers once.
    let gateway = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        drop(listener);
        BufReader::new(&client).lines().find(|line| line.as_ref().is_ok_and(String::is_empty));
        let body = success(&json!({"text": "la"})).to_string();
        write!(client, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    });
    let mut running = world.start(&["--json", "--retries", "1", "-i", "-", "--base-url", &base_url]);
    running.write("good\n");
    read_until(&mut running, "complete");
    gateway.join().unwrap();
    running.write("t1\n");
    // Standard input stays open, and is not waited for.
    let run = world.audit(running.wait(true)).exits(2);
    assert!(only_line(&run).contains(&format!("can't reach the gateway {base_url}: ")), "{run:?}");
}

#[test]
fn running_downloads_finish_after_the_gateway_failed() {
    let world = World::new();
    let (requested, failed) = (Gate::default(), Gate::default());
    let url = world.media.script("/x", [Reply::ok(sample("picture.png")).notify_on_request(&requested).after_gate(&failed)]);
    world.serve_task("good", &json!({"images": [url]}));
    let bad = ids(3);
    for id in &bad[..2] {
        world.answers(id, [Answer::html(503)]);
    }
    world.answers(&bad[2], [Answer::html(503).notify_on_request(&failed)]);
    let mut running = world.start(&["--retries", "0", "-i", "-"]);
    running.write("good\n");
    assert!(requested.wait(), "the download has started");
    running.write(&(bad.join("\n") + "\n"));
    world.audit(running.wait(false)).exits(2);
    assert_eq!(world.root_manifest()["tasks"][0]["state"], "complete");
}

#[test]
fn repair_stops_asking_too() {
    let world = World::new();
    for folder in ["t1", "t2"].map(|id| world.archive_task(id)) {
        std::fs::remove_file(folder.join("image-1.png")).unwrap();
    }
    let before = world.tree();
    let base_url = dead_url();
    let run = run_command(&world, &["repair", "--retries", "0", "--base-url", &base_url]).exits(2);
    assert!(only_line(&run).contains(&format!("can't reach the gateway {base_url}: ")), "{run:?}");
    assert_eq!(world.tree(), before);
}
