//! Reads the duration of an ISO media file (MP4, MOV, M4A), its frame rate (`frame_durations`), and with the same walk over its
//! boxes the facts of its tracks ([`facts::iso`](crate::media::facts::iso)).
//!
//! The movie header has the duration, except in a fragmented file (DASH, CMAF, `ffmpeg -movflags frag_keyframe`). There it
//! is 0 or the length of the first fragment; each fragment has its start and the length of its samples, and the latest end
//! counts. Symphonia does not add these up, and it reads all sample tables for a value that the header has. So this module
//! has its own parser, which skips media and tables.
//!
//! No size is trusted: a box that is shorter than its header, or longer than its parent, ends the parsing, and at most 4 MiB
//! of a box is read.

mod frame_durations;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::mpeg_audio;
use crate::domain::frame_rate::FrameRate;
use crate::media::facts::iso::{self, TrackFacts};
use crate::media::facts::{AudioFormat, MediaFacts};
use frame_durations::FrameDurations;

const MAX_BOX_READ: u64 = 4 << 20;

/// The duration in seconds; `None` when the file has no movie, or the movie gives no duration.
pub(super) fn seconds(source: &mut (impl Read + Seek)) -> Option<f64> {
    Movie::read(source)?.seconds()
}

/// The duration and the facts of the tracks; `None` when the file has no movie.
pub(in crate::media) fn facts(source: &mut (impl Read + Seek)) -> Option<MediaFacts> {
    let movie = Movie::read(source)?;
    let (duration, frame_rate) = (movie.seconds().and_then(super::rounded), movie.frame_rate());
    let mut facts = MediaFacts { duration, frame_rate, ..movie.facts.media };
    if let Some(position) = movie.facts.mpeg_audio_at {
        facts.set_audio(read_mpeg_audio(source, position).unwrap_or_default());
    }
    Some(facts)
}

/// The format of MPEG audio whose first frame is at `position`.
fn read_mpeg_audio(source: &mut (impl Read + Seek), position: u64) -> Option<AudioFormat> {
    source.seek(SeekFrom::Start(position)).ok()?;
    let mut frame = Vec::new();
    source.take(16).read_to_end(&mut frame).ok()?;
    mpeg_audio::format_in(&frame)
}

/// Whether the movie has audio tracks and no track of pictures.
pub(crate) fn is_audio_only(source: &mut (impl Read + Seek)) -> bool {
    // A movie that can't be read is not known to be audio.
    read_top_level(source, *b"moov").is_some_and(|movie| has_only_audio(&movie))
}

/// The content of the first box of this type at the top level.
pub(in crate::media) fn read_top_level(source: &mut (impl Read + Seek), kind: [u8; 4]) -> Option<Vec<u8>> {
    let mut position = 0_u64;
    loop {
        let found = read_box_header(source, position).ok()??;
        if found.kind == kind {
            return read_box_body(source, position, &found).ok();
        }
        position = position.checked_add(found.size)?;
    }
}

fn has_only_audio(movie: &[u8]) -> bool {
    let tracks = boxes(movie).filter(|(kind, _)| kind == b"trak");
    let mut handlers = tracks.map(|(_, track)| find_box(track, &[b"mdia", b"hdlr"]).and_then(|handler| handler.get(8..12)));
    let mut has_audio = false;
    handlers.all(|handler| {
        has_audio |= handler == Some(b"soun");
        // Chapters and metadata have no pictures.
        matches!(handler, Some(b"soun" | b"text" | b"meta" | b"sbtl" | b"tmcd" | b"hint"))
    }) && has_audio
}

struct Movie {
    duration: Option<f64>,
    facts: TrackFacts,
    /// By their ids: a file may have thousands of tracks, and millions of fragments of them.
    tracks: BTreeMap<u32, Track>,
    /// Whether fragments follow the movie header.
    is_fragmented: bool,
    /// Whether all fragments were read.
    is_complete: bool,
}

/// One track. Its times are in ticks of its own timescale.
struct Track {
    timescale: u32,
    /// The duration in the movie header.
    duration: u64,
    /// The duration of a sample whose fragment does not give one.
    default_sample_duration: u32,
    /// The start and end of its fragments.
    fragment_span: Option<(u64, u64)>,
    frames: FrameDurations,
}

impl Movie {
    fn read(source: &mut (impl Read + Seek)) -> Option<Self> {
        let mut movie = None;
        let is_complete = Self::walk(source, &mut movie).is_some();
        Some(Self { is_complete, ..movie? })
    }

    /// Reads the movie header and, behind it, all fragments.
    fn walk(source: &mut (impl Read + Seek), movie: &mut Option<Self>) -> Option<()> {
        let mut position = 0_u64;
        while let Some(found) = read_box_header(source, position).ok()? {
            match (&found.kind, &mut *movie) {
                (b"moov", None) => *movie = Some(Self::parse(&read_box_body(source, position, &found).ok()?)),
                (b"moof", Some(movie)) => movie.add_fragment(&read_box_body(source, position, &found).ok()?)?,
                _ => {}
            }
            if movie.as_ref().is_some_and(|movie| !movie.is_fragmented) {
                break;
            }
            position = position.checked_add(found.size)?;
        }
        Some(())
    }

    fn parse(bytes: &[u8]) -> Self {
        let extends = find_box(bytes, &[b"mvex"]);
        let defaults = boxes(extends.unwrap_or_default()).filter(|(kind, _)| kind == b"trex");
        let samples: BTreeMap<u32, u32> = defaults.filter_map(|(_, body)| Some((u32_at(body, 4)?, u32_at(body, 12)?))).collect();
        let track = |body| {
            let (ticks_per_second, length) = timescale_and_duration(find_box(body, &[b"mdia", b"mdhd"])?)?;
            let identity = find_box(body, &[b"tkhd"])?;
            let id = u32_at(identity, if is_version_1(identity) { 20 } else { 12 })?;
            let default_sample_duration = samples.get(&id).copied().unwrap_or(0);
            let mut frames = FrameDurations::default();
            frames.add_table(find_box(body, &[b"mdia", b"minf", b"stbl", b"stts"]).unwrap_or_default());
            let fragment_span = None;
            Some((id, Track { timescale: ticks_per_second, duration: length, default_sample_duration, fragment_span, frames }))
        };
        Self {
            duration: find_box(bytes, &[b"mvhd"])
                .and_then(timescale_and_duration)
                .and_then(|(ticks_per_second, length)| ticks_to_seconds(length, ticks_per_second)),
            tracks: boxes(bytes).filter(|(kind, _)| kind == b"trak").filter_map(|(_, body)| track(body)).collect(),
            facts: iso::track_facts(bytes),
            is_fragmented: extends.is_some(),
            is_complete: true,
        }
    }

    fn add_fragment(&mut self, bytes: &[u8]) -> Option<()> {
        for (_, body) in boxes(bytes).filter(|(kind, _)| kind == b"traf") {
            let header = find_box(body, &[b"tfhd"])?;
            let id = u32_at(header, 4)?;
            if let Some(track) = self.tracks.get_mut(&id) {
                track.add_fragment(header, body)?;
            }
        }
        Some(())
    }

    /// The frame rate of the video; `None` when it is not constant.
    fn frame_rate(&self) -> Option<FrameRate> {
        let track = self.tracks.get(&self.facts.video_id?).filter(|_| self.is_complete)?;
        track.frames.rate(track.timescale)
    }

    fn seconds(&self) -> Option<f64> {
        if !self.is_complete {
            return None;
        }
        let fragmented = self.tracks.values().any(|track| track.fragment_span.is_some());
        let longest = || self.tracks.values().filter_map(Track::seconds).max_by(f64::total_cmp);
        self.duration.filter(|_| !fragmented).or_else(longest)
    }
}

impl Track {
    fn add_fragment(&mut self, header: &[u8], body: &[u8]) -> Option<()> {
        let sample = fragment_sample_duration(header).unwrap_or(self.default_sample_duration);
        let (first, last) = self.fragment_span.unzip();
        let start = match find_box(body, &[b"tfdt"]) {
            Some(time) if is_version_1(time) => u64_at(time, 4)?,
            Some(time) => u32_at(time, 4)?.into(),
            None => last.unwrap_or(self.duration),
        };
        let mut end = start;
        for (_, run) in boxes(body).filter(|(kind, _)| kind == b"trun") {
            end = end.checked_add(add_run(&mut self.frames, run, sample)?)?;
        }
        // Samples in the movie header precede all fragments. Without them, the first fragment may start at any time.
        let first = first.unwrap_or(if self.duration > 0 { 0 } else { start });
        self.fragment_span = Some((first, end.max(last.unwrap_or(0))));
        Some(())
    }

    fn seconds(&self) -> Option<f64> {
        let ticks = self.fragment_span.map_or(Some(self.duration), |(start, end)| end.checked_sub(start))?;
        ticks_to_seconds(ticks, self.timescale)
    }
}

/// The sample duration in a fragment header, behind two optional fields.
fn fragment_sample_duration(header: &[u8]) -> Option<u32> {
    let flags = u32_at(header, 0)?;
    let at = 8 + if flags & 0x1 != 0 { 8 } else { 0 } + if flags & 0x2 != 0 { 4 } else { 0 };
    if flags & 0x8 != 0 { u32_at(header, at) } else { None }
}

/// The duration of a run of samples. Those whose duration it does not give last `sample` ticks.
fn add_run(frames: &mut FrameDurations, run: &[u8], sample: u32) -> Option<u64> {
    let (flags, count) = (u32_at(run, 0)?, u32_at(run, 4)?);
    if flags & 0x100 == 0 {
        frames.add(count.into(), sample);
        return u64::from(count).checked_mul(sample.into());
    }
    let optional = |mask: u32| usize::try_from((flags & mask).count_ones() * 4).ok();
    let samples = run.get(8 + optional(0x5)?..)?.chunks_exact(optional(0xF00)?);
    let durations = samples.take(usize::try_from(count).ok()?).filter_map(|sample| u32_at(sample, 0));
    Some(durations.inspect(|ticks| frames.add(1, *ticks)).map(u64::from).sum())
}

/// The ticks per second and the duration of a `mvhd` or `mdhd`. A duration of all ones is unknown, as 0 is.
fn timescale_and_duration(header: &[u8]) -> Option<(u32, u64)> {
    let (ticks_per_second, length, unknown) = if is_version_1(header) {
        (u32_at(header, 20)?, u64_at(header, 24)?, u64::MAX)
    } else {
        (u32_at(header, 12)?, u32_at(header, 16)?.into(), u32::MAX.into())
    };
    Some((ticks_per_second, if length == unknown { 0 } else { length }))
}

fn ticks_to_seconds(ticks: u64, ticks_per_second: u32) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a duration of 2^52 ticks is not plausible, so its last digits do not matter")]
    (ticks > 0 && ticks_per_second > 0).then(|| ticks as f64 / f64::from(ticks_per_second))
}

struct BoxHeader {
    kind: [u8; 4],
    /// The size of the header.
    header_size: usize,
    /// The size of the whole box.
    size: u64,
}

impl BoxHeader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let kind = *bytes.get(4..)?.first_chunk()?;
        let (head, length) = match u32_at(bytes, 0)? {
            1 => (16, u64_at(bytes, 8)?),
            length => (8, u64::from(length)),
        };
        (length >= head).then_some(Self { kind, header_size: usize::try_from(head).ok()?, size: length })
    }
}

fn read_box_header(source: &mut (impl Read + Seek), position: u64) -> io::Result<Option<BoxHeader>> {
    source.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::with_capacity(16);
    source.take(16).read_to_end(&mut bytes)?;
    Ok(BoxHeader::parse(&bytes))
}

fn read_box_body(source: &mut (impl Read + Seek), position: u64, found: &BoxHeader) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    source.take(found.size.min(MAX_BOX_READ)).read_to_end(&mut bytes)?;
    Ok(bytes.split_off(found.header_size.min(bytes.len())))
}

/// The boxes inside a box.
pub(in crate::media) fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let found = BoxHeader::parse(bytes)?;
        let (whole, rest) = bytes.split_at_checked(usize::try_from(found.size).ok()?)?;
        bytes = rest;
        Some((found.kind, whole.get(found.header_size..)?))
    })
}

pub(in crate::media) fn find_box<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, wanted| boxes(bytes).find(|(kind, _)| kind == *wanted).map(|(_, body)| body))
}

/// Whether a box has version 1, with 64-bit times.
pub(in crate::media) fn is_version_1(bytes: &[u8]) -> bool {
    bytes.first() == Some(&1)
}

pub(in crate::media) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

pub(in crate::media) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests;
