//! Reading and replacing the manifest of one task.

use bytes::Bytes;
use object_store::{Attribute, ObjectStoreExt};
use serde_json::json;

use crate::domain::asset_key::Kind;
use crate::domain::manifest::tests::{entry, file_entry};
use crate::domain::manifest::{TaskEntry, write_task_manifest};
use crate::domain::task::TaskId;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::bucket::tests::in_memory;
use crate::storage::object::commit::commit;
use crate::storage::object::manifest_object::{ManifestObject, read_manifest};

fn written(entry: &TaskEntry) -> Vec<u8> {
    let mut text = Vec::new();
    write_task_manifest(&mut text, entry).unwrap();
    text
}

fn with_files(names: &[(usize, &str)]) -> TaskEntry {
    let mut task = entry("t1");
    task.files = names.iter().map(|(index, name)| file_entry(Kind::Image, *index, name)).collect();
    task
}

async fn put(bucket: &Bucket, text: Vec<u8>) {
    bucket.store.put(&bucket.key("t1/manifest.json"), text.into()).await.unwrap();
}

async fn read(bucket: &Bucket) -> Result<ManifestObject, Error> {
    read_manifest(bucket, &TaskId::new("t1").unwrap(), false).await
}

async fn text(bucket: &Bucket) -> Bytes {
    bucket.store.get(&bucket.key("t1/manifest.json")).await.unwrap().bytes().await.unwrap()
}

#[tokio::test]
async fn manifest_has_the_bytes_of_a_local_one_and_a_write_id() {
    let (bucket, mine) = (in_memory(), with_files(&[(1, "image-1.png")]));
    assert!(read(&bucket).await.unwrap().version.is_none());
    let now = commit(&bucket, ManifestObject::default(), None, mine.clone(), false).await.unwrap();
    assert_eq!((&now, &text(&bucket).await[..]), (&mine, &written(&mine)[..]));
    let found = bucket.store.get(&bucket.key("t1/manifest.json")).await.unwrap();
    assert_eq!(found.attributes.get(&Attribute::Metadata("write_id".into())).unwrap().len(), 32);
    assert_eq!(found.attributes.get(&Attribute::ContentType).unwrap().as_ref(), "application/json");
    let standing = read(&bucket).await.unwrap();
    let mut later = mine.clone();
    later.archived_at = Some("2026-11-30T00:00:00Z".to_owned());
    commit(&bucket, standing, Some(&mine), later, false).await.unwrap();
    assert_eq!(&text(&bucket).await[..], &written(&mine)[..], "nothing has changed, so nothing is written");
}

#[tokio::test]
async fn what_another_writer_committed_meanwhile_is_kept() {
    let (bucket, theirs) = (in_memory(), with_files(&[(1, "image-1.png"), (2, "image-2.png")]));
    commit(&bucket, ManifestObject::default(), None, theirs.clone(), false).await.unwrap();
    let mine = with_files(&[(2, "image-2-e3b0c44298fc1c14.png"), (3, "image-3.png")]);
    for (replaces, second) in [(false, "image-2.png"), (true, "image-2-e3b0c44298fc1c14.png")] {
        let now = commit(&bucket, ManifestObject::default(), None, mine.clone(), replaces).await.unwrap();
        assert_eq!(now, with_files(&[(1, "image-1.png"), (2, second), (3, "image-3.png")]));
        assert_eq!(read(&bucket).await.unwrap().entry, Some(now));
    }
}

#[tokio::test]
async fn cut_manifest_reads_as_none_and_is_replaced() {
    let mine = with_files(&[(1, "image-1.png")]);
    for cut in [Vec::new(), vec![0; 9], written(&mine)[..80].to_vec()] {
        let bucket = in_memory();
        put(&bucket, cut).await;
        let standing = read(&bucket).await.unwrap();
        assert!(standing.entry.is_none() && standing.version.is_some());
        // Without the version, as for a writer that read it before it was there.
        commit(&bucket, ManifestObject::default(), None, mine.clone(), false).await.unwrap();
        assert_eq!(&text(&bucket).await[..], &written(&mine)[..]);
    }
}

#[tokio::test]
async fn manifest_that_is_not_ours_is_an_error_and_stays() {
    let (other_task, mine) = (written(&entry("t2")), with_files(&[]));
    let many = json!({"manifest_version": 1, "tasks": [entry("t1"), entry("t2")]}).to_string();
    for text_there in [
        br#"{"name":"my app"}"#.to_vec(),
        br#"{"manifest_version":2,"tasks":[]}"#.to_vec(),
        b"notes".to_vec(),
        other_task,
        many.into_bytes(),
    ] {
        let bucket = in_memory();
        put(&bucket, text_there.clone()).await;
        assert!(read(&bucket).await.is_err());
        assert!(commit(&bucket, ManifestObject::default(), None, mine.clone(), true).await.is_err());
        assert_eq!(text(&bucket).await, text_there);
    }
}

#[tokio::test]
async fn each_write_is_later_than_the_one_before_whatever_the_clocks_say() {
    let (bucket, mut before) = (in_memory(), with_files(&[]));
    let (fast, slow) = ("2026-11-30T12:00:00Z", "2026-11-30T10:00:00Z");
    let mut etags = std::collections::HashSet::new();
    for (round, (clock, expected)) in [
        (fast, fast),
        (slow, "2026-11-30T12:00:01Z"),
        (slow, "2026-11-30T12:00:02Z"),
        ("2026-11-30T12:00:09Z", "2026-11-30T12:00:09Z"),
    ]
    .into_iter()
    .enumerate()
    {
        // The meta goes back and forth, so that but for the time the bytes are those of an earlier manifest.
        let mut mine = before.clone();
        mine.meta = json!({"n": round % 2}).as_object().cloned();
        mine.archived_at = Some(clock.to_owned());
        let standing = read(&bucket).await.unwrap();
        let base = standing.entry.clone();
        before = commit(&bucket, standing, base.as_ref(), mine, false).await.unwrap();
        assert_eq!(before.archived_at.as_deref(), Some(expected), "round {round}");
        assert!(etags.insert(text(&bucket).await), "round {round} has the bytes of an earlier one");
    }
}
