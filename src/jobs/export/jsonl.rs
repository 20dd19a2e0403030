//! JSON lines: an object per row of the table that `csv` writes, with the values as they are.
//!
//! Every object has every field, in the same order, so that a reader knows all columns after the first line; a value that is
//! unknown is null. `meta` is the object of the input list, `warnings` a list, `text` the text of the task. Control characters are
//! escaped, so that a line is always an object.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::rows::{Row, plausible, rows};
use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;
use crate::domain::code::AssetErrorCode;
use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::integrity::digest::Sha256Hex;
use crate::redact::{escape_control_chars_json, redact_urls};

#[derive(Serialize)]
struct Line<'a> {
    task_id: &'a str,
    state: State,
    platform: Option<&'a str>,
    model: Option<&'a str>,
    kind: Option<Kind>,
    index: Option<usize>,
    path: Option<String>,
    size: Option<u64>,
    sha256: Option<&'a Sha256Hex>,
    content_type: Option<&'a str>,
    detected_type: Option<&'a str>,
    duration_seconds: Option<f64>,
    duration_source: Option<&'a str>,
    measured_duration_seconds: Option<f64>,
    width: Option<u32>,
    height: Option<u32>,
    frame_rate: Option<&'a str>,
    video_codec: Option<&'a str>,
    audio_codec: Option<&'a str>,
    sample_rate: Option<u32>,
    channels: Option<u32>,
    content_credentials: Option<bool>,
    last_modified: Option<&'a str>,
    verified_by: Option<&'a str>,
    warnings: Vec<String>,
    code: Option<AssetErrorCode>,
    http_status: Option<u16>,
    error: Option<String>,
    status: Option<&'a str>,
    progress: Option<&'a str>,
    message: Option<String>,
    err_reason: Option<String>,
    submit_time: Option<&'a str>,
    finish_time: Option<&'a str>,
    archived_at: Option<&'a str>,
    meta: Option<&'a Map<String, Value>>,
    text: Option<&'a str>,
    text_path: Option<String>,
}

/// Writes a line for each row of `tasks`. `items` are the files to write, in the order of their tasks.
pub(super) fn write(tasks: &[TaskEntry], items: &[ExportItem<'_>], base: &PathBase, to: &mut dyn Write) -> io::Result<()> {
    for row in rows(tasks, items) {
        writeln!(to, "{}", escape_control_chars_json(serde_json::to_string(&Line::new(row, base))?))?;
    }
    Ok(())
}

impl<'a> Line<'a> {
    fn new(row: Row<'a>, base: &PathBase) -> Self {
        let (task, file, error, key) = (row.task, row.file(), row.error(), row.key());
        Self {
            task_id: &task.task_id,
            state: task.state,
            platform: task.platform.as_deref(),
            model: task.model.as_deref(),
            kind: key.map(|key| key.kind),
            index: key.map(|key| key.index),
            path: file.map(|file| base.path(file)),
            size: file.map(FileEntry::size),
            sha256: file.map(FileEntry::sha256),
            content_type: file.and_then(|file| file.content_type.as_deref()),
            detected_type: file.and_then(|file| file.detected_type.as_deref()),
            duration_seconds: file.and_then(|file| plausible(file.duration_seconds)),
            duration_source: file.and_then(|file| file.duration_source.as_deref()),
            measured_duration_seconds: file.and_then(|file| plausible(file.measured_duration_seconds)),
            width: file.and_then(|file| file.width),
            height: file.and_then(|file| file.height),
            frame_rate: file.and_then(|file| file.frame_rate.as_deref()),
            video_codec: file.and_then(|file| file.video_codec.as_deref()),
            audio_codec: file.and_then(|file| file.audio_codec.as_deref()),
            sample_rate: file.and_then(|file| file.sample_rate),
            channels: file.and_then(|file| file.channels),
            content_credentials: file.and_then(|file| file.content_credentials),
            last_modified: file.and_then(|file| file.last_modified.as_deref()),
            verified_by: file.and_then(|file| file.verified_by.as_deref()),
            warnings: file.map(|file| file.warnings.iter().map(|text| words(text)).collect()).unwrap_or_default(),
            code: error.and_then(AssetError::code),
            http_status: error.and_then(AssetError::http_status),
            error: error.map(|error| words(&error.error)),
            status: task.status.as_deref(),
            progress: task.progress.as_deref(),
            message: task.message.as_deref().map(words),
            err_reason: task.err_reason.as_deref().map(words),
            submit_time: task.submit_time.as_deref(),
            finish_time: task.finish_time.as_deref(),
            archived_at: task.archived_at.as_deref(),
            meta: task.meta.as_ref(),
            text: task.text.as_deref(),
            text_path: row.text_path().map(|path| base.text_path(path)),
        }
    }
}

/// A text for people.
fn words(text: &str) -> String {
    redact_urls(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{task, written};
    use crate::jobs::export::path_base::tests::beside;
    use serde_json::json;

    #[test]
    fn a_row_has_every_field_with_its_value_and_no_url() {
        let facts = json!({"duration_seconds": 5, "width": 1280, "height": 720, "frame_rate": "30000/1001", "video_codec": "h264",
            "audio_codec": "aac", "sample_rate": 44100, "channels": 2, "content_credentials": true, "measured_duration_seconds": -1,
            "url": "https://h/x?sig=SECRET", "warnings": ["see https://h/x?sig=SECRET", "=1"]});
        let mut mixed = task("=1\u{2028}", &[("video", "t/video-1.mp4", facts.clone())]);
        (mixed.platform, mixed.model) = (Some("kling".to_owned()), Some("v2".to_owned()));
        mixed.meta = json!({"seed": 12_345_678_901_234_567_890_u64, "prompt": "a\ncat"}).as_object().cloned();
        (mixed.text, mixed.text_path) = (Some("la\nla".to_owned()), Some("../text.txt".to_owned()));
        mixed.errors = serde_json::from_value(json!([
            {"kind": "image", "index": 2, "url": "https://h/x?sig=SECRET", "code": "dead_link", "http_status": 404, "error": "gone"}
        ]))
        .unwrap();
        let text = written(TextFormat::Jsonl, &mixed, &beside("a"));
        assert!(!text.contains("SECRET") && !text.contains('\u{2028}'), "{text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        let columns = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(columns(&lines[0]), columns(&lines[1]));
        for name in
            ["width", "height", "frame_rate", "video_codec", "audio_codec", "sample_rate", "channels", "content_credentials"]
        {
            assert_eq!((&lines[0][name], &lines[1][name]), (&facts[name], &Value::Null), "{name}");
        }
        let file =
            json!([lines[0]["task_id"], lines[0]["platform"], lines[0]["meta"]["seed"], lines[0]["text"], lines[0]["warnings"]]);
        let seed = 12_345_678_901_234_567_890_u64;
        assert_eq!(file, json!(["=1\u{2028}", "kling", seed, "la\nla", ["see https://h/x", "=1"]]));
        assert_eq!(
            json!([lines[0]["measured_duration_seconds"], lines[0]["text_path"], lines[0]["index"]]),
            json!([null, null, 1])
        );
        let error = json!([lines[1]["kind"], lines[1]["index"], lines[1]["code"], lines[1]["http_status"], lines[1]["error"]]);
        assert_eq!(error, json!(["image", 2, "dead_link", 404, "gone"]));
        assert_eq!((&lines[1]["path"], lines[1]["model"].as_str()), (&Value::Null, Some("v2")));
        let alone = written(TextFormat::Jsonl, &task("t", &[]), &beside("a"));
        assert!(
            alone.starts_with(r#"{"task_id":"t","state":"complete","platform":null,"#) && alone.lines().count() == 1,
            "{alone}"
        );
    }
}
