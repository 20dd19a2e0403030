//! The formats of a list of ids.
//!
//! "A file that begins with `[` is a JSON array of ids or objects. UTF-8 with a byte-order mark, UTF-16 (either byte order, with
//! a byte-order mark) and CRLF are understood."

use serde_json::json;

use crate::support::run::Running;
use crate::support::{Run, World};

fn world_with(ids: &[&str]) -> World {
    let world = World::new();
    for id in ids {
        world.serve_task(id, &json!({"text": id}));
    }
    world
}

/// The number of tasks that are complete, whether they were already in the archive or not.
fn complete(run: &Run) -> usize {
    run.events_of("task").iter().filter(|task| task["state"] == "complete").count()
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn json_array_has_ids_and_objects() {
    let world = world_with(&["777935781150867525777", "a%20b", "c", "1.50"]);
    let list = r#"
  [ 777935781150867525777, "a b",
    {
      "task_id": "c",
      "prompt": "a [cat], \"x\"",
      "nested": {"deep": [1.50, {"n": null}]}
    },
    {"id": 1.50} ]
"#;
    for args in [&["-i", "ids.json", "--json"][..], &["-i", "-", "--json"]] {
        world.write_file("ids.json", list);
        let run = world.run_with_input(list, args).exits(0);
        assert_eq!(complete(&run), 4, "{run:?}");
    }
    assert_eq!(world.task_entry("c")["meta"].to_string(), r#"{"prompt":"a [cat], \"x\"","nested":{"deep":[1.50,{"n":null}]}}"#);
    let run = world.run_with_input("[]", &["-i", "-", "--json"]).exits(0);
    assert_eq!(run.events_of("task").len(), 0);
}

#[test]
fn broken_json_array_says_where() {
    let world = world_with(&["1", "2"]);
    for (list, place, what) in [
        ("[1,\n2", 2, "not closed"),
        ("[1,\n2,\n]", 3, "a task id is missing"),
        ("[1,\n,2]", 2, "a task id is missing"),
        ("[1\n2]", 2, "invalid JSON"),
        ("[1,\n{\"id\":2,\n\"x\" 3}]", 3, "invalid JSON"),
        ("[1,\nnull]", 2, "a string, a number"),
        ("[1,\n{\"x\":2}]", 2, "`task_id` or `id`"),
        ("[1,2]\n\n[3]", 3, "after the end"),
        ("[1,\n\"2]", 2, "not closed"),
    ] {
        world.write_file("ids.json", list);
        let run = world.run(&["-i", "ids.json"]).exits(2);
        assert!(run.stderr.contains(&format!("ids.json:{place}: ")) && run.stderr.contains(what), "{list}: {run:?}");
    }
    assert_eq!(world.gateway_requests().len(), 0);
    let run = world.run_with_input("[1,\nnull,\n2,", &["-i", "-", "--json"]).exits(2);
    assert_eq!(complete(&run), 2);
    assert!(run.stderr.contains("standard input:2: ") && run.stderr.contains("standard input:3: "), "{run:?}");
}

#[test]
fn json_array_on_standard_input_is_streamed() {
    let world = world_with(&["a", "b"]);
    let mut running = world.start(&["--json", "-i", "-"]);
    running.write("[\"a\",");
    let line = loop {
        let line = running.read_line();
        if line.contains("\"task\"") {
            break line;
        }
    };
    assert!(line.contains("\"a\""), "reported before the array has ended: {line}");
    running.write("\"b\"]");
    world.audit(running.wait(false)).exits(0);
}

#[test]
fn encodings_with_a_byte_order_mark_are_understood() {
    for text in ["a\r\n# x\r\n\r\n{\"id\":\"b\",\"p\":\"ä🎬\"}\r\n", "[\"a\",\r\n{\"id\":\"b\",\"p\":\"ä🎬\"}]"] {
        let marked = format!("\u{feff}{text}");
        for bytes in [text.into(), marked.clone().into(), utf16(&marked, u16::to_le_bytes), utf16(&marked, u16::to_be_bytes)] {
            let world = world_with(&["a", "b"]);
            world.write_file("ids.txt", &bytes);
            world.run(&["-i", "ids.txt"]).exits(0);
            assert_eq!(world.task_entry("b")["meta"], json!({"p": "ä🎬"}));
            let mut running: Running = world.start(&["-i", "-", "--json", "-o", "piped"]);
            running.write_bytes(&bytes);
            assert_eq!(complete(&running.wait(false).exits(0)), 2);
        }
    }
}

#[test]
fn text_in_another_encoding_is_an_error_with_its_line() {
    let world = world_with(&["a"]);
    for (bytes, line) in [
        (utf16("a\nb\n", u16::to_le_bytes), 1),
        (b"\xff\xfea\0\n\0\x3c\xd8b\0\n\0".to_vec(), 2),
        (b"\xff\xfea\0\n\0b".to_vec(), 2),
        (b"a\n\xe4\n".to_vec(), 2),
    ] {
        world.write_file("ids.txt", &bytes);
        let run = world.run(&["-i", "ids.txt"]).exits(2);
        assert!(run.stderr.contains(&format!("ids.txt:{line}: ")) && run.stderr.contains("UTF-8"), "{run:?}");
    }
    assert_eq!(world.gateway_requests().len(), 0);
}
