use super::*;
use crate::domain::manifest::tests::entry;
use crate::domain::manifest::{TaskEntry, write};

fn render(tasks: &[TaskEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, |push| tasks.iter().try_for_each(push)).unwrap();
    bytes
}

fn scan(text: &[u8]) -> Option<(Vec<String>, Range<u64>)> {
    let mut ids = Vec::new();
    let range = scan_layout(text, |id, task| {
        assert_eq!(task.id().as_deref(), Some(id));
        ids.push(id.to_owned());
        true
    });
    range.unwrap().map(|range| (ids, range))
}

fn tasks() -> Vec<TaskEntry> {
    let mut tasks: Vec<TaskEntry> = ["a", "b\"\\{", "c", "d\u{1}\n", "é"].map(entry).into();
    tasks[0].text = Some("la {[ \"\n    }".to_owned());
    tasks[2].meta = serde_json::from_str(r#"{"x": {"y": [1, {}], "z": "\""}}"#).unwrap();
    tasks
}

#[test]
fn own_layout_is_scanned() {
    let tasks = tasks();
    let text = render(&tasks);
    let (ids, range) = scan(&text).unwrap();
    assert!(ids.iter().eq(tasks.iter().map(|task| &task.task_id)));
    let list = &text[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
    assert!(list.starts_with(START) && list.ends_with(END));
    for id in &ids {
        assert_eq!(RawTask::from(find_entry(list, id).unwrap()).id().as_ref(), Some(id));
    }
}

#[test]
fn manifest_that_is_longer_than_a_read_is_scanned() {
    let mut tasks: Vec<TaskEntry> = (0..20_000).map(|n| entry(&format!("{n:06}"))).collect();
    tasks[7].text = Some("x".repeat(3 << 20));
    assert_eq!(scan(&render(&tasks)).unwrap().0.len(), tasks.len());
}

#[test]
fn other_layouts_are_not_scanned() {
    let text = String::from_utf8(render(&tasks())).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let swapped: Vec<TaskEntry> = tasks().into_iter().rev().collect();
    let twice = [tasks()[0].clone(), tasks()[0].clone()];
    for other in [
        String::new(),
        format!("\u{feff}{text}"),
        text.replace('\n', "\r\n"),
        text.replace("  ", "\t"),
        value.to_string(),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        text.replace("manifest_version\": 1", "manifest_version\": 2"),
        text.replace("yescale-dl ", "other "),
        text.replace("\n  ]\n}\n", "\n  ],\n  \"more\": 1\n}\n"),
        text.replace("    },\n    {", "    }\n    {"),
        text.replace("    },\n    {", "    },\n    7,\n    {"),
        text.replace("    },\n    {", "    },\n    {\"task_id\": \"aa\"},\n    {"),
        text.replace("    },\n    {", "    }, {"),
        text.replace("      \"errors\": []", "      \"errors\": [,"),
        text.replace("      \"errors\": []", "      \"more\": [{\n    },\n    {\n      \"task_id\": \"aa\",\n      \"x\": 1}]"),
        text.replace("\"state\"", "\"state"),
        text.replace("complete", "comp\0ete"),
        text.replace("\"task_id\"", "\"task_ie\""),
        text.replacen("[]", "]", 1),
        String::from_utf8(render(&swapped)).unwrap(),
        String::from_utf8(render(&twice)).unwrap(),
        String::from_utf8(render(&[])).unwrap(),
    ] {
        assert_eq!(scan(other.as_bytes()), None, "{other}");
    }
    assert_eq!(scan(&[text.as_bytes(), &[0; 100]].concat()), None);
    assert_eq!(
        scan(
            &text
                .replace("complete", "comp\u{fe}ete")
                .into_bytes()
                .iter()
                .map(|byte| if *byte == 0xc3 { 0xff } else { *byte })
                .collect::<Vec<u8>>()
        ),
        None
    );
    for end in 0..text.len() {
        assert_eq!(scan(&text.as_bytes()[..end]), None, "cut at {end}");
    }
}

#[test]
fn beginning_and_end_show_a_manifest_of_many_tasks() {
    let frames = |text: &[u8]| frames_many_tasks(io::Cursor::new(text)).unwrap();
    let text = render(&tasks());
    assert!(frames(&text));
    let mut long = tasks();
    long[3].text = Some("x".repeat(1 << 20));
    let long = render(&long);
    assert!(frames(&long));
    for end in 0..text.len() {
        assert!(!frames(&text[..end]), "cut at {end}");
    }
    for other in [render(&tasks()[..1]), render(&[]), [long.as_slice(), b" "].concat(), [b" ", long.as_slice()].concat()] {
        assert!(!frames(&other));
    }
    let foreign = String::from_utf8(text).unwrap().replace("yescale-dl ", "other ");
    assert!(!frames(foreign.as_bytes()));
}

#[test]
fn scan_ends_when_it_is_told_to() {
    let mut count = 0;
    let range = scan_layout(render(&tasks()).as_slice(), |_, _| {
        count += 1;
        count < 2
    });
    assert_eq!((range.unwrap(), count), (None, 2));
}
