//! What is typed by mistake is not asked about.
//!
//! "Typing mistakes are found before any request. The run exits with 2 and says what to type instead." · "An id from JSON, or
//! after `--`, is taken as it is." · "A URL that ends in `/task/ID` counts as that ID."

use serde_json::json;

use crate::support::World;
use crate::support::run::Running;

/// Runs the program, which must exit with 2 before any request, and returns its message.
#[track_caller]
fn mistake(world: &World, args: &[&str]) -> String {
    let run = world.run(args).exits(2);
    assert!((run.stdout.is_empty() || args.contains(&"--json")) && run.stderr.lines().count() == 1, "{run:?}");
    assert_eq!((world.gateway_requests().len(), world.archive().exists()), (0, false), "{args:?}");
    run.stderr
}

#[test]
fn mistyped_arguments_exit_with_2_and_say_what_to_type() {
    let world = World::new();
    world.write_file("ids.txt", "t1");
    world.write_file("my ids.csv", "t1");
    for (args, what) in [
        (&["verfy"][..], "yescale-dl verify"),
        (&["galery", "x"], "yescale-dl gallery"),
        (&["exprot", "csv", "-O", "x"], "yescale-dl export"),
        (&["ls"], "use: yescale-dl list"),
        (&["logout"], "use: yescale-dl login --forget"),
        (&["t1", "ids.txt"], "-i FILE"),
        (&["./ids.txt"], "-i FILE"),
        (&["my ids.csv"], "-i FILE"),
        (&["https://cdn.example/x.mp4?sig=SECRET"], "/task/ID"),
        (&["[\"t1\",\"t2\"]"], "is JSON"),
        (&["{\"id\":\"t1\"}"], "is JSON"),
        (&["t1,t2"], "row of a table"),
        (&["t1", "t2,"], "row of a table"),
        (&["t1;kling;done"], "row of a table"),
        (&["\"t1\""], "quotes"),
        (&["<TASK_ID>"], "brackets"),
        (&["t1 t2"], "blanks"),
        (&["—wait"], "long dash"),
    ] {
        let message = mistake(&world, args);
        assert!(message.contains(what) && message.contains("`--`") | message.contains("-i FILE"), "{args:?}: {message}");
        assert!(!message.contains("SECRET"), "{message}");
    }
}

#[test]
fn id_that_begins_with_a_dash_is_named_as_a_whole() {
    let world = World::new();
    for args in [&["-CjNQtmctx"][..], &["t1", "-CjNQtmctx"], &["-qCjNQtmctx"]] {
        let run = world.run(args).exits(2);
        let id = args[args.len() - 1];
        assert!(run.stderr.contains(&format!("goes after `--`: -- {id}\n")), "{run:?}");
    }
    for args in [&["-C", "t1"][..], &["--bogus"], &["verify", "-Cx"]] {
        assert!(!world.run(args).exits(2).stderr.contains("a task id"), "{args:?}");
    }
}

#[test]
fn mistake_is_named_without_a_key_too() {
    let world = World::new();
    let mut command = world.command(&["t1,t2"]);
    command.env_remove("YESCALE_API_KEY");
    assert!(Running::start(command).wait(false).exits(2).stderr.contains("row of a table"));
}

#[test]
fn ids_after_dashes_are_taken_as_they_are() {
    let world = World::new();
    world.write_file("ids.txt", "t1");
    let ids = ["verfy", "ids.txt", "[1]", "a,b", "a b", "https://h/task/7"];
    for segment in ["verfy", "ids.txt", "%5B1%5D", "a%2Cb", "a%20b", "https%3A%2F%2Fh%2Ftask%2F7"] {
        world.serve_task(segment, &json!({"text": "la"}));
    }
    let run = world.run_json(&[&["--"], &ids[..]].concat()).exits(0);
    assert_eq!(run.summary()["complete"], ids.len());
}

#[test]
fn url_of_a_task_counts_as_its_id() {
    let world = World::new();
    for id in ["7", "8", "9", "models%2Fveo%2F1"] {
        world.serve_task(id, &json!({"text": "la"}));
    }
    let list = "https://api.yescale.io/task/9/\nhttps://api.yescale.io/task/7?x=y\n";
    let args =
        ["--json", "https://api.yescale.io/v1/task/7", "HTTPS://h/task/8?a=b#c", "https://h/task/models%2Fveo%2F1", "-i", "-"];
    let run = world.run_with_input(list, &args).exits(0);
    assert_eq!(run.summary()["complete"], 4);
    assert_eq!(run.state("models/veo/1"), "complete");
}

#[test]
fn list_in_a_regular_file_is_checked_before_the_first_request() {
    let world = World::new();
    world.serve_task("a", &json!({"text": "la"}));
    for (line, what) in [
        (&b"777,kling,done"[..], "row of a table"),
        (b"777\tkling", "row of a table"),
        (b"777 kling", "blanks"),
        (b"\"777\"", "quotes"),
        (b"[777]", "JSON"),
        (b"https://cdn.example/x.mp4", "/task/ID"),
        (b"{\"task_id\":", "invalid JSON"),
        (b"{\"prompt\":\"x\"}", "`task_id` or `id`"),
        (b"{\"task_id\":\" \"}", "`task_id` or `id`"),
        (b"{\"task_id\":[1]}", "`task_id` or `id`"),
        (b"\xff\xfe", "UTF-8"),
    ] {
        world.write_file("ids.txt", [b"a\n\n", line, b"\nb\n", line].concat());
        let message = mistake(&world, &["a", "-i", "ids.txt", "--json"]);
        assert!(message.contains("ids.txt:3: ") && message.contains(what) && message.contains("and 1 more"), "{message}");
    }
    world.write_file("ids.csv", "task_id\n777\n");
    assert!(mistake(&world, &["-i", "ids.csv"]).contains("ids.csv:1: "));
    // Standard input from a regular file, too.
    let mut command = std::process::Command::new("sh");
    if cfg!(unix) {
        let program = env!("CARGO_BIN_EXE_yescale-dl");
        command.args(["-c", "exec \"$0\" -i - < ids.txt", program]).current_dir(world.home());
        command.env("YESCALE_API_KEY", "sk-it").env("YESCALE_BASE_URL", world.base_url()).env("HOME", world.home());
        let run = Running::start(command).wait(false).exits(2);
        assert!(run.stderr.contains("standard input:3: "), "{run:?}");
        assert_eq!(world.gateway_requests().len(), 0);
    }
}

#[test]
fn wrong_line_in_a_pipe_is_reported_and_the_rest_continue() {
    let world = World::new();
    for id in ["a", "b"] {
        world.serve_task(id, &json!({"text": id}));
    }
    for line in ["777,kling", "a b", "\"a\"", "{\"task_id\":", "{\"prompt\":\"x\"}"] {
        let run = world.run_with_input(&format!("a\n{line}\nb\n"), &["-i", "-", "--json"]).exits(2);
        assert!(run.stderr.contains("standard input:2: "), "{}", run.stderr);
        assert!(run.events_of("task").iter().all(|task| task["state"] == "complete"), "{line}: {run:?}");
        assert_eq!(run.events_of("task").len(), 2, "{line}");
    }
}
