//! Whether a C2PA manifest (content credentials) is embedded in a file: a walk over the parts of its container.
//!
//! Each format has its place for the manifest (C2PA specification, appendix A), and only this place counts: text that merely
//! names C2PA is no manifest. Its presence is reported; nothing is verified. A manifest store is a JUMBF box whose description
//! has the type `c2pa`.
//!
//! The bytes are hostile: sizes are never trusted, and a read budget bounds the work. A file that can't be read, or that has
//! more parts than the budget allows, is an error: nobody may take it for a file without a manifest.

mod containers;
mod documents;
mod id3_tag;
mod pictures;

use std::io::{self, Read, Seek};

use crate::media::bounded_reader::BoundedReader;
use crate::media::{guarded, id3, iso_boxes, media_type};

/// The read budget. Only a GIF, an SVG and a PDF are read to their end.
const BUDGET: u64 = 64 << 20;
/// How many `ID3` tags a file may begin with.
const MAX_TAGS: usize = 4;
/// As much of a manifest store as shows what it is: two headers, of which the first may be long, and the type.
const STORE_HEAD: usize = 40;
/// The type of a manifest store in its description.
const STORE_TYPE: [u8; 16] = *b"c2pa\0\x11\0\x10\x80\0\0\xAA\0\x38\x9B\x71";

/// Whether a C2PA manifest is embedded in a file of this size.
///
/// # Errors
/// When the file can't be read, or has too many parts.
pub(crate) fn is_present(file: impl Read + Seek, size: u64) -> io::Result<bool> {
    let mut source = BoundedReader::new(file, 0..size, BUDGET);
    guarded(|| Some(search(&mut source))).unwrap_or_else(|| Err(io::Error::other("the search for content credentials failed")))
}

fn search(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<bool> {
    let mut start = 0;
    let mut head = source.prefix_at(start, 4096)?;
    for _ in 0..MAX_TAGS {
        match id3::tag_length(&head) {
            0 => break,
            _ if id3_tag::has_manifest(source, start)? => return Ok(true),
            tag => start += tag,
        }
        head = source.prefix_at(start, 4096)?;
    }
    match head.as_slice() {
        [0xFF, 0xD8, 0xFF, ..] => pictures::jpeg_has_manifest(source, start),
        [0x89, b'P', b'N', b'G', ..] => pictures::png_has_manifest(source, start),
        [b'G', b'I', b'F', b'8', ..] => pictures::gif_has_manifest(source, start),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => pictures::tiff_has_manifest(source, start),
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..] | [b'B', b'W', b'6', b'4', ..] => {
            containers::riff_has_manifest(source, start)
        }
        [b'O', b'g', b'g', b'S', ..] => containers::ogg_has_manifest(source, start),
        [_, _, _, _, b'J', b'X', b'L', b' ', ..] => containers::iso_has_manifest(source, start),
        [_, _, _, _, a, b, c, d, ..] if iso_boxes::is_top_level(&[*a, *b, *c, *d]) => containers::iso_has_manifest(source, start),
        [b'%', b'P', b'D', b'F', ..] => documents::pdf_has_manifest(source),
        head if media_type::from_bytes(head).is_some_and(|found| found.extension() == "svg") => {
            documents::svg_has_manifest(source)
        }
        _ => Ok(false),
    }
}

/// Whether a manifest store begins at `position`.
fn is_store_at(source: &mut BoundedReader<impl Read + Seek>, position: u64) -> io::Result<bool> {
    Ok(is_store(&source.prefix_at(position, STORE_HEAD)?))
}

/// Whether these are the first bytes of a manifest store.
fn is_store(head: &[u8]) -> bool {
    let description = match head {
        [0, 0, 0, 1, b'j', b'u', b'm', b'b', _, _, _, _, _, _, _, _, description @ ..] => description,
        [_, _, _, _, b'j', b'u', b'm', b'b', description @ ..] => description,
        _ => return false,
    };
    description.get(4..8) == Some(b"jumd") && description.get(8..24) == Some(&STORE_TYPE)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, SeekFrom};

    use super::*;

    /// The beginning of a manifest store.
    pub(super) fn store() -> Vec<u8> {
        [b"\0\0\0\x40jumb\0\0\0\x1Ejumd".as_slice(), &STORE_TYPE, b"\x03c2pa\0", &[7; 26]].concat()
    }

    pub(super) fn has_manifest(parts: &[&[u8]]) -> bool {
        let file = parts.concat();
        let size = file.len() as u64;
        is_present(Cursor::new(file), size).unwrap()
    }

    #[test]
    fn manifest_store_is_known_by_its_type() {
        let long = [b"\0\0\0\x01jumb\0\0\0\0\0\0\0\x48".as_slice(), &store()[8..]].concat();
        assert!(is_store(&store()) && is_store(&long));
        let other = [&store()[..16], b"json", &store()[20..]].concat();
        assert!(!is_store(&other) && !is_store(&store()[..30]) && !is_store(b""));
    }

    macro_rules! samples {
        ($($name:literal),* $(,)?) => {
            [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice())),*]
        };
    }

    #[test]
    fn samples_have_no_manifest() {
        for (name, bytes) in samples![
            "picture.png",
            "picture.jpg",
            "picture.gif",
            "picture.webp",
            "picture.avif",
            "picture.svg",
            "picture.bmp",
            "picture.tiff",
            "song.wav",
            "song.mp3",
            "song.flac",
            "song.ogg",
            "song.m4a",
            "video-1s.mp4",
            "clip.mov",
            "clip.webm",
            "clip.avi",
        ] {
            assert!(!has_manifest(&[bytes]), "{name}");
        }
        for other in [b"".as_slice(), b"x", b"c2pa", b"application/c2pa", &store()] {
            assert!(!has_manifest(&[other]));
        }
    }

    #[test]
    fn unreadable_file_is_an_error() {
        struct Unreadable;
        impl Read for Unreadable {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
        impl Seek for Unreadable {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        assert!(is_present(Unreadable, 100).is_err());
    }

    #[test]
    fn file_of_too_many_parts_is_an_error() {
        let many = [b"\0\0\0\x14ftypisom\0\0\0\0isom".as_slice(), &b"\0\0\0\x08free".repeat(1 << 20)].concat();
        let size = many.len() as u64;
        assert!(is_present(Cursor::new(many), size).is_err());
        let endless = [b"II\x2A\0\x08\0\0\0".as_slice(), &[0, 0, 8, 0, 0, 0]].concat();
        assert!(is_present(Cursor::new(endless), 14).is_err());
    }
}
