//! Reads the duration of MPEG audio (MP3, also Layer I and II): the sum of its frames.
//!
//! An encoder may put the number of frames in the first frame (`Xing`, `Info`, `VBRI`), with the number of samples that it
//! added at both ends. The number of frames is wrong when files were joined or cut, so it counts only for a file that is too long
//! to be read. A file whose bit rate varies has no other header, and the bit rate of one frame says nothing about the others.

use std::io::{Read, Seek};

use super::frames::{Frame, Frames};
use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::AudioFormat;

/// Bit rates in kbit/s, for MPEG-1 Layer I, II, III, then MPEG-2 Layer I, and Layers II and III.
const BIT_RATES: [[u16; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// The samples that every decoder adds in front.
const DECODER_DELAY: u32 = 529;

/// What the first frame can hold instead of audio.
struct InfoFrame {
    /// The number of frames behind it.
    frames: Option<u32>,
    /// How many samples at both ends are not of the source.
    added_samples: u32,
}

/// The duration in seconds.
pub(super) fn seconds<S: Read + Seek>(source: BoundedReader<S>) -> Option<f64> {
    let mut frames = Frames::new(source, parse);
    let (first, start) = frames.first()?;
    let Some(info) = InfoFrame::parse(&first, &start) else { return frames.rest_in_seconds() };
    frames.skip(&first)?;
    let in_seconds = |samples: f64| samples / f64::from(first.sample_rate);
    let (found, added) = (frames.rest_in_seconds(), in_seconds(info.added_samples.into()));
    let counted = info.frames.map(|count| in_seconds(f64::from(count) * f64::from(first.samples)));
    match (found, counted) {
        // The file is as its encoder left it.
        (Some(found), Some(counted)) if (found - counted).abs() < in_seconds(1.0) => Some(found - added),
        (Some(found), _) => Some(found),
        (None, counted) => counted.map(|counted| counted - added),
    }
}

/// The format of the audio, as its first frame gives it.
pub(in crate::media) fn audio_format<S: Read + Seek>(source: BoundedReader<S>) -> Option<AudioFormat> {
    let (frame, start) = Frames::new(source, parse).first()?;
    format_of(&frame, &start)
}

/// The format of audio that begins with a frame.
pub(in crate::media) fn format_in(start: &[u8]) -> Option<AudioFormat> {
    format_of(&parse(start)?, start)
}

fn format_of(frame: &Frame, start: &[u8]) -> Option<AudioFormat> {
    let [_, version_and_layer, _, mode, ..] = *start else { return None };
    let codec = match version_and_layer >> 1 & 3 {
        1 => "mp3",
        2 => "mp2",
        _ => "mp1",
    };
    Some(AudioFormat::new(Some(codec), frame.sample_rate, if mode >> 6 == 3 { 1 } else { 2 }))
}

/// Parses the header of a frame.
fn parse(header: &[u8]) -> Option<Frame> {
    let [0xFF, b, c, _, ..] = *header else { return None };
    let (version, layer) = (b >> 3 & 3, b >> 1 & 3);
    if b & 0xE0 != 0xE0 || version == 1 || layer == 0 {
        return None;
    }
    let is_version_1 = version == 3;
    let table = match (is_version_1, layer) {
        (true, layer) => usize::from(3 - layer),
        (false, 3) => 3,
        (false, _) => 4,
    };
    let bit_rate = u64::from(*BIT_RATES[table].get(usize::from(c >> 4))?) * 1000;
    let sample_rate = *[44_100_u32, 48_000, 32_000].get(usize::from(c >> 2 & 3))? >> [2, 2, 1, 0][usize::from(version)];
    let samples: u32 = match (layer, is_version_1) {
        (3, _) => 384,
        (2, _) | (_, true) => 1152,
        _ => 576,
    };
    // Layer I counts in slots of four bytes.
    let slot = if layer == 3 { 4 } else { 1 };
    let size = (u64::from(samples) / 8 * bit_rate / u64::from(sample_rate) / slot + u64::from(c >> 1 & 1)) * slot;
    (size > 4).then_some(Frame { size, samples, sample_rate, format: u32::from_be_bytes([0, 0, b & 0xFE, c & 0x0C]) })
}

impl InfoFrame {
    /// The first frame, when it holds no audio. `start` has its first bytes.
    fn parse(frame: &Frame, start: &[u8]) -> Option<Self> {
        let word = |at: usize| start.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
        if start.get(36..40) == Some(b"VBRI") {
            return Some(Self { frames: word(50), added_samples: 0 });
        }
        let is_mono = start.get(3)? >> 6 == 3;
        // Behind the side information.
        let at = match (frame.samples, is_mono) {
            (1152, false) => 36,
            (1152, true) | (_, false) => 21,
            (_, true) => 13,
        };
        if !matches!(start.get(at..at + 4)?, b"Xing" | b"Info") {
            return None;
        }
        let flags = word(at + 4)?;
        let frames = word(at + 8).filter(|_| flags & 1 == 1);
        // Four optional fields, then the name of the encoder and its settings.
        let field = |mask: u32, size: usize| if flags & mask == 0 { 0 } else { size };
        let encoder = at + 8 + field(1, 4) + field(2, 4) + field(4, 100) + field(8, 4);
        let is_known = matches!(start.get(encoder..encoder + 4), Some(b"LAME" | b"Lavf" | b"Lavc"));
        let added_samples = match start.get(encoder + 21..encoder + 24) {
            // A decoder adds some samples in front, which it takes from those behind.
            Some(&[a, b, c]) if is_known => {
                let (before, behind) = (u32::from(a) << 4 | u32::from(b) >> 4, u32::from(b & 0xF) << 8 | u32::from(c));
                before + behind.max(DECODER_DELAY)
            }
            _ => 0,
        };
        Some(Self { frames, added_samples })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A frame of MPEG-1 Layer III at 44.1 kHz with this index of its bit rate.
    fn frame(bit_rate: u8) -> Vec<u8> {
        let header = [0xFF, 0xFB, bit_rate << 4, 0xC0];
        let size = usize::try_from(parse(&header).unwrap().size).unwrap();
        [header.as_slice(), &vec![0xAA; size - 4]].concat()
    }

    fn header(name: &[u8], words: &[u32]) -> Vec<u8> {
        let mut frame = frame(9);
        let words: Vec<u8> = words.iter().copied().flat_map(u32::to_be_bytes).collect();
        frame[21..25].copy_from_slice(name);
        frame[25..25 + words.len()].copy_from_slice(&words);
        frame
    }

    fn seconds_of(parts: &[Vec<u8>], budget: u64) -> Option<f64> {
        let file = parts.concat();
        let end = file.len() as u64;
        seconds(BoundedReader::new(Cursor::new(file), 0..end, budget)).map(|seconds| (seconds * 1000.0).round() / 1000.0)
    }

    fn many(parts: &[Vec<u8>]) -> Option<f64> {
        seconds_of(parts, 1 << 20)
    }

    #[test]
    fn frame_sizes_follow_version_layer_and_rates() {
        for (header, size, samples, rate) in [
            (b"\xFF\xFB\x90\x00", 417, 1152, 44_100),
            (b"\xFF\xFB\x92\x00", 418, 1152, 44_100),
            (b"\xFF\xFA\xE4\x00", 960, 1152, 48_000),
            (b"\xFF\xF3\x44\x00", 96, 576, 24_000),
            (b"\xFF\xE3\x40\x00", 208, 576, 11_025),
            (b"\xFF\xFD\x80\x00", 417, 1152, 44_100),
            (b"\xFF\xFF\x90\x00", 312, 384, 44_100),
        ] {
            let found = parse(header).unwrap();
            assert_eq!((found.size, found.samples, found.sample_rate), (size, samples, rate), "{}", header.escape_ascii());
        }
        for header in [b"\xFF\xFB\xF0\x00", b"\xFF\xFB\x00\x00", b"\xFF\xFB\x9C\x00", b"\xFF\xEB\x90\x00", b"\xFF\xF9\x50\x80"] {
            assert_eq!(parse(header), None, "{}", header.escape_ascii());
        }
    }

    #[test]
    fn variable_bit_rate_is_summed() {
        let audio: Vec<Vec<u8>> = (0..383_u16).map(|n| frame(1 + u8::try_from(n % 14).unwrap())).collect();
        assert_eq!(many(&audio), Some(10.005));
        let tag = [b"TAG".as_slice(), &[0; 125]].concat();
        let ape = [b"APETAGEX\xD0\x07\0\0".as_slice(), &5000_u32.to_le_bytes(), &[0; 16], &vec![9; 5000]].concat();
        for extra in [vec![0; 900], tag, ape, b"ID3\x04\0\0\0\0\0\x03...".to_vec()] {
            assert_eq!(many(&[audio.clone(), vec![extra.clone()]].concat()), Some(10.005), "behind");
            assert_eq!(many(&[vec![extra.clone()], audio.clone()].concat()), Some(10.005), "before");
            assert_eq!(many(&[audio[..100].to_vec(), vec![extra], audio[100..].to_vec()].concat()), Some(10.005), "between");
        }
    }

    #[test]
    fn header_frame_is_no_audio_and_its_count_is_checked() {
        let audio: Vec<Vec<u8>> = (0..383).map(|_| frame(9)).collect();
        for (name, words) in [
            (b"Xing", vec![1, 383]),
            (b"Info", vec![1, 383]),
            (b"Xing", vec![0]),
            (b"Xing", vec![1, 7]),
            (b"Xing", vec![1, u32::MAX]),
        ] {
            assert_eq!(many(&[vec![header(name, &words)], audio.clone()].concat()), Some(10.005), "{words:?}");
        }
        let mut encoded = header(b"Info", &[1, 383]);
        encoded[33..37].copy_from_slice(b"LAME");
        encoded[54..57].copy_from_slice(&[0x24, 0x04, 0x00]);
        assert_eq!(many(&[vec![encoded.clone()], audio.clone()].concat()), Some(9.969), "576 and 1024 samples were added");
        assert_eq!(many(&[vec![encoded], audio[..200].to_vec()].concat()), Some(5.224), "the file is cut");
        let long = [vec![header(b"Xing", &[1, 383])], audio.clone()].concat();
        assert_eq!(seconds_of(&long, 80_000), Some(10.005), "too long to be read");
        assert_eq!(seconds_of(&audio, 80_000), None, "too long, and without a count");
        let joined = [long.clone(), long].concat();
        assert_eq!(many(&joined), Some(20.036), "the second header counts as a frame");
    }

    #[test]
    fn other_data_has_no_duration() {
        let noise: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        assert_eq!(many(std::slice::from_ref(&noise)), None);
        assert_eq!(many(&[vec![frame(9)], vec![frame(9)], vec![noise]].concat()), None);
        assert_eq!(many(&[]), None);
        assert_eq!(many(&[vec![0xFF; 100_000]]), None);
    }
}
