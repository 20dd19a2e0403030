//! "Every command prints one line that says what it wrote and where."

use std::fs;

use crate::support::World;
use crate::support::commands::{archive_two_tasks, run_command};

/// Runs a command twice. Checks what it prints, and that the second run writes nothing.
fn assert_prints(world: &World, command: &[&str], wrote: &str, up_to_date: &str) {
    let run = run_command(world, command).exits(0);
    assert_eq!((without_link(&run.stdout), run.stderr.as_str()), (wrote, ""), "{command:?}");
    let before = world.tree();
    let written = |world: &World| fs::metadata(world.archive().join("manifest.json")).unwrap().modified().unwrap();
    let time = written(world);
    let run = run_command(world, command).exits(0);
    assert_eq!((without_link(&run.stdout), run.stderr.as_str()), (up_to_date, ""), "{command:?}");
    assert!(world.tree() == before && written(world) == time, "{command:?}");
}

#[test]
fn index_gallery_and_export_say_what_they_wrote() {
    let world = World::new();
    archive_two_tasks(&world);
    let contents = "2 tasks, 4 files\n";
    fs::remove_file(world.archive().join("SHA256SUMS")).unwrap();
    let both = format!("{} and {}", show("yescale/manifest.json"), show("yescale/SHA256SUMS"));
    assert_prints(&world, &["index"], &format!("wrote {both}: {contents}"), &format!("{both} are up to date: {contents}"));
    let page = show("yescale/index.html");
    assert_prints(&world, &["gallery"], &format!("wrote {page}: {contents}"), &format!("{page} is up to date: {contents}"));
    for format in ["csv", "otio", "fcpxml", "xmeml", "m3u8"] {
        let run = run_command(&world, &["export", format, "-O", "out"]).exits(0);
        // A playlist has nothing of a task with images alone.
        let tasks = if format == "m3u8" { "1 task" } else { "2 tasks" };
        assert!(run.stdout.starts_with(&format!("wrote out: {tasks}, ")) && run.stderr.is_empty(), "{run:?}");
        let again = run_command(&world, &["export", format, "-O", "out"]).exits(0);
        assert_eq!(again.stdout, run.stdout.replace("wrote out", "out is up to date"));
    }
    let bag = run_command(&world, &["export", "bagit", "-O", "bag"]).exits(0);
    assert!(bag.stdout.starts_with("wrote bag: 2 tasks, "), "{bag:?}");
    let page = show("yescale/t1/index.html");
    let run = run_command(&world, &["gallery", "yescale/t1"]).exits(0);
    assert_eq!(without_link(&run.stdout), format!("wrote {page}: 1 task, 3 files\n"));
    let run = run_command(&world, &["index", "yescale/t1"]).exits(0);
    assert_eq!(run.stdout, format!("{} is up to date: 1 task, 3 files\n", show("yescale/t1/manifest.json")));
}

/// The lines without the last one, if that is the link of a page that is there.
fn without_link(stdout: &str) -> &str {
    let Some((lines, link)) = stdout.split_once("open it in a browser: ") else { return stdout };
    let path = url::Url::parse(link.strip_suffix('\n').unwrap()).unwrap().to_file_path().unwrap();
    assert!(path.is_file(), "{link}");
    lines
}

/// A path as the system writes it, whose last part the program has joined.
fn show(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap();
    std::path::Path::new(folder).join(name).display().to_string()
}

#[test]
fn archive_without_files_has_no_list_of_checksums() {
    let world = World::new();
    world.answer("t1", &serde_json::json!({"status": "FAILURE"}));
    world.run(&["t1"]).exits(1);
    let run = run_command(&world, &["index"]).exits(0);
    assert_eq!(run.stdout, format!("{} is up to date: 1 task, 0 files\n", show("yescale/manifest.json")));
}

#[test]
fn export_to_standard_output_prints_the_export_alone() {
    let world = World::new();
    archive_two_tasks(&world);
    let run = run_command(&world, &["export", "csv"]).exits(0);
    assert!(run.stdout.starts_with("task_id,") && !run.stdout.contains("wrote"), "{run:?}");
}
