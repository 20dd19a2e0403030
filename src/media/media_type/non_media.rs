//! Detects bodies that are no media: markup, JSON and all other text.
//!
//! An error page or an API error that arrives with status 200 must never be archived as a video. Only the bytes decide;
//! headers don't count.
//! - Markup and JSON are refused by their structure (`markup`), also when control characters follow.
//! - Any other text is refused when the first 64 KiB have no control character, in any encoding. Media has such characters
//!   in its headers. SVG images and HLS playlists are text and are accepted.
//! - Some hosts send such a text as gzip without a `Content-Encoding`. So the content of a gzip body counts, too.
//!
//! Text in an unknown 8-bit encoding, or with NULs at its end, is refused only without the magic number of a media type, and
//! text in an unmarked encoding only from a few bytes on: a short body can lack control characters by coincidence.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{magic, markup};

/// How many of a file's first bytes decide whether it is text.
pub(super) const TEXT_HEAD_SIZE: usize = 64 << 10;

/// Text whose encoding nothing shows is at least so long.
const MIN_UNMARKED: usize = 8;

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
    if let Some((content, is_whole)) = gzip_content(head) {
        return match detect_text(&content, is_whole) {
            // A file of nothing.
            _ if content.is_empty() => Some(NonMedia::Text),
            // A playlist is text, and compressed no player reads it.
            Text::Playlist => Some(NonMedia::Text),
            Text::NonMedia(found) => Some(found),
            Text::Svg | Text::None => None,
        };
    }
    match detect_text(head, is_whole) {
        Text::NonMedia(found) => Some(found),
        Text::Svg | Text::Playlist | Text::None => None,
    }
}

/// Whether more bytes than `head` can change what [`detect_non_media`] finds.
pub(super) fn is_inconclusive(head: &[u8]) -> bool {
    head.len() < TEXT_HEAD_SIZE && (is_gzip(head) || is_text(head))
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
        None if is_text(if is_whole { trim_nuls(head) } else { head }) => Text::NonMedia(NonMedia::Text),
        None => Text::None,
    }
}

/// Whether bytes that are not empty are all printable text, in any encoding.
fn is_text(bytes: &[u8]) -> bool {
    match bytes {
        [] => false,
        [0xFF, 0xFE, units @ ..] if is_utf16(units, u16::from_le_bytes) => true,
        [0xFE, 0xFF, units @ ..] if is_utf16(units, u16::from_be_bytes) => true,
        _ if markup::is_binary(bytes) => is_ascii_as_utf16(bytes),
        _ => is_utf8(bytes) || (bytes.len() >= MIN_UNMARKED && magic::sniff(bytes).is_none()),
    }
}

/// Whether it is UTF-8. The end may cut a character.
fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
}

/// Whether it is printable UTF-16. The end may cut a character.
fn is_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> bool {
    let units = bytes.as_chunks().0.iter().copied().map(unit);
    let mut characters = char::decode_utf16(units).peekable();
    while let Some(character) = characters.next() {
        match character {
            Ok('\u{FFFE}' | '\u{FFFF}') => return false,
            Ok(character) if character.is_ascii() && markup::is_binary(&[character as u8]) => return false,
            Err(_) if characters.peek().is_some() => return false,
            _ => {}
        }
    }
    true
}

/// Whether it is printable ASCII in UTF-16 without a byte-order mark.
fn is_ascii_as_utf16(bytes: &[u8]) -> bool {
    let is_printable = |byte: u8| byte.is_ascii() && !markup::is_binary(&[byte]);
    let (units, _) = bytes.as_chunks();
    bytes.len() >= MIN_UNMARKED
        && (units.iter().all(|[low, high]| *high == 0 && is_printable(*low))
            || units.iter().all(|[high, low]| *high == 0 && is_printable(*low)))
}

/// A text without the NULs at its end. UTF-16, a body of NULs alone, and one with a magic number are returned as they are.
fn trim_nuls(body: &[u8]) -> &[u8] {
    let is_utf16 = matches!(body, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) || is_ascii_as_utf16(body);
    match body.iter().rposition(|byte| *byte != 0) {
        Some(last) if last + 1 < body.len() && !is_utf16 && magic::sniff(body).is_none() => &body[..=last],
        _ => body,
    }
}

fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1F, 0x8B, 8])
}

/// The first bytes in a gzip file, and whether they are all of it. `None` for another file, or when nothing can be decoded.
fn gzip_content(head: &[u8]) -> Option<(Vec<u8>, bool)> {
    if !is_gzip(head) {
        return None;
    }
    let mut content = Vec::new();
    // What precedes an error counts: the head is usually cut.
    let read = MultiGzDecoder::new(head).take(TEXT_HEAD_SIZE as u64).read_to_end(&mut content);
    let is_whole = read.is_ok() && content.len() < TEXT_HEAD_SIZE;
    (is_whole || !content.is_empty()).then_some((content, is_whole))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

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
        for broken in [b"\x1F\x8B".as_slice(), b"\x1F\x8B\x08", b"\x1F\x8B\x08\0\0\0\0\0\0\x03\xFF\xFF\xFF\xFF"] {
            assert_eq!(detected(broken), "-", "{}", broken.escape_ascii());
        }
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
