//! Responses that are large or hold many values: memory is bounded, they are read one after the other, and they do
//! not delay other tasks.
//!
//! "up to 64 MiB is read. Memory stays below four times the answer's size plus 64 MiB, whatever the answer holds, for
//! all answers in progress together. `Content-Encoding: gzip` and `deflate` are decoded, also when not requested."
//! The measurements are in `tests/bench/answers.rs`.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;

use crate::support::{Answer, Gate, Reply, World, sample, success};

/// A response that is about `size` bytes larger than `result`.
fn large(result: &serde_json::Value, size: usize) -> String {
    success(result).to_string().replacen('{', &format!(r#"{{"x":"{}","#, "x".repeat(size)), 1)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::fast());
    to.write_all(text.as_bytes()).unwrap();
    to.finish().unwrap()
}

/// The program may use 2 GiB of address space; a tree of these values needs more.
#[cfg(target_os = "linux")]
#[test]
fn many_small_values_do_not_multiply_memory() {
    let world = World::new();
    for (id, value) in [("ones", "1,".repeat(16 << 20)), ("objects", "{},".repeat(8 << 20)), ("texts", "\"x\",".repeat(8 << 20))]
    {
        let body = format!(r#"{{"status":"SUCCESS","task_result":{{"text":"la"}},"x":[{value}1]}}"#);
        let size = body.len() as u64;
        world.answers(id, [Answer::raw(200, body)]);
        let command = crate::support::run::with_limit("ulimit -v 2097152", &world.command(&[id]));
        crate::support::run::Running::start(command).wait(false).exits(0);
        let manifest = std::fs::metadata(world.archive().join(id).join("manifest.json")).unwrap().len();
        assert!(manifest < size + 2000, "{id}: {manifest} of {size}");
    }
}

#[test]
fn deep_nesting_does_not_multiply_the_manifest_size() {
    let world = World::new();
    let deep = format!("{}{}1{}", "[".repeat(90), "1,".repeat(10_000), "]".repeat(90));
    let body = format!("{{\"status\" : \"SUCCESS\",\n\t\"task_result\": {{\"text\": \"la\"}}, \"x\": {deep} }}");
    world.answers("t1", [Answer::raw(200, body.clone())]);
    world.run(&["t1"]).exits(0);
    let manifest = std::fs::metadata(world.archive().join("t1/manifest.json")).unwrap().len();
    assert!(manifest < 2 * body.len() as u64, "{manifest} of {}", body.len());
}

#[test]
fn many_large_responses_and_link_refreshes_all_complete() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    let dead = format!("{}/dead.png", world.media.origin());
    let ids: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        let size = [20 << 10, 3 << 20, 5 << 20][n % 3];
        let [first, second] = [&dead, &png].map(|url| Answer::raw(200, large(&json!({"images": [url]}), size)));
        // A third request is made when there was no memory for the response at first.
        world.answers(id, [first.clone(), second.clone(), second]);
    }
    let args: Vec<&str> = ids.iter().map(String::as_str).collect();
    let run = world.run_json(&args);
    for id in &ids {
        assert_eq!(run.state(id), "complete", "{id}");
    }
}

#[test]
fn large_response_with_slow_media_does_not_block_small_tasks() {
    let world = World::new();
    let (slow, small) = (Gate::default(), Gate::default());
    let slow_url =
        world.media.script("/slow.png", [Reply::ok(sample("picture.png")).notify_on_request(&slow).after_gate(&small)]);
    let opening =
        world.media.script("/small.png", [Reply::ok(sample("picture.png")).notify_on_request(&small).after_gate(&slow)]);
    world.answers("large", [Answer::raw(200, large(&json!({"images": [slow_url]}), 5 << 20))]);
    world.serve_task("small", &json!({"images": [opening]}));
    let run = world.run_json(&["large", "small"]).exits(0);
    assert_eq!([run.state("large"), run.state("small")], ["complete", "complete"]);
}

#[test]
fn response_with_many_assets_keeps_them_all() {
    let world = World::new();
    let urls = vec!["data:,x y"; 300];
    for id in ["t1", "t2", "t3"] {
        world.serve_task(id, &json!({"audio": urls}));
    }
    world.run(&["t1", "t2", "t3"]);
    let entry = world.task_entry("t3");
    let count = |field: &str| entry[field].as_array().unwrap().len();
    assert_eq!(count("files") + count("errors"), 300);
}

#[test]
fn encoded_response_is_decoded_and_bounded_by_decoded_size() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    let serve = |id: &str, body: Vec<u8>, coding: &str| {
        world.media.script(&format!("/task/{id}"), [Reply::ok(body).header("Content-Encoding", coding)]);
    };
    let blank = |size: usize| success(&json!({"text": "la"})).to_string() + &" ".repeat(size);
    serve("small", gzip(&blank(0)), "gzip");
    serve("medium", gzip(&blank(1 << 20)), "x-gzip");
    serve("large", gzip(&blank(60 << 20)), "gzip");
    serve("larger", gzip(&blank(64 << 20)), "gzip");
    serve("plain", blank(0).into(), "gzip");
    let run =
        world.run_json(&["small", "medium", "large", "larger", "plain", "--retries", "0", "--base-url", &world.media.origin()]);
    for id in ["small", "medium", "large", "plain"] {
        assert_eq!(run.state(id), "complete", "{id}: {}", run.task(id));
    }
    assert!(run.task("larger")["error"].as_str().unwrap().contains("64 MiB"), "{}", run.task("larger"));
}

#[test]
fn encoding_of_a_response_is_read_from_its_first_bytes() {
    let world = World::new();
    world.media.allow_key_for("/task/");
    let json = success(&json!({"text": "la"})).to_string();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(json.as_bytes()).unwrap();
    let zlib = zlib.finish().unwrap();
    let bodies = [
        ("gzip", gzip(&json), None),
        ("zlib", zlib.clone(), None),
        ("zlib-as-gzip", zlib, Some("gzip")),
        ("gzip-as-deflate", gzip(&json), Some("deflate")),
        ("json-as-deflate", json.clone().into(), Some("deflate")),
        ("json-as-br", json.into(), Some("br")),
    ];
    for (id, body, coding) in &bodies {
        let reply = coding.iter().fold(Reply::ok(body.as_slice()), |reply, coding| reply.header("Content-Encoding", coding));
        world.media.script(&format!("/task/{id}"), [reply]);
    }
    // The status of an error counts, whatever its body is.
    let garbled = |status: &str, coding: &str| Reply::ok([7; 99]).with_status(status).header("Content-Encoding", coding);
    world.media.script("/task/lost", [garbled("404 Not Found", "br")]);
    world.media.script("/task/busy", [garbled("503 Busy", "zstd"), garbled("502 Bad", "deflate"), Reply::ok(gzip("{}"))]);
    let ids: Vec<&str> = bodies.iter().map(|(id, ..)| *id).collect();
    let run = world.run_json(&[&ids[..], &["lost", "busy", "--retries", "2", "--base-url", &world.media.origin()]].concat());
    for id in ids {
        assert_eq!(run.state(id), "complete", "{id}: {}", run.task(id));
    }
    assert_eq!([run.state("lost"), run.state("busy")], ["not_found", "pending"]);
}

#[test]
fn long_messages_are_truncated_but_whole_in_the_response() {
    let world = World::new();
    let message = "é".repeat(1 << 20);
    world.answer("t1", &json!({"status": "FAILURE", "err_reason": message, "message": message}));
    world.run(&["t1"]).exits(1);
    let entry = world.task_entry("t1");
    for field in ["err_reason", "message"] {
        assert!(
            entry[field].as_str().unwrap().len() < 70_000
                && message.starts_with(entry[field].as_str().unwrap().trim_end_matches('…'))
        );
        assert_eq!(entry["response"][field], message);
    }
}

#[test]
fn overlong_url_fails_only_its_asset() {
    let world = World::new();
    let long = format!("{}/{}", world.media.origin(), "x".repeat(1 << 20));
    world.serve_task("t1", &json!({"images": [long, world.serve_sample("picture.png")]}));
    world.run(&["t1"]).exits(1);
    let entry = world.task_entry("t1");
    assert_eq!((&entry["files"][0]["path"], &entry["errors"][0]["index"]), (&json!("image-2.png"), &json!(1)));
    assert!(entry["errors"][0]["error"].as_str().unwrap().contains("longer"), "{}", entry["errors"][0]["error"]);
}
