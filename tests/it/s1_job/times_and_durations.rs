//! Times and durations as platforms write them.
//!
//! "Times are Unix seconds or, above 1e11, milliseconds, as numbers or as digits in a string. 0, negative and
//! out-of-range times are unknown. Durations are numbers or strings …, in seconds; anything that is not finite and
//! above 0 is unknown."

use serde_json::{Value, json};

use crate::support::{Reply, World, sample, success};

#[test]
fn times_parse_as_seconds_or_milliseconds_or_are_unknown() {
    let world = World::new();
    for (n, (given, expected)) in [
        (json!(1_753_598_930), Some("2025-07-27T06:48:50Z")),
        (json!("1753598930"), Some("2025-07-27T06:48:50Z")),
        (json!(1_753_598_930_123_u64), Some("2025-07-27T06:48:50Z")),
        (json!("1753598930123"), Some("2025-07-27T06:48:50Z")),
        (json!(" 1753598930 "), Some("2025-07-27T06:48:50Z")),
        (json!(100_000_000_001_u64), Some("1973-03-03T09:46:40Z")),
        (json!(1_753_598_930_123_456_u64), None),
        (json!(0), None),
        (json!("0"), None),
        (json!("-5"), None),
        (json!("1753598930 s"), None),
        (json!(true), None),
        (json!(-1_753_598_930), None),
        (json!(u64::MAX), None),
        (json!("2025-07-27"), None),
        (json!(""), None),
        (json!(null), None),
        (json!([1]), None),
        (serde_json::from_str("1e400").unwrap(), None),
    ]
    .into_iter()
    .enumerate()
    {
        let (id, mut answer) = (format!("t{n}"), success(&json!({"text": "la"})));
        (answer["submit_time"], answer["finish_time"]) = (given.clone(), given.clone());
        world.answer(&id, &answer);
        world.run(&[&id]).exits(0);
        for field in ["submit_time", "finish_time"] {
            let found = world.task_entry(&id);
            assert_eq!(found.get(field).map(|time| time.as_str().unwrap()), expected, "{field} {given}");
        }
    }
}

#[test]
fn durations_parse_as_seconds_or_are_unknown() {
    let world = World::new();
    // The files have no container that could give a duration.
    let url = world.media.script("/noise", [Reply::ok(*b"\x01\x02noise")]);
    let cases = [
        (json!(5), Some(5.0)),
        (json!("5.1"), Some(5.1)),
        (json!(" 7 "), Some(7.0)),
        (json!("8s"), Some(8.0)),
        (json!(0), None),
        (json!(-3), None),
        (json!("NaN"), None),
        (json!("infinity"), None),
        (json!("-1s"), None),
        (json!("five"), None),
        (json!(""), None),
        (json!("s"), None),
        (json!("0s"), None),
        (json!("1:05"), None),
        (json!("5ms"), None),
        (json!("1e999"), None),
        (json!(true), None),
        (json!([5]), None),
        (json!(null), None),
        (serde_json::from_str("1e999").unwrap(), None),
        (json!({"seconds": 5}), None),
    ];
    let items: Vec<Value> = cases.iter().map(|(duration, _)| json!({"url": url, "duration": duration})).collect();
    world.serve_task("t1", &json!({"audio": items}));
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    for (file, (given, seconds)) in entry["files"].as_array().unwrap().iter().zip(cases) {
        assert_eq!(file.get("duration_seconds").and_then(Value::as_f64), seconds, "{given}");
        assert_eq!(file.get("duration_source").and_then(Value::as_str), seconds.map(|_| "api"), "{given}");
    }
}

/// An MP3 of 100 frames with different bit rates, which no header counts.
fn variable_mp3() -> Vec<u8> {
    let frames = (0..100).map(|n: usize| {
        let (index, bit_rate) = [(5, 64), (9, 128), (14, 320)][n % 3];
        [[0xFF, 0xFB, index << 4, 0xC0].as_slice(), &vec![0xAA; 144_000 * bit_rate / 44_100 - 4]].concat()
    });
    frames.flatten().collect()
}

/// A WAV of one second of ADPCM, with a number of bytes per second that is only an average.
fn adpcm_wav() -> Vec<u8> {
    let format = [0x11_u16, 1, 8000, 0, 3000, 0, 256, 4, 2, 505].into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let chunks =
        [b"WAVEfmt \x14\0\0\0".as_slice(), &format, b"fact\x04\0\0\0", &8000_u32.to_le_bytes(), b"data\0\x10\0\0", &[0; 4096]];
    let chunks = chunks.concat();
    [b"RIFF".as_slice(), &u32::try_from(chunks.len()).unwrap().to_le_bytes(), &chunks].concat()
}

/// A FLAC whose cue sheet and picture are damaged.
fn damaged_flac() -> Vec<u8> {
    let song = sample("song.flac");
    let (marker, rest) = song.split_at(4);
    let (info, rest) = rest.split_at(4 + 34);
    [marker, &[0], &info[1..], b"\x05\0\0\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", b"\x06\0\0\x04\xFF\xFF\xFF\xFF", rest].concat()
}

/// An AIFF of half a second.
fn aiff() -> Vec<u8> {
    let common = b"COMM\0\0\0\x12\0\x01\0\0\x0F\xA0\0\x08\x40\x0B\xFA\0\0\0\0\0\0\0".as_slice();
    let chunks = [b"AIFF".as_slice(), common, b"SSND\0\0\x0F\xA8\0\0\0\0\0\0\0\0", &[0; 4000]].concat();
    [b"FORM".as_slice(), &u32::try_from(chunks.len()).unwrap().to_be_bytes(), &chunks].concat()
}

#[test]
fn measured_duration_is_true_or_unknown() {
    let world = World::new();
    let twice = |name: &str| sample(name).repeat(2);
    let tag = b"ID3\x04\0\0\0\0\0\x05title".to_vec();
    let cases = [
        ("variable.mp3", variable_mp3(), Some(2.612)),
        ("adpcm.wav", adpcm_wav(), Some(1.0)),
        ("chained.ogg", twice("song.ogg"), Some(2.2)),
        ("chained.opus", twice("song.opus"), Some(2.4)),
        ("damaged.flac", damaged_flac(), Some(0.7)),
        ("tagged.aac", [tag, sample("song.aac")].concat(), Some(1.672)),
        ("half-second.aiff", aiff(), Some(0.5)),
        ("live.webm", sample("live.webm"), None),
        ("noise.mp3", [variable_mp3()[..5000].to_vec(), vec![7; 200_000]].concat(), None),
    ];
    let serve = |name: &str, body: &[u8]| world.media.script(&format!("/{name}"), [Reply::ok(body)]);
    let urls: Vec<String> = cases.iter().map(|(name, body, _)| serve(name, body)).collect();
    world.serve_task("t1", &json!({"audio": urls}));
    world.run(&["t1"]).exits(0);
    let entry = world.task_entry("t1");
    for (file, (name, _, expected)) in entry["files"].as_array().unwrap().iter().zip(cases) {
        assert_eq!(file.get("measured_duration_seconds").and_then(Value::as_f64), expected, "{name}");
        assert_eq!(file["path"].as_str().unwrap().rsplit('.').next(), name.rsplit('.').next());
        assert_eq!(file["warnings"], json!([]), "{name}");
    }
}
