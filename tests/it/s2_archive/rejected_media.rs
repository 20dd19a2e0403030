//! Bodies that are not media are refused by their bytes, whatever type they declare; incomplete media are kept with a
//! mark.
//!
//! "These bodies are refused, as an entry in `errors`: an empty body; a body whose bytes are HTML, JSON or XML other
//! than SVG; (judged on the first 64 KiB) a body that is all printable text other than SVG or an HLS playlist" · "A header
//! alone refuses nothing" · "An HLS playlist is kept, but its media is not in the archive: the task is `incomplete`" · "a
//! container whose own structure shows that it is cut" gets a warning.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

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

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Error messages as hosts and proxies send them with status 200.
fn messages() -> Vec<Vec<u8>> {
    let utf16 = |text: &str| [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let plain: Vec<Vec<u8>> = vec![
        b"Access denied: the signature has expired".to_vec(),
        b"error code: 1020".to_vec(),
        b"{\"a\": \"cut".to_vec(),
        b"code: 403\nmessage: expired\n".to_vec(),
        b"--b\r\nContent-Type: text/plain\r\n\r\nexpired\r\n--b--\r\n".to_vec(),
        b"x".to_vec(),
        b" \r\n".to_vec(),
        "\u{FEFF}Срок действия подписи истёк".into(),
        "アクセスが拒否されました".into(),
        b"Acc\xE8s refus\xE9".to_vec(),
        b"\xB7\xC3\xCE\xCA\xB1\xBB\xBE\xDC\xBE\xF8".to_vec(),
        utf16("Срок действия подписи истёк"),
        b"expired\0".to_vec(),
        "no such object\n".repeat(20_000).into(),
    ];
    let packed: Vec<Vec<u8>> = plain.iter().map(|body| gzip(body)).collect();
    let markup = [b"<!doctype html><p>Sign in".as_slice(), b"{\"error\":\"expired\"}", b"<Error/>"].map(gzip);
    plain.into_iter().chain(packed).chain(markup).collect()
}

#[test]
fn text_is_rejected_under_any_declared_type() {
    let world = World::new();
    let mut items = Vec::new();
    for (n, body) in messages().into_iter().enumerate() {
        for (m, content_type) in ["video/mp4", "image/png", "image/svg+xml", "audio/mpeg", ""].into_iter().enumerate() {
            let url = world.media.script(&format!("/{n}/{m}.mp4"), [Reply::ok(body.clone()).content_type(content_type)]);
            items.push(json!({"url": url, "content_type": content_type}));
        }
    }
    let entry = images(&world, "t1", &items, 1);
    assert_eq!((&entry["state"], &entry["files"]), (&json!("incomplete"), &json!([])));
    let errors = entry["errors"].as_array().unwrap();
    assert_eq!(errors.len(), items.len());
    assert!(errors.iter().all(|error| error["code"] == "refused_content"), "{entry}");
    assert!(errors[0]["error"].as_str().unwrap().contains("plain text instead of media"), "{entry}");
    assert_eq!(world.media.heads().len(), items.len(), "refused content is not requested again");
    assert_eq!(world.files("t1"), Vec::<String>::new());
}

#[test]
fn text_that_arrives_without_a_length_is_rejected() {
    let world = World::new();
    let text = || Reply::ok("Access denied: the signature has expired").content_type("video/mp4");
    let gzipped = Reply::ok(gzip(b"error code: 1020")).header("Content-Encoding", "gzip");
    let replies = [text().chunked(&[7]), text().without_length(), gzipped, text().with_status("203 So")];
    let urls: Vec<Value> =
        replies.into_iter().enumerate().map(|(n, reply)| json!(world.media.script(&format!("/{n}.mp4"), [reply]))).collect();
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!((entry["errors"].as_array().unwrap().len(), world.files("t1")), (4, Vec::new()), "{entry}");
}

#[test]
fn text_before_the_first_binary_byte_is_no_proof() {
    let world = World::new();
    let body = |text: usize| [vec![b'x'; text], vec![1; 100]].concat();
    let urls = [16 << 10, (64 << 10) - 1, 64 << 10]
        .map(|size| json!(world.media.script(&format!("/{size}"), [Reply::ok(body(size)).content_type("video/x-msvideo")])));
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!(world.files("t1"), ["image-1.avi", "image-2.avi"], "{entry}");
}

#[test]
fn compressed_media_is_kept() {
    let world = World::new();
    let urls = [("/a.svg", b"<svg xmlns='x'/>".to_vec()), ("/b.mp4", sample("video-1s.mp4"))]
        .map(|(path, body)| json!(world.media.script(path, [Reply::ok(gzip(&body))])));
    assert_eq!(extensions(&images(&world, "t1", &urls, 0)), ["svg", "mp4"]);
}

#[test]
fn file_that_its_own_structure_shows_as_cut_gets_a_warning() {
    let world = World::new();
    let names = [
        "video-1s.mp4",
        "fragmented.mp4",
        "clip.mov",
        "song.m4a",
        "picture.avif",
        "picture.png",
        "picture.jpg",
        "picture.gif",
        "picture.webp",
        "song.wav",
        "song.ogg",
        "song.opus",
        "clip.mkv",
        "clip.webm",
    ];
    let urls: Vec<Value> = names
        .iter()
        .map(|name| {
            let bytes = sample(name);
            json!(world.media.script(&format!("/{name}"), [Reply::ok(&bytes[..bytes.len() / 2])]))
        })
        .collect();
    let entry = images(&world, "t1", &urls, 0);
    assert_eq!(entry["state"], "complete");
    for file in entry["files"].as_array().unwrap() {
        let warnings = file["warnings"].as_array().unwrap();
        assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().starts_with("the file is cut: "), "{file}");
    }
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
