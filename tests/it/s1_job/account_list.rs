//! `--since`: "archive every task that the answer lists", "no task is missed because a server pages or limits rows".

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::account::{Account, TaskList, json_reply, now, query, row};
use crate::support::{Answer, Reply, World};

/// Gives the gateway tasks with these ids, each with a text.
fn serve(world: &World, ids: impl IntoIterator<Item = String>) {
    for id in ids {
        world.serve_task(&id, &json!({"text": "la"}));
    }
}

fn ids(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("t{n}"))
}

#[test]
fn every_task_is_archived_whatever_pages_and_limits_the_server_has() {
    let items: fn(Vec<Value>, Value) -> Value = |rows, total| json!({"success": true, "data": {"items": rows, "total": total}});
    // Two days, with a burst; in pages of 10 these are more than three.
    let rows: Vec<Value> = (0..60).map(|n| row(&format!("t{n}"), if n < 35 { 100_000 + 3 * n } else { n * 1200 })).collect();
    for (limit, has_pages, has_total) in
        [(1000, true, true), (10, true, false), (10, true, true), (10, false, false), (10, false, true), (37, false, false)]
    {
        let world = World::new();
        serve(&world, ids(60));
        let account = Account::start(TaskList { limit, has_pages, has_total, wrap: items, ..TaskList::new(rows.clone()) });
        let summary = account.run(&world, &["--since", "2d", "--json"]).exits(0).summary();
        assert_eq!(summary["complete"], 60, "{limit} {has_pages} {has_total}");
        let mut asked = world.requested_paths();
        asked.sort();
        asked.dedup();
        assert_eq!((asked.len(), world.gateway_requests().len()), (60, 60), "each task is asked about once");
        for head in account.requests() {
            let (start, end) = (query(&head, "start_timestamp"), query(&head, "end_timestamp"));
            assert!(start <= end && end - start <= 86_400 && query(&head, "page_size") == 1000, "{head}");
        }
    }
}

#[test]
fn answers_are_read_in_every_known_shape() {
    let wraps: [fn(Vec<Value>, Value) -> Value; 6] = [
        |rows, _| json!(rows),
        |rows, _| json!({"message": "", "success": true, "data": rows}),
        |rows, total| json!({"data": {"page": 1, "items": rows, "total": total}}),
        |rows, _| json!({"data": {"data": rows}}),
        |rows, _| json!({"items": rows}),
        |rows, _| json!({"list": rows}),
    ];
    for wrap in wraps {
        let world = World::new();
        let at = now() - 60;
        let rows = vec![
            json!({"id": 1, "task_id": "a", "submit_time": at}),
            json!({"id": 2, "task_id": 777_935_781_150_867_525_u64, "submit_time": at, "data": {"task_id": "not this one"}}),
            json!({"id": 3, "mj_id": "m/1 ?#", "submit_time": at}),
            json!({"id": "text", "submit_time": at}),
            json!({"id": 5, "submit_time": at}),
        ];
        serve(&world, ["a", "777935781150867525", "text"].map(str::to_owned));
        world.answers_at("/task/m%2F1%20%3F%23", [Answer::json(200, &crate::support::success(&json!({"text": "la"})))]);
        let account = Account::start(TaskList { wrap, ..TaskList::new(rows) });
        let run = account.run(&world, &["--since", "1h", "--json"]).exits(0);
        assert_eq!(run.summary()["complete"], 4, "{run:?}");
        assert!(run.stderr.contains("left out of the account's task list: 1 row without a task id"), "{run:?}");
    }
}

#[test]
fn row_fills_only_missing_keys_of_meta_and_a_second_run_writes_nothing() {
    let world = World::new();
    serve(&world, ids(3));
    world.write_file("ids.jsonl", "{\"task_id\":\"t0\",\"prompt\":\"mine\",\"n\":1.50}\n");
    world.run(&["-i", "ids.jsonl", "t1"]).exits(0);
    let full = |id: &str, properties: Value| {
        let mut row = row(id, 60);
        row["title"] = json!("T");
        row["platform"] = json!("suno");
        row["quota"] = json!(5);
        row["properties"] = properties;
        row
    };
    let rows = vec![
        full("t0", json!({"input": "theirs", "origin_model_name": "v4"})),
        full("t1", json!(r#"{"input":"a cat","origin_model_name":"v4"}"#)),
        full("t2", json!({"input": "a dog"})),
    ];
    let account = Account::start(TaskList::new(rows));
    account.run(&world, &["--since", "1h"]).exits(0);
    assert_eq!(
        world.task_entry("t0")["meta"],
        serde_json::from_str::<Value>(r#"{"prompt":"mine","n":1.50,"title":"T","model":"v4","platform":"suno"}"#).unwrap()
    );
    assert_eq!(world.task_entry("t1")["meta"], json!({"prompt": "a cat", "title": "T", "model": "v4", "platform": "suno"}));
    assert_eq!(world.task_entry("t2")["meta"], json!({"prompt": "a dog", "title": "T", "platform": "suno"}));
    assert_eq!(world.root_manifest()["tasks"][0]["meta"]["prompt"], "mine");
    let (before, asked) = (world.tree(), world.gateway_requests().len());
    account.run(&world, &["--since", "1h"]).exits(0);
    assert!(world.tree() == before, "a run that changes nothing rewrites nothing");
    assert_eq!(world.gateway_requests().len(), asked);
}

#[test]
fn run_with_nothing_new_asks_the_list_and_unfinished_tasks_alone() {
    let world = World::new();
    serve(&world, ["good".to_owned()]);
    world.answer("failed", &json!({"status": "FAILURE"}));
    world.answer("waits", &json!({"status": "IN_PROGRESS"}));
    let dead = format!("{}/dead.png", world.media.origin());
    world.serve_task("dead", &json!({"images": [dead]}));
    let rows = ["good", "failed", "waits", "dead"].map(|id| row(id, 600)).to_vec();
    let account = Account::start(TaskList::new(rows));
    account.run(&world, &["--since", "1d"]).exits(1);
    let (before, asked) = (world.tree(), world.gateway_requests().len());
    let (listed, fetched) = (account.requests().len(), world.media.heads().len());
    let run = account.run(&world, &["--since", "1d", "--json"]).exits(3);
    assert_eq!(world.requested_paths()[asked..], ["/task/waits"]);
    let asked = account.requests().len() - listed;
    // Two pages of the day, and one of the second beyond it.
    assert_eq!((asked, world.media.heads().len() - fetched), (3, 0), "the list, and no file");
    let summary = run.summary();
    assert_eq!((&summary["reused"], &summary["skipped"], &summary["pending"]), (&json!(1), &json!(2), &json!(1)));
    assert!(world.tree() == before);
}

#[test]
fn ids_of_the_user_and_of_the_account_are_one_set() {
    let world = World::new();
    serve(&world, ids(4));
    world.write_file("ids.txt", "t1\nt2\n");
    let account = Account::start(TaskList::new(["t0", "t2", "t3", "t3"].map(|id| row(id, 60)).to_vec()));
    let run = account.run(&world, &["t0", "-i", "ids.txt", "--since", "1h", "--json", "--failed-to", "failed.txt"]).exits(0);
    assert_eq!((&run.summary()["complete"], world.gateway_requests().len()), (&json!(4), 4));
    assert_eq!(std::fs::read_to_string(world.home().join("failed.txt")).unwrap(), "");
}

#[test]
fn fields_of_the_user_win_and_rows_fill_the_others_in_the_same_run() {
    let world = World::new();
    serve(&world, ids(2));
    world.write_file("ids.jsonl", "{\"task_id\":\"t0\",\"prompt\":\"mine\"}\nt1\n");
    let listed = |id: &str| json!({"task_id": id, "submit_time": now() - 60, "prompt": "theirs", "title": "T"});
    let account = Account::start(TaskList::new(vec![listed("t0"), listed("t1")]));
    let mut before = None;
    for _ in 0..2 {
        account.run(&world, &["-i", "ids.jsonl", "--since", "1h"]).exits(0);
        assert_eq!(world.task_entry("t0")["meta"], json!({"prompt": "mine", "title": "T"}));
        assert_eq!(world.task_entry("t1")["meta"], json!({"prompt": "theirs", "title": "T"}));
        assert_eq!(world.root_manifest()["tasks"][0]["meta"]["title"], "T");
        assert!(before.replace(world.tree()).is_none_or(|before| before == world.tree()), "nothing is written again");
    }
    assert_eq!(world.gateway_requests().len(), 2);
}

#[test]
fn dry_run_plans_and_failed_to_lists_what_the_account_lists() {
    let world = World::new();
    serve(&world, ids(1));
    let account = Account::start(TaskList::new(vec![row("t0", 60), row("missing", 60)]));
    let run = account.run(&world, &["--since", "1h", "--dry-run", "--json", "--failed-to", "failed.txt"]).exits(1);
    assert_eq!((run.state("t0"), run.state("missing")), ("planned".to_owned(), "not_found".to_owned()));
    assert_eq!(std::fs::read_to_string(world.home().join("failed.txt")).unwrap(), "t0\nmissing\n");
    assert!(!world.archive().exists());
}

#[test]
fn until_includes_its_day_and_its_second() {
    let world = World::new();
    let account = Account::start(TaskList::new(Vec::new()));
    let range = |args: &[&str]| {
        let asked = account.requests().len();
        let mut command = account.command(&world, args);
        command.env("TZ", "UTC");
        let run = crate::support::run::Running::start(command).wait(false).exits(0);
        assert!(run.stderr.is_empty(), "{run:?}");
        let heads = account.requests();
        (query(&heads[asked], "start_timestamp"), query(heads.last().unwrap(), "end_timestamp"))
    };
    assert_eq!(range(&["--since", "2025-10-01", "--until", "2025-10-03"]), (1_759_276_800, 1_759_276_800 + 3 * 86_400));
    assert_eq!(range(&["--since", "2025-10-01T00:00:00Z", "--until", "2025-10-01T00:00:05Z"]), (1_759_276_800, 1_759_276_806));
    let before = now();
    let (start, end) = range(&["--since", "1d"]);
    assert!(end - start == 86_401 && end > before && end <= now() + 1, "one second beyond now: {start} {end}");
    let (_, end) = range(&["--since", "1h", "--until", "9000-01-01"]);
    assert!(end <= now() + 86_400, "{end}");
}

#[test]
fn last_second_is_archived_and_the_next_one_is_not_whether_or_not_the_server_counts_the_end() {
    const MIDNIGHT: i64 = 1_759_363_200;
    for (counts_end, limit) in [(true, 1000), (false, 1000), (true, 10), (false, 10)] {
        let world = World::new();
        serve(&world, ids(2));
        let mut rows = vec![json!({"task_id": "t0", "submit_time": MIDNIGHT - 1})];
        rows.push(json!({"task_id": "t1", "submit_time": MIDNIGHT - 86_400}));
        // More than this server lists of one second, and none of them is wanted.
        rows.extend((2..14).map(|n| json!({"task_id": format!("t{n}"), "submit_time": MIDNIGHT})));
        let account = Account::start(TaskList { counts_end, limit, has_pages: false, ..TaskList::new(rows) });
        let run = account.run(&world, &["--since", "2025-10-01T00:00:00Z", "--until", "2025-10-01T23:59:59Z", "--json"]);
        assert_eq!(run.exits(0).summary()["complete"], 2, "{counts_end} {limit}");
        assert_eq!(world.gateway_requests().len(), 2);
    }
}

#[test]
fn task_of_the_current_second_is_archived_whether_or_not_the_server_counts_the_end() {
    for counts_end in [true, false] {
        let world = World::new();
        serve(&world, ids(1));
        let account = Account::start(TaskList { counts_end, ..TaskList::new(vec![row("t0", 0)]) });
        for since in ["1d", "1h", "0s"] {
            // With `0s` the list begins with the second of the run, which may be a later one.
            let run = account.run(&world, &["--since", since, "--json"]).exits(0);
            assert!(since == "0s" || run.state("t0") == "complete", "{counts_end} {since}");
        }
    }
}

#[test]
fn encoded_answers_and_huge_rows_are_read() {
    let world = World::new();
    serve(&world, ids(3));
    let mut big = row("t0", 60);
    big["data"] = json!("x".repeat(20 << 20));
    let answer = json!({"data": [big, row("t1", 60), row("t2", 60)]}).to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(answer.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    for reply in
        [Reply::ok(zipped.clone()).header("Content-Encoding", "gzip"), Reply::ok(zipped), Reply::ok(answer).chunked(&[1, 5])]
    {
        let account = Account::with_replies([reply, json_reply(&json!([]))]);
        account.run(&world, &["--since", "1h"]).exits(0);
    }
    assert_eq!(world.gateway_requests().len(), 3);
}

#[test]
fn redirect_on_the_accounts_origin_is_followed() {
    let world = World::new();
    serve(&world, ids(1));
    let account = Account::with_replies([Reply::redirect("/yescale/task/?x=1"), json_reply(&json!([]))]);
    account.0.script("/yescale/task/", [json_reply(&json!([row("t0", 60)]))]);
    account.run(&world, &["--since", "1h"]).exits(0);
    assert_eq!(world.task_entry("t0")["state"], "complete");
}

#[test]
fn first_mention_of_a_task_gives_its_fields() {
    let world = World::new();
    serve(&world, ["a", "b", "c", "d"].map(str::to_owned));
    world.write_file("list.jsonl", "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}\n");
    let mut listed = row("d", 60);
    listed["prompt"] = json!("theirs");
    let account = Account::start(TaskList::new(vec![listed]));
    let command = account.command(&world, &["a", "-i", "list.jsonl", "-i", "-", "--since", "1h"]);
    let mut running = crate::support::run::Running::start(command);
    running.write("{\"id\":\"b\",\"n\":3}\n{\"id\":\"c\",\"n\":4}\n{\"id\":\"c\",\"n\":5}\n{\"id\":\"d\",\"n\":6}\n");
    world.audit(running.wait(false)).exits(0);
    let meta = ["a", "b", "c", "d"].map(|id| world.task_entry(id)["meta"].clone());
    assert_eq!(meta, [Value::Null, json!({"n": 2}), json!({"n": 4}), json!({"n": 6, "prompt": "theirs"})]);
    assert_eq!(world.gateway_requests().len(), 4);
}
