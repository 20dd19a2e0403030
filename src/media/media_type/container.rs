//! Distinguishes media types that share a container.
//!
//! MP4 and M4A, and `WebM` and Matroska, begin with the same magic number; the actual type follows a few bytes later. When
//! it does not, nothing contradicts the other types of the container.

use super::markup;
use super::sniff::{Sniff, certain, certain_except, tentative};
use crate::media::id3;

/// An ISO file that may also be audio or an Apple movie.
pub(super) const GENERIC_ISO: Sniff = certain_except("video/mp4", &["m4a", "mov"]);

/// Detects MP4, MOV, M4A, AVIF and HEIC by the brands of an ISO file.
pub(super) fn sniff_iso(head: &[u8]) -> Option<Sniff> {
    let length = usize::try_from(u32::from_be_bytes(*head.first_chunk()?)).ok()?.min(head.len());
    let major = head.get(8..12)?;
    let compatible = || head.get(16..length).unwrap_or_default().chunks_exact(4);
    Some(match major {
        b"qt  " => certain("video/quicktime"),
        b"M4A " | b"M4B " | b"M4P " => certain("audio/mp4"),
        b"mif1" | b"msf1" | b"miaf" => compatible().find_map(image_brand).unwrap_or(certain_except("image/heic", &["avif"])),
        _ => match image_brand(major) {
            Some(image) => image,
            None if is_generic_brand(major) || compatible().any(is_generic_brand) => GENERIC_ISO,
            None => return None,
        },
    })
}

fn image_brand(brand: &[u8]) -> Option<Sniff> {
    match brand {
        b"avif" | b"avis" => Some(certain("image/avif")),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Some(certain("image/heic")),
        _ => None,
    }
}

/// Whether tools write this brand into any ISO file. Such a brand does not contradict `m4a` or `mov`.
fn is_generic_brand(brand: &[u8]) -> bool {
    matches!(
        brand,
        b"avc1" | b"dash" | b"cmfc" | b"cmf2" | b"mp41" | b"mp42" | b"mp71" | b"M4V " | b"M4VH" | b"M4VP" | b"f4v " | b"F4V "
    ) || matches!(brand, [b'i', b's', b'o', b'm' | b'1'..=b'9' | b'a'..=b'c'] | [b'3', b'g', b'p' | b'2', _])
}

/// Detects `WebM` and Matroska by the document type of an EBML file.
pub(super) fn sniff_ebml(head: &[u8]) -> Option<Sniff> {
    let header = head.get(..head.len().min(256))?;
    let name = markup::find_after(header, b"\x42\x82")?;
    // The length comes before the name: in one byte, or up to eight from some writers.
    let name = name.get(..name.len().min(24))?;
    if markup::find_after(name, b"webm").is_some() {
        Some(certain("video/webm"))
    } else {
        markup::find_after(name, b"matroska").map(|_| certain("video/x-matroska"))
    }
}

/// Detects Opus and Vorbis by the first packet of an Ogg stream.
pub(super) fn sniff_ogg(head: &[u8]) -> Sniff {
    match head.get(28..).unwrap_or_default() {
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => certain_except("audio/opus", &["ogg"]),
        [0x01, b'v', b'o', b'r', b'b', b'i', b's', ..] => certain("audio/ogg"),
        _ => certain_except("audio/ogg", &["opus"]),
    }
}

/// Detects the type behind an `ID3` tag, if the head reaches so far: other files than MP3 may have such a tag.
pub(super) fn sniff_after_id3_tag(head: &[u8]) -> Sniff {
    match id3::behind_tag(head).unwrap_or_default() {
        [b'f', b'L', b'a', b'C', ..] => certain("audio/flac"),
        [b'F', b'O', b'R', b'M', ..] => certain("audio/aiff"),
        [0xFF, 0xF0 | 0xF1 | 0xF8 | 0xF9, ..] => tentative("audio/aac"),
        _ => tentative("audio/mpeg"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::media::media_type::MediaType;
    use crate::media::media_type::magic::from_bytes;

    pub(in crate::media::media_type) fn iso(brands: &[&[u8; 4]]) -> Vec<u8> {
        let (major, compatible) = brands.split_first().unwrap();
        let length = u8::try_from(16 + 4 * compatible.len()).unwrap();
        let mut head = vec![0, 0, 0, length];
        head.extend_from_slice(b"ftyp");
        head.extend_from_slice(*major);
        head.extend_from_slice(&[0; 4]);
        head.extend(compatible.iter().copied().flatten());
        head.extend_from_slice(&[0; 32]);
        head
    }

    pub(in crate::media::media_type) fn ogg(packet: &[u8]) -> Vec<u8> {
        [b"OggS".as_slice(), &[0; 24], packet, &[0; 16]].concat()
    }

    #[test]
    fn containers_are_distinguished_by_their_content() {
        for (head, expected) in [
            (iso(&[b"M4A ", b"mp42", b"isom"]), "m4a"),
            (iso(&[b"M4V ", b"mp42"]), "mp4"),
            (iso(&[b"qt  "]), "mov"),
            (iso(&[b"3gp5", b"isom"]), "mp4"),
            (iso(&[b"dash"]), "mp4"),
            (iso(&[b"MSNV"]), "mp4"),
            (iso(&[b"wxyz", b"iso5"]), "mp4"),
            (iso(&[b"wxyz"]), "-"),
            (iso(&[b"avis", b"msf1", b"iso8"]), "avif"),
            (iso(&[b"mif1", b"avif", b"miaf"]), "avif"),
            (iso(&[b"mif1", b"heic"]), "heic"),
            (iso(&[b"heix", b"mif1", b"iso8"]), "heic"),
            (iso(&[b"mif1"]), "heic"),
            (ogg(b"OpusHead"), "opus"),
            (ogg(b"\x01vorbis"), "ogg"),
            (b"OggS".to_vec(), "ogg"),
            (b"\x1A\x45\xDF\xA3\x40\x20\x42\x82\x40\x04webm".to_vec(), "webm"),
            (b"\x1A\x45\xDF\xA3\x40\x20\x42\x82\x88matroska".to_vec(), "mkv"),
            (b"\x1A\x45\xDF\xA3\x40\x20 webm".to_vec(), "-"),
            (b"ID3\x04\0\0\0\0\0\x02..fLaC".to_vec(), "flac"),
            (b"ID3\x04\0\0\0\0\0\x01.\xFF\xF1".to_vec(), "aac"),
            (b"ID3\x04\0\0\x7F\x7F\x7F\x7F..".to_vec(), "mp3"),
            (b"ID3".to_vec(), "mp3"),
        ] {
            assert_eq!(from_bytes(&head).map_or("-", MediaType::extension), expected, "{}", head.escape_ascii());
        }
    }
}
