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
use crate::support::{World, sample};

/// The standard output of a program. It must report no error.
fn output_of(program: &str, args: &[&str], folder: &Path) -> String {
    let done = Command::new(program).args(args).current_dir(folder).output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && complaints.is_empty(), "{program}: {complaints}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
#[ignore = "needs python3 with OpenTimelineIO"]
fn opentimelineio_loads_the_timeline_and_finds_every_file() {
    const SCRIPT: &str = "
import os, sys, urllib.parse
import opentimelineio as otio
timeline = otio.adapters.read_from_file(sys.argv[1])
for track in timeline.tracks:
    print(track.kind, len(track), round(track.duration().to_seconds(), 3))
for clip in timeline.find_clips():
    assert clip.duration() == clip.available_range().duration
    url = urllib.parse.urlparse(clip.media_reference.target_url)
    assert clip.name.startswith(clip.metadata['yescale-dl']['task_id'] + ' ')
    assert os.path.isfile(urllib.parse.unquote(url.path)), url
";
    let world = World::new();
    let name = odd_archive(&world);
    let absolute = run_command(&world, &["export", "otio", name]).exits(0).stdout;
    world.write_file("absolute.otio", absolute);
    run_command(&world, &["export", "otio", name, "-O", "relative.otio"]).exits(0);
    for file in ["absolute.otio", "relative.otio"] {
        // 1 + 1.5 + 0.75; one image; 0.6 + 1.3
        assert_eq!(output_of("python3", &["-c", SCRIPT, file], world.home()), "Video 3 3.25\nVideo 1 5.0\nAudio 2 1.9\n");
    }
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
