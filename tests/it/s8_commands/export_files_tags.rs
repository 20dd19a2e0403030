//! `export files --tag`: tags in copies of audio files, and never in the archive.

use std::fs;

use serde_json::json;

use super::export_files::{add_task, export_files, exported, index};
use crate::support::{World, sample};

#[test]
fn copies_of_songs_are_tagged_and_everything_else_is_copied() {
    let world = World::new();
    let songs = ["song.mp3", "song.m4a", "song.flac", "song.ogg", "song.opus", "song.wav"];
    let mut files: Vec<(&str, usize, &str)> = songs.iter().enumerate().map(|(at, name)| ("audio", at + 1, *name)).collect();
    files.extend([("audio", 7, "song.aiff"), ("image", 1, "picture.jpg"), ("video", 1, "video-1s.mp4")]);
    let fields = json!({"meta": {"prompt": "a cat on the moon"}, "platform": "suno", "model": "v4", "text": "[Verse]\nla la"});
    add_task(&world, "t1", &fields, &files);
    index(&world);
    let before = world.tree();
    let run = export_files(&world, &["--tag", "--name", "{kind}{n}"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("wrote out: 1 task, 9 files\n", ""));
    let read = |name: String| fs::read(world.home().join("out").join(name)).unwrap();
    for (_, number, name) in &files[..6] {
        let copy = read(format!("audio{number}.{}", name.rsplit_once('.').unwrap().1));
        for text in ["a cat on the moon", "suno v4", "[Verse]"] {
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let holds = |bytes: &[u8]| copy.windows(bytes.len()).any(|part| part == bytes);
            assert!(holds(text.as_bytes()) || holds(&utf16), "{name} {text}");
        }
        assert!(copy.len() > sample(name).len() + sample("picture.jpg").len(), "{name} has a cover");
    }
    for (name, original) in [("audio7.aiff", "song.aiff"), ("image1.jpg", "picture.jpg"), ("video1.mp4", "video-1s.mp4")] {
        assert_eq!(read(name.to_owned()), sample(original), "{name}");
    }
    assert!(world.tree() == before, "the archive is not changed");
    let again = export_files(&world, &["--tag", "--name", "{kind}{n}"]).exits(0);
    assert_eq!(again.stdout, "out is up to date: 1 task, 9 files\n");
}

#[test]
fn file_that_cannot_be_tagged_is_copied_with_a_warning() {
    let world = World::new();
    let mut signed = sample("song.mp3");
    // An ID3 frame with a C2PA manifest.
    let mime = b"\0application/x-c2pa-manifest-store\0\0c2pa\0data";
    let frame = [b"GEOB".as_slice(), &u32::try_from(mime.len()).unwrap().to_be_bytes(), &[0, 0], mime].concat();
    let size = u8::try_from(frame.len()).unwrap();
    signed.splice(0..0, [b"ID3\x03\0\0\0\0\0".as_slice(), &[size], &frame].concat());
    add_task(&world, "t1", &json!({"meta": {"title": "song"}}), &[("audio", 1, "song.mp3"), ("audio", 2, "picture.png")]);
    let folder = world.archive().join("t1");
    // Bytes of another format than the name says.
    fs::rename(folder.join("audio-2.png"), folder.join("audio-2.mp3")).unwrap();
    fs::write(folder.join("audio-1.mp3"), &signed).unwrap();
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap().replace("audio-2.png", "audio-2.mp3");
    let (size, hash) = (sample("song.mp3").len(), crate::support::audit::sha256(&sample("song.mp3")));
    let manifest = manifest.replace(&format!("\"size\":{size}"), &format!("\"size\":{}", signed.len()));
    fs::write(folder.join("manifest.json"), manifest.replace(&hash, &crate::support::audit::sha256(&signed))).unwrap();
    index(&world);
    let run = export_files(&world, &["--tag", "--name", "{title}{n}"]).exits(0);
    assert_eq!(run.stderr.lines().filter(|line| line.contains("is copied without tags")).count(), 2, "{run:?}");
    assert!(run.stderr.contains("content credentials"), "{run:?}");
    assert_eq!(exported(&world), ["song1.mp3", "song2.mp3"]);
    assert_eq!(fs::read(world.home().join("out/song1.mp3")).unwrap(), signed);
    assert_eq!(fs::read(world.home().join("out/song2.mp3")).unwrap(), sample("picture.png"));
}
