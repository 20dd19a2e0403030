//! An archive in memory, and what is read of its tasks.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use object_store::{Attribute, AttributeValue, Attributes, ObjectStoreExt, PutOptions};
use serde_json::{Value, json};

use super::*;
use crate::domain::manifest::{TaskEntry, write_task_manifest};
use crate::integrity::digest::Sha256Hex;
use crate::storage::object::bucket::SHA256_KEY;
use crate::storage::object::bucket::tests::in_memory;

/// A bucket in memory that tests write to.
pub(super) struct TestBucket(pub Bucket);

impl TestBucket {
    /// An archive without tasks.
    pub(super) fn archive() -> Self {
        let bucket = Self(in_memory());
        bucket.put(".yescale/archive.json", br#"{"archive_version":1}"#);
        bucket
    }

    pub(super) fn reader(&self) -> BucketReader {
        BucketReader::of(self.0.clone()).unwrap()
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    pub(super) fn put(&self, relative: &str, bytes: &[u8]) {
        self.run(self.0.store.put(&self.0.key(relative), bytes.to_vec().into())).unwrap();
    }

    /// Puts an object with a recorded hash, which may be another one than that of its bytes.
    pub(super) fn put_recorded(&self, relative: &str, bytes: &[u8], recorded: &Sha256Hex) {
        let value = (Attribute::Metadata(SHA256_KEY.into()), AttributeValue::from(recorded.as_str().to_owned()));
        let options = PutOptions { attributes: Attributes::from_iter([value]), ..PutOptions::default() };
        self.run(self.0.store.put_opts(&self.0.key(relative), bytes.to_vec().into(), options)).unwrap();
    }

    pub(super) fn delete(&self, relative: &str) {
        self.run(self.0.store.delete(&self.0.key(relative))).unwrap();
    }

    /// Puts a task with the files (key, name, bytes), and returns its entry.
    pub(super) fn put_task(&self, id: &str, files: &[(&str, &[u8])]) -> TaskEntry {
        for (name, bytes) in files {
            self.put_recorded(&format!("{}/{name}", layout::folder_name(id)), bytes, &Sha256Hex::digest(bytes));
        }
        let task = task(id, files);
        self.put_manifest(&task);
        task
    }

    pub(super) fn put_manifest(&self, task: &TaskEntry) {
        let mut text = Vec::new();
        write_task_manifest(&mut text, task).unwrap();
        self.put(&format!("{}/manifest.json", layout::folder_name(&task.task_id)), &text);
    }

    /// Puts a segment of the index.
    pub(super) fn index(&self, tasks: &[TaskEntry]) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        for task in tasks {
            writeln!(gzip, "{}", serde_json::to_string(&task.clone().into_root_relative()).unwrap()).unwrap();
        }
        self.put(".yescale/index/log/20261130T104748Z-all-0123456789abcdef.jsonl.gz", &gzip.finish().unwrap());
    }
}

/// The entry of a task with files, of which `KIND-N…` and `text…` give what they are.
pub(super) fn task(id: &str, files: &[(&str, &[u8])]) -> TaskEntry {
    let mut entry = json!({"task_id": id, "state": "complete", "files": []});
    for (name, bytes) in files {
        if name.starts_with("text") {
            entry["text"] = String::from_utf8_lossy(bytes).into();
            entry["text_path"] = (*name).into();
        } else {
            let (kind, rest) = name.split_once('-').unwrap();
            let index: usize = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap();
            let file = json!({"kind": kind, "index": index, "path": name, "size": bytes.len(),
                "sha256": Sha256Hex::digest(bytes).as_str(), "warnings": []});
            entry["files"].as_array_mut().map(|files| files.push(file)).unwrap();
        }
    }
    serde_json::from_value::<TaskEntry>(Value::clone(&entry)).unwrap()
}

/// The ids of all tasks that are read, in order, and the messages about them.
fn read(bucket: &TestBucket) -> (Vec<String>, Vec<String>) {
    let mut ids = Vec::new();
    let report = bucket.reader().for_each_task(&mut |task| {
        let folder = layout::folder_name(&task.task_id);
        assert!(task.files.iter().all(|file| file.name_in_folder(&folder).is_some()), "paths are relative to the root");
        ids.push(task.task_id);
    });
    let report = report.unwrap();
    ids.sort();
    (ids, report.faults().chain(report.notes()).collect())
}

#[test]
fn tasks_are_read_from_the_index_and_from_other_folders() {
    let bucket = TestBucket::archive();
    let indexed = bucket.put_task("t1", &[("video-1.mp4", b"video")]);
    bucket.put_task("t2", &[("image-1.png", b"image")]);
    bucket.put_task("Odd", &[("image-1.png", b"image")]);
    // Of a run that is at work, or was killed.
    bucket.put("t3/video-1.mp4", b"published");
    bucket.index(&[indexed]);
    assert_eq!(read(&bucket), (vec!["Odd".to_owned(), "t1".to_owned(), "t2".to_owned()], vec![]));
}

#[test]
fn task_of_the_index_without_a_folder_is_dropped_with_a_note() {
    let bucket = TestBucket::archive();
    let (gone, here) = (task("gone", &[("video-1.mp4", b"video")]), bucket.put_task("t1", &[]));
    bucket.index(&[gone, here]);
    let (ids, messages) = read(&bucket);
    assert_eq!(ids, ["t1"]);
    assert!(messages.len() == 1 && messages[0].starts_with("gone: its folder is gone"), "{messages:?}");
}

#[test]
fn damaged_index_costs_requests_and_no_task() {
    let bucket = TestBucket::archive();
    bucket.put_task("t1", &[("video-1.mp4", b"video")]);
    bucket.put(".yescale/index/log/20261130T104748Z-all-0123456789abcdef.jsonl.gz", b"garbage");
    let (ids, messages) = read(&bucket);
    assert_eq!(ids, ["t1"]);
    assert!(messages.len() == 1 && messages[0].contains("index --rebuild"), "{messages:?}");
}

#[test]
fn folders_that_are_no_tasks_are_ignored_and_damaged_manifests_named() {
    let bucket = TestBucket::archive();
    bucket.put_task("t1", &[]);
    bucket.put("notes/manifest.json", br#"{"name":"an app"}"#);
    bucket.put(
        "archive/manifest.json",
        br#"{"manifest_version":1,"tasks":[{"task_id":"a","state":"failed"},{"task_id":"b","state":"failed"}]}"#,
    );
    bucket.put("My Photos/a.jpg", b"jpg");
    bucket.put("cut/manifest.json", br#"{"manifest_version":1,"ta"#);
    bucket.put("later/manifest.json", br#"{"manifest_version":9,"tasks":[]}"#);
    let text = br#"{"manifest_version":1,"tasks":[{"task_id":"other","state":"complete"}]}"#;
    bucket.put("moved/manifest.json", text);
    let (ids, messages) = read(&bucket);
    assert_eq!(ids, ["t1"]);
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages[0].contains("s3://b/p/cut/manifest.json is damaged"), "{messages:?}");
}

#[test]
fn place_without_mark_and_folders_is_no_archive() {
    let empty = TestBucket(in_memory());
    assert!(matches!(empty.reader().for_each_task(&mut |_| ()), Err(Error::NoArchive(_))));
    let later = TestBucket(in_memory());
    later.put(".yescale/archive.json", br#"{"archive_version":2}"#);
    assert!(matches!(BucketReader::of(later.0.clone()), Err(Error::Newer { version: 2, .. })));
    assert_eq!(read(&TestBucket::archive()), (vec![], vec![]), "an archive may have no task");
    let uploaded = TestBucket(in_memory());
    uploaded.put_task("t1", &[]);
    uploaded.put("manifest.json", br#"{"manifest_version":1,"tasks":[]}"#);
    assert_eq!(read(&uploaded).0, ["t1"], "an archive that another program uploaded has no mark");
}

#[test]
fn folder_of_one_task_is_read_alone() {
    let bucket = TestBucket::archive();
    bucket.put_task("t1", &[("video-1.mp4", b"video")]);
    let url = BucketUrl { prefix: "p/t1".to_owned(), ..(*bucket.0.url).clone() };
    let reader = BucketReader::of(Bucket::new(bucket.0.store.clone(), url)).unwrap();
    assert!(reader.is_single());
    let mut paths = Vec::new();
    reader.for_each_task(&mut |task| paths.extend(task.files.iter().map(|file| file.path().to_owned()))).unwrap();
    assert_eq!(paths, ["video-1.mp4"]);
    assert_eq!(reader.path_of("video-1.mp4").to_str(), Some("s3://b/p/t1/video-1.mp4"));
}
