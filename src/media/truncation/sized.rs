//! Whether a container that begins with its own length is cut: RIFF (WAV, AVI, WebP), AIFF and Matroska (WebM, MKV).
//!
//! An encoder that writes to a pipe can't know the length. It leaves 0, the largest number, or a number near the largest one.
//! Such a length proves nothing. Some encoders count the 8 bytes of the header, too. So where no more than that is missing, the
//! last chunk decides.

use std::io::{self, Read, Seek};

use super::Cut;
use crate::media::bounded_reader::BoundedReader;

/// RIFF lengths from here on are placeholders of streaming encoders.
const PLACEHOLDERS: u32 = 0x7FFF_0000;

pub(super) fn find_cut_in_riff(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let mut position = 0;
    // A large AVI is a row of RIFF chunks.
    while let Some([kind @ .., a, b, c, d]) = source.array_at::<8>(position)? {
        let number: fn([u8; 4]) -> u32 = match &kind {
            b"RIFF" => u32::from_le_bytes,
            b"RIFX" => u32::from_be_bytes,
            b"RF64" | b"BW64" if position == 0 => return find_cut_in_rf64(source),
            _ => break,
        };
        let size = number([a, b, c, d]);
        if is_cut(source, position, size, number)? {
            return Ok(Some(Cut::EndsBeyondFile("its RIFF chunk")));
        }
        if size == 0 {
            break;
        }
        position += 8 + u64::from(size).next_multiple_of(2);
    }
    Ok(None)
}

pub(super) fn find_cut_in_aiff(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let size = source.array_at(4)?.map_or(0, u32::from_be_bytes);
    Ok(is_cut(source, 0, size, u32::from_be_bytes)?.then_some(Cut::EndsBeyondFile("its FORM chunk")))
}

/// Whether the file ends before a container of `size` bytes does, whose header is at `position`.
fn is_cut(
    source: &mut BoundedReader<impl Read + Seek>,
    position: u64,
    size: u32,
    number: fn([u8; 4]) -> u32,
) -> io::Result<bool> {
    let missing = (position + 8 + u64::from(size)).saturating_sub(source.length());
    match missing {
        _ if size >= PLACEHOLDERS => Ok(false),
        // Some writers leave out the last padding byte.
        0 | 1 => Ok(false),
        2..=8 => is_last_chunk_cut(source, position + 12, number),
        _ => Ok(true),
    }
}

/// Whether the file ends within a chunk. The first chunk is at `position`.
fn is_last_chunk_cut(
    source: &mut BoundedReader<impl Read + Seek>,
    mut position: u64,
    number: fn([u8; 4]) -> u32,
) -> io::Result<bool> {
    while let Some([_, _, _, _, size @ ..]) = source.array_at::<8>(position)? {
        position += 8 + u64::from(number(size)).next_multiple_of(2);
    }
    // The last padding byte may be left out.
    Ok(position != source.length() && position != source.length() + 1)
}

/// A WAV above 4 GiB: its length is in the chunk `ds64`, which comes first.
fn find_cut_in_rf64(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let (Some(kind), Some(size)) = (source.array_at(12)?, source.array_at(20)?.map(u64::from_le_bytes)) else { return Ok(None) };
    let is_known = &kind == b"ds64" && size < u64::MAX / 2;
    Ok((is_known && size + 8 > source.length() + 1).then_some(Cut::EndsBeyondFile("its RIFF chunk")))
}

pub(super) fn find_cut_in_matroska(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let mut position = 4;
    // The EBML header, then the segment. Only padding can be between them.
    for part in ["its EBML header", "its segment", "its segment"] {
        let Some(size) = ElementSize::read(source, position)? else { return Ok(Some(Cut::Lacks("segment"))) };
        let Some(content) = size.content else { return Ok(None) };
        let end = position.saturating_add(size.width).saturating_add(content);
        if end > source.length() {
            return Ok(Some(Cut::EndsBeyondFile(part)));
        }
        match source.array_at::<4>(end)? {
            Some([0x18, 0x53, 0x80, 0x67]) => position = end + 4,
            Some([0xEC, ..]) => position = end + 1,
            None if part == "its EBML header" => return Ok(Some(Cut::Lacks("segment"))),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// The size of an EBML element, in 1 to 8 bytes.
struct ElementSize {
    width: u64,
    /// `None` when a live encoder left it open, or it is damaged.
    content: Option<u64>,
}

impl ElementSize {
    /// `None` at the end of the file.
    fn read(source: &mut BoundedReader<impl Read + Seek>, position: u64) -> io::Result<Option<Self>> {
        let Some([first]) = source.array_at(position)? else { return Ok(None) };
        let width = u64::from(first.leading_zeros()) + 1;
        if width > 8 {
            return Ok(Some(Self { width, content: None }));
        }
        let mut value = u64::from(first) & (0xFF >> width);
        for at in 1..width {
            let Some([byte]) = source.array_at(position + at)? else { return Ok(None) };
            value = value << 8 | u64::from(byte);
        }
        let unknown = (1 << (7 * width)) - 1;
        Ok(Some(Self { width, content: (value != unknown).then_some(value) }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::media::truncation::{Cut, find_cut};

    fn cut_of(parts: &[&[u8]]) -> Option<Cut> {
        find_cut(Cursor::new(parts.concat()))
    }

    #[test]
    fn riff_length_is_compared_with_the_file() {
        let cut = Some(Cut::EndsBeyondFile("its RIFF chunk"));
        let wave = b"WAVEfmt ............";
        for (size, expected) in [
            (20, None),
            (19, None),
            (21, None),
            (22, cut),
            (28, cut),
            (29, cut),
            (1 << 30, cut),
            (0, None),
            (0x7FFF_F024, None),
            (0x8000_0024, None),
            (u32::MAX, None),
        ] {
            assert_eq!(cut_of(&[b"RIFF", &u32::to_le_bytes(size), wave]), expected, "{size}");
            assert_eq!(cut_of(&[b"RIFX", &u32::to_be_bytes(size), wave]), expected, "{size}");
            let expected = expected.map(|_| Cut::EndsBeyondFile("its FORM chunk"));
            assert_eq!(cut_of(&[b"FORM", &u32::to_be_bytes(size), b"AIFFCOMM............"]), expected, "{size}");
        }
        let counted = |size: u8, end: &[u8]| cut_of(&[b"RIFF", &[size, 0, 0, 0], b"WAVEfmt \x04\0\0\0....", end]);
        assert_eq!(counted(24, b""), None, "a length that counts its header");
        assert_eq!((counted(24, b"da"), counted(28, b"data\x04\0\0\0")), (cut, cut));
        assert_eq!(cut_of(&[b"RIFF\x17\0\0\0WEBPVP8 \x03\0\0\0..."]), None, "the padding is left out");
        let rf64 = |size: u64| cut_of(&[b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0", &size.to_le_bytes(), &[0; 20]]);
        assert_eq!([40, 41, 42, 1 << 40, 0, u64::MAX].map(rf64), [None, None, cut, cut, None, None]);
    }

    #[test]
    fn every_riff_chunk_of_an_avi_is_compared() {
        let cut = Some(Cut::EndsBeyondFile("its RIFF chunk"));
        let first = b"RIFF\x0A\0\0\0AVI LIST..".as_slice();
        assert_eq!(cut_of(&[first, b"RIFF\x06\0\0\0AVIX.."]), None);
        assert_eq!(cut_of(&[first, b"RIFF\x60\0\0\0AVIX.."]), cut);
        assert_eq!(cut_of(&[first, b"RIFF\0\0\0\0AVIX.."]), None);
    }

    #[test]
    fn matroska_segment_is_compared_with_the_file() {
        let (head, segment) = (b"\x1A\x45\xDF\xA3\x84....".as_slice(), b"\x18\x53\x80\x67".as_slice());
        for (parts, expected) in [
            ([head, segment, b"\x84data"].as_slice(), None),
            (&[head, segment, b"\x40\x04data and more"], None),
            (&[head, b"\xEC\x82..", segment, b"\x84data"], None),
            (&[head, segment, b"\xFFdata"], None),
            (&[head, segment, b"\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFFdata"], None),
            (&[head, segment, b"\0data"], None),
            (&[head, b"unknown"], None),
            (&[head, segment, b"\x85data"], Some(Cut::EndsBeyondFile("its segment"))),
            (&[head, segment, b"\x01\0\0\x01\0\0\0\0data"], Some(Cut::EndsBeyondFile("its segment"))),
            (&[head, segment, b"\x01\0\0"], Some(Cut::Lacks("segment"))),
            (&[head, b"\x18\x53\x80"], Some(Cut::Lacks("segment"))),
            (&[b"\x1A\x45\xDF\xA3\xA0 cut header"], Some(Cut::EndsBeyondFile("its EBML header"))),
        ] {
            assert_eq!(cut_of(parts), expected, "{}", parts.concat().escape_ascii());
        }
    }
}
