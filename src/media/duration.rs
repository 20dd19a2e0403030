//! Reads the duration of a file from its container.
//!
//! Only headers, tables and pages are read, and of MP3, AAC and MPG the headers of all frames; nothing is decoded. A duration that
//! only decoding would show (`WebM` from a live encoder, FLAC from a pipe) is unknown: no estimate is ever returned. The bytes
//! are hostile, so what a reader gets is limited:
//! - the detected type selects the one reader that sees the file; symphonia's own probe would search for an MP3 anywhere in
//!   the first MiB of any file;
//! - a read budget stops a reader that follows false sizes;
//! - a panic in any reader gives an unknown duration.
//!
//! Invariant: a duration is finite, above 0 and below `MAX_SECONDS`, in whole milliseconds.

pub(super) mod aiff;
pub(super) mod avi;
pub(super) mod flac;
mod frames;
pub(super) mod iso_media;
pub(super) mod mpeg_audio;
pub(super) mod mpeg_program;
pub(super) mod ogg;
pub(super) mod wave;

use std::io::{Read, Seek, SeekFrom};

use symphonia::core::formats::probe::{FormatFactoryFn, ProbeableFormat};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::units::{Duration, TimeBase};
use symphonia::default::formats::{MkvReader, OggReader};

use crate::media::bounded_reader::BoundedReader;
use crate::media::facts::AudioFormat;
use crate::media::media_type::{self, MediaType};
use crate::media::{guarded, id3};

/// The longest plausible duration: 23 days.
const MAX_SECONDS: f64 = 2_000_000.0;
/// The read budget: cover pictures and indexes take some MiB.
const BUDGET: u64 = 8 << 20;
/// The read budget where the whole file has headers: the frames of MP3 and AAC, the pages of Ogg, the packets of MPG.
const WALK_BUDGET: u64 = 64 << 20;
/// How many `ID3` tags a file may begin with.
const MAX_TAGS: usize = 4;
/// How much behind the tags shows the format.
const HEAD_SIZE: usize = 4 << 10;

/// The duration of a file in seconds; `None` when its container does not give one. `declared` counts only when the bytes
/// don't show their type.
pub(crate) fn probe_duration(source: impl Read + Seek + Send + Sync, declared: Option<MediaType>) -> Option<f64> {
    let seconds = guarded(|| {
        let (reader, extension) = open(source, declared)?;
        measure(reader, extension)
    })?;
    rounded(seconds)
}

/// A duration in whole milliseconds, if it is plausible.
fn rounded(seconds: f64) -> Option<f64> {
    let seconds = (seconds * 1000.0).round() / 1000.0;
    is_plausible(seconds).then_some(seconds)
}

/// Whether an MP4 has audio tracks and no track of pictures.
pub(crate) fn is_audio_only(source: impl Read + Seek + Send + Sync) -> bool {
    let is_audio = guarded(|| match open(source, None)? {
        (mut reader, "mp4") => Some(iso_media::is_audio_only(&mut reader)),
        _ => None,
    });
    is_audio.unwrap_or(false)
}

/// A bounded reader of the media behind all tags, and the extension that selects the format reader.
pub(super) fn open<S: Read + Seek>(mut source: S, declared: Option<MediaType>) -> Option<(BoundedReader<S>, &'static str)> {
    let length = source.seek(SeekFrom::End(0)).ok()?;
    let mut start = 0;
    let mut head = Vec::with_capacity(HEAD_SIZE);
    for _ in 0..=MAX_TAGS {
        head.clear();
        source.seek(SeekFrom::Start(start)).ok()?;
        source.by_ref().take(HEAD_SIZE as u64).read_to_end(&mut head).ok()?;
        match id3::tag_length(&head) {
            0 => break,
            tag => start = start.saturating_add(tag).min(length),
        }
    }
    let extension = match media_type::from_bytes(&head).or(declared) {
        Some(media_type) => media_type.extension(),
        None if start > 0 => "mp3",
        None => return None,
    };
    let budget = if matches!(extension, "mp3" | "aac" | "ogg" | "opus" | "mpg") { WALK_BUDGET } else { BUDGET };
    Some((BoundedReader::new(source, start..length, budget), extension))
}

fn measure<S: Read + Seek + Send + Sync>(mut reader: BoundedReader<S>, extension: &str) -> Option<f64> {
    match extension {
        "mp4" | "mov" | "m4a" => iso_media::seconds(&mut reader),
        "webm" | "mkv" => probe_with_symphonia(reader, |stream, options| MkvReader::try_probe_new(stream, options)),
        "ogg" | "opus" => match ogg::links(&mut reader).ok()? {
            // Symphonia knows where an encoder's padding ends; it does not know Speex.
            ogg::Links::One(seconds) => {
                probe_with_symphonia(reader, |stream, options| OggReader::try_probe_new(stream, options)).or(seconds)
            }
            ogg::Links::Chain(seconds) => seconds,
        },
        "flac" => flac::seconds(&mut reader),
        "mp3" => mpeg_audio::seconds(reader),
        "aac" => frames::Frames::new(reader, frames::parse_adts).total_seconds(),
        "wav" => wave::seconds(&mut reader),
        "aiff" => aiff::seconds(&mut reader),
        "avi" => avi::seconds(&mut reader),
        "mpg" => mpeg_program::seconds(reader),
        _ => None,
    }
}

/// The format of AAC in ADTS, as its first frame gives it.
pub(super) fn adts_audio_format<S: Read + Seek>(reader: BoundedReader<S>) -> Option<AudioFormat> {
    let (frame, start) = frames::Frames::new(reader, frames::parse_adts).first()?;
    let [_, _, high, low, ..] = *start else { return None };
    let channels = match high << 2 & 4 | low >> 6 {
        7 => 8,
        count => count,
    };
    Some(AudioFormat::new(Some("aac"), frame.sample_rate, channels.into()))
}

fn probe_with_symphonia<S: Read + Seek + Send + Sync>(reader: BoundedReader<S>, open: FormatFactoryFn) -> Option<f64> {
    // Half a million damaged files caused no panic, but symphonia contains `expect`s and asserts. Where it panics, our own
    // measurement can still count.
    guarded(|| {
        let mut stream = MediaSourceStream::new(Box::new(reader), MediaSourceStreamOptions::default());
        stream.rewind().ok()?;
        container_duration(open(stream, FormatOptions::default()).ok()?.as_ref())
    })
}

/// The container's own duration, which respects edits that the tracks don't; else that of the longest track.
fn container_duration(reader: &dyn FormatReader) -> Option<f64> {
    let seconds = |clock: Option<TimeBase>, ticks: Option<Duration>| {
        clock?.calc_duration(ticks?).map(|time| time.as_secs_f64()).filter(|seconds| is_plausible(*seconds))
    };
    let whole = reader.media_info();
    let tracks = reader.tracks().iter().filter_map(|track| seconds(track.time_base, track.duration));
    seconds(whole.time_base, whole.duration).or_else(|| tracks.max_by(f64::total_cmp))
}

/// Whether a duration is plausible.
#[must_use]
pub(crate) fn is_plausible(seconds: f64) -> bool {
    seconds > 0.0 && seconds < MAX_SECONDS
}

#[cfg(test)]
mod tests;
