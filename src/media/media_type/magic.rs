//! Detects the media type of a file from its first bytes.
//!
//! The `infer` crate has most magic numbers. This module adds text formats, containers that several types share
//! (`container`), and the confidence of a match. A short magic number or an `ID3` tag proves nothing; a shared container
//! does not contradict the other types that use it.
//!
//! Invariant: [`mismatch`] returns only what is proven; [`from_bytes`] may return a likely type.

use super::sniff::{Confidence, Sniff, certain, certain_except, tentative};
use super::{MediaType, container, find_by_essence, markup};

/// Types that `infer` lacks, or that are outside the table: these only name what contradicts the declared type.
const OTHER_TYPES: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"glTF\x01\0\0\0", "model/gltf-binary"),
    (b"glTF\x02\0\0\0", "model/gltf-binary"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"8BPS\0\x01", "image/vnd.adobe.photoshop"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", "image/jp2"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "video/x-ms-asf"),
];

/// As many bytes as the magic numbers of `infer` take. It searches for that of a PDF in all that it gets.
const INFER_HEAD: usize = 264;

/// The media type of the first bytes, also by a short magic number.
#[must_use]
pub(crate) fn from_bytes(head: &[u8]) -> Option<MediaType> {
    find_by_essence(sniff(head)?.essence)
}

/// The type of the bytes, when they are provably not of the `declared` type.
pub(super) fn mismatch(declared: MediaType, head: &[u8]) -> Option<&'static str> {
    let found = sniff(head)?;
    let Confidence::CertainExcept(siblings) = found.confidence else { return None };
    let is_declared = find_by_essence(found.essence).is_some_and(|media_type| media_type.extension() == declared.extension());
    (!is_declared && !siblings.contains(&declared.extension())).then_some(found.essence)
}

pub(super) fn sniff(head: &[u8]) -> Option<Sniff> {
    sniff_builtin(head).or_else(|| sniff_text(head)).or_else(|| sniff_other(head)).or_else(|| sniff_with_infer(head))
}

fn sniff_builtin(head: &[u8]) -> Option<Sniff> {
    Some(match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => return container::sniff_iso(head),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => return container::sniff_ebml(head),
        [b'O', b'g', b'g', b'S', ..] => container::sniff_ogg(head),
        [0x89, b'P', b'N', b'G', ..] => certain("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => certain("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => certain("image/gif"),
        [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => certain("audio/wav"),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'C', ..] => certain("audio/aiff"),
        [b'I', b'D', b'3', ..] => container::sniff_after_id3_tag(head),
        [b'P', b'K', 0x03, 0x04, ..] => certain_except("application/zip", &["usdz"]),
        [0xFF, 0xE2 | 0xE3 | 0xF2 | 0xF3 | 0xFA | 0xFB, ..] => tentative("audio/mpeg"),
        [0xFF, 0xF0 | 0xF1 | 0xF8 | 0xF9, ..] => tentative("audio/aac"),
        _ => return None,
    })
}

fn sniff_text(head: &[u8]) -> Option<Sniff> {
    let text = markup::decode(head);
    if markup::is_playlist(&text) {
        Some(certain("application/vnd.apple.mpegurl"))
    } else {
        markup::is_svg(&text).then_some(certain("image/svg+xml"))
    }
}

fn sniff_other(head: &[u8]) -> Option<Sniff> {
    OTHER_TYPES.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, essence)| certain(essence))
}

fn sniff_with_infer(head: &[u8]) -> Option<Sniff> {
    let essence = find_by_essence(infer::get(head.get(..INFER_HEAD).unwrap_or(head))?.mime_type())?.essence();
    Some(match essence {
        // `infer` also finds the magic number of a PDF further on.
        "application/pdf" => return None,
        "image/bmp" | "image/gif" => tentative(essence),
        "video/mp4" => container::GENERIC_ISO,
        // `infer` found a bare `moov` or `mdat`: an old ISO file without a brand.
        "video/quicktime" => certain_except(essence, &["mp4", "m4a"]),
        _ => certain(essence),
    })
}

#[cfg(test)]
mod tests {
    use super::{from_bytes, mismatch};
    use crate::media::media_type::container::tests::{iso, ogg};
    use crate::media::media_type::{MediaType, parse_content_type};

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice()
        };
    }

    fn extension(head: &[u8]) -> &'static str {
        from_bytes(head).map_or("-", MediaType::extension)
    }

    fn mismatch_of(content_type: &str, head: &[u8]) -> Option<&'static str> {
        mismatch(parse_content_type(content_type).unwrap().media_type, head)
    }

    #[test]
    fn every_sample_is_detected_as_its_extension() {
        for (bytes, expected) in [
            (sample!("video-1s.mp4"), "mp4"),
            (sample!("fragmented.mp4"), "mp4"),
            (sample!("clip.mov"), "mov"),
            (sample!("clip.webm"), "webm"),
            (sample!("live.webm"), "webm"),
            (sample!("clip.mkv"), "mkv"),
            (sample!("song.mp3"), "mp3"),
            (sample!("bare.mp3"), "mp3"),
            (sample!("song.wav"), "wav"),
            (sample!("piped.wav"), "wav"),
            (sample!("song.flac"), "flac"),
            (sample!("song.ogg"), "ogg"),
            (sample!("song.opus"), "opus"),
            (sample!("song.m4a"), "m4a"),
            (sample!("song.aac"), "aac"),
            (sample!("picture.png"), "png"),
            (sample!("picture.jpg"), "jpg"),
            (sample!("picture.webp"), "webp"),
            (sample!("picture.gif"), "gif"),
            (sample!("picture.avif"), "avif"),
            (sample!("picture.svg"), "svg"),
            (sample!("picture.bmp"), "bmp"),
            (sample!("picture.tiff"), "tiff"),
            (sample!("playlist.m3u8"), "m3u8"),
        ] {
            assert_eq!(extension(bytes), expected);
            assert_eq!(mismatch_of(from_bytes(bytes).unwrap().essence(), bytes), None, "{expected}");
        }
    }

    #[test]
    fn type_is_detected_by_magic_number_or_text() {
        for (head, expected) in [
            (b"RF64....WAVE".to_vec(), "wav"),
            (b"FORM....AIFC".to_vec(), "aiff"),
            (b"\0\0\0\x08wide\0\0\0\0mdat".to_vec(), "mov"),
            (b"\xEF\xBB\xBF\n#EXTM3U\n".to_vec(), "m3u8"),
            (b"\xFF\xFE<\0s\0v\0g\0/\0>\0".to_vec(), "svg"),
            (b"\x7FELF".to_vec(), "-"),
            (b"%PDF-1.7".to_vec(), "pdf"),
            (b"PK\x03\x04....".to_vec(), "zip"),
            (b"glTF\x02\0\0\0".to_vec(), "glb"),
            (b"MThd\0\0\0\x06\0\x01".to_vec(), "mid"),
            (b"x%PDF-1.7".to_vec(), "-"),
            (b"<html>".to_vec(), "-"),
            (Vec::new(), "-"),
        ] {
            assert_eq!(extension(&head), expected, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn contradicting_bytes_are_reported_with_their_type() {
        for (content_type, head, expected) in [
            ("image/png", sample!("picture.jpg"), "image/jpeg"),
            ("image/jpeg", sample!("picture.webp"), "image/webp"),
            ("video/mp4", sample!("clip.mov"), "video/quicktime"),
            ("video/mp4", sample!("clip.webm"), "video/webm"),
            ("video/mp4", sample!("song.m4a"), "audio/mp4"),
            ("video/webm", sample!("clip.mkv"), "video/x-matroska"),
            ("video/x-matroska", sample!("clip.webm"), "video/webm"),
            ("audio/mpeg", sample!("song.wav"), "audio/wav"),
            ("audio/mpeg", sample!("video-1s.mp4"), "video/mp4"),
            ("audio/wav", sample!("song.flac"), "audio/flac"),
            ("audio/opus", sample!("song.ogg"), "audio/ogg"),
            ("audio/mpeg", b"ID3\x04\0\0\0\0\0\x02..fLaC", "audio/flac"),
            ("image/png", sample!("picture.svg"), "image/svg+xml"),
            ("video/mp4", sample!("playlist.m3u8"), "application/vnd.apple.mpegurl"),
            ("video/mp4", b"%PDF-1.7", "application/pdf"),
            ("image/png", b"PK\x03\x04....", "application/zip"),
        ] {
            assert_eq!(mismatch_of(content_type, head), Some(expected), "{content_type}");
        }
    }

    #[test]
    fn weak_or_compatible_signatures_contradict_nothing() {
        let weak: [&[u8]; 9] = [
            b"BM",
            b"BMxxxxxxxxxx",
            b"\xFF\xFB\x90\x00",
            b"\xFF\xF1\x50",
            b"ID3\x04\0\0\0\0\0\0",
            b"GIF?",
            b"\xFF\x0A",
            b"MZ",
            b"x%PDF-1.7",
        ];
        for head in weak {
            assert_eq!(mismatch_of("image/png", head), None, "{}", head.escape_ascii());
        }
        for (content_type, head) in [
            ("audio/mp4", iso(&[b"mp42", b"isom"])),
            ("audio/x-m4a", iso(&[b"isom"])),
            ("video/quicktime", iso(&[b"mp42"])),
            ("video/mp4", b"\0\0\0\x08moov\0\0\0\0\0\0\0\0".to_vec()),
            ("image/avif", iso(&[b"mif1"])),
            ("image/heif", iso(&[b"heic"])),
            ("audio/ogg", ogg(b"OpusHead")),
            ("video/ogg", ogg(b"\x80theora")),
            ("audio/opus", ogg(b"fishead\0")),
            ("audio/webm", sample!("clip.webm").to_vec()),
            ("audio/mp3", sample!("song.mp3").to_vec()),
            ("image/png", iso(&[b"wxyz"])),
            ("model/vnd.usdz+zip", b"PK\x03\x04....".to_vec()),
        ] {
            assert_eq!(mismatch_of(content_type, &head), None, "{content_type}");
        }
    }

    #[test]
    fn detection_accepts_a_head_of_any_length() {
        for bytes in
            [sample!("video-1s.mp4"), sample!("clip.webm"), sample!("song.opus"), sample!("song.mp3"), sample!("picture.svg")]
        {
            for length in 0..bytes.len().min(300) {
                let _ = (from_bytes(&bytes[..length]), mismatch_of("image/png", &bytes[..length]));
            }
        }
    }
}
