//! Reads the duration and the format of a FLAC file: `STREAMINFO`, which comes first, has the number of samples, the rate and
//! the channels.
//!
//! Nothing else is read: other metadata (cue sheets, pictures) is often damaged, and does not change the duration. An encoder
//! that writes to a pipe leaves the number of samples at 0, which is unknown.

use std::io::{Read, Seek};

use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::AudioFormat;

/// The duration in seconds.
pub(super) fn seconds(source: &mut BoundedReader<impl Read + Seek>) -> Option<f64> {
    let StreamInfo { rate, samples, .. } = StreamInfo::read(source)?;
    #[expect(clippy::cast_precision_loss, reason = "36 bits fit")]
    (rate > 0 && samples > 0).then(|| samples as f64 / f64::from(rate))
}

/// The format of the audio.
pub(in crate::media) fn audio_format(source: &mut BoundedReader<impl Read + Seek>) -> Option<AudioFormat> {
    StreamInfo::read(source).map(StreamInfo::audio_format)
}

/// What a `STREAMINFO` says.
pub(in crate::media) struct StreamInfo {
    rate: u32,
    channels: u32,
    samples: u64,
}

impl StreamInfo {
    fn read(source: &mut BoundedReader<impl Read + Seek>) -> Option<Self> {
        let head: [u8; 26] = source.array_at(0).ok()??;
        if !head.starts_with(b"fLaC") || head[4] & 0x7F != 0 { None } else { Self::parse(&head[8..]) }
    }

    /// Parses the first 18 bytes of a `STREAMINFO`.
    pub(in crate::media) fn parse(info: &[u8]) -> Option<Self> {
        // 20 bits of rate, 3 of channels, 5 of sample size, 36 of the number of samples.
        let bits = info.get(10..)?.first_chunk().copied().map(u64::from_be_bytes)?;
        let (rate, channels) = (u32::try_from(bits >> 44).ok()?, u32::try_from(bits >> 41 & 7).ok()? + 1);
        Some(Self { rate, channels, samples: bits & 0xF_FFFF_FFFF })
    }

    pub(in crate::media) fn audio_format(self) -> AudioFormat {
        AudioFormat::new(Some("flac"), self.rate, self.channels)
    }
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
