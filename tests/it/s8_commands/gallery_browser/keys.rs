//! Every action has a key, and every control tells its key.

use serde_json::{Value, json};

use super::{assert_no_errors, page, watch_clipboard};
use crate::support::World;
use crate::support::browser::Browser;

/// The controls that one can see and that name no key.
const WITHOUT_KEY: &str = "[...document.querySelectorAll('button, input, select, a[href], summary')]\
    .filter((control) => control.checkVisibility() && !control.disabled && !control.closest('[aria-keyshortcuts]'))\
    .map((control) => control.outerHTML.slice(0, 120))";

#[test]
#[ignore = "needs chromium"]
fn every_control_tells_its_key() {
    let world = World::new();
    let page = page(&world);
    let states = [
        ("", ""),
        ("#q=x", ""),
        ("#open=pictures", ""),
        ("#open=song", ""),
        ("#open=film", ""),
        ("#open=broken", ""),
        ("", "document.querySelector('#show-keys').click()"),
        ("", "dates.click()"),
        ("", "(document.querySelector('#grid .pick input').click(), document.querySelector('#grid .player button').click())"),
    ];
    for (fragment, action) in states {
        let mut browser = Browser::open(&page, fragment, 1280);
        if !action.is_empty() {
            browser.eval(action);
        }
        assert_eq!(browser.eval(WITHOUT_KEY), Value::Array(Vec::new()), "{fragment} {action}");
        let twice = "[...document.querySelectorAll('#key-lists section')].flatMap((section) => {\
            const keys = [...section.querySelectorAll('kbd')].map((key) => key.textContent);\
            return keys.filter((key, at) => keys.indexOf(key) < at); })";
        assert_eq!(browser.eval(twice), Value::Array(Vec::new()), "no key means two things");
        assert_no_errors(&browser);
    }
}

#[test]
#[ignore = "needs chromium"]
fn keys_of_the_page_do_what_the_help_says() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "", 1280);
    watch_clipboard(&mut browser);
    browser.press("?");
    browser.wait("help.open && document.querySelectorAll('#key-lists kbd').length > 35");
    browser.press("Escape");
    browser.wait("!help.open");
    for (key, check) in [
        ("/", "document.activeElement.id === 'search'"),
        ("Enter", "document.activeElement.classList.contains('card')"),
        ("f", "document.activeElement.name === 'kind'"),
        ("1", "location.hash === '#kind=video' && count.textContent === '1 of 5 tasks'"),
        ("2", "location.hash === '#kind=video%2Cimage'"),
        ("0", "location.hash === '' && count.textContent === '5 tasks' && document.activeElement.name === 'kind'"),
        ("s", "location.hash === '#sort=old' && document.querySelector('#grid .name').textContent === 'broken'"),
        ("s", "location.hash === '#sort=size'"),
        ("s", "location.hash === '#sort=long'"),
        ("s", "location.hash === '#sort=title'"),
        ("s", "location.hash === ''"),
        ("t", "document.querySelector('#date-panel').matches(':popover-open')"),
        ("Escape", "!document.querySelector('#date-panel').matches(':popover-open')"),
        ("v", "document.querySelector('#pick-some').ariaPressed === 'true'"),
        ("v", "document.querySelector('#pick-some').ariaPressed === 'false'"),
        ("a", "document.querySelectorAll('#grid .picked').length === 5"),
        ("Escape", "document.querySelectorAll('#grid .picked').length === 0"),
        ("m", "document.querySelector('.muting').ariaPressed === 'true'"),
    ] {
        browser.press(key);
        browser.wait(check);
    }
    for (key, size) in [("+", 5), ("+", 6), ("-", 5), ("-", 4), ("-", 3)] {
        browser.press(key);
        assert_eq!(browser.eval("Number(document.querySelector('#size').value)"), size);
    }
    assert_eq!(browser.eval("location.hash"), "#size=3");
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn platforms_have_chips_and_keys() {
    let world = World::new();
    for (id, platform) in [("a", "KLING"), ("b", "KLING"), ("c", "VEO"), ("d", "X, Y")] {
        world.answer(
            id,
            &json!({"status": "SUCCESS", "message": format!("YEScale - {platform} - v2 - Task Result"), "task_result": {"text": id}}),
        );
    }
    world.run(&["a", "b", "c", "d", "--gallery"]).exits(0);
    let page = world.archive().join("index.html");
    let mut browser = Browser::open(&page, "", 1280);
    let chips = "[...document.querySelectorAll('#platforms label')].map((chip) => chip.textContent)";
    assert_eq!(browser.eval(chips), json!(["Kling2", "Veo1", "X, y1"]));
    browser.press("Shift+1");
    browser.wait("count.textContent === '2 of 4 tasks' && location.hash === '#platform=kling'");
    browser.press("Shift+3");
    browser.wait("count.textContent === '3 of 4 tasks'");
    let fragment = browser.eval("location.hash").as_str().unwrap().to_owned();
    let mut bookmarked = Browser::open(&page, &fragment, 1280);
    assert_eq!(bookmarked.eval("count.textContent"), "3 of 4 tasks", "a name with a comma is one name");
    assert_no_errors(&browser);
}

#[test]
#[ignore = "needs chromium"]
fn keys_are_left_alone_while_one_types() {
    let world = World::new();
    let mut browser = Browser::open(&page(&world), "", 1280);
    browser.press("/");
    for key in ["s", "p", "x", "?", "1", "0", "v", "a"] {
        browser.press(key);
    }
    let state = "[search.value, viewer.open, help.open, document.querySelectorAll('#grid .picked').length]";
    assert_eq!(browser.eval(state), json!(["spx?10va", false, false, 0]));
}
