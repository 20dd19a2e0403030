//! Selecting tasks, and what is copied: ids, prompts, and a command that a shell runs.

use std::fs;
use std::process::Command;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{assert_no_errors, file, page, page_of, task, watch_clipboard};
use crate::support::browser::Browser;
use crate::support::commands::run_command;
use crate::support::{Answer, World, success};

/// Everything but what a segment of a URL holds unencoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[test]
#[ignore = "needs chromium"]
fn ids_and_prompts_of_the_selection_are_copied() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "", 1280);
    watch_clipboard(&mut browser);
    browser.eval("document.querySelector('#grid .card').focus()");
    browser.press("i");
    browser.wait("window.copied === 'film'");
    for key in ["x", "ArrowRight", "x", "i"] {
        browser.press(key);
    }
    browser.wait("window.copied === 'film\\npictures\\n'");
    assert_eq!(
        browser.eval("[document.querySelector('#picked-count').textContent, toast.textContent]"),
        json!(["2 selected", "Copied 2 ids"])
    );
    browser.press("c");
    browser.wait("window.copied === 'a cat on the moon'");
    // The selection stays when filters hide it, and Escape ends it.
    browser.eval("document.querySelector('[value=failed]').click()");
    browser.press("i");
    browser.wait("window.copied === 'film\\npictures\\n'");
    browser.press("a");
    browser.press("i");
    browser.wait("window.copied === 'film\\npictures\\nbroken\\n'");
    browser.eval("document.activeElement.blur()");
    browser.press("Escape");
    browser.wait("picked.hidden && !document.querySelector('#grid .picked')");
    // While one selects, a click selects.
    browser.press("v");
    browser.eval("document.querySelector('#grid .card').dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }))");
    assert_eq!(browser.eval("[viewer.open, document.querySelectorAll('#grid .picked').length]"), json!([false, 1]));
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn actions_of_the_viewer_are_about_its_task_and_file() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "#open=pictures", 1280);
    watch_clipboard(&mut browser);
    browser.press("i");
    browser.wait("window.copied === 'pictures'");
    browser.press("c");
    browser.wait("window.copied === 'a cat on the moon'");
    let link = "['download', 'open-file'].map((id) => document.getElementById(id).getAttribute('href'))";
    assert_eq!(browser.eval(link), json!(["pictures/image-1.png", "pictures/image-1.png"]));
    browser.press("ArrowDown");
    assert_eq!(browser.eval(link), json!(["pictures/image-2.jpg", "pictures/image-2.jpg"]));
    browser.press("ArrowDown");
    // An SVG is shown, but never opened on its own: it could run scripts.
    browser.wait("visual.querySelector('img').src.endsWith('svg')");
    assert_eq!(browser.eval("document.getElementById('open-file').href.endsWith('svg')"), false);
    assert_eq!(browser.eval("document.getElementById('download').download"), "pictures-image-1.png");
    assert_no_errors(&browser);
}

/// Runs a copied command in a shell that finds the program, in `folder`.
fn run_in_shell(world: &World, command: &str) {
    let bin = world.home().join("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_yescale-dl"), bin.join("yescale-dl")).unwrap();
    }
    let path =
        std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
    let output = Command::new("sh").args(["-c", command]).env("PATH", path).current_dir(world.home()).output().unwrap();
    assert!(output.status.success(), "{command}\n{output:?}");
}

/// Ids that a careless command would run, or lose.
const ODD_IDS: [&str; 7] =
    ["plain-1", "it's $(touch ran) `touch ran`", "-dash", "new\nline; touch ran", "\"two\" & \\", "\u{202e}rtl é", "END-OF-IDS"];

/// Archives a picture under each id.
fn archive_odd_ids(world: &World) {
    let png = world.serve_sample("picture.png");
    let mut lines = String::new();
    for id in ODD_IDS {
        let segment = utf8_percent_encode(id, ENCODED);
        world.answers_at(&format!("/task/{segment}"), [Answer::json(200, &success(&json!({"images": [png]})))]);
        lines.extend([json!({"id": id}).to_string(), "\n".to_owned()]);
    }
    world.run_with_input(&lines, &["-i", "-"]).exits(0);
}

/// What the page copies when this key is pressed.
fn copied(browser: &mut Browser, key: &str) -> String {
    browser.eval("(window.copied = '')");
    browser.press(key);
    browser.wait("window.copied");
    browser.eval("window.copied").as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs chromium"]
fn copied_export_command_runs_in_a_shell() {
    let world = World::new();
    archive_odd_ids(&world);
    let archive = world.home().join("it's (my) $HOME `x` & y");
    fs::rename(world.archive(), &archive).unwrap();
    run_command(&world, &["gallery", archive.to_str().unwrap()]).exits(0);
    let mut browser = Browser::open(&archive.join("index.html"), "", 1280);
    watch_clipboard(&mut browser);
    let selected = world.home().join("selected");
    let pictures = || {
        let files = fs::read_dir(&selected).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|extension| extension == "png")).count()
    };
    // Each id alone, then all.
    for index in 0..ODD_IDS.len() {
        browser.eval(&format!("document.querySelectorAll('#grid .card')[{index}].focus()"));
        let command = copied(&mut browser, "e");
        assert!(command.contains("yescale-dl export files ") && !command.contains('\u{202e}'), "{command}");
        run_in_shell(&world, &command);
        assert_eq!(pictures(), index + 1, "{command}");
    }
    fs::remove_dir_all(&selected).unwrap();
    browser.press("a");
    let command = copied(&mut browser, "e");
    run_in_shell(&world, &command);
    assert_eq!(pictures(), ODD_IDS.len());
    assert!(!world.home().join("ran").exists());
    // The copied ids are a list for `-i`.
    let list = world.write_file("ids.txt", copied(&mut browser, "i"));
    let listed = run_command(&world, &["list", archive.to_str().unwrap(), "--ids", "-i", list.to_str().unwrap()]).exits(0);
    assert_eq!(listed.stdout.lines().count(), ODD_IDS.len(), "{listed:?}");
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn a_long_command_reads_its_ids_from_standard_input() {
    let world = World::new();
    let ids: Vec<String> = (0..2000).map(|n| format!("task-{n}")).collect();
    let tasks: Vec<Value> = ids.iter().map(|id| task(id, &[file(id, "image-1.png")])).collect();
    let mut browser = Browser::open(&page_of(&world, &tasks), "", 1280);
    watch_clipboard(&mut browser);
    browser.press("a");
    let command = copied(&mut browser, "e");
    assert!(
        command.starts_with("printf '%s\\n' '") && command.ends_with(" -i -\n") && command.lines().count() == 2000,
        "{command}"
    );
}

#[test]
#[ignore = "needs chromium"]
fn keys_act_on_the_focused_task_in_every_order_and_an_impossible_date_filters_nothing() {
    let world = World::new();
    let tasks: Vec<Value> = (0..9).map(|n| task(&format!("task-{n}"), &[file(&format!("task-{n}"), "image-1.png")])).collect();
    let mut browser = Browser::open(&page_of(&world, &tasks), "#from=2026-99-99", 1280);
    watch_clipboard(&mut browser);
    assert_eq!(browser.eval("document.querySelectorAll('#grid .card').length"), 9);
    browser.eval("document.querySelectorAll('#grid .card')[3].focus()");
    let before = copied(&mut browser, "i");
    for key in ["s", "s", "+", "1"] {
        browser.press(key);
        assert_eq!(copied(&mut browser, "i"), before, "after {key}");
    }
}
