//! `gallery`, and `--gallery`: one derived page beside the manifest, which never replaces a file of somebody else.

use std::fs;

use serde_json::json;

use crate::support::World;
use crate::support::commands::run_command;

fn page(world: &World) -> String {
    fs::read_to_string(world.archive().join("index.html")).unwrap()
}

#[test]
fn page_lists_every_task_without_signed_links() {
    let world = World::new();
    let png = world.serve_sample("picture.png");
    world.serve_task("t1", &json!({"images": [format!("{png}?sig=SECRET")], "text": "la la"}));
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": "flagged at http://h/x?sig=SECRET"}));
    world.run(&["t1", "failed"]).exits(1);
    assert!(!world.archive().join("index.html").exists());
    let run = world.audit(run_command(&world, &["gallery"])).exits(0);
    assert!(run.stderr.is_empty(), "{run:?}");
    for expected in ["\"t1\"", "image-1.png", "la la", "\"failed\"", "flagged at http://h/x\""] {
        assert!(page(&world).contains(expected), "{expected}");
    }
    assert!(!page(&world).contains("SECRET"));
    let run = run_command(&world, &["verify"]).exits(0);
    assert!(!run.stdout.contains("unknown"), "{run:?}");
}

#[test]
fn page_is_deterministic_and_not_rewritten_unchanged() {
    let world = World::new();
    world.archive_task("t1");
    world.run(&["--gallery", "t1"]).exits(0);
    let before = world.tree();
    world.run(&["--gallery", "t1"]).exits(0);
    run_command(&world, &["gallery"]).exits(0);
    assert_eq!(world.tree(), before);
    world.serve_task("t2", &json!({"text": "another"}));
    world.run(&["--gallery", "t2"]).exits(0);
    assert!(page(&world).contains("another"));
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    let merged = page(&world);
    run_command(&world, &["gallery", "yescale"]).exits(0);
    assert_eq!(page(&world), merged, "the task folders have the same entries");
}

#[test]
fn foreign_index_html_is_kept_and_no_request_is_made() {
    let world = World::new();
    world.archive_task("t1");
    let requests = world.gateway_requests().len();
    let theirs = world.write_file("yescale/index.html", "<!doctype html>\n<title>my site</title>");
    for run in [world.run(&["--gallery", "t2"]), world.run(&["--gallery", "--dry-run", "t2"]), run_command(&world, &["gallery"])]
    {
        assert!(run.exits(2).stderr.contains("index.html was not written by yescale-dl"));
    }
    assert_eq!(world.gateway_requests().len(), requests);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "<!doctype html>\n<title>my site</title>");
    // Without `--gallery`, a foreign index.html is no error.
    world.run(&["t1"]).exits(0);
}

#[cfg(unix)]
#[test]
fn symlinked_page_is_not_followed() {
    let world = World::new();
    world.archive_task("t1");
    run_command(&world, &["gallery"]).exits(0);
    let (inside, outside) = (world.archive().join("index.html"), world.home().join("outside.html"));
    fs::rename(&inside, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &inside).unwrap();
    run_command(&world, &["gallery"]).exits(2);
}

#[test]
fn single_task_folder_gets_its_own_page() {
    let world = World::new();
    let folder = world.archive_task("t1");
    run_command(&world, &["gallery", "yescale/t1"]).exits(0);
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    assert!(page.contains(r#"{"id":"t1","d":"","#) && page.contains(r#""f":[["image-1.png","#));
    for dir in ["yescale/t1", "yescale"] {
        let run = run_command(&world, &["verify", dir]).exits(0);
        assert!(!run.stdout.contains("unknown"), "{run:?}");
    }
}

#[test]
fn duplicate_entry_is_shown_once_and_invalid_entry_reported() {
    let world = World::new();
    world.archive_task("t1");
    let mut root = world.root_manifest();
    let tasks = root["tasks"].as_array_mut().unwrap();
    tasks.extend([tasks[0].clone(), json!({"no": "task"})]);
    world.write_file("yescale/manifest.json", root.to_string());
    let run = run_command(&world, &["gallery"]).exits(1);
    assert_eq!(run.stderr, "error: yescale: 1 of its manifest's entries can't be read\n");
    assert_eq!(page(&world).matches(r#""id":"t1""#).count(), 1);
}

#[test]
fn tasks_committed_by_a_killed_run_are_shown() {
    let world = World::new();
    world.archive_task("t1");
    let before = ["manifest.json", "SHA256SUMS"].map(|name| (name, fs::read(world.archive().join(name)).unwrap()));
    world.archive_task("t2");
    // The state that a run leaves when it is killed between the task manifest and the root manifest.
    for (name, bytes) in &before {
        world.write_file(&format!("yescale/{name}"), bytes);
    }
    world.write_file("yescale/.committing-1-0", "");
    let tree = world.tree();
    let table = run_command(&world, &["export", "csv"]).exits(0).stdout;
    assert!(table.contains("t1/image-1.png") && table.contains("t2/image-1.png"), "{table}");
    assert!(world.tree() == tree, "it changes nothing");
    run_command(&world, &["gallery"]).exits(0);
    assert!(page(&world).contains(r#""id":"t2""#));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 2, "a marker was left for the next run");
}

#[test]
fn empty_archive_is_accepted_but_not_any_folder() {
    let world = World::new();
    assert_eq!(run_command(&world, &["gallery"]).exits(2).stdout, "");
    fs::create_dir(world.archive()).unwrap();
    run_command(&world, &["gallery"]).exits(2);
    assert_eq!(fs::read_dir(world.archive()).unwrap().count(), 0);
    world.answer("later", &json!({"status": "IN_PROGRESS"}));
    world.run(&["--gallery", "later"]).exits(3);
    assert!(page(&world).contains(">[]</script>"));
    world.write_file("yescale/manifest.json", r#"{"name":"an app"}"#);
    run_command(&world, &["gallery"]).exits(2);
}

#[test]
fn dry_run_writes_no_page() {
    let world = World::new();
    world.archive_task("t1");
    world.run(&["--gallery", "--dry-run", "t1"]).exits(0);
    assert!(!world.archive().join("index.html").exists());
}

#[test]
fn link_of_the_page_is_printed_once_and_not_with_quiet() {
    let world = World::new();
    world.archive_task("t1");
    let link = |text: &str| text.lines().filter(|line| line.starts_with("open it in a browser: file://")).count();
    let run = world.run(&["--gallery", "t1"]).exits(0);
    assert!(link(&run.stderr) == 1 && !run.stdout.contains("file://"), "the summary is the last line: {run:?}");
    for option in ["--quiet", "--json"] {
        let run = world.run(&[option, "--gallery", "t1"]).exits(0);
        assert!(!run.stderr.contains("file://") && !run.stdout.contains("file://"), "{run:?}");
    }
    let run = world.run(&["--gallery", "--dry-run", "t1"]).exits(0);
    assert_eq!(link(&run.stderr), 0);
    fs::create_dir(world.home().join("a b")).unwrap();
    let run = run_command(&world, &["gallery", "-O", "a b/#1 (it's).html"]).exits(0);
    assert_eq!(link(&run.stdout), 1);
    assert!(run.stdout.ends_with("/a%20b/%231%20%28it%27s%29.html\n"), "{run:?}");
}
