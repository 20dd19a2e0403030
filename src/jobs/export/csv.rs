//! A table with one row per file, per asset that could not be saved, and per task that has neither: RFC 4180, UTF-8, with a
//! header line.
//!
//! The columns are the facts of the manifest. New columns are added at the end, so that a reader may count them. A row of an error
//! has the asset's kind and number, but no path; a row of a task alone has none of these.
//!
//! A spreadsheet evaluates a cell that begins with `=`, `+`, `-` or `@` as a formula, some also behind blanks, so such a text gets
//! a `'` in front. No number is negative, and paths never begin so. URLs are left out, and those in texts lose their query: they
//! are signed, and tables are often shared.

use std::borrow::Cow;
use std::io::{self, Write};

use ::csv::{ErrorKind, WriterBuilder};
use serde::Serialize;
use serde_json::{Map, Value};

use super::rows::{Row, plausible, rows};
use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;
use crate::domain::code::AssetErrorCode;
use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::integrity::digest::Sha256Hex;
use crate::redact::redact_urls;

#[derive(Serialize)]
struct Cells<'a> {
    task_id: Cow<'a, str>,
    state: State,
    kind: Option<Kind>,
    index: Option<usize>,
    path: Option<String>,
    size: Option<u64>,
    sha256: Option<&'a Sha256Hex>,
    content_type: Cow<'a, str>,
    duration_seconds: Option<f64>,
    finish_time: Cow<'a, str>,
    meta: String,
    measured_duration_seconds: Option<f64>,
    duration_source: Cow<'a, str>,
    detected_type: Cow<'a, str>,
    last_modified: Cow<'a, str>,
    verified_by: Cow<'a, str>,
    warnings: String,
    code: Option<AssetErrorCode>,
    http_status: Option<u16>,
    error: String,
    status: Cow<'a, str>,
    progress: Cow<'a, str>,
    message: String,
    err_reason: String,
    submit_time: Cow<'a, str>,
    archived_at: Cow<'a, str>,
    text_path: Option<String>,
    platform: Cow<'a, str>,
    model: Cow<'a, str>,
    width: Option<u32>,
    height: Option<u32>,
    frame_rate: Cow<'a, str>,
    video_codec: Cow<'a, str>,
    audio_codec: Cow<'a, str>,
    sample_rate: Option<u32>,
    channels: Option<u32>,
    content_credentials: Option<bool>,
}

/// The header line, written separately so that an empty table has it too.
const HEADINGS: [&str; 37] = [
    "task_id",
    "state",
    "kind",
    "index",
    "path",
    "size",
    "sha256",
    "content_type",
    "duration_seconds",
    "finish_time",
    "meta",
    "measured_duration_seconds",
    "duration_source",
    "detected_type",
    "last_modified",
    "verified_by",
    "warnings",
    "code",
    "http_status",
    "error",
    "status",
    "progress",
    "message",
    "err_reason",
    "submit_time",
    "archived_at",
    "text_path",
    "platform",
    "model",
    "width",
    "height",
    "frame_rate",
    "video_codec",
    "audio_codec",
    "sample_rate",
    "channels",
    "content_credentials",
];

/// Writes the rows of `tasks`. `items` are the files to write, in the order of their tasks.
pub(super) fn write(tasks: &[TaskEntry], items: &[ExportItem<'_>], base: &PathBase, to: &mut dyn Write) -> io::Result<()> {
    let mut table = WriterBuilder::new().has_headers(false).from_writer(to);
    table.write_record(HEADINGS).map_err(into_io_error)?;
    for row in rows(tasks, items) {
        table.serialize(Cells::new(row, base)).map_err(into_io_error)?;
    }
    table.flush()
}

/// The I/O error inside, with its kind: a closed pipe is no failure.
fn into_io_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

impl<'a> Cells<'a> {
    fn new(row: Row<'a>, base: &PathBase) -> Self {
        let (task, file, error, key) = (row.task, row.file(), row.error(), row.key());
        Self {
            task_id: escape_formula(&task.task_id),
            state: task.state,
            kind: key.map(|key| key.kind),
            index: key.map(|key| key.index),
            path: file.map(|file| base.path(file)),
            size: file.map(FileEntry::size),
            sha256: file.map(FileEntry::sha256),
            content_type: cell(file.and_then(|file| file.content_type.as_ref())),
            duration_seconds: file.and_then(|file| plausible(file.duration_seconds)),
            finish_time: cell(task.finish_time.as_ref()),
            meta: task.meta.clone().map(json).unwrap_or_default(),
            measured_duration_seconds: file.and_then(|file| plausible(file.measured_duration_seconds)),
            duration_source: cell(file.and_then(|file| file.duration_source.as_ref())),
            detected_type: cell(file.and_then(|file| file.detected_type.as_ref())),
            last_modified: cell(file.and_then(|file| file.last_modified.as_ref())),
            verified_by: cell(file.and_then(|file| file.verified_by.as_ref())),
            warnings: file.map(|file| words(&file.warnings.join("; "))).unwrap_or_default(),
            code: error.and_then(AssetError::code),
            http_status: error.and_then(AssetError::http_status),
            error: error.map(|error| words(&error.error)).unwrap_or_default(),
            status: cell(task.status.as_ref()),
            progress: cell(task.progress.as_ref()),
            message: words(task.message.as_deref().unwrap_or_default()),
            err_reason: words(task.err_reason.as_deref().unwrap_or_default()),
            submit_time: cell(task.submit_time.as_ref()),
            archived_at: cell(task.archived_at.as_ref()),
            text_path: row.text_path().map(|path| base.text_path(path)),
            platform: cell(task.platform.as_ref()),
            model: cell(task.model.as_ref()),
            width: file.and_then(|file| file.width),
            height: file.and_then(|file| file.height),
            frame_rate: cell(file.and_then(|file| file.frame_rate.as_ref())),
            video_codec: cell(file.and_then(|file| file.video_codec.as_ref())),
            audio_codec: cell(file.and_then(|file| file.audio_codec.as_ref())),
            sample_rate: file.and_then(|file| file.sample_rate),
            channels: file.and_then(|file| file.channels),
            content_credentials: file.and_then(|file| file.content_credentials),
        }
    }
}

fn json(meta: Map<String, Value>) -> String {
    Value::Object(meta).to_string()
}

/// A text for people.
fn words(text: &str) -> String {
    escape_formula(&redact_urls(text)).into_owned()
}

fn cell(text: Option<&String>) -> Cow<'_, str> {
    escape_formula(text.map(String::as_str).unwrap_or_default())
}

fn escape_formula(text: &str) -> Cow<'_, str> {
    // Blanks of any kind, and characters that are not shown.
    let is_ignored =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    // The full-width forms are the same characters to some programs.
    let is_formula = text.trim_start_matches(is_ignored).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if is_formula || text.starts_with(['\t', '\r', '\n']) { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{task, written};
    use crate::jobs::export::path_base::tests::beside;
    use crate::jobs::export::rows::Part;
    use serde_json::json;

    fn parse(table: &str) -> Vec<Vec<String>> {
        let records = ::csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes()).into_records();
        records.map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn empty_table_has_a_header_that_matches_the_row_fields() {
        let mut empty = Vec::new();
        write(&[], &[], &beside("a"), &mut empty).unwrap();
        assert_eq!(parse(&String::from_utf8(empty).unwrap()), [HEADINGS]);
        let task = task("t", &[("video", "t/video-1.mp4", json!({}))]);
        let row = Row { task: &task, part: Part::File(&task.files[0]) };
        let row = serde_json::to_value(Cells::new(row, &beside("a"))).unwrap();
        assert!(row.as_object().unwrap().keys().eq(HEADINGS.iter()));
    }

    /// Readers count the columns, so this line never changes: a new column is added to [`HEADINGS`] alone.
    const FIRST_HEADINGS: &str = "task_id,state,kind,index,path,size,sha256,content_type,duration_seconds,finish_time,meta,\
        measured_duration_seconds,duration_source,detected_type,last_modified,verified_by,warnings,code,http_status,error,status,\
        progress,message,err_reason,submit_time,archived_at,text_path,platform,model,width,height,frame_rate,video_codec,\
        audio_codec,sample_rate,channels,content_credentials";

    #[test]
    fn new_columns_are_added_at_the_end_only() {
        let mut empty = Vec::new();
        write(&[], &[], &beside("a"), &mut empty).unwrap();
        let header = String::from_utf8(empty).unwrap();
        let rest = header.strip_prefix(FIRST_HEADINGS).unwrap_or_else(|| panic!("{header}"));
        assert!(rest.starts_with([',', '\r', '\n']), "{header}");
    }

    #[test]
    fn cells_are_quoted_and_formulas_are_neutralized() {
        for (id, cell) in [
            ("a,b\"c\r\nd;e", "a,b\"c\r\nd;e"),
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("-1", "'-1"),
            ("+1", "'+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("' ", "' "),
        ] {
            let mut task = task(id, &[("video", "t/video-1.mp4", json!({"content_type": id, "duration_seconds": 2.5}))]);
            task.finish_time = Some(id.to_owned());
            task.meta = json!({"prompt": id}).as_object().cloned();
            let rows = parse(&written(TextFormat::Csv, &task, &beside("=a,\"b")));
            let meta = json!({"prompt": id}).to_string();
            let zeros = "0".repeat(64);
            let expected = [cell, "complete", "video", "1", "./=a,\"b/t/video-1.mp4", "7", &zeros, cell, "2.5", cell, &meta];
            assert_eq!((rows.len(), &rows[1][..11]), (2, expected.map(str::to_owned).as_slice()), "{id:?}");
        }
    }

    /// The cells of one row that are not empty, by their headings, without what all rows of a task have.
    fn cells(row: &[String]) -> Vec<(&'static str, &str)> {
        let cells = HEADINGS.into_iter().zip(row.iter().map(String::as_str));
        cells
            .filter(|(name, cell)| {
                !cell.is_empty() && !["task_id", "state", "status", "text_path", "platform", "model"].contains(name)
            })
            .collect()
    }

    #[test]
    fn files_errors_and_tasks_without_either_have_a_row_each() {
        let video = json!({"duration_seconds": 128.92, "duration_source": "api", "measured_duration_seconds": 1.3,
            "detected_type": "video/webm", "warnings": ["one", "see https://h/x?sig=SECRET"], "width": 1280, "height": 720,
            "frame_rate": "30000/1001", "video_codec": "h264", "audio_codec": "aac", "sample_rate": 44100, "channels": 2,
            "content_credentials": true});
        let mut mixed = task("t", &[("video", "t/video-1.mp4", video)]);
        mixed.errors = serde_json::from_value(json!([
            {"kind": "image", "index": 2, "url": "https://h/x?sig=SECRET", "code": "dead_link", "http_status": 404, "error": "-1"}
        ]))
        .unwrap();
        (mixed.platform, mixed.model) = (Some("kling".to_owned()), Some("=v2".to_owned()));
        (mixed.text_path, mixed.status) = (Some("t/text.txt".to_owned()), Some("SUCCESS".to_owned()));
        let table = written(TextFormat::Csv, &mixed, &beside("a"));
        assert!(!table.contains("SECRET"));
        let rows = parse(&table);
        let zeros = "0".repeat(64);
        assert_eq!(rows.len(), 3);
        let file = [
            ("kind", "video"),
            ("index", "1"),
            ("path", "a/t/video-1.mp4"),
            ("size", "7"),
            ("sha256", &zeros),
            ("duration_seconds", "128.92"),
            ("measured_duration_seconds", "1.3"),
            ("duration_source", "api"),
            ("detected_type", "video/webm"),
            ("warnings", "one; see https://h/x"),
            ("width", "1280"),
            ("height", "720"),
            ("frame_rate", "30000/1001"),
            ("video_codec", "h264"),
            ("audio_codec", "aac"),
            ("sample_rate", "44100"),
            ("channels", "2"),
            ("content_credentials", "true"),
        ];
        assert_eq!(cells(&rows[1]), file);
        let error = [("kind", "image"), ("index", "2"), ("code", "dead_link"), ("http_status", "404"), ("error", "'-1")];
        assert_eq!(cells(&rows[2]), error);
        for row in &rows[1..] {
            assert_eq!((row[20].as_str(), row[26].as_str()), ("SUCCESS", "a/t/text.txt"));
            assert_eq!((row[27].as_str(), row[28].as_str()), ("kling", "'=v2"));
        }
        let mut failed = task("t", &[]);
        (failed.state, failed.err_reason) = (State::Failed, Some("flagged".to_owned()));
        let rows = parse(&written(TextFormat::Csv, &failed, &beside("a")));
        assert_eq!((rows.len(), rows[1][1].as_str(), cells(&rows[1])), (2, "failed", vec![("err_reason", "flagged")]));
    }

    #[test]
    fn hostile_entry_gives_no_formula_and_no_foreign_path() {
        for text in ["=1", " =1", "\u{a0}+1", "\u{feff}@x", "\n-1", "\u{200b}=1", "＝1"] {
            let fields = json!({"frame_rate": text, "video_codec": text, "audio_codec": text, "content_type": text, "detected_type": text, "duration_source": text, "last_modified": text,
                "verified_by": text, "warnings": [text], "duration_seconds": -1, "measured_duration_seconds": -2});
            let mut task = task(text, &[("video", "t/video-1.mp4", fields)]);
            (task.platform, task.model) = (Some(text.to_owned()), Some(text.to_owned()));
            for field in [&mut task.status, &mut task.progress, &mut task.message, &mut task.err_reason, &mut task.submit_time] {
                *field = Some(text.to_owned());
            }
            (task.archived_at, task.text_path) = (Some(text.to_owned()), Some("../text.txt".to_owned()));
            task.errors = serde_json::from_value(json!([{"kind": "image", "index": 1, "error": text}])).unwrap();
            let rows = parse(&written(TextFormat::Csv, &task, &beside("a")));
            assert_eq!(rows.len(), 3);
            for cell in rows[1..].iter().flatten() {
                assert!(
                    !cell.trim_start_matches(['\u{200b}', '\u{feff}']).trim_start().starts_with(['=', '+', '-', '@', '＝']),
                    "{cell:?}"
                );
                assert!(!cell.contains(".."), "{cell:?}");
            }
        }
    }
}
