//! Reads the duration of a WAV file: the length of its data divided by the bytes per second.
//!
//! Symphonia's reader trusts the length in the header, which may be false. This one needs only two of the chunks.

use std::io::{Read, Seek, SeekFrom};

use super::bounded_reader::BoundedReader;

/// The duration of a WAV file in seconds. A streamed file, whose header was never completed, claims up to 13 hours; so the
/// data counts only up to the end of the file.
pub(super) fn seconds(source: &mut BoundedReader<impl Read + Seek>) -> Option<f64> {
    let (mut position, mut bytes_per_second) = (12, None);
    loop {
        source.seek(SeekFrom::Start(position)).ok()?;
        let (kind, length): ([u8; 4], [u8; 4]) = (read_array(source)?, read_array(source)?);
        let length = u64::from(u32::from_le_bytes(length));
        position += 8;
        match &kind {
            b"fmt " => {
                let _format_channels_and_rate: [u8; 8] = read_array(source)?;
                bytes_per_second = Some(u32::from_le_bytes(read_array(source)?));
            }
            b"data" => {
                let rest = source.length().checked_sub(position)?;
                let bytes = if length == 0 { rest } else { length.min(rest) };
                #[expect(clippy::cast_precision_loss, reason = "no file has 2^52 bytes")]
                return Some(bytes as f64 / f64::from(bytes_per_second?));
            }
            _ => {}
        }
        position += length.next_multiple_of(2);
    }
}

fn read_array<const N: usize>(source: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn wave_duration_is_bounded_by_the_data_present() {
        let wave = |length: u32, bytes: usize| {
            let head =
                b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x40\x1F\0\0\x01\0\x08\0LIST\x03\0\0\0abc\0data";
            let file = [head.as_slice(), &length.to_le_bytes(), &vec![0; bytes]].concat();
            let end = file.len() as u64;
            seconds(&mut BoundedReader::new(Cursor::new(file), 0..end, 4096))
        };
        for (length, bytes, expected) in [
            (8000, 8000, Some(1.0)),
            (8000, 9000, Some(1.0)),
            (u32::MAX, 4000, Some(0.5)),
            (0, 4000, Some(0.5)),
            (8000, 80, Some(0.01)),
            (0, 0, Some(0.0)),
        ] {
            assert_eq!(wave(length, bytes), expected, "{length} {bytes}");
        }
    }
}
