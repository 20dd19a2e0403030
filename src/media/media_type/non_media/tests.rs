//! Texts and pages that hosts send instead of media.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::*;

fn detected(body: &[u8]) -> String {
    detect_non_media(body, true).map_or("-".to_owned(), |found| found.to_string())
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2], mark: &[u16]) -> Vec<u8> {
    mark.iter().copied().chain(text.encode_utf16()).flat_map(unit).collect()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn utf32(text: &str, unit: fn(u32) -> [u8; 4], mark: &[u32]) -> Vec<u8> {
    mark.iter().copied().chain(text.chars().map(u32::from)).flat_map(unit).collect()
}

macro_rules! samples {
    ($($name:literal),* $(,)?) => {
        [$(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice()),*]
    };
}

/// All samples that are not text.
const BINARY: [&[u8]; 34] = samples![
    "bare.mp3",
    "bloom.webp",
    "clip.mkv",
    "clip.mov",
    "clip.webm",
    "dawn.png",
    "dusk.jpg",
    "ember.jpg",
    "fragmented.mp4",
    "live.webm",
    "moss.mp4",
    "picture.avif",
    "picture.bmp",
    "picture.gif",
    "picture.jpg",
    "picture.png",
    "picture.tiff",
    "picture.webp",
    "piped.wav",
    "sea.webp",
    "song.aac",
    "song.flac",
    "song.m4a",
    "song.mp3",
    "song.ogg",
    "song.opus",
    "song.wav",
    "tide.mp4",
    "video-1s.mp4",
    "song.aiff",
    "adpcm.wav",
    "variable.mp3",
    "clip.avi",
    "clip.mpg",
];

#[test]
fn text_of_every_kind_is_no_media() {
    let latin_1 = b"Acc\xE8s refus\xE9 : la signature a expir\xE9";
    let gbk = b"\xB7\xC3\xCE\xCA\xB1\xBB\xBE\xDC\xBE\xF8";
    for body in [
        b"Access denied: the signature has expired".as_slice(),
        b"error code: 1020",
        b"--x\r\nContent-Type: text/plain\r\n\r\nno\r\n--x--\r\n",
        b"error:\n  code: 1020\n",
        b"{\"a\": \"cut",
        b"{",
        b"1234",
        b"x",
        b"\n",
        b" \r\n\t ",
        b"\x1B[31mdenied\x1B[0m",
        b"GIF89a is not an image",
        b"RIFFxxxxWEBP",
        b"<!-- an endless comment <svg>",
        "Zugriff verweigert: \u{17f}bgelaufen \u{1F6AB}".as_bytes(),
        &"\u{FEFF}Доступ запрещён".as_bytes()[..22],
        "\u{FEFF}".as_bytes(),
        latin_1,
        gbk,
        b"Access denied\0",
        b"Access denied\0\0\0\0\0\0\0",
    ] {
        assert_eq!(detected(body), "plain text", "{}", body.escape_ascii());
        assert_eq!(detected(&gzip(body)), "plain text", "in gzip: {}", body.escape_ascii());
    }
    for unit in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
        assert_eq!(detected(&utf16("Доступ запрещён \u{1F6AB}", unit, &[0xFEFF])), "plain text");
        assert_eq!(detected(&utf16("Access denied", unit, &[])), "plain text");
    }
}

#[test]
fn gzip_of_non_media_is_no_media() {
    let (page, playlist) = (format!("<!doctype html>{}", "<p>x</p>".repeat(50_000)), "#EXTM3U\n#EXTINF:4,\na.ts\n");
    for (body, expected) in [
        (page.as_bytes(), "an HTML page"),
        (b"{\"error\":\"expired\"}", "JSON"),
        (b"<Error><Code>AccessDenied</Code></Error>", "XML"),
        (playlist.as_bytes(), "plain text"),
        (b"", "-"),
        (b"<svg xmlns='x'/>", "-"),
        (BINARY[0], "-"),
        (BINARY[28], "-"),
    ] {
        let packed = gzip(body);
        assert_eq!(detected(&packed), if body.is_empty() { "plain text" } else { expected });
        if body.len() > 30 && expected != "-" {
            assert!(detect_non_media(&packed[..packed.len() - 9], false).is_some(), "the head is cut");
        }
    }
    for bare in [b"\x1F\x8B\x08".as_slice(), b"\x1F\x8B\x08\0\0\0\0\0\0\x03"] {
        assert_eq!(detected(bare), "plain text", "{}", bare.escape_ascii());
    }
    for broken in [b"\x1F\x8B".as_slice(), b"\x1F\x8B\x08\0\0\0\0\0\0\x03\xFF\xFF\xFF\xFF"] {
        assert_eq!(detected(broken), "-", "{}", broken.escape_ascii());
    }
}

#[test]
fn wide_text_is_decoded_without_a_mark() {
    for (text, expected) in [
        ("<!DOCTYPE html><title>Từ chối</title>", "an HTML page"),
        ("{\"lỗi\":\"hết hạn\"}", "JSON"),
        ("[\"é\"]", "JSON"),
        ("<Error>拒绝</Error>", "XML"),
        ("Erreur : accès refusé", "plain text"),
    ] {
        for (unit, wide) in [
            (u16::to_le_bytes as fn(u16) -> [u8; 2], u32::to_le_bytes as fn(u32) -> [u8; 4]),
            (u16::to_be_bytes, u32::to_be_bytes),
        ] {
            for (narrow_mark, wide_mark) in [([].as_slice(), [].as_slice()), (&[0xFEFF], &[0xFEFF])] {
                assert_eq!(detected(&utf16(text, unit, narrow_mark)), expected, "{text}");
                assert_eq!(detected(&utf32(text, wide, wide_mark)), expected, "{text}");
            }
        }
    }
    for text in ["访问被拒绝，链接已过期", "アクセスが拒否されました", "접근이 거부되었습니다", "Доступ запрещён", "Từ chối"]
    {
        for unit in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            assert_eq!(detected(&utf16(text, unit, &[])), "plain text", "{text}");
        }
    }
    for filler in [&[1; 64], &[4; 64], &[0x4E; 64].map(|byte: u8| byte ^ 0xFF)] {
        assert!(!encoding::is_unmarked_script(filler), "{}", filler.escape_ascii());
    }
}

#[test]
fn text_with_a_few_control_characters_is_no_media() {
    for (body, expected) in [
        (b"Access denied\x1A".as_slice(), "plain text"),
        (b"Access\x07 denied", "plain text"),
        (b"Access denied\x08", "plain text"),
        (b"Access\x0Bdenied", "plain text"),
        (b"\0Access denied", "plain text"),
        (b"\0{\"error\":1}", "JSON"),
        (b"{\"error\":\"a\x01b\"}", "JSON"),
        (b"\0<!doctype html><p>x", "an HTML page"),
        (b"\0<svg xmlns='x'/>", "-"),
        (b"\x02Access denied", "-"),
        (&[[b'x'; MAX_REPAIRED].as_slice(), b"\x01"].concat(), "-"),
        (b"A\x01c\x02e\x03s denied", "-"),
    ] {
        assert_eq!(detected(body), expected, "{}", body.escape_ascii());
    }
}

#[test]
fn text_that_is_packed_twice_or_with_zlib_is_no_media() {
    let text = b"{\"error\":\"the signature has expired\"}".as_slice();
    assert_eq!(detected(&gzip(&gzip(text))), "JSON");
    for level in [0, 1, 6, 9] {
        assert_eq!(detected(&zlib(text, level)), "JSON", "{level}");
        assert_eq!(detected(&zlib(BINARY[6], level)), "-", "{level}");
    }
    assert_eq!(detected(&gzip(&zlib(text, 6))), "JSON");
    assert_eq!(detected(b"x^2 is not media"), "plain text");
}

#[test]
fn media_is_no_text() {
    for bytes in BINARY {
        for length in [bytes.len(), bytes.len() / 2, 64, 40] {
            assert_eq!(detect_non_media(&bytes[..length.min(bytes.len())], false), None, "{}", bytes[..16].escape_ascii());
        }
        assert!(!is_inconclusive(&bytes[..bytes.len().min(16 << 10)]));
    }
    for bytes in [
        b"\0".as_slice(),
        &[0; 4096],
        b"\x7FELF\x02\x01\x01\0",
        b"\x01\x02 bytes without any magic",
        b"\xFF\xFB\x90\x64 all printable",
        b"\xFF\xD8\xFF\xE0 all printable",
        b"BM\0\0\0\0",
        b"GIF87a\0\0\0\0\0\0\0\0",
        b"#EXTM3U\n#EXT-X-VERSION:3\n",
        b"\xEF\xBB\xBF#EXTM3U\n",
        b"<?xml version='1.0'?><svg xmlns='x'/>",
        b"text, then NULs in between\0\0\0text",
        b"\xFF\xFE\x00\xD8<\x00",
        b"\x80",
        b"\x89PNG",
        b"\0BC",
    ] {
        assert_eq!(detected(bytes), "-", "{}", bytes.escape_ascii());
    }
}

#[test]
fn first_64_kib_decide() {
    let mut body = vec![b'x'; TEXT_HEAD_SIZE];
    assert_eq!(detect_non_media(&body, false), Some(NonMedia::Text));
    assert!(!is_inconclusive(&body) && is_inconclusive(&body[..100]));
    assert!(is_inconclusive(&gzip(&body)));
    body[TEXT_HEAD_SIZE - 1] = 1;
    assert_eq!(detect_non_media(&body, false), None);
}
