//! The timeline that Premiere reads.

use crate::domain::manifest::TaskEntry;
use crate::jobs::export::format::TextFormat;
use crate::jobs::export::format::tests::{task, written_tasks};
use crate::jobs::export::path_base::tests::at;
use crate::jobs::export::timeline::tests::video;
use serde_json::{Value, json};

fn text(tasks: &[TaskEntry]) -> String {
    written_tasks(TextFormat::Xmeml, tasks, &at("/a b/"))
}

/// The texts of all elements of this name.
fn texts<'x>(text: &'x str, name: &str) -> Vec<&'x str> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    text.split(&start).skip(1).map(|rest| rest.split(&end).next().unwrap()).collect()
}

/// The attribute values of the elements of this name.
fn ids<'x>(text: &'x str, element: &str) -> Vec<&'x str> {
    text.split(&format!("<{element} id=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

fn with_sound(mut facts: Value, channels: u8) -> Value {
    facts["audio_codec"] = json!("aac");
    facts["channels"] = json!(channels);
    facts
}

#[test]
fn timeline_is_written_as_premiere_expects_it() {
    let mut task = task("t1", &[("video", "t1/video-1.mp4", video(5.005, "30000/1001", (320, 180)))]);
    task.meta = json!({"prompt": "a <cat> & \"dog's\"\nmoon", "seed": 7}).as_object().cloned();
    task.text = Some("[Verse]\nla".to_owned());
    task.model = Some("kling-v2".to_owned());
    assert_eq!(text(&[task]), include_str!("../../../../tests/timelines/cut.xml"));
}

#[test]
fn clips_count_in_their_own_rate_and_stand_in_frames_of_the_sequence() {
    let files = [
        ("video", "v", video(2.0, "25", (320, 180))),
        ("video", "v", video(2.0, "25", (320, 180))),
        ("video", "v", video(1.001, "60000/1001", (180, 320))),
        ("video", "v", video(1.4, "12.5", (320, 180))),
        ("image", "i", json!({})),
    ];
    let text = text(&[task("t", &files)]);
    let video = text.split("<track>").nth(1).unwrap();
    let items: Vec<String> = video
        .split("<clipitem ")
        .skip(1)
        .map(|item| {
            let first = |name: &str| texts(item, name)[0];
            let names = ["timebase", "ntsc", "start", "end", "in", "out", "duration"];
            format!("{} {}", names.map(first).join(" "), item.contains("<stillframe>TRUE</stillframe>"))
        })
        .collect();
    assert_eq!(
        items,
        [
            "25 FALSE 0 50 0 50 50 false",
            "25 FALSE 50 100 0 50 50 false",
            "60 TRUE 100 125 0 60 60 false",
            "13 FALSE 125 160 0 18 18 false",
            "25 FALSE 160 285 0 125 125 true",
        ]
    );
    assert_eq!(texts(&text, "duration")[0], "285");
}

#[test]
fn sound_of_videos_is_linked_and_each_file_described_once() {
    let short = || video(1.0, "24", (64, 64));
    let files = [
        ("video", "v", with_sound(short(), 1)),
        ("video", "v", short()),
        ("video", "v", with_sound(short(), 2)),
        ("audio", "a", json!({"duration_seconds": 1, "channels": 6})),
        ("audio", "a", json!({"duration_seconds": 1})),
    ];
    let text = text(&[task("t", &files)]);
    let without_indexes = text.replace("<trackindex>", "");
    let tracks: Vec<Vec<&str>> = without_indexes.split("<track").skip(1).map(|track| ids(track, "clipitem")).collect();
    assert_eq!(
        tracks,
        [
            vec!["clipitem-1", "clipitem-2", "clipitem-3"],
            vec!["clipitem-1-audio-1", "clipitem-3-audio-1"],
            vec!["clipitem-3-audio-2"],
            vec!["clipitem-4-audio-1", "clipitem-5-audio-1"],
            vec!["clipitem-4-audio-2"],
        ]
    );
    let links: Vec<String> = texts(&text, "link")
        .into_iter()
        .map(|link| ["linkclipref", "mediatype", "trackindex", "clipindex"].map(|name| texts(link, name)[0]).join(" "))
        .collect();
    let of_first = ["clipitem-1 video 1 1", "clipitem-1-audio-1 audio 1 1"];
    let of_third = ["clipitem-3 video 1 3", "clipitem-3-audio-1 audio 1 2", "clipitem-3-audio-2 audio 2 1"];
    let of_fourth = ["clipitem-4-audio-1 audio 3 1", "clipitem-4-audio-2 audio 4 1"];
    let expected = [&of_first[..], &of_third, &of_first, &of_third, &of_third, &of_fourth, &of_fourth].concat();
    assert_eq!(links, expected);
    assert_eq!(texts(&text, "pathurl").len(), 5);
    let used = ["1", "2", "3", "1", "3", "3", "4", "5", "4"].map(|number| format!("file-{number}"));
    assert_eq!(ids(&text, "file"), used);
}

#[test]
fn audio_alone_leaves_the_video_track_empty() {
    let audio = || json!({"duration_seconds": 2});
    let text = text(&[task("t", &[("audio", "a", audio())]), task("u", &[("audio", "a", audio())])]);
    assert!(text.contains("<track>\n        </track>"), "{text}");
    assert_eq!((texts(&text, "start"), texts(&text, "end")), (vec!["0", "48"], vec!["48", "96"]));
    assert_eq!((texts(&text, "width"), texts(&text, "timebase")[0]), (vec!["1920"], "24"));
}

#[test]
fn ten_thousand_clips_are_written_in_linear_time() {
    let files: Vec<(&str, &str, Value)> =
        (0..10_000).map(|index| (["video", "audio"][index % 2], "v", json!({"duration_seconds": 1}))).collect();
    assert_eq!(ids(&text(&[task("t", &files)]), "clipitem").len(), 10_000);
}
