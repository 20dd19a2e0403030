//! `--since` when the list can't be had: "the tasks that are already known are finished, then the exit code is 2".

use std::process::Command;

use serde_json::{Value, json};

use crate::support::account::{ACCESS_KEY, Account, TaskList, json_reply, now, row};
use crate::support::run::Running;
use crate::support::{KEY, MediaServer, Reply, Run, World, dead_url};

/// The one fatal event of a run, which is its last line.
#[track_caller]
fn fatal(run: &Run) -> Value {
    let last = run.events().pop().unwrap();
    assert_eq!(last["event"], "fatal", "{run:?}");
    last
}

#[track_caller]
fn assert_fatal(run: Run, code: &str, words: &[&str]) {
    let run = run.exits(2);
    let event = fatal(&run);
    assert_eq!(event["code"], code, "{run:?}");
    for words in words {
        assert!(event["error"].as_str().unwrap().contains(words), "{words}: {event}");
        assert_eq!(run.stderr.matches(words).count(), 1, "one message: {run:?}");
    }
}

fn without_account(world: &World, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command.args(["--json", "--since", "1d"]);
    command
}

#[test]
fn without_an_access_key_nothing_is_asked_and_the_message_says_where_to_get_one() {
    let world = World::new();
    let run = world.audit(Running::start(without_account(&world, &["t1"])).wait(false));
    assert_fatal(run, "account", &["YESCALE_ACCESS_KEY", "--access-key-file", "dashboard", "https://yescale.bogia.app"]);
    for (key, words) in [(KEY, "another key"), ("a b", "whitespace")] {
        let mut command = without_account(&world, &[]);
        command.env("YESCALE_ACCESS_KEY", key);
        assert_fatal(world.audit(Running::start(command).wait(false)), "account", &[words]);
    }
    let typed = without_account(&world, &["--access-key-file", "0123456789abcdefABCDEF"]);
    let run = Running::start(typed).wait(false);
    assert!(!run.stderr.contains("0123456789abcdefABCDEF") && !run.stdout.contains("0123456789abcdefABCDEF"), "{run:?}");
    assert_fatal(run, "usage", &["expects a file name"]);
    assert!(world.gateway_requests().is_empty() && !world.archive().exists());
}

#[test]
fn access_key_may_be_in_a_file_and_the_command_line_wins() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.write_file("key.txt", format!(" \"{ACCESS_KEY}\"\n"));
    let account = Account::start(TaskList::new(vec![row("t1", 60)]));
    let mut command = account.command(&world, &["--since", "1h", "--access-key-file", "key.txt"]);
    command.env("YESCALE_ACCESS_KEY", "wrong-0123456789abcdef");
    Running::start(command).wait(false).exits(0);
    world.write_file(
        "config/yescale-dl/config.toml",
        format!("account-url = \"{}\"\naccess-key-file = '{}'\n", account.0.origin(), world.home().join("key.txt").display()),
    );
    Running::start(world.command(&["--since", "1h"])).wait(false).exits(0);
    assert_eq!(account.requests().len(), 4);
    for setting in ["since = '1d'", "until = '1d'"] {
        world.write_file("config/yescale-dl/config.toml", setting);
        assert!(world.run(&["t1"]).exits(2).stderr.contains("applies to one run"), "{setting}");
    }
}

#[test]
fn wrong_times_are_usage_errors() {
    let world = World::new();
    let account = Account::start(TaskList::new(Vec::new()));
    for args in [
        &["--since", "soon"][..],
        &["--since", "1y"],
        &["--since", "2026-02-30"],
        &["--until", "1d", "t1"],
        &["--since", "1d", "--until", "2d"],
        &["--since", "9000-01-01"],
        &["--since", "1d", "--until", ""],
    ] {
        let run = account.run(&world, &[args, &["--json"]].concat()).exits(2);
        assert_eq!(fatal(&run)["code"], "usage", "{args:?}");
    }
    assert!(account.requests().is_empty() && world.gateway_requests().is_empty());
}

#[test]
fn refused_access_key_is_one_message_with_the_accounts_words() {
    let refusal = |status: &str, body: &Value| json_reply(body).with_status(status);
    for reply in [
        refusal("401 Unauthorized", &json!({"success": false, "message": format!("bad token {ACCESS_KEY}")})),
        refusal("403 Forbidden", &json!({"error": {"message": "bad token"}})),
    ] {
        let world = World::new();
        world.serve_task("t1", &json!({"text": "la"}));
        let account = Account::with_replies([reply]);
        let run = account.run(&world, &["--since", "1d", "--json", "t1"]);
        assert_eq!((run.state("t1"), account.requests().len()), ("complete".to_owned(), 1), "known tasks are finished");
        assert_fatal(run, "account", &["refuses the access key", "bad token"]);
    }
}

#[test]
fn answers_that_are_no_list_are_errors() {
    for (reply, words) in [
        (json_reply(&json!({"success": false, "message": "no permission", "data": null})), "no permission"),
        (json_reply(&json!({"success": false, "data": [], "message": "no permission"})), "no permission"),
        (json_reply(&json!({"success": false, "message": "bad range"})).with_status("400 Bad Request"), "bad range"),
        (json_reply(&json!({"data": {"rows": []}})), "no list of tasks"),
        (json_reply(&json!({"code": 401, "msg": "who are you"})), "who are you"),
        (json_reply(&json!("hello")), "no list of tasks"),
        (Reply::ok("<!doctype html><title>x</title>").content_type("text/html"), "web page"),
        (Reply::ok(""), "empty"),
        (Reply::ok("{\"data\":[{\"task_id\":\"t1\"}"), "ends in the middle"),
        (Reply::ok("\x1f\u{8b}"), "broken JSON"),
        (Reply::status("404 Not Found"), "HTTP 404 Not Found"),
    ] {
        let world = World::new();
        world.serve_task("t1", &json!({"text": "la"}));
        let account = Account::with_replies([reply]);
        let run = account.run(&world, &["--since", "1h", "--json"]);
        let is_cut = world.archive().join("t1").exists();
        assert_eq!(account.requests().len(), if is_cut { 6 } else { 1 }, "{words}: only a cut list is requested again");
        assert_fatal(run, "account", &[words]);
        // The one row before the cut is known.
        assert_eq!(is_cut, words == "ends in the middle");
    }
}

#[test]
fn transient_faults_are_retried_and_end_the_list_when_they_last() {
    let page = json_reply(&json!({"success": true, "data": [row("t1", 60), row("t2", 60)]}));
    let empty = json_reply(&json!([]));
    for fault in [
        Reply::status("500 Internal Server Error"),
        Reply::status("429 Too Many Requests"),
        Reply::status("503 Service Unavailable").header("Retry-After", "0"),
        Reply::ok("<html>challenge").with_status("403 Forbidden"),
        page.clone().cut_after(80),
        page.clone().cut_after(0),
    ] {
        let world = World::new();
        for id in ["t1", "t2"] {
            world.serve_task(id, &json!({"text": "la"}));
        }
        let account = Account::with_replies([fault.clone(), page.clone(), fault.clone(), empty.clone()]);
        account.run(&world, &["--since", "1h", "-v"]).exits(0);
        assert_eq!((account.requests().len(), world.gateway_requests().len()), (4, 2));
    }
    for fault in [Reply::status("500 Internal Server Error"), page.clone().cut_after(0)] {
        let world = World::new();
        for id in ["t1", "t2"] {
            world.serve_task(id, &json!({"text": "la"}));
        }
        let account = Account::with_replies([page.clone(), fault]);
        let run = account.run(&world, &["--since", "1h", "--json", "--retries", "2"]);
        assert_eq!((run.summary()["complete"].clone(), account.requests().len()), (json!(2), 4));
        assert_fatal(run, "account", &["can't read the task list of the account"]);
    }
}

#[test]
fn account_that_can_not_be_reached_does_not_stop_known_tasks() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let mut command = without_account(&world, &["t1", "--retries", "1", "--account-url", &dead_url()]);
    command.env("YESCALE_ACCESS_KEY", ACCESS_KEY);
    let run = world.audit(Running::start(command).wait(false));
    assert_eq!(run.state("t1"), "complete");
    assert_fatal(run, "account", &["can't read the task list of the account at http://127.0.0.1", "refused"]);
}

#[test]
fn redirect_to_another_origin_does_not_get_the_key() {
    let (world, other) = (World::new(), MediaServer::start());
    let account = Account::with_replies([Reply::redirect(&format!("{}/yescale/task", other.origin()))]);
    assert_fatal(account.run(&world, &["--since", "1h", "--json"]), "account", &["must not get the access key"]);
    assert!(other.heads().is_empty());
}

#[test]
fn full_second_is_an_error_after_all_other_tasks() {
    let world = World::new();
    let burst = now() - 3600;
    let mut rows: Vec<Value> = (0..12).map(|n| json!({"task_id": format!("t{n}"), "submit_time": burst})).collect();
    rows.push(row("late", 60));
    for id in (0..12).map(|n| format!("t{n}")).chain(["late".to_owned()]) {
        world.serve_task(&id, &json!({"text": "la"}));
    }
    let account = Account::start(TaskList { limit: 10, has_pages: false, ..TaskList::new(rows) });
    let run = account.run(&world, &["--since", "1d", "--json"]);
    assert_eq!((&run.summary()["complete"], run.state("late")), (&json!(11), "complete".to_owned()));
    assert_fatal(run, "account", &["does not list all tasks of one second"]);
}

#[test]
fn refused_api_key_ends_the_list_too() {
    let world = World::new();
    let refusal = crate::support::Answer::json(401, &json!({"error": {"message": "no"}}));
    world.answers("t1", [refusal]);
    // Pages without end.
    let account = Account::with_replies([Reply::dynamic(|head| {
        let page = crate::support::account::query(head, "p");
        json_reply(&json!([row(if page == 1 { "t1" } else { "other" }, 60), row(&format!("x{page}"), 60)]))
    })]);
    assert_fatal(account.run(&world, &["--since", "1h", "--json"]), "key_refused", &["refuses the API key"]);
}
