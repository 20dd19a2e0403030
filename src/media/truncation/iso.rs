//! Whether an ISO media file (MP4, MOV, M4A, AVIF, HEIC) is cut: a walk over its boxes.

use std::io::{self, Read, Seek};

use super::Cut;
use crate::media::bounded_reader::BoundedReader;

/// The boxes of the top level. Behind the media, anything else may follow, such as a tag.
pub(super) const TOP_LEVEL_BOXES: [&[u8; 4]; 17] = [
    b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"meta", b"free", b"skip", b"wide", b"uuid", b"udta", b"styp", b"sidx", b"emsg",
    b"prft", b"pdin", b"pnot",
];

#[derive(Default)]
struct Boxes {
    /// Has media data.
    data: bool,
    /// Has a header that describes media data: of a movie, a fragment or a picture.
    header: bool,
}

pub(super) fn find_cut(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let (mut position, length) = (0, source.length());
    let mut seen = Boxes::default();
    while let Some(start) = source.array_at::<8>(position)? {
        let [a, b, c, d, kind @ ..] = start;
        if !TOP_LEVEL_BOXES.contains(&&kind) {
            break;
        }
        match &kind {
            b"moov" | b"moof" | b"meta" => seen.header = true,
            b"mdat" => seen.data = true,
            _ => {}
        }
        let size = match u32::from_be_bytes([a, b, c, d]) {
            // Up to the end of the file.
            0 => length - position,
            1 => match source.array_at(position + 8)? {
                Some(size) => u64::from_be_bytes(size),
                None => return Ok(Some(Cut::EndsBeyondFile("its last box"))),
            },
            size => size.into(),
        };
        if size < 8 {
            return Ok(None);
        }
        if size > length - position {
            return Ok(Some(Cut::EndsBeyondFile(name_of(kind))));
        }
        position += size;
    }
    let is_read_to_end = position == length;
    Ok((!seen.header && (seen.data || is_read_to_end)).then_some(Cut::Lacks("movie header (`moov`)")))
}

fn name_of(kind: [u8; 4]) -> &'static str {
    match &kind {
        b"moov" => "its movie header (`moov`)",
        b"mdat" => "its media data (`mdat`)",
        b"moof" => "its last fragment (`moof`)",
        _ => "its last box",
    }
}

#[cfg(test)]
mod tests {
    use crate::media::truncation::{Cut, find_cut};
    use std::io::Cursor;

    const TYPE: &[u8] = b"\0\0\0\x14ftypisom\0\0\0\0isom";
    const MOVIE: &[u8] = b"\0\0\0\x0Cmoov....";
    const DATA: &[u8] = b"\0\0\0\x0Cmdat....";

    fn cut_of(parts: &[&[u8]]) -> Option<Cut> {
        find_cut(Cursor::new(parts.concat()))
    }

    #[test]
    fn boxes_in_any_order_are_whole() {
        for parts in [
            [TYPE, MOVIE, DATA].as_slice(),
            &[TYPE, DATA, MOVIE],
            &[DATA, MOVIE],
            &[TYPE, MOVIE, b"\0\0\0\0mdat up to the end"],
            &[TYPE, MOVIE, b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14...."],
            &[TYPE, MOVIE, DATA, b"\0\0\0\0\0\0\0\0\0"],
            &[TYPE, MOVIE, DATA, b"\xFF\xFF\xFF\xFFLAST"],
            &[TYPE, MOVIE, DATA, b"\0\0"],
            &[b"\0\0\0\x10stypmsdh\0\0\0\0", b"\0\0\0\x08moof", DATA],
            &[TYPE, &[0; 64]],
        ] {
            assert_eq!(cut_of(parts), None, "{}", parts.concat().escape_ascii());
        }
    }

    #[test]
    fn missing_end_or_header_is_a_cut() {
        for (parts, expected) in [
            ([TYPE, MOVIE, b"\0\0\0\x0Dmdat...."].as_slice(), Cut::EndsBeyondFile("its media data (`mdat`)")),
            (&[TYPE, MOVIE, b"\0\0\0\x01mdat\0\0"], Cut::EndsBeyondFile("its last box")),
            (&[TYPE, MOVIE, b"\0\0\0\x01mdat\xFF\0\0\0\0\0\0\0"], Cut::EndsBeyondFile("its media data (`mdat`)")),
            (&[TYPE, DATA], Cut::Lacks("movie header (`moov`)")),
            (&[TYPE, DATA, &[0; 32]], Cut::Lacks("movie header (`moov`)")),
            (&[TYPE], Cut::Lacks("movie header (`moov`)")),
            (&[TYPE, b"\0\0\0\0mdat up to the end"], Cut::Lacks("movie header (`moov`)")),
        ] {
            assert_eq!(cut_of(parts), Some(expected), "{}", parts.concat().escape_ascii());
        }
    }
}
