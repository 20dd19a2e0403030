use std::fs;

use super::*;
use crate::layout::MANIFEST;
use serde_json::json;

fn reader(manifest: &str) -> Result<(ArchiveReader, tempfile::TempDir), Error> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(MANIFEST), manifest).unwrap();
    ArchiveReader::open(folder.path()).map(|archive| (archive, folder))
}

#[test]
fn entries_are_sorted_and_invalid_ones_counted() {
    let file = |kind: &str, name: &str| json!({"kind": kind, "index": 1, "path": format!("a/{name}"), "size": 1, "sha256": "0".repeat(64)});
    let files = [file("image", "image-1.png"), file("video", "video-1.mp4")];
    let tasks = json!([{"task_id": "b", "state": "complete"}, 7, {"task_id": "a", "state": "complete", "files": files}]);
    let (archive, _folder) = reader(&json!({"manifest_version": 1, "tasks": tasks}).to_string()).unwrap();
    let ids: Vec<&str> = archive.tasks.iter().map(|task| task.task_id.as_str()).collect();
    let paths: Vec<&str> = archive.tasks[0].files.iter().map(FileEntry::path).collect();
    assert_eq!((ids, paths), (vec!["a", "b"], vec!["a/video-1.mp4", "a/image-1.png"]));
    assert!(archive.report.faults().next().unwrap().contains("1 of its manifest's entries"));
}

#[test]
fn foreign_or_missing_folder_is_not_an_archive() {
    assert!(matches!(reader(r#"{"name":"an app"}"#), Err(Error::Foreign(_))));
    assert!(matches!(reader(r#"{"manifest_version":2,"tasks":[]}"#), Err(Error::Newer { version: 2, .. })));
    assert!(matches!(reader(""), Err(Error::NoArchive(_))));
    assert!(matches!(ArchiveReader::open(Path::new("/nowhere/at/all")), Err(Error::NoArchive(_))));
    assert!(reader(r#"{"manifest_version":1,"tasks":[]}"#).is_ok());
}
