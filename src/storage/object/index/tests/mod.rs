//! The index as a whole: written by runs, compacted, rebuilt and read, in a bucket in memory.

mod damage;
mod flaky_store;
mod measure;
mod schedules;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use object_store::ObjectStoreExt;

use super::*;
use crate::domain::asset_key::Kind;
use crate::domain::manifest::tests::{entry, file_entry};
use crate::domain::manifest::{State, TaskEntry, write_task_manifest};
use crate::domain::shard::Shard;
use crate::domain::task::TaskId;
use crate::layout;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::bucket::tests::in_memory;

/// The entry of a complete task with `version` files, as its manifest has it.
fn task(id: u64, version: usize) -> TaskEntry {
    let mut task = entry(&id.to_string());
    task.status = Some("SUCCESS".to_owned());
    task.archived_at = Some(format!("2026-11-30T10:00:{version:02}Z"));
    task.files = (1..=version).map(|n| file_entry(Kind::Image, n, &format!("image-{n}.png"))).collect();
    task.response = serde_json::from_str(r#"{"status":"SUCCESS"}"#).ok();
    task
}

/// Writes a segment with these tasks.
async fn write_log(bucket: &Bucket, shard: Option<Shard>, tasks: impl IntoIterator<Item = TaskEntry>) {
    let log = IndexLog::new(bucket.clone(), shard);
    tasks.into_iter().for_each(|task| log.add(&task));
    log.flush().await.unwrap();
}

/// The tasks of the index, each with the number of its files.
async fn all(bucket: &Bucket) -> HashMap<u64, usize> {
    let mut tasks = HashMap::new();
    for_each_indexed(bucket, |task| {
        let before = tasks.insert(task.task_id.parse().unwrap(), task.files.len());
        assert!(before.is_none(), "{} was passed on twice", task.task_id);
        assert!(task.response.is_none(), "an index has no answers");
        let folder = layout::folder_name(&task.task_id);
        assert!(task.files.iter().all(|file| file.name_in_folder(&folder).is_some()), "paths are relative to the root");
    })
    .await
    .unwrap();
    tasks
}

/// The objects of the index, below its folder.
async fn objects(bucket: &Bucket) -> Vec<String> {
    let folder = bucket.key(".yescale/index");
    let found: Vec<_> = bucket.store.list(Some(&folder)).try_collect().await.unwrap();
    let mut names: Vec<String> =
        found.iter().map(|object| object.location.as_ref().strip_prefix(folder.as_ref()).unwrap()[1..].to_owned()).collect();
    names.sort_unstable();
    names
}

async fn put(bucket: &Bucket, relative: &str, bytes: impl Into<Vec<u8>>) {
    bucket.store.put(&bucket.key(relative), bytes.into().into()).await.unwrap();
}

async fn put_manifest(bucket: &Bucket, task: &TaskEntry) {
    let mut text = Vec::new();
    write_task_manifest(&mut text, task).unwrap();
    put(bucket, &format!("{}/manifest.json", layout::folder_name(&task.task_id)), text).await;
}

fn known(index: &Index, id: u64) -> Option<KnownTask> {
    index.known(&TaskId::new(&id.to_string()).unwrap())
}

#[tokio::test]
async fn empty_bucket_has_an_empty_index() {
    let bucket = in_memory();
    assert_eq!((Index::load(&bucket, None).await.unwrap().len(), all(&bucket).await.len()), (0, 0));
    IndexLog::new(bucket.clone(), None).flush().await.unwrap();
    assert!(!compact(&bucket).await.unwrap().is_changed);
    assert_eq!(objects(&bucket).await, Vec::<String>::new());
}

#[tokio::test]
async fn log_and_parts_say_the_same_and_a_compaction_keeps_what_went_in() {
    let bucket = in_memory();
    write_log(&bucket, None, (0..120).map(|id| task(id, 1))).await;
    write_log(&bucket, None, (100..200).map(|id| task(id, 2))).await;
    let expected: HashMap<u64, usize> = (0..200).map(|id| (id, if id < 100 { 1 } else { 2 })).collect();
    assert_eq!(all(&bucket).await, expected);
    let compacted = compact(&bucket).await.unwrap();
    assert_eq!((compacted.tasks, compacted.files, compacted.is_changed), (200, 300, true));
    let names = objects(&bucket).await;
    assert_eq!(names.len(), 1 + 8, "220 entries are 8 parts of about 50, and the log is gone: {names:?}");
    assert_eq!(names.last().map(String::as_str), Some("current.json"));
    assert_eq!(all(&bucket).await, expected);
    assert!(!compact(&bucket).await.unwrap().is_changed);
    assert_eq!(objects(&bucket).await, names, "a compaction without a log changes nothing");

    write_log(&bucket, Shard::new(1, 3), (199..210).map(|id| task(id, 3))).await;
    let expected = expected.into_iter().chain((199..210).map(|id| (id, 3))).collect::<HashMap<_, _>>();
    assert_eq!(all(&bucket).await, expected);
    assert_eq!(compact(&bucket).await.unwrap().tasks, 210);
    assert_eq!(all(&bucket).await, expected);
    assert_eq!(objects(&bucket).await.len(), 1 + 8, "the old generation is gone");
}

#[tokio::test]
async fn shards_load_their_own_tasks_alone() {
    let bucket = in_memory();
    write_log(&bucket, None, (0..300).map(|id| task(id, 1))).await;
    for is_compacted in [false, true] {
        if is_compacted {
            compact(&bucket).await.unwrap();
        }
        let mut count = 0;
        for number in 1..=7 {
            let shard = Shard::new(number, 7).unwrap();
            let index = Index::load(&bucket, Some(shard)).await.unwrap();
            count += index.len();
            for id in 0..300 {
                assert_eq!(known(&index, id).is_some(), shard.includes(&id.to_string()));
            }
        }
        assert_eq!(count, 300);
    }
    // A run of one shard does not read what only others have written.
    put(&bucket, ".yescale/index/log/20261130T104748Z-1of2-0123456789abcdef.jsonl.gz", "garbage").await;
    assert!(Index::load(&bucket, Shard::new(2, 2)).await.is_ok());
    assert!(Index::load(&bucket, Shard::new(1, 2)).await.is_err());
}

#[tokio::test]
async fn change_of_meta_is_seen_before_and_after_compactions() {
    let bucket = in_memory();
    let with_meta = |n: u64| {
        let mut task = task(1, 1);
        task.meta = serde_json::json!({"n": n}).as_object().cloned();
        task
    };
    for round in 0..6 {
        // Their times differ by a year: names have whole seconds.
        let relative = format!(".yescale/index/log/900{round}1130T104748Z-all-0123456789abcdef.jsonl.gz");
        write_log(&bucket, None, [with_meta(round)]).await;
        let name = objects(&bucket).await.into_iter().find(|name| name.starts_with("log/2")).unwrap();
        let from = bucket.key(&format!(".yescale/index/{name}"));
        bucket.store.rename(&from, &bucket.key(&relative)).await.unwrap();
        let meta = with_meta(round).meta;
        let index = Index::load(&bucket, None).await.unwrap();
        assert!(known(&index, 1).unwrap().has_meta(meta.as_ref()), "round {round}");
        if round == 2 {
            compact(&bucket).await.unwrap();
        }
    }
}

#[tokio::test]
async fn full_segments_are_sealed_and_due_at_once() {
    let bucket = in_memory();
    let log = IndexLog::new(bucket.clone(), None);
    let now = Instant::now();
    log.add(&task(0, 1));
    log.flush_if_due(now).await.unwrap();
    assert!(objects(&bucket).await.is_empty(), "one entry waits");
    log.flush_if_due(now + Duration::from_secs(301)).await.unwrap();
    assert_eq!(objects(&bucket).await.len(), 1, "but not for longer than 5 minutes");
    (1..=10_001).for_each(|id| log.add(&entry(&id.to_string())));
    log.flush_if_due(now).await.unwrap();
    assert_eq!(Index::load(&bucket, None).await.unwrap().len(), 10_001, "the entry behind a full segment waits for the next one");
    let mut huge = task(20_000, 1);
    huge.text = Some("x".repeat(2 << 20));
    log.add(&huge);
    log.flush().await.unwrap();
    let index = Index::load(&bucket, None).await.unwrap();
    assert!(known(&index, 20_000).is_none(), "a task with a very long text is left to its manifest");
}

#[tokio::test]
async fn rebuild_takes_the_manifests_and_nothing_of_the_old_index() {
    let bucket = in_memory();
    for id in 0..150 {
        put_manifest(&bucket, &task(id, 2)).await;
    }
    put_manifest(&bucket, &entry("An Id")).await;
    // The index names a task that was deleted by hand, and a version that never was.
    write_log(&bucket, None, [task(5, 9), task(900, 1)]).await;
    compact(&bucket).await.unwrap();
    write_log(&bucket, None, [task(6, 9)]).await;
    put(&bucket, "201/manifest.json", "{\"manifest_version\": 1, \"tasks\": [").await;
    put(&bucket, "202/manifest.json", "{\"name\": \"an app\"}").await;
    put(&bucket, "203/manifest.json", "{\"manifest_version\": 9, \"tasks\": []}").await;
    let moved = bucket.store.get(&bucket.key("7/manifest.json")).await.unwrap().bytes().await.unwrap();
    put(&bucket, "204/manifest.json", moved).await;
    put(&bucket, "7/.video-1.mp4.sha256", "x").await;
    put(&bucket, "7/deep/manifest.json", "x").await;
    put(&bucket, "lost+found/manifest.json", "x").await;

    let mut seen = 0;
    let rebuilt = rebuild(&bucket, |count| seen = count).await.unwrap();
    assert_eq!((rebuilt.tasks, rebuilt.files, rebuilt.is_changed, seen), (151, 300, true, 155));
    let faults: Vec<String> = rebuilt.report.faults().collect();
    assert_eq!(faults.len(), 4, "{faults:?}");
    for (url, words) in [("201", "damaged"), ("202", "not written by"), ("203", "later version"), ("204", "another task, `7`")] {
        assert!(faults.iter().any(|fault| fault.contains(&format!("s3://b/p/{url}/")) && fault.contains(words)), "{faults:?}");
    }
    let notes: Vec<String> = rebuilt.report.notes().collect();
    assert!(notes.len() == 1 && notes[0].starts_with("900: "), "{notes:?}");
    let index = Index::load(&bucket, None).await.unwrap();
    assert_eq!((index.len(), known(&index, 5).unwrap().files, known(&index, 900)), (151, 2, None));
    assert!(index.known(&TaskId::new("An Id").unwrap()).is_some());
    assert!(objects(&bucket).await.iter().all(|name| !name.starts_with("log/")));
}

#[tokio::test]
async fn parts_of_a_killed_compaction_are_deleted_after_a_week() {
    let bucket = in_memory();
    write_log(&bucket, None, [task(1, 1)]).await;
    compact(&bucket).await.unwrap();
    let recent = names::new_generation(jiff::Timestamp::now());
    for generation in ["20200101T000000Z-0123456789abcdef", &recent] {
        put(&bucket, &format!(".yescale/index/{generation}/part-000.jsonl.gz"), "x").await;
    }
    put(&bucket, ".yescale/index/notes/x.txt", "x").await;
    compact(&bucket).await.unwrap();
    let names = objects(&bucket).await;
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.iter().any(|name| name.starts_with(&recent)) && names.iter().any(|name| name.starts_with("notes/")));
    assert_eq!(all(&bucket).await.len(), 1);
}

#[tokio::test]
async fn later_entry_wins_in_whatever_order_the_segments_are_written() {
    let failed = TaskEntry { state: State::Failed, files: Vec::new(), ..task(1, 1) };
    // The gateway named one more asset, which could not be fetched.
    let incomplete = TaskEntry { state: State::Incomplete, ..task(1, 3) };
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let bucket = in_memory();
        for entry in order {
            write_log(&bucket, None, [[&failed, &task(1, 2), &incomplete][entry].clone()]).await;
        }
        for _ in 0..2 {
            let index = Index::load(&bucket, None).await.unwrap();
            assert_eq!(known(&index, 1).unwrap().state, State::Incomplete, "{order:?}");
            compact(&bucket).await.unwrap();
        }
    }
}

#[tokio::test]
async fn task_is_unknown_when_its_latest_entry_is_unusual() {
    let unusual = TaskEntry { state: State::Incomplete, status: Some("x".repeat(65)), ..task(1, 2) };
    for entries in [[task(1, 1), unusual.clone()], [unusual, task(1, 1)]] {
        let bucket = in_memory();
        for entry in entries {
            write_log(&bucket, None, [entry]).await;
        }
        assert_eq!(known(&Index::load(&bucket, None).await.unwrap(), 1), None);
    }
}

#[tokio::test]
async fn segment_of_long_entries_that_are_alike_is_sealed_by_its_plain_size() {
    let bucket = in_memory();
    let log = IndexLog::new(bucket.clone(), None);
    for id in 0..6 {
        log.add(&TaskEntry { text: Some("x".repeat(900 << 10)), ..task(id, 1) });
    }
    log.flush().await.unwrap();
    assert_eq!((objects(&bucket).await.len(), Index::load(&bucket, None).await.unwrap().len()), (2, 6));
}

#[tokio::test]
async fn rebuild_does_not_read_an_object_that_is_too_large_for_a_manifest() {
    let bucket = in_memory();
    put_manifest(&bucket, &task(1, 1)).await;
    put(&bucket, "2/manifest.json", vec![b' '; 5 << 20]).await;
    let rebuilt = rebuild(&bucket, |_| ()).await.unwrap();
    let faults: Vec<String> = rebuilt.report.faults().collect();
    assert!(rebuilt.tasks == 1 && faults.len() == 1 && faults[0].contains("yescale-dl did not write it"), "{faults:?}");
}
