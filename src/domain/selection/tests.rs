//! Tests of filters and orders.

use super::*;
use serde_json::{Value, json};

fn task(id: &str, fields: Value) -> TaskEntry {
    let mut task = json!({"task_id": id, "state": "complete"});
    let Value::Object(fields) = fields else { panic!("the fields are an object") };
    task.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(task).unwrap()
}

fn file(kind: &str, index: usize, size: u64) -> Value {
    json!({"kind": kind, "index": index, "path": format!("t/{kind}-{index}.bin"), "size": size, "sha256": "0".repeat(64)})
}

fn ids(tasks: &[TaskEntry]) -> Vec<&str> {
    tasks.iter().map(|task| task.task_id.as_str()).collect()
}

const NO_KIND: KindFilter = KindFilter { video: false, image: false, audio: false, file: false, text: false };

#[test]
fn empty_filter_accepts_every_task_and_keeps_every_file() {
    let filter = TaskFilter::default();
    assert!(filter.is_empty());
    for fields in [json!({}), json!({"files": [file("video", 1, 1)]}), json!({"finish_time": "soon"})] {
        let mut task = task("t", fields);
        assert!(filter.accepts(&task));
        let before = task.clone();
        filter.select_files(&mut task);
        assert_eq!(task, before);
    }
}

#[test]
fn a_task_must_meet_every_condition() {
    let task = task("t", json!({"platform": "kling", "model": "v2", "state": "failed"}));
    let filter = |ids: &[&str], states: &[State], platforms: &[&str]| TaskFilter {
        ids: (!ids.is_empty()).then(|| ids.iter().map(|id| (*id).to_owned()).collect()),
        states: states.to_vec(),
        platforms: platforms.iter().map(|name| (*name).to_owned()).collect(),
        ..TaskFilter::default()
    };
    assert!(filter(&["x", "t"], &[State::Complete, State::Failed], &["suno", "KLING"]).accepts(&task));
    assert!(!filter(&["T"], &[], &[]).accepts(&task));
    assert!(!filter(&["t"], &[State::Complete], &[]).accepts(&task));
    assert!(!filter(&["t"], &[State::Failed], &["klin"]).accepts(&task));
    assert!(!filter(&[], &[], &["kling"]).accepts(&self::task("t", json!({}))));
    assert!(!TaskFilter { ids: Some(IndexSet::new()), ..TaskFilter::default() }.accepts(&task), "an empty list selects nothing");
}

#[test]
fn grep_ignores_case_and_unicode_form() {
    let prompt = |text: &str| task("t1", json!({"meta": {"prompt": text}}));
    for (text, grep) in [
        ("A Cat on the Moon", "cat ON"),
        ("con mèo", "CON MÈO"),
        ("con me\u{300}o", "MÈO"),
        ("ΟΔΟΣ", "οδος"),
        ("οδος", "ΟΔΟΣ"),
        ("Straße", "STRASSE"),
        ("КОТ на луне", "кот НА"),
        ("[a.*b]", "[A.*B]"),
        ("no", "T1"),
    ] {
        let filter = TaskFilter { grep: Some(grep.to_owned()), ..TaskFilter::default() };
        assert!(filter.accepts(&prompt(text)), "{text} {grep}");
    }
    let grep = |grep: &str, fields: Value| {
        TaskFilter { grep: Some(grep.to_owned()), ..TaskFilter::default() }.accepts(&task("t", fields))
    };
    assert!(grep("la", json!({"text": "x\nLA la"})));
    assert!(grep("kling", json!({"message": "YEScale - KLING"})));
    assert!(grep("V2", json!({"model": "v2"})));
    assert!(!grep("reason", json!({"err_reason": "reason", "meta": {"other": "reason"}})));
    assert!(!grep("e", json!({"text": "è"})));
}

#[test]
fn times_are_since_inclusive_and_until_exclusive() {
    let at = |time: &str| Some(time.parse().unwrap());
    let filter = TaskFilter { since: at("2026-10-01T00:00:00Z"), until: at("2026-10-02T00:00:00Z"), ..TaskFilter::default() };
    for (fields, is_accepted) in [
        (json!({"finish_time": "2026-10-01T00:00:00Z"}), true),
        (json!({"finish_time": "2026-10-01T23:59:59.999Z"}), true),
        (json!({"finish_time": "2026-10-02T00:00:00Z"}), false),
        (json!({"finish_time": "2026-09-30T23:59:59Z"}), false),
        (json!({"submit_time": "2026-10-01T07:00:00Z"}), true),
        (json!({"finish_time": "2026-10-03T00:00:00Z", "submit_time": "2026-10-01T07:00:00Z"}), false),
        (json!({"archived_at": "2026-10-01T07:00:00Z"}), true),
        (json!({}), false),
    ] {
        assert_eq!(filter.accepts(&task("t", fields.clone())), is_accepted, "{fields}");
    }
}

#[test]
fn kinds_select_tasks_and_the_files_within() {
    let error = json!({"kind": "audio", "index": 1, "error": "x"});
    let fields = json!({"files": [file("video", 1, 1), file("image", 1, 2)], "errors": [error], "text": "la",
        "text_path": "t/text.txt"});
    let mixed = task("t", fields);
    let select = |kinds| {
        let selection = Selection { filter: TaskFilter { kinds: Some(kinds), ..TaskFilter::default() }, ..Selection::default() };
        selection.select(vec![mixed.clone(), task("empty", json!({}))]).tasks
    };
    let images = select(KindFilter { image: true, ..NO_KIND });
    assert_eq!((images[0].files.len(), images[0].errors.len(), images[0].bytes()), (1, 0, 2));
    assert_eq!((images[0].text.as_deref(), &images[0].text_path), (Some("la"), &None));
    let audio = select(KindFilter { audio: true, ..NO_KIND });
    assert_eq!((ids(&audio), audio[0].files.len(), audio[0].errors.len()), (vec!["t"], 0, 1));
    let text = select(KindFilter { text: true, ..NO_KIND });
    assert_eq!((text[0].files.len(), text[0].text_path.as_deref()), (0, Some("t/text.txt")));
    assert_eq!(ids(&select(NO_KIND)), [""; 0]);
}

#[test]
fn order_is_total_and_ties_are_by_id_in_both_directions() {
    let tasks = || {
        vec![
            task("b", json!({"finish_time": "2026-01-02T00:00:00Z", "files": [file("video", 1, 5)]})),
            task("a", json!({"finish_time": "2026-01-02T00:00:00Z", "files": [file("video", 1, 9)]})),
            task("c", json!({"finish_time": "2026-01-01T00:00:00Z", "files": [file("video", 1, 5)]})),
            task("d", json!({})),
        ]
    };
    let ordered = |sort, reverse, wanted: &[&str]| {
        let ids = (!wanted.is_empty()).then(|| wanted.iter().map(|id| (*id).to_owned()).collect());
        let selection = Selection { filter: TaskFilter { ids, ..TaskFilter::default() }, sort, reverse };
        let selected = selection.select(tasks());
        (selected.tasks.into_iter().map(|task| task.task_id).collect::<String>(), selected.missing_ids.join(","))
    };
    for (sort, reverse, wanted, expected, missing) in [
        (None, false, &[][..], "dcab", ""),
        (Some(SortKey::Time), true, &[], "abcd", ""),
        (Some(SortKey::Id), false, &[], "abcd", ""),
        (Some(SortKey::Id), true, &[], "dcba", ""),
        (Some(SortKey::Size), false, &[], "dbca", ""),
        (Some(SortKey::Size), true, &[], "abcd", ""),
        (None, false, &["c", "x", "a", "c", "y"], "ca", "x,y"),
        (None, true, &["c", "a", "b"], "bac", ""),
        (Some(SortKey::Time), false, &["b", "a", "c"], "cab", ""),
    ] {
        assert_eq!(ordered(sort, reverse, wanted), (expected.to_owned(), missing.to_owned()), "{sort:?} {reverse} {wanted:?}");
    }
}

#[test]
fn an_id_that_another_condition_rejects_is_not_missing() {
    let filter = TaskFilter { ids: Some(["a".to_owned()].into()), states: vec![State::Failed], ..TaskFilter::default() };
    let selected = Selection { filter, ..Selection::default() }.select(vec![task("a", json!({}))]);
    assert!(selected.tasks.is_empty() && selected.missing_ids.is_empty());
}
