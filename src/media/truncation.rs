//! Finds out whether a file is cut, from the structure of its container.
//!
//! A cut is reported only when the structure proves it: a part that ends beyond the end of the file, or an end mark that is
//! not there. What cannot be read, what is damaged in another way, and sizes that a live encoder left open prove nothing, nor
//! does data behind the end mark. MP3 and AAC have no structure that could show it.
//!
//! The bytes alone select the container. They are hostile: sizes are never trusted, and a read budget bounds the work.

mod flac;
mod iso;
mod ogg;
mod pictures;
mod sized;

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use crate::media::bounded_reader::BoundedReader;
use crate::media::{guarded, iso_boxes};

/// The read budget. Only a JPEG or a GIF that does not end with its end mark is read to its end.
const BUDGET: u64 = 64 << 20;

/// What shows that a file is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A part of the container ends beyond the end of the file.
    EndsBeyondFile(&'static str),
    /// The container lacks a part that every whole file has.
    Lacks(&'static str),
    /// These parts of the container are not there.
    Missing(&'static str),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndsBeyondFile(part) => write!(f, "{part} is longer than the rest of the file"),
            Self::Lacks(part) => write!(f, "it has no {part}"),
            Self::Missing(parts) => write!(f, "{parts} are missing"),
        }
    }
}

/// What shows that a file is cut; `None` when nothing does.
pub(crate) fn find_cut(mut source: impl Read + Seek) -> Option<Cut> {
    // A file that can't be read shows nothing.
    guarded(|| {
        let length = source.seek(SeekFrom::End(0)).ok()?;
        find_cut_in(&mut BoundedReader::new(source, 0..length, BUDGET)).ok()?
    })
}

fn find_cut_in(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let Some(start) = source.array_at::<12>(0)? else { return Ok(None) };
    match &start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => pictures::find_cut_in_png(source),
        [0xFF, 0xD8, 0xFF, ..] => pictures::find_cut_in_jpeg(source),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => pictures::find_cut_in_gif(source),
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..] | [b'B', b'W', b'6', b'4', ..] => {
            sized::find_cut_in_riff(source)
        }
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C'] => sized::find_cut_in_aiff(source),
        [b'f', b'L', b'a', b'C', ..] => flac::find_cut(source),
        [b'O', b'g', b'g', b'S', ..] => ogg::find_cut(source),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => sized::find_cut_in_matroska(source),
        [_, _, _, _, kind @ .., _, _, _, _] if iso_boxes::is_top_level(kind) => iso::find_cut(source),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::damage::{damaged, xorshift};

    macro_rules! samples {
        ($($name:literal),* $(,)?) => {
            [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice())),*]
        };
    }

    /// Samples whose structure shows every cut.
    const STRUCTURED: [(&str, &[u8]); 24] = samples![
        "picture.png",
        "dawn.png",
        "picture.jpg",
        "dusk.jpg",
        "ember.jpg",
        "picture.gif",
        "picture.webp",
        "sea.webp",
        "picture.avif",
        "song.wav",
        "song.ogg",
        "song.opus",
        "song.m4a",
        "video-1s.mp4",
        "fragmented.mp4",
        "moss.mp4",
        "clip.mov",
        "clip.mkv",
        "clip.webm",
        "bloom.webp",
        "song.aiff",
        "adpcm.wav",
        "clip.avi",
        "tide.mp4",
    ];

    /// Samples that can't show a cut, or not every cut.
    const OPEN_ENDED: [(&str, &[u8]); 12] = samples![
        "piped.wav",
        "live.webm",
        "song.mp3",
        "bare.mp3",
        "song.aac",
        "song.flac",
        "picture.svg",
        "picture.bmp",
        "picture.tiff",
        "playlist.m3u8",
        "variable.mp3",
        "clip.mpg",
    ];

    fn cut_of(bytes: &[u8]) -> Option<Cut> {
        find_cut(Cursor::new(bytes))
    }

    #[test]
    fn whole_files_are_never_reported() {
        for (name, bytes) in STRUCTURED.into_iter().chain(OPEN_ENDED) {
            assert_eq!(cut_of(bytes), None, "{name}");
        }
        for bytes in [b"".as_slice(), b"\0", b"x", b"\x89PNG\r\n\x1A\n", b"no media at all", &[0; 100]] {
            assert_eq!(cut_of(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn data_behind_the_end_is_no_cut() {
        for (name, bytes) in STRUCTURED {
            for tail in [b"\0".as_slice(), b"\r\n", &[0; 64], b"TAG and 125 bytes of an old tag", &[0xFF; 300]] {
                assert_eq!(cut_of(&[bytes, tail].concat()), None, "{name} with {}", tail.escape_ascii());
            }
        }
    }

    #[test]
    fn half_of_a_file_is_a_cut_file() {
        for (name, bytes) in STRUCTURED {
            for length in [bytes.len() / 2, bytes.len() * 9 / 10, bytes.len() - 20] {
                let found = cut_of(&bytes[..length]);
                assert!(found.is_some(), "{name}: {length} of {}", bytes.len());
                assert!(!found.unwrap().to_string().is_empty());
            }
        }
    }

    #[test]
    fn damaged_and_huge_files_are_read_in_bounded_time() {
        let mut roll = xorshift(0x5DEE_CE66_D1CE_4E5B);
        for (_, bytes) in STRUCTURED.into_iter().chain(OPEN_ENDED) {
            for _ in 0..200 {
                let _ = cut_of(&damaged(bytes, &mut roll));
            }
        }
        // Boxes, chunks and blocks without content, of which a file could have millions.
        let many = |head: &[u8], unit: &[u8]| [head, &unit.repeat((5 << 20) / unit.len())].concat();
        for (head, unit) in [
            (b"\0\0\0\x14ftypisom\0\0\0\0isom".as_slice(), b"\0\0\0\x08free".as_slice()),
            (b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR.................", b"\0\0\0\0IDAT...."),
            (b"GIF89a\x01\0\x01\0\0\0\0", b"\x21\xFE\0"),
            (b"RIFF\0\0\0\0AVI ", b"RIFF\0\0\0\0"),
        ] {
            let _ = cut_of(&many(head, unit));
        }
    }
}
