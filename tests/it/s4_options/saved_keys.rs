//! "the key saved by `login`": below the command line and the environment, above the configuration file, for its own origin only.

use std::fs;

use serde_json::json;

use crate::support::account::{ACCESS_KEY, Account, TaskList, row};
use crate::support::run::Running;
use crate::support::{KEY, Run, World};

const SAVED: &str = "config/yescale-dl/credentials.toml";

/// Saves a key, as `login` does.
fn save(world: &World, table: &str, origin: &str, key: &str) {
    let path = world.home().join(SAVED);
    let before = fs::read_to_string(path).unwrap_or_default();
    world.write_file(SAVED, format!("{before}[{table}]\n\"{origin}\" = \"{key}\"\n"));
}

fn run(world: &World, variables: &[(&str, &str)], args: &[&str]) -> Run {
    let mut command = world.command(args);
    command.env_remove("YESCALE_API_KEY").envs(variables.iter().copied());
    world.audit(Running::start(command).wait(false))
}

#[test]
fn saved_key_goes_before_the_configuration_and_after_everything_else() {
    let world = World::new();
    save(&world, "api-key", &world.base_url(), "sk-saved");
    for (name, key) in [("typed.txt", "sk-typed"), ("env.txt", "sk-env-file"), ("config.txt", "sk-config-file")] {
        world.write_file(name, key);
    }
    world.write_file("key.toml", "api-key = 'sk-config'");
    world.write_file("file.toml", "api-key-file = 'config.txt'");
    let (key, file) = (("YESCALE_API_KEY", "sk-env"), ("YESCALE_API_KEY_FILE", "env.txt"));
    for (variables, args, expected) in [
        (&[][..], &[][..], "sk-saved"),
        (&[], &["--config", "key.toml"], "sk-saved"),
        (&[], &["--config", "file.toml"], "sk-saved"),
        (&[file], &["--config", "key.toml"], "sk-env-file"),
        (&[key, file], &["--config", "key.toml"], "sk-env"),
        (&[key, file], &["--api-key-file", "typed.txt"], "sk-typed"),
        (&[], &["--api-key-file", "typed.txt", "--config", "key.toml"], "sk-typed"),
        (&[], &["--api-key-file", "config.txt", "--config", "file.toml"], "sk-config-file"),
    ] {
        run(&world, variables, &[&["t1"], args].concat()).exits(1);
        let sent = &world.gateway_requests().pop().unwrap().headers["authorization"];
        assert_eq!(sent, format!("Bearer {expected}").as_str(), "{variables:?} {args:?}");
    }
}

#[test]
fn saved_key_is_for_its_own_origin_only() {
    let world = World::new();
    let port = world.base_url().rsplit(':').next().unwrap().to_owned();
    world.write_file("key.toml", "api-key = 'sk-config'");
    for origin in [
        format!("https://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.2:{port}"),
    ] {
        world.write_file(SAVED, "");
        save(&world, "api-key", &origin, "sk-saved-0123456789");
        for table in ["api-key", "access-key"] {
            let text = fs::read_to_string(world.home().join(SAVED)).unwrap().replace("api-key", table);
            world.write_file(SAVED, text);
            let refused = run(&world, &[], &["t1"]).exits(2);
            assert!(
                refused.stderr.contains("no API key") && refused.stderr.contains("yescale-dl login"),
                "{origin}: {refused:?}"
            );
            let is_named = refused.stderr.contains(&format!("the saved key is sent to {origin} only"));
            assert_eq!(is_named, table == "api-key", "{refused:?}");
        }
        // The key of the configuration is for any gateway.
        run(&world, &[], &["t1", "--config", "key.toml"]).exits(1);
        assert_eq!(world.gateway_requests().pop().unwrap().headers["authorization"], "Bearer sk-config");
    }
    world.write_file(SAVED, "");
    save(&world, "api-key", &world.base_url(), KEY);
    run(&world, &[], &["t1", "--base-url", &format!("{}/v1/", world.base_url())]).exits(1);
    assert_eq!(world.gateway_requests().pop().unwrap().headers["authorization"], format!("Bearer {KEY}").as_str());
}

/// Other systems have no such folder.
#[cfg(unix)]
#[test]
fn file_that_may_not_exist_is_named_where_a_key_is_missing() {
    let world = World::new();
    let (folder, file) = (world.home().join("config/yescale-dl"), world.home().join("config/yescale-dl/credentials.toml"));
    fs::create_dir(world.home().join("config")).unwrap();
    std::os::unix::fs::symlink(&folder, &folder).unwrap();
    let missing = run(&world, &[], &["t1"]).exits(2);
    let what = format!("no API key (can't look for the saved one: {}", file.display());
    assert!(missing.stderr.contains(&what) && missing.stderr.contains("yescale-dl login"), "{missing:?}");
    world.write_file("key.toml", "api-key = 'sk-config'");
    run(&world, &[], &["t1", "--config", "key.toml"]).exits(1);
    assert_eq!(world.gateway_requests().pop().unwrap().headers["authorization"], "Bearer sk-config");
}

#[test]
fn saved_access_key_lists_the_tasks_of_its_own_account() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let account = Account::start(TaskList::new(vec![row("t1", 60)]));
    save(&world, "access-key", &account.0.origin(), ACCESS_KEY);
    let since = ["--since", "1h", "--account-url", &account.0.origin()];
    run(&world, &[("YESCALE_API_KEY", KEY)], &since).exits(0);
    assert!(!account.requests().is_empty());
    let other = run(&world, &[("YESCALE_API_KEY", KEY)], &["--since", "1h", "--account-url", "http://127.0.0.1:1"]).exits(2);
    let what = format!("the saved key is sent to {} only", account.0.origin());
    assert!(other.stderr.contains(&what) && other.stderr.contains("login --account-url http://127.0.0.1:1"), "{other:?}");
}

#[test]
fn repair_uses_the_saved_key_and_commands_without_a_key_do_not_read_it() {
    let world = World::new();
    let folder = world.archive_task("t1");
    fs::remove_file(folder.join("image-1.png")).unwrap();
    save(&world, "api-key", &world.base_url(), KEY);
    let start = |args: &[&str]| {
        let mut command = world.plain_command(args);
        command.env_remove("YESCALE_API_KEY");
        Running::start(command).wait(false)
    };
    world.audit(start(&["repair"]).exits(0));
    world.write_file(SAVED, "damaged");
    for args in [&["verify"][..], &["list"], &["index"], &["export", "csv"], &["schema", "events"], &["man"]] {
        let run = start(args).exits(0);
        assert!(run.stderr.is_empty(), "{args:?}: {run:?}");
    }
    fs::remove_file(folder.join("image-1.png")).unwrap();
    assert!(start(&["repair"]).exits(2).stderr.contains("credentials.toml"));
}

#[test]
fn config_names_the_source_and_hides_the_key() {
    let world = World::new();
    save(&world, "api-key", &world.base_url(), KEY);
    save(&world, "access-key", "https://elsewhere.example", ACCESS_KEY);
    world.write_file("key.toml", "api-key = 'sk-config'");
    let show = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = world.plain_command(&[&["config"], args].concat());
        command.env_remove("YESCALE_API_KEY").envs(variables.iter().copied());
        let run = Running::start(command).wait(false).exits(0);
        assert!(!run.stdout.contains(KEY) && !run.stdout.contains(ACCESS_KEY), "{run:?}");
        run.stdout
    };
    let saved =
        format!("# saved by login in {}", world.home().join("config").join("yescale-dl").join("credentials.toml").display());
    for args in [&[][..], &["--config", "key.toml"]] {
        let shown = show(args, &[]);
        assert!(shown.lines().any(|line| line.starts_with("# api-key, which is hidden") && line.ends_with(&saved)), "{shown}");
        let elsewhere = "# not set: the key that login saved is for https://elsewhere.example";
        assert!(shown.lines().any(|line| line.starts_with("# access-key") && line.ends_with(elsewhere)), "{shown}");
    }
    assert!(!show(&[], &[("YESCALE_API_KEY", "sk-x")]).contains("saved by login"));
    assert!(show(&["--base-url", "http://h", "--config", "key.toml"], &[]).contains("key.toml:1"));
}

#[test]
fn saved_keys_are_not_overwritten_by_a_list_or_a_log() {
    let world = World::new();
    save(&world, "api-key", &world.base_url(), KEY);
    let before = fs::read(world.home().join(SAVED)).unwrap();
    let refused = run(&world, &[], &["t1", "--failed-to", SAVED]).exits(2);
    assert!(refused.stderr.contains("`login` names the same file"), "{refused:?}");
    run(&world, &[], &["t1", "--log-file", SAVED]).exits(1);
    assert_eq!(fs::read(world.home().join(SAVED)).unwrap(), before);
}

#[test]
fn key_files_are_read_in_every_encoding_and_form() {
    let utf16 = |text: &str, to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>();
    let marked = format!("\u{feff}{KEY}\r\n");
    for bytes in [
        format!("  {KEY} \r\n\n").into_bytes(),
        format!("\u{feff}{KEY}\n").into_bytes(),
        format!("\"{KEY}\"").into_bytes(),
        format!("'{KEY}'\n").into_bytes(),
        format!("\u{feff} \"{KEY}\"\r\n").into_bytes(),
        utf16(&marked, u16::to_le_bytes),
        utf16(&marked, u16::to_be_bytes),
        utf16(&format!("\u{feff}\"{KEY}\""), u16::to_le_bytes),
    ] {
        let world = World::new();
        world.write_file("key", &bytes);
        for (variables, args) in [(&[("YESCALE_API_KEY_FILE", "key")][..], &[][..]), (&[], &["--api-key-file", "key"])] {
            run(&world, variables, &[&["t1"], args].concat()).exits(1);
            let sent = &world.gateway_requests().pop().unwrap().headers["authorization"];
            assert_eq!(sent, format!("Bearer {KEY}").as_str(), "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn key_file_that_has_no_key_is_an_error_with_its_name() {
    let world = World::new();
    fs::create_dir(world.home().join("folder")).unwrap();
    for (name, bytes) in
        [("empty", &b""[..]), ("blank", b" \r\n"), ("quotes", b"\"\""), ("two", b"sk-a\nsk-b"), ("binary", b"\xff\xfe\xff")]
    {
        world.write_file(name, bytes);
    }
    for name in ["empty", "blank", "quotes", "two", "binary", "folder", "missing"] {
        for (variables, args) in [(&[("YESCALE_API_KEY_FILE", name)][..], &["t1"][..]), (&[], &["t1", "--api-key-file", name])] {
            let refused = run(&world, variables, args).exits(2);
            assert!(refused.stderr.contains(name) && !refused.stderr.contains("sk-"), "{name}: {refused:?}");
            let origin = if args.len() == 1 { "(YESCALE_API_KEY_FILE)" } else { "(--api-key-file)" };
            let is_unreadable = ["folder", "missing"].contains(&name);
            assert_eq!(refused.stderr.contains(origin), is_unreadable, "{name}: {refused:?}");
        }
    }
    assert!(world.gateway_requests().is_empty());
    // Blank counts as not set, and `-` is standard input.
    assert!(run(&world, &[("YESCALE_API_KEY_FILE", " ")], &["t1"]).exits(2).stderr.contains("no API key"));
    let mut command = world.command(&["t1"]);
    command.env_remove("YESCALE_API_KEY").env("YESCALE_API_KEY_FILE", "-");
    let mut running = Running::start(command);
    running.write(&format!("{KEY}\n"));
    world.audit(running.wait(false)).exits(1);
    assert_eq!(world.gateway_requests().len(), 1);
    let twice = run(&world, &[("YESCALE_API_KEY_FILE", "-")], &["-i", "-"]).exits(2);
    assert!(twice.stderr.contains("standard input can be read only once"), "{twice:?}");
}
