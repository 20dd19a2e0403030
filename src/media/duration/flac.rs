//! Reads the duration of a FLAC file: `STREAMINFO`, which comes first, has the number of samples and the rate.
//!
//! Nothing else is read: other metadata (cue sheets, pictures) is often damaged, and does not change the duration. An encoder
//! that writes to a pipe leaves the number of samples at 0, which is unknown.

use std::io::{Read, Seek};

use crate::media::bounded_reader::BoundedReader;

/// The duration in seconds.
pub(super) fn seconds(source: &mut BoundedReader<impl Read + Seek>) -> Option<f64> {
    let head: [u8; 26] = source.array_at(0).ok()??;
    if !head.starts_with(b"fLaC") || head[4] & 0x7F != 0 {
        return None;
    }
    duration_in(&head[8..])
}

/// The duration in the first 18 bytes of a `STREAMINFO`.
fn duration_in(info: &[u8]) -> Option<f64> {
    // 20 bits of rate, 3 of channels, 5 of sample size, 36 of the number of samples.
    let bits = info.get(10..)?.first_chunk().copied().map(u64::from_be_bytes)?;
    let (rate, samples) = (u32::try_from(bits >> 44).ok()?, bits & 0xF_FFFF_FFFF);
    #[expect(clippy::cast_precision_loss, reason = "36 bits fit")]
    (rate > 0 && samples > 0).then(|| samples as f64 / f64::from(rate))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn flac(kind: u8, rate: u64, samples: u64) -> Option<f64> {
        let bits = rate << 44 | 1 << 41 | 15 << 36 | samples;
        let file = [b"fLaC".as_slice(), &[kind, 0, 0, 34], &[0; 10], &bits.to_be_bytes(), &[0; 16], b"\xFF\xFF\xFF\xFF"].concat();
        let end = file.len() as u64;
        seconds(&mut BoundedReader::new(Cursor::new(file), 0..end, 4096))
    }

    #[test]
    fn duration_is_read_from_the_first_block() {
        assert_eq!(flac(0, 44_100, 88_200), Some(2.0));
        assert_eq!(flac(0x80, 655_350, 655_350 << 14), Some(16_384.0));
        assert_eq!((flac(0, 0, 88_200), flac(0, 44_100, 0), flac(4, 44_100, 88_200)), (None, None, None));
    }
}
