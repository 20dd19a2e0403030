//! The gallery page in a real browser, opened from disk: browsing, search, keyboard, and hostile data.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::commands::run_command;
use crate::support::{Answer, Reply, World, sample};

/// Set when a script in the data ran.
const HOSTILE: &str = "</script><script>window.ran=1</script><img src=x onerror=window.ran=1><svg onload=window.ran=1>\
    <iframe src=\"javascript:top.ran=1\"></iframe>{{script}}\u{2028}\u{202e}javascript:window.ran=1";

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

const TITLES: &str = "[...document.querySelectorAll('#grid .name')].map((name) => name.textContent)";
const ALL: [&str; 5] = ["kling", "a cat on the moon", "Một giấc mơ bay qua", "only words", "broken"];

fn assert_no_errors(browser: &Browser) {
    assert_eq!(browser.console_errors, Vec::<String>::new());
    // The icons of the browser's own controls are `data:` URLs.
    let is_local = |url: &String| ["file:", "data:", "about:"].iter().any(|scheme| url.starts_with(scheme));
    assert!(browser.requests.iter().all(is_local), "{:?}", browser.requests);
}

#[test]
#[ignore = "needs chromium"]
fn grid_shows_all_tasks_newest_first_without_network_requests() {
    let world = World::new();
    for width in [390, 1280, 1920] {
        let mut browser = Browser::open(&page(&world), "", width);
        assert_eq!(browser.eval(TITLES), json!(ALL));
        browser.wait(
            "document.querySelector('#grid video')?.readyState > 0 && document.querySelector('#grid img')?.naturalWidth > 0",
        );
        assert_eq!(browser.eval("document.querySelectorAll('#grid audio[controls]').length"), 1);
        assert_eq!(browser.eval("document.querySelector('#grid .failed .excerpt').textContent"), "the prompt was flagged");
        assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{width}");
        assert_no_errors(&browser);
        // A screenshot for people to look at. An empty page would give a small file.
        assert!(browser.screenshot().len() > 5_000);
    }
}

#[test]
#[ignore = "needs chromium"]
fn search_and_filters_narrow_the_grid_and_update_the_url() {
    let world = World::new();
    let page = page(&world);
    let mut browser = Browser::open(&page, "", 1280);
    browser.press("/");
    for (query, shown) in
        [("giac mo", json!([ALL[2]])), ("MOON cat", json!([ALL[1]])), ("lab lyrics", json!([ALL[3]])), ("no such", json!([]))]
    {
        browser.eval(&format!("(document.activeElement.value = {}, search.dispatchEvent(new Event('input')))", json!(query)));
        assert_eq!(browser.eval(TITLES), shown, "{query}");
    }
    assert_eq!(browser.eval("[empty.hidden, count.textContent]"), json!([false, "0 of 5 tasks"]));
    browser.eval("clear.click()");
    browser.wait("count.textContent === '5 tasks'");
    browser.eval("document.querySelector('[value=failed]').click()");
    assert_eq!(browser.eval(TITLES), json!(["broken"]));
    assert_eq!(browser.eval("location.hash"), "#state=failed");
    assert_no_errors(&browser);
    for (fragment, shown) in [
        ("#kind=video,audio", json!([ALL[0], ALL[2]])),
        ("#kind=text&q=words", json!([ALL[3]])),
        ("#from=2025-07-30&to=2025-07-31", json!([ALL[1], ALL[2]])),
        ("#kind=%3Cb%3E,constructor&state=toString&from=never&open=nobody", json!(ALL)),
    ] {
        let mut browser = Browser::open(&page, fragment, 1280);
        assert_eq!(browser.eval(TITLES), shown, "{fragment}");
        assert_no_errors(&browser);
    }
}

#[test]
#[ignore = "needs chromium"]
fn viewer_opens_a_task_and_arrow_keys_move_through_all() {
    let world = World::new();
    let page = page(&world);
    let mut browser = Browser::open(&page, "", 1280);
    browser.eval("document.querySelector('.card').focus()");
    browser.press("ArrowRight");
    browser.press("ArrowRight");
    browser.press("ArrowLeft");
    browser.press("Enter");
    browser.wait("viewer.open");
    assert_eq!(browser.eval("[location.hash, stage.querySelectorAll('img').length]"), json!(["#open=pictures", 3]));
    browser.wait("[...stage.querySelectorAll('img')].every((image) => image.naturalWidth > 0)");
    let links = "[...stage.querySelectorAll('a')].map((link) => link.getAttribute('href'))";
    assert_eq!(browser.eval(links), json!(["pictures/image-1.png", "pictures/image-2.jpg"]), "an SVG is shown, never opened");
    browser.press("ArrowLeft");
    browser.wait("stage.querySelector('video[controls]')?.readyState > 0");
    browser.eval("await stage.querySelector('video').play()");
    for _ in 0..9 {
        browser.press("ArrowRight");
    }
    assert_eq!(
        browser.eval("[location.hash, facts.querySelector('.bad').textContent]"),
        json!(["#open=broken", "the prompt was flagged"])
    );
    browser.press("Escape");
    browser.wait("!viewer.open && location.hash === '' && document.activeElement.textContent.includes('broken')");
    assert_no_errors(&browser);
    let mut bookmarked = Browser::open(&page, "#open=song", 390);
    assert_eq!(bookmarked.eval("[viewer.open, stage.querySelector('.text').textContent]"), json!([true, "Một giấc mơ bay qua"]));
}

#[test]
#[ignore = "needs chromium"]
fn script_in_task_data_never_runs() {
    let world = World::new();
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"top.ran=1\"><script>top.ran=1</script></svg>";
    let svg = world.media.script("/evil.svg", [Reply::ok(svg)]);
    let gone = world.media.script("/gone.png", [Reply::status("404 Not Found")]);
    let id = "<img src=x onerror=window.ran=1>";
    let answer = json!({"status": "SUCCESS", "message": HOSTILE, "task_result": {"text": HOSTILE,
        "images": [{"url": svg, "content_type": "image/svg+xml"}, {"url": HOSTILE}, {"url": gone}]}});
    world.answers_at("/task/%3Cimg%20src%3Dx%20onerror%3Dwindow.ran%3D1%3E", [Answer::json(200, &answer)]);
    world.answer("failed", &json!({"status": "FAILURE", "err_reason": HOSTILE, "message": format!("a - {HOSTILE} - {HOSTILE}")}));
    let lines = [json!({"id": id, "prompt": HOSTILE, HOSTILE: {"deep": HOSTILE}}), json!({"id": "failed"})];
    world.run_with_input(&format!("{}\n{}\n", lines[0], lines[1]), &["--gallery", "-i", "-"]).exits(1);
    let mut browser = Browser::open(&world.archive().join("index.html"), "", 1280);
    for index in 0..2 {
        browser.eval(&format!("document.querySelectorAll('.card')[{index}].click()"));
        browser.wait("viewer.open && [...document.images].every((image) => image.complete)");
        browser.eval("viewer.close()");
    }
    let made = "document.querySelectorAll('iframe, svg, #grid script, dialog script, [onerror], [onload], [src=x]').length";
    assert_eq!(browser.eval(&format!("[{made}, window.ran ?? 0, document.scripts.length]")), json!([0, 0, 2]));
    assert_no_errors(&browser);
    // The content security policy applies even to markup that the page's script would let through.
    browser.eval("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')");
    browser.eval("document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran=1' }))");
    browser.wait("document.querySelector('[src=x]').complete");
    assert_eq!(browser.eval("await fetch('manifest.json').catch(() => 'refused')"), "refused");
    assert_eq!(browser.eval("window.ran ?? 0"), 0);
}

#[test]
#[ignore = "needs chromium"]
fn only_cards_near_the_viewport_are_rendered() {
    let world = World::new();
    let tasks: Vec<Value> = (0..10_000)
        .map(|n| {
            let file =
                json!({"kind": "image", "index": 1, "path": format!("t{n}/image-1.png"), "size": 9, "sha256": "0".repeat(64)});
            json!({"task_id": format!("t{n}"), "state": "complete", "finish_time": "2025-07-27T06:49:50Z", "files": [file]})
        })
        .collect();
    world.write_file("yescale/manifest.json", json!({"manifest_version": 1, "tasks": tasks}).to_string());
    world.write_file("yescale/t0/image-1.png", sample("picture.png"));
    run_command(&world, &["gallery"]).exits(0);
    let page = world.archive().join("index.html");
    assert!(fs::metadata(&page).unwrap().len() < 10_000 * 400);
    let mut browser = Browser::open(&page, "", 1280);
    let few = "document.querySelectorAll('#grid > li').length < 100";
    assert_eq!(browser.eval(&format!("[count.textContent, {few}]")), json!(["10,000 tasks", true]));
    browser.eval("document.querySelector('.card').focus()");
    browser.press("End");
    assert_eq!(browser.eval(&format!("[document.activeElement.querySelector('.line').textContent.length > 0, {few}, document.activeElement.parentNode.ariaPosInSet]")), json!([true, true, "10000"]));
}

#[test]
#[ignore = "needs chromium"]
fn page_of_selected_tasks_shows_the_media_from_elsewhere() {
    let world = World::new();
    page(&world);
    fs::rename(world.archive(), world.home().join("it's #1, 50% é&lt;")).unwrap();
    fs::create_dir(world.home().join("pages")).unwrap();
    let args = ["gallery", "it's #1, 50% é&lt;", "-O", "pages/images.html", "--kind", "image"];
    run_command(&world, &args).exits(0);
    let mut browser = Browser::open(&world.home().join("pages/images.html"), "", 1280);
    assert_eq!(browser.eval(TITLES), json!([ALL[1]]));
    browser.wait("document.querySelector('#grid img')?.naturalWidth > 0");
    assert_no_errors(&browser);
}
