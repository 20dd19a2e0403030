//! Section 2, "Content and extension": what a file is, what it is called, and what is no file at all.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use crate::support::{Reply, World, sample};

const NOISE: &[u8] = b"\x01\x02 bytes without any magic";

/// Archives `items` as the images of a task; its entry.
fn images(world: &World, id: &str, items: &[Value], code: i32) -> Value {
    world.task(id, &json!({"images": items}));
    world.run(&[id]).exits(code);
    world.entry(id)
}

fn extensions(entry: &Value) -> Vec<&str> {
    entry["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().rsplit('.').next().unwrap()).collect()
}

#[test]
fn the_api_s_type_names_the_file_parameters_case_and_blanks_aside() {
    let world = World::new();
    let url = world.media.script("/x.gif", [Reply::ok(NOISE).typed("image/webp")]);
    let cases = [
        ("image/png", "png"),
        ("IMAGE/JPEG; quality=1", "jpg"),
        (" image / avif ;x", "avif"),
        ("image/jpg", "jpg"),
        ("image/svg+xml;charset=utf-8", "svg"),
        ("video/quicktime", "mov"),
        ("audio/mp3", "mp3"),
        ("audio/x-m4a", "m4a"),
        ("video/x-matroska", "mkv"),
        ("image/heif", "heic"),
        ("audio/x-wav", "wav"),
    ];
    let items: Vec<Value> = cases.iter().map(|(declared, _)| json!({"url": url, "content_type": declared})).collect();
    let entry = images(&world, "t1", &items, 0);
    assert_eq!(extensions(&entry), cases.map(|(_, extension)| extension));
    assert_eq!(entry["files"][0]["content_type"], "image/png");
}

#[test]
fn a_type_that_says_nothing_leaves_it_to_the_host_the_bytes_and_the_path() {
    let world = World::new();
    let says_nothing = [
        json!(null),
        json!(""),
        json!(" "),
        json!("application/octet-stream"),
        json!("binary/octet-stream"),
        json!("Application/Octet-Stream; x=1"),
        json!("png"),
        json!("image/"),
        json!("/png"),
        json!("text/html"),
        json!(7),
    ];
    let by = |path: &str, body: &[u8], http: &str| world.media.script(path, [Reply::ok(body).typed(http)]);
    let png = sample("picture.png");
    let hosts = [
        (by("/a.gif", &png, "image/webp"), "webp", "image/webp"),
        (by("/b.gif", &png, "application/octet-stream"), "png", "image/png"),
        (by("/c.GIF", NOISE, "nonsense"), "gif", "image/gif"),
        (by("/d.jpeg", NOISE, "text/plain"), "jpg", "image/jpeg"),
    ];
    for (n, (url, extension, content_type)) in hosts.iter().enumerate() {
        let items: Vec<Value> = says_nothing.iter().map(|nothing| json!({"url": url, "content_type": nothing})).collect();
        let entry = images(&world, &format!("t{n}"), &items, 0);
        assert_eq!(extensions(&entry), vec![*extension; says_nothing.len()]);
        assert_eq!(entry["files"][0]["content_type"], *content_type);
    }
    let bin = by("/x.php", NOISE, "");
    assert_eq!(extensions(&images(&world, "bin", &[json!(format!("{bin}?name=a.png#b.png"))], 0)), ["bin"]);
}

#[test]
fn every_sample_gets_its_everyday_extension_by_its_bytes_alone() {
    let world = World::new();
    let names = [
        "picture.png",
        "picture.jpg",
        "picture.webp",
        "picture.gif",
        "picture.avif",
        "picture.svg",
        "picture.tiff",
        "picture.bmp",
        "video-1s.mp4",
        "clip.mov",
        "clip.webm",
        "clip.mkv",
        "song.mp3",
        "song.wav",
        "song.flac",
        "song.ogg",
        "song.opus",
        "song.m4a",
        "song.aac",
    ];
    let urls: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(n, name)| json!(world.media.script(&format!("/{n}"), [Reply::ok(sample(name))])))
        .collect();
    let entry = images(&world, "t1", &urls, 0);
    assert_eq!(extensions(&entry), names.map(|name| name.rsplit('.').next().unwrap()));
    assert!(entry["files"].as_array().unwrap().iter().all(|file| file["warnings"] == json!([])), "{entry}");
}

#[test]
fn bytes_of_another_type_are_kept_as_declared_with_a_warning() {
    let world = World::new();
    let entry = images(&world, "t1", &[json!({"url": world.host("picture.jpg"), "content_type": "image/png"})], 0);
    let file = &entry["files"][0];
    assert_eq!((&file["path"], &file["content_type"]), (&json!("image-1.png"), &json!("image/png")));
    assert_eq!(file["detected_type"], "image/jpeg");
    assert_eq!(file["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(std::fs::read(world.archive().join("t1/image-1.png")).unwrap(), sample("picture.jpg"), "never altered");
}

#[test]
fn a_body_that_is_no_media_is_refused_by_its_bytes() {
    let world = World::new();
    let cases: [&[u8]; 14] = [
        b"",
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
        .map(|(n, body)| json!({"url": world.media.script(&format!("/{n}.png"), [Reply::ok(*body).typed("image/png")]), "content_type": "image/png"}))
        .collect();
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!((entry["state"].as_str(), entry["files"].as_array().unwrap().len()), (Some("incomplete"), 0), "{entry}");
    assert_eq!(entry["errors"].as_array().unwrap().len(), cases.len());
    assert_eq!(world.files("t1"), Vec::<String>::new(), "nothing of it stays");
}

#[test]
fn a_long_page_is_refused_as_a_short_one_is() {
    let world = World::new();
    let page = format!("<!doctype html>{}", "<p>x</p>".repeat(100_000));
    let json = format!(r#"{{"items":[{}1]}}"#, "1,".repeat(200_000));
    let urls = [("/a", page), ("/b", json)].map(|(path, body)| json!(world.media.script(path, [Reply::ok(body)])));
    assert_eq!(images(&world, "t1", &urls, 1)["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn a_header_alone_refuses_nothing() {
    let world = World::new();
    let urls = ["text/html", "application/json", "application/xml; charset=utf-8"].map(|content_type| {
        json!(world.media.script(&format!("/{}", content_type.len()), [Reply::ok(sample("picture.png")).typed(content_type)]))
    });
    assert_eq!(extensions(&images(&world, "t1", &urls, 0)), ["png"; 3]);
}

#[test]
fn an_svg_is_an_image_however_it_begins() {
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
fn a_playlist_is_kept_and_the_task_is_incomplete() {
    let world = World::new();
    world.task("t1", &json!({"videos": [world.host("playlist.m3u8")]}));
    assert_eq!(world.json(&["t1"]).exits(1).state("t1"), "incomplete");
    let entry = world.entry("t1");
    assert_eq!((&entry["state"], &entry["files"][0]["path"]), (&json!("incomplete"), &json!("video-1.m3u8")));
    assert_eq!(entry["errors"][0]["kind"], "video");
    assert_eq!(std::fs::read(world.archive().join("t1/video-1.m3u8")).unwrap(), sample("playlist.m3u8"));
}

#[test]

fn a_playlist_that_is_declared_a_video_is_a_playlist_all_the_same() {
    let world = World::new();
    world.task("t1", &json!({"videos": [{"url": world.host("playlist.m3u8"), "content_type": "video/mp4"}]}));
    assert_eq!(world.json(&["t1"]).exits(1).state("t1"), "incomplete");
    assert_eq!(world.entry("t1")["files"][0]["path"], "video-1.mp4", "named as declared");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut to = ZlibEncoder::new(Vec::new(), Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut to = DeflateEncoder::new(Vec::new(), Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

#[test]
fn forced_gzip_and_deflate_are_undone() {
    let world = World::new();
    let png = sample("picture.png");
    let coded = [
        ("gzip", gzip(&png)),
        ("GZip", [gzip(&png[..20]), gzip(&png[20..])].concat()),
        ("deflate", zlib(&png)),
        ("deflate", raw_deflate(&png)),
    ];
    let urls: Vec<Value> = coded
        .into_iter()
        .enumerate()
        .map(|(n, (coding, body))| {
            json!(world.media.script(&format!("/{n}"), [Reply::ok(body).header("Content-Encoding", coding)]))
        })
        .collect();
    images(&world, "t1", &urls, 0);
    for n in 1..=urls.len() {
        assert_eq!(std::fs::read(world.archive().join(format!("t1/image-{n}.png"))).unwrap(), png, "image {n}");
    }
    assert!(world.media.heads().iter().all(|head| !head.to_lowercase().contains("gzip")), "nobody asked for it");
}

#[test]

fn an_encoding_is_undone_however_its_first_bytes_arrive() {
    let world = World::new();
    let png = sample("picture.png");
    let urls = [("gzip", gzip(&png)), ("deflate", zlib(&png)), ("deflate", raw_deflate(&png))].map(|(coding, body)| {
        let path = format!("/{}", body.len());
        json!(world.media.script(&path, [Reply::ok(body).chunked(&[1, 1, 1]).header("Content-Encoding", coding)]))
    });
    images(&world, "t1", &urls, 0);
    for n in 1..=urls.len() {
        assert_eq!(std::fs::read(world.archive().join(format!("t1/image-{n}.png"))).unwrap(), png, "image {n}");
    }
}

#[test]
fn a_page_inside_an_encoding_is_refused_and_a_cut_encoding_is_no_file() {
    let world = World::new();
    let page = gzip(b"<!doctype html>");
    let mut cut = gzip(&sample("picture.jpg"));
    cut.truncate(cut.len() / 2);
    let urls = [("/page", page), ("/cut", cut)]
        .map(|(path, body)| json!(world.media.script(path, [Reply::ok(body).header("Content-Encoding", "gzip")])));
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!((entry["errors"].as_array().unwrap().len(), world.files("t1").len()), (2, 0));
}

#[test]
fn an_encoding_that_can_t_be_undone_is_an_error() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::ok(sample("picture.png")).header("Content-Encoding", "br")]);
    let entry = images(&world, "t1", &[json!(url)], 1);
    assert!(entry["errors"][0]["error"].as_str().unwrap().contains("br"), "{entry}");
}
