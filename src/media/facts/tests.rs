//! The facts of the samples, of turned pictures, and of damaged files.

use std::io::Cursor;
use std::time::{Duration, Instant};

use super::*;
use crate::media::damage::{damaged, xorshift};

macro_rules! samples {
    ($($name:literal $expected:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice(), $expected)),*]
    };
}

/// Samples with what ffprobe prints of them: size, frame rate, video codec, audio codec, sample rate, channels.
const SAMPLES: [(&str, &[u8], &str); 34] = samples![
    "video-1s.mp4" "64x64 12 h264 aac 22050 1",
    "fragmented.mp4" "64x64 12 h264 - - -",
    "moss.mp4" "400x300 12 h264 - - -",
    "tide.mp4" "400x300 12 h264 - - -",
    "clip.mov" "64x64 12 h264 - - -",
    "clip.webm" "64x64 12 vp8 - - -",
    "live.webm" "64x64 12 vp8 - - -",
    "clip.mkv" "64x64 12 h264 mp3 22050 1",
    "clip.avi" "64x64 12 mpeg4 - - -",
    "clip.mpg" "64x64 25 mpeg2video - - -",
    "song.mp3" "- - - mp3 22050 1",
    "bare.mp3" "- - - mp3 22050 1",
    "variable.mp3" "- - - mp3 16000 1",
    "song.wav" "- - - pcm 8000 1",
    "piped.wav" "- - - pcm 8000 1",
    "adpcm.wav" "- - - adpcm_ima_wav 8000 1",
    "song.flac" "- - - flac 8000 1",
    "song.ogg" "- - - vorbis 16000 1",
    "song.opus" "- - - opus 48000 1",
    "song.m4a" "- - - aac 22050 1",
    "song.aac" "- - - aac 22050 1",
    "song.aiff" "- - - pcm 8000 1",
    "picture.png" "48x48 - - - - -",
    "picture.jpg" "48x48 - - - - -",
    "picture.gif" "48x48 - - - - -",
    "picture.webp" "48x48 - - - - -",
    "picture.avif" "48x48 - - - - -",
    "picture.bmp" "24x24 - - - - -",
    "picture.tiff" "24x24 - - - - -",
    "picture.svg" "48x48 - - - - -",
    "dawn.png" "160x120 - - - - -",
    "dusk.jpg" "400x300 - - - - -",
    "sea.webp" "400x300 - - - - -",
    "playlist.m3u8" "- - - - - -",
];

fn facts(bytes: &[u8]) -> MediaFacts {
    read(Cursor::new(bytes), None)
}

fn line(facts: &MediaFacts) -> String {
    let size = facts.width.zip(facts.height).map(|(width, height)| format!("{width}x{height}"));
    let text = |codec: Option<&str>| codec.map(str::to_owned);
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let rate = facts.frame_rate.map(|rate| rate.to_string());
    [size, rate, text(facts.video_codec), text(facts.audio_codec), number(facts.sample_rate), number(facts.channels)]
        .map(|fact| fact.unwrap_or_else(|| "-".to_owned()))
        .join(" ")
}

#[test]
fn facts_are_read_from_every_format() {
    for (name, bytes, expected) in SAMPLES {
        let found = facts(bytes);
        assert_eq!(line(&found), expected, "{name}");
        assert!(!found.content_credentials, "{name}");
        assert_eq!(found.duration, duration::probe_duration(Cursor::new(bytes), None), "{name}");
    }
}

#[test]
fn unknown_files_have_no_facts() {
    for bytes in [b"".as_slice(), b"x", b"no media at all", b"RIFF", b"\0\0\0\x14ftypisom\0\0\0\0isom"] {
        assert_eq!(facts(bytes), MediaFacts::default());
    }
}

#[test]
fn content_credentials_are_found_with_the_other_facts() {
    let (_, png, _) = SAMPLES.iter().find(|(name, ..)| *name == "picture.png").unwrap();
    let store =
        [b"\0\0\0\x40jumb\0\0\0\x1Ejumdc2pa\0\x11\0\x10\x80\0\0\xAA\0\x38\x9B\x71\x03c2pa\0".as_slice(), &[7; 26]].concat();
    let chunk = [b"\0\0\0\x40caBX".as_slice(), &store, b"...."].concat();
    let found = facts(&[&png[..33], &chunk, &png[33..]].concat());
    assert!(found.content_credentials);
    assert_eq!(line(&found), "48x48 - - - - -");
}

#[test]
fn damaged_files_are_read_in_bounded_time() {
    let mut roll = xorshift(0x5DEE_CE66_D1CE_4E5B);
    for (name, bytes, _) in SAMPLES {
        for _ in 0..150 {
            let damaged = damaged(bytes, &mut roll);
            let start = Instant::now();
            let found = facts(&damaged);
            assert!(start.elapsed() < Duration::from_secs(20), "{name}");
            assert!(found.width.is_none_or(|width| width > 0) && found.width.is_some() == found.height.is_some(), "{name}");
        }
    }
}

/// Puts the matrix of a quarter turn into the first track header.
fn turn_movie(bytes: &[u8], at: [u8; 4]) -> Vec<u8> {
    let mut turned = bytes.to_vec();
    let start = bytes.windows(4).position(|window| window == at).unwrap() + 4 + if &at == b"mvhd" { 36 } else { 40 };
    for (index, number) in [0, 0x1_0000, 0, 0xFFFF_0000_u32, 0].into_iter().enumerate() {
        turned[start + index * 4..][..4].copy_from_slice(&number.to_be_bytes());
    }
    turned
}

#[test]
fn movie_is_turned_by_its_matrices() {
    let (_, movie, _) = SAMPLES.iter().find(|(name, ..)| *name == "moss.mp4").unwrap();
    let turned = turn_movie(movie, *b"tkhd");
    assert_eq!(line(&facts(&turned)), "300x400 12 h264 - - -");
    assert_eq!(line(&facts(&turn_movie(movie, *b"mvhd"))), "300x400 12 h264 - - -");
    assert_eq!(line(&facts(&turn_movie(&turned, *b"mvhd"))), "400x300 12 h264 - - -", "turned twice");
    let mut tilted = turned;
    let start = movie.windows(4).position(|window| window == b"tkhd").unwrap() + 44;
    tilted[start..start + 4].copy_from_slice(&[0, 1, 0, 0]);
    assert_eq!(line(&facts(&tilted)), "- 12 h264 - - -", "neither upright nor a quarter turn");
}

#[test]
fn picture_is_turned_by_its_orientation() {
    let exif = |orientation: u8| {
        [b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
    };
    let sample = |wanted: &str| SAMPLES.iter().find(|(name, ..)| *name == wanted).unwrap().1;
    for (orientation, is_turned) in [(1, false), (3, false), (6, true), (8, true), (9, false)] {
        let jpeg = sample("dusk.jpg");
        let segment = [b"\xFF\xE1\0\x22Exif\0\0".as_slice(), &exif(orientation)].concat();
        let expected = if is_turned { "300x400 - - - - -" } else { "400x300 - - - - -" };
        assert_eq!(line(&facts(&[&jpeg[..2], &segment, &jpeg[2..]].concat())), expected, "JPEG {orientation}");
        let png = sample("dawn.png");
        let chunk = [b"\0\0\0\x1AeXIf".as_slice(), &exif(orientation), b"...."].concat();
        let expected = if is_turned { "120x160 - - - - -" } else { "160x120 - - - - -" };
        assert_eq!(line(&facts(&[&png[..33], &chunk, &png[33..]].concat())), expected, "PNG {orientation}");
        let webp = [sample("sea.webp"), b"EXIF\x1A\0\0\0", &exif(orientation)].concat();
        let expected = if is_turned { "300x400 - - - - -" } else { "400x300 - - - - -" };
        assert_eq!(line(&facts(&webp)), expected, "WebP {orientation}");
    }
}

#[test]
fn bmp_header_has_several_versions() {
    let bmp = |header: &[u8]| line(&facts(&[b"BM............".as_slice(), header, &[0; 64]].concat()));
    assert_eq!(bmp(b"\x0C\0\0\0\x40\x01\xF0\0\x01\0\x18\0"), "320x240 - - - - -", "OS/2");
    assert_eq!(bmp(b"\x28\0\0\0\x40\x01\0\0\xF0\0\0\0\x01\0\x18\0"), "320x240 - - - - -");
    assert_eq!(bmp(b"\x28\0\0\0\x40\x01\0\0\x10\xFF\xFF\xFF\x01\0\x18\0"), "320x240 - - - - -", "the first row is the top one");
    assert_eq!(bmp(b"\x28\0\0\0\x40\x01\0\0\0\0\0\0\x01\0\x18\0"), "- - - - - -");
    assert_eq!(bmp(b"\x28\0\0\0\xC0\xFE\xFF\xFF\xF0\0\0\0\x01\0\x18\0"), "- - - - - -");
}
