//! Whether a FLAC file is cut: its last frame then ends before the last sample.
//!
//! `STREAMINFO` has the number of samples. Each frame has its own number in a header with a checksum. So the last bytes of the
//! file are searched for frame headers, and the latest of them counts. A header that other data looks like can only make a cut
//! file look whole.

use std::io::{self, Read, Seek, SeekFrom};

use super::Cut;
use crate::media::bounded_reader::BoundedReader;

/// How much of the end is searched: more than the longest frame of common encoders.
const END_SIZE: u64 = 256 << 10;

pub(super) fn find_cut(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let Some(head) = source.array_at::<26>(0)? else { return Ok(None) };
    let fixed_size = u64::from(u16::from_be_bytes([head[10], head[11]]));
    let total = head[18..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) & 0xF_FFFF_FFFF;
    // A damaged file, or a stream whose length was not known.
    if head[4] & 0x7F != 0 || total == 0 {
        return Ok(None);
    }
    let mut end = Vec::new();
    source.seek(SeekFrom::Start(source.length().saturating_sub(END_SIZE)))?;
    source.by_ref().take(END_SIZE).read_to_end(&mut end)?;
    let ends = (0..end.len()).filter_map(|at| frame_end(&end[at..], fixed_size));
    let is_cut = match ends.filter(|end| *end <= total).max() {
        Some(last) => last < total,
        // All of the file was searched.
        None => source.length() <= END_SIZE,
    };
    Ok(is_cut.then_some(Cut::Missing("its last frames")))
}

/// The number of the sample behind a frame; `None` when no frame begins here.
fn frame_end(bytes: &[u8], fixed_size: u64) -> Option<u64> {
    let [0xFF, sync @ (0xF8 | 0xF9), sizes, format, ..] = *bytes else { return None };
    if format & 1 == 1 || sizes & 0xF == 0xF {
        return None;
    }
    let (number, mut at) = coded_number(bytes.get(4..)?)?;
    at += 4;
    let samples = match sizes >> 4 {
        0 => return None,
        1 => 192,
        code @ 2..=5 => 576 << (code - 2),
        6 => u64::from(*bytes.get(at)?) + 1,
        7 => u64::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)) + 1,
        code => 256 << (code - 8),
    };
    at += match sizes >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    at += match sizes & 0xF {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    if crc8(bytes.get(..at)?) != *bytes.get(at)? {
        return None;
    }
    // Frames of one size count themselves; others count samples.
    let start = if sync == 0xF8 { number.checked_mul(fixed_size)? } else { number };
    Some(start + samples)
}

/// A number in the code of UTF-8, of up to 36 bits, and its length.
fn coded_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = match first.leading_ones() {
        0 => return Some((first.into(), 1)),
        ones @ 2..=7 => usize::try_from(ones).ok()?,
        _ => return None,
    };
    let rest = bytes.get(1..length)?;
    let start = u64::from(first & (0x7F >> length));
    let number = rest.iter().try_fold(start, |number, byte| (byte >> 6 == 2).then_some(number << 6 | u64::from(byte & 0x3F)))?;
    Some((number, length))
}

/// The checksum of a frame header: polynomial 7, without reflection.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| crc << 1 ^ if crc & 0x80 == 0 { 0 } else { 7 }))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::truncation::find_cut;

    const SONG: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/song.flac"));

    #[test]
    fn last_frame_is_compared_with_the_number_of_samples() {
        assert_eq!(find_cut(Cursor::new(SONG)), None);
        assert_eq!(find_cut(Cursor::new([SONG, b"TAG and more".as_slice()].concat())), None);
        assert_eq!(Cut::Missing("its last frames").to_string(), "its last frames are missing");
        for length in [SONG.len() / 2, SONG.len() * 8 / 10] {
            assert_eq!(find_cut(Cursor::new(&SONG[..length])), Some(Cut::Missing("its last frames")), "{length}");
        }
        let mut live = SONG[..SONG.len() / 2].to_vec();
        live[21] &= 0xF0;
        live[22..26].fill(0);
        assert_eq!(find_cut(Cursor::new(live)), None, "the number of samples is not known");
        assert_eq!(find_cut(Cursor::new([b"fLaC".as_slice(), &[0; 100]].concat())), None);
    }

    #[test]
    fn frame_header_is_checked() {
        let frame = |head: &[u8]| {
            let whole = [head, &[crc8(head)], &[1, 2, 3]].concat();
            let mut damaged = whole.clone();
            damaged[head.len()] ^= 1;
            assert_eq!(frame_end(&damaged, 4096), None, "a wrong checksum");
            frame_end(&whole, 4096)
        };
        for (head, expected) in [
            (b"\xFF\xF8\xC9\x18\x02".as_slice(), Some(3 * 4096)),
            (b"\xFF\xF8\x69\x18\x02\x63", Some(2 * 4096 + 100)),
            (b"\xFF\xF8\x79\x18\x02\x03\xE7", Some(2 * 4096 + 1000)),
            (b"\xFF\xF8\xCC\x18\xC4\x80\x2C", Some(257 * 4096)),
            (b"\xFF\xF9\xCD\x18\xE0\xA0\x80\xAC\x44", Some(2048 + 4096)),
            (b"\xFF\xF9\x19\x18\xFE\xBF\xBF\xBF\xBF\xBF\xBF", Some((1 << 36) - 1 + 192)),
            (b"\xFF\xF8\x09\x18\x02", None),
            (b"\xFF\xF8\xCF\x18\x02", None),
            (b"\xFF\xF8\xC9\x19\x02", None),
            (b"\xFF\xF8\xC9\x18\x80", None),
            (b"\xFF\xF8\xC9\x18\xC4\x00", None),
        ] {
            assert_eq!(frame(head), expected, "{}", head.escape_ascii());
        }
        assert_eq!((frame_end(b"\xFF\xF8", 4096), frame_end(b"\xFF\xF8\xC9\x18\xFE\x80", 4096)), (None, None));
    }
}
