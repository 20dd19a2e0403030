//! Reads the duration of an Ogg file, which is the sum of its links, and the facts in its first packets.
//!
//! A chain is what `cat` makes of several Ogg files; radio streams and joined speech are such files, too. Symphonia returns the
//! duration of the first link only. So this module walks the headers of all pages. The streams of a new link begin behind the
//! data of the link before it, and may have the same numbers.
//!
//! The granule position of a link's last page is its end in samples. A link that does not begin at 0, or whose codec is not
//! known, makes the sum unknown.

use std::io::{self, Read, Seek};

use super::flac::StreamInfo;
use crate::domain::frame_rate::FrameRate;
use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::{AudioFormat, MediaFacts};

/// The most samples in one packet of any codec: two blocks of Vorbis.
const MAX_PACKET: u64 = 8192;
/// The most streams in one link: each page is looked up in them.
const MAX_STREAMS: usize = 64;

/// The links of an Ogg file.
#[derive(Debug, PartialEq)]
pub(super) enum Links {
    /// One, with its duration in seconds if it is known.
    One(Option<f64>),
    /// Several, with the sum of their durations. Also a file with so many streams that it is not read.
    Chain(Option<f64>),
}

/// Walks all pages of a file.
pub(super) fn links(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Links> {
    let (mut position, mut count, mut sum) = (0, 0, Some(0.0));
    let mut link = Link::default();
    while let Some(page) = Page::read(source, position)? {
        if page.is_first && link.has_data {
            sum = sum.zip(link.seconds()).map(|(sum, seconds)| sum + seconds);
            link = Link::default();
        }
        if page.is_first {
            if link.streams.len() == MAX_STREAMS {
                return Ok(Links::Chain(None));
            }
            count += usize::from(link.streams.is_empty());
            link.streams.push(Stream { serial: page.serial, codec: Codec::read(source, &page)?, end: 0 });
        } else {
            link.add(&page);
        }
        position = page.end;
    }
    let is_read_to_end = source.length().saturating_sub(position) < 4096;
    sum = sum.zip(link.seconds()).map(|(sum, seconds)| sum + seconds).filter(|_| is_read_to_end);
    Ok(if count > 1 { Links::Chain(sum) } else { Links::One(sum) })
}

/// The facts of the first audio stream and of the first video stream in the first link.
pub(in crate::media) fn facts(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<MediaFacts> {
    let (mut facts, mut audio, mut position) = (MediaFacts::default(), None, 0);
    for _ in 0..MAX_STREAMS {
        let Some(page) = Page::read(source, position)?.filter(|page| page.is_first) else { break };
        let packet = source.prefix_at(page.content, 64)?;
        if let Some(found) = audio_format(&packet) {
            audio = audio.or(Some(found));
        } else if packet.starts_with(b"\x80theora") && facts.video_codec.is_none() {
            facts.video_codec = Some("theora");
            let number = |at: usize, size: usize| {
                let bytes = packet.get(at..at + size)?;
                Some(bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)))
            };
            (facts.width, facts.height) = number(14, 3).zip(number(17, 3)).filter(|(width, height)| width * height > 0).unzip();
            facts.frame_rate =
                number(22, 4).zip(number(26, 4)).and_then(|(frames, seconds)| FrameRate::new(frames.into(), seconds.into()).ok());
        }
        position = page.end;
    }
    facts.set_audio(audio.unwrap_or_default());
    Ok(facts)
}

/// The format in the first packet of an audio stream.
fn audio_format(packet: &[u8]) -> Option<AudioFormat> {
    let byte = |at: usize| packet.get(at).copied().map(u32::from);
    let word = |at: usize| packet.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    match packet {
        // Opus has one rate.
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => Some(AudioFormat::new(Some("opus"), 48_000, byte(9)?)),
        [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => Some(AudioFormat::new(Some("vorbis"), word(12)?, byte(11)?)),
        [b'S', b'p', b'e', b'e', b'x', b' ', b' ', b' ', ..] => Some(AudioFormat::new(Some("speex"), word(36)?, word(48)?)),
        [0x7F, b'F', b'L', b'A', b'C', ..] => StreamInfo::parse(packet.get(17..)?).map(StreamInfo::audio_format),
        _ => None,
    }
}

#[derive(Default)]
struct Link {
    streams: Vec<Stream>,
    has_data: bool,
    /// Whether a stream begins later than at 0.
    is_late: bool,
}

struct Stream {
    serial: u32,
    codec: Codec,
    /// The last granule position.
    end: u64,
}

#[derive(Clone, Copy)]
enum Codec {
    /// Its samples per second, and how many of the first samples are not played.
    Audio {
        rate: u32,
        skipped: u16,
    },
    /// A stream about the others.
    Skeleton,
    Unknown,
}

impl Link {
    fn add(&mut self, page: &Page) {
        self.has_data = true;
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.serial == page.serial) else { return };
        let Some(granule) = page.granule.filter(|granule| *granule > 0) else { return };
        self.is_late |= stream.end == 0 && granule > page.segments * MAX_PACKET;
        stream.end = stream.end.max(granule);
    }

    /// The duration of its longest stream.
    fn seconds(&self) -> Option<f64> {
        let mut longest = None;
        for stream in &self.streams {
            match stream.codec {
                #[expect(clippy::cast_precision_loss, reason = "a duration of 2^52 samples is not plausible")]
                Codec::Audio { rate, skipped } if rate > 0 && !self.is_late => {
                    let seconds = stream.end.saturating_sub(skipped.into()) as f64 / f64::from(rate);
                    longest = Some(seconds.max(longest.unwrap_or(0.0)));
                }
                Codec::Skeleton => {}
                _ => return None,
            }
        }
        longest
    }
}

/// The header of a page.
struct Page {
    /// Whether a stream begins with it.
    is_first: bool,
    granule: Option<u64>,
    serial: u32,
    segments: u64,
    content: u64,
    end: u64,
}

impl Page {
    /// The page at `position`; `None` at the end of the file, and where no whole page is.
    fn read(source: &mut BoundedReader<impl Read + Seek>, position: u64) -> io::Result<Option<Self>> {
        let Some(header) = source.array_at::<27>(position)? else { return Ok(None) };
        if !header.starts_with(b"OggS\0") {
            return Ok(None);
        }
        let [.., segments] = header;
        let mut table = [0; 255];
        let table = &mut table[..segments.into()];
        let content = position + 27 + u64::from(segments);
        if content > source.length() {
            return Ok(None);
        }
        source.read_exact(table)?;
        let end = content + table.iter().map(|size| u64::from(*size)).sum::<u64>();
        let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let granule = u64::from(number(6)) | u64::from(number(10)) << 32;
        Ok((end <= source.length()).then_some(Self {
            is_first: header[5] & 2 != 0,
            // No packet ends on a page without a granule position.
            granule: (granule < u64::MAX / 2).then_some(granule),
            serial: number(14),
            segments: segments.into(),
            content,
            end,
        }))
    }
}

impl Codec {
    /// The codec in the first packet of a stream.
    fn read(source: &mut BoundedReader<impl Read + Seek>, page: &Page) -> io::Result<Self> {
        let Some(packet) = source.array_at::<16>(page.content)? else { return Ok(Self::Unknown) };
        let word = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u32::from_le_bytes);
        Ok(match &packet {
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', _, _, low, high, ..] => {
                Self::Audio { rate: 48_000, skipped: u16::from_le_bytes([*low, *high]) }
            }
            [1, b'v', b'o', b'r', b'b', b'i', b's', _, _, _, _, _, rate @ ..] => Self::Audio { rate: word(rate), skipped: 0 },
            [b'S', b'p', b'e', b'e', b'x', b' ', b' ', b' ', ..] => {
                let rate = source.array_at(page.content + 36)?;
                Self::Audio { rate: rate.map_or(0, u32::from_le_bytes), skipped: 0 }
            }
            // The rate of its `STREAMINFO` has 20 bits.
            [0x7F, b'F', b'L', b'A', b'C', ..] => {
                let rate = source.array_at(page.content + 27)?;
                Self::Audio { rate: rate.map_or(0, u32::from_be_bytes) >> 12, skipped: 0 }
            }
            [b'f', b'i', b's', b'h', b'e', b'a', b'd', 0, ..] => Self::Skeleton,
            _ => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::duration::probe_duration;

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/", $name)).as_slice()
        };
    }

    fn links_of(parts: &[&[u8]]) -> Links {
        let file = parts.concat();
        let end = file.len() as u64;
        let found = links(&mut BoundedReader::new(Cursor::new(file), 0..end, 1 << 20)).unwrap();
        match found {
            Links::Chain(seconds) => Links::Chain(seconds.map(|seconds| (seconds * 1000.0).round() / 1000.0)),
            Links::One(seconds) => Links::One(seconds.map(|seconds| (seconds * 1000.0).round() / 1000.0)),
        }
    }

    /// A page of one packet.
    fn page(flags: u8, granule: u64, serial: u32, packet: &[u8]) -> Vec<u8> {
        let head = [b"OggS\0".as_slice(), &[flags], &granule.to_le_bytes(), &serial.to_le_bytes(), &[0; 8], &[1]].concat();
        [head.as_slice(), &[u8::try_from(packet.len()).unwrap()], packet].concat()
    }

    /// A stream with its last granule position.
    fn stream(serial: u32, packet: &[u8], ends: &[u64]) -> Vec<u8> {
        let data = ends.iter().map(|end| page(0, *end, serial, b"data"));
        [page(2, 0, serial, packet)].into_iter().chain(data).collect::<Vec<_>>().concat()
    }

    const VORBIS: &[u8] = b"\x01vorbis\0\0\0\0\x02\x40\x1F\0\0....";

    #[test]
    fn links_are_summed() {
        let (vorbis, opus) = (sample!("song.ogg"), sample!("song.opus"));
        assert_eq!(links_of(&[vorbis]), Links::One(Some(1.1)));
        assert!(matches!(links_of(&[opus]), Links::One(Some(_))));
        assert_eq!(links_of(&[vorbis, vorbis]), Links::Chain(Some(2.2)), "links with the same serial number");
        assert_eq!(links_of(&[vorbis, opus, vorbis]), Links::Chain(Some(3.4)));
        let speex = [b"Speex   ".as_slice(), &[0; 28], &8000_u32.to_le_bytes(), &[0; 20]].concat();
        let flac = [b"\x7FFLAC\x01\0\0\x01fLaC\0\0\0\x22".as_slice(), &[0; 10], &[0x01, 0xF4, 0x00, 0x00], &[0; 20]].concat();
        for packet in [VORBIS, &speex, &flac] {
            let link = stream(7, packet, &[4000, 8000]);
            assert_eq!(links_of(&[&link]), Links::One(Some(1.0)), "{}", packet.escape_ascii());
            assert_eq!(probe_duration(Cursor::new(&link), None), Some(1.0), "{}", packet.escape_ascii());
            assert_eq!(links_of(&[&link, &link]), Links::Chain(Some(2.0)), "{}", packet.escape_ascii());
        }
        let skeleton = [stream(1, b"fishead\0........", &[]), stream(2, VORBIS, &[8000])].concat();
        assert_eq!(links_of(&[&skeleton, &skeleton]), Links::Chain(Some(2.0)));
    }

    #[test]
    fn link_of_many_streams_has_no_duration() {
        let streams = |count| (0..count).map(|serial| stream(serial, VORBIS, &[])).collect::<Vec<_>>().concat();
        let data = page(0, 8000, 7, b"data");
        assert_eq!(links_of(&[&streams(64), &data]), Links::One(Some(1.0)));
        assert_eq!(links_of(&[&streams(65), &data]), Links::Chain(None));
    }

    #[test]
    fn chain_with_an_unknown_link_has_no_duration() {
        let known = stream(1, VORBIS, &[8000]);
        for other in [
            stream(2, b"\x80theora..........", &[99]),
            stream(2, VORBIS, &[8_000_000, 8_008_000]),
            stream(2, b"\x01vorbis\0\0\0\0\x02\0\0\0\0....", &[8000]),
            stream(2, b"short", &[8000]),
        ] {
            assert_eq!(links_of(&[&known, &other]), Links::Chain(None));
            assert_eq!(links_of(&[&other, &known]), Links::Chain(None));
        }
        assert_eq!(links_of(&[&known, &known, &[0; 5000]]), Links::Chain(None), "the rest is not known");
        assert_eq!(links_of(&[&known, &known, b"a tag"]), Links::Chain(Some(2.0)));
    }
}
