//! The facts that the headers of a file give: duration, size of the picture, frame rate, codecs, audio format, and whether
//! content credentials are embedded.
//!
//! Nothing is guessed: a fact that the header does not state, or states in two ways, is left out.
//! - The size is that of the coded picture, turned as the file says: by the matrices of an MP4, the rotation of an AVIF or HEIC,
//!   the EXIF orientation of a JPEG, PNG, WebP or TIFF. Pixels that are not square do not change it.
//! - A file with several tracks of a kind has the facts of the first one that is enabled.
//! - A variable frame rate is left out. Frames that differ by one tick of the clock only were rounded; their average counts.
//! - The audio format of AAC is what its header says. An encoder may hide a doubled rate from it, which only decoding shows.
//!
//! The bytes are hostile: see [`duration`](super::duration) for the limits.

mod bmp;
pub(super) mod codecs;
mod heif;
pub(super) mod iso;
mod matroska;
mod mpeg4_audio;
mod pictures;
mod svg;

use std::io::{Read, Seek, SeekFrom};

use crate::domain::frame_rate::FrameRate;
use crate::domain::manifest::FileEntry;
use crate::media::bounded_reader::BoundedReader;
use crate::media::content_credentials;
use crate::media::duration::{self, aiff, avi, flac, iso_media, mpeg_audio, mpeg_program, ogg, wave};
use crate::media::guarded;
use crate::media::media_type::MediaType;

/// The facts about a file. What is unknown is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MediaFacts {
    /// In seconds.
    pub duration: Option<f64>,
    /// In pixels, as displayed.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub frame_rate: Option<FrameRate>,
    pub video_codec: Option<&'static str>,
    pub audio_codec: Option<&'static str>,
    /// Samples per second.
    pub sample_rate: Option<u32>,
    pub channels: Option<u32>,
    /// Whether a C2PA manifest is embedded. It is not verified.
    pub content_credentials: bool,
}

/// The format of an audio stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AudioFormat {
    pub codec: Option<&'static str>,
    pub sample_rate: Option<u32>,
    pub channels: Option<u32>,
}

impl AudioFormat {
    /// A codec with its rate and channels, of which 0 is unknown.
    pub(super) fn new(codec: Option<&'static str>, sample_rate: u32, channels: u32) -> Self {
        Self {
            codec,
            sample_rate: Some(sample_rate).filter(|rate| *rate > 0),
            channels: Some(channels).filter(|count| *count > 0),
        }
    }
}

/// Reads the facts about a file. `declared` counts only when the bytes don't show their type.
pub(crate) fn read(mut source: impl Read + Seek + Send + Sync, declared: Option<MediaType>) -> MediaFacts {
    let mut facts = read_headers(&mut source, declared);
    if facts.duration.is_none() {
        facts.duration = duration::probe_duration(&mut source, declared);
    }
    facts
}

/// As [`read`], without the work for the duration: it is known only where the same headers give it.
pub(crate) fn read_headers(mut source: impl Read + Seek + Send + Sync, declared: Option<MediaType>) -> MediaFacts {
    let mut facts = guarded(|| read_container(&mut source, declared)).unwrap_or_default();
    let size = source.seek(SeekFrom::End(0)).unwrap_or(0);
    // A file whose parts can't all be read is not known to have a manifest.
    facts.content_credentials = content_credentials::is_present(&mut source, size).unwrap_or(false);
    facts
}

fn read_container(source: &mut (impl Read + Seek + Send + Sync), declared: Option<MediaType>) -> Option<MediaFacts> {
    let (mut reader, extension) = duration::open(source, declared)?;
    reader.seek(SeekFrom::Start(0)).ok()?;
    match extension {
        "mp4" | "mov" | "m4a" => iso_media::facts(&mut reader),
        "webm" | "mkv" => matroska::facts(reader),
        "avi" => avi::facts(&mut reader),
        "mpg" => Some(mpeg_program::facts(reader)),
        "ogg" | "opus" => ogg::facts(&mut reader).ok(),
        "flac" => flac::audio_format(&mut reader).map(MediaFacts::from),
        "mp3" => mpeg_audio::audio_format(reader).map(MediaFacts::from),
        "aac" => duration::adts_audio_format(reader).map(MediaFacts::from),
        "wav" => wave::audio_format(&mut reader).map(MediaFacts::from),
        "aiff" => aiff::audio_format(&mut reader).map(MediaFacts::from),
        _ => picture_size(&mut reader, extension).and_then(MediaFacts::from_size),
    }
}

fn picture_size<S: Read + Seek>(reader: &mut BoundedReader<S>, extension: &str) -> Option<(u32, u32)> {
    match extension {
        "jpg" | "png" | "gif" | "webp" => pictures::size(reader),
        "tiff" => pictures::tiff_size(reader).ok()?,
        "avif" | "heic" => heif::size(reader),
        "bmp" => bmp::size(reader),
        "svg" => svg::size(reader),
        _ => None,
    }
}

impl MediaFacts {
    /// The facts of a picture; `None` when a side is 0.
    fn from_size((width, height): (u32, u32)) -> Option<Self> {
        (width > 0 && height > 0).then(|| Self { width: Some(width), height: Some(height), ..Self::default() })
    }

    /// Adds the facts to the entry of the file, where it has none. The durations have rules of their own.
    pub(crate) fn fill(&self, entry: &mut FileEntry) {
        if entry.width.is_none() && entry.height.is_none() {
            (entry.width, entry.height) = (self.width, self.height);
        }
        let text = |fact: Option<&'static str>| fact.map(str::to_owned);
        entry.frame_rate = entry.frame_rate.take().or_else(|| self.frame_rate.map(|rate| rate.to_string()));
        entry.video_codec = entry.video_codec.take().or_else(|| text(self.video_codec));
        entry.audio_codec = entry.audio_codec.take().or_else(|| text(self.audio_codec));
        entry.sample_rate = entry.sample_rate.or(self.sample_rate);
        entry.channels = entry.channels.or(self.channels);
        entry.content_credentials = entry.content_credentials.or(self.content_credentials.then_some(true));
    }

    pub(super) fn set_audio(&mut self, audio: AudioFormat) {
        (self.audio_codec, self.sample_rate, self.channels) = (audio.codec, audio.sample_rate, audio.channels);
    }
}

impl From<AudioFormat> for MediaFacts {
    fn from(audio: AudioFormat) -> Self {
        let mut facts = Self::default();
        facts.set_audio(audio);
        facts
    }
}

#[cfg(test)]
mod tests;
