//! Section 1: from a task id to what its answer names.

use serde_json::{Value, json};

use crate::support::{Answer, KEY, Reply, World, sample, success};

fn paths(world: &World, folder: &str) -> Vec<String> {
    let entry = world.entry(folder);
    entry["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn slots(entries: &Value) -> Vec<String> {
    entries.as_array().unwrap().iter().map(|entry| format!("{} {}", entry["kind"].as_str().unwrap(), entry["index"])).collect()
}

#[test]
fn the_gateway_is_asked_with_the_key_and_the_program_s_name() {
    let world = World::new();
    world.archived("t1");
    let questions = world.questions();
    assert_eq!(questions.len(), 1);
    assert_eq!((questions[0].method.as_str(), questions[0].url.path()), ("GET", "/task/t1"));
    assert_eq!(questions[0].headers["authorization"], format!("Bearer {KEY}").as_str());
    let agent = concat!("yescale-dl/", env!("CARGO_PKG_VERSION"));
    assert_eq!(questions[0].headers["user-agent"], agent);
    assert!(world.media.heads()[0].contains(&format!("{}: {agent}", "user-agent")), "{}", world.media.heads()[0]);
}

#[test]
fn an_id_goes_out_as_one_path_segment() {
    for (id, segment) in [
        ("veo3:17-Y", "veo3%3A17-Y"),
        ("models/veo/1", "models%2Fveo%2F1"),
        ("a b?c#d%e", "a%20b%3Fc%23d%25e"),
        ("A-z.0_9~", "A-z.0_9~"),
        ("...", "..."),
        ("a\\b+c&d=e", "a%5Cb%2Bc%26d%3De"),
        ("ä🎬", "%C3%A4%F0%9F%8E%AC"),
    ] {
        let world = World::new();
        world.task(segment, &json!({"text": "la"}));
        assert_eq!(world.json(&["--", id]).exits(0).state(id), "complete", "{id}");
        assert_eq!(world.paths_asked(), [format!("/task/{segment}")]);
        assert_eq!(world.root()["tasks"][0]["task_id"], id);
    }
}

#[test]
fn dots_alone_are_an_error_of_that_task_and_ask_nobody() {
    let world = World::new();
    world.task("t1", &json!({"text": "la"}));
    let run = world.json(&[".", "..", "t1"]).exits(1);
    assert_eq!((run.state("."), run.state(".."), run.state("t1")), ("error".into(), "error".into(), "complete".into()));
    assert_eq!(world.paths_asked(), ["/task/t1"]);
    assert_eq!(std::fs::read_dir(world.home()).unwrap().count(), 1, "nothing was written beside the archive");
}

#[test]
fn the_id_is_the_one_asked_for_whatever_the_answer_says() {
    let world = World::new();
    let mut answer = success(&json!({"text": "la"}));
    answer["task_id"] = json!("another");
    world.answer("t1", &answer);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.entry("t1")["task_id"], "t1");
}

#[test]
fn a_status_is_read_in_any_case_and_with_blanks() {
    let world = World::new();
    let mut cases = Vec::new();
    for (state, words) in [
        ("complete", &["SUCCESS", " succeeded\t", "Completed"][..]),
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
    let run = world.json(&args).exits(1);
    for (id, (status, state)) in ids.iter().zip(&cases) {
        assert_eq!(run.state(id), *state, "{status}");
    }
    assert_eq!(run.state("none"), "pending");
}

#[test]
fn a_missing_task_is_told_in_many_ways() {
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
    ];
    let ids: Vec<String> = (0..cases.len()).map(|n| format!("t{n}")).collect();
    ids.iter().zip(cases).for_each(|(id, answer)| world.answers(id, [answer]));
    let run = world.json(&ids.iter().map(String::as_str).collect::<Vec<_>>()).exits(1);
    assert_eq!(run.summary()["not_found"], ids.len());
    assert_eq!(world.questions().len(), ids.len(), "that is an answer: nothing is asked again");
}

#[test]
fn a_task_that_names_nothing_is_not_a_missing_one() {
    let world = World::new();
    world.answer("failed", &json!({"status": "FAILURE", "error": "Task not found upstream"}));
    world.answer("empty", &success(&json!({"videos": null, "images": [], "text": ""})));
    world.answer("bare", &json!({"status": "SUCCESS"}));
    let run = world.json(&["failed", "empty", "bare"]).exits(1);
    assert_eq!([run.state("failed"), run.state("empty"), run.state("bare")], ["failed", "empty", "empty"]);
}

#[test]
fn lists_are_read_in_every_shape() {
    let world = World::new();
    let png = world.host("picture.png");
    let mp4 = world.host("video-1s.mp4");
    for (id, result, expected) in [
        ("objects", json!({"images": [{"url": png}, {"url": png}]}), &["image-1.png", "image-2.png"][..]),
        ("object", json!({"images": {"url": png}}), &["image-1.png"]),
        ("string", json!({"images": png}), &["image-1.png"]),
        ("strings", json!({"images": [png, png]}), &["image-1.png", "image-2.png"]),
        ("nulls", json!({"images": [null, png, null, {"url": png}], "videos": null}), &["image-1.png", "image-2.png"]),
        ("mixed", json!({"audio": [], "videos": [mp4], "images": {"url": png}}), &["video-1.mp4", "image-1.png"]),
        ("blanks", json!({"images": [format!(" {png}\n")]}), &["image-1.png"]),
    ] {
        world.task(id, &result);
        world.run(&[id]).exits(0);
        assert_eq!(paths(&world, id), expected, "{id}");
    }
}

#[test]
fn the_list_gives_the_kind_also_when_the_type_disagrees() {
    let world = World::new();
    let (png, mp4) = (world.host("picture.png"), world.host("video-1s.mp4"));
    world.task(
        "t1",
        &json!({
            "videos": [{"url": png, "content_type": "image/png"}],
            "images": [{"url": mp4, "content_type": "video/mp4"}],
            "audio": [{"url": mp4}],
        }),
    );
    world.run(&["t1"]).exits(0);
    assert_eq!(paths(&world, "t1"), ["video-1.png", "image-1.mp4", "audio-1.mp4"]);
}

#[test]
fn a_lone_url_takes_its_kind_from_declared_then_http_then_magic_then_path() {
    let world = World::new();
    let serve = |path: &str, body: Vec<u8>, http: &str| world.media.script(path, [Reply::ok(body).typed(http)]);
    let noise = || b"\x01\x02 no magic".to_vec();
    for (id, url, declared, expected) in [
        ("declared", serve("/a.mp4", sample("picture.png"), "video/mp4"), "audio/mpeg", "audio-1.mp3"),
        ("http", serve("/b.mp4", sample("picture.png"), "Audio/MPEG; x=y"), "", "audio-1.mp3"),
        ("magic", serve("/c.mp4", sample("picture.png"), "application/octet-stream"), "binary/octet-stream", "image-1.png"),
        ("path", serve("/d.wav", noise(), "text/plain"), "x", "audio-1.wav"),
        ("nothing", serve("/e", noise(), ""), "application/octet-stream", "video-1.bin"),
    ] {
        world.task(id, &json!({"url": url, "content_type": declared, "images": [], "videos": null}));
        world.run(&[id]).exits(0);
        assert_eq!(paths(&world, id), [expected], "{id}");
    }
}

#[test]
fn a_lone_url_beside_a_list_is_no_asset() {
    let world = World::new();
    let png = world.host("picture.png");
    world.task("t1", &json!({"url": format!("{}/input.png", world.media.origin()), "images": [png]}));
    world.run(&["t1"]).exits(0);
    assert_eq!((paths(&world, "t1"), world.media.asked("/input.png")), (vec!["image-1.png".to_owned()], 0));
}

#[test]
fn nothing_but_the_result_s_own_urls_is_fetched() {
    let world = World::new();
    let trap = format!("{}/trap.png", world.media.origin());
    let mut answer = success(&json!({"images": [{"url": world.host("picture.png"), "thumbnail": trap}], "cover": trap}));
    answer["callback_url"] = json!(trap);
    answer["imageUrl"] = json!(trap);
    answer["message"] = json!(trap);
    world.answer("t1", &answer);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.media.asked("/trap.png"), 0);
}

#[test]
fn every_item_that_is_not_null_takes_its_number() {
    let world = World::new();
    let png = world.host("picture.png");
    world.task("t1", &json!({"images": [
        {"url": ""}, null, {}, 7, {"url": null}, "/relative.png", "ftp://h/x.png", "file:///etc/passwd", "//h/x.png", "http://", [png], png,
    ]}));
    let run = world.json(&["t1"]).exits(1);
    assert_eq!(run.state("t1"), "incomplete");
    assert_eq!(paths(&world, "t1"), ["image-11.png"]);
    let errors: Vec<String> = (1..=10).map(|n| format!("image {n}")).collect();
    assert_eq!(slots(&world.entry("t1")["errors"]), errors);
    assert_eq!(world.media.heads().len(), 1);
}

#[test]
fn equal_urls_are_separate_assets() {
    let world = World::new();
    let png = world.host("picture.png");
    world.task("t1", &json!({"videos": [png], "images": [png, png]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(paths(&world, "t1"), ["video-1.png", "image-1.png", "image-2.png"]);
}

#[test]
fn times_are_seconds_or_milliseconds_or_unknown() {
    let world = World::new();
    for (n, (given, told)) in [
        (json!(1_753_598_930), Some("2025-07-27T06:48:50Z")),
        (json!("1753598930"), Some("2025-07-27T06:48:50Z")),
        (json!(1_753_598_930_123_u64), Some("2025-07-27T06:48:50Z")),
        (json!("1753598930123"), Some("2025-07-27T06:48:50Z")),
        (json!(0), None),
        (json!("0"), None),
        (json!(-1_753_598_930), None),
        (json!(u64::MAX), None),
        (json!("2025-07-27"), None),
        (json!(""), None),
        (json!(null), None),
        (json!([1]), None),
        (serde_json::from_str("1e400").unwrap(), None),
    ]
    .into_iter()
    .enumerate()
    {
        let (id, mut answer) = (format!("t{n}"), success(&json!({"text": "la"})));
        (answer["submit_time"], answer["finish_time"]) = (given.clone(), given.clone());
        world.answer(&id, &answer);
        world.run(&[&id]).exits(0);
        for field in ["submit_time", "finish_time"] {
            let found = world.entry(&id);
            assert_eq!(found.get(field).map(|time| time.as_str().unwrap()), told, "{field} {given}");
        }
    }
}

#[test]
fn durations_are_seconds_or_unknown() {
    let world = World::new();
    // Without a container that could tell.
    let url = world.media.script("/noise", [Reply::ok(*b"\x01\x02noise")]);
    let cases = [
        (json!(5), Some(5.0)),
        (json!("5.1"), Some(5.1)),
        (json!(" 7 "), Some(7.0)),
        (json!("8s"), Some(8.0)),
        (json!(0), None),
        (json!(-3), None),
        (json!("NaN"), None),
        (json!("infinity"), None),
        (json!("-1s"), None),
        (json!("five"), None),
        (serde_json::from_str("1e999").unwrap(), None),
        (json!({"seconds": 5}), None),
    ];
    let items: Vec<Value> = cases.iter().map(|(duration, _)| json!({"url": url, "duration": duration})).collect();
    world.task("t1", &json!({"audio": items}));
    world.run(&["t1"]).exits(0);
    let entry = world.entry("t1");
    for (file, (given, seconds)) in entry["files"].as_array().unwrap().iter().zip(cases) {
        assert_eq!(file.get("duration_seconds").and_then(Value::as_f64), seconds, "{given}");
        assert_eq!(file.get("duration_source").and_then(Value::as_str), seconds.map(|_| "api"), "{given}");
    }
}

#[test]
fn an_answer_that_can_t_be_read_is_an_error_of_that_task_alone() {
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
        Answer::raw(200, deep(200)),
        Answer::raw(200, deep(200_000)),
        Answer::json(400, &json!({"error": {"message": "bad"}})),
        Answer::json(200, &json!({"success": false, "message": "overloaded"})),
    ];
    let ids: Vec<String> = (0..broken.len()).map(|n| format!("t{n}")).collect();
    ids.iter().zip(broken).for_each(|(id, answer)| world.answers(id, [answer]));
    world.task("good", &json!({"text": "la"}));
    let args: Vec<&str> = ids.iter().map(String::as_str).chain(["good"]).collect();
    let run = world.json(&args).exits(1);
    for id in &ids {
        let task = run.task(id);
        assert_eq!(task["state"], "error", "{task}");
        assert!(task["error"].as_str().is_some_and(|error| !error.is_empty()), "{task}");
    }
    assert_eq!(run.state("good"), "complete");
    assert_eq!(world.tree().keys().filter(|name| name.ends_with("/manifest.json")).count(), 1, "no folder for the others");
}

#[test]
fn an_answer_of_64_mib_is_read_and_a_larger_one_refused() {
    let world = World::new();
    let body = |size: usize| {
        let shell = r#"{"status":"SUCCESS","preview":"data:,","task_result":{"text":"la"}}"#;
        shell.replace("data:,", &format!("data:,{}", "A".repeat(size - shell.len())))
    };
    world.answers("large", [Answer::raw(200, body(64 << 20))]);
    world.answers("larger", [Answer::raw(200, body((64 << 20) + 1))]);
    let run = world.json(&["large", "larger"]).exits(1);
    assert_eq!([run.state("large"), run.state("larger")], ["complete", "error"]);
    assert!(run.task("larger")["error"].as_str().unwrap().contains("64 MiB"));
    assert_eq!(world.entry("large")["response"]["preview"], "data:,", "the payload is cut out wherever it stands");
}

#[test]
fn tasks_and_files_are_fetched_side_by_side() {
    use crate::support::Gate;
    let world = World::new();
    let (first, second, third) = (Gate::default(), Gate::default(), Gate::default());
    // Each waits for another one to be asked for: one after the other they would never end.
    let image = || Reply::ok(sample("picture.png"));
    let a = world.media.script("/a", [image().telling(&first).behind(&second)]);
    let b = world.media.script("/b", [image().telling(&second).behind(&third)]);
    let c = world.media.script("/c", [image().telling(&third).behind(&first)]);
    world.task("t1", &json!({"images": [a, b]}));
    world.task("t2", &json!({"images": [c]}));
    world.run(&["t1", "t2"]).exits(0);
    assert_eq!(world.media.heads().len(), 3, "nothing was tried twice");
}
