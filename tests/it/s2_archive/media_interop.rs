//! Media as ffmpeg writes them: durations that ffprobe agrees with, and no warning about a whole file.
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
