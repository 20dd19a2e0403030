//! Reads the duration of an MPEG program stream (MPG) from its pictures, all of which are counted, and the facts in its headers.
//!
//! The stream has no header with its length, and its time stamps may begin anywhere and start over in the middle. So every
//! packet of the first video stream is read. Only start codes and the few bytes behind them are looked at.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::mpeg_audio;
use crate::domain::frame_rate::FrameRate;
use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::{AudioFormat, MediaFacts};

/// Frames per second, as a fraction.
const FRAME_RATES: [(u32, u32); 8] =
    [(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1), (50, 1), (60_000, 1001), (60, 1)];

/// The duration in seconds; `None` when the file is no program stream to its end.
pub(super) fn seconds<S: Read + Seek>(source: BoundedReader<S>) -> Option<f64> {
    let mut streams = Streams::default();
    streams.read(source)?;
    streams.video.seconds()
}

/// The duration, the facts of the first video stream, and those of the first stream of MPEG audio.
pub(in crate::media) fn facts<S: Read + Seek>(source: BoundedReader<S>) -> MediaFacts {
    let mut streams = Streams::default();
    let is_whole = streams.read(source).is_some();
    let mut facts = streams.video.facts();
    facts.set_audio(streams.audio.unwrap_or_default());
    facts.duration = if is_whole { streams.video.seconds().and_then(super::rounded) } else { None };
    facts
}

/// The streams of a file that count.
#[derive(Default)]
struct Streams {
    video: Video,
    video_code: Option<u8>,
    audio: Option<AudioFormat>,
}

impl Streams {
    /// Reads all packets; `None` when the file is no program stream to its end.
    fn read<S: Read + Seek>(&mut self, mut source: BoundedReader<S>) -> Option<()> {
        source.seek(SeekFrom::Start(0)).ok()?;
        let mut source = BufReader::with_capacity(64 << 10, source);
        while let Some(code) = next_packet(&mut source)? {
            match code {
                0xBA => skip_pack_header(&mut source)?,
                // The end of a program, behind which another one may begin.
                0xB9 => {}
                0xBB.. => {
                    let mut packet = vec![0; u16::from_be_bytes(array(&mut source)?).into()];
                    source.read_exact(&mut packet).ok()?;
                    self.add(code, &packet)?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn add(&mut self, code: u8, packet: &[u8]) -> Option<()> {
        match code {
            0xE0..=0xEF if *self.video_code.get_or_insert(code) == code => {
                self.video.read(packet.get(payload_start(packet)?..)?);
            }
            // Audio whose first packet does not begin with a frame stays unknown.
            0xC0..=0xDF if self.audio.is_none() => {
                let start = payload_start(packet).and_then(|start| packet.get(start..));
                self.audio = Some(start.and_then(mpeg_audio::format_in).unwrap_or_default());
            }
            _ => {}
        }
        Some(())
    }
}

fn array<const N: usize>(source: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// The code of the next packet, `None` inside at the end of the file, and `None` where no packet begins. Zeros may be before a
/// packet and behind the last one.
#[expect(clippy::option_option, reason = "the end of the file is no fault")]
fn next_packet(source: &mut impl BufRead) -> Option<Option<u8>> {
    let mut zeros = 0;
    loop {
        let Some(byte) = source.fill_buf().ok()?.first().copied() else { return Some(None) };
        source.consume(1);
        match byte {
            0 => zeros += 1,
            1 if zeros >= 2 => return array(source).map(|[code]| Some(code)),
            _ => return None,
        }
    }
}

fn skip_pack_header(source: &mut impl Read) -> Option<()> {
    let [first, ..] = array::<8>(source)?;
    if first >> 6 != 1 {
        return Some(());
    }
    let [_, stuffing] = array::<2>(source)?;
    let stuffing = u64::from(stuffing & 7);
    (std::io::copy(&mut source.take(stuffing), &mut std::io::sink()).ok()? == stuffing).then_some(())
}

/// Where the video begins in a packet, behind the time stamps.
fn payload_start(packet: &[u8]) -> Option<usize> {
    if packet.first()? >> 6 == 2 {
        return Some(3 + usize::from(*packet.get(2)?));
    }
    // MPEG-1: stuffing, the size of a buffer, time stamps.
    let mut at = packet.iter().position(|byte| *byte != 0xFF)?;
    if packet[at] >> 6 == 1 {
        at += 2;
    }
    Some(
        at + match packet.get(at)? >> 4 {
            2 => 5,
            3 => 10,
            _ => 1,
        },
    )
}

/// What is known of a video stream.
#[derive(Default)]
struct Video {
    /// The last four bytes.
    window: u32,
    /// A start code whose bytes are still read.
    open: Option<(u8, Vec<u8>)>,
    /// As the sequence header gives it.
    frame_rate: Option<(u32, u32)>,
    size: Option<(u32, u32)>,
    /// What the extension of the sequence multiplies the frame rate by, as a fraction. The last extension counts.
    rate_factor: Option<(u32, u32)>,
    is_progressive: bool,
    /// In half frames: a picture may be one field, or a field may be shown twice.
    fields: u64,
}

impl Video {
    /// Reads the next bytes of the stream.
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.window = self.window << 8 | u32::from(*byte);
            if let Some((_, content)) = &mut self.open {
                content.push(*byte);
                if content.len() == 6 {
                    self.close();
                }
            }
            if self.window >> 8 == 1 {
                self.close();
                self.open = Some((*byte, Vec::with_capacity(6)));
            }
        }
    }

    fn close(&mut self) {
        match self.open.take() {
            Some((0x00, _)) => self.fields += 2,
            Some((0xB3, content)) => {
                let index = content.get(3).map_or(0, |byte| usize::from(byte & 0xF));
                self.frame_rate = index.checked_sub(1).and_then(|index| FRAME_RATES.get(index)).copied();
                self.rate_factor = None;
                // The extension of the sequence has the high bits of these 12.
                self.size = match *content {
                    [a, b, c, ..] => {
                        let (a, b, c) = (u32::from(a), u32::from(b), u32::from(c));
                        Some((a << 4 | b >> 4, (b & 0xF) << 8 | c))
                    }
                    _ => None,
                };
            }
            Some((0xB5, content)) => self.extend(&content),
            _ => {}
        }
    }

    fn extend(&mut self, content: &[u8]) {
        match *content {
            // Of a sequence.
            [first, second, third, _, _, rate] if first >> 4 == 1 => {
                let (second_bits, third_bits) = (u32::from(second), u32::from(third));
                self.size = self.size.map(|(width, height)| {
                    // The low 12 bits may have been extended before.
                    let high = ((second_bits & 1) << 1 | third_bits >> 7, third_bits >> 5 & 3);
                    (width & 0xFFF | high.0 << 12, height & 0xFFF | high.1 << 12)
                });
                self.is_progressive = second & 8 != 0;
                self.rate_factor = Some((u32::from(rate >> 5 & 3) + 1, u32::from(rate & 0x1F) + 1));
            }
            // Of the picture that was counted just now.
            [first, _, third, flags, ..] if first >> 4 == 8 => {
                let (is_field, repeats) = (third & 3 != 3, flags & 2 != 0);
                self.fields = match (is_field, repeats, self.is_progressive) {
                    (true, ..) => self.fields.saturating_sub(1),
                    (_, true, false) => self.fields + 1,
                    // A whole frame is shown again, or two where the top field is first.
                    (_, true, true) => self.fields + if flags & 0x80 == 0 { 2 } else { 4 },
                    _ => self.fields,
                };
            }
            _ => {}
        }
    }

    /// The size, the codec and the frame rate.
    fn facts(&mut self) -> MediaFacts {
        self.close();
        let mut facts = MediaFacts::default();
        let Some((frames, seconds)) = self.frame_rate else { return facts };
        let (factor, divisor) = self.rate_factor.unwrap_or((1, 1));
        facts.frame_rate = FrameRate::new((frames * factor).into(), (seconds * divisor).into()).ok();
        (facts.width, facts.height) = self.size.filter(|(width, height)| *width > 0 && *height > 0).unzip();
        // Only the second version extends its sequence header.
        facts.video_codec = Some(if self.rate_factor.is_some() { "mpeg2video" } else { "mpeg1video" });
        facts
    }

    fn seconds(mut self) -> Option<f64> {
        self.close();
        let (frames, seconds) = self.frame_rate?;
        let (factor, divisor) = self.rate_factor.unwrap_or((1, 1));
        #[expect(clippy::cast_precision_loss, reason = "a file that is read has fewer than 2^52 pictures")]
        Some(self.fields as f64 / 2.0 * f64::from(seconds * divisor) / f64::from(frames * factor))
    }
}

#[cfg(test)]
mod tests;
