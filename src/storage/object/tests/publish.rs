//! Names that files get, step by step, without faults.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use object_store::{Attribute, AttributeValue, Attributes, ObjectStoreExt, PutOptions};

use crate::integrity::digest::Sha256Hex;
use crate::layout;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::bucket::tests::in_memory;
use crate::storage::object::publish::{FileToPublish, Proof, Publisher};
use crate::storage::object::reservation;
use crate::storage::object::upload::{Content, Source, UploadSettings};

const NAME: &str = "video-1.mp4";
const SMALL: &[u8] = b"small";
const OTHER: &[u8] = b"other";
const LARGE: &[u8] = b"larger than the limit of a small file";

fn publisher(bucket: &Bucket) -> Publisher {
    let settings = UploadSettings { small_limit: 8, part_size: 10, parallel_parts: 2, first_delay: Duration::ZERO };
    Publisher::with_settings(bucket.clone(), settings)
}

fn content(bytes: &'static [u8]) -> Content {
    let (size, sha256) = (bytes.len() as u64, Sha256Hex::digest(bytes));
    Content { source: Source::Memory(Bytes::from_static(bytes)), size, sha256, content_type: Some("video/mp4".to_owned()) }
}

fn suffixed(bytes: &[u8]) -> String {
    layout::suffixed_name(NAME, &Sha256Hex::digest(bytes))
}

async fn publish(bucket: &Bucket, bytes: &'static [u8], proof: Proof) -> String {
    publisher(bucket).publish_content("t1", NAME, &content(bytes), proof).await.unwrap()
}

/// Puts an object there, as another program would: `recorded` says which bytes it claims to have.
async fn put(bucket: &Bucket, name: &str, bytes: &'static [u8], recorded: Option<&[u8]>) {
    let hash = |bytes| (Attribute::Metadata("sha256".into()), AttributeValue::from(Sha256Hex::digest(bytes).as_str().to_owned()));
    let attributes: Attributes = recorded.into_iter().map(hash).collect();
    let key = bucket.key(&format!("t1/{name}"));
    bucket.store.put_opts(&key, Bytes::from_static(bytes).into(), PutOptions::from(attributes)).await.unwrap();
}

async fn bytes_of(bucket: &Bucket, name: &str) -> Option<Bytes> {
    let found = bucket.store.get(&bucket.key(&format!("t1/{name}"))).await.ok()?;
    Some(found.bytes().await.unwrap())
}

#[tokio::test]
async fn object_records_its_hash_and_type_and_is_written_once() {
    for bytes in [SMALL, LARGE] {
        let bucket = in_memory();
        assert_eq!(publish(&bucket, bytes, Proof::Recorded).await, NAME);
        let first = bucket.store.get(&bucket.key("t1/video-1.mp4")).await.unwrap();
        let recorded = first.attributes.get(&Attribute::Metadata("sha256".into())).unwrap();
        assert_eq!(recorded.as_ref(), Sha256Hex::digest(bytes).as_str());
        assert_eq!(first.attributes.get(&Attribute::ContentType).unwrap().as_ref(), "video/mp4");
        for proof in [Proof::Recorded, Proof::Body] {
            assert_eq!(publish(&bucket, bytes, proof).await, NAME);
        }
        let again = bucket.store.head(&bucket.key("t1/video-1.mp4")).await.unwrap();
        assert_eq!(again.e_tag, first.meta.e_tag, "adopted, and not written again");
        assert_eq!(first.bytes().await.unwrap(), bytes);
        assert_eq!(bytes_of(&bucket, ".video-1.mp4.sha256").await.is_some(), bytes == LARGE);
    }
}

#[tokio::test]
async fn other_bytes_get_the_suffixed_name() {
    for (first, second) in [(SMALL, OTHER), (SMALL, LARGE), (LARGE, SMALL)] {
        let bucket = in_memory();
        assert_eq!(publish(&bucket, first, Proof::Recorded).await, NAME);
        for proof in [Proof::Recorded, Proof::Body] {
            assert_eq!(publish(&bucket, second, proof).await, suffixed(second));
            assert_eq!(publish(&bucket, first, proof).await, NAME);
        }
        assert_eq!(bytes_of(&bucket, NAME).await.unwrap(), first);
        assert_eq!(bytes_of(&bucket, &suffixed(second)).await.unwrap(), second);
    }
}

#[tokio::test]
async fn texts_get_a_suffixed_name_too() {
    let bucket = in_memory();
    let publisher = publisher(&bucket);
    assert_eq!(publisher.publish_text("t1", "la", Proof::Recorded).await.unwrap(), "text.txt");
    let other = publisher.publish_text("t1", "do", Proof::Recorded).await.unwrap();
    assert_eq!(other, layout::suffixed_name("text.txt", &Sha256Hex::digest(b"do")));
    assert_eq!(bytes_of(&bucket, &other).await.unwrap(), &b"do"[..]);
}

#[tokio::test]
async fn reservation_of_other_bytes_keeps_the_name_from_small_and_large_files() {
    for bytes in [SMALL, LARGE] {
        let bucket = in_memory();
        assert!(reservation::create(&bucket, &reservation::key("t1", NAME), &Sha256Hex::digest(OTHER)).await.unwrap());
        assert_eq!(publish(&bucket, bytes, Proof::Recorded).await, suffixed(bytes));
        let bucket = in_memory();
        put(&bucket, ".video-1.mp4.sha256", b"no hash", None).await;
        assert_eq!(publish(&bucket, bytes, Proof::Recorded).await, suffixed(bytes), "an object that is no reservation");
    }
}

#[tokio::test]
async fn object_without_a_recorded_hash_is_read() {
    for bytes in [SMALL, LARGE] {
        let bucket = in_memory();
        put(&bucket, NAME, bytes, None).await;
        assert_eq!(publish(&bucket, bytes, Proof::Recorded).await, NAME);
        assert_eq!(publish(&bucket, OTHER, Proof::Recorded).await, suffixed(OTHER));
    }
}

#[tokio::test]
async fn damaged_object_keeps_its_name_and_a_damaged_suffixed_one_is_replaced() {
    for (bytes, damaged) in [(SMALL, &b"smalL"[..]), (LARGE, b"larger than the limit of a small filE"), (SMALL, b"smal")] {
        let bucket = in_memory();
        put(&bucket, NAME, damaged, Some(bytes)).await;
        assert_eq!(publish(&bucket, bytes, Proof::Body).await, suffixed(bytes));
        assert_eq!(bytes_of(&bucket, NAME).await.unwrap(), damaged, "readers see no other bytes than before");
        for recorded in [Some(bytes), Some(OTHER), None] {
            put(&bucket, &suffixed(bytes), damaged, recorded).await;
            assert_eq!(publish(&bucket, bytes, Proof::Body).await, suffixed(bytes));
            assert_eq!(bytes_of(&bucket, &suffixed(bytes)).await.unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn file_is_published_from_the_disk_and_a_changed_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    for (bytes, changed) in [(SMALL, &b"smalL"[..]), (LARGE, b"larger than the limit of a small filE"), (LARGE, b"cut")] {
        let bucket = in_memory();
        let file = || FileToPublish {
            path: path.clone(),
            name: NAME.to_owned(),
            size: bytes.len() as u64,
            sha256: Sha256Hex::digest(bytes),
            content_type: None,
        };
        fs::write(&path, changed).unwrap();
        let error = publisher(&bucket).publish("t1", file(), Proof::Recorded).await.unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
        assert_eq!(bytes_of(&bucket, NAME).await, None);
        fs::write(&path, bytes).unwrap();
        assert_eq!(publisher(&bucket).publish("t1", file(), Proof::Recorded).await.unwrap(), NAME);
        assert_eq!(bytes_of(&bucket, NAME).await.unwrap(), bytes);
    }
}
