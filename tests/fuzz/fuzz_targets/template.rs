//! Any template gives each file of any task a path of safe names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yescale_dl::fuzzing::expand;
use yescale_dl::manifest::TaskEntry;
use yescale_dl::Template;

fuzz_target!(|input: (String, String, String, String)| {
    let (template, id, prompt, extension) = input;
    let Ok(template) = template.parse::<Template>() else { return };
    let task = serde_json::json!({
        "task_id": id, "state": "complete", "archived_at": "2026-11-30T00:00:00Z", "meta": {"prompt": prompt, "title": prompt},
        "files": [{"path": format!("{id}/video-1.{extension}"), "kind": "video", "index": 1, "size": 1, "sha256": "0".repeat(64)}],
    });
    let Ok(task) = serde_json::from_value::<TaskEntry>(task) else { return };
    for name in expand(&template, &task).into_iter().flatten() {
        assert!((1..=200).contains(&name.len()), "{name:?}");
        assert!(!name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']) && !name.chars().any(char::is_control), "{name:?}");
        assert!(!name.starts_with(['.', '-', ' ']) && !name.ends_with(['.', ' ']), "{name:?}");
    }
});
