//! How the media type and the extension of a file are chosen: from the first source that names a known type, and a
//! closed table.
//!
//! "The extension comes from the API's `content_type` … from the HTTP `Content-Type`, then from the magic number of
//! the bytes, then from the URL's path; else it is `bin`" · "one everyday extension per type" · "Bytes that are
//! provably of another media type than declared are kept, named as declared, and get a warning and `detected_type`" ·
//! "Bytes without the signature that their declared type must have … bring a warning".

use serde_json::{Value, json};

use crate::support::{Reply, World, sample};

const NOISE: &[u8] = b"\x01\x02 bytes without any magic";

/// Archives `items` as the images of a task. Returns its manifest entry.
pub(super) fn images(world: &World, id: &str, items: &[Value], code: i32) -> Value {
    world.serve_task(id, &json!({"images": items}));
    world.run(&[id]).exits(code);
    world.task_entry(id)
}

pub(super) fn extensions(entry: &Value) -> Vec<&str> {
    entry["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().rsplit('.').next().unwrap()).collect()
}

#[test]
fn api_content_type_gives_the_extension() {
    let world = World::new();
    let url = world.media.script("/x.gif", [Reply::ok(NOISE).content_type("image/webp")]);
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
fn uninformative_type_falls_back_to_http_magic_then_path() {
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
    let by = |path: &str, body: &[u8], http: &str| world.media.script(path, [Reply::ok(body).content_type(http)]);
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
fn every_sample_gets_its_extension_from_magic_numbers() {
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
        "song.aiff",
        "adpcm.wav",
        "variable.mp3",
        "clip.avi",
        "clip.mpg",
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
fn file_of_another_type_is_named_as_declared_with_a_warning() {
    let world = World::new();
    let entry = images(&world, "t1", &[json!({"url": world.serve_sample("picture.jpg"), "content_type": "image/png"})], 0);
    let file = &entry["files"][0];
    assert_eq!((&file["path"], &file["content_type"]), (&json!("image-1.png"), &json!("image/png")));
    assert_eq!(file["detected_type"], "image/jpeg");
    assert_eq!(file["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(std::fs::read(world.archive().join("t1/image-1.png")).unwrap(), sample("picture.jpg"), "never altered");
}

/// Each extension of the table, the media type of it, and the first bytes of such a file.
fn table() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let padded = |magic: &[u8]| [magic, &[0; 64]].concat();
    let iso = |brand: &[u8]| padded(&[b"\0\0\0\x14ftyp", brand, b"\0\0\0\0", brand].concat());
    vec![
        ("jpg", "image/jpeg", padded(b"\xFF\xD8\xFF\xE0")),
        ("png", "image/png", sample("picture.png")),
        ("webp", "image/webp", padded(b"RIFF\x24\0\0\0WEBPVP8 ")),
        ("gif", "image/gif", padded(b"GIF87a")),
        ("avif", "image/avif", iso(b"avif")),
        ("svg", "image/svg+xml", sample("picture.svg")),
        ("heic", "image/heic", iso(b"heic")),
        ("tiff", "image/tiff", padded(b"MM\0*\0\0\0\x08")),
        ("bmp", "image/bmp", padded(b"BM")),
        ("mp4", "video/mp4", iso(b"isom")),
        ("mov", "video/quicktime", iso(b"qt  ")),
        ("webm", "video/webm", sample("clip.webm")),
        ("mkv", "video/x-matroska", sample("clip.mkv")),
        ("avi", "video/x-msvideo", padded(b"RIFF\x24\0\0\0AVI LIST")),
        ("mpg", "video/mpeg", padded(b"\0\0\x01\xBA")),
        ("m3u8", "application/vnd.apple.mpegurl", sample("playlist.m3u8")),
        ("mp3", "audio/mpeg", padded(b"\xFF\xFB\x90\x00")),
        ("wav", "audio/wav", padded(b"RIFF\x24\0\0\0WAVEfmt ")),
        ("flac", "audio/flac", padded(b"fLaC")),
        ("ogg", "audio/ogg", sample("song.ogg")),
        ("opus", "audio/opus", sample("song.opus")),
        ("m4a", "audio/mp4", iso(b"M4A ")),
        ("aac", "audio/aac", padded(b"\xFF\xF1\x50\x80")),
        ("aiff", "audio/aiff", padded(b"FORM\0\0\0\x24AIFF")),
    ]
}

#[test]
fn each_type_has_one_extension_from_every_source() {
    let world = World::new();
    let (mut items, mut expected) = (Vec::new(), Vec::new());
    for (extension, content_type, magic) in table() {
        let by = |who: &str, body: &[u8], http: &str| {
            world.media.script(&format!("/{extension}/{who}"), [Reply::ok(body).content_type(http)])
        };
        items.push(json!({"url": by("api.bin", NOISE, "image/x-none"), "content_type": content_type}));
        items.push(json!(by("http.bin", NOISE, content_type)));
        items.push(json!(by("magic.bin", &magic, "")));
        items.push(json!(by(&format!("path.{}", extension.to_uppercase()), NOISE, "")));
        expected.extend([extension; 4]);
    }
    // The media of the playlists are not in the archive.
    let entry = images(&world, "t1", &items, 1);
    assert_eq!(extensions(&entry), expected);
    let files = entry["files"].as_array().unwrap();
    for (file, (_, content_type, _)) in files.iter().zip(table().iter().flat_map(|row| [row; 4])) {
        assert_eq!((&file["content_type"], file.get("detected_type")), (&json!(content_type), None), "{file}");
    }
    for (n, file) in files.iter().enumerate() {
        // The third file of each type has its signature.
        let lacks = n % 4 != 2 && SIGNED.contains(&expected[n]);
        assert_eq!(file["warnings"].as_array().unwrap().len(), usize::from(lacks), "{file}");
    }
}

/// The types whose files all begin with a signature.
const SIGNED: [&str; 12] = ["png", "jpg", "gif", "webp", "avif", "mp4", "mov", "webm", "mkv", "flac", "wav", "ogg"];

#[test]
fn bytes_without_the_signature_of_their_type_are_kept_with_one_warning() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::ok(NOISE)]);
    let items: Vec<Value> =
        table().iter().map(|(_, content_type, _)| json!({"url": url, "content_type": content_type})).collect();
    let entry = images(&world, "t1", &items, 1);
    let files = entry["files"].as_array().unwrap();
    assert_eq!(files.len(), items.len());
    for (file, (extension, content_type, _)) in files.iter().zip(table()) {
        let expected = format!("declared as {content_type}, but its bytes lack the signature of that type");
        let expected = if SIGNED.contains(&extension) { json!([expected]) } else { json!([]) };
        assert_eq!((&file["warnings"], file.get("detected_type")), (&expected, None), "{file}");
    }
}

#[test]
fn type_of_the_path_alone_is_not_called_declared() {
    let world = World::new();
    let url = world.media.script("/x.png", [Reply::ok(NOISE)]);
    let entry = images(&world, "t1", &[json!(url)], 0);
    let expected = "named as image/png, but its bytes lack the signature of that type";
    assert_eq!(entry["files"][0]["warnings"], json!([expected]), "{entry}");
}

#[test]
fn audio_without_pictures_in_an_mp4_is_m4a_when_undeclared() {
    let world = World::new();
    let mut song = sample("song.m4a");
    song[8..12].copy_from_slice(b"isom");
    let brand = song.windows(4).skip(16).position(|window| window == b"M4A ").map(|at| at + 16);
    if let Some(at) = brand {
        song[at..at + 4].copy_from_slice(b"mp42");
    }
    let url = world.media.script("/song", [Reply::ok(song)]);
    let video = world.media.script("/video", [Reply::ok(sample("video-1s.mp4"))]);
    let declared = json!({"url": url, "content_type": "video/mp4"});
    world.serve_task("t1", &json!({"videos": [url, declared, video]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.files("t1"), ["video-1.m4a", "video-2.mp4", "video-3.mp4"]);
    world.serve_task("t2", &json!({"url": url}));
    world.run(&["t2"]).exits(0);
    assert_eq!(world.files("t2"), ["audio-1.m4a"]);
}

#[test]
fn aac_behind_a_long_tag_is_aac() {
    let world = World::new();
    let tag = [b"ID3\x04\0\0\0\x03\0\0".as_slice(), &vec![7; 3 << 14]].concat();
    let url = world.media.script("/song", [Reply::ok([tag, sample("song.aac")].concat())]);
    world.serve_task("t1", &json!({"audio": [url]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.files("t1"), ["audio-1.aac"]);
    assert_eq!(world.task_entry("t1")["files"][0]["duration_seconds"], 1.672);
}

#[test]
fn http_content_type_that_contradicts_the_bytes_gives_a_warning() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::ok(sample("picture.jpg")).content_type("image/png")]);
    let entry = images(&world, "t1", &[json!(url)], 0);
    assert_eq!((&entry["files"][0]["path"], &entry["files"][0]["detected_type"]), (&json!("image-1.png"), &json!("image/jpeg")));
}
