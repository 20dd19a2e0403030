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
mod tests;
