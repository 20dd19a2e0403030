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

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn cover_is_the_image_at_the_place_of_the_song_if_the_counts_match_else_the_first() {
    let song = |number| ("audio", number, "song.mp3");
    for (what, files, covers) in [
        (
            "as many",
            &[song(1), ("audio", 2, "song.m4a"), ("image", 1, "picture.jpg"), ("image", 2, "picture.png")][..],
            &[Some("picture.jpg"), Some("picture.png")][..],
        ),
        (
            "the files are not in order",
            &[("image", 2, "picture.png"), ("image", 1, "picture.jpg"), song(2), song(1)],
            &[Some("picture.jpg"), Some("picture.png")],
        ),
        (
            "the numbers have gaps",
            &[song(1), song(3), ("image", 2, "picture.jpg"), ("image", 4, "picture.png")],
            &[Some("picture.jpg"), Some("picture.png")],
        ),
        ("more songs", &[song(1), song(2), ("image", 1, "picture.jpg")], &[Some("picture.jpg"), Some("picture.jpg")]),
        ("more images", &[song(1), ("image", 1, "picture.png"), ("image", 2, "picture.jpg")], &[Some("picture.png")]),
        (
            "the image of one song is no cover",
            &[song(1), song(2), ("image", 1, "picture.png"), ("image", 2, "picture.webp")],
            &[Some("picture.png"), None],
        ),
        (
            "the first image is that of the other song",
            &[song(1), song(2), ("image", 1, "picture.webp"), ("image", 2, "picture.png")],
            &[None, Some("picture.png")],
        ),
        ("no image is a cover", &[song(1), ("image", 1, "picture.webp")], &[None]),
        (
            "the first that is a cover",
            &[song(1), ("image", 1, "picture.webp"), ("image", 2, "picture.jpg")],
            &[Some("picture.jpg")],
        ),
    ] {
        let world = World::new();
        add_task(&world, "t1", &json!({"meta": {"title": "song"}}), files);
        index(&world);
        // The images are not exported, and count all the same.
        export_files(&world, &["--tag", "--kind", "audio", "--name", "{kind}{n}"]).exits(0);
        let names = exported(&world);
        assert_eq!(names.len(), covers.len(), "{what}: {names:?}");
        for (name, cover) in names.iter().zip(covers) {
            let copy = fs::read(world.home().join("out").join(name)).unwrap();
            for picture in ["picture.jpg", "picture.png", "picture.webp"] {
                assert_eq!(holds(&copy, &sample(picture)), *cover == Some(picture), "{what}: {picture} in {name}");
            }
        }
    }
}

#[test]
fn title_comment_and_track_are_in_fields_of_their_own() {
    let world = World::new();
    let fields = json!({"meta": {"title": "Moon song", "prompt": "a cat on the moon"}});
    add_task(&world, "t1", &fields, &[("audio", 1, "song.mp3"), ("audio", 2, "song.flac"), ("audio", 3, "song.ogg")]);
    index(&world);
    export_files(&world, &["--tag", "--name", "{kind}{n}"]).exits(0);
    for name in ["audio2.flac", "audio3.ogg"] {
        let copy = fs::read(world.home().join("out").join(name)).unwrap();
        let text = String::from_utf8_lossy(&copy).to_uppercase();
        let number = &name["audio".len()..="audio".len()];
        let total = ["TRACKTOTAL=3", "TOTALTRACKS=3"].iter().any(|total| text.contains(total));
        assert!(text.contains("TITLE=MOON SONG") && text.contains("COMMENT=A CAT ON THE MOON"), "{name}");
        assert!(text.contains(&format!("TRACKNUMBER={number}")) && total, "{name}");
    }
    let copy = fs::read(world.home().join("out/audio1.mp3")).unwrap();
    // The value of a frame, without its header, in whatever encoding it has.
    let frame = |id: &[u8]| {
        let at = copy.windows(4).position(|window| window == id).unwrap();
        let size = usize::try_from(u32::from_be_bytes(copy[at + 4..at + 8].try_into().unwrap())).unwrap();
        String::from_utf8_lossy(&copy[at + 10..at + 10 + size]).replace('\0', "")
    };
    assert!(frame(b"TIT2").contains("Moon song"), "{:?}", frame(b"TIT2"));
    assert!(frame(b"COMM").contains("a cat on the moon"), "{:?}", frame(b"COMM"));
    assert!(frame(b"TRCK").contains("1/3"), "{:?}", frame(b"TRCK"));
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
