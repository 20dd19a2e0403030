//! OpenTimelineIO: one track per kind, one clip per file, one after another.
//!
//! Durations are those of the media. The duration of a video is counted in its own frames. It is known to the millisecond, so a
//! duration within one millisecond of a whole number of frames counts as that number. A file without a frame rate is counted in
//! the requested rate, with fractions.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;

/// The key of our metadata.
const NAME: &str = "yescale-dl";
/// How long an image is shown.
const STILL_SECONDS: f64 = 5.0;

pub(super) fn write(items: &[ExportItem<'_>], base: &PathBase, rate: f64, to: &mut dyn Write) -> io::Result<()> {
    let tracks: Vec<Value> = [Kind::Video, Kind::Image, Kind::Audio]
        .into_iter()
        .filter_map(|kind| {
            let clips: Vec<Value> =
                items.iter().filter(|item| item.file.key().kind == kind).map(|item| clip(item, base, rate)).collect();
            (!clips.is_empty()).then(|| track(kind, &clips))
        })
        .collect();
    let timeline = json!({
        "OTIO_SCHEMA": "Timeline.1",
        "name": NAME,
        "metadata": {},
        "global_start_time": null,
        "tracks": {
            "OTIO_SCHEMA": "Stack.1",
            "name": "tracks",
            "metadata": {},
            "source_range": null,
            "effects": [],
            "markers": [],
            "children": tracks,
        },
    });
    serde_json::to_writer_pretty(&mut *to, &timeline)?;
    to.write_all(b"\n")
}

fn track(kind: Kind, clips: &[Value]) -> Value {
    json!({
        "OTIO_SCHEMA": "Track.1",
        "name": kind,
        // OpenTimelineIO has only these two kinds; an image is a video.
        "kind": if kind == Kind::Audio { "Audio" } else { "Video" },
        "metadata": {},
        "source_range": null,
        "effects": [],
        "markers": [],
        "children": clips,
    })
}

/// Version 1, which every reader accepts.
fn clip(item: &ExportItem<'_>, base: &PathBase, rate: f64) -> Value {
    let file = item.file;
    let seconds = item.playing_seconds().filter(|_| file.key().kind != Kind::Image).unwrap_or(STILL_SECONDS);
    let range =
        item.frame_rate.map_or_else(|| time_range(seconds * rate, rate), |own| time_range(frame_count(seconds, own), own));
    json!({
        "OTIO_SCHEMA": "Clip.1",
        "name": item.title(),
        "metadata": {NAME: {
            "task_id": item.task.task_id,
            "kind": file.key().kind,
            "index": file.key().index,
            "sha256": file.sha256(),
        }},
        "source_range": range,
        "effects": [],
        "markers": [],
        "media_reference": {
            "OTIO_SCHEMA": "ExternalReference.1",
            "name": null,
            "metadata": {},
            "available_range": range,
            "target_url": base.uri(file),
        },
    })
}

fn time_range(value: f64, rate: f64) -> Value {
    let time = |value: f64| json!({"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": value});
    json!({"OTIO_SCHEMA": "TimeRange.1", "start_time": time(0.0), "duration": time(value)})
}

fn frame_count(seconds: f64, rate: f64) -> f64 {
    let frames = seconds * rate;
    let whole = frames.round().max(1.0);
    if (frames - whole).abs() <= 0.001 * rate { whole } else { frames }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{task, written};
    use crate::jobs::export::path_base::tests::beside;

    #[test]
    fn duration_within_1_ms_of_whole_frames_is_rounded() {
        for (seconds, rate, expected) in
            [(5.083, 24.0, 122.0), (5.0, 24.0, 120.0), (1.4, 24.0, 33.599_999_999_999_994), (0.0001, 24.0, 0.0024)]
        {
            assert!((frame_count(seconds, rate) - expected).abs() < 1e-9, "{seconds} at {rate}: {}", frame_count(seconds, rate));
        }
    }

    #[test]
    fn one_track_per_kind_and_ids_are_escaped() {
        let id = "\"},\n\u{0}\u{1b}{\"OTIO_SCHEMA\":\"Evil.1\"}";
        let length = json!({"duration_seconds": 2});
        let files = [
            ("image", "t/image-1.png", json!({})),
            ("video", "t/video-1.mp4", length.clone()),
            ("audio", "t/audio-1.mp3", length),
        ];
        let timeline: Value = serde_json::from_str(&written(TextFormat::Otio, &task(id, &files), &beside("a b"))).unwrap();
        let tracks = timeline["tracks"]["children"].as_array().unwrap();
        let summary = |track: &Value| {
            let clip = &track["children"][0];
            let duration = &clip["source_range"]["duration"];
            assert_eq!(clip["metadata"][NAME]["task_id"], id);
            (
                track["kind"].clone(),
                clip["media_reference"]["target_url"].clone(),
                duration["value"].as_f64(),
                duration["rate"].as_f64(),
            )
        };
        assert_eq!(
            tracks.iter().map(summary).collect::<Vec<_>>(),
            [
                (json!("Video"), json!("a%20b/t/video-1.mp4"), Some(24.0), Some(12.0)),
                (json!("Video"), json!("a%20b/t/image-1.png"), Some(60.0), Some(12.0)),
                (json!("Audio"), json!("a%20b/t/audio-1.mp3"), Some(24.0), Some(12.0)),
            ]
        );
    }
}
