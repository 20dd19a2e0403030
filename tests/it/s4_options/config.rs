//! `--config`, and the command `config` of section 8.
//!
//! "The command line wins over the environment, and the environment over the file."

use serde_json::json;

use crate::support::commands::{flip_bit, run_command};
use crate::support::run::Running;
use crate::support::{KEY, Run, World};

/// Where `World` has the user's own configuration.
const OWN: &str = "config/yescale-dl/config.toml";

/// The line of `config` about `setting`, with single blanks.
fn config_line(world: &World, args: &[&str], setting: &str) -> String {
    let run = run_command(world, &[&["config"], args].concat()).exits(0);
    let is_it = |line: &&str| line.trim_start_matches("# ").split([' ', ',']).next() == Some(setting);
    let line = run.stdout.lines().find(is_it).unwrap_or_else(|| panic!("no {setting} in {}", run.stdout));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_environment(world: &World, args: &[&str]) -> Run {
    let mut command = world.command(args);
    command.env_remove("YESCALE_API_KEY").env_remove("YESCALE_BASE_URL");
    world.audit(Running::start(command).wait(false))
}

#[test]
fn config_file_supplies_options_missing_on_the_command_line() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    world.write_file("key.txt", KEY);
    let base_url = world.base_url();
    world.write_file("elsewhere/x.toml", format!("base-url = \"{base_url}\"\napi-key-file = '../key.txt'\noutput = \"../yescale\"\nonly = [\"image\"]\njson = true\nuser-agent = \"curl/8\"\n"));
    let run = without_environment(&world, &["--config", "elsewhere/x.toml", "t1"]).exits(0);
    assert_eq!((run.state("t1").as_str(), world.files("t1")), ("partial", vec!["image-1.png".to_owned()]));
    assert_eq!(world.gateway_requests()[0].headers["user-agent"], "curl/8");
}

#[test]
fn command_line_overrides_environment_overrides_config_file() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.write_file(OWN, "jobs = 3\nbase-url = 'http://127.0.0.1:1'\nonly = 'image,text'\nquiet = true\noutput = 'x'");
    // With the path separators of this system.
    let own: std::path::PathBuf = world.home().components().chain(std::path::Path::new(OWN).components()).collect();
    let output = toml_text(&own.with_file_name("x"));
    let file = |line: usize| format!("# {}:{line}", own.display());
    for (args, setting, expected) in [
        (&[][..], "jobs", format!("jobs = 3 {}", file(1))),
        (&["-j", "4"], "jobs", "jobs = 4 # command line".to_owned()),
        (&["-j", "3"], "jobs", "jobs = 3 # command line".to_owned()),
        (&[], "base-url", format!("base-url = \"{}\" # YESCALE_BASE_URL", world.base_url())),
        (&["--base-url", "http://h"], "base-url", "base-url = \"http://h\" # command line".to_owned()),
        (&[], "only", format!("only = \"image,text\" {}", file(3))),
        (&["--only", "audio"], "only", "only = \"audio\" # command line".to_owned()),
        (&[], "quiet", format!("quiet = true {}", file(4))),
        (&["-v"], "quiet", "quiet = false # command line".to_owned()),
        (&["--no-quiet"], "quiet", "quiet = false # command line".to_owned()),
        (&[], "mtime", "mtime = false # default".to_owned()),
        (&[], "connections", "# connections = 4 # default".to_owned()),
        (&["-x", "4"], "connections", "connections = 4 # command line".to_owned()),
        (&[], "max-size", "# max-size # not set".to_owned()),
        (&[], "output", format!("output = {output} {}", file(5))),
    ] {
        assert_eq!(config_line(&world, args, setting), expected, "{args:?}");
    }
    let run = world.run_json(&["t1", "-o", "yescale", "--no-quiet"]).exits(0);
    assert_eq!(run.state("t1"), "complete");
}

#[test]
fn config_output_is_a_config_file_with_the_same_values() {
    let world = World::new();
    let args = ["config", "--only", "audio,text", "--wait=10m", "--mtime", "--limit-rate", "2M", "-vv", "--user-agent", "a\"\\b"];
    let settings = |run: Run| -> Vec<String> {
        let values = run.stdout.lines().skip(1).map(|line| line.split("  #").next().unwrap().trim_end().to_owned());
        values.filter(|line| !line.starts_with("# api-key")).collect()
    };
    let first = run_command(&world, &args).exits(0);
    world.write_file("again.toml", &first.stdout);
    let expected: Vec<String> = settings(first)
        .into_iter()
        // A relative path in a file is relative to the file's folder.
        .map(|line| line.replace("\"yescale\"", &toml_text(&world.home().join("yescale"))))
        .collect();
    let again = run_command(&world, &["config", "--config", world.home().join("again.toml").to_str().unwrap()]).exits(0);
    assert_eq!(settings(again), expected);
}

#[test]
fn config_hides_the_key_and_shows_its_source() {
    let world = World::new();
    assert_eq!(config_line(&world, &[], "api-key"), "# api-key, which is hidden # YESCALE_API_KEY");
    assert_eq!(config_line(&world, &["--api-key-file", "sk-oops"], "api-key-file").matches("sk-").count(), 0);
    world.write_file("key.toml", format!("\n\napi-key = \"{KEY}\"\n"));
    let run = without_environment(&world, &["-j", "1", "--config", "key.toml", "t1", "--base-url", &world.base_url()]).exits(1);
    assert!(run.stderr.contains("knows no such task"), "{run:?}");
    assert_eq!(world.gateway_requests()[0].headers["authorization"], format!("Bearer {KEY}").as_str());
    let mut command = world.plain_command(&["config", "--config", "key.toml"]);
    command.env_remove("YESCALE_API_KEY");
    let run = Running::start(command).wait(false).exits(0);
    assert!(run.stdout.contains("# key.toml:3") && !run.stdout.contains(KEY) && !run.stderr.contains(KEY), "{run:?}");
}

#[test]
fn key_precedence_is_key_file_option_environment_config() {
    let world = World::new();
    world.write_file("key.txt", "sk-typed");
    world.write_file("with-key.toml", "api-key = 'sk-of-the-file'");
    world.write_file("with-file.toml", "api-key-file = 'missing.txt'");
    for (args, key) in [
        (&["--config", "with-key.toml"][..], KEY),
        (&["--config", "with-file.toml"], KEY),
        (&["--config", "with-key.toml", "--api-key-file", "key.txt"], "sk-typed"),
        (&["--config", "with-file.toml", "--api-key-file", "key.txt"], "sk-typed"),
    ] {
        world.run(&[&["t1"], args].concat()).exits(1);
        assert_eq!(
            world.gateway_requests().last().unwrap().headers["authorization"],
            format!("Bearer {key}").as_str(),
            "{args:?}"
        );
    }
}

#[test]
fn key_file_of_the_environment_comes_between_key_and_config() {
    let world = World::new();
    world.write_file("key.txt", " \"sk-of-the-variable\" \n");
    world.write_file("typed.txt", "sk-typed");
    world.write_file("with-key.toml", "api-key = 'sk-of-the-file'");
    world.write_file("with-file.toml", "api-key-file = 'missing.txt'");
    for (args, has_key, key) in [
        (&[][..], false, "sk-of-the-variable"),
        (&["--config", "with-key.toml"], false, "sk-of-the-variable"),
        (&["--config", "with-file.toml"], false, "sk-of-the-variable"),
        (&["--api-key-file", "typed.txt"], false, "sk-typed"),
        (&[], true, KEY),
    ] {
        let mut command = world.command(&[&["t1"], args].concat());
        command.env("YESCALE_API_KEY_FILE", "key.txt");
        if !has_key {
            command.env_remove("YESCALE_API_KEY");
        }
        world.audit(Running::start(command).wait(false)).exits(1);
        let sent = &world.gateway_requests().pop().unwrap().headers["authorization"];
        assert_eq!(sent, format!("Bearer {key}").as_str(), "{args:?}");
    }
    let mut command = world.plain_command(&["config"]);
    command.env("YESCALE_API_KEY_FILE", "key.txt").env_remove("YESCALE_API_KEY");
    let run = Running::start(command).wait(false).exits(0);
    let line = run.stdout.lines().find(|line| line.starts_with("api-key-file")).unwrap();
    assert!(line.contains("\"key.txt\"") && line.ends_with("# YESCALE_API_KEY_FILE"), "{line}");
    // A missing file is named, and a key in its place is not.
    for (value, what) in [("missing.txt", "missing.txt"), ("sk-0123456789abcdefgh", "YESCALE_API_KEY_FILE expect a file name")] {
        for args in [&["t1"][..], &["config"]] {
            let mut command = world.plain_command(args);
            command.env("YESCALE_API_KEY_FILE", value).env_remove("YESCALE_API_KEY");
            let run = Running::start(command).wait(false);
            assert!(!run.stdout.contains("sk-0123") && !run.stderr.contains("sk-0123"), "{run:?}");
            assert!(args[0] == "config" || run.code == Some(2) && run.stderr.contains(what), "{run:?}");
        }
    }
}

#[test]
fn invalid_config_entry_is_an_error_with_file_and_line() {
    let world = World::new();
    for (entry, why) in [
        ("outptu = 'x'", "no setting `outptu`"),
        ("base_url = 'http://h'", "no setting `base_url`; did you mean `base-url`?"),
        ("api_key = 'sk-SECRET'", "did you mean `api-key`?"),
        ("limit_rate = '2M'", "did you mean `limit-rate`?"),
        ("dry_run = true", "`dry_run` is not allowed here"),
        ("no-mtime = true", "write `mtime = false`"),
        ("retries = -1", "not a whole number of 0 or more"),
        ("connections = 0", "not a whole number of 1 or more"),
        ("poll-delay = '1s'", "no setting"),
        ("api-key = ['sk-SECRET']", "expects a string"),
        ("api-key = 'sk-SECRET SECRET'", "whitespace or a character"),
        ("api-key = 'sk-SECRET'\napi-key-file = 'x'", "remove one"),
        ("quiet = true\nverbose = 1", "`verbose` and `quiet` can't be used together"),
        ("api-key = 'sk-SECRET", "invalid"),
        ("force = true", "`force` is not allowed here"),
        ("input-file = 'x'", "command line"),
        ("config = 'x'", "can't include another one"),
        ("jobs = 0", "`jobs`: not a whole number of 1 or more"),
        ("jobs = true", "jobs"),
        ("jobs = [1]", "not a list"),
        ("only = ['image', 'pictures']", "pictures"),
        ("only = [[1]]", "only"),
        ("mtime = 'yes'", "mtime"),
        ("wait = 'soon'", "not a duration"),
        ("limit-rate = 'fast'", "not a size"),
        ("output = 7", "expects a path in quotes"),
        ("base-url = 'ftp://h?SECRET'", "absolute http"),
        ("account-url = 'ftp://h?SECRET'", "absolute http"),
        ("user-agent = \"a\\nb\"", "HTTP header"),
        ("verbose = 256", "verbose"),
        ("color = 'blue'", "auto, always, never"),
        ("[network]\njobs = 1", "no setting `network`"),
        ("jobs = {a = 1}", "expects a string, a number"),
        ("retries = 1\nretries = 2", "duplicate"),
        ("retries", "key"),
    ] {
        world.write_file(OWN, format!("# mine\nstall-timeout = '1m'\n{entry}\n"));
        let run = world.run(&["t1"]).exits(2);
        let line = if ["\napi-key-file", "\nretries", "\nverbose"].iter().any(|second| entry.contains(second)) { 4 } else { 3 };
        assert!(run.stderr.contains(&format!("config.toml:{line}: ")) && run.stderr.contains(why), "{entry}: {}", run.stderr);
        assert!(run.stdout.is_empty() && !run.stderr.contains("SECRET") && run.stderr.lines().count() == 1, "{run:?}");
    }
    assert_eq!(world.gateway_requests().len(), 0);
    run_command(&world, &["config"]).exits(2);
    run_command(&world, &["man"]).exits(0);
}

#[test]
fn config_command_shows_what_is_in_force_beside_every_error() {
    let world = World::new();
    world.write_file(OWN, "jobs = 7\napi_key = 'sk-SECRET'\nretries = 0\nlimit-rate = 'fast'\nmtime = true\nforce = true\n");
    let run = run_command(&world, &["config", "-x", "3"]).exits(2);
    let lines: Vec<String> = run.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for (line, number) in [("jobs = 7", 1), ("retries = 0", 3), ("mtime = true", 5)] {
        let shown =
            |shown: &String| shown.starts_with(&format!("{line} # ")) && shown.ends_with(&format!("config.toml:{number}"));
        assert!(lines.iter().any(shown), "{line}: {run:?}");
    }
    assert!(lines.iter().any(|line| line == "connections = 3 # command line"), "{run:?}");
    let errors: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(errors.len(), 3, "{run:?}");
    for (error, what) in
        errors.iter().zip([":2: there is no setting `api_key`; did you mean `api-key`?", ":4: ", ":6: `force` is not"])
    {
        assert!(error.starts_with("error: ") && error.contains(what), "{error}");
    }
    let run = world.run(&["t1"]).exits(2);
    assert!(run.stderr.contains(":2: ") && run.stderr.contains("(and 2 more)") && run.stderr.lines().count() == 1, "{run:?}");
    // A file that is no TOML from some line on: what can be read is shown.
    world.write_file(OWN, "jobs = 7\nretries = = 2\nmtime = true\n");
    let run = run_command(&world, &["config"]).exits(2);
    assert!(run.stdout.contains("jobs = 7") && run.stderr.contains("config.toml:2: "), "{run:?}");
    for (name, bytes) in [("missing.toml", None), ("folder", None), ("binary.toml", Some(&b"jobs = 1\n\xff"[..]))] {
        match bytes {
            Some(bytes) => drop(world.write_file(name, bytes)),
            None if name == "folder" => std::fs::create_dir(world.home().join(name)).unwrap(),
            None => {}
        }
        let run = run_command(&world, &["config", "--config", name]).exits(2);
        assert!(run.stdout.contains("retries") && run.stderr.contains(name), "{name}: {run:?}");
        assert!(world.run(&["t1", "--config", name]).exits(2).stderr.contains(name));
    }
    assert_eq!(world.gateway_requests().len(), 0);
}

#[test]
fn named_config_must_exist_and_the_default_one_is_optional() {
    let world = World::new();
    let run = world.run(&["t1", "--config", "missing.toml"]).exits(2);
    assert!(run.stderr.contains("missing.toml"), "{}", run.stderr);
    world.run(&["t1"]).exits(1);
    world.write_file("config", "a file where a folder belongs");
    world.run(&["t1"]).exits(1);
}

#[test]
fn default_config_that_cannot_be_read_ends_nothing() {
    let world = World::new();
    world.archive_task("t1");
    let ends_well = |home: Option<&str>, config: Option<&str>| {
        for args in [&["verify"][..], &["t1"], &["config"], &["index"]] {
            let mut command = world.plain_command(args);
            for (name, value) in [("HOME", home), ("XDG_CONFIG_HOME", config), ("USERPROFILE", home), ("APPDATA", config)] {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            Running::start(command).wait(false).exits(0);
        }
    };
    world.write_file("relative/yescale-dl/config.toml", "no = 'setting'");
    world.write_file("relative/.config/yescale-dl/config.toml", "no = 'setting'");
    for (home, config) in [(None, None), (Some(""), Some("")), (Some("relative"), Some("relative")), (Some("/nowhere"), None)] {
        ends_well(home, config);
    }
    // A folder has the name of the file, which is said once.
    std::fs::create_dir_all(world.home().join(OWN)).unwrap();
    let run = run_command(&world, &["verify"]).exits(0);
    assert_eq!(run.stderr.matches("config.toml can't be read and is ignored").count(), 1, "{}", run.stderr);
    assert!(run_command(&world, &["config"]).exits(0).stdout.contains("config.toml (can't be read)"));
    let named = world.home().join(OWN);
    run_command(&world, &["config", "--config", named.to_str().unwrap()]).exits(2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::remove_dir(&named).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&named).status().unwrap().success());
        for device in [None, Some("/dev/zero")] {
            if let Some(device) = device {
                std::fs::remove_file(&named).unwrap();
                std::os::unix::fs::symlink(device, &named).unwrap();
            }
            let run = run_command(&world, &["verify"]).exits(0);
            assert_eq!(run.stderr.matches("config.toml can't be read and is ignored").count(), 1, "{}", run.stderr);
            run_command(&world, &["config", "--config", named.to_str().unwrap()]).exits(2);
        }
        run_command(&world, &["config", "--config", "/dev/null"]).exits(0);
        let link = world.home().join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        ends_well(link.to_str(), link.to_str());
        let closed = world.home().join("closed");
        std::fs::create_dir(&closed).unwrap();
        let set_mode = |mode| std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(mode)).unwrap();
        set_mode(0o000);
        ends_well(closed.to_str(), closed.to_str());
        set_mode(0o700);
    }
}

#[test]
fn invalid_environment_variable_is_named() {
    let world = World::new();
    let mut command = world.command(&["t1"]);
    command.env("YESCALE_BASE_URL", "ftp://h");
    let run = Running::start(command).wait(false).exits(2);
    assert!(run.stderr.contains("YESCALE_BASE_URL") && run.stderr.contains("ftp://h"), "{}", run.stderr);
}

#[test]
fn flag_set_in_the_config_can_be_turned_off() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    world.answer("waits", &json!({"status": "IN_PROGRESS"}));
    world.write_file(OWN, "json = true\nwait = true\nverbose = 2\n");
    let run = world.run(&["t1", "--no-json"]).exits(0);
    assert!(run.stdout.starts_with("complete"), "{run:?}");
    world.run(&["waits", "--no-wait"]).exits(3);
    assert_eq!(config_line(&world, &["--no-wait", "--wait"], "wait"), "wait = true # command line");
    assert_eq!(config_line(&world, &["-q"], "verbose"), "verbose = 0 # command line");
}

#[test]
fn commands_use_the_config_output_folder_and_options() {
    let world = World::new();
    let base_url = world.base_url();
    world.write_file(
        OWN,
        format!("output = '{}'\njson = true\nbase-url = '{base_url}'\nretries = 0", world.home().join("mine").display()),
    );
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")]}));
    let run = world.run(&["t1"]).exits(0);
    let path = std::path::PathBuf::from(run.events_of("file")[0]["path"].as_str().unwrap());
    assert!(path.starts_with(world.home().join("mine")), "{run:?}");
    std::fs::rename(world.home().join("mine"), world.archive()).unwrap();
    flip_bit(&world, "t1/image-1.png");
    std::fs::rename(world.archive(), world.home().join("mine")).unwrap();
    assert_eq!(run_command(&world, &["verify"]).exits(1).summary()["damaged"], 1);
    run_command(&world, &["repair"]).exits(0);
    run_command(&world, &["index"]).exits(0);
    assert_eq!(run_command(&world, &["verify"]).exits(0).summary()["damaged"], 0);
    run_command(&world, &["verify", "yescale"]).exits(2);
}

#[cfg(unix)]
#[test]
fn key_readable_by_others_gives_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let with_key = world.write_file("with.toml", format!("api-key = '{KEY}'"));
    let key = world.write_file("key.txt", KEY);
    let without_key = world.write_file("without.toml", "jobs = 1");
    for (path, args) in [(&with_key, ["--config", "with.toml"]), (&key, ["--api-key-file", "key.txt"])] {
        let args = [&["t1"], &args[..]].concat();
        for (bits, is_warned) in [(0o600, false), (0o640, true), (0o604, true), (0o644, true)] {
            mode(path, bits);
            let run = world.run(&args).exits(1);
            assert_eq!(
                run.stderr.contains("warning: ") && run.stderr.contains("chmod 600"),
                is_warned,
                "{args:?} {bits:o}: {run:?}"
            );
        }
        assert!(!world.run(&[&args[..], &["-q"]].concat()).exits(1).stderr.contains("warning"), "errors only");
    }
    mode(&without_key, 0o644);
    assert!(!world.run(&["t1", "--config", "without.toml"]).exits(1).stderr.contains("warning"));
}

#[test]
fn config_paths_are_relative_to_the_config_folder_or_home() {
    let world = World::new();
    world.write_file("a/b.toml", "output = 'x'\nca-cert = '~/ca.pem'\napi-key-file = '-'");
    let mut command = world.plain_command(&["config", "--config", "a/b.toml"]);
    command.env_remove("YESCALE_API_KEY");
    let run = Running::start(command).wait(false).exits(0);
    let ca = toml_text(&world.home().join("ca.pem"));
    let output = toml_text(&std::path::Path::new("a").join("x"));
    for expected in [format!("output = {output} "), format!("ca-cert = {ca} "), "api-key-file = \"-\" ".to_owned()] {
        assert!(run.stdout.contains(&expected), "{expected}: {}", run.stdout);
    }
}

fn toml_text(path: &std::path::Path) -> String {
    toml::Value::from(path.to_str().unwrap()).to_string()
}

#[test]
fn command_is_recognized_only_as_the_first_word() {
    let world = World::new();
    for id in ["verify", "config", "man", "help"] {
        world.serve_task(id, &json!({"text": id}));
    }
    for wrong in
        [&["--json", "verify", "man"][..], &["-o", "x", "export", "csv", "-O", "y"], &["t1", "man"], &["--retries=0", "help"]]
    {
        let run = world.run(wrong).exits(2);
        assert!(run.stderr.contains("a command must be the first word: yescale-dl ") && run.stderr.contains("`--`"), "{run:?}");
    }
    assert_eq!(world.gateway_requests().len(), 0);
    world.run(&["--", "config", "verify"]).exits(0);
    run_command(&world, &["--retries=0", "--", "help", "man"]).exits(0);
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 4);
    for wrong in [&["t1", "--bogus"][..], &["--json", "t1", "-Z"], &["verify", "--bogus"], &["schema"], &["completions", "tcsh"]]
    {
        let run = run_command(&world, wrong).exits(2);
        assert!(run.stderr.contains("error: ") && !run.stderr.contains("subcommand"), "{run:?}");
    }
}

/// On other systems the environment is Unicode text.
#[cfg(unix)]
#[test]
fn non_utf8_environment_variable_is_an_error_not_missing() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new();
    for name in ["YESCALE_BASE_URL", "YESCALE_API_KEY"] {
        let mut command = world.command(&["t1"]);
        command.env(name, std::ffi::OsStr::from_bytes(b"http://h\xff"));
        let run = world.audit(Running::start(command).wait(false)).exits(2);
        assert!(run.stderr.contains(name), "{run:?}");
    }
    assert_eq!(world.gateway_requests().len(), 0);
}

#[test]
fn every_option_of_one_run_is_refused_in_the_file() {
    let contract = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/contract.md")).unwrap();
    let (_, names) = contract.split_once("The file takes none of").unwrap();
    let names: Vec<&str> = names.split('`').nth(1).unwrap().split_whitespace().collect();
    assert!(names.len() >= 8 && names.contains(&"shard") && names.contains(&"failed-to"), "{names:?}");
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    for name in names {
        for value in ["true", "'x'", "['x']"] {
            world.write_file(OWN, format!("{name} = {value}\n"));
            let run = world.run(&["t1"]).exits(2);
            let is_named =
                run.stderr.contains("config.toml:1: ") && run.stderr.contains(&format!("`{name}` is not allowed here"));
            assert!(is_named && run.stdout.is_empty(), "{name} = {value}: {run:?}");
        }
    }
    assert_eq!(world.gateway_requests().len(), 0);
}
