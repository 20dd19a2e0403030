//! `login`: "asks for the API key (and the access key) without echo and saves it beside the configuration: created 0600, replaced
//! atomically, through no symlink, together with its origin, and sent to that origin only."

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::account::{ACCESS_KEY, Account, TaskList, json_reply};
use crate::support::commands::run_command;
use crate::support::run::Running;
use crate::support::terminal::OnTerminal;
use crate::support::{Answer, Gate, KEY, MediaServer, Reply, Run, World, dead_url};

const API_PROMPT: &str = "API key for ";
const ACCESS_PROMPT: &str = "Access key for ";

/// Where `World` has the user's saved keys.
fn saved(world: &World) -> PathBuf {
    world.home().join("config/yescale-dl/credentials.toml")
}

fn without_keys(mut command: Command) -> Command {
    command.env_remove("YESCALE_API_KEY");
    command
}

fn login(world: &World, args: &[&str]) -> OnTerminal {
    OnTerminal::start(without_keys(world.plain_command(&[&["login", "--account-url", &dead_url()], args].concat())))
}

/// Waits for the end, and checks that no key is shown.
#[track_caller]
fn end(world: &World, running: OnTerminal) -> Run {
    let (run, screen) = running.wait();
    for text in [&run.stdout, &run.stderr, &screen] {
        assert!(!text.contains(KEY) && !text.contains(ACCESS_KEY), "{text}");
    }
    assert!(!screen.contains("sk-"), "{screen}");
    world.audit(run)
}

/// Types the API key alone.
#[track_caller]
fn log_in(world: &World, args: &[&str], key: &str) -> Run {
    let mut running = login(world, args);
    running.expect(API_PROMPT);
    running.type_text(&format!("{key}\n\n"));
    end(world, running)
}

/// A run that has no key but a saved one.
fn run_saved(world: &World, args: &[&str]) -> Run {
    world.audit(Running::start(without_keys(world.command(args))).wait(false))
}

fn sent_keys(world: &World) -> Vec<String> {
    let value = |request: &wiremock::Request| request.headers["authorization"].to_str().unwrap().replace("Bearer ", "");
    world.gateway_requests().iter().map(value).collect()
}

#[test]
fn keys_are_asked_without_echo_tried_and_saved_for_this_user_alone() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let account = Account::start(TaskList::new(Vec::new()));
    let mut running = OnTerminal::start(without_keys(world.plain_command(&["login", "--account-url", &account.0.origin()])));
    running.expect(&format!("API key for {} (not shown; empty to skip): ", world.base_url()));
    assert!(!running.has_echo());
    running.type_text(&format!(" \"{KEY}\" \n"));
    running.expect(&format!("Access key for {}, which --since needs (not shown; empty to skip): ", account.0.origin()));
    assert!(!running.has_echo() && !saved(&world).exists());
    running.type_text(&format!("{ACCESS_KEY}\n"));
    let run = end(&world, running).exits(0);
    let (gateway, list) = (world.base_url(), account.0.origin());
    let line = format!("saved the API key for {gateway} and the access key for {list} in {}\n", saved(&world).display());
    assert_eq!((run.stdout, run.stderr.contains("warning")), (line, false));
    assert_eq!((world.requested_paths(), sent_keys(&world)), (vec!["/task/yescale-dl-login".to_owned()], vec![KEY.to_owned()]));
    assert_eq!(account.requests().len(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&saved(&world)), mode(saved(&world).parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(saved(&world).parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    run_saved(&world, &["t1", "--since", "1d", "--account-url", &list]).exits(0);
    assert_eq!((sent_keys(&world).pop().unwrap(), account.requests().len() > 1), (KEY.to_owned(), true));
}

#[test]
fn only_a_refusal_saves_nothing() {
    let not_found = json!({"error": "Task not found"});
    let invalid = json!({"error": {"message": format!("Invalid token {KEY}"), "type": "new_api_error"}});
    for (answer, code, is_saved, what) in [
        (Answer::json(404, &not_found), 0, true, ""),
        (Answer::json(200, &not_found), 0, true, ""),
        (Answer::json(400, &json!({"code": "task_not_exist", "message": "x"})), 0, true, ""),
        (Answer::raw(404, ""), 0, true, ""),
        (Answer::json(200, &json!({"status": "SUCCESS"})), 0, true, ""),
        (Answer::json(401, &invalid), 2, false, "refuses the API key (HTTP 401 Unauthorized: Invalid token [key])"),
        (Answer::raw(401, ""), 2, false, "refuses the API key (HTTP 401 Unauthorized)"),
        (Answer::json(401, &not_found), 2, false, "refuses the API key (HTTP 401 Unauthorized, and "),
        (Answer::html(401), 2, false, "refuses the API key"),
        (Answer::json(403, &json!({"error": {"message": "banned"}})), 2, false, "(HTTP 403 Forbidden: banned)"),
        (Answer::html(403), 0, true, "HTTP 403"),
        (Answer::html(503), 0, true, "HTTP 503"),
        (Answer::json(500, &json!({"error": "broken"})), 0, true, "HTTP 500 Internal Server Error: broken"),
        (Answer::raw(429, ""), 0, true, "HTTP 429"),
        (Answer::html(200), 0, true, "web page"),
        (Answer::html(404), 0, true, "web page"),
        (Answer::json(404, &json!({"error": {"message": "Invalid URL (GET /task/x)"}})), 0, true, "Invalid URL"),
        (Answer::raw(200, "{"), 0, true, "not tested"),
    ] {
        let world = World::new();
        world.answers("yescale-dl-login", [answer]);
        let mut running = login(&world, &[]);
        running.expect(API_PROMPT);
        running.type_text(&format!("{KEY}\n"));
        if code == 0 {
            running.expect(ACCESS_PROMPT);
            running.type_text("\n");
        }
        let run = end(&world, running).exits(code);
        assert_eq!((saved(&world).exists(), run.stdout.is_empty()), (is_saved, !is_saved), "{what}: {run:?}");
        assert_eq!(run.stderr.contains("warning: the API key is not tested: "), is_saved && !what.is_empty(), "{what}: {run:?}");
        assert!(run.stderr.contains(what) && (is_saved || run.stderr.contains("nothing was saved")), "{what}: {run:?}");
        assert_eq!(world.gateway_requests().len(), 1, "{what}: tried once");
    }
}

#[test]
fn gateway_that_cannot_be_reached_saves_with_a_warning() {
    let world = World::new();
    let url = dead_url();
    let run = log_in(&world, &["--base-url", &url], KEY).exits(0);
    assert!(run.stderr.contains(&format!("warning: the API key is not tested: {url} gives no answer")), "{run:?}");
    assert!(run.stdout.starts_with(&format!("saved the API key for {url} in ")), "{run:?}");
}

#[test]
fn key_is_not_sent_to_where_the_gateway_redirects() {
    let world = World::new();
    let elsewhere = world.media.script("/task/yescale-dl-login", [Reply::ok("{}")]);
    world.answers("yescale-dl-login", [Answer::redirect(&elsewhere)]);
    let run = log_in(&world, &[], KEY).exits(0);
    assert!(run.stderr.contains("not tested") && world.media.heads().is_empty(), "{run:?}");
}

#[test]
fn access_key_is_tried_at_the_account() {
    let refused =
        || json_reply(&json!({"success": false, "message": format!("bad {ACCESS_KEY}")})).with_status("401 Unauthorized");
    for (reply, code, what) in [
        (refused(), 2, "refuses the access key (HTTP 401 Unauthorized: bad [key])"),
        (Reply::status("503 Service Unavailable"), 0, "warning: the access key is not tested: "),
        (json_reply(&json!({"success": true, "data": []})), 0, ""),
    ] {
        let world = World::new();
        let account = Account::with_replies([reply]);
        let mut running = OnTerminal::start(without_keys(world.plain_command(&["login", "--account-url", &account.0.origin()])));
        running.expect(API_PROMPT);
        running.type_text(&format!("{KEY}\n{ACCESS_KEY}\n"));
        let run = end(&world, running).exits(code);
        assert!(run.stderr.contains(what) && saved(&world).exists() == (code == 0), "{run:?}");
        assert_eq!(run.stderr.contains("warning"), what.contains("warning"), "{run:?}");
    }
}

#[test]
fn empty_line_skips_or_keeps_a_key() {
    let world = World::new();
    let run = log_in(&world, &[], "").exits(0);
    assert!(run.stdout.contains("nothing was saved") && !saved(&world).exists(), "{run:?}");
    log_in(&world, &[], KEY).exits(0);
    let before = fs::read(saved(&world)).unwrap();
    let mut running = login(&world, &[]);
    running.expect("empty to keep the saved one");
    running.type_text("\n \n");
    end(&world, running).exits(0);
    assert_eq!(fs::read(saved(&world)).unwrap(), before);
    // The end of the input, as with Ctrl-D.
    let mut running = login(&world, &[]);
    running.expect(API_PROMPT);
    running.type_text("\u{4}");
    end(&world, running).exits(0);
    assert_eq!((fs::read(saved(&world)).unwrap(), world.gateway_requests().len()), (before, 1));
}

#[test]
fn text_that_can_be_no_key_is_an_error_and_not_sent() {
    for (lines, what) in [
        ("sk-it key\n", "the API key that you typed: the key contains whitespace"),
        ("sk-ä\n", "the API key that you typed"),
        ("\"\"\n", "the key is empty"),
        (&format!("{KEY}\n{KEY}\n"), "access key is another key"),
        (&format!("\n{KEY} x\n"), "the access key that you typed"),
    ] {
        let world = World::new();
        let mut running = login(&world, &[]);
        running.expect(API_PROMPT);
        running.type_text(lines);
        let run = end(&world, running).exits(2);
        assert!(run.stderr.contains(what) && !saved(&world).exists(), "{run:?}");
    }
}

#[test]
fn keys_of_a_login_at_the_same_time_are_kept() {
    let (world, other) = (World::new(), World::new());
    let mut running = login(&world, &[]);
    running.expect(API_PROMPT);
    running.type_text("sk-of-the-first\n");
    running.expect(ACCESS_PROMPT);
    log_in(&world, &["--base-url", &other.base_url()], KEY).exits(0);
    running.type_text("\n");
    end(&world, running).exits(0);
    let text = fs::read_to_string(saved(&world)).unwrap();
    assert!(text.contains("sk-of-the-first") && text.contains(KEY), "{text}");
}

#[test]
fn stop_and_quit_keys_do_not_show_what_is_typed() {
    let world = World::new();
    let mut running = login(&world, &[]);
    running.expect(API_PROMPT);
    running.type_text("sk-\x1a\x1c\n");
    let run = end(&world, running).exits(2);
    assert!(!saved(&world).exists(), "{run:?}");
}

#[test]
fn interrupt_restores_the_echo_and_saves_nothing() {
    let interrupt = |running: &OnTerminal, name: &str| {
        let status = Command::new("kill").args([&format!("-{name}"), &running.id().to_string()]).status().unwrap();
        assert!(status.success());
    };
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let world = World::new();
        let running = login(&world, &[]);
        running.expect(API_PROMPT);
        interrupt(&running, name);
        let run = end(&world, running).exits(code);
        assert!(run.stderr.contains("interrupted: nothing was saved") && !saved(&world).exists(), "{run:?}");
    }
    // At the second prompt, and while a key is tried.
    let world = World::new();
    let mut running = login(&world, &[]);
    running.expect(API_PROMPT);
    running.type_text(&format!("{KEY}\n"));
    running.expect(ACCESS_PROMPT);
    interrupt(&running, "INT");
    end(&world, running).exits(130);
    let (server, gate) = (MediaServer::start(), Gate::default());
    server.allow_key_for("/task/yescale-dl-login");
    server.script("/task/yescale-dl-login", [Reply::ok("{}").notify_on_request(&gate).stall_after(0)]);
    let mut running = login(&world, &["--base-url", &server.origin()]);
    running.expect(API_PROMPT);
    running.type_text(&format!("{KEY}\n"));
    assert!(gate.wait(), "the request arrives");
    interrupt(&running, "INT");
    end(&world, running).exits(130);
    assert!(!saved(&world).exists());
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let world = World::new();
    let mut running = Running::start(without_keys(world.plain_command(&["login"])));
    running.write(&format!("{KEY}\n"));
    let run = running.wait(true).exits(2);
    assert!(run.stderr.contains("standard input is not one") && run.stderr.contains("YESCALE_API_KEY_FILE"), "{run:?}");
    assert!(world.gateway_requests().is_empty() && !saved(&world).exists());
}

#[test]
fn nothing_is_written_through_a_link() {
    let world = World::new();
    let target = world.write_file("target", "precious");
    fs::create_dir_all(saved(&world).parent().unwrap()).unwrap();
    fs::hard_link(&target, saved(&world)).unwrap();
    let error = run_saved(&world, &["t1"]).exits(2).stderr;
    assert!(error.contains("credentials.toml"), "a file that is no list of keys: {error}");
    fs::remove_file(saved(&world)).unwrap();
    log_in(&world, &[], KEY).exits(0);
    let second = world.home().join("second");
    fs::hard_link(saved(&world), &second).unwrap();
    let before = fs::read(&second).unwrap();
    log_in(&world, &[], "sk-another-key").exits(0);
    assert!(fs::read(&second).unwrap() == before && fs::read(saved(&world)).unwrap() != before);
    fs::remove_file(saved(&world)).unwrap();
    symlink(&target, saved(&world)).unwrap();
    let run = run_saved(&world, &["t1"]).exits(2);
    assert!(run.stderr.contains("not a plain file") && run.stderr.contains("login --forget"), "{run:?}");
    run_command(&world, &["login", "--forget"]).exits(0);
    assert_eq!((fs::read_to_string(&target).unwrap().as_str(), saved(&world).symlink_metadata().is_err()), ("precious", true));
    let folder = saved(&world).parent().unwrap().to_owned();
    fs::remove_dir(&folder).unwrap();
    fs::create_dir(world.home().join("elsewhere")).unwrap();
    symlink(world.home().join("elsewhere"), &folder).unwrap();
    let run = log_in(&world, &[], KEY).exits(2);
    assert!(run.stderr.contains("it is a symlink or no folder"), "{run:?}");
    assert_eq!(fs::read_dir(world.home().join("elsewhere")).unwrap().count(), 0);
}

#[test]
fn keys_of_several_origins_are_saved_side_by_side() {
    let world = World::new();
    let other = World::new();
    log_in(&world, &[], KEY).exits(0);
    let run = run_saved(&world, &["t1", "--base-url", &other.base_url()]).exits(2);
    for what in [&other.base_url(), &world.base_url(), &format!("yescale-dl login --base-url {}", other.base_url())] {
        assert!(run.stderr.contains(what.as_str()), "{what}: {run:?}");
    }
    assert!(other.gateway_requests().is_empty());
    log_in(&world, &["--base-url", &other.base_url()], "sk-of-the-other").exits(0);
    run_saved(&world, &["t1", "--base-url", &other.base_url()]).exits(1);
    run_saved(&world, &["t1"]).exits(1);
    assert_eq!(
        (sent_keys(&other).pop().unwrap(), sent_keys(&world).pop().unwrap()),
        ("sk-of-the-other".to_owned(), KEY.to_owned())
    );
    let run = run_command(&world, &["login", "--forget"]).exits(0);
    assert_eq!(run.stdout, format!("removed the saved keys: {}\n", saved(&world).display()));
    assert!(!saved(&world).exists() && run_saved(&world, &["t1"]).exits(2).stderr.contains("no API key: run `yescale-dl login`"));
    run_command(&world, &["login", "--forget"]).exits(0);
}

#[test]
fn damaged_file_is_named_and_only_forget_removes_it() {
    let world = World::new();
    log_in(&world, &[], KEY).exits(0);
    let whole = fs::read(saved(&world)).unwrap();
    for bytes in [b"".to_vec(), whole[..whole.len() - 8].to_vec(), b"[api-key]\n".to_vec(), vec![0; 100]] {
        fs::write(saved(&world), &bytes).unwrap();
        for args in [&["t1"][..], &["t1", "--dry-run"]] {
            let run = run_saved(&world, args).exits(2);
            assert!(run.stderr.contains("credentials.toml") && run.stderr.contains("login --forget"), "{run:?}");
            assert!(!run.stderr.contains("no API key"), "{run:?}");
        }
        // Another key is used without a look at the file.
        world.run(&["t1"]).exits(1);
        let running = login(&world, &[]);
        let run = end(&world, running).exits(2);
        assert!(run.stderr.contains("login --forget") && fs::read(saved(&world)).unwrap() == bytes, "{run:?}");
        let run = Running::start(without_keys(world.plain_command(&["config"]))).wait(false).exits(2);
        assert!(run.stdout.contains("base-url") && run.stderr.contains("credentials.toml"), "{run:?}");
    }
    run_command(&world, &["login", "--forget"]).exits(0);
    assert!(!saved(&world).exists());
}

#[test]
fn saved_key_that_others_can_read_is_warned_of() {
    let world = World::new();
    log_in(&world, &[], KEY).exits(0);
    assert!(!run_saved(&world, &["t1"]).exits(1).stderr.contains("warning"));
    fs::set_permissions(saved(&world), fs::Permissions::from_mode(0o644)).unwrap();
    let run = run_saved(&world, &["t1"]).exits(1);
    assert!(run.stderr.contains("other users can read the API key in") && run.stderr.contains("chmod 600"), "{run:?}");
    log_in(&world, &[], KEY).exits(0);
    assert!(!run_saved(&world, &["t1"]).exits(1).stderr.contains("warning"));
}

#[test]
fn keys_are_saved_beside_the_users_own_configuration() {
    for (config, home, place) in [
        (Some("/c"), Some("/h"), Some("c/yescale-dl/credentials.toml")),
        (None, Some("/h"), Some("h/.config/yescale-dl/credentials.toml")),
        (Some("relative"), Some("/h"), Some("h/.config/yescale-dl/credentials.toml")),
        (Some(""), Some("/h"), Some("h/.config/yescale-dl/credentials.toml")),
        (None, None, None),
    ] {
        let world = World::new();
        world.write_file("shared/team.toml", "jobs = 1\n");
        let mut command =
            without_keys(world.plain_command(&["login", "--config", "shared/team.toml", "--account-url", &dead_url()]));
        for (name, value) in [("XDG_CONFIG_HOME", config), ("HOME", home)] {
            match value.map(|value| value.strip_prefix('/').map_or(value.into(), |inner| world.home().join(inner))) {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut running = OnTerminal::start(command);
        if place.is_some() {
            running.expect(API_PROMPT);
            running.type_text(&format!("{KEY}\n\n"));
        }
        let run = end(&world, running).exits(if place.is_some() { 0 } else { 2 });
        assert!(place.is_none_or(|place| world.home().join(place).exists()), "{run:?}");
        assert!(place.is_some() || run.stderr.contains("set HOME or XDG_CONFIG_HOME"), "{run:?}");
        assert_eq!(fs::read_dir(world.home().join("shared")).unwrap().count(), 1);
    }
}

#[test]
fn key_that_goes_before_the_saved_one_is_named() {
    let world = World::new();
    let mut command = world.plain_command(&["login", "--account-url", &dead_url()]);
    command.env("YESCALE_API_KEY_FILE", "missing.txt");
    let mut running = OnTerminal::start(command);
    running.expect(API_PROMPT);
    running.type_text("sk-another-key\n\n");
    let run = end(&world, running).exits(0);
    for name in ["YESCALE_API_KEY", "YESCALE_API_KEY_FILE"] {
        assert!(run.stderr.contains(&format!("warning: {name} is set, and is used instead of the saved key")), "{run:?}");
    }
}
