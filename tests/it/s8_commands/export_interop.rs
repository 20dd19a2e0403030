//! `export`, read by the programs that the formats are for.
//!
//! These programs are not part of the toolchain, so the tests are run by `.ci/run`, or by hand: `cargo test --test it
//! export_interop:: -- --ignored`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::export::{ODD, odd_archive, rename_oddly};
use crate::support::commands::run_command;
use crate::support::{Reply, World, sample};

/// The standard output of a program. It must report no error.
fn output_of(program: &str, args: &[&str], folder: &Path) -> String {
    let done = Command::new(program).args(args).current_dir(folder).output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && complaints.is_empty(), "{program}: {complaints}");
    String::from_utf8(done.stdout).unwrap()
}

/// Prints the tracks of a timeline, each on a line. Gaps are in brackets. All times are seconds of the timeline.
const READER: &str = "
import os, sys, urllib.parse
import opentimelineio as otio
timeline = otio.adapters.read_from_file(sys.argv[1])
if isinstance(timeline, otio.schema.SerializableCollection):
    [timeline] = timeline
for track in sorted(timeline.tracks, key=lambda track: track.kind, reverse=True):
    line = []
    for item in track:
        seconds = f'{item.duration().to_seconds():.{sys.argv[2]}f}'
        if isinstance(item, otio.schema.Gap):
            line.append(f'[{seconds}]')
            continue
        url = urllib.parse.urlparse(item.media_reference.target_url)
        assert url.scheme in ('', 'file') and url.netloc in ('', 'localhost'), url
        path = urllib.parse.unquote(url.path)
        assert os.path.isfile(path), path
        line.append(f'{item.name!r} {os.path.basename(path)} {seconds}')
    print(track.kind, ', '.join(line))
";

/// Timelines of the archive in all formats, on standard output and in files, as their readers see them.
fn read_timelines(world: &World, name: &str, decimals: &str) -> Vec<(String, String)> {
    let read = |file: &str| output_of("python3", &["-c", READER, file, decimals], world.home());
    let formats = [("otio", "otio"), ("fcpxml", "fcpxml"), ("xmeml", "xml")];
    let seen = formats.into_iter().flat_map(|(format, extension)| {
        let (streamed, written) = (format!("streamed.{extension}"), format!("written.{extension}"));
        // The tasks have no times but those at which they were archived.
        let export = ["export", format, name, "--sort", "id"];
        world.write_file(&streamed, run_command(world, &export).exits(0).stdout);
        run_command(world, &[&export[..], &["-O", &written]].concat()).exits(0);
        [streamed, written].map(|file| (read(&file), file))
    });
    seen.map(|(seen, file)| (file, seen)).collect()
}

#[test]
#[ignore = "needs python3 with OpenTimelineIO and its adapters for Final Cut Pro"]
fn opentimelineio_reads_all_timelines_alike() {
    let world = World::new();
    let videos = ["video-1s.mp4", "clip.mov"].map(|name| world.serve_sample(name));
    let [picture, song, tone] = ["picture.png", "song.mp3", "song.wav"].map(|name| world.serve_sample(name));
    world.serve_task("t1", &json!({"videos": videos, "images": [picture]}));
    world.serve_task("t2", &json!({"audio": [song]}));
    world.serve_task("t3", &json!({"videos": [videos[1]], "audio": [tone]}));
    let meta = "{\"task_id\": \"t1\", \"prompt\": \"a <cat> & \\\"dog's\\\"\\nmoon \\u0007é\"}\nt2\nt3\n";
    world.run_with_input(meta, &["-i", "-"]).exits(0);
    let name = rename_oddly(&world);
    let prompt = "'a <cat> & \"dog\\'s\" moon é'";
    let main = format!(
        "Video {prompt} video-1.mp4 1.0, {prompt} video-2.mov 1.5, {prompt} image-1.png 5.0, [1.2], 't3' video-1.mov 1.5\n"
    );
    for (file, seen) in read_timelines(&world, name, "1") {
        let seen = seen.replace("[1.3]", "[1.2]").replace("audio-1.mp3 1.3", "audio-1.mp3 1.2");
        assert!(seen.starts_with(&main), "{file}: {seen}");
        assert!(seen.ends_with("Audio [7.5], 't2' audio-1.mp3 1.2, 't3' audio-1.wav 0.6\n"), "{file}: {seen}");
    }
}

/// Rotates the picture of an MP4 by 90 degrees: writes the matrix of its track header.
fn turn_picture(mp4: &mut [u8]) {
    let header = mp4.windows(4).position(|window| window == b"tkhd").unwrap();
    let matrix: [i32; 9] = [0, 1 << 16, 0, -1 << 16, 0, 0, 64 << 16, 0, 1 << 30];
    let bytes = matrix.map(i32::to_be_bytes).concat();
    mp4[header + 44..][..bytes.len()].copy_from_slice(&bytes);
}

#[test]
#[ignore = "needs ffmpeg, and python3 with OpenTimelineIO and its adapters for Final Cut Pro"]
fn opentimelineio_reads_clips_of_different_rates_and_an_edl_of_them() {
    const EDL: &str = "
import sys
import opentimelineio as otio
timeline = otio.adapters.read_from_file(sys.argv[1])
if isinstance(timeline, otio.schema.SerializableCollection):
    [timeline] = timeline
edl = otio.schema.Timeline()
edl.tracks.append(next(track for track in timeline.tracks if track.kind == 'Video').deepcopy())
text = otio.adapters.write_to_string(edl, 'cmx_3600', rate=25)
print(sum(line[:3].isdigit() for line in text.splitlines()), text.count('FROM CLIP NAME:  a <b> & c'))
";
    let world = World::new();
    let videos = ["30000/1001", "25", "24", "25"].map(|rate| {
        let source = format!("testsrc=size=96x64:rate={rate}:duration=2");
        output_of(
            "ffmpeg",
            &["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p", "made.mp4"],
            world.home(),
        );
        let mut bytes = fs::read(world.home().join("made.mp4")).unwrap();
        if rate == "24" {
            turn_picture(&mut bytes);
        }
        world.media.script(&format!("/{}.mp4", rate.replace('/', "-")), [Reply::ok(bytes)])
    });
    world.serve_task("t1", &json!({"videos": videos}));
    world.run_with_input("{\"task_id\": \"t1\", \"prompt\": \"a <b> & c\"}", &["-i", "-"]).exits(0);
    for (file, seen) in read_timelines(&world, "yescale", "0") {
        let clips: Vec<String> = (1..=4).map(|number| format!("'a <b> & c' video-{number}.mp4 2")).collect();
        // The adapter for FCPXML adds gaps of a frame where the rate changes.
        let seen = seen.replace("[0], ", "");
        assert_eq!(seen, format!("Video {}\n", clips.join(", ")), "{file}");
        let edl = output_of("python3", &["-c", EDL, &file], world.home());
        assert_eq!(edl, "4 4\n", "{file}");
    }
    let timeline = fs::read_to_string(world.home().join("written.fcpxml")).unwrap();
    assert!(timeline.contains(r#"frameDuration="1/25s" width="96" height="64"/>"#), "{timeline}");
    assert!(timeline.contains(r#"frameDuration="1/24s" width="64" height="96"/>"#), "{timeline}");
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffmpeg_plays_the_ffconcat_list() {
    let world = World::new();
    // One codec per list, as ffmpeg requires: two videos of 18 frames, two audio files of 4800 samples.
    let [video, song] = ["clip.mov", "song.wav"].map(|name| world.serve_sample(name));
    world.serve_task("t1", &json!({"videos": [video, video], "audio": [song]}));
    world.serve_task("T2", &json!({"audio": [song, song]}));
    world.run(&["t1", "T2"]).exits(0);
    let name = rename_oddly(&world);
    for (task, length) in [("t1", 36), ("T2", 9600)] {
        let absolute = run_command(&world, &["export", "ffconcat", name, "--task", task]).exits(0).stdout;
        world.write_file("absolute", absolute);
        run_command(&world, &["export", "ffconcat", name, "-O", "relative", "--task", task]).exits(0);
        for list in ["absolute", "relative"] {
            let args = ["-v", "error", "-f", "concat", "-safe", "0", "-i", list, "-f", "framecrc", "-"];
            let played = output_of("ffmpeg", &args, world.home());
            let frames = played.lines().filter(|line| line.starts_with("0,"));
            let lengths = frames.map(|frame| frame.split(',').nth(3).unwrap().trim().parse::<u64>().unwrap());
            assert_eq!(lengths.sum::<u64>(), length, "{played}");
        }
    }
}

#[test]
#[ignore = "needs ffmpeg"]
fn ffprobe_opens_every_playlist_entry() {
    let world = World::new();
    let name = odd_archive(&world);
    let list = run_command(&world, &["export", "m3u8", name]).exits(0).stdout;
    let uris: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(uris.len(), 5);
    for uri in uris {
        let path = url::Url::parse(uri).unwrap().to_file_path().unwrap();
        output_of("ffprobe", &["-v", "error", path.to_str().unwrap()], world.home());
    }
}

#[test]
#[ignore = "needs python3 with bagit"]
fn bagit_py_accepts_the_bag_and_rejects_a_changed_one() {
    const SCRIPT: &str = "
import bagit, sys
try:
    bag = bagit.Bag(sys.argv[1])
    bag.validate(processes=1)
    print(bag.version, len(bag.payload_entries()))
except bagit.BagValidationError:
    print('refused')
";
    let world = World::new();
    let name = odd_archive(&world);
    run_command(&world, &["export", "bagit", name, "-O", "bag"]).exits(0);
    assert_eq!(output_of("python3", &["-c", SCRIPT, "bag"], world.home()), "1.0 9\n");
    fs::write(world.home().join("bag/data/t1/image-1.png"), sample("picture.gif")).unwrap();
    assert_eq!(output_of("python3", &["-c", SCRIPT, "bag"], world.home()), "refused\n");
}

#[test]
#[ignore = "needs python3"]
fn python_csv_reads_the_rows() {
    const SCRIPT: &str = "
import csv, hashlib, json, sys
for row in csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True):
    data = open(row['path'], 'rb').read()
    assert len(data) == int(row['size']) and hashlib.sha256(data).hexdigest() == row['sha256']
    print(row['task_id'], row['kind'], row['index'], row['duration_seconds'])
";
    let world = World::new();
    let name = odd_archive(&world);
    run_command(&world, &["export", "csv", name, "-O", "list.csv", "--sort", "id"]).exits(0);
    let expected = "'ODD audio 1 0.6\nt1 video 1 1.0\nt1 video 2 1.5\nt1 video 3 0.75\nt1 image 1 \nt1 audio 1 1.3\n";
    assert_eq!(output_of("python3", &["-c", SCRIPT, "list.csv"], world.home()).replace(ODD, "ODD"), expected);
}

#[test]
#[ignore = "needs python3 with duckdb and pandas"]
fn duckdb_and_pandas_read_the_tables_in_one_line() {
    const SCRIPT: &str = "
import duckdb, pandas, sys
tables = [
    duckdb.sql(\"select * from 'files.csv'\").df(),
    duckdb.sql(\"select * from 'files.jsonl'\").df(),
    pandas.read_csv('files.csv'),
    pandas.read_json('files.jsonl', lines=True),
]
for table in tables:
    assert not table.isna()['sha256'].any() and 'url' not in table
    print(len(table), table['size'].sum(), round(table['duration_seconds'].sum(), 2), sorted(set(table['kind'])))
";
    let world = World::new();
    let name = odd_archive(&world);
    for format in ["csv", "jsonl"] {
        run_command(&world, &["export", format, name, "-O", &format!("files.{format}")]).exits(0);
    }
    let read = output_of("python3", &["-c", SCRIPT], world.home());
    let lines: Vec<&str> = read.lines().collect();
    assert!(lines.len() == 4 && lines.iter().all(|line| *line == lines[0]), "{read}");
    assert!(lines[0].starts_with("6 ") && lines[0].ends_with("5.15 ['audio', 'image', 'video']"), "{read}");
}
