//! Every picture keeps its shape, whatever the manifest says of its size, and no page is wider than the window.

use serde_json::{Value, json};

use super::{assert_no_errors, file, page_of, picture, task};
use crate::support::World;
use crate::support::browser::Browser;
use crate::support::sample;

/// The pictures and films in the document that have loaded: name, width by height as it is shown, and as the file has it. What
/// is cut off by its box does not count as shown.
const SHAPES: &str =
    "[...document.querySelectorAll('img, video')].filter((media) => media.getClientRects().length).map((media) => {
    const [box, frame] = [media.getBoundingClientRect(), media.parentElement.getBoundingClientRect()];
    const [width, height] = [Math.min(box.width, frame.width), Math.min(box.height, frame.height)];
    const own = media.naturalWidth ? media.naturalWidth / media.naturalHeight : media.videoWidth / media.videoHeight;
    return [media.src.split('/').slice(-2).join('/'), width / height, own];
}).filter(([, , own]) => own > 0)";

const LOADED: &str = "[...document.querySelectorAll('img, video')].every((media) => media.naturalWidth || media.videoWidth)";

#[track_caller]
fn assert_shapes(browser: &mut Browser, least: usize, what: &str) {
    let shapes = browser.eval(SHAPES);
    let shapes = shapes.as_array().unwrap();
    assert!(shapes.len() >= least, "{what}: {shapes:?}");
    for shape in shapes {
        let (shown, own) = (shape[1].as_f64().unwrap(), shape[2].as_f64().unwrap());
        assert!((shown / own - 1.0).abs() < 0.05, "{what}: {shape}");
    }
}

/// An archive with pictures of many shapes, films and songs. `facts` says what the manifest has of a size.
fn archive(world: &World, facts: impl Fn(u32, u32) -> Value) -> std::path::PathBuf {
    let sizes = [(1600, 900), (900, 1600), (1000, 1000), (3000, 500), (200, 1800), (64, 48), (1, 1), (1920, 817)];
    let picture_file = |id: &str, name: &str, (width, height): (u32, u32)| {
        world.write_file(&format!("yescale/{id}/{name}"), picture(width, height));
        let mut file = file(id, name);
        for (key, value) in facts(width, height).as_object().unwrap() {
            file[key] = value.clone();
        }
        file
    };
    let mut tasks: Vec<Value> = (0..)
        .zip(sizes)
        .map(|(n, size)| (format!("p{n}"), size))
        .map(|(id, size)| task(&id, &[picture_file(&id, "image-1.svg", size)]))
        .collect();
    world.write_file("yescale/film/video-1.mp4", sample("tide.mp4"));
    tasks.push(task("film", &[file("film", "video-1.mp4")]));
    for (id, size) in [("square", (500, 500)), ("wide", (1600, 500)), ("tall", (500, 1200))] {
        world.write_file(&format!("yescale/{id}/audio-1.mp3"), sample("song.mp3"));
        let mut song = task(id, &[picture_file(id, "image-1.svg", size), file(id, "audio-1.mp3")]);
        song["text"] = json!("la la");
        tasks.push(song);
    }
    let set =
        [("image-1.svg", (1200, 800)), ("image-2.svg", (800, 1200)), ("image-3.svg", (3000, 400)), ("image-4.svg", (300, 1500))];
    let set = set.map(|(name, size)| picture_file("set", name, size));
    tasks.push(task("set", &set));
    page_of(world, &tasks)
}

#[test]
#[ignore = "needs chromium"]
fn every_picture_keeps_its_shape_at_every_width() {
    let declared = |width: u32, height: u32| json!({"width": width, "height": height});
    let unknown = |_, _| json!({});
    let wrong = |width: u32, height: u32| json!({"width": height * 2, "height": width});
    let kinds = [("declared", declared as fn(u32, u32) -> Value), ("unknown", unknown), ("wrong", wrong)];
    for (what, facts) in kinds {
        let world = World::new();
        let page = archive(&world, facts);
        for width in [390, 768, 1280, 1900] {
            let mut browser = Browser::open(&page, "", width);
            // Sizes that come from the files change the rows, and rows that come near load more files.
            browser.wait(&format!("document.querySelectorAll('#grid img').length > 4 && {LOADED}"));
            browser.eval("await new Promise((done) => setTimeout(done, 400))");
            assert_shapes(&mut browser, 5, &format!("{what} {width}"));
            assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{width}");
            assert_no_errors(&browser);
        }
    }
}

#[test]
#[ignore = "needs chromium"]
fn viewer_shows_every_picture_whole_and_in_its_shape() {
    let world = World::new();
    let page = archive(&world, |_, _| json!({}));
    for width in [390, 1280] {
        let mut browser = Browser::open(&page, "#open=set", width);
        for id in ["set", "p0", "p1", "p3", "p4", "p5", "film", "wide", "tall"] {
            browser.eval(&format!("(location.hash = 'open={id}')"));
            browser.wait(&format!("place.textContent && visual.querySelector('img, video')?.src.includes('/{id}/') && {LOADED}"));
            browser.eval("await new Promise((done) => setTimeout(done, 200))");
            assert_shapes(&mut browser, 1, &format!("{id} {width}"));
            let fits = "(({ width, height }) => width <= innerWidth && height <= innerHeight)(visual.firstElementChild.getBoundingClientRect())";
            assert_eq!(browser.eval(fits), true, "{id} {width}");
        }
        assert_no_errors(&browser);
    }
}

#[test]
#[ignore = "needs chromium"]
fn rows_are_filled_and_a_set_has_one_cover() {
    let world = World::new();
    let page = archive(&world, |width, height| json!({"width": width, "height": height}));
    let mut browser = Browser::open(&page, "", 1280);
    let ends = "[...document.querySelectorAll('#grid > li')].map((tile) => [tile.offsetTop, tile.offsetLeft + tile.offsetWidth])";
    let ends = browser.eval(ends);
    let width = browser.eval("grid.clientWidth").as_f64().unwrap();
    let mut rows = std::collections::BTreeMap::<u64, f64>::new();
    for end in ends.as_array().unwrap() {
        let right = rows.entry(end[0].as_u64().unwrap()).or_default();
        *right = right.max(end[1].as_f64().unwrap());
    }
    rows.pop_last();
    assert!(!rows.is_empty() && rows.values().all(|right| (right - width).abs() <= 2.0), "{rows:?}");
    browser.eval("(search.value = 'set', search.dispatchEvent(new Event('input')))");
    browser.wait("document.querySelectorAll('#grid img').length === 1");
    assert_eq!(browser.eval("document.querySelector('#grid .badge').textContent"), "4");
    assert_no_errors(&browser);
}
