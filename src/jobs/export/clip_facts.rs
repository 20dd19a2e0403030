//! What a timeline must know of a file: its duration, its frame rate, its size and its sound.
//!
//! The manifest's fields come first; for a file of an archive without them, its header is read. What neither gives is unknown.
//! Both are hostile, so implausible values are unknown too.

use super::format::{playing_seconds, plays};
use crate::domain::asset_key::Kind;
use crate::domain::frame_rate::FrameRate;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::media::facts;
use crate::storage::ArchiveReader;

/// The largest width and height of a picture.
const MAX_SIDE: u32 = 65_535;
/// The most channels of a file.
const MAX_CHANNELS: u32 = 64;
/// The highest sample rate.
const MAX_SAMPLE_RATE: u32 = 768_000;

/// The facts of a file. Each may be unknown.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct ClipFacts {
    /// In seconds, where the header was read for it.
    pub duration: Option<f64>,
    pub frame_rate: Option<FrameRate>,
    /// The width and height as displayed, after rotation.
    pub size: Option<(u32, u32)>,
    /// Whether there is sound.
    pub has_audio: bool,
    pub channels: Option<u32>,
    pub sample_rate: Option<u32>,
}

impl ClipFacts {
    /// What the manifest says.
    #[must_use]
    pub(super) fn recorded(file: &FileEntry) -> Self {
        let sides = 1..=MAX_SIDE;
        Self {
            duration: None,
            frame_rate: file.frame_rate.as_deref().and_then(|rate| rate.parse().ok()),
            size: file.width.zip(file.height).filter(|(width, height)| sides.contains(width) && sides.contains(height)),
            has_audio: file.key().kind == Kind::Audio
                || file.audio_codec.is_some()
                || file.channels.is_some()
                || file.sample_rate.is_some(),
            channels: file.channels.filter(|channels| (1..=MAX_CHANNELS).contains(channels)),
            sample_rate: file.sample_rate.filter(|rate| (1..=MAX_SAMPLE_RATE).contains(rate)),
        }
    }

    /// What the manifest says; for a file without a duration, or whose facts were never recorded, what its header says.
    #[must_use]
    pub(super) fn read(reader: &ArchiveReader, task: &TaskEntry, file: &FileEntry) -> Self {
        let recorded = Self::recorded(file);
        let has_duration = !plays(file.key().kind) || playing_seconds(file).is_some();
        if has_duration && recorded != Self::none(file) {
            return recorded;
        }
        // A file that can't be read has unknown facts; the export of the file itself reports it.
        let Ok(source) = reader.open_media(task, file) else { return recorded };
        let mut entry = file.clone();
        let found = if has_duration { facts::read_headers(source, None) } else { facts::read(source, None) };
        found.fill(&mut entry);
        entry.measured_duration_seconds = entry.measured_duration_seconds.or(found.duration);
        Self { duration: playing_seconds(&entry), ..Self::recorded(&entry) }
    }

    /// The facts of a file of which nothing but the kind is known.
    fn none(file: &FileEntry) -> Self {
        Self { has_audio: file.key().kind == Kind::Audio, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::export::format::tests::task;
    use serde_json::{Value, json};

    #[test]
    fn implausible_values_are_unknown() {
        let recorded = |kind, fields: Value| ClipFacts::recorded(&task("t", &[(kind, "f", fields)]).files[0]);
        let fields = json!({
            "frame_rate": "30000/1001", "width": 720, "height": 1280, "audio_codec": "aac", "channels": 2, "sample_rate": 44100,
        });
        let expected = ClipFacts {
            duration: None,
            frame_rate: FrameRate::new(30_000, 1001).ok(),
            size: Some((720, 1280)),
            has_audio: true,
            channels: Some(2),
            sample_rate: Some(44_100),
        };
        assert_eq!(recorded("video", fields), expected);
        let hostile = json!({"frame_rate": "0/0", "width": 0, "height": 9, "channels": 4_000_000_000_u32, "sample_rate": 0});
        assert_eq!(recorded("video", hostile), ClipFacts { has_audio: true, ..ClipFacts::default() });
        assert_eq!(recorded("video", json!({"width": 99_999, "height": 9})), ClipFacts::default());
        assert_eq!(recorded("audio", json!({})), ClipFacts { has_audio: true, ..ClipFacts::default() });
    }
}
