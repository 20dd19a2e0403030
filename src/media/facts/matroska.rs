//! The facts in a Matroska or `WebM` file: those of its first enabled video and audio track.
//!
//! The frame rate is that of a track with a default duration of its frames. Encoders of live video leave it out.

use std::io::{Read, Seek};

use matroska_demuxer::{MatroskaFile, TrackEntry, TrackType};

use super::{AudioFormat, MediaFacts, codecs};
use crate::domain::frame_rate::FrameRate;
use crate::media::bounded_reader::BoundedReader;

pub(super) fn facts<S: Read + Seek>(source: BoundedReader<S>) -> Option<MediaFacts> {
    let file = MatroskaFile::open(source).ok()?;
    let first = |kind: TrackType| {
        let mut of_kind = file.tracks().iter().filter(|track| track.track_type() == kind);
        let first = of_kind.clone().next();
        of_kind.find(|track| track.flag_enabled()).or(first)
    };
    let mut facts = MediaFacts::default();
    if let Some(track) = first(TrackType::Video) {
        facts.video_codec = video_codec(track);
        facts.frame_rate = track.default_duration().and_then(|duration| FrameRate::new(1_000_000_000, duration.get()).ok());
        let size =
            track.video().map(|video| (u32::try_from(video.pixel_width().get()), u32::try_from(video.pixel_height().get())));
        if let Some((Ok(width), Ok(height))) = size {
            (facts.width, facts.height) = (Some(width), Some(height));
        }
    }
    if let Some(track) = first(TrackType::Audio) {
        facts.set_audio(audio_format(track));
    }
    Some(facts)
}

fn video_codec(track: &TrackEntry) -> Option<&'static str> {
    match track.codec_id() {
        // The private data is that of AVI.
        "V_MS/VFW/FOURCC" => track.codec_private()?.get(16..)?.first_chunk().copied().and_then(codecs::fourcc),
        id => codecs::matroska_video(id),
    }
}

fn audio_format(track: &TrackEntry) -> AudioFormat {
    let codec = match track.codec_id() {
        // The private data is that of WAV.
        "A_MS/ACM" => {
            track.codec_private().and_then(|data| data.first_chunk().copied()).map(u16::from_le_bytes).and_then(codecs::wave_tag)
        }
        id => codecs::matroska_audio(id),
    };
    let Some(audio) = track.audio() else { return AudioFormat::new(codec, 0, 0) };
    let rate = audio.output_sampling_frequency().unwrap_or_else(|| audio.sampling_frequency());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked")]
    let rate = if rate.fract() == 0.0 && rate > 0.0 && rate < f64::from(u32::MAX) { rate as u32 } else { 0 };
    // Opus has one rate; writers put that of its source here.
    let rate = if codec == Some("opus") { 48_000 } else { rate };
    AudioFormat::new(codec, rate, u32::try_from(audio.channels().get()).unwrap_or(0))
}
