//! Media as ffmpeg writes them: durations and facts that ffprobe agrees with, and no warning about a whole file.
//!
//! ffmpeg is not part of the toolchain, so the test is run by `.ci/run`, or by hand: `cargo test --test it media_interop:: --
//! --ignored`. It makes files that the samples of `tests/media` don't cover.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Reply, World};

/// Options of ffmpeg, the name of the file, and whether the structure of the file shows that a half of it is cut.
const FILES: [(&str, &str, bool); 39] = [
    ("-c:v libx264 -c:a aac", "plain.mp4", true),
    ("-c:v libx264 -c:a aac -movflags +faststart", "faststart.mp4", true),
    ("-c:v libx264 -c:a aac -movflags +frag_keyframe+empty_moov", "fragmented.mp4", true),
    ("-c:v libx264 -c:a aac -movflags +frag_keyframe+empty_moov+default_base_moof -flush_packets 1", "piped.mp4", true),
    ("-c:v mjpeg -c:a pcm_s16le", "plain.mov", true),
    ("-vn -c:a alac", "alac.m4a", true),
    ("-c:v libvpx -c:a libvorbis", "plain.webm", true),
    ("-c:v libvpx -c:a libvorbis", "plain.mkv", true),
    ("-c:v mpeg4 -c:a mp3", "plain.avi", true),
    ("-r 25 -c:v mpeg2video -bf 2 -c:a mp2", "plain.mpg", false),
    ("-r 25 -c:v mpeg1video -c:a mp2 -f mpeg", "old.mpg", false),
    ("-vn -q:a 2 -write_xing 0", "variable.mp3", false),
    ("-vn -q:a 2", "counted.mp3", false),
    ("-vn -b:a 64k -write_xing 0 -ar 22050", "constant.mp3", false),
    ("-vn -c:a aac", "plain.aac", false),
    ("-vn -c:a aac -write_id3v2 1 -metadata title=x -f adts", "tagged.aac", false),
    ("-vn -c:a pcm_s16le", "plain.wav", true),
    ("-vn -c:a pcm_f32le -ac 6", "six.wav", true),
    ("-vn -c:a pcm_alaw", "alaw.wav", true),
    ("-vn -c:a adpcm_ms", "adpcm-ms.wav", true),
    ("-vn -c:a adpcm_ima_wav -ac 2", "adpcm-ima.wav", true),
    ("-vn -c:a libmp3lame -b:a 64k", "mp3.wav", true),
    ("-vn -c:a pcm_s16le -rf64 always", "rf64.wav", true),
    ("-vn -c:a flac", "plain.flac", true),
    ("-vn -c:a libvorbis", "plain.ogg", true),
    ("-vn -c:a flac", "flac.ogg", true),
    ("-vn -c:a libopus", "plain.opus", true),
    ("-vn -c:a pcm_s16be", "plain.aiff", true),
    ("-vn -c:a pcm_mulaw", "mulaw.aiff", true),
    ("-vn -c:a adpcm_ima_qt", "adpcm.aiff", true),
    ("-an -frames:v 1", "still.png", true),
    ("-an -frames:v 1", "still.jpg", true),
    ("-an -frames:v 1 -c:v libwebp", "still.webp", true),
    ("-an -c:v libwebp_anim", "moving.webp", true),
    ("-an", "moving.gif", true),
    ("-an -f apng", "moving.png", true),
    ("-an -frames:v 1 -c:v libaom-av1 -still-picture 1", "still.avif", true),
    ("-an -frames:v 1", "still.tiff", false),
    ("-an -frames:v 1", "still.bmp", false),
];

const SOURCES: &str = "-f lavfi -i testsrc=size=96x64:rate=12:duration=3.5 -f lavfi -i anoisesrc=d=3.5:c=pink:a=0.3:r=44100";

fn make(folder: &Path, options: &str, name: &str) -> Vec<u8> {
    let args = format!("-v error -y {SOURCES} {options} {name}");
    let done = Command::new("ffmpeg").args(args.split(' ')).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    fs::read(folder.join(name)).unwrap()
}

/// The duration that ffprobe finds.
fn expected_duration(folder: &Path, name: &str) -> f64 {
    let args = format!("-v error -show_entries format=duration -of csv=p=0 {name}");
    let done = Command::new("ffprobe").args(args.split(' ')).current_dir(folder).output().unwrap();
    String::from_utf8(done.stdout).unwrap().trim().parse().unwrap()
}

/// Archives the files, as audio where the name is not that of a picture. Returns their entries.
fn archive(world: &World, id: &str, files: &[(&str, &[u8])]) -> Vec<Value> {
    let urls: Vec<String> =
        files.iter().map(|(name, bytes)| world.media.script(&format!("/{id}/{name}"), [Reply::ok(*bytes)])).collect();
    world.serve_task(id, &json!({"audio": urls}));
    world.run(&[id]).exits(0);
    world.task_entry(id)["files"].as_array().unwrap().clone()
}

/// Options of ffmpeg, some with other sources, for facts that the files above don't have.
const MORE_FILES: [(&str, &str); 34] = [
    ("-c:v libx264 -r 30000/1001 -c:a aac -ac 2 -ar 48000", "ntsc.mp4"),
    ("-c:v libx264 -r 25 -video_track_timescale 1000 -an", "milliseconds.mp4"),
    ("-c:v libx264 -r 30 -video_track_timescale 1000 -an", "rounded.mp4"),
    ("-c:v libx264 -r 24000/1001 -c:a libmp3lame -ar 32000 -ac 2", "mp3.mp4"),
    ("-c:v libx265 -tag:v hvc1 -r 60 -c:a ac3 -ac 6", "hevc.mp4"),
    ("-c:v libx265 -r 50 -an", "hev1.mp4"),
    ("-c:v libaom-av1 -cpu-used 8 -c:a libopus", "av1.mp4"),
    ("-c:v libvpx-vp9 -c:a flac -strict -2", "vp9.mp4"),
    ("-c:v mpeg4 -c:a alac", "mpeg4.mp4"),
    ("-c:v mpeg2video -r 25 -c:a mp2", "mpeg2.mp4"),
    ("-vn -c:a aac -ac 6", "six.m4a"),
    ("-vn -c:a aac -ac 1 -ar 8000", "low.m4a"),
    ("-vn -c:a alac -ac 2 -ar 96000", "high.m4a"),
    ("-vn -c:a aac -movflags +frag_keyframe+empty_moov", "fragmented.m4a"),
    ("-c:v prores_ks -c:a pcm_s24le -ac 2", "prores.mov"),
    ("-c:v libx264 -c:a pcm_mulaw -ar 8000", "mulaw.mov"),
    ("-c:v png -c:a aac", "png.mov"),
    ("-c:v libx264 -c:a alac", "alac.mov"),
    ("-an -c:v libx264 -vf setsar=4/3", "anamorphic.mp4"),
    ("-c:v libx264 -c:a aac -movflags +frag_keyframe+empty_moov -r 30000/1001", "fragmented-ntsc.mp4"),
    ("-c:v libvpx-vp9 -r 24000/1001 -c:a libopus -ac 1", "vp9.webm"),
    ("-c:v libaom-av1 -cpu-used 8 -r 60 -an", "av1.webm"),
    ("-vn -c:a libopus -ac 2", "audio.webm"),
    ("-c:v libx264 -r 60000/1001 -c:a aac", "h264.mkv"),
    ("-c:v libx265 -c:a flac", "hevc.mkv"),
    ("-c:v mpeg4 -c:a pcm_s16le", "mpeg4.mkv"),
    ("-c:v libx264 -c:a ac3 -ac 6", "ac3.mkv"),
    ("-c:v mjpeg -c:a pcm_s16le -r 30000/1001", "mjpeg.avi"),
    ("-c:v libx264 -c:a aac", "h264.avi"),
    ("-c:v libtheora -c:a libvorbis -r 25", "theora.ogg"),
    ("-vn -c:a libspeex -ar 16000", "speex.ogg"),
    ("-vn -c:a pcm_s16be -ac 2", "stereo.aiff"),
    ("-vn -c:a mp2 -ac 2 -f mp2", "layer2.mp3"),
    ("-r 30000/1001 -c:v mpeg2video -s 720x480 -c:a mp2 -ac 2", "ntsc.mpg"),
];

/// The facts that ffprobe finds of the first picture stream and the first audio stream: each as a list of possible values.
fn expected_facts(folder: &Path, name: &str) -> Value {
    let args = format!("-v error -of json -show_streams {name}");
    let done = Command::new("ffprobe").args(args.split(' ')).current_dir(folder).output().unwrap();
    let probed: Value = serde_json::from_slice(&done.stdout).unwrap();
    let streams = probed["streams"].as_array().unwrap();
    let mut facts = json!({});
    if let Some(video) = streams.iter().find(|stream| stream["codec_type"] == "video") {
        let is_turned = video["side_data_list"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|data| data["rotation"].as_i64().is_some_and(|turn| turn % 180 != 0));
        let (width, height) = if is_turned { ("height", "width") } else { ("width", "height") };
        // ffprobe does not read moving WebP.
        if video["width"] != 0 {
            (facts["width"], facts["height"]) = (json!([video[width]]), json!([video[height]]));
        } else {
            (facts["width"], facts["height"]) = (json!([96]), json!([64]));
        }
        let is_picture = ["png", "jpg", "webp", "gif", "avif", "tiff", "bmp"].contains(&name.rsplit('.').next().unwrap());
        if !is_picture {
            facts["video_codec"] = json!([video["codec_name"]]);
            // One of them is measured from the first frames.
            let rates = ["avg_frame_rate", "r_frame_rate"].map(|rate| video[rate].as_str().unwrap());
            facts["frame_rate"] = json!(rates.map(|rate| rate.strip_suffix("/1").unwrap_or(rate)));
        }
    }
    if let Some(audio) = streams.iter().find(|stream| stream["codec_type"] == "audio") {
        let codec = audio["codec_name"].as_str().unwrap();
        let is_plain = codec.starts_with("pcm_") && !codec.ends_with("law");
        facts["audio_codec"] = json!([if is_plain { "pcm" } else { codec }]);
        facts["sample_rate"] = json!([audio["sample_rate"].as_str().unwrap().parse::<u32>().unwrap()]);
        facts["channels"] = json!([audio["channels"]]);
    }
    facts
}

#[test]
#[ignore = "needs ffmpeg"]
fn facts_agree_with_ffprobe() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let files = FILES.iter().map(|(options, name, _)| (*options, *name)).chain(MORE_FILES);
    let mut made: Vec<(&str, Vec<u8>)> = files.map(|(options, name)| (name, make(folder.path(), options, name))).collect();
    // How ffmpeg turns a movie depends on its version.
    for turn in
        ["-i plain.mp4 -c copy -metadata:s:v:0 rotate=90 turned.mp4", "-display_rotation 90 -i plain.mp4 -c copy turned.mp4"]
    {
        let args = format!("-v error -y {turn}");
        let done = Command::new("ffmpeg").args(args.split(' ')).current_dir(folder.path()).output().unwrap();
        if done.status.success() && expected_facts(folder.path(), "turned.mp4")["width"] == json!([64]) {
            made.push(("turned.mp4", fs::read(folder.path().join("turned.mp4")).unwrap()));
            break;
        }
    }
    assert_eq!(made.last().unwrap().0, "turned.mp4");
    let made: Vec<(&str, &[u8])> = made.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let (mut differences, mut agreed) = (Vec::new(), 0);
    for (file, (name, _)) in archive(&world, "facts", &made).iter().zip(&made) {
        let expected = expected_facts(folder.path(), name);
        for fact in ["width", "height", "video_codec", "frame_rate", "audio_codec", "sample_rate", "channels"] {
            // The layer is in the frames only, and the rate in the header is not that of the first frames.
            if [("mpeg2.mp4", "audio_codec"), ("h264.mkv", "frame_rate")].contains(&(*name, fact)) {
                continue;
            }
            let (found, expected) = (file.get(fact), &expected[fact]);
            match found {
                Some(found) if expected.as_array().is_some_and(|several| several.contains(found)) => agreed += 1,
                None if expected.is_null() => {}
                found => differences.push(format!("{name}: {fact} {found:?}, not {expected}")),
            }
        }
    }
    assert!(differences.is_empty(), "{agreed} agree, but\n{}", differences.join("\n"));
}

#[test]
#[ignore = "needs ffmpeg"]
fn durations_agree_with_ffprobe_and_only_cut_files_get_a_warning() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let made = FILES.map(|(options, name, _)| (name, make(folder.path(), options, name)));
    let whole: Vec<(&str, &[u8])> = made.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    for (file, (name, _)) in archive(&world, "whole", &whole).iter().zip(&whole) {
        assert_eq!((&file["warnings"], file.get("detected_type")), (&json!([]), None), "{name}");
        let extension = name.rsplit('.').next().unwrap();
        let found = file.get("measured_duration_seconds").map(|seconds| seconds.as_f64().unwrap());
        let Some(found) = found else {
            assert!(["png", "jpg", "webp", "gif", "avif", "tiff", "bmp"].contains(&extension), "{name}");
            continue;
        };
        // ffprobe estimates what the frames alone show: there the length of the source counts.
        let is_estimate = ["aac", "mpg"].contains(&extension) || *name == "variable.mp3";
        let expected = if is_estimate { 3.5 } else { expected_duration(folder.path(), name) };
        assert!((found - expected).abs() < 0.08, "{name}: {found}, not {expected}");
    }
    let halves: Vec<(&str, &[u8])> = whole.iter().map(|(name, bytes)| (*name, &bytes[..bytes.len() / 2])).collect();
    for (file, (_, name, is_visible)) in archive(&world, "half", &halves).iter().zip(FILES) {
        let expected = usize::from(is_visible);
        assert_eq!(file["warnings"].as_array().unwrap().len(), expected, "{name}: {}", file["warnings"]);
    }
}
