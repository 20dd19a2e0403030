//! Reads the duration of an AVI file from the headers of its streams, the longest of which counts, and the facts in them.
//!
//! A stream has its length in units of `scale / rate` seconds. A length of 0 was never completed and is unknown.

use std::io::{Read, Seek, SeekFrom};

use crate::domain::frame_rate::FrameRate;
use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::{AudioFormat, MediaFacts, codecs};

/// The most of the list of headers that is read.
const MAX_HEADERS: u64 = 1 << 20;

/// The duration in seconds.
pub(super) fn seconds(source: &mut BoundedReader<impl Read + Seek>) -> Option<f64> {
    let headers = read_headers(source)?;
    streams(&headers).filter_map(|(header, _)| stream_seconds(header)).max_by(f64::total_cmp)
}

/// The facts of the first video stream and of the first audio stream.
pub(in crate::media) fn facts(source: &mut BoundedReader<impl Read + Seek>) -> Option<MediaFacts> {
    let headers = read_headers(source)?;
    let mut facts = MediaFacts::default();
    if let Some((header, format)) = streams(&headers).find(|(header, _)| header.starts_with(b"vids")) {
        let side = |at: usize| format.get(at..)?.first_chunk().copied().map(i32::from_le_bytes).map(i32::unsigned_abs);
        (facts.width, facts.height) = side(4).zip(side(8)).filter(|(width, height)| *width > 0 && *height > 0).unzip();
        facts.video_codec = format.get(16..)?.first_chunk().copied().and_then(codecs::fourcc);
        facts.frame_rate = FrameRate::new(u32_at(header, 24)?.into(), u32_at(header, 20)?.into()).ok();
    }
    if let Some((_, format)) = streams(&headers).find(|(header, _)| header.starts_with(b"auds")) {
        let half = |at: usize| format.get(at..)?.first_chunk().copied().map(u16::from_le_bytes);
        facts.set_audio(AudioFormat::new(codecs::wave_tag(half(0)?), u32_at(format, 4)?, half(2)?.into()));
    }
    Some(facts)
}

/// The content of the list of headers.
fn read_headers(source: &mut BoundedReader<impl Read + Seek>) -> Option<Vec<u8>> {
    let list: [u8; 12] = source.array_at(12).ok()??;
    if !list.starts_with(b"LIST") || !list.ends_with(b"hdrl") {
        return None;
    }
    let mut headers = Vec::new();
    source.seek(SeekFrom::Start(24)).ok()?;
    source.take(u64::from(u32_at(&list, 4)?).min(MAX_HEADERS)).read_to_end(&mut headers).ok()?;
    Some(headers)
}

/// The header and the format of each stream.
fn streams(headers: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lists = chunks(headers).filter(|(kind, body)| kind == b"LIST" && body.starts_with(b"strl"));
    lists.filter_map(|(_, body)| {
        let find = |wanted: &[u8; 4]| chunks(body.get(4..)?).find(|(kind, _)| kind == wanted).map(|(_, body)| body);
        Some((find(b"strh")?, find(b"strf").unwrap_or_default()))
    })
}

/// The duration in the header of a video or audio stream.
fn stream_seconds(header: &[u8]) -> Option<f64> {
    let is_media = header.starts_with(b"vids") || header.starts_with(b"auds");
    let (scale, rate, length) = (u32_at(header, 20)?, u32_at(header, 24)?, u32_at(header, 32)?);
    (is_media && scale > 0 && rate > 0 && length > 0).then(|| f64::from(length) * f64::from(scale) / f64::from(rate))
}

/// The chunks in a list.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let kind = *bytes.first_chunk()?;
        let length = usize::try_from(u32_at(bytes, 4)?).ok()?;
        let body = bytes.get(8..)?.get(..length)?;
        bytes = bytes.get(8 + length.next_multiple_of(2)..).unwrap_or_default();
        Some((kind, body))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn chunk(kind: &[u8], body: &[u8]) -> Vec<u8> {
        [kind, &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
    }

    fn stream(kind: &[u8], scale: u32, rate: u32, length: u32) -> Vec<u8> {
        let words: Vec<u8> = [0, 0, 0, 0, scale, rate, 0, length, 0].into_iter().flat_map(u32::to_le_bytes).collect();
        chunk(b"LIST", &[b"strl".as_slice(), &chunk(b"strh", &[kind, &words].concat()), &chunk(b"strf", b"....")].concat())
    }

    fn avi(streams: &[Vec<u8>]) -> Option<f64> {
        let headers = [b"hdrl".to_vec(), chunk(b"avih", &[0; 56]), streams.concat()].concat();
        let file = [b"RIFF\0\0\0\0AVI ".as_slice(), &chunk(b"LIST", &headers), &chunk(b"LIST", b"movi")].concat();
        let end = file.len() as u64;
        seconds(&mut BoundedReader::new(Cursor::new(file), 0..end, 4096))
    }

    #[test]
    fn longest_stream_counts() {
        let (video, audio) = (stream(b"vids", 1001, 30_000, 30), stream(b"auds", 1, 8000, 12_000));
        assert_eq!(avi(std::slice::from_ref(&video)), Some(1.001));
        assert_eq!(avi(&[video, audio]), Some(1.5));
        assert_eq!(avi(&[stream(b"vids", 1, 25, 0), stream(b"txts", 1, 1, 99)]), None);
        assert_eq!(avi(&[stream(b"vids", 0, 25, 9), stream(b"vids", 1, 0, 9)]), None);
        assert_eq!(avi(&[]), None);
    }
}
