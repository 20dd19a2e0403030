//! The timeline that Final Cut Pro reads.

use crate::domain::manifest::TaskEntry;
use crate::jobs::export::format::TextFormat;
use crate::jobs::export::format::tests::{task, written_tasks};
use crate::jobs::export::path_base::tests::at;
use crate::jobs::export::timeline::tests::video;
use serde_json::{Value, json};

fn text(tasks: &[TaskEntry]) -> String {
    written_tasks(TextFormat::Fcpxml, tasks, &at("/a b/"))
}

/// The lines with this element, without the indent.
fn lines<'x>(text: &'x str, element: &str) -> Vec<&'x str> {
    let start = format!("<{element} ");
    text.lines().map(str::trim_start).filter(|line| line.starts_with(&start)).collect()
}

#[test]
fn timeline_is_written_as_final_cut_pro_expects_it() {
    let mut facts = video(5.005, "30000/1001", (320, 180));
    facts["audio_codec"] = json!("aac");
    facts["channels"] = json!(2);
    facts["sample_rate"] = json!(44_100);
    let mut first = task("t1", &[("video", "t1/video-1.mp4", facts), ("image", "t1/image-1.png", json!({}))]);
    first.meta = json!({"prompt": "a <cat> & \"dog's\"\nmoon", "seed": 7}).as_object().cloned();
    let mut second = task("t2", &[("audio", "t2/audio-1.mp3", json!({"measured_duration_seconds": 1.3}))]);
    second.text = Some("[Verse]\nla".to_owned());
    assert_eq!(text(&[first, second]), include_str!("../../../../tests/timelines/cut.fcpxml"));
}

#[test]
fn clips_keep_their_rates_and_the_sequence_counts_in_its_own() {
    let files = [
        ("video", "v", video(2.0, "25", (320, 180))),
        ("video", "v", video(2.0, "25", (320, 180))),
        ("video", "v", video(1.001, "60000/1001", (180, 320))),
        ("video", "v", video(1.4, "16", (320, 180))),
        ("video", "v", json!({"duration_seconds": 1})),
    ];
    let text = text(&[task("t", &files)]);
    let format = |id: u8, duration: &str, width: u16, height: u16| {
        format!(r#"<format id="r{id}" frameDuration="{duration}" width="{width}" height="{height}"/>"#)
    };
    assert_eq!(
        lines(&text, "format"),
        [
            format(1, "1/25s", 320, 180),
            format(2, "1001/60000s", 180, 320),
            format(3, "1/16s", 320, 180),
            format(4, "1/24s", 320, 180)
        ]
    );
    let attributes = |line: &str| {
        let value = |key: &str| line.split_once(&format!(" {key}=\"")).map_or("", |(_, rest)| rest.split('"').next().unwrap());
        format!("{} {} {}", value("format"), value("offset"), value("duration"))
    };
    let found = |element: &str| lines(&text, element).into_iter().map(attributes).collect::<Vec<_>>();
    assert_eq!(found("asset"), ["r1  2s", "r1  2s", "r2  60060/60000s", "r3  23/16s", "r4  1s"]);
    assert_eq!(found("asset-clip"), ["r1 0s 2s", "r1 2s 2s", "r2 4s 1s", "r3 5s 35/25s", "r4 160/25s 1s"]);
    assert_eq!(
        lines(&text, "conform-rate"),
        [
            r#"<conform-rate scaleEnabled="0" srcFrameRate="59.94"/>"#,
            r#"<conform-rate scaleEnabled="0"/>"#,
            r#"<conform-rate scaleEnabled="0" srcFrameRate="24"/>"#,
        ]
    );
}

#[test]
fn audio_is_connected_to_what_plays_above_its_first_frame() {
    let seconds = |seconds: u8| json!({"duration_seconds": seconds});
    let files = [
        ("video", "v", seconds(2)),
        ("video", "v", seconds(2)),
        ("audio", "a", seconds(3)),
        ("audio", "a", seconds(3)),
        ("audio", "a", seconds(3)),
    ];
    let text = text(&[task("t", &files)]);
    let story: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| ["<asset-clip", "</asset-clip", "<gap", "</gap"].iter().any(|start| line.starts_with(start)))
        .map(|line| {
            let line = line.replace(" name=\"t\"", "").replace(" start=\"0s\"", "").replace(" name=\"Gap\"", "");
            line.trim_matches(['<', '>']).replace(" format=\"r1\"", "")
        })
        .collect();
    assert_eq!(
        story,
        [
            r#"asset-clip ref="a1" offset="0s" duration="2s""#,
            r#"asset-clip lane="-1" ref="a3" offset="0s" duration="3s""#,
            "/asset-clip",
            "/asset-clip",
            r#"asset-clip ref="a2" offset="2s" duration="2s""#,
            r#"asset-clip lane="-1" ref="a4" offset="1s" duration="3s""#,
            "/asset-clip",
            "/asset-clip",
            r#"gap offset="4s" duration="5s""#,
            r#"asset-clip lane="-1" ref="a5" offset="2s" duration="3s""#,
            "/asset-clip",
            "/gap",
        ]
    );
}

#[test]
fn ten_thousand_clips_are_written_in_linear_time() {
    let files: Vec<(&str, &str, Value)> =
        (0..10_000).map(|index| (["video", "audio"][index % 2], "v", json!({"duration_seconds": 1}))).collect();
    let text = text(&[task("t", &files)]);
    assert_eq!(lines(&text, "asset-clip").len(), 10_000);
}
