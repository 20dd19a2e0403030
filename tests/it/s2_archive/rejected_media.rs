//! Bodies that are not media are refused by their bytes, whatever type they declare; incomplete media are kept with a
//! mark.
//!
//! "These bodies are refused, as an entry in `errors`: an empty body; a body whose bytes are HTML, JSON or XML other
//! than SVG" · "A header alone refuses nothing" · "An HLS playlist is kept, but its media is not in the archive: the
//! task is `incomplete`".

use serde_json::{Value, json};

use super::media_types::{extensions, images};
use crate::support::{Reply, World, sample};

#[test]
fn non_media_body_is_rejected_by_its_bytes() {
    let world = World::new();
    let cases: [&[u8]; 18] = [
        b"",
        b"null",
        b"\"Access denied\"\n",
        b"true",
        b"<?xml version='1.0'?>\n<html xmlns='http://www.w3.org/1999/xhtml'/>",
        b"<!DOCTYPE html><title>Sign in</title>",
        b"\xef\xbb\xbf\r\n <HTML>",
        b"<!-- x --><html><body>",
        b"<script>location='/'</script>",
        br#"{"error":"expired"}"#,
        b" [1, 2]\n",
        b"{}",
        b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
        b"<Error/>",
        b"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
        b"<?xml version='1.0'?><!DOCTYPE plist><plist></plist>",
        b"\xff\xfe<\0h\0t\0m\0l\0>\0",
        b"\n\n<?xml version='1.0'?>\n<!-- <svg> --><rss></rss>",
    ];
    let urls: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(n, body)| json!({"url": world.media.script(&format!("/{n}.png"), [Reply::ok(*body).content_type("image/png")]), "content_type": "image/png"}))
        .collect();
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!((entry["state"].as_str(), entry["files"].as_array().unwrap().len()), (Some("incomplete"), 0), "{entry}");
    assert_eq!(entry["errors"].as_array().unwrap().len(), cases.len());
    assert_eq!(world.files("t1"), Vec::<String>::new(), "nothing of it is left");
}

#[test]
fn long_html_or_json_body_is_rejected() {
    let world = World::new();
    let page = format!("<!doctype html>{}", "<p>x</p>".repeat(100_000));
    let json = format!(r#"{{"items":[{}1]}}"#, "1,".repeat(200_000));
    let urls = [("/a", page), ("/b", json)].map(|(path, body)| json!(world.media.script(path, [Reply::ok(body)])));
    assert_eq!(images(&world, "t1", &urls, 1)["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn content_type_alone_rejects_nothing() {
    let world = World::new();
    let urls = ["text/html", "application/json", "application/xml; charset=utf-8"].map(|content_type| {
        json!(
            world
                .media
                .script(&format!("/{}", content_type.len()), [Reply::ok(sample("picture.png")).content_type(content_type)])
        )
    });
    assert_eq!(extensions(&images(&world, "t1", &urls, 0)), ["png"; 3]);
}

#[test]
fn svg_is_accepted_with_any_prolog() {
    let world = World::new();
    let bodies = [
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "\u{feff}<?xml version=\"1.0\"?>\n<!-- by x --><!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"x\"><svg xmlns='x'></svg>",
        "<svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>",
    ];
    let urls: Vec<Value> =
        bodies.iter().enumerate().map(|(n, body)| json!(world.media.script(&format!("/{n}"), [Reply::ok(*body)]))).collect();
    assert_eq!(extensions(&images(&world, "t1", &urls, 0)), ["svg"; 3]);
}

#[test]
fn playlist_is_kept_and_the_task_is_incomplete() {
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("playlist.m3u8")]}));
    assert_eq!(world.run_json(&["t1"]).exits(1).state("t1"), "incomplete");
    let entry = world.task_entry("t1");
    assert_eq!((&entry["state"], &entry["files"][0]["path"]), (&json!("incomplete"), &json!("video-1.m3u8")));
    assert_eq!(entry["errors"][0]["kind"], "video");
    assert_eq!(entry["errors"][0]["code"], "refused_content");
    assert_eq!(std::fs::read(world.archive().join("t1/video-1.m3u8")).unwrap(), sample("playlist.m3u8"));
}

#[test]
fn playlist_declared_as_video_is_treated_as_a_playlist() {
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [{"url": world.serve_sample("playlist.m3u8"), "content_type": "video/mp4"}]}));
    assert_eq!(world.run_json(&["t1"]).exits(1).state("t1"), "incomplete");
    assert_eq!(world.task_entry("t1")["files"][0]["path"], "video-1.mp4", "named as declared");
}

#[test]
fn non_media_body_is_rejected_under_any_declared_type() {
    let world = World::new();
    let bodies = ["<!doctype html><p>Sign in", r#"{"error":"expired"}"#, "<Error><Code>AccessDenied</Code></Error>"];
    let types = ["image/svg+xml", "image/png", "video/mp4", "audio/mpeg", "application/vnd.apple.mpegurl", "text/html", ""];
    let mut items = Vec::new();
    for (n, body) in bodies.iter().enumerate() {
        for (m, content_type) in types.iter().enumerate() {
            let path = format!("/{n}/{m}.svg");
            let reply = Reply::ok(*body).content_type(content_type);
            items.push(json!({"url": world.media.script(&path, [reply]), "content_type": content_type}));
        }
    }
    let entry = images(&world, "t1", &items, 1);
    assert_eq!((entry["errors"].as_array().unwrap().len(), world.files("t1")), (items.len(), Vec::new()), "{entry}");
    assert_eq!(world.media.heads().len(), items.len(), "refused content is not requested again");
}

#[test]
fn empty_body_is_rejected_with_any_framing() {
    let world = World::new();
    let replies =
        [Reply::ok(""), Reply::ok("").chunked(&[]), Reply::ok("").without_length(), Reply::ok("").with_status("204 No Content")];
    let urls: Vec<Value> =
        replies.into_iter().enumerate().map(|(n, reply)| json!(world.media.script(&format!("/{n}.png"), [reply]))).collect();
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!((entry["errors"].as_array().unwrap().len(), world.files("t1")), (4, Vec::new()), "{entry}");
}

#[test]
fn video_declared_as_playlist_is_treated_as_a_video() {
    let world = World::new();
    let item = json!({"url": world.serve_sample("video-1s.mp4"), "content_type": "application/x-mpegURL"});
    world.serve_task("t1", &json!({"videos": [item]}));
    assert_eq!(world.run_json(&["t1"]).exits(0).state("t1"), "complete");
    let file = &world.task_entry("t1")["files"][0];
    assert_eq!((&file["path"], &file["detected_type"]), (&json!("video-1.m3u8"), &json!("video/mp4")));
}

#[test]
fn playlist_is_not_fetched_again() {
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("playlist.m3u8")]}));
    world.run(&["t1"]).exits(1);
    let before = world.tree();
    world.run(&["t1"]).exits(1);
    assert_eq!((world.tree(), world.media.request_count("/playlist.m3u8")), (before, 1));
}
