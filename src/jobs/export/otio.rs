//! OpenTimelineIO: a video track with videos and stills, and below it a track of audio files, if there are any.
//!
//! Each clip counts in its own frame rate, and a file without one in the requested rate, with fractions. OpenTimelineIO has no
//! frame rate of a sequence; the start time of the timeline carries it, which is where editors look.
//!
//! What a task's input said is in the metadata as it was, with two exceptions that OpenTimelineIO would fail on: a number that
//! it can't hold is written as text, and so is an object that pretends to be one of its own.

use std::io::{self, Write};

use serde_json::{Map, Number, Value, json};

use super::timeline::{Clip, Span, TICKS, Timeline};
use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;
use crate::domain::frame_rate::FrameRate;

/// The key of our metadata.
const NAME: &str = "yescale-dl";

pub(super) fn write(items: &[ExportItem<'_>], base: &PathBase, rate: FrameRate, to: &mut dyn Write) -> io::Result<()> {
    let timeline = Timeline::new(items, rate);
    let tracks = timeline.lay_out(Clip::ticks);
    let children = |spans: &[Span<'_, '_>]| -> Vec<Value> {
        spans.iter().map(|span| span.clip.map_or_else(|| gap(span.length, rate), |clip| clip_value(clip, base))).collect()
    };
    let tracks: Vec<Value> = [(Kind::Video, "Video", children(&tracks.main)), (Kind::Audio, "Audio", children(&tracks.audio))]
        .into_iter()
        .filter(|(_, _, children)| !children.is_empty())
        .map(|(name, kind, children)| track(name, kind, &children))
        .collect();
    let (width, height) = timeline.size;
    let document = json!({
        "OTIO_SCHEMA": "Timeline.1",
        "name": NAME,
        "metadata": {NAME: {"frame_rate": timeline.rate.to_string(), "width": width, "height": height}},
        "global_start_time": time(0.0, timeline.rate),
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
    serde_json::to_writer_pretty(&mut *to, &document)?;
    to.write_all(b"\n")
}

fn track(name: Kind, kind: &str, children: &[Value]) -> Value {
    json!({
        "OTIO_SCHEMA": "Track.1",
        "name": name,
        "kind": kind,
        "metadata": {},
        "source_range": null,
        "effects": [],
        "markers": [],
        "children": children,
    })
}

/// Version 1, which every reader accepts.
fn clip_value(clip: &Clip<'_>, base: &PathBase) -> Value {
    let range = time_range(clip.own_frames(), clip.rate);
    json!({
        "OTIO_SCHEMA": "Clip.1",
        "name": clip.name,
        "metadata": {NAME: metadata(&clip.item)},
        "source_range": range,
        "effects": [],
        "markers": [],
        "media_reference": {
            "OTIO_SCHEMA": "ExternalReference.1",
            "name": null,
            "metadata": {},
            "available_range": range,
            "target_url": base.uri(clip.item.file),
        },
    })
}

/// A gap, counted in the requested rate like the audio beside it.
#[expect(clippy::cast_precision_loss, reason = "a gap of 2^53 ticks lasts five months")]
fn gap(ticks: i128, rate: FrameRate) -> Value {
    let frames = (ticks * i128::from(rate.numerator())) as f64 / (TICKS * i128::from(rate.denominator())) as f64;
    json!({
        "OTIO_SCHEMA": "Gap.1",
        "name": "",
        "metadata": {},
        "source_range": time_range(frames, rate),
        "effects": [],
        "markers": [],
    })
}

fn time(value: f64, rate: FrameRate) -> Value {
    json!({"OTIO_SCHEMA": "RationalTime.1", "rate": rate.as_f64(), "value": value})
}

fn time_range(frames: f64, rate: FrameRate) -> Value {
    json!({"OTIO_SCHEMA": "TimeRange.1", "start_time": time(0.0, rate), "duration": time(frames, rate)})
}

fn metadata(item: &ExportItem<'_>) -> Value {
    let (task, file) = (item.task, item.file);
    let mut metadata = json!({
        "task_id": task.task_id,
        "kind": file.key().kind,
        "index": file.key().index,
        "sha256": file.sha256(),
    });
    let optional = [
        ("platform", task.platform.as_ref().map(|platform| json!(platform))),
        ("model", task.model.as_ref().map(|model| json!(model))),
        ("meta", task.meta.as_ref().map(readable_object)),
        ("text", task.text.as_ref().map(|text| json!(text))),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            metadata[key] = value;
        }
    }
    metadata
}

/// A value that OpenTimelineIO reads as it is.
fn readable(value: &Value) -> Value {
    match value {
        Value::Number(number) if !is_readable(number) => Value::String(number.to_string()),
        Value::Array(values) => values.iter().map(readable).collect(),
        Value::Object(object) => readable_object(object),
        other => other.clone(),
    }
}

fn readable_object(object: &Map<String, Value>) -> Value {
    if object.keys().any(|key| key.starts_with("OTIO_")) {
        return Value::String(Value::Object(object.clone()).to_string());
    }
    Value::Object(object.iter().map(|(key, value)| (key.clone(), readable(value))).collect())
}

/// OpenTimelineIO has 64-bit numbers with a sign, and floating-point numbers.
fn is_readable(number: &Number) -> bool {
    let text = number.to_string();
    let is_whole = !text.contains(['.', 'e', 'E']);
    if is_whole { text.parse::<i64>().is_ok() } else { text.parse::<f64>().is_ok_and(f64::is_finite) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{task, written};
    use crate::jobs::export::path_base::tests::beside;
    use crate::jobs::export::timeline::tests::video;

    fn summary(timeline: &Value) -> Vec<String> {
        let show = |range: &Value| format!("{}@{}", range["duration"]["value"], range["duration"]["rate"]);
        let child = |child: &Value| {
            let url = child["media_reference"]["target_url"].as_str().unwrap_or("gap");
            format!("{url} {}", show(&child["source_range"]))
        };
        let track = |track: &Value| {
            let children = track["children"].as_array().unwrap().iter().map(child).collect::<Vec<_>>().join(", ");
            format!("{} {}: {children}", track["kind"].as_str().unwrap(), track["name"].as_str().unwrap())
        };
        timeline["tracks"]["children"].as_array().unwrap().iter().map(track).collect()
    }

    #[test]
    fn stills_are_on_the_track_of_the_videos_and_audio_has_its_own() {
        let files = [
            ("video", "t/video-1.mp4", video(5.005, "30000/1001", (64, 64))),
            ("image", "t/image-1.png", json!({})),
            ("audio", "t/audio-1.mp3", json!({"duration_seconds": 12.5})),
        ];
        let timeline: Value = serde_json::from_str(&written(TextFormat::Otio, &task("t", &files), &beside("a b"))).unwrap();
        let rate = 30_000.0 / 1001.0;
        assert_eq!(
            summary(&timeline),
            [
                format!("Video video: a%20b/t/video-1.mp4 150.0@{rate}, a%20b/t/image-1.png 120.0@24.0, gap 59.88@24.0"),
                "Audio audio: a%20b/t/audio-1.mp3 300.0@24.0".to_owned(),
            ]
        );
        assert_eq!(timeline["global_start_time"], json!({"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": 0.0}));
        assert_eq!(timeline["metadata"][NAME], json!({"frame_rate": "30000/1001", "width": 64, "height": 64}));
    }

    #[test]
    fn hostile_ids_and_meta_stay_data() {
        let id = "\"},\n\u{0}\u{1b}{\"OTIO_SCHEMA\":\"Evil.1\"}";
        let mut task = task(id, &[("image", "t/image-1.png", json!({}))]);
        task.text = Some("[Verse]\nla".to_owned());
        task.platform = Some("kling".to_owned());
        let meta = r#"{"prompt": "a \"cat\"\n\u0007", "seed": 184467440737095516150, "big": 1e999, "cfg": 7.50, "n": [null, -3],
            "fake": {"OTIO_SCHEMA": "Clip.1", "x": 1}}"#;
        task.meta = serde_json::from_str(meta).unwrap();
        let timeline: Value = serde_json::from_str(&written(TextFormat::Otio, &task, &beside("a"))).unwrap();
        let clip = &timeline["tracks"]["children"][0]["children"][0];
        assert_eq!(clip["name"], "a \"cat\"");
        let expected = json!({
            "task_id": id, "kind": "image", "index": 1, "sha256": "0".repeat(64), "platform": "kling",
            "meta": {
                "prompt": "a \"cat\"\n\u{7}", "seed": "184467440737095516150", "big": "1e+999", "cfg": 7.50, "n": [null, -3],
                "fake": r#"{"OTIO_SCHEMA":"Clip.1","x":1}"#,
            },
            "text": "[Verse]\nla",
        });
        assert_eq!(clip["metadata"][NAME].to_string().replace("7.50", "7.5"), expected.to_string());
    }

    #[test]
    fn audio_alone_has_a_gap_above_it() {
        let task = task("t", &[("audio", "t/audio-1.mp3", json!({"duration_seconds": 1.3}))]);
        let timeline: Value = serde_json::from_str(&written(TextFormat::Otio, &task, &beside("a"))).unwrap();
        assert_eq!(summary(&timeline), ["Video video: gap 31.2@24.0", "Audio audio: a/t/audio-1.mp3 31.2@24.0"]);
        assert_eq!(timeline["metadata"][NAME], json!({"frame_rate": "24", "width": 1920, "height": 1080}));
    }
}
