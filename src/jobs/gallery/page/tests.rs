use super::*;
use serde_json::json;

fn page(tasks: &[Value]) -> String {
    let mut page = Page::default();
    for task in tasks {
        page.add(serde_json::from_value(task.clone()).unwrap(), false);
    }
    page.into_html()
}

fn data(page: &str) -> Vec<Value> {
    let (_, rest) = page.split_once("type=\"application/json\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn file(path: &str) -> Value {
    json!({"kind": "video", "index": 1, "path": path, "size": 7, "sha256": "0".repeat(64), "duration_seconds": 5.1,
        "url": "https://h/x?sig=SECRET"})
}

#[test]
fn tasks_are_sorted_newest_first_and_undated_ones_last() {
    let at = |id: &str, time: &str| json!({"task_id": id, "state": "complete", "finish_time": time});
    let order = [
        at("b", "2025-07-27T06:48:50Z"),
        at("none", "soon"),
        at("new", "2026-01-01T00:00:00+01:00"),
        at("a", "2025-07-27T06:48:50Z"),
        json!({"task_id": "archived", "state": "failed", "archived_at": "2025-08-01T00:00:00Z"}),
    ];
    let mut reversed = order.clone();
    reversed.reverse();
    let page = page(&order);
    let ids: Vec<Value> = data(&page).into_iter().map(|mut task| task["id"].take()).collect();
    assert_eq!(ids, ["new", "archived", "a", "b", "none"]);
    assert_eq!(page, self::page(&reversed), "the same tasks give the same bytes");
}

#[test]
fn task_text_is_escaped_in_the_page_data() {
    let hostile = "</script><script>alert(1)</script><!--\u{2028}\u{2029}{{data}}{{script}}";
    let task = json!({"task_id": hostile, "state": "failed", "message": hostile, "err_reason": hostile, "text": hostile,
        "meta": {hostile: [hostile]}, "errors": [{"kind": "image", "index": 1, "error": hostile}]});
    let page = page(std::slice::from_ref(&task));
    assert_eq!(page.matches("<script").count(), self::page(&[]).matches("<script").count());
    assert!(!page.contains(['\u{2028}', '\u{2029}']));
    let card = &data(&page)[0];
    assert_eq!((&card["id"], &card["x"], &card["n"][0][0]), (&task["task_id"], &task["text"], &task["task_id"]));
    assert_eq!(card["e"], json!([["image 1", hostile]]));
}

#[test]
fn foreign_paths_and_url_signatures_are_left_out() {
    let page = page(&[json!({"task_id": "Odd", "state": "complete", "message": "see https://h/y?sig=SECRET",
        "meta": {"source": "https://h/z?sig=SECRET", "seed": 12_345_678_901_234_567_890_u64},
        "files": [file("../video-1.mp4"), file("other/video-1.mp4"), file("Odd-e2dc18b67f1f5ff0/manifest.json"),
            file(&format!("{}/video-1.mp4", layout::folder_name("Odd")))]})]);
    assert!(!page.contains("SECRET"));
    let card = &data(&page)[0];
    assert_eq!(card["f"], json!([["video-1.mp4", 7, 5.1]]));
    assert_eq!(card["d"], layout::folder_name("Odd"));
    assert_eq!(card["n"], json!([["source", "https://h/z"], ["seed", "12345678901234567890"]]));
}

#[test]
fn duration_of_the_file_is_shown_beside_one_that_contradicts_it() {
    let files = [("video-1.mp4", 1.3), ("video-2.mp4", 5.083)].map(|(name, measured)| {
        let mut file = file(&format!("t/{name}"));
        file["measured_duration_seconds"] = json!(measured);
        file
    });
    let page = page(&[json!({"task_id": "t", "state": "complete", "files": files})]);
    assert_eq!(data(&page)[0]["f"], json!([["video-1.mp4", 7, 5.1, 1.3], ["video-2.mp4", 7, 5.1]]));
}

#[test]
fn size_of_a_picture_and_what_made_it_are_in_the_data() {
    let mut file = file("t/video-1.mp4");
    (file["width"], file["height"], file["duration_seconds"]) = (json!(1920), json!(1080), Value::Null);
    let card = |message: &str| {
        let page = page(&[json!({"task_id": "t", "state": "complete", "message": message, "files": [file]})]);
        data(&page).remove(0)
    };
    let named = card("YEScale - KLING - v2 - Task Result");
    let expected = json!({"id": "t", "p": "kling", "v": "v2", "f": [["video-1.mp4", 7]], "z": [1920, 1080]});
    assert_eq!(named, expected, "a message that says no more is left out");
    assert_eq!(card("queued for long")["m"], "queued for long");
}

#[test]
fn single_task_page_links_to_files_beside_it() {
    let mut page = Page::default();
    let task = json!({"task_id": "t", "state": "complete", "files": [file("video-1.mp4")]});
    page.add(serde_json::from_value(task).unwrap(), true);
    let card = data(&page.into_html()).remove(0);
    assert_eq!(card, json!({"id": "t", "d": "", "f": [["video-1.mp4", 7, 5.1]]}));
}

#[test]
fn page_starts_with_the_mark_and_every_placeholder_is_filled() {
    let page = page(&[]);
    assert!(page.starts_with(PAGE_MARKER) && !page.contains("{{"), "{page}");
    for (text, start, end) in [(SCRIPT, "<script type=\"module\">", "</script>"), (STYLE, "<style>", "</style>")] {
        assert!(page.contains(&format!("{start}{text}{end}")), "what is hashed is what stands there");
        assert!(page.contains(&csp_hash(text)) && !text.contains('\r'));
    }
}
