//! The gallery page in a real browser, opened from disk: what it shows, what one can do with it, and that no text of a task
//! runs or breaks anything.
//!
//! Each page is made by the program from an archive. What must hold of every page is checked by `assert_no_errors`.

mod accessibility;
mod browsing;
mod hostile;
mod keys;
mod many_tasks;
mod playing;
mod selection;
mod shapes;
mod viewing;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::World;
use crate::support::browser::Browser;
use crate::support::commands::run_command;

/// The page of an archive with a task of every kind.
fn page(world: &World) -> PathBuf {
    let named = |id: &str, day: u32, model: &str, result: &Value| {
        let message = format!("YEScale - LAB - {model} - Task Result");
        world.answer(
            id,
            &json!({"status": "SUCCESS", "message": message, "finish_time": 1_753_598_930 + day * 86_400, "task_result": result}),
        );
    };
    named("film", 5, "kling", &json!({"videos": [{"url": world.serve_sample("video-1s.mp4"), "duration": 5}]}));
    named(
        "pictures",
        4,
        "mj",
        &json!({"images": [world.serve_sample("picture.png"), world.serve_sample("picture.jpg"), world.serve_sample("picture.svg")]}),
    );
    named("song", 3, "suno", &json!({"audio": [world.serve_sample("song.mp3")], "text": "Một giấc mơ bay qua"}));
    named("words", 2, "lyrics", &json!({"text": "only words"}));
    world.answer("broken", &json!({"status": "FAILURE", "err_reason": "the prompt was flagged", "finish_time": 1_753_598_930}));
    let input = "film\npictures\nsong\nwords\nbroken\n".replace("pictures", r#"{"id":"pictures","prompt":"a cat on the moon"}"#);
    world.run_with_input(&input, &["--gallery", "-i", "-"]).exits(1);
    world.archive().join("index.html")
}

/// The titles of the tiles, in their order.
const TITLES: &str = "[...document.querySelectorAll('#grid .name')].map((name) => name.textContent)";
const ALL: [&str; 5] = ["kling", "a cat on the moon", "Một giấc mơ bay qua", "only words", "broken"];

/// The page of an archive whose root manifest has these tasks.
fn page_of(world: &World, tasks: &[Value]) -> PathBuf {
    world.write_file("yescale/manifest.json", json!({"manifest_version": 1, "tasks": tasks}).to_string());
    run_command(world, &["gallery"]).exits(0);
    world.archive().join("index.html")
}

/// The entry of a file in a manifest.
fn file(id: &str, name: &str) -> Value {
    let (kind, index) = name.split('.').next().unwrap().split_once('-').unwrap();
    json!({"kind": kind, "index": index.parse::<u32>().unwrap(), "path": format!("{id}/{name}"), "size": 9, "sha256": "0".repeat(64)})
}

/// The entry of a complete task.
fn task(id: &str, files: &[Value]) -> Value {
    json!({"task_id": id, "state": "complete", "files": files})
}

/// A picture of this size, of a few bytes.
fn picture(width: u32, height: u32) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'><rect width='100%' height='100%' fill='teal'/></svg>"
    )
}

/// Records what the page copies, instead of the clipboard of the system.
fn watch_clipboard(browser: &mut Browser) {
    browser
        .eval("Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => (window.copied = text) } })");
}

/// The page logged no error, and requested nothing but files on disk: itself and the archive's media.
#[track_caller]
fn assert_no_errors(browser: &Browser) {
    assert_eq!(browser.console_errors, Vec::<String>::new());
    // The icons of the browser's own controls are `data:` URLs.
    let is_local = |url: &String| ["file:", "data:", "about:"].iter().any(|scheme| url.starts_with(scheme));
    assert!(browser.requests.iter().all(is_local), "{:?}", browser.requests);
}
