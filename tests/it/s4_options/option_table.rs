//! What holds for every row of the option table, and the rows that no other module tests.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::commands::run_command;
use crate::support::{Gate, KEY, Reply, World, sample};

/// Every row that a configuration file can set too, and its default where the contract names one.
const ROWS: [(&str, &str); 28] = [
    ("output", "\"yescale\""),
    ("account-url", "\"https://yescale.bogia.app\""),
    ("access-key-file", ""),
    ("base-url", "\"https://api.yescale.io\""),
    ("api-key-file", ""),
    ("api-rate", ""),
    ("only", ""),
    ("jobs", ""),
    ("connections", ""),
    ("limit-rate", ""),
    ("min-rate", ""),
    ("retries", "5"),
    ("connect-timeout", "\"10s\""),
    ("stall-timeout", "\"30s\""),
    ("max-size", ""),
    ("wait", "false"),
    ("skip-failed", "false"),
    ("mtime", "false"),
    ("gallery", "false"),
    ("json", "false"),
    ("quiet", "false"),
    ("verbose", "0"),
    ("log-file", ""),
    ("progress", "\"auto\""),
    ("color", "\"auto\""),
    ("user-agent", concat!("\"yescale-dl/", env!("CARGO_PKG_VERSION"), "\"")),
    ("ca-cert", ""),
    ("allow-private-hosts", "false"),
];

#[test]
fn every_option_is_in_the_help_with_its_documented_default() {
    let world = World::new();
    let mut command = world.plain_command(&["config"]);
    command.env_remove("YESCALE_BASE_URL");
    let config = crate::support::run::Running::start(command).wait(false).exits(0).stdout;
    let help = world.run(&["--help"]).exits(0).stdout;
    for (name, default) in ROWS {
        assert!(help.contains(&format!("--{name}")), "--help lacks {name}");
        let line = config.lines().find(|line| line.trim_start_matches("# ").starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("config lacks {name}: {config}"));
        assert!(line.trim_start_matches("# ").starts_with(&format!("{name} = {default} ")) || default.is_empty(), "{line}");
    }
    for name in ["--input-file", "--since", "--until", "--force", "--dry-run", "--exec", "--failed-to", "--config"] {
        assert!(help.contains(name), "--help lacks {name}");
    }
    for letter in ["-i,", "-o,", "-j,", "-x,", "-q,", "-v,"] {
        assert!(help.contains(letter), "--help lacks {letter}");
    }
}

#[test]
fn sizes_and_durations_accept_every_documented_form() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    for size in ["1", "500K", "500k", "500KB", "500KiB", "2M", "2MB", "2MiB", "1G", "1.5M", "100B"] {
        world.run(&["t1", "--max-size", size, "--limit-rate", size]).exits(0);
    }
    for time in ["90s", "10m", "1h30m", "1h", "500ms", "2m30s"] {
        world.run(&["t1", "--connect-timeout", time, "--stall-timeout", time, &format!("--wait={time}")]).exits(0);
    }
    for wrong in ["", "0", "-1", "fast", "1X", "K", "inf", "nan", "1 000"] {
        world.run(&["t1", &format!("--max-size={wrong}")]).exits(2);
        world.run(&["t1", &format!("--limit-rate={wrong}")]).exits(2);
        world.run(&["t1", &format!("--min-rate={wrong}")]).exits(2);
    }
    for wrong in ["", "0s", "-5s", "soon", "s", "10", "5 minutes ago"] {
        world.run(&["t1", &format!("--stall-timeout={wrong}")]).exits(2);
        world.run(&["t1", &format!("--wait={wrong}")]).exits(2);
    }
    for wrong in ["-1", "1.5", "many", ""] {
        world.run(&["t1", &format!("--retries={wrong}")]).exits(2);
    }
    for wrong in ["", "0", "0.0", "-1", "inf", "nan", "1/s", "many"] {
        world.run(&["t1", &format!("--api-rate={wrong}")]).exits(2);
    }
    for (option, wrong) in [("-j", "0"), ("-x", "0"), ("-j", "many"), ("--only", "pictures"), ("--only", ""), ("--color", "blue")]
    {
        world.run(&["t1", option, wrong]).exits(2);
    }
    world.run(&["t1", "--only", "text,text,image"]).exits(0);
}

#[test]
fn at_most_32_concurrent_requests_go_to_one_media_host() {
    let picture = || Reply::ok(sample("picture.png")).throttled(100, Duration::from_millis(10));
    let world = World::new();
    let urls: Vec<String> = (0..100).map(|n| world.media.script(&format!("/{n}"), [picture()])).collect();
    world.serve_task("t1", &json!({"images": urls}));
    world.run(&["t1", "-j", "90"]).exits(0);
    assert!((2..=32).contains(&world.media.max_active()), "{} at once", world.media.max_active());
}

#[test]
fn max_size_applies_to_data_uris() {
    let world = World::new();
    let data = format!("data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'>{}</svg>", " ".repeat(2000));
    world.serve_task("t1", &json!({"images": [data, world.serve_sample("picture.png")]}));
    world.run(&["t1", "--max-size", "1K"]).exits(1);
    assert_eq!(world.files("t1"), ["image-2.png"]);
    assert!(world.task_entry("t1")["errors"][0]["error"].as_str().unwrap().contains("--max-size"));
    world.run(&["t1"]).exits(0);
}

#[test]
fn media_requests_send_the_program_name_and_version() {
    let world = World::new();
    world.archive_task("t1");
    let name = concat!("user-agent: yescale-dl/", env!("CARGO_PKG_VERSION"), "\r\n");
    assert!(world.media.heads()[0].contains(name), "{}", world.media.heads()[0]);
}

#[test]
fn mtime_changes_neither_complete_tasks_nor_manifests() {
    let world = World::new();
    let mut answer = crate::support::success(&json!({"images": [world.serve_sample("picture.png")]}));
    answer["finish_time"] = json!(1_753_598_990);
    world.answer("t1", &answer);
    world.run(&["t1"]).exits(0);
    let before = world.tree();
    world.run(&["t1", "--mtime"]).exits(0);
    assert_eq!(world.tree(), before, "a run that changes nothing rewrites nothing");
    world.run(&["t1", "--mtime", "--force"]).exits(0);
    let modified = |name: &str| fs::metadata(world.archive().join("t1").join(name)).unwrap().modified().unwrap();
    assert!(modified("image-1.png") < modified("manifest.json"));
}

#[test]
fn commands_accept_options_on_either_side_of_the_folder() {
    let world = World::new();
    world.archive_task("t1");
    for args in [
        &["verify", "--quick", "yescale", "--json"][..],
        &["verify", "yescale", "-q", "--quick"],
        &["repair", "yescale", "--json", "--retries", "1"],
        &["export", "-O", "x.csv", "csv", "yescale"],
        &["config", "--jobs", "3"],
    ] {
        run_command(&world, args).exits(0);
    }
}

#[test]
fn only_repair_accepts_network_options() {
    let world = World::new();
    world.archive_task("t1");
    world.write_file("key.txt", KEY);
    let base_url = world.base_url();
    let network = [
        &["--base-url", &base_url][..],
        &["--api-key-file", "key.txt"],
        &["--api-rate", "100"],
        &["-j", "2"],
        &["-x", "2"],
        &["--limit-rate", "1M"],
        &["--min-rate", "1K"],
        &["--retries", "1"],
        &["--connect-timeout", "5s"],
        &["--stall-timeout", "5s"],
        &["--max-size", "1M"],
        &["--user-agent", "curl/8"],
        &["--allow-private-hosts"],
    ];
    for option in network {
        run_command(&world, &[&["verify"], option].concat()).exits(2);
        run_command(&world, &[&["index"], option].concat()).exits(2);
    }
    crate::support::commands::flip_bit(&world, "t1/image-1.png");
    run_command(&world, &[&["repair"], &network.concat()[..]].concat()).exits(0);
    let question = world.gateway_requests().pop().unwrap();
    assert_eq!(question.headers["user-agent"], "curl/8");
    run_command(&world, &["verify"]).exits(0);
}

#[test]
fn dry_run_reports_action_path_and_reason_of_each_asset() {
    let world = World::new();
    let (png, mp4) = (world.serve_sample("picture.png"), world.serve_sample("video-1s.mp4"));
    let typed = |url: &str, content_type: &str| json!({"url": url, "content_type": content_type});
    let late = world.media.script("/late", [Reply::status("404 Not Found")]);
    let result =
        json!({"videos": [typed(&mp4, "video/mp4")], "images": [png, typed(&late, "image/jpeg"), "", png], "text": "la"});
    world.serve_task("t1", &result);
    world.run(&["t1", "--only", "image,text"]).exits(1);
    fs::remove_file(world.archive().join("t1/image-4.png")).unwrap();
    let (before, fetched) = (world.tree(), world.media.heads().len());
    let run = world.start(&["--json", "--dry-run", "t1", "--only", "image"]).wait(false).exits(1);
    let plans = run.events_of("plan");
    let actions: Vec<String> =
        plans.iter().map(|plan| format!("{} {}", plan["action"].as_str().unwrap(), plan["path"].as_str().unwrap())).collect();
    let expected = [
        "leave yescale/t1/video-1.mp4",
        "keep yescale/t1/image-1.png",
        "fetch yescale/t1/image-2.jpg",
        "refuse yescale/t1/image-3.*",
        "fetch yescale/t1/image-4.*",
        "leave yescale/t1/text.txt",
    ];
    assert_eq!(actions.iter().map(|line| line.replace('\\', "/")).collect::<Vec<_>>(), expected);
    assert!(plans.iter().all(|plan| plan["reason"].as_str().is_some_and(|why| !why.is_empty())), "{plans:?}");
    let lines = world.start(&["--dry-run", "t1", "--only", "image"]).wait(false).exits(1).stdout;
    for plan in &plans {
        let (action, path) = (plan["action"].as_str().unwrap(), plan["path"].as_str().unwrap());
        let is_reported =
            |line: &str| line.starts_with(action) && line.contains(path) && line.contains(plan["reason"].as_str().unwrap());
        assert!(lines.lines().any(is_reported), "{plan}: {lines}");
    }
    assert!(world.tree() == before && world.media.heads().len() == fetched, "nothing is written and nothing fetched");
}

#[test]
fn silent_gateway_fails_after_the_stall_timeout() {
    for silent in [Reply::ok("{\"status\":").stall_after(5), Reply::ok("{}").after_gate(&Gate::default())] {
        let world = World::new();
        world.media.allow_key_for("/task/");
        world.media.script("/task/t1", [silent]);
        let started = Instant::now();
        let args = ["--json", "t1", "--base-url", &world.media.origin(), "--retries", "0", "--stall-timeout", "300ms"];
        let run = world.run(&args).exits(2);
        assert!(run.state("t1") == "error" && started.elapsed() < Duration::from_secs(10), "{run:?}");
    }
}
