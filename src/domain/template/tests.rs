use super::*;
use serde_json::{Value, json};

/// The path that a template gives the first file of a task with these fields.
fn path(template: &str, fields: &Value) -> String {
    let file = json!({"kind": "video", "index": 1, "path": "t/video-1.mp4", "size": 1, "sha256": "0".repeat(64), "width": 1280});
    let mut task = json!({"task_id": "t:1", "state": "complete", "platform": "kling", "files": [file],
        "finish_time": "2026-10-01T22:30:05Z"});
    task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let task: TaskEntry = serde_json::from_value(task).unwrap();
    let zone = TimeZone::fixed(jiff::tz::offset(7));
    let NamedPath { folders, file } = template.parse::<Template>().unwrap().path(&task, &task.files[0], &zone);
    folders.iter().chain([&file]).map(|name| name.numbered(1)).collect::<Vec<_>>().join("/")
}

fn prompt(prompt: &str) -> Value {
    json!({"meta": {"prompt": prompt, "a:b": "colon", "n": 7}})
}

#[test]
fn fields_are_replaced_and_unknown_values_are_empty() {
    let fields = prompt("a cat\non the moon");
    for (template, expected) in [
        (DEFAULT_TEMPLATE, "2026-10-02 kling a cat on the moon video1.mp4"),
        ("{year}/{month}-{day}/{time} {width}x{height}", "2026/10-02/05-30-05 1280x.mp4"),
        ("{model} {title:5} {meta.none} {state}.{ext}", "a cat complete.mp4"),
        ("{{{id}}} {meta.n} {meta.a:b} {meta.a:b:2}", "{t 1} 7 colon co.mp4"),
        ("{model}/{meta.none}/{kind}", "t 1/t 1/video.mp4"),
        ("a//b", "a/t 1/b.mp4"),
        ("a/", "a/t 1.mp4"),
        (".{ext}", "t 1.mp4"),
        ("{title}.{ext}/{ext}", "a cat on the moon.mp4/mp4.mp4"),
        ("a\\b: {n}", "a b 1.mp4"),
        ("... {title}", "a cat on the moon.mp4"),
    ] {
        assert_eq!(path(template, &fields), expected, "{template}");
    }
    assert_eq!(path("{date}{time}{title}", &json!({"finish_time": "soon", "meta": null})), "t 1.mp4");
}

#[test]
fn value_is_no_template_and_makes_no_folder() {
    for (value, expected) in [
        ("{id} {{x}} {nope", "{id} {{x}} {nope.mp4"),
        ("a/b\\c", "a b c.mp4"),
        ("../../x", "x.mp4"),
        ("/", "t 1.mp4"),
        ("CON", "CON_.mp4"),
        ("", "t 1.mp4"),
    ] {
        assert_eq!(path("{prompt}.{ext}", &prompt(value)), expected, "{value}");
        assert_eq!(path("{prompt}/{kind}", &prompt(value)).matches('/').count(), 1, "{value}");
    }
    let long = path("{prompt}/{prompt:70}", &prompt(&"🏳️‍🌈".repeat(10_000)));
    assert!(long.split('/').all(|part| part.len() <= 200), "{long}");
}

#[test]
fn hostile_ids_are_safe_names() {
    for id in ["..", "/", "\u{202e}", "CON", &"x".repeat(10_000), "???"] {
        let path = path("{meta.none}/{id}", &json!({"task_id": id}));
        let is_safe = |part: &str| crate::domain::file_name::is_safe(part);
        assert!(path.split('/').count() == 2 && path.split('/').all(is_safe), "{id} {path}");
    }
}

#[test]
fn number_has_the_zeros_of_the_archive() {
    let file = |name: &str| json!({"files": [{"kind": "image", "index": 3, "path": name, "size": 1, "sha256": "0".repeat(64)}]});
    for (name, expected) in [("t/image-03.png", "image03.png"), ("image-3.png", "image3.png"), ("image-9.png", "image3.png")] {
        assert_eq!(path("{kind}{n}.{ext}", &file(name)), expected);
    }
}

#[test]
fn what_is_no_template_is_refused_with_the_reason() {
    let long = "a".repeat(5000);
    for (text, error) in [
        ("", TemplateError::Empty),
        (&long, TemplateError::TooLong),
        ("{title", TemplateError::Brace('{')),
        ("title}", TemplateError::Brace('}')),
        ("{titel}", TemplateError::UnknownField("titel".to_owned())),
        ("{}", TemplateError::UnknownField(String::new())),
        ("{meta.}", TemplateError::UnknownField("meta.".to_owned())),
        ("{Title}", TemplateError::UnknownField("Title".to_owned())),
        ("{title:x}", TemplateError::Length("x".to_owned())),
        ("{title:}", TemplateError::Length(String::new())),
        ("{title:0}", TemplateError::Length("0".to_owned())),
        ("{title:+1}", TemplateError::Length("+1".to_owned())),
        ("{title:99999999999999999999999}", TemplateError::Length("99999999999999999999999".to_owned())),
        ("/tmp/{title}", TemplateError::Climbs),
        ("../{title}", TemplateError::Climbs),
        ("a/./{title}", TemplateError::Climbs),
    ] {
        assert_eq!(text.parse::<Template>().unwrap_err(), error, "{text}");
    }
}

#[test]
fn every_field_is_listed_and_can_be_used() {
    for (name, meaning) in template_fields() {
        assert!(format!("{{{name}}}").parse::<Template>().is_ok() && !meaning.is_empty(), "{name}");
    }
}
