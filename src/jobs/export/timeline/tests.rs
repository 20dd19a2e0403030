//! Tests of tracks, scenes and rates.

use super::*;
use crate::jobs::export::format::tests::{items, task};
use serde_json::{Value, json};

pub(in crate::jobs::export) fn rate(text: &str) -> FrameRate {
    text.parse().unwrap()
}

/// A video of this duration, frame rate and size.
pub(in crate::jobs::export) fn video(seconds: f64, rate: &str, (width, height): (u32, u32)) -> Value {
    json!({"measured_duration_seconds": seconds, "frame_rate": rate, "width": width, "height": height, "video_codec": "h264"})
}

#[test]
fn sequence_takes_the_most_common_rate_and_size_and_on_ties_the_larger() {
    let small = (1280, 720);
    for (videos, expected_rate, expected_size) in [
        (vec![], "30000/1001", USUAL_SIZE),
        (vec![("25", small)], "25", small),
        (vec![("24", small), ("24", (720, 1280)), ("60", (64, 64)), ("30", (64, 64))], "24", (64, 64)),
        (vec![("24", small), ("60", (64, 64)), ("30000/1001", (720, 1280))], "60", small),
        (vec![("29.97", small), ("2997/100", small), ("30", small)], "30000/1001", small),
        (vec![("fast", (0, 720)), ("0", (70_000, 9))], "30000/1001", USUAL_SIZE),
    ] {
        let videos: Vec<Value> = videos.iter().map(|(rate, size)| video(1.0, rate, *size)).collect();
        let mut files: Vec<_> = videos.into_iter().map(|facts| ("video", "t/video-1.mp4", facts)).collect();
        files.push(("image", "t/image-1.png", json!({"width": 9000, "height": 9000})));
        let task = task("t", &files);
        let timeline = Timeline::new(&items(&task), rate("29.97"));
        assert_eq!((timeline.rate.to_string().as_str(), timeline.size), (expected_rate, expected_size), "{files:?}");
    }
}

#[test]
fn files_of_a_task_begin_together_and_gaps_keep_the_tracks_in_step() {
    let seconds = |seconds: f64| json!({"duration_seconds": seconds});
    let [silent, alone, mixed] = [
        task("silent", &[("video", "v", seconds(2.0)), ("image", "i", json!({}))]),
        task("alone", &[("audio", "a", seconds(3.0)), ("audio", "a", seconds(1.0))]),
        task("mixed", &[("video", "v", seconds(1.0)), ("audio", "a", seconds(6.0))]),
    ];
    let layout = |tasks: &[&TaskEntry]| {
        let items: Vec<ExportItem<'_>> = tasks.iter().flat_map(|task| items(task)).collect();
        let timeline = Timeline::new(&items, rate("24"));
        let tracks = timeline.lay_out(Clip::ticks);
        let show = |span: &Span<'_, '_>| {
            format!("{}+{}{}", span.start / TICKS, span.length / TICKS, span.clip.map_or("gap", |clip| clip.item.file.path()))
        };
        let show = |track: &[Span<'_, '_>]| track.iter().map(show).collect::<Vec<_>>().join(" ");
        (show(&tracks.main), show(&tracks.audio), tracks.end / TICKS)
    };
    let expected = |main: &str, audio: &str, end| (main.to_owned(), audio.to_owned(), end);
    assert_eq!(layout(&[&silent]), expected("0+2v 2+5i", "", 7));
    assert_eq!(layout(&[&alone]), expected("0+4gap", "0+3a 3+1a", 4));
    assert_eq!(layout(&[&silent, &alone]), expected("0+2v 2+5i 7+4gap", "0+7gap 7+3a 10+1a", 11));
    assert_eq!(layout(&[&mixed, &silent]), expected("0+1v 1+5gap 6+2v 8+5i", "0+6a", 13));
    assert_eq!(layout(&[&mixed, &silent, &mixed]).1, "0+6a 6+7gap 13+6a");
}

#[test]
fn durations_are_whole_frames_within_a_millisecond_and_never_play_past_the_end() {
    for (duration, own, sequence, own_frames, whole, at_sequence) in [
        (5.083, "24", "24", 122.0, 122, 122),
        (5.083, "12", "25", 61.0, 61, 127),
        (5.005, "30000/1001", "30000/1001", 150.0, 150, 150),
        (5.005, "30000/1001", "30", 150.0, 150, 150),
        (10.01, "24000/1001", "25", 240.0, 240, 250),
        (1.4, "24", "24", 33.6, 34, 33),
        (0.0001, "24", "24", 0.024, 1, 1),
        (600.0, "60000/1001", "24", 35_964.0, 35_964, 14_399),
    ] {
        let task = task("t", &[("video", "v", video(duration, own, (64, 64)))]);
        let clip = Clip::new(items(&task)[0], 1, rate("24"));
        let found = (clip.own_frames(), clip.whole_own_frames(), clip.frames_at(rate(sequence)));
        assert_eq!(found, (own_frames, whole, at_sequence), "{duration} at {own}");
    }
}

#[test]
fn stills_last_five_seconds_and_files_without_a_rate_count_in_the_given_one() {
    let facts = json!({"frame_rate": "50", "measured_duration_seconds": 9});
    let task =
        task("t", &[("image", "i", facts.clone()), ("audio", "a", facts), ("video", "v", json!({"duration_seconds": 1.5}))]);
    let clips: Vec<Clip<'_>> = items(&task).into_iter().map(|item| Clip::new(item, 1, rate("29.97"))).collect();
    let found: Vec<_> = clips.iter().map(|clip| (clip.rate.to_string(), clip.frames_at(rate("29.97")))).collect();
    let expected = [150, 269, 44].map(|frames| ("30000/1001".to_owned(), frames));
    assert_eq!(found, expected);
}

#[test]
fn names_are_prompts_on_one_line() {
    let long = "word ".repeat(50);
    let unbroken = "字".repeat(2000);
    let marks = format!("{}e{}", "a".repeat(98), "\u{301}".repeat(300));
    for (prompt, expected) in [
        (json!("a cat"), "a cat".to_owned()),
        (json!("  a\n\tcat \u{7}\u{0} & <dog>\r\n"), "a cat & <dog>".to_owned()),
        (json!(" \n"), "t".to_owned()),
        (Value::Null, "t".to_owned()),
        (json!(7), "7".to_owned()),
        (json!(long), format!("{}…", ["word"; 19].join(" "))),
        (json!(unbroken), format!("{}…", "字".repeat(99))),
        (json!(marks), format!("{}…", "a".repeat(98))),
        (json!("x".repeat(100)), "x".repeat(100)),
    ] {
        let mut task = task("t", &[]);
        task.meta = json!({"prompt": prompt}).as_object().cloned();
        assert_eq!(name(&task), expected, "{prompt}");
    }
}

#[test]
fn ten_thousand_clips_stay_exact_and_in_step() {
    let files: Vec<(&str, &str, Value)> = (0..10_000).map(|_| ("video", "v", video(1.001, "30000/1001", (64, 64)))).collect();
    let task = task("t", &files);
    let timeline = Timeline::new(&items(&task), FrameRate::FILM);
    assert_eq!(timeline.lay_out(Clip::ticks).end, 10_010 * TICKS);
    assert_eq!(timeline.lay_out(|clip| clip.frames_at(timeline.rate)).end, 300_000);
}
