//! Reads the duration and the format of a WAV file.
//!
//! For uncompressed audio it is the length of the data divided by the bytes per second. Compressed audio has no constant
//! bytes per second: there the number of samples is in the chunk `fact`, or follows from the number of blocks, and MP3 in WAV
//! is a row of frames. Symphonia's reader trusts the length in the header, which may be false.

use std::io::{Read, Seek};
use std::ops::Range;

use super::mpeg_audio;
use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::{AudioFormat, codecs};

/// What the chunk `fmt ` says.
struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    bytes_per_second: u32,
    block_size: u16,
    /// In its extension, for ADPCM.
    samples_per_block: Option<u16>,
}

/// The duration of a WAV file in seconds. A streamed file, whose header was never completed, claims up to 13 hours; so the
/// data counts only up to the end of the file.
pub(super) fn seconds(source: &mut BoundedReader<impl Read + Seek>) -> Option<f64> {
    let (mut position, mut format, mut samples) = (12, None, 0);
    loop {
        let [kind @ .., a, b, c, d] = source.array_at::<8>(position).ok()??;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        position += 8;
        match &kind {
            b"fmt " => format = Some(Format::read(source, position, length)?),
            b"fact" => samples = u32::from_le_bytes(source.array_at(position).ok()??),
            b"data" => {
                let rest = source.length().checked_sub(position)?;
                let bytes = if length == 0 { rest } else { length.min(rest) };
                return format?.seconds(samples, position..position + bytes, source);
            }
            _ => {}
        }
        position += length.next_multiple_of(2);
    }
}

/// The format of the audio.
pub(in crate::media) fn audio_format(source: &mut BoundedReader<impl Read + Seek>) -> Option<AudioFormat> {
    let mut position = 12;
    loop {
        let [kind @ .., a, b, c, d] = source.array_at::<8>(position).ok()??;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        if &kind == b"fmt " {
            let format = Format::read(source, position + 8, length)?;
            return Some(AudioFormat::new(codecs::wave_tag(format.tag), format.sample_rate, format.channels.into()));
        }
        position += 8 + length.next_multiple_of(2);
    }
}

impl Format {
    fn read(source: &mut BoundedReader<impl Read + Seek>, position: u64, length: u64) -> Option<Self> {
        let bytes: [u8; 16] = source.array_at(position).ok()??;
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        let mut extension = |at: u64| {
            let value = if length >= at + 2 { source.array_at(position + at).ok()? } else { None };
            value.map(u16::from_le_bytes)
        };
        // An extensible format has its tag in the extension.
        let tag = if half(0) == 0xFFFE { extension(24)? } else { half(0) };
        Some(Self {
            tag,
            channels: half(2),
            sample_rate: word(4),
            bytes_per_second: word(8),
            block_size: half(12),
            samples_per_block: extension(18),
        })
    }

    /// `samples` is the number in `fact`, or 0. `data` is where the audio is.
    fn seconds(&self, samples: u32, data: Range<u64>, source: &mut BoundedReader<impl Read + Seek>) -> Option<f64> {
        let bytes = data.end - data.start;
        match self.tag {
            // PCM, floating point, A-law, mu-law.
            1 | 3 | 6 | 7 => quotient(bytes, self.bytes_per_second),
            // MPEG audio.
            0x50 | 0x55 => mpeg_audio::seconds(BoundedReader::new(source, data, super::WALK_BUDGET)),
            _ => match self.samples_in_blocks(bytes) {
                // Of a file that is cut, `fact` still counts all samples.
                Some(most) => quotient(if samples == 0 { most } else { most.min(samples.into()) }, self.sample_rate),
                None => quotient(samples.into(), self.sample_rate),
            },
        }
    }

    /// The samples in `bytes` of ADPCM: in whole blocks, and in the begun one.
    fn samples_in_blocks(&self, bytes: u64) -> Option<u64> {
        let (channels, block) = (u64::from(self.channels), u64::from(self.block_size));
        // What a block begins with, and how many samples that is.
        let (header, first) = match self.tag {
            0x02 => (7 * channels, 2),
            0x11 => (4 * channels, 1),
            _ => return None,
        };
        let in_part = |bytes: u64| Some((bytes.checked_sub(header)? * 2).checked_div(channels)? + first);
        let per_block = self.samples_per_block.filter(|count| *count > 0).map(u64::from).or_else(|| in_part(block))?;
        let begun = in_part(bytes.checked_rem(block)?).unwrap_or(0);
        (bytes / block).checked_mul(per_block)?.checked_add(begun.min(per_block))
    }
}

fn quotient(count: u64, per_second: u32) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "no file has 2^52 bytes")]
    (per_second > 0).then(|| count as f64 / f64::from(per_second))
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

    /// A WAV file with these chunks, and `data` bytes of audio of which the header claims `claimed`.
    fn wave(format: &[u16], fact: Option<u32>, claimed: u32, data: usize) -> Option<f64> {
        let format: Vec<u8> = format.iter().copied().flat_map(u16::to_le_bytes).collect();
        let fact = fact.map(|samples| [b"fact\x04\0\0\0".as_slice(), &samples.to_le_bytes()].concat()).unwrap_or_default();
        let file = [
            b"RIFF\0\0\0\0WAVEfmt ".as_slice(),
            &u32::try_from(format.len()).unwrap().to_le_bytes(),
            &format,
            &fact,
            b"data",
            &claimed.to_le_bytes(),
            &vec![0; data],
        ]
        .concat();
        let end = file.len() as u64;
        seconds(&mut BoundedReader::new(Cursor::new(file), 0..end, 1 << 20))
    }

    #[test]
    fn compressed_audio_counts_samples() {
        // Tag, channels, rate, bytes per second, block size, bits, extension: its size, samples per block.
        let ima = |channels, block, per_block| [0x11, channels, 8000, 0, 4055, 0, block, 4, 2, per_block];
        let microsoft = [0x02, 1, 8000, 0, 4096, 0, 256, 4, 32, 500];
        let gsm = [0x31, 1, 8000, 0, 1625, 0, 65, 0, 2, 320];
        for (format, fact, data, expected) in [
            (ima(1, 256, 505).as_slice(), Some(8000), 16 * 256, Some(1.0)),
            (&ima(1, 256, 505), None, 16 * 256, Some(1.01)),
            (&ima(1, 256, 0), None, 16 * 256, Some(1.01)),
            (&ima(1, 256, 505), Some(0), 16 * 256, Some(1.01)),
            (&ima(1, 256, 505), Some(80_000), 16 * 256, Some(1.01)),
            (&ima(2, 512, 505), Some(8000), 16 * 512, Some(1.0)),
            (&ima(1, 256, 505)[..8], None, 16 * 256, Some(1.01)),
            (&microsoft, None, 16 * 256, Some(1.0)),
            (&microsoft, None, 16 * 256 + 7 + 49, Some(1.0125)),
            (&gsm, Some(8000), 1625, Some(1.0)),
            (&gsm, None, 1625, None),
            (&ima(1, 0, 505), None, 4096, None),
            (&ima(0, 256, 0), None, 4096, None),
            (&[0x11, 1, 0, 0, 4055, 0, 256, 4], None, 4096, None),
        ] {
            let found = wave(format, fact, u32::try_from(data).unwrap(), data);
            let found = found.filter(|found| *found > 0.0).map(|found| (found * 10_000.0).round() / 10_000.0);
            assert_eq!(found, expected, "{format:?} {fact:?} {data}");
        }
    }

    #[test]
    fn extensible_format_has_its_tag_in_the_extension() {
        let format = |tag| [0xFFFE, 1, 8000, 0, 8000, 0, 1, 8, 22, 8, 0, 0, tag, 0, 0x10, 0x8000, 0xAA00, 0x3800, 0x9B71, 0];
        assert_eq!(wave(&format(1), None, 8000, 8000), Some(1.0));
        assert_eq!(wave(&format(0x1234), None, 8000, 8000), Some(0.0), "an unknown tag");
        assert_eq!(wave(&format(1)[..8], None, 8000, 8000), None, "without its extension");
    }
}
