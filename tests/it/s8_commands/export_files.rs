//! `export files`: the media under names for people. A later run adds what is new and nothing else.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::export::export;
use crate::support::audit::{read_tree, sha256};
use crate::support::commands::{flip_bit, run_command};
use crate::support::run::Running;
use crate::support::{Run, World, sample};

/// Writes a task into the archive, without a gateway: its files are samples, as (kind, number, sample).
pub(crate) fn add_task(world: &World, id: &str, fields: &Value, files: &[(&str, usize, &str)]) {
    let folder = world.archive().join(yescale_dl::layout::folder_name(id));
    fs::create_dir_all(&folder).unwrap();
    let entry = |(kind, index, name): &(&str, usize, &str)| {
        let bytes = sample(name);
        let path = format!("{kind}-{index}.{}", name.rsplit_once('.').unwrap().1);
        fs::write(folder.join(&path), &bytes).unwrap();
        json!({"kind": kind, "index": index, "path": path, "size": bytes.len(), "sha256": sha256(&bytes), "warnings": []})
    };
    let files: Vec<Value> = files.iter().map(entry).collect();
    let mut task =
        json!({"task_id": id, "state": "complete", "finish_time": "2026-10-01T22:30:05Z", "files": files, "errors": []});
    task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let manifest = json!({"manifest_version": 1, "generator": "test", "tasks": [task]});
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
}

pub(crate) fn index(world: &World) {
    run_command(world, &["index"]).exits(0);
}

fn titled(title: &str) -> Value {
    json!({"meta": {"title": title}, "platform": "kling"})
}

/// An archive of tasks with one image each, and these titles, in order of time.
fn archive_titles(world: &World, titles: &[&str]) {
    for (at, title) in titles.iter().enumerate() {
        let mut fields = titled(title);
        fields["finish_time"] = json!(format!("2026-10-01T00:{:02}:00Z", at));
        add_task(world, &format!("t{at}"), &fields, &[("image", 1, "picture.png")]);
    }
    index(world);
}

/// Runs `export files -O out` in a time zone seven hours east.
pub(crate) fn export_files(world: &World, args: &[&str]) -> Run {
    let mut command = world.plain_command(&[&["export", "files", "-O", "out"], args].concat());
    Running::start({
        command.env("TZ", "<+07>-7");
        command
    })
    .wait(false)
}

/// The exported files, without the record.
pub(crate) fn exported(world: &World) -> Vec<String> {
    let tree = read_tree(&world.home().join("out"));
    tree.into_keys().filter(|name| name != ".yescale-dl-export.jsonl").collect()
}

#[test]
fn files_get_readable_names_and_a_second_run_changes_nothing() {
    let world = World::new();
    add_task(&world, "t1", &titled("A cat: on the moon?"), &[("video", 1, "video-1s.mp4"), ("image", 1, "picture.png")]);
    add_task(&world, "T/2", &json!({"text": "\n[Verse]\nla"}), &[("audio", 1, "song.mp3")]);
    index(&world);
    let before = world.tree();
    let run = export_files(&world, &[]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("wrote out: 2 tasks, 3 files\n", ""));
    let names = [
        "2026-10-02 [Verse] audio1.mp3",
        "2026-10-02 kling A cat on the moon image1.png",
        "2026-10-02 kling A cat on the moon video1.mp4",
    ];
    assert_eq!(exported(&world), names);
    assert_eq!(fs::read(world.home().join("out").join(names[2])).unwrap(), sample("video-1s.mp4"));
    let (tree, record) = (read_tree(&world.home().join("out")), world.home().join("out/.yescale-dl-export.jsonl"));
    let time = fs::metadata(&record).unwrap().modified().unwrap();
    let run = export_files(&world, &[]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("out is up to date: 2 tasks, 3 files\n", ""));
    assert!(read_tree(&world.home().join("out")) == tree && fs::metadata(&record).unwrap().modified().unwrap() == time);
    assert!(world.tree() == before, "the archive is not changed");
}

#[test]
fn help_shows_the_default_template_as_it_is_typed() {
    let help = run_command(&World::new(), &["export", "--help"]).exits(0).stdout;
    assert!(help.contains("{date} {platform} {title:60} {kind}{n}.{ext}"), "{help}");
}

#[test]
fn file_in_place_of_the_folder_is_named_and_kept() {
    let world = World::new();
    archive_titles(&world, &["a"]);
    world.write_file("out", "mine");
    let run = export_files(&world, &[]).exits(2);
    assert!(run.stderr.contains("can't export to out: it is not a folder"), "{run:?}");
    assert_eq!(fs::read(world.home().join("out")).unwrap(), b"mine");
}

#[test]
fn timeline_takes_a_missing_duration_from_the_header_and_counts_what_it_has() {
    let world = World::new();
    let facts = json!({"platform": "kling"});
    add_task(&world, "t1", &facts, &[("video", 1, "video-1s.mp4"), ("audio", 1, "song.mp3"), ("file", 1, "playlist.m3u8")]);
    add_task(&world, "t2", &facts, &[("file", 1, "picture.svg")]);
    index(&world);
    for format in ["otio", "fcpxml", "xmeml", "m3u8"] {
        let run = run_command(&world, &["export", format, "-O", "cut"]).exits(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("wrote cut: 1 task, 2 files\n", ""), "{format}");
        let text = fs::read_to_string(world.home().join("cut")).unwrap();
        assert!(text.contains("video-1.mp4") && !text.contains("file-1."), "{text}");
    }
    let list = run_command(&world, &["export", "ffconcat", "-O", "cut"]).exits(0);
    assert_eq!(list.stdout, "wrote cut: 1 task, 1 file\n");
}

#[test]
fn odd_titles_give_names_that_every_system_takes() {
    let world = World::new();
    let long = "ế".repeat(10_000);
    let titles = [
        "Me\u{300}o tre\u{302}n ma\u{323}\u{306}t tra\u{306}ng",
        "\u{202e}قطة\u{200f} على القمر\u{202c}",
        "👩‍👩‍👧‍👦 🏳️‍🌈",
        &long,
        "CON",
        "nul.txt",
        "..",
        "/",
        "\\",
        "",
        "dots...  ",
        "{id} {{x}} {nope",
        "../../../etc/passwd",
        "a\u{0}b\u{1b}[31m\nc",
    ];
    archive_titles(&world, &titles);
    export_files(&world, &["--name", "{title}.{ext}"]).exits(0);
    let names = exported(&world);
    assert_eq!(names.len(), titles.len(), "{names:?}");
    for name in &names {
        assert!(name.len() <= 200 && !name.starts_with('.'), "{name}");
        assert_eq!(Path::new(name).extension().unwrap(), "png", "{name}");
        let is_refused = |c: char| c.is_control() || "<>:\"/\\|?*\u{202e}\u{202c}\u{200f}".contains(c);
        assert!(!name.contains(is_refused), "{name:?}");
    }
    for name in [
        "Mèo trên mặt trăng.png",
        "👩‍👩‍👧‍👦 🏳️‍🌈.png",
        "CON_.png",
        "nul_.txt.png",
        "dots.png",
        "{id} {{x}} {nope.png",
        "t9.png",
        "t6.png",
    ] {
        assert!(names.contains(&name.to_owned()), "{name} {names:?}");
    }
}

#[test]
fn names_that_differ_only_in_case_or_form_are_numbered() {
    let world = World::new();
    archive_titles(&world, &["Mèo", "MÈO", "me\u{300}o", "Mèo", "mèo (2)"]);
    export_files(&world, &["--name", "{title}.{ext}"]).exits(0);
    let mut names = exported(&world);
    names.sort();
    assert_eq!(names, ["MÈO (2).png", "Mèo (4).png", "Mèo.png", "mèo (2) (2).png", "mèo (3).png"]);
    // A folder that differs only in case is the same folder.
    export_files(&world, &["--name", "{title}/{id}"]).exits(0);
    let in_folders: Vec<String> = exported(&world).into_iter().filter(|name| name.contains('/')).collect();
    assert_eq!(in_folders, ["Mèo/t0.png", "Mèo/t1.png", "Mèo/t2.png", "Mèo/t3.png", "mèo (2)/t4.png"]);
}

#[test]
fn later_run_adds_what_is_new_and_nothing_else() {
    let world = World::new();
    archive_titles(&world, &["one", "two", "three"]);
    let name = ["--name", "{title}"];
    export_files(&world, &name).exits(0);
    let out = world.home().join("out");
    fs::rename(out.join("one.png"), out.join("mine.png")).unwrap();
    fs::remove_file(out.join("two.png")).unwrap();
    fs::write(out.join("three.png"), "edited").unwrap();
    archive_titles(&world, &["two", "changed", "changed too", "two"]);
    let run = export_files(&world, &name).exits(0);
    assert_eq!(run.stdout, "wrote out: 1 task, 1 file\n");
    // The name of the deleted file is not given to another one.
    assert_eq!(exported(&world), ["mine.png", "three.png", "two (2).png"]);
    assert_eq!(fs::read(out.join("three.png")).unwrap(), b"edited");
    // Another template exports again.
    let run = export_files(&world, &["--name", "{id}"]).exits(0);
    assert_eq!(run.stdout, "wrote out: 4 tasks, 4 files\n");
    let run = export_files(&world, &["--name", "{id}"]).exits(0);
    assert_eq!(run.stdout, "out is up to date: 4 tasks, 4 files\n");
}

#[test]
fn foreign_files_are_never_overwritten() {
    let world = World::new();
    archive_titles(&world, &["one", "two"]);
    world.write_file("out/ONE.png", "mine");
    world.write_file("out/two.png/x", "mine");
    export_files(&world, &["--name", "{title}"]).exits(0);
    assert_eq!(exported(&world), ["ONE.png", "one (2).png", "two (2).png", "two.png/x"]);
    assert_eq!(fs::read(world.home().join("out/ONE.png")).unwrap(), b"mine");
    fs::remove_dir_all(world.home().join("out")).unwrap();
    for (record, message) in
        [("my notes\n", "was not written by yescale-dl"), ("{\"export_record_version\":1}\n{}\n", "damaged in line 2")]
    {
        world.write_file("out/.yescale-dl-export.jsonl", record);
        let run = export_files(&world, &[]).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains(message), "{run:?}");
        assert_eq!(exported(&world).len(), 0);
        assert_eq!(fs::read_to_string(world.home().join("out/.yescale-dl-export.jsonl")).unwrap(), record);
    }
}

#[test]
fn missing_and_damaged_files_are_named_and_the_rest_is_exported() {
    let world = World::new();
    archive_titles(&world, &["one", "two", "three"]);
    flip_bit(&world, "t0/image-1.png");
    let lost = world.archive().join("t1/image-1.png");
    fs::rename(&lost, world.home().join("lost.png")).unwrap();
    let run = export_files(&world, &["--name", "{title}", "--link", "copy"]).exits(1);
    assert_eq!(run.stdout, "wrote out: 1 task, 1 file\n");
    assert_eq!(run.stderr.lines().count(), 2, "{run:?}");
    let is_named = |path: &str, what: &str| run.stderr.lines().any(|line| line.contains(path) && line.contains(what));
    assert!(is_named("t0/image-1.png", "damaged") && is_named("t1/image-1.png", "missing"), "{run:?}");
    assert_eq!(exported(&world), ["three.png"]);
    flip_bit(&world, "t0/image-1.png");
    fs::rename(world.home().join("lost.png"), &lost).unwrap();
    let run = export_files(&world, &["--name", "{title}"]).exits(0);
    assert_eq!(run.stdout, "wrote out: 2 tasks, 2 files\n");
    assert_eq!(exported(&world), ["one.png", "three.png", "two.png"]);
}

#[cfg(unix)]
#[test]
fn links_lead_to_the_archive_and_hard_ones_bring_a_warning() {
    use std::os::unix::fs::MetadataExt as _;
    let world = World::new();
    archive_titles(&world, &["one"]);
    let original = world.archive().join("t0/image-1.png");
    for (mode, links) in [("auto", 1), ("copy", 1), ("sym", 1), ("hard", 2)] {
        let run = export_files(&world, &["--name", "{title}", "--link", mode]).exits(0);
        assert_eq!(run.stderr.contains("warning"), mode == "hard", "{run:?}");
        let path = world.home().join("out/one.png");
        assert_eq!(fs::read(&path).unwrap(), sample("picture.png"), "{mode}");
        assert_eq!(fs::symlink_metadata(&path).unwrap().is_symlink(), mode == "sym");
        assert_eq!(fs::metadata(&original).unwrap().nlink(), links, "{mode}");
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified(&path), modified(&original), "{mode}");
        let again = export_files(&world, &["--name", "{title}", "--link", mode]).exits(0);
        assert!(again.stdout.contains("up to date") && again.stderr.is_empty(), "{again:?}");
        fs::remove_dir_all(world.home().join("out")).unwrap();
    }
    run_command(&world, &["verify"]).exits(0);
}

#[cfg(unix)]
#[test]
fn symlinks_in_the_folder_are_not_followed() {
    let world = World::new();
    archive_titles(&world, &["one"]);
    fs::create_dir_all(world.home().join("out")).unwrap();
    fs::create_dir(world.home().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", world.home().join("out/one")).unwrap();
    export_files(&world, &["--name", "{title}/{id}"]).exits(0);
    assert_eq!(fs::read_dir(world.home().join("elsewhere")).unwrap().count(), 0);
    assert!(world.home().join("out/one (2)/t0.png").is_file());
    // The folder itself may be a link.
    std::os::unix::fs::symlink("elsewhere", world.home().join("link")).unwrap();
    export(&world, &["files", "-O", "link"]).exits(0);
    assert_eq!(fs::read_dir(world.home().join("elsewhere")).unwrap().count(), 2);
}

#[test]
fn archive_is_never_a_target() {
    let world = World::new();
    archive_titles(&world, &["one"]);
    let before = world.tree();
    for (archive, target) in
        [("yescale", "yescale"), ("yescale", "yescale/t0"), ("yescale", "yescale/new/deep"), ("yescale/t0", "yescale")]
    {
        let run = export(&world, &["files", archive, "-O", target]).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains("it is in the archive"), "{run:?}");
    }
    assert!(world.tree() == before);
    // The archive is in the folder: a template can't lead into it.
    export(&world, &["files", "-O", ".", "--name", "yescale/t0/{id}"]).exits(0);
    assert!(world.tree() == before && world.home().join("yescale (2)/t0/t0.png").is_file());
}

#[test]
fn wrong_usage_exits_with_2_and_writes_nothing() {
    let world = World::new();
    archive_titles(&world, &["one"]);
    world.write_file("file", "mine");
    let before = read_tree(world.home());
    for (args, message) in [
        (&["files"][..], "-O DIR"),
        (&["files", "-O", "-"], "-O DIR"),
        (&["files", "-O", "file"], "file"),
        (&["files", "-O", "file/new"], "file"),
        (&["files", "nowhere", "-O", "out"], "no archive"),
        (&["files", "-O", "out", "--name", "{titel}"], "did you mean `title`?"),
        (&["files", "-O", "out", "--name", "{colour}"], "--list-fields"),
        (&["files", "-O", "out", "--name", "{title"], "no counterpart"),
        (&["files", "-O", "out", "--name", "../{title}"], "target folder"),
        (&["files", "-O", "out", "--name", ""], "empty"),
        (&["files", "-O", "out", "--tag", "--link", "hard"], "--tag"),
        (&["files", "-O", "out", "--tag", "--link", "sym"], "--tag"),
        (&["files", "-O", "out", "--link", "soft"], "soft"),
        (&["csv", "--name", "{title}"], "--name"),
        (&["csv", "--tag"], "--tag"),
        (&["bagit", "-O", "bag", "--link", "hard"], "--link"),
    ] {
        let run = export(&world, args).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains(message), "{args:?} {run:?}");
    }
    let run = export_files(&world, &["--task", "nope"]).exits(1);
    assert!(run.stderr.contains("nothing to export"), "{run:?}");
    assert!(read_tree(world.home()) == before);
}

#[test]
fn fields_are_listed_without_an_archive() {
    let run = export(&World::new(), &["files", "--list-fields"]).exits(0);
    let fields: Vec<&str> = run.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let all = "date time year month day platform model title prompt id kind n ext state width height meta.KEY";
    assert_eq!(fields, all.split(' ').collect::<Vec<_>>());
    assert!(run.stdout.lines().all(|line| line.split_whitespace().count() > 2), "{run:?}");
}

#[test]
fn two_runs_at_once_export_each_file_once() {
    let world = World::new();
    let titles: Vec<String> = (0..40).map(|number| format!("title {number}")).collect();
    archive_titles(&world, &titles.iter().map(String::as_str).collect::<Vec<_>>());
    let start = || Running::start(world.plain_command(&["export", "files", "-O", "out", "--name", "{title}"]));
    let runs = [start(), start(), start()].map(|run| run.wait(false).exits(0));
    assert_eq!(exported(&world).len(), 40);
    assert_eq!(runs.iter().filter(|run| run.stdout.starts_with("wrote")).count(), 1, "{runs:?}");
}

#[test]
fn order_of_tasks_decides_the_numbers() {
    let world = World::new();
    archive_titles(&world, &["same", "same", "same"]);
    export_files(&world, &["--name", "{title} {kind}", "--task", "t2", "t0"]).exits(0);
    let out = |name: &str| {
        fs::read_to_string(world.home().join("out/.yescale-dl-export.jsonl")).unwrap().lines().any(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["done"] == true && format!("{} {}", line["task_id"].as_str().unwrap(), line["name"].as_str().unwrap()) == name
        })
    };
    assert!(out("t2 same image.png") && out("t0 same image (2).png"));
}
