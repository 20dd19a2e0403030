//! The signatures that every file of some types has.
//!
//! A file without the signature of its declared type is no such file, whatever else it is. This is weaker than a mismatch,
//! which also proves another type.

use super::MediaType;
use crate::media::{id3, iso_boxes};

/// Whether `head` lacks the signature that every file of this type has. False for a type without such a signature.
pub(super) fn is_missing(media_type: MediaType, head: &[u8]) -> bool {
    let has_signature = match media_type.extension() {
        "png" => head.starts_with(b"\x89PNG\r\n\x1A\n"),
        "jpg" => head.starts_with(b"\xFF\xD8\xFF"),
        "gif" => head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a"),
        "webp" => head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP"),
        "avif" => head.get(4..8) == Some(b"ftyp"),
        "mp4" | "mov" => head.get(4..8).is_some_and(iso_boxes::is_top_level),
        "webm" | "mkv" => behind_voids(head).is_none_or(|header| header.starts_with(b"\x1A\x45\xDF\xA3")),
        // A tag that is longer than the head shows nothing.
        "flac" => id3::behind_tag(head).is_none_or(|audio| audio.starts_with(b"fLaC")),
        "wav" => id3::behind_tag(head).is_none_or(is_wave),
        "ogg" => head.starts_with(b"OggS"),
        _ => true,
    };
    !has_signature
}

fn is_wave(head: &[u8]) -> bool {
    [b"RIFF", b"RIFX", b"RF64", b"BW64"].iter().any(|kind| head.starts_with(*kind)) && head.get(8..12) == Some(b"WAVE")
}

/// What follows the `Void` elements at the beginning of an EBML file; `None` when they are longer than `head`.
fn behind_voids(mut head: &[u8]) -> Option<&[u8]> {
    while let [0xEC, first, rest @ ..] = head {
        // The size has up to eight bytes. The zeros at its beginning count the bytes behind the first.
        let more = usize::try_from(first.leading_zeros()).ok().filter(|more| *more < 8)?;
        let (low, content) = rest.split_at_checked(more)?;
        let start = u64::from(*first) & (0x7F >> more);
        let size = low.iter().fold(start, |size, byte| size << 8 | u64::from(*byte));
        head = content.get(usize::try_from(size).ok()?..)?;
    }
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::is_missing;
    use crate::media::media_type::from_path;

    fn is_missing_in(path: &str, head: &[u8]) -> bool {
        is_missing(from_path(path).unwrap(), head)
    }

    #[test]
    fn types_with_a_mandatory_signature_are_checked() {
        let noise = [7; 64];
        for name in ["png", "jpg", "gif", "webp", "avif", "mp4", "mov", "webm", "mkv", "flac", "wav", "ogg"] {
            for head in [noise.as_slice(), b"", b"\0", b"RIFF....AVI ", b"BM", b"\xFF\xFB\x90\x00"] {
                assert!(is_missing_in(&format!("a.{name}"), head), "{name}: {}", head.escape_ascii());
            }
        }
        for name in ["svg", "heic", "tiff", "bmp", "avi", "mpg", "m3u8", "mp3", "opus", "m4a", "aac", "aiff"] {
            assert!(!is_missing_in(&format!("a.{name}"), &noise), "{name}");
        }
    }

    #[test]
    fn every_form_of_a_signature_is_accepted() {
        for (path, head) in [
            ("a.mov", b"\0\0\0\x08wide\0\0\0\0mdat".as_slice()),
            ("a.mov", b"\0\0\x40\0moov"),
            ("a.mp4", b"\0\0\0\x18stypmsdh"),
            ("a.mp4", b"\0\0\0\x14ftypqt  "),
            ("a.wav", b"RF64\xFF\xFF\xFF\xFFWAVEds64"),
            ("a.wav", b"BW64\xFF\xFF\xFF\xFFWAVEds64"),
            ("a.mp4", b"\0\0\0\x0Cpdin...."),
            ("a.mp4", b"\0\0\0\x0Cprft...."),
            ("a.mov", b"\0\0\0\x0Cjunk...."),
            ("a.mp4", b"\0\0\0\x0Cmeta...."),
            ("a.wav", b"ID3\x04\0\0\0\0\0\x02..RIFF....WAVE"),
            ("a.webm", b"\xEC\x82..\x1A\x45\xDF\xA3"),
            ("a.mkv", b"\xEC\x40\x01.\xEC\x80\x1A\x45\xDF\xA3"),
            ("a.mkv", b"\xEC\x4F\xFF."),
            ("a.flac", b"ID3\x04\0\0\0\0\0\x02..fLaC"),
            ("a.flac", b"ID3\x04\0\0\x7F\x7F\x7F\x7F.."),
            ("a.ogg", b"OggS\0\x02"),
            ("a.mkv", b"\x1A\x45\xDF\xA3\x42\x82\x84webm"),
            ("a.gif", b"GIF87a"),
            ("a.avif", b"\0\0\0\x1Cftypmif1"),
        ] {
            assert!(!is_missing_in(path, head), "{path}: {}", head.escape_ascii());
        }
        assert!(is_missing_in("a.mkv", b"\xEC\x82..\x1A\x45\xDF"));
        assert!(is_missing_in("a.wav", b"ID3\x04\0\0\0\0\0\x02..\xFF\xFB\x90\x00"));
        assert!(is_missing_in("a.flac", b"ID3\x04\0\0\0\0\0\x02..\xFF\xFB\x90\x00"));
    }
}
