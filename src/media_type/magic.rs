//! What the first bytes of a file say that it is.
//!
//! `infer` knows most magic numbers; this file adds what it misses (brands of ISO files, document
//! types of EBML, the insides of Ogg, text formats) and what it does not say: how much a match proves.
//! A short magic number, and an `ID3` tag, which fronts FLAC, AAC and AIFF too, proves nothing; a
//! container that several types share proves nothing against its siblings.
//!
//! Invariant: [`mismatch`] answers only what is proven; [`from_bytes`] may answer more.

use super::{MediaType, by_essence, text};

/// What the bytes say, and whom it contradicts.
struct Sniffed {
    essence: &'static str,
    proof: Proof,
}

#[derive(Clone, Copy)]
enum Proof {
    /// Too short to contradict anyone.
    Nothing,
    /// It is no other type, save perhaps one with these extensions.
    AllBut(&'static [&'static str]),
}

const GENERIC_ISO: Sniffed = certain_but("video/mp4", &["m4a", "mov"]);

/// Types outside the table that are told by name when they stand where media was declared.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"8BPS\0\x01", "image/vnd.adobe.photoshop"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", "image/jp2"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "video/x-ms-asf"),
];

/// The media type that the bytes begin as, if only by a short magic number.
#[must_use]
pub(crate) fn from_bytes(head: &[u8]) -> Option<MediaType> {
    by_essence(sniff(head)?.essence)
}

/// The type of bytes that are provably not of the `declared` one.
#[must_use]
pub(crate) fn mismatch(declared: MediaType, head: &[u8]) -> Option<&'static str> {
    let found = sniff(head)?;
    let Proof::AllBut(siblings) = found.proof else { return None };
    let same = by_essence(found.essence).is_some_and(|media_type| media_type.extension() == declared.extension());
    (!same && !siblings.contains(&declared.extension())).then_some(found.essence)
}

fn sniff(head: &[u8]) -> Option<Sniffed> {
    own(head).or_else(|| in_text(head)).or_else(|| foreign(head)).or_else(|| by_infer(head))
}

const fn certain(essence: &'static str) -> Sniffed {
    certain_but(essence, &[])
}

const fn certain_but(essence: &'static str, siblings: &'static [&'static str]) -> Sniffed {
    Sniffed { essence, proof: Proof::AllBut(siblings) }
}

const fn perhaps(essence: &'static str) -> Sniffed {
    Sniffed { essence, proof: Proof::Nothing }
}

fn own(head: &[u8]) -> Option<Sniffed> {
    Some(match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => return iso_brand(head),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => return ebml_document(head),
        [b'O', b'g', b'g', b'S', ..] => ogg_stream(head),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => certain("image/gif"),
        [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => certain("audio/wav"),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'C', ..] => certain("audio/aiff"),
        [b'I', b'D', b'3', ..] => behind_tag(head),
        [0xFF, 0xE2 | 0xE3 | 0xF2 | 0xF3 | 0xFA | 0xFB, ..] => perhaps("audio/mpeg"),
        [0xFF, 0xF0 | 0xF1 | 0xF8 | 0xF9, ..] => perhaps("audio/aac"),
        _ => return None,
    })
}

fn iso_brand(head: &[u8]) -> Option<Sniffed> {
    let length = usize::try_from(u32::from_be_bytes(*head.first_chunk()?)).ok()?.min(head.len());
    let major = head.get(8..12)?;
    let compatible = || head.get(16..length).unwrap_or_default().chunks_exact(4);
    Some(match major {
        b"qt  " => certain("video/quicktime"),
        b"M4A " | b"M4B " | b"M4P " => certain("audio/mp4"),
        b"mif1" | b"msf1" | b"miaf" => compatible().find_map(still_brand).unwrap_or(certain_but("image/heic", &["avif"])),
        _ => match still_brand(major) {
            Some(still) => still,
            None if is_generic(major) || compatible().any(is_generic) => GENERIC_ISO,
            None => return None,
        },
    })
}

fn still_brand(brand: &[u8]) -> Option<Sniffed> {
    match brand {
        b"avif" | b"avis" => Some(certain("image/avif")),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Some(certain("image/heic")),
        _ => None,
    }
}

/// Brands that any tool writes on any ISO file: they don't contradict `m4a` or `mov`.
fn is_generic(brand: &[u8]) -> bool {
    matches!(
        brand,
        b"avc1" | b"dash" | b"cmfc" | b"cmf2" | b"mp41" | b"mp42" | b"mp71" | b"M4V " | b"M4VH" | b"M4VP" | b"f4v " | b"F4V "
    ) || matches!(brand, [b'i', b's', b'o', b'm' | b'1'..=b'9' | b'a'..=b'c'] | [b'3', b'g', b'p' | b'2', _])
}

fn ebml_document(head: &[u8]) -> Option<Sniffed> {
    let header = head.get(..head.len().min(256))?;
    let name = text::after(header, b"\x42\x82")?;
    // The name's length comes first, in one byte or, from careful writers, up to eight.
    let name = name.get(..name.len().min(24))?;
    if text::after(name, b"webm").is_some() {
        Some(certain("video/webm"))
    } else {
        text::after(name, b"matroska").map(|_| certain("video/x-matroska"))
    }
}

fn ogg_stream(head: &[u8]) -> Sniffed {
    match head.get(28..).unwrap_or_default() {
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => certain_but("audio/opus", &["ogg"]),
        [0x01, b'v', b'o', b'r', b'b', b'i', b's', ..] => certain("audio/ogg"),
        _ => certain_but("audio/ogg", &["opus"]),
    }
}

fn behind_tag(head: &[u8]) -> Sniffed {
    let length = head.get(6..10).unwrap_or_default().iter().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7F));
    match head.get(10 + length..).unwrap_or_default() {
        [b'f', b'L', b'a', b'C', ..] => certain("audio/flac"),
        [b'F', b'O', b'R', b'M', ..] => certain("audio/aiff"),
        [0xFF, 0xF0 | 0xF1 | 0xF8 | 0xF9, ..] => perhaps("audio/aac"),
        _ => perhaps("audio/mpeg"),
    }
}

fn in_text(head: &[u8]) -> Option<Sniffed> {
    let text = text::decode(head);
    if text.starts_with(b"#EXTM3U") {
        Some(certain("application/vnd.apple.mpegurl"))
    } else {
        text::is_svg(&text).then_some(certain("image/svg+xml"))
    }
}

fn foreign(head: &[u8]) -> Option<Sniffed> {
    FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, essence)| certain(essence))
}

fn by_infer(head: &[u8]) -> Option<Sniffed> {
    let essence = by_essence(infer::get(head)?.mime_type())?.essence();
    Some(match essence {
        "image/bmp" | "image/gif" => perhaps(essence),
        "video/mp4" => GENERIC_ISO,
        // By a bare `moov` or `mdat`: an ISO file from before there were brands.
        "video/quicktime" => certain_but(essence, &["mp4", "m4a"]),
        _ => certain(essence),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{MediaType, declared};
    use super::{from_bytes, mismatch};

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice()
        };
    }

    fn extension(head: &[u8]) -> &'static str {
        from_bytes(head).map_or("-", MediaType::extension)
    }

    fn contradicts(content_type: &str, head: &[u8]) -> Option<&'static str> {
        mismatch(declared(content_type).unwrap().media_type, head)
    }

    fn iso(brands: &[&[u8; 4]]) -> Vec<u8> {
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

    fn ogg(packet: &[u8]) -> Vec<u8> {
        [b"OggS".as_slice(), &[0; 24], packet, &[0; 16]].concat()
    }

    #[test]
    fn every_sample_is_what_its_name_says() {
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
            assert_eq!(contradicts(from_bytes(bytes).unwrap().essence(), bytes), None, "{expected}");
        }
    }

    #[test]
    fn containers_are_told_apart_by_what_they_hold() {
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
            (b"RF64....WAVE".to_vec(), "wav"),
            (b"FORM....AIFC".to_vec(), "aiff"),
            (b"\0\0\0\x08wide\0\0\0\0mdat".to_vec(), "mov"),
            (b"\xEF\xBB\xBF\n#EXTM3U\n".to_vec(), "m3u8"),
            (b"\xFF\xFE<\0s\0v\0g\0/\0>\0".to_vec(), "svg"),
            (b"\x7FELF".to_vec(), "-"),
            (b"%PDF-1.7".to_vec(), "-"),
            (b"<html>".to_vec(), "-"),
            (Vec::new(), "-"),
        ] {
            assert_eq!(extension(&head), expected, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn bytes_of_another_type_are_named() {
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
            assert_eq!(contradicts(content_type, head), Some(expected), "{content_type}");
        }
    }

    #[test]
    fn what_proves_nothing_contradicts_nobody() {
        let chance: [&[u8]; 9] = [
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
        for head in chance {
            assert_eq!(contradicts("image/png", head), None, "{}", head.escape_ascii());
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
        ] {
            assert_eq!(contradicts(content_type, &head), None, "{content_type}");
        }
    }

    #[test]
    fn a_head_of_any_length_is_read() {
        for bytes in
            [sample!("video-1s.mp4"), sample!("clip.webm"), sample!("song.opus"), sample!("song.mp3"), sample!("picture.svg")]
        {
            for length in 0..bytes.len().min(300) {
                let _ = (from_bytes(&bytes[..length]), contradicts("image/png", &bytes[..length]));
            }
        }
    }
}
