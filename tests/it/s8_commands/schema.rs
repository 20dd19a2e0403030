//! `schema`: the JSON Schemas accept everything that the program writes, and reject what it never writes.

use std::collections::BTreeSet;
use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::s1_job::samples;
use crate::support::commands::{flip_bit, run_command};
use crate::support::{Answer, Gate, Reply, Run, World, sample};

fn schema(document: &str) -> Validator {
    let text = run_command(&World::new(), &["schema", document]).exits(0).stdout;
    let schema = serde_json::from_str(&text).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[track_caller]
fn assert_accepts(schema: &Validator, document: &Value) {
    let errors: Vec<String> = schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

#[track_caller]
fn assert_rejects(schema: &Validator, document: &Value, why: &str) {
    assert!(!schema.is_valid(document), "{why} is taken: {document:#}");
}

/// Every manifest of the archive, the root manifest first.
fn manifests(world: &World) -> Vec<Value> {
    let tree = world.tree();
    let manifests = tree.iter().filter(|(name, _)| name.ends_with("manifest.json"));
    manifests.map(|(_, (bytes, _))| serde_json::from_slice(bytes).unwrap()).collect()
}

/// Makes an archive with every field that a manifest can have, except those that need a special host. Returns the
/// last run.
fn archive_full(world: &World) -> Run {
    let mov = world.media.script("/v", [Reply::ok(sample("clip.mov")).header("Last-Modified", "Sun, 27 Jul 2025 06:49:48 GMT")]);
    let result =
        json!({"videos": [{"url": mov, "content_type": "video/mp4", "duration": 5.1}], "images": ["ftp://h/x"], "text": "la"});
    let answer = json!({"status": "SUCCESS", "progress": "100%", "message": "m", "err_reason": "r", "submit_time": 1_753_598_930,
        "finish_time": 1_753_598_990, "task_result": result});
    world.answer("full", &answer);
    world.run_with_input(r#"{"id":"full","prompt":{"deep":[1.50,null]}}"#, &["--json", "-i", "-"]).exits(1)
}

/// A run that takes long enough to report progress.
fn run_slowly(world: &World) -> Run {
    let gate = Gate::default();
    world.serve_task(
        "slow",
        &json!({"images": [world.media.script("/slow", [Reply::ok(sample("picture.png")).after_gate(&gate)])]}),
    );
    let mut running = world.start(&["--json", "slow"]);
    while !running.read_line().contains("progress") {}
    gate.open();
    running.wait(false)
}

#[test]
fn samples_of_every_platform_match_the_schemas() {
    let (manifest, event) = (schema("manifest"), schema("events"));
    let (world, (_runtime, standin)) = (World::new(), samples::start());
    let run = samples::archive(&world, &standin, &standin.ids()).exits(0);
    let manifests = manifests(&world);
    assert_eq!(manifests.len(), 1 + standin.ids().len());
    for document in &manifests {
        assert_accepts(&manifest, document);
    }
    for line in &run.events() {
        assert_accepts(&event, line);
    }
}

#[test]
fn every_event_and_enum_value_matches_the_schema() {
    let (event, world) = (schema("events"), World::new());
    world.archive_task("old");
    let png = world.serve_sample("picture.png");
    for (id, result) in
        [("complete", json!({"images": [png]})), ("partial", json!({"images": [png], "text": "la"})), ("empty", json!({}))]
    {
        world.serve_task(id, &result);
    }
    world.serve_task("incomplete", &json!({"images": [png, "ftp://h"]}));
    world.answer("failed", &json!({"status": "FAILURE"}));
    world.answer("pending", &json!({"status": "x"}));
    world.answers("error", [Answer::raw(200, "{")]);
    let ids = ["old", "complete", "partial", "incomplete", "failed", "empty", "not_found", "pending", "error"];
    let args = |more: &[&'static str]| [&ids[..], &["--only", "image,video,audio"], more].concat();
    let mut events = world.run_json(&args(&["--dry-run"])).exits(1).events();
    events.extend(world.run_json(&args(&["--dry-run", "--max-size", "1"])).events());
    events.extend(world.run_json(&args(&[])).exits(1).events());
    events.extend(archive_full(&world).events());
    flip_bit(&world, "old/image-1.png");
    fs::remove_file(world.archive().join("complete/image-1.png")).unwrap();
    world.write_file("yescale/full/stray", "");
    events.extend(run_command(&world, &["verify", "--json"]).exits(1).events());
    events.extend(run_slowly(&world).exits(0).events());
    events.extend(run_command(&world, &["repair", "--json"]).exits(0).events());
    events.extend(world.run_json(&["failed", "old", "--skip-failed"]).exits(0).events());
    events.extend(world.run_json(&["--nonsense"]).exits(2).events());
    world.answers("refused", [Answer::raw(401, "")]);
    events.extend(world.run_json(&["refused"]).exits(2).events());

    for line in &events {
        assert_accepts(&event, line);
    }
    let seen: BTreeSet<&str> = events
        .iter()
        .flat_map(|line| ["event", "state", "finding", "action"].map(|name| line[name].as_str()))
        .flatten()
        .collect();
    for word in ids
        .iter()
        .skip(1)
        .copied()
        .chain(["start", "file", "task", "plan", "finding", "progress", "summary", "fatal", "planned"])
        .chain(["damaged", "missing", "unknown", "fetch"])
    {
        assert!(seen.contains(word), "{word} was not seen in {seen:?}");
    }
}

#[test]
fn schema_rejects_invalid_manifests() {
    let (schema, world) = (schema("manifest"), World::new());
    archive_full(&world);
    let [root, own] = &manifests(&world)[..] else { panic!("two manifests") };
    let [task, file, error] = ["/tasks/0", "/tasks/0/files/0", "/tasks/0/errors/0"];
    for document in [root, own] {
        assert_accepts(&schema, document);
        for folder in ["", task, file, error] {
            assert_rejects_other_types(&schema, document, folder, &["response"]);
            let mut with_more = document.clone();
            with_more.pointer_mut(folder).unwrap()["of_the_future"] = json!([null]);
            assert_accepts(&schema, &with_more);
        }
    }
    for (folder, field, wrong) in [
        ("", "manifest_version", json!(2)),
        (task, "state", json!("pending")),
        (task, "state", json!("Complete")),
        (task, "finish_time", json!("2025-07-27T06:49:50+00:00")),
        (task, "finish_time", json!("yesterday, Z")),
        (task, "archived_at", json!(1_753_598_990)),
        (file, "kind", json!("text")),
        (file, "index", json!(0)),
        (file, "index", json!(1.5)),
        (file, "size", json!(-1)),
        (file, "sha256", json!("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")),
        (file, "sha256", json!("e3b0")),
        (file, "duration_seconds", json!(0)),
        (file, "duration_source", json!("guess")),
        (file, "last_modified", json!("Sun, 27 Jul 2025 06:49:48 GMT")),
        (file, "warnings", json!([1])),
        (error, "code", json!("no_such_code")),
        (error, "http_status", json!(42)),
    ] {
        let mut document = own.clone();
        document.pointer_mut(folder).unwrap()[field] = wrong.clone();
        assert_rejects(&schema, &document, &format!("{field}: {wrong}"));
    }
    assert_requires(&schema, own, "", "manifest_version generator tasks");
    assert_requires(&schema, own, task, "task_id state files errors");
    assert_requires(&schema, own, file, "kind index path size sha256 warnings");
    assert_requires(&schema, own, error, "kind index error");
}

#[test]
fn schema_rejects_invalid_events() {
    let (schema, world) = (schema("events"), World::new());
    let mut events = archive_full(&world).events();
    events.extend(world.run_json(&["full", "--force", "--dry-run"]).events_of("plan"));
    events.extend(world.run_json(&["full", "--nonsense"]).exits(2).events_of("fatal"));
    flip_bit(&world, "full/video-1.mp4");
    events.extend(run_command(&world, &["verify", "--json"]).exits(1).events());
    for (event, fields) in [
        ("start", "event time version events_version"),
        ("fatal", "event time code error"),
        ("file", "event time task_id kind index path size sha256 warnings"),
        ("task", "event time task_id state reused files bytes errors"),
        ("plan", "event time task_id action path reason"),
        ("finding", "event time path finding"),
    ] {
        let line = events.iter().find(|line| line["event"] == event).unwrap();
        assert_requires(&schema, line, "", fields);
        assert_rejects_other_types(&schema, line, "", &[]);
        for (field, wrong) in [
            ("event", "unheard_of"),
            ("state", "done"),
            ("finding", "broken"),
            ("action", "eat"),
            ("kind", "text"),
            ("time", "today"),
        ] {
            let mut wrong_line = line.clone();
            if wrong_line.get(field).is_some() {
                wrong_line[field] = json!(wrong);
                assert_rejects(&schema, &wrong_line, wrong);
            }
        }
        let mut with_more = line.clone();
        with_more["of_the_future"] = json!(null);
        assert_accepts(&schema, &with_more);
    }
    let task = events.iter().find(|line| line["event"] == "task").unwrap();
    assert_requires(&schema, task, "/errors/0", "error");
    assert_rejects_other_types(&schema, task, "/errors/0", &[]);
    let mut wrong_code = task.clone();
    wrong_code["errors"][0]["code"] = json!("bad_luck");
    assert_rejects(&schema, &wrong_code, "bad_luck");
    let summaries: Vec<_> = events.iter().filter(|line| line["event"] == "summary").collect();
    for (line, field) in [(summaries[0], "skipped"), (summaries[1], "unsafe")] {
        assert_requires(&schema, line, "", &format!("event time of files bytes seconds {field}"));
        assert_rejects_other_types(&schema, line, "", &[]);
    }
}

/// Checks that a field of the object at `folder` is rejected when it is null or of another type.
#[track_caller]
fn assert_rejects_other_types(schema: &Validator, document: &Value, folder: &str, but: &[&str]) {
    let fields: Vec<String> = document.pointer(folder).unwrap().as_object().unwrap().keys().cloned().collect();
    for field in fields.iter().filter(|field| !but.contains(&field.as_str())) {
        for wrong in [json!(null), json!([[]])] {
            let mut document = document.clone();
            document.pointer_mut(folder).unwrap()[field] = wrong.clone();
            assert_rejects(schema, &document, &format!("{folder}/{field}: {wrong}"));
        }
    }
}

#[track_caller]
fn assert_requires(schema: &Validator, document: &Value, folder: &str, fields: &str) {
    for field in fields.split(' ') {
        let mut document = document.clone();
        let removed = document.pointer_mut(folder).unwrap().as_object_mut().unwrap().shift_remove(field);
        assert!(removed.is_some(), "{folder} has no {field}: {document:#}");
        assert_rejects(schema, &document, &format!("{folder} without {field}"));
    }
}
