//! The assets of a response: lists in every shape, kinds, numbers, and invalid URLs.
//!
//! "`videos`, `images` and `audio` are lists of objects, but also one object, plain URL strings, or null" · "A lone
//! `task_result.url` takes its kind from its media type" · "N counts every item that is not null" · "Equal URLs are
//! separate assets".

use serde_json::{Value, json};

use crate::support::{Reply, World, sample, success};

fn paths(world: &World, folder: &str) -> Vec<String> {
    let entry = world.task_entry(folder);
    entry["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn keys(entries: &Value) -> Vec<String> {
    entries.as_array().unwrap().iter().map(|entry| format!("{} {}", entry["kind"].as_str().unwrap(), entry["index"])).collect()
}

#[test]
fn asset_lists_of_every_shape_are_read() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    let mp4 = world.serve_sample("video-1s.mp4");
    for (id, result, expected) in [
        ("objects", json!({"images": [{"url": png}, {"url": png}]}), &["image-1.png", "image-2.png"][..]),
        ("object", json!({"images": {"url": png}}), &["image-1.png"]),
        ("string", json!({"images": png}), &["image-1.png"]),
        ("strings", json!({"images": [png, png]}), &["image-1.png", "image-2.png"]),
        ("nulls", json!({"images": [null, png, null, {"url": png}], "videos": null}), &["image-1.png", "image-2.png"]),
        ("mixed", json!({"audio": [], "videos": [mp4], "images": {"url": png}}), &["video-1.mp4", "image-1.png"]),
        ("blanks", json!({"images": [format!(" {png}\n")]}), &["image-1.png"]),
    ] {
        world.serve_task(id, &result);
        world.run(&[id]).exits(0);
        assert_eq!(paths(&world, id), expected, "{id}");
    }
}

#[test]
fn list_decides_the_kind_even_against_the_content_type() {
    let world = World::new();
    let (png, mp4) = (world.serve_sample("picture.png"), world.serve_sample("video-1s.mp4"));
    world.serve_task(
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
fn single_url_kind_comes_from_declared_http_magic_then_path() {
    let world = World::new();
    let serve = |path: &str, body: Vec<u8>, http: &str| world.media.script(path, [Reply::ok(body).content_type(http)]);
    let noise = || b"\x01\x02 no magic".to_vec();
    for (id, url, declared, expected) in [
        ("declared", serve("/a.mp4", sample("picture.png"), "video/mp4"), "audio/mpeg", "audio-1.mp3"),
        ("http", serve("/b.mp4", sample("picture.png"), "Audio/MPEG; x=y"), "", "audio-1.mp3"),
        ("magic", serve("/c.mp4", sample("picture.png"), "application/octet-stream"), "binary/octet-stream", "image-1.png"),
        ("path", serve("/d.wav", noise(), "text/plain"), "x", "audio-1.wav"),
        ("nothing", serve("/e", noise(), ""), "application/octet-stream", "video-1.bin"),
        // A media type can name the kind without being in the table of extensions.
        ("declared-alone", serve("/f.mp4", sample("picture.png"), "video/mp4"), "audio/amr", "audio-1.mp4"),
        ("http-alone", serve("/g.mp4", noise(), "image/jxl"), "audio/", "image-1.mp4"),
    ] {
        world.serve_task(id, &json!({"url": url, "content_type": declared, "images": [], "videos": null}));
        world.run(&[id]).exits(0);
        assert_eq!(paths(&world, id), [expected], "{id}");
    }
}

#[test]
fn single_url_beside_a_list_is_ignored() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"url": format!("{}/input.png", world.media.origin()), "images": [png]}));
    world.run(&["t1"]).exits(0);
    assert_eq!((paths(&world, "t1"), world.media.request_count("/input.png")), (vec!["image-1.png".to_owned()], 0));
}

#[test]
fn only_urls_of_the_result_are_fetched() {
    let world = World::new();
    let trap = format!("{}/trap.png", world.media.origin());
    let mut answer = success(&json!({"images": [{"url": world.serve_sample("picture.png"), "thumbnail": trap}], "cover": trap}));
    answer["callback_url"] = json!(trap);
    answer["imageUrl"] = json!(trap);
    answer["message"] = json!(trap);
    world.answer("t1", &answer);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.media.request_count("/trap.png"), 0);
}

#[test]
fn every_non_null_item_gets_an_index() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    let host = world.media.origin().replace("http://", "");
    let none = json!([
        {"url": ""}, {"url": " "}, {}, 7, true, "", {"url": null}, {"url": 7}, {"url": [png]}, {"url": {"url": png}}, [png], [[png]], [],
        "/picture.png", "picture.png", "ftp://h/x.png", "file:///etc/passwd", "//h/x.png", "http://", "javascript:0",
        format!("http:{host}/picture.png"), format!("http:/{host}/picture.png"), format!("http:///{host}/picture.png"),
    ]);
    let mut items = none.as_array().unwrap().clone();
    let count = items.len();
    items.insert(1, Value::Null);
    items.push(json!(png));
    world.serve_task("t1", &json!({"images": items}));
    let run = world.run_json(&["t1"]).exits(1);
    assert_eq!(run.state("t1"), "incomplete");
    assert_eq!(paths(&world, "t1"), [format!("image-{}.png", count + 1)]);
    let errors: Vec<String> = (1..=count).map(|n| format!("image {n}")).collect();
    assert_eq!(keys(&world.task_entry("t1")["errors"]), errors);
    assert_eq!(world.media.heads().len(), 1);
}

#[test]
fn equal_urls_are_separate_assets() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"videos": [png], "images": [png, png]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(paths(&world, "t1"), ["video-1.png", "image-1.png", "image-2.png"]);
}

#[test]
fn invalid_value_in_place_of_a_list_counts_as_one_item() {
    let world = World::new();
    for (n, odd) in [json!(7), json!(true), json!(""), json!({}), json!({"url": 7}), json!({"urls": ["x"]}), json!("x.mp4")]
        .into_iter()
        .enumerate()
    {
        let id = format!("t{n}");
        world.serve_task(&id, &json!({"videos": odd, "text": "la"}));
        world.run(&[&id]).exits(1);
        assert_eq!(keys(&world.task_entry(&id)["errors"]), ["video 1"], "{odd}");
    }
}

#[test]
fn single_url_is_used_when_all_lists_are_empty() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    for (n, list) in [json!(null), json!([]), json!([null, null])].into_iter().enumerate() {
        let id = format!("t{n}");
        world.serve_task(&id, &json!({"url": png, "videos": list, "images": list, "audio": list}));
        world.run(&[&id]).exits(0);
        assert_eq!(paths(&world, &id), ["image-1.png"], "{list}");
    }
    for (n, none) in [json!(null), json!("")].into_iter().enumerate() {
        let id = format!("none{n}");
        world.serve_task(&id, &json!({"url": none, "videos": []}));
        assert_eq!(world.run_json(&[&id]).exits(1).state(&id), "empty", "{none}");
    }
}

#[test]
fn failed_single_url_is_an_error_of_its_kind() {
    let world = World::new();
    for (n, (url, content_type, slot)) in [
        (world.media.origin() + "/gone.mp3", "", "audio 1"),
        (world.media.origin() + "/gone", "image/png", "image 1"),
        (world.media.origin() + "/gone", "", "video 1"),
        ("ftp://h/a.png".to_owned(), "", "image 1"),
        ("nothing".to_owned(), "audio/x-amr", "audio 1"),
        ("data:image/png;base64,!".to_owned(), "", "image 1"),
        ("data:,".to_owned(), "", "video 1"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("t{n}");
        world.serve_task(&id, &json!({"url": url, "content_type": content_type}));
        world.run(&[&id]).exits(1);
        assert_eq!(keys(&world.task_entry(&id)["errors"]), [slot], "{url} {content_type}");
    }
}
