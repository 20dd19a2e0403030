//! What a file is called: its type, from whoever says one first, and its extension, from a closed table.
//!
//! "The extension comes from the API's `content_type` … from the HTTP `Content-Type`, then from the bytes' magic number, then
//! from the URL's path; else `bin`" · "One everyday extension a type" · "Bytes that are provably of another media type than
//! declared are kept, named as declared, and carry a warning and `detected_type`".

use serde_json::{Value, json};

use crate::support::{Reply, World, sample};

const NOISE: &[u8] = b"\x01\x02 bytes without any magic";

/// Archives `items` as the images of a task; its entry.
pub(super) fn images(world: &World, id: &str, items: &[Value], code: i32) -> Value {
    world.task(id, &json!({"images": items}));
    world.run(&[id]).exits(code);
    world.entry(id)
}

pub(super) fn extensions(entry: &Value) -> Vec<&str> {
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
