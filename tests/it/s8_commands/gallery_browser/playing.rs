//! Songs: cover, player and words side by side, one player for all of them, and playing everything.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{assert_no_errors, file, page_of, picture, task};
use crate::support::browser::Browser;
use crate::support::{World, sample};

/// Two songs, the first with two tracks and their covers; a film and a picture between them.
fn page(world: &World) -> PathBuf {
    let song = |id: &str, names: &[&str], text: &str| {
        for name in names {
            let bytes = if name.ends_with("mp3") { sample("song.mp3") } else { picture(300, 300).into_bytes() };
            world.write_file(&format!("yescale/{id}/{name}"), bytes);
        }
        let mut song = task(id, &names.iter().map(|name| file(id, name)).collect::<Vec<_>>());
        (song["text"], song["meta"]) = (json!(text), json!({"title": id}));
        song
    };
    let seconds = |mut song: Value, day: u32| {
        song["finish_time"] = json!(format!("2025-07-{day}T00:00:00Z"));
        song
    };
    world.write_file("yescale/film/video-1.mp4", sample("video-1s.mp4"));
    world.write_file("yescale/still/image-1.svg", picture(400, 300));
    let tasks = [
        seconds(song("first", &["image-1.svg", "image-2.svg", "audio-1.mp3", "audio-2.mp3"], "[Verse]\nla la la"), 20),
        seconds(task("film", &[file("film", "video-1.mp4")]), 19),
        seconds(task("still", &[file("still", "image-1.svg")]), 18),
        seconds(song("second", &["audio-1.mp3"], "lo lo lo"), 17),
    ];
    page_of(world, &tasks)
}

/// Whether the boxes of these elements are side by side: none begins before the one before it has ended.
const SIDE_BY_SIDE: &str = "(...names) => names.map((name) => document.querySelector(name).getBoundingClientRect())\
    .every((box, at, boxes) => !at || box.left >= boxes[at - 1].right - 1)";

#[test]
#[ignore = "needs chromium"]
fn a_song_has_cover_player_and_words_side_by_side() {
    let world = World::new();
    let page = page(&world);
    for width in [390, 1280] {
        let mut browser = Browser::open(&page, "", width);
        browser.wait("document.querySelector('#grid .song img')?.naturalWidth > 0");
        assert_eq!(browser.eval(&format!("({SIDE_BY_SIDE})('#grid .song img', '#grid .song .words')")), true);
        assert_eq!(browser.eval(&format!("({SIDE_BY_SIDE})('#grid .song img', '#grid .song .player')")), true);
        assert_eq!(browser.eval("document.querySelector('#grid .words').textContent.includes('la la la')"), true);
        assert_no_errors(&browser);
    }
    let mut browser = Browser::open(&page, "#open=first", 1280);
    browser.wait("document.querySelector('#visual img')?.naturalWidth > 0");
    assert_eq!(browser.eval(&format!("({SIDE_BY_SIDE})('#visual img', '#words .text', '#about')")), true);
    assert_eq!(browser.eval("tracks.children.length"), 2);
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn one_player_serves_tile_dock_and_viewer() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "", 1280);
    let clock = |place: &str| format!("document.querySelector('{place} .clock').textContent");
    // Sound needs a key or a click of a person.
    browser.eval("document.querySelector('#grid .song .card').focus()");
    browser.press("k");
    browser.wait("!dock.hidden && document.querySelector('#grid .player button').dataset.icon === 'pause'");
    let title = "document.querySelector('#dock-title').textContent";
    assert_eq!(browser.eval(title), "first");
    browser.wait(&format!("{}.includes(' / ') && {0} === {}", clock("#dock"), clock("#grid .player")));
    // The next track of the same song, then the next song.
    browser.press("n");
    browser.wait("navigator.mediaSession.metadata.title === 'first'");
    browser.press("n");
    browser.wait(&format!("{title} === 'second'"));
    browser.press("b");
    browser.wait(&format!("{title} === 'first'"));
    browser.eval("document.querySelector('#dock-title').click()");
    browser.wait("viewer.open && dock.hidden && tracks.querySelectorAll('.playing').length === 1");
    browser.press("k");
    browser.wait("tracks.querySelector('.playing button').dataset.icon === 'play'");
    browser.press("m");
    assert_eq!(browser.eval("viewer.querySelector('.muting').ariaPressed"), "true");
    browser.press("Escape");
    browser.wait("!viewer.open && !dock.hidden");
    browser.press("q");
    browser.wait("dock.hidden");
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn play_all_goes_through_everything_that_is_shown() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "", 1280);
    browser.press("m");
    browser.press("p");
    browser.wait("viewer.open && location.hash === '#open=first'");
    // A song ends in its own time: here the end is brought nearer.
    let end = "document.querySelector('#tracks .playing input')";
    for _ in 0..2 {
        browser.wait(&format!("{end} && Number({end}.max) > 0 && Number({end}.max) !== 1"));
        browser.eval(&format!("({end}.value = {end}.max, {end}.dispatchEvent(new Event('input')))"));
        browser.eval("await new Promise((done) => setTimeout(done, 500))");
    }
    browser.wait("location.hash === '#open=film'");
    browser.wait("location.hash === '#open=still'");
    browser.wait("location.hash === '#open=second'");
    browser.press("p");
    browser.wait("document.querySelector('#play-all').ariaPressed === 'false' && !tracks.querySelector('.pause')");
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn a_song_that_is_missing_is_named() {
    let world = World::new();
    let page = page(&world);
    fs::remove_file(world.archive().join("second/audio-1.mp3")).unwrap();
    let mut browser = Browser::open(&page, "#open=second", 1280);
    browser.press("k");
    browser.wait("toast.textContent.includes('audio-1.mp3 is missing')");
}
