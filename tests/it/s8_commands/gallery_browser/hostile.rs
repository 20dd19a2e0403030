//! Texts and files of tasks that try to run a script or to break the page.

use serde_json::json;

use super::assert_no_errors;
use crate::support::browser::Browser;
use crate::support::{Answer, Reply, World};

/// Set when a script in the data ran.
const HOSTILE: &str = "</script><script>window.ran=1</script><img src=x onerror=window.ran=1><svg onload=window.ran=1>\
    <iframe src=\"javascript:top.ran=1\"></iframe>{{script}}\u{2028}\u{202e}javascript:window.ran=1";

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
        browser.eval(&format!("document.querySelectorAll('#grid .card')[{index}].click()"));
        browser.wait("viewer.open && [...document.images].every((image) => image.complete)");
        browser.eval("viewer.close()");
        browser.wait("location.hash === ''");
    }
    let made =
        "document.querySelectorAll('iframe, svg:not(.icon), #grid script, dialog script, [onerror], [onload], [src=x]').length";
    assert_eq!(browser.eval(&format!("[{made}, window.ran ?? 0, document.scripts.length]")), json!([0, 0, 2]));
    assert_no_errors(&browser);
    // The content security policy applies even to markup that the page's script would let through.
    browser.eval("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')");
    browser.eval("document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran=1' }))");
    browser.wait("document.querySelector('[src=x]').complete");
    assert_eq!(browser.eval("await fetch('manifest.json').catch(() => 'refused')"), "refused");
    assert_eq!(browser.eval("window.ran ?? 0"), 0);
}
