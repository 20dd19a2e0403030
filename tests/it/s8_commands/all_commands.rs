//! What holds for every command that works on an archive.
//!
//! "All commands except `repair` work offline from the manifests. DIR is an archive … or one task folder, by default
//! `./yescale`."

use std::fs;
use std::path::Path;

use crate::support::World;
use crate::support::audit::read_tree;
use crate::support::commands::{archive_two_tasks, run_command};
use crate::support::run::Running;

/// Each command that works on a folder, with its further arguments.
const COMMANDS: [&[&str]; 11] = [
    &["verify"],
    &["repair"],
    &["index"],
    &["list"],
    &["gallery"],
    &["export", "otio"],
    &["export", "ffconcat"],
    &["export", "csv"],
    &["export", "jsonl"],
    &["export", "m3u8"],
    &["export", "bagit"],
];

/// The arguments of a command on `folder`. A bag is written to `bag`.
fn args_for<'a>(command_args: &[&'a str], folder: &'a str, bag: &'a str) -> Vec<&'a str> {
    let output: &[&str] = if command_args.last() == Some(&"bagit") { &["-O", bag] } else { &[] };
    [command_args, &[folder], output].concat()
}

#[test]
fn commands_except_repair_need_no_key_and_no_network() {
    let world = World::new();
    archive_two_tasks(&world);
    let requests = world.gateway_requests().len() + world.media.heads().len();
    for command_args in COMMANDS.iter().filter(|command_args| command_args[0] != "repair").chain(&[
        &["config"][..],
        &["schema", "events"],
        &["man"],
    ]) {
        let args = if ["config", "schema", "man"].contains(&command_args[0]) {
            command_args.to_vec()
        } else {
            args_for(command_args, "yescale", "bag")
        };
        let mut command = world.plain_command(&args);
        command.env_remove("YESCALE_API_KEY").env("YESCALE_BASE_URL", "http://127.0.0.1:1");
        let run = Running::start(command).wait(false).exits(0);
        assert!(run.stderr.is_empty(), "{args:?}: {run:?}");
    }
    assert_eq!(world.gateway_requests().len() + world.media.heads().len(), requests);
}

#[test]
fn commands_accept_an_archive_or_task_folder_and_default_to_yescale() {
    let world = World::new();
    archive_two_tasks(&world);
    let renamed = world.home().join("it's 50% é #1");
    fs::create_dir(&renamed).unwrap();
    for name in read_tree(&world.archive().join("t1")).keys() {
        fs::copy(world.archive().join("t1").join(name), renamed.join(name)).unwrap();
    }
    for (at, named) in COMMANDS.iter().enumerate() {
        let absolute = world.archive().join("t1");
        let absolute = absolute.to_str().unwrap();
        for (n, folder) in
            ["yescale", "yescale/", "yescale/t1", "./yescale/../yescale/t2", "it's 50% é #1", absolute].into_iter().enumerate()
        {
            let bag = format!("bag{at}-{n}");
            // The second task has an image alone, so it has nothing to play.
            let is_empty = folder.ends_with("t2") && ["ffconcat", "m3u8"].contains(named.last().unwrap());
            run_command(&world, &args_for(named, folder, &bag)).exits(i32::from(is_empty));
        }
        let (default, bag) = (args_for(named, "yescale", "default-bag"), "default-bag");
        let default: Vec<&str> = default.into_iter().filter(|arg| *arg != "yescale").collect();
        run_command(&world, &default).exits(0);
        assert_eq!(world.home().join(bag).exists(), named.last() == Some(&"bagit"));
    }
    assert_eq!(run_command(&world, &["verify", "--json"]).exits(0).summary()["unknown"], 0, "they left nothing there");
}

#[test]
fn commands_exit_with_2_on_a_folder_that_is_no_archive() {
    let world = World::new();
    world.write_file("photos/a.png", "mine");
    world.write_file("app/manifest.json", r#"{"name":"an app"}"#);
    world.write_file("file", "mine");
    let before = read_tree(world.home());
    for named in COMMANDS {
        for folder in ["photos", "app", "file", "nowhere"] {
            let run = run_command(&world, &args_for(named, folder, "bag")).exits(2);
            assert!(run.stdout.is_empty() && run.stderr.starts_with("error: "), "{named:?} {folder}: {run:?}");
        }
    }
    assert!(read_tree(world.home()) == before && !world.home().join("bag").exists());
}

#[test]
fn export_paths_do_not_depend_on_the_working_directory() {
    let world = World::new();
    archive_two_tasks(&world);
    fs::create_dir_all(world.home().join("a b/deep")).unwrap();
    let absolute = world.home().join("a b/list.ffconcat");
    for (from, folder, output) in [
        ("", "yescale", "a b/list.ffconcat"),
        ("", "./a b/../yescale", "./a b/list.ffconcat"),
        ("a b", "../yescale", "list.ffconcat"),
        ("a b/deep", "../../yescale", "../list.ffconcat"),
        ("a b/deep", world.archive().to_str().unwrap(), absolute.to_str().unwrap()),
    ] {
        let mut command = world.plain_command(&["export", "ffconcat", folder, "--output-file", output]);
        command.current_dir(world.home().join(from));
        Running::start(command).wait(false).exits(0);
        let list = fs::read_to_string(&absolute).unwrap();
        assert_eq!(list.lines().nth(1), Some("file '../yescale/t1/video-1.mp4'"), "{from} {folder} {output}");
        fs::remove_file(&absolute).unwrap();
    }
    for format in ["csv", "fcpxml", "ffconcat", "m3u8", "otio", "xmeml"] {
        let mut command = world.plain_command(&["export", format, "../yescale"]);
        command.current_dir(world.home().join("a b"));
        let output_text = Running::start(command).wait(false).exits(0).stdout;
        let file = Path::new("yescale").join("t1").join("video-1.mp4").display().to_string().replace('\\', "/");
        assert!(output_text.contains(&format!("/{file}")) && !output_text.contains(".."), "{format}: {output_text}");
    }
}
