//! A table with one row per file: RFC 4180, UTF-8, with a header line.
//!
//! A spreadsheet evaluates a cell that begins with `=`, `+`, `-` or `@` as a formula, so such a text gets a `'` in front. Only
//! an unusual task id or a field of a forged manifest can begin so; paths never do. URLs are left out: they are signed, and
//! tables are often shared.

use std::borrow::Cow;
use std::io::{self, Write};

use ::csv::{ErrorKind, WriterBuilder};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{ExportItem, PathBase};
use crate::domain::asset_key::Kind;
use crate::domain::manifest::State;
use crate::integrity::digest::Sha256Hex;

#[derive(Serialize)]
struct Row<'a> {
    task_id: Cow<'a, str>,
    state: State,
    kind: Kind,
    index: usize,
    path: String,
    size: u64,
    sha256: &'a Sha256Hex,
    content_type: Cow<'a, str>,
    duration_seconds: Option<f64>,
    finish_time: Cow<'a, str>,
    meta: String,
}

/// The header line, written separately so that an empty table has it too.
const HEADINGS: [&str; 11] =
    ["task_id", "state", "kind", "index", "path", "size", "sha256", "content_type", "duration_seconds", "finish_time", "meta"];

pub(super) fn write(items: &[ExportItem<'_>], base: &PathBase, to: &mut dyn Write) -> io::Result<()> {
    let mut table = WriterBuilder::new().has_headers(false).from_writer(to);
    table.write_record(HEADINGS).map_err(into_io_error)?;
    for item in items {
        table.serialize(row(item, base)).map_err(into_io_error)?;
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

fn row<'a>(item: &ExportItem<'a>, base: &PathBase) -> Row<'a> {
    let (task, file) = (item.task, item.file);
    Row {
        task_id: escape_formula(&task.task_id),
        state: task.state,
        kind: file.key().kind,
        index: file.key().index,
        path: base.path(file),
        size: file.size(),
        sha256: file.sha256(),
        content_type: escape_formula(file.content_type.as_deref().unwrap_or_default()),
        duration_seconds: item.seconds(),
        finish_time: escape_formula(task.finish_time.as_deref().unwrap_or_default()),
        meta: task.meta.clone().map(json).unwrap_or_default(),
    }
}

fn json(meta: Map<String, Value>) -> String {
    Value::Object(meta).to_string()
}

fn escape_formula(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::export::format::TextFormat;
    use crate::jobs::export::format::tests::{task, written};
    use crate::jobs::export::path_base::tests::beside;
    use serde_json::json;

    fn rows(table: &str) -> Vec<Vec<String>> {
        let records = ::csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes()).into_records();
        records.map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn empty_table_has_a_header_that_matches_the_row_fields() {
        let empty = written(TextFormat::Csv, &task("t", &[]), &beside("a"));
        assert_eq!(rows(&empty), [HEADINGS]);
        let task = task("t", &[("video", "t/video-1.mp4", json!({}))]);
        let row = serde_json::to_value(row(&crate::jobs::export::format::tests::items(&task)[0], &beside("a"))).unwrap();
        assert!(row.as_object().unwrap().keys().eq(HEADINGS.iter()));
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
            let rows = rows(&written(TextFormat::Csv, &task, &beside("=a,\"b")));
            let meta = json!({"prompt": id}).to_string();
            let zeros = "0".repeat(64);
            let expected = [cell, "complete", "video", "1", "./=a,\"b/t/video-1.mp4", "7", &zeros, cell, "2.5", cell, &meta];
            assert_eq!((rows.len(), rows[1].as_slice()), (2, expected.map(str::to_owned).as_slice()), "{id:?}");
        }
    }
}
