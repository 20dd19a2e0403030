//! Detects bodies that are no media: markup, JSON and all other text.
//!
//! An error page or an API error that arrives with status 200 must never be archived as a video. Only the bytes decide;
//! headers don't count.
//! - Markup and JSON are refused by their structure (`markup`), also when control characters follow.
//! - Any other text is refused when the first 64 KiB have no control character, in any encoding. Media has such characters
//!   in its headers. SVG images and HLS playlists are text and are accepted.
//! - A small text may have a few control characters that do not belong there: NULs at its ends, a bell.
//! - Some hosts pack such a text with gzip or zlib without a `Content-Encoding`, even twice. So the content counts, too.
//!
//! Text in an unknown 8-bit encoding, or with control characters, is refused only without the magic number of a media type, and
//! text in an unmarked encoding only from a few bytes on: a short body can lack control characters by coincidence.

use super::encoding::{self, MIN_UNMARKED, WideText};
use super::{magic, markup, packed};

/// How many of a file's first bytes decide whether it is text.
pub(super) const TEXT_HEAD_SIZE: usize = 64 << 10;

/// How often a text can be packed.
const MAX_LEVELS: usize = 2;

/// A text with control characters that do not belong there is at most so long.
const MAX_REPAIRED: usize = 4 << 10;

/// The type of a body that is no media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NonMedia {
    /// An HTML page.
    #[error("an HTML page")]
    Html,
    /// A JSON object or list, or a body that is just one JSON string, boolean or null.
    #[error("JSON")]
    Json,
    /// Any XML but SVG.
    #[error("XML")]
    Xml,
    /// Any other text but an HLS playlist.
    #[error("plain text")]
    Text,
}

/// The type of a body whose bytes prove that it is no media. `head` has its first bytes, or the whole body when `is_whole`.
pub(super) fn detect_non_media(head: &[u8], is_whole: bool) -> Option<NonMedia> {
    let packed = detect_packed(head, is_whole, MAX_LEVELS);
    if packed.is_some() || packed::is_gzip(head) {
        return packed;
    }
    match detect_text(head, is_whole) {
        Text::NonMedia(found) => Some(found),
        Text::Svg | Text::Playlist | Text::None => None,
    }
}

/// The type of a packed body that is no media.
fn detect_packed(head: &[u8], is_whole: bool, levels: usize) -> Option<NonMedia> {
    let content = packed::unpack(head, is_whole)?;
    if levels > 1
        && let Some(found) = detect_packed(&content.bytes, content.is_whole, levels - 1)
    {
        return Some(found);
    }
    match detect_text(&content.bytes, content.is_whole) {
        // A file of nothing.
        _ if content.bytes.is_empty() => Some(NonMedia::Text),
        // A playlist is text, and packed no player reads it.
        Text::Playlist => Some(NonMedia::Text),
        Text::NonMedia(found) => Some(found),
        Text::Svg | Text::None => None,
    }
}

/// Whether more bytes than `head` can change what [`detect_non_media`] finds.
pub(super) fn is_inconclusive(head: &[u8]) -> bool {
    head.len() < TEXT_HEAD_SIZE && (packed::is_gzip(head) || packed::is_zlib(head) || is_text(head))
}

enum Text {
    NonMedia(NonMedia),
    Svg,
    Playlist,
    /// Not text, as far as the bytes show.
    None,
}

fn detect_text(head: &[u8], is_whole: bool) -> Text {
    let text = markup::decode(head);
    match markup::root_element(&text) {
        Some(markup::RootElement::Html) => Text::NonMedia(NonMedia::Html),
        Some(markup::RootElement::Xml) => Text::NonMedia(NonMedia::Xml),
        Some(markup::RootElement::Svg) => Text::Svg,
        None if markup::is_json(&text, is_whole) => Text::NonMedia(NonMedia::Json),
        None if markup::is_playlist(&text) => Text::Playlist,
        None if is_text(head) => Text::NonMedia(NonMedia::Text),
        None => match is_whole.then(|| repair(head)).flatten() {
            Some(repaired) => detect_text(&repaired, is_whole),
            None => Text::None,
        },
    }
}

/// Whether bytes that are not empty are all printable text, in any encoding.
fn is_text(bytes: &[u8]) -> bool {
    if let Some(text) = WideText::decode(bytes)
        && text.is_printable()
    {
        return true;
    }
    match bytes {
        [] => false,
        // Binary formats without a row in the table of types can look like such a script, too.
        _ if markup::is_binary(bytes) => encoding::is_unmarked_script(bytes) && !has_magic(bytes) && infer::get(bytes).is_none(),
        _ => is_utf8(bytes) || (bytes.len() >= MIN_UNMARKED && !has_magic(bytes)),
    }
}

fn has_magic(bytes: &[u8]) -> bool {
    magic::sniff(bytes).is_some()
}

/// Whether it is UTF-8. The end may cut a character.
fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
}

/// A text without control characters that do not belong there: NULs at its ends, an end mark of old systems behind it, and a
/// few others in between. `None` when it has none of them, or is no such text.
fn repair(body: &[u8]) -> Option<Vec<u8>> {
    if WideText::decode(body).is_some() || has_magic(body) {
        return None;
    }
    let start = body.iter().position(|byte| *byte != 0)?;
    let end = body.iter().rposition(|byte| !matches!(byte, 0 | 0x1A))? + 1;
    let text = body.get(start..end)?;
    let is_control = |byte: &u8| markup::is_binary(&[*byte]);
    if !text.iter().any(is_control) {
        return (text.len() < body.len() && (start == 0 || text.len() >= MIN_UNMARKED)).then(|| text.to_vec());
    }
    if !(MIN_UNMARKED..=MAX_REPAIRED).contains(&text.len()) {
        return None;
    }
    let controls = text.iter().filter(|byte| is_control(byte)).count();
    let is_plausible = !is_control(text.first()?) && controls <= (text.len() / 16).max(1);
    (is_plausible && is_utf8(text) && !text.contains(&0))
        .then(|| text.iter().map(|byte| if is_control(byte) { b' ' } else { *byte }).collect())
}

#[cfg(test)]
mod tests {
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
}
