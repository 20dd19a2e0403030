//! `export`: the archive in the formats of other programs, offline, and nothing else changed.
//!
//! Entries that can't be exported are in `export_skipped`, the programs that read the formats in `export_interop`,
//! bags in `export_bagit`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::audit::{read_tree, sha256};
use crate::support::commands::{archive_two_tasks, run_command};
use crate::support::run::Running;
use crate::support::{Run, World, sample};

pub(crate) const TEXTS: [&str; 6] = ["otio", "fcpxml", "xmeml", "ffconcat", "csv", "m3u8"];

/// An id that every format must escape.
pub(crate) const ODD: &str = "=T2,\"é'\\";

/// Makes two tasks: `t1` with three videos, an image and an audio file, `ODD` with another audio file and a text, in
/// an archive with an unusual name.
pub(crate) fn odd_archive(world: &World) -> &'static str {
    let videos = ["video-1s.mp4", "clip.mov", "clip.webm"].map(|name| world.serve_sample(name));
    world.serve_task(
        "t1",
        &json!({"videos": videos, "images": [world.serve_sample("picture.png")], "audio": [world.serve_sample("song.mp3")]}),
    );
    world.serve_task("%3DT2%2C%22%C3%A9%27%5C", &json!({"audio": [world.serve_sample("song.wav")], "text": "la\nla"}));
    world.run(&["--", "t1", ODD]).exits(0);
    rename_oddly(world)
}

/// Renames the archive to an unusual name.
pub(crate) fn rename_oddly(world: &World) -> &'static str {
    const NAME: &str = "it's #1, 50% é";
    fs::rename(world.archive(), world.home().join(NAME)).unwrap();
    NAME
}

/// The column of a table, without its heading.
fn column(table: &str, at: usize) -> Vec<String> {
    table.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().to_owned()).collect()
}

fn clips(timeline: &str) -> Vec<Value> {
    let timeline: Value = serde_json::from_str(timeline).unwrap();
    let tracks = timeline["tracks"]["children"].as_array().unwrap().clone();
    tracks.into_iter().flat_map(|track| track["children"].as_array().unwrap().clone()).collect()
}

/// An export in the order of the ids: the tasks of one run may have the same time.
pub(crate) fn export(world: &World, args: &[&str]) -> Run {
    run_command(world, &[&["export"], args, &["--sort", "id"]].concat())
}

#[test]
fn paths_are_relative_to_the_output_and_absolute_on_stdout() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::create_dir_all(world.home().join("out/deep")).unwrap();
    let named = ["t1/video-1.mp4", "t1/image-1.png", "t1/image-2.png", "t2/image-1.gif"];
    for (output, way) in [("list.csv", "yescale/"), ("out/deep/list.csv", "../../yescale/"), ("yescale/list.csv", "")] {
        let run = export(&world, &["csv", "-O", output]).exits(0);
        assert!(run.stdout.starts_with("wrote ") && run.stderr.is_empty(), "{run:?}");
        let output = world.home().join(output);
        let paths = column(&fs::read_to_string(&output).unwrap(), 4);
        assert_eq!(paths, named.map(|name| format!("{way}{name}")));
        assert!(paths.iter().all(|path| output.parent().unwrap().join(path).is_file()));
        fs::remove_file(output).unwrap();
    }
    for args in [&["csv"][..], &["csv", "-O", "-", "yescale"]] {
        let paths = column(&export(&world, args).exits(0).stdout, 4);
        assert!(paths.iter().all(|path| Path::new(path).is_absolute() && Path::new(path).is_file()), "{paths:?}");
        assert!(paths.iter().zip(named).all(|(path, name)| path.ends_with(name)));
    }
}

#[test]
fn fcpxml_and_xmeml_have_absolute_urls_wherever_they_are_written() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::create_dir(world.home().join("out")).unwrap();
    for (format, start) in [("fcpxml", "src=\"file:///"), ("xmeml", "<pathurl>file://localhost/")] {
        export(&world, &[format, "-O", "out/cut"]).exits(0);
        let written = fs::read_to_string(world.home().join("out/cut")).unwrap();
        assert_eq!(written, export(&world, &[format]).exits(0).stdout);
        let urls: Vec<&str> = written.split(start).skip(1).map(|rest| rest.split(['"', '<']).next().unwrap()).collect();
        assert_eq!(urls.len(), 4, "{written}");
        for url in urls {
            let path = url::Url::parse(&format!("file:///{}", url.replace("%3a", ":"))).unwrap().to_file_path().unwrap();
            assert!(path.is_file(), "{url}");
        }
    }
}

#[test]
fn every_format_writes_the_expected_output() {
    let world = World::new();
    archive_two_tasks(&world);
    let export_to_file = |format: &str| export(&world, &[format, "yescale", "-O", "out"]).exits(0);
    export_to_file("ffconcat");
    let written = || fs::read_to_string(world.home().join("out")).unwrap();
    assert_eq!(written(), "ffconcat version 1.0\nfile 'yescale/t1/video-1.mp4'\nduration 1.000\n");
    export_to_file("m3u8");
    assert_eq!(written(), "#EXTM3U\n#EXTINF:1.000,t1 video 1\nyescale/t1/video-1.mp4\n");
    export_to_file("csv");
    let hash = sha256(&sample("video-1s.mp4"));
    let row = format!("t1,complete,video,1,yescale/t1/video-1.mp4,{},{hash},video/mp4,1.0,,", sample("video-1s.mp4").len());
    assert!(written().lines().nth(1).unwrap().starts_with(&row), "{}", written());
    export_to_file("otio");
    let found: Vec<Value> = clips(&written())
        .into_iter()
        .map(|clip| {
            let length = &clip["source_range"]["duration"];
            json!([clip["media_reference"]["target_url"], length["value"], length["rate"]])
        })
        .collect();
    let expected = [
        json!(["yescale/t1/video-1.mp4", 12.0, 12.0]),
        json!(["yescale/t1/image-1.png", 120.0, 24.0]),
        json!(["yescale/t1/image-2.png", 120.0, 24.0]),
        json!(["yescale/t2/image-1.gif", 120.0, 24.0]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn rate_option_applies_only_to_media_without_a_frame_rate() {
    let world = World::new();
    let name = odd_archive(&world);
    let run = export(&world, &["otio", name, "--rate", "30000/1001"]).exits(0);
    let default_rate = 30000.0 / 1001.0;
    let rates: Vec<(String, f64, f64)> = clips(&run.stdout)
        .iter()
        .map(|clip| {
            let length = &clip["source_range"]["duration"];
            let (value, rate) = (length["value"].as_f64().unwrap(), length["rate"].as_f64().unwrap());
            let name = clip["media_reference"]["target_url"].as_str().map_or("gap", |url| url.rsplit('/').next().unwrap());
            (name.to_owned(), rate, (value / rate * 1000.0).round() / 1000.0)
        })
        .collect();
    let expected = [
        ("gap", default_rate, 0.6),
        ("video-1.mp4", 12.0, 1.0),
        ("video-2.mov", 12.0, 1.5),
        ("video-3.webm", 12.0, 0.75),
        ("image-1.png", default_rate, 5.0),
        ("audio-1.wav", default_rate, 0.6),
        ("audio-1.mp3", default_rate, 1.3),
    ];
    assert_eq!(rates, expected.map(|(name, rate, seconds)| (name.to_owned(), rate, seconds)));
}

#[test]
fn task_option_selects_and_orders_ids_and_reports_unknown_ones() {
    let world = World::new();
    archive_two_tasks(&world);
    world.archive_task("t3");
    let ids = |args: &[&str], code| {
        let run = run_command(&world, &[&["export", "csv"], args].concat()).exits(code);
        (column(&run.stdout, 0).join(" "), run.stderr)
    };
    assert_eq!(ids(&["--task", "t3", "t2"], 0).0, "t3 t2");
    assert_eq!(ids(&["yescale", "--task", "t3", "--task", "t3"], 0).0, "t3");
    let (stdout, stderr) = ids(&["--task", "t2", "t9"], 1);
    assert_eq!((stdout.as_str(), stderr.as_str()), ("t2", "error: t9: the archive has no such task\n"));
}

#[test]
fn bag_is_not_written_into_the_archive_that_it_copies() {
    let world = World::new();
    archive_two_tasks(&world);
    let before = world.tree();
    for (archive, target) in [("yescale", "yescale/new"), ("yescale", "yescale/t1/new"), ("yescale/t1", "yescale/new")] {
        let run = export(&world, &["bagit", archive, "-O", target]).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains("it is in the archive"), "{target}: {run:?}");
    }
    assert!(world.tree() == before);
}

#[test]
fn single_task_folder_is_exported_as_an_archive() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::rename(world.archive().join("t1"), world.home().join("mail")).unwrap();
    let run = export(&world, &["m3u8", "mail", "-O", "mail/list.m3u8"]).exits(0);
    assert!(run.stderr.is_empty());
    assert_eq!(
        fs::read_to_string(world.home().join("mail/list.m3u8")).unwrap(),
        "#EXTM3U\n#EXTINF:1.000,t1 video 1\nvideo-1.mp4\n"
    );
    export(&world, &["bagit", "mail", "-O", "bag"]).exits(0);
    let data = read_tree(&world.home().join("bag/data"));
    assert_eq!(
        data.keys().collect::<Vec<_>>(),
        ["image-1.png", "image-2.png", "manifest.json", "text.txt", "video-1.mp4"]
            .map(|name| format!("t1/{name}"))
            .iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn meta_and_unusual_ids_are_exported() {
    let world = World::new();
    world.serve_task("%3D1%2B1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    world.run_with_input("{\"task_id\":\"=1+1\",\"prompt\":\"a \\\"cat\\\", and\"}", &["-i", "-"]).exits(0);
    let table = export(&world, &["csv"]).exits(0).stdout;
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with("'=1+1,complete,") && row.contains(r#","{""prompt"":""a \""cat\"", and""}","#), "{table}");
    let clip = clips(&export(&world, &["otio"]).exits(0).stdout).remove(0);
    assert_eq!(clip["name"], "a \"cat\", and");
    let metadata = &clip["metadata"]["yescale-dl"];
    assert_eq!((&metadata["task_id"], &metadata["meta"]), (&json!("=1+1"), &json!({"prompt": "a \"cat\", and"})));
    let escaped = "a &quot;cat&quot;, and";
    let timeline = export(&world, &["fcpxml"]).exits(0).stdout;
    assert!(
        timeline.contains(&format!("name=\"{escaped}\"")) && timeline.contains(&format!("value=\"{escaped}\"")),
        "{timeline}"
    );
    assert!(export(&world, &["xmeml"]).exits(0).stdout.contains("<name>a \"cat\", and</name>"));
}

#[test]
fn table_has_rows_for_errors_and_for_tasks_without_files() {
    let world = World::new();
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "flagged"}));
    world.serve_task("dead", &json!({"images": [format!("{}/dead", world.media.origin()), world.serve_sample("picture.png")]}));
    world.serve_task("song", &json!({"text": "la"}));
    world.run(&["failed", "dead", "song"]).exits(1);
    let table = export(&world, &["csv", "-O", "list.csv"]).exits(0);
    assert!(table.stderr.is_empty(), "{table:?}");
    let table = fs::read_to_string(world.home().join("list.csv")).unwrap();
    let cells = |at: usize| column(&table, at);
    let headings: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let named = |name: &str| cells(headings.iter().position(|heading| *heading == name).unwrap());
    assert_eq!(cells(0), ["dead", "dead", "failed", "song"]);
    assert_eq!(named("state"), ["incomplete", "incomplete", "failed", "complete"]);
    assert_eq!(
        (named("kind"), named("index")),
        (["image", "image", "", ""].map(str::to_owned).into(), ["2", "1", "", ""].map(str::to_owned).into())
    );
    assert_eq!(
        (named("code"), named("http_status")),
        (["", "dead_link", "", ""].map(str::to_owned).into(), ["", "404", "", ""].map(str::to_owned).into())
    );
    assert_eq!(named("err_reason"), ["", "", "flagged", ""]);
    assert_eq!(named("text_path"), ["", "", "", "yescale/song/text.txt"]);
}

#[test]
fn contradicting_durations_bring_a_warning_and_are_shown_side_by_side() {
    let world = World::new();
    world.serve_task("t1", &json!({"audio": [{"url": world.serve_sample("song.mp3"), "duration": 128.92}]}));
    let run = world.run(&["t1", "--gallery"]).exits(0);
    let warning = "the API says that it lasts 128.92 s, but the file lasts 1.3 s";
    assert!(run.stderr.contains(warning), "{run:?}");
    let file = &world.task_entry("t1")["files"][0];
    assert_eq!((&file["duration_seconds"], &file["measured_duration_seconds"]), (&json!(128.92), &json!(1.3)));
    assert_eq!(file["warnings"], json!([warning]));
    let table = export(&world, &["csv"]).exits(0).stdout;
    assert_eq!((&*column(&table, 8)[0], &*column(&table, 11)[0]), ("128.92", "1.3"));
    assert!(fs::read_to_string(world.archive().join("index.html")).unwrap().contains(",128.92,1.3]"));
    // A player needs the true one.
    assert!(export(&world, &["m3u8"]).exits(0).stdout.contains("#EXTINF:1.300,"));
}

#[test]
fn closed_stdout_pipe_is_not_an_error() {
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [world.serve_sample("video-1s.mp4")]}));
    // More than any pipe holds.
    world.run_with_input(&json!({"task_id": "t1", "prompt": "a cat".repeat(200_000)}).to_string(), &["-i", "-"]).exits(0);
    let mut running = Running::start(world.plain_command(&["export", "csv"]));
    running.close_stdout();
    assert_eq!(running.wait(false).exits(0).stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn write_error_on_stdout_is_reported() {
    let world = World::new();
    archive_two_tasks(&world);
    for format in TEXTS {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = world.plain_command(&["export", format]).stdout(full).output().unwrap();
        assert_eq!(done.status.code(), Some(2));
        assert!(String::from_utf8(done.stderr).unwrap().contains("standard output"));
    }
}

#[test]
fn only_plain_files_are_replaced_and_only_as_a_whole() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("list.csv", "old".repeat(999));
    export(&world, &["csv", "-O", "list.csv"]).exits(0);
    let stdout = export(&world, &["csv"]).stdout;
    assert_eq!(column(&fs::read_to_string(world.home().join("list.csv")).unwrap(), 0), column(&stdout, 0));
    let before = read_tree(world.home());
    for output in [
        "yescale",
        ".",
        "..",
        "nowhere/list.csv",
        "yescale/manifest.json",
        "yescale/SHA256SUMS",
        "yescale/t1/text.txt",
        "yescale/t1/image-1.png",
    ] {
        let run = export(&world, &["csv", "-O", output]).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.starts_with("error: "), "{run:?}");
    }
    assert!(read_tree(world.home()) == before);
}

#[cfg(unix)]
#[test]
fn symlink_as_output_is_neither_replaced_nor_followed() {
    let world = World::new();
    archive_two_tasks(&world);
    let (link, notes) = (world.home().join("link"), world.write_file("notes.txt", "mine"));
    std::os::unix::fs::symlink(&notes, &link).unwrap();
    for format in ["csv", "bagit"] {
        export(&world, &[format, "-O", "link"]).exits(2);
        assert_eq!((fs::read_link(&link).unwrap(), fs::read(&notes).unwrap()), (notes.clone(), b"mine".to_vec()));
    }
}

#[test]
fn invalid_export_arguments_exit_with_2() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("photos/manifest.json", "{\"name\":\"an app\"}");
    for args in [
        &["csv", "nowhere"][..],
        &["csv", "photos"],
        &["csv", "list.csv"],
        &["pdf"],
        &[],
        &["otio", "--rate", "0"],
        &["xmeml", "--rate", "24/0"],
        &["bagit"],
        &["bagit", "-O", "-"],
    ] {
        let run = export(&world, args).exits(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{run:?}");
    }
}
