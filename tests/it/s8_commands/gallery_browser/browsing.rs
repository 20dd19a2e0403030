//! Looking through the page: the grid, search, filters, order and size.

use std::fs;

use serde_json::json;

use super::{ALL, TITLES, assert_no_errors, page};
use crate::support::World;
use crate::support::browser::Browser;
use crate::support::commands::run_command;

#[test]
#[ignore = "needs chromium"]
fn grid_shows_all_tasks_newest_first_without_network_requests() {
    let world = World::new();
    let page = page(&world);
    for width in [390, 768, 1280, 1900] {
        let mut browser = Browser::open(&page, "", width);
        assert_eq!(browser.eval(TITLES), json!(ALL));
        browser.wait(
            "document.querySelector('#grid video')?.readyState > 0 && document.querySelector('#grid img')?.naturalWidth > 0",
        );
        assert_eq!(browser.eval("document.querySelectorAll('#grid .player').length"), 1);
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
        ("#platform=yescale&platform=lab", json!(ALL[..4])),
        ("#sort=old", json!(["broken", ALL[3], ALL[2], ALL[1], ALL[0]])),
        ("#kind=%3Cb%3E,constructor&state=toString&from=never&open=nobody&sort=__proto__&size=99&platform=x", json!(ALL)),
    ] {
        let mut browser = Browser::open(&page, fragment, 1280);
        assert_eq!(browser.eval(TITLES), shown, "{fragment}");
        assert_no_errors(&browser);
    }
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
