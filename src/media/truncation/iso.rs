//! Whether an ISO media file (MP4, MOV, M4A, AVIF, HEIC) is cut: a walk over its boxes.
//!
//! Behind the boxes, anything may follow, such as a tag. So a box of an unknown type is skipped when it fits, and ends the walk
//! otherwise. Only a walk to the end of the file shows that the movie header is missing.

use std::io::{self, Read, Seek};

use super::Cut;
use crate::media::bounded_reader::BoundedReader;
use crate::media::iso_boxes;

pub(super) fn find_cut(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let (mut position, length) = (0, source.length());
    // A header that describes media data: of a movie, a fragment or a picture.
    let mut has_header = false;
    while let Some(start) = source.array_at::<8>(position)? {
        let [a, b, c, d, kind @ ..] = start;
        let is_known = iso_boxes::is_top_level(&kind);
        has_header |= matches!(&kind, b"moov" | b"moof" | b"meta");
        let size = match u32::from_be_bytes([a, b, c, d]) {
            // Up to the end of the file.
            0 if is_known => length - position,
            1 => match source.array_at(position + 8)? {
                Some(size) => u64::from_be_bytes(size),
                None if is_known => return Ok(Some(Cut::EndsBeyondFile("its last box"))),
                None => return Ok(None),
            },
            size => size.into(),
        };
        if size < 8 || (!is_known && (size > length - position || !iso_boxes::is_kind(&kind))) {
            return Ok(None);
        }
        if size > length - position {
            return Ok(Some(Cut::EndsBeyondFile(name_of(kind))));
        }
        position += size;
    }
    Ok((!has_header).then_some(Cut::Lacks("movie header (`moov`)")))
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

    const UNKNOWN: &[u8] = b"\0\0\0\x0Cab1 ....";

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
            &[TYPE, DATA, &[0; 64]],
            &[TYPE, DATA, UNKNOWN, MOVIE],
            &[TYPE, DATA, b"\0\0\0\x09junk.", MOVIE],
            &[b"\0\0\0\x09junk.", TYPE, DATA, UNKNOWN, MOVIE],
            &[b"\0\0\0\x0Cpdin....", TYPE, MOVIE, DATA],
            &[TYPE, DATA, b"\0\0\0\0abcd....", MOVIE],
            &[TYPE, DATA, b"\0\0\0\x01abcd\0\0"],
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
            (&[TYPE, DATA, UNKNOWN], Cut::Lacks("movie header (`moov`)")),
            (&[TYPE], Cut::Lacks("movie header (`moov`)")),
            (&[TYPE, b"\0\0\0\0mdat up to the end"], Cut::Lacks("movie header (`moov`)")),
        ] {
            assert_eq!(cut_of(parts), Some(expected), "{}", parts.concat().escape_ascii());
        }
    }
}
