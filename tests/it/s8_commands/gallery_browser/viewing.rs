//! The viewer of one task.

use serde_json::json;

use super::{assert_no_errors, page};
use crate::support::World;
use crate::support::browser::Browser;

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
    assert_eq!(browser.eval("[location.hash, strip.querySelectorAll('img').length]"), json!(["#open=pictures", 3]));
    let mut links = Vec::new();
    for _ in 0..3 {
        browser.wait("visual.querySelector('img').naturalWidth > 0");
        links.push(browser.eval("caption.querySelector('a')?.getAttribute('href')"));
        browser.press("ArrowDown");
    }
    assert_eq!(json!(links), json!(["pictures/image-1.png", "pictures/image-2.jpg", null]), "an SVG is shown, never opened");
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
fn keys_zoom_and_move_the_picture() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "#open=pictures", 1280);
    browser.wait("visual.querySelector('img').naturalWidth > 0");
    let width = "visual.querySelector('img').offsetWidth";
    let whole = browser.eval(width).as_f64().unwrap();
    for _ in 0..6 {
        browser.press("+");
    }
    assert!((browser.eval(width).as_f64().unwrap() / whole - 8.0).abs() < 0.05);
    assert_eq!(browser.eval("document.querySelector('#zoom-now').textContent"), "800 %");
    let left = browser.eval("visual.scrollLeft").as_f64().unwrap();
    browser.press("ArrowRight");
    assert!(browser.eval("visual.scrollLeft").as_f64().unwrap() > left);
    assert_eq!(browser.eval("location.hash"), "#open=pictures", "an arrow moves the picture, not to the next task");
    browser.press("-");
    assert!((browser.eval(width).as_f64().unwrap() / whole - 6.0).abs() < 0.05);
    browser.press("0");
    assert_eq!(browser.eval(width), whole);
    browser.press("ArrowRight");
    browser.wait("location.hash === '#open=song'");
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn focus_returns_to_the_tile_and_step_back_closes() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "", 1280);
    browser.eval("document.querySelectorAll('#grid .card')[1].focus()");
    browser.press("Enter");
    browser.wait("viewer.open");
    // The focus stays in the viewer, goes through all of its controls, and comes back to the first.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        browser.press("Tab");
        seen.insert(
            browser
                .eval("document.activeElement.id || document.activeElement.className || document.activeElement.localName")
                .to_string(),
        );
    }
    for id in
        ["close", "zoom-in", "next", "about", "copy-prompt", "copy-id", "download", "open-file", "copy-command", "pick-shown"]
    {
        assert!(seen.contains(&format!("\"{id}\"")), "{id}: {seen:?}");
    }
    assert!(!seen.contains("\"card\""), "{seen:?}");
    browser.eval("history.back()");
    browser.wait("!viewer.open && location.hash === '' && document.activeElement.textContent.includes('a cat on the moon')");
    browser.press("Enter");
    browser.wait("viewer.open");
    browser.eval("document.querySelector('#close').click()");
    browser.wait("!viewer.open && location.hash === '' && document.activeElement.textContent.includes('a cat on the moon')");
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn a_finger_opens_a_task_and_moves_to_the_next() {
    let world = World::new();
    let page = page(&world);
    let mut browser = Browser::start(390);
    browser.use_fingers();
    browser.navigate(&page, "");
    let tile = browser
        .eval("(({ x, y, width }) => [x + width / 2, y + 60].map(Math.round))(document.querySelector('#grid .card').getBoundingClientRect())");
    let [x, y] = [0, 1].map(|at| u32::try_from(tile[at].as_u64().unwrap()).unwrap());
    let at = (x, y);
    browser.swipe(at, at);
    browser.wait("viewer.open && location.hash === '#open=film'");
    browser.swipe((300, 200), (60, 205));
    browser.wait("location.hash === '#open=pictures'");
    browser.swipe((60, 200), (300, 205));
    browser.wait("location.hash === '#open=film'");
    assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true);
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn a_failure_is_one_line_with_its_reason() {
    let world = World::new();
    let page = page(&world);
    for width in [390, 1280] {
        let mut browser = Browser::open(&page, "", width);
        let line = "(({ offsetHeight, offsetWidth, innerText }) => [offsetHeight < 50, offsetWidth === grid.clientWidth, innerText.includes('the prompt was flagged')])";
        assert_eq!(
            browser.eval(&format!("{line}(document.querySelector('#grid .failed'))")),
            json!([true, true, true]),
            "{width}"
        );
    }
}

#[test]
#[ignore = "needs chromium"]
fn on_a_phone_the_filters_are_one_line() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "", 390);
    let tops = "new Set([...filters.querySelectorAll('label, button')].filter((control) => control.checkVisibility()).map((control) => Math.round(control.getBoundingClientRect().bottom / 8))).size";
    assert_eq!(browser.eval(&format!("[filters.offsetHeight < 60, {tops} <= 2]")), json!([true, true]));
}
