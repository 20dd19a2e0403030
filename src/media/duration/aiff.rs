//! Reads the duration and the format of an AIFF or AIFC file: the chunk `COMM` has the number of sample frames, the rate and the
//! channels.

use std::io::{Read, Seek};

use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::{AudioFormat, codecs};

/// What the chunk `COMM` says.
struct Common {
    channels: u16,
    frames: u32,
    rate: f64,
    /// How an AIFC file is compressed.
    compression: Option<[u8; 4]>,
}

/// The duration in seconds.
pub(super) fn seconds(source: &mut BoundedReader<impl Read + Seek>) -> Option<f64> {
    let common = Common::read(source)?;
    let per_frame = common.compression.map_or(Some(1.0), samples_per_frame)?;
    Some(f64::from(common.frames) * per_frame / common.rate).filter(|seconds| seconds.is_finite())
}

/// The format of the audio.
pub(in crate::media) fn audio_format(source: &mut BoundedReader<impl Read + Seek>) -> Option<AudioFormat> {
    let common = Common::read(source)?;
    let codec = common.compression.map_or(Some("pcm"), codecs::aiff);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number out of range becomes the nearest one")]
    let rate = if common.rate.fract() == 0.0 { common.rate as u32 } else { 0 };
    Some(AudioFormat::new(codec, if rate == u32::MAX { 0 } else { rate }, common.channels.into()))
}

impl Common {
    fn read(source: &mut BoundedReader<impl Read + Seek>) -> Option<Self> {
        let is_compressed = source.array_at(8).ok()?? == *b"AIFC";
        let mut position = 12;
        loop {
            let [kind @ .., a, b, c, d] = source.array_at::<8>(position).ok()??;
            if &kind == b"COMM" {
                let common: [u8; 18] = source.array_at(position + 8).ok()??;
                return Some(Self {
                    channels: u16::from_be_bytes(*common.first_chunk()?),
                    frames: u32::from_be_bytes(*common[2..].first_chunk()?),
                    rate: extended(*common[8..].first_chunk()?),
                    compression: if is_compressed { Some(source.array_at(position + 26).ok()??) } else { None },
                });
            }
            position += 8 + u64::from(u32::from_be_bytes([a, b, c, d])).next_multiple_of(2);
        }
    }
}

/// The samples in what a file with this compression calls a frame; `None` when it is not known.
fn samples_per_frame(compression: [u8; 4]) -> Option<f64> {
    match compression.to_ascii_lowercase().as_slice() {
        b"none" | b"sowt" | b"twos" | b"raw " | b"in24" | b"in32" | b"42ni" | b"23ni" | b"fl32" | b"fl64" | b"alaw" | b"ulaw" => {
            Some(1.0)
        }
        b"ima4" => Some(64.0),
        _ => None,
    }
}

/// A floating-point number of 80 bits.
fn extended(bytes: [u8; 10]) -> f64 {
    let [a, b, mantissa @ ..] = bytes;
    let exponent = i32::from(u16::from_be_bytes([a, b]) & 0x7FFF) - 16_383 - 63;
    #[expect(clippy::cast_precision_loss, reason = "rates are small numbers")]
    let mantissa = u64::from_be_bytes(mantissa) as f64;
    mantissa * f64::powi(2.0, exponent)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn aiff(kind: &[u8], frames: u32, rate: &[u8; 10], compression: &[u8]) -> Option<f64> {
        let common = [b"\0\x01".as_slice(), &frames.to_be_bytes(), b"\0\x10", rate, compression].concat();
        let length = u32::try_from(common.len()).unwrap().to_be_bytes();
        let file = [b"FORM\0\0\0\0".as_slice(), kind, b"NAME\0\0\0\x03abc\0COMM", &length, &common, b"SSND\0\0\0\x08"].concat();
        let end = file.len() as u64;
        seconds(&mut BoundedReader::new(Cursor::new(file), 0..end, 4096))
    }

    #[test]
    fn duration_is_read_from_the_common_chunk() {
        let (rate, low) = (b"\x40\x0E\xAC\x44\0\0\0\0\0\0", b"\x40\x0B\xFA\0\0\0\0\0\0\0");
        assert_eq!(aiff(b"AIFF", 88_200, rate, b""), Some(2.0));
        assert_eq!(aiff(b"AIFF", 4000, low, b""), Some(0.5));
        assert_eq!(aiff(b"AIFC", 88_200, rate, b"sowt\0\0"), Some(2.0));
        assert_eq!(aiff(b"AIFC", 125, low, b"ima4\0\0"), Some(1.0));
        assert_eq!(aiff(b"AIFC", 125, low, b"QDMC\0\0"), None);
        assert_eq!(aiff(b"AIFF", 125, &[0; 10], b""), None);
        assert_eq!(aiff(b"AIFF", 0, &[0; 10], b""), None);
    }
}
