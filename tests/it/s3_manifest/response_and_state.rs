//! The recorded response, the state of a task, and the order of tasks and fields.
//!
//! "`response` is the API's answer as it was: every unknown field kept, numbers to the digit, `data:` payloads cut
//! out."

use serde_json::{Map, Value, json};

use super::fields::keys;
use crate::support::{Answer, Reply, World, sample, success};

#[test]
fn payloads_are_cut_out_anywhere_in_the_response() {
    let world = World::new();
    let data = "data:text/plain;base64,AVBBWUxPQUQ=";
    let mut answer = success(&json!({"videos": [data, {"url": data}], "images": {"url": data, "thumb": data}, "text": "la"}));
    answer["more"] = json!({"deep": [[data, {"k": " DATA:text/plain,AVBBWUxPQUQ="}], data], "link": "http://h/?u=data:,kept"});
    world.answer("t1", &answer);
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    let response = entry["response"].to_string();
    assert!(!response.contains("AVBBWUxPQUQ"), "{response}");
    assert!(response.contains("http://h/?u=data:,kept") && response.matches("data:text/plain;base64").count() >= 5, "{response}");
    let urls: Vec<&Value> = entry["files"].as_array().unwrap().iter().map(|file| &file["url"]).collect();
    assert_eq!(urls, ["data:"; 3]);
}

#[test]
fn error_entry_has_its_url_if_there_is_one() {
    let world = World::new();
    let dead = format!("{}/dead?sig=1", world.media.origin());
    world.serve_task("t1", &json!({"images": ["", dead, "data:,", "ftp://h/x?y"]}));
    world.run(&["t1"]).exits(1);
    let entry = world.task_entry("t1");
    let urls: Vec<Value> = entry["errors"].as_array().unwrap().iter().map(|error| error["url"].clone()).collect();
    assert_eq!(urls, [json!(null), json!(dead), json!("data:"), json!("ftp://h/x?y")]);
    assert_eq!(keys(&entry["errors"][0]), ["kind", "index", "code", "error"]);
    assert_eq!([0, 3].map(|at| &entry["errors"][at]["code"]), ["bad_url"; 2]);
}

#[test]
fn optional_field_is_present_only_when_known() {
    let world = World::new();
    let fields =
        json!({"progress": "100%", "message": "", "err_reason": "r", "submit_time": 1_753_598_930, "finish_time": "1753598990"});
    for (at, (name, value)) in fields.as_object().unwrap().iter().enumerate() {
        let id = format!("t{at}");
        let mut answer = Map::from_iter([(name.clone(), value.clone())]);
        answer.extend(success(&json!({"text": "la"})).as_object().unwrap().clone());
        if name != "progress" {
            answer.remove("progress");
        }
        world.answer(&id, &answer.into());
        world.run(&[&id]).exits(0);
        let expected = ["task_id", "state", "status", name, "archived_at", "text", "text_path", "files", "errors", "response"];
        assert_eq!(keys(&world.task_entry(&id)), expected);
    }
}

#[test]
fn every_time_is_rfc_3339_in_utc() {
    let world = World::new();
    let png = Reply::ok(sample("picture.png")).header("Last-Modified", "Sunday, 27-Jul-25 06:49:48 GMT");
    let mut answer = success(&json!({"images": [world.media.script("/p", [png])]}));
    (answer["submit_time"], answer["finish_time"]) = (json!("1753598930999"), json!(1_753_598_990.0));
    world.answer("t1", &answer);
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    assert_eq!([&entry["submit_time"], &entry["finish_time"]], ["2025-07-27T06:48:50Z", "2025-07-27T06:49:50Z"]);
    assert_eq!(entry["files"][0]["last_modified"], "2025-07-27T06:49:48Z");
    let archived = entry["archived_at"].as_str().unwrap();
    let shape: String = archived.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00Z");
}

#[test]
fn tasks_are_sorted_by_id_not_by_folder() {
    let world = World::new();
    let ids = ["10", "9", "A", "Z", "_a", "a", "aB", "b", "é", "日"];
    for id in ids {
        let path: String =
            id.bytes().map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
        world.answers_at(&format!("/task/{path}"), [Answer::json(200, &success(&json!({"text": id})))]);
    }
    let mut shuffled = ids;
    shuffled.reverse();
    world.run(&shuffled).exits(0);
    let root = world.root_manifest();
    let found: Vec<&str> = root["tasks"].as_array().unwrap().iter().map(|task| task["task_id"].as_str().unwrap()).collect();
    assert_eq!(found, ids);
}

#[test]
fn state_follows_from_saved_failed_and_left_out_assets() {
    let world = World::new();
    let (png, mp4) = (world.serve_sample("picture.png"), world.serve_sample("video-1s.mp4"));
    let dead = format!("{}/dead", world.media.origin());
    for (at, (result, only, state)) in [
        (json!({"images": [png], "text": "la"}), "image,text", "complete"),
        (json!({"images": [png]}), "image", "complete"),
        (json!({"text": "la"}), "text", "complete"),
        (json!({"images": [png], "text": "la"}), "image", "partial"),
        (json!({"images": [dead], "text": "la"}), "text", "partial"),
        (json!({"images": [dead], "text": "la"}), "audio", "partial"),
        (json!({"images": [dead], "videos": [mp4]}), "video", "partial"),
        (json!({"images": [dead, png], "videos": [mp4]}), "image", "incomplete"),
        (json!({"images": [dead]}), "image,text", "incomplete"),
        (json!({"images": [dead], "text": "la"}), "image,text,video,audio", "incomplete"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("t{at}");
        world.serve_task(&id, &result);
        let run = world.run_json(&[&id, "--only", only]).exits(i32::from(state == "incomplete"));
        let entry = world.task_entry(&id);
        assert_eq!((run.state(&id).as_str(), &entry["state"]), (state, &json!(state)), "{result} --only {only}");
        assert_eq!(entry["errors"].as_array().unwrap().is_empty(), state != "incomplete", "{result} --only {only}");
    }
}

/// The text of `response` in a task manifest.
fn response_text(world: &World, folder: &str) -> String {
    let text = std::fs::read_to_string(world.archive().join(folder).join("manifest.json")).unwrap();
    text.split_once("\"response\": ").unwrap().1.trim_end().strip_suffix("\n    }\n  ]\n}").unwrap().to_owned()
}

#[test]
fn response_is_kept_verbatim_without_whitespace() {
    let world = World::new();
    let answer = "{ \"status\" : \"SUCCESS\",\r\n\t\"b\":1.50, \"a\":[ 1e400 , -0.0,{ } ], \"b\" : \"a  \\u00e9\\/ \\\" b\", \
        \"task_result\": {\"text\":\"la\", \"image\": \"data:image/png;base64,QUJD\"}, \"key\": \"Bearer sk-it-key-0123456789abcdef\" } ";
    world.answers("t1", [Answer::raw(200, answer)]);
    world.run(&["t1"]).exits(0);
    let kept = r#"{"status":"SUCCESS","b":1.50,"a":[1e400,-0.0,{}],"b":"a  \u00e9\/ \" b","task_result":{"text":"la","image":"data:image/png;base64,"},"key":"Bearer [key]"}"#;
    assert_eq!(response_text(&world, "t1"), kept);
}

#[test]
fn indented_response_of_an_older_version_is_compacted_on_rewrite() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"images": [png], "text": "la"}));
    world.run(&["t1", "--only", "text"]).exits(0);
    let path = world.archive().join("t1/manifest.json");
    let compact = response_text(&world, "t1");
    let indented = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&compact).unwrap()).unwrap();
    let old = std::fs::read_to_string(&path).unwrap().replace(&compact, &indented);
    std::fs::write(&path, &old).unwrap();
    world.run(&["t1", "--only", "text"]).exits(0);
    world.run(&["t1", "--only", "text", "--force"]).exits(0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), old, "nothing is written merely for that");
    world.run(&["t1"]).exits(0);
    assert_eq!((response_text(&world, "t1"), &world.task_entry("t1")["state"]), (compact, &json!("complete")));
}
