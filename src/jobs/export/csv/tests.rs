//! The table for spreadsheets: its columns, and what each row has.

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
