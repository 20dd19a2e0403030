//! Adds up the durations of all frames of a stream that has no other header: MP3 and AAC (ADTS).
//!
//! Every frame is found behind the one before it, so that a false match in the data can't count. Tags between and behind the
//! frames are skipped. Junk ends the sum: where there is too much of it, or where frames are not most of the file, nothing is
//! known.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::media::bounded_reader::BoundedReader;
use crate::media::id3;

/// The longest junk before, between and behind frames, in bytes.
const MAX_JUNK: u64 = 64 << 10;
/// The bytes that a parser gets, and that a tag is recognized by.
const HEADER_SIZE: usize = 16;

/// One frame, as its header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// In bytes, with its header.
    pub size: u64,
    pub samples: u32,
    pub sample_rate: u32,
    /// The bits of the header that all frames of a stream share.
    pub format: u32,
}

/// Parses the header of a frame.
pub(super) type Parser = fn(&[u8]) -> Option<Frame>;

/// The frames of a stream, one after another.
pub(super) struct Frames<R> {
    source: BufReader<R>,
    parse: Parser,
    length: u64,
    position: u64,
}

impl<S: Read + Seek> Frames<BoundedReader<S>> {
    pub(super) fn new(source: BoundedReader<S>, parse: Parser) -> Self {
        let length = source.length();
        Self { source: BufReader::with_capacity(64 << 10, source), parse, length, position: 0 }
    }

    /// Moves to the first frame. Returns it with the bytes at its beginning.
    pub(super) fn first(&mut self) -> Option<(Frame, Vec<u8>)> {
        self.source.seek(SeekFrom::Start(0)).ok()?;
        let (frame, _) = self.next(None).ok()??;
        let start = self.peek(256).ok()?;
        Some((frame, start))
    }

    /// Skips one frame.
    pub(super) fn skip(&mut self, frame: &Frame) -> Option<()> {
        self.seek(self.position + frame.size).ok()
    }

    /// The duration of all frames in seconds.
    pub(super) fn total_seconds(mut self) -> Option<f64> {
        self.first()?;
        self.rest_in_seconds()
    }

    /// The duration in seconds of the frames from here on.
    pub(super) fn rest_in_seconds(mut self) -> Option<f64> {
        let start = self.position;
        let (mut seconds, mut in_frames, mut junk) = (0.0, 0, 0);
        let mut last = None;
        while let Some((frame, skipped)) = self.next(last).ok()? {
            junk += skipped;
            in_frames += frame.size;
            seconds += f64::from(frame.samples) / f64::from(frame.sample_rate);
            last = Some(frame.format);
            self.skip(&frame)?;
        }
        (junk <= MAX_JUNK && in_frames * 2 > self.length.saturating_sub(start)).then_some(seconds)
    }

    /// Finds the next frame, and how much junk is before it. Without a frame of this format before it, another frame must
    /// follow it.
    fn next(&mut self, format: Option<u32>) -> io::Result<Option<(Frame, u64)>> {
        let mut junk = 0;
        while junk <= MAX_JUNK {
            let header = self.peek(HEADER_SIZE)?;
            if header.len() < 4 {
                break;
            }
            if let Some(frame) = (self.parse)(&header)
                && self.position + frame.size <= self.length
                && ((junk == 0 && format == Some(frame.format)) || self.is_followed(&frame)?)
            {
                return Ok(Some((frame, junk)));
            }
            match tag_length(&header) {
                0 => {
                    junk += 1;
                    self.seek(self.position + 1)?;
                }
                tag => self.seek(self.position.saturating_add(tag))?,
            }
        }
        Ok(None)
    }

    /// Whether the end of the file, a tag, or another frame of the same format follows a frame.
    fn is_followed(&mut self, frame: &Frame) -> io::Result<bool> {
        let position = self.position;
        self.seek(position + frame.size)?;
        let header = self.peek(HEADER_SIZE)?;
        self.seek(position)?;
        let next = (self.parse)(&header);
        Ok(header.is_empty() || tag_length(&header) > 0 || next.is_some_and(|next| next.format == frame.format))
    }

    fn seek(&mut self, position: u64) -> io::Result<()> {
        // Within the buffer, this reads nothing again.
        let (to, from) = (i64::try_from(position), i64::try_from(self.position));
        let distance = to.ok().zip(from.ok()).map(|(to, from)| to - from).ok_or(io::ErrorKind::InvalidInput)?;
        self.position = position;
        self.source.seek_relative(distance)
    }

    /// The next bytes, or fewer at the end of the file. The position stays.
    fn peek(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let count = self.length.saturating_sub(self.position).min(count as u64);
        let mut bytes = Vec::with_capacity(256);
        self.source.by_ref().take(count).read_to_end(&mut bytes)?;
        self.source.seek_relative(-i64::try_from(bytes.len()).unwrap_or(0))?;
        Ok(bytes)
    }
}

/// The length of a tag that begins with `header`; 0 without a tag.
fn tag_length(header: &[u8]) -> u64 {
    match header {
        [b'T', b'A', b'G', ..] => 128,
        [b'A', b'P', b'E', b'T', b'A', b'G', b'E', b'X', _, _, _, _, a, b, c, d, ..] => {
            32 + u64::from(u32::from_le_bytes([*a, *b, *c, *d]))
        }
        _ => id3::tag_length(header),
    }
}

/// Parses the header of an AAC frame in ADTS.
pub(super) fn parse_adts(header: &[u8]) -> Option<Frame> {
    const RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
    let [0xFF, kind, rate, high, middle, low, blocks, ..] = *header else { return None };
    if kind & 0xF6 != 0xF0 {
        return None;
    }
    let size = u64::from(high & 3) << 11 | u64::from(middle) << 3 | u64::from(low) >> 5;
    let header_size = if kind & 1 == 1 { 7 } else { 9 };
    (size > header_size).then_some(Frame {
        size,
        samples: 1024 * (u32::from(blocks & 3) + 1),
        sample_rate: *RATES.get(usize::from(rate >> 2 & 0xF))?,
        format: u32::from_be_bytes([0, kind & 0xFE, rate, high & 0xC0]),
    })
}
