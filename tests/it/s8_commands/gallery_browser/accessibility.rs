//! axe finds nothing, in both themes, with the page and with each dialog open.
//!
//! `AXE` is the path of `axe.min.js` from the package axe-core; `.ci/run` installs it.

use std::fs;

use serde_json::{Value, json};

use super::page;
use crate::support::World;
use crate::support::browser::Browser;

/// The rules that are broken, and where.
const FINDINGS: &str = "(await axe.run(document, { resultTypes: ['violations'] })).violations.map(\
    ({ id, nodes }) => [id, ...nodes.map((node) => `${node.target} ${node.failureSummary}`)])";

#[test]
#[ignore = "needs chromium and AXE"]
fn axe_finds_nothing_in_both_themes() {
    let path = std::env::var_os("AXE").expect("AXE is the path of axe.min.js");
    let axe = fs::read_to_string(path).unwrap();
    let world = World::new();
    let page = page(&world);
    // How the page is opened, and what brings it into the state that is checked.
    let states = [
        ("", ""),
        ("#open=pictures", ""),
        ("#open=song", ""),
        ("#open=film", ""),
        ("#open=broken", ""),
        ("#open=words", ""),
        ("#q=nothing", ""),
        ("", "document.querySelector('#show-keys').click()"),
        ("", "dates.click()"),
        ("", "(document.querySelector('#grid .pick input').click(), document.querySelector('#grid .player button').click())"),
    ];
    for (theme, width) in [("light", 1280), ("dark", 390)] {
        let mut browser = Browser::start(width);
        browser.prefer("prefers-color-scheme", theme);
        for (fragment, action) in states {
            browser.navigate(&page, fragment);
            if !action.is_empty() {
                browser.eval(action);
            }
            browser.eval("await new Promise((done) => setTimeout(done, 300))");
            browser.run(&axe);
            assert_eq!(browser.eval(FINDINGS), Value::Array(Vec::new()), "{theme} {width} {fragment} {action}");
            // The same page with the same fragment would not load again.
            browser.navigate(std::path::Path::new("/"), "");
        }
    }
}

#[test]
#[ignore = "needs chromium"]
fn nothing_moves_by_itself_where_motion_is_reduced() {
    let world = World::new();
    let page = page(&world);
    let mut browser = Browser::start(1280);
    browser.prefer("prefers-reduced-motion", "reduce");
    browser.navigate(&page, "");
    browser.wait("document.querySelector('#grid video')?.readyState > 0");
    browser.eval("document.querySelector('#grid .clip .card').dispatchEvent(new PointerEvent('pointerenter'))");
    let moves = "[...document.querySelectorAll('*')].filter((node) => getComputedStyle(node).transitionDuration !== '0s').length";
    assert_eq!(browser.eval(&format!("[document.querySelector('#grid video').paused, {moves}]")), json!([true, 0]));
}
