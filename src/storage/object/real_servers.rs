//! What the protocol needs of a store, tried on servers that others wrote.
//!
//! `.ci/buckets` starts the servers and sets `TEST_BUCKET_URL`, besides the variables of the store.

use std::path::Path;

use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{Attribute, Attributes, Error as StoreError, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};

use super::bucket::{Bucket, SHA256_KEY};
use super::connect::connect;
use super::error::{explain, is_absent, is_passing_conflict};
use super::mock_server::options;
use super::probe::probe;
use crate::storage::Error;
use crate::storage::error::BucketFault;
use crate::storage::location::{BucketUrl, Location};

/// The bucket to test with, below a prefix of its own for each test.
pub(super) fn bucket(name: &str) -> Bucket {
    connect(&bucket_url(name), &options()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test with servers that are started outside")]
fn bucket_url(name: &str) -> BucketUrl {
    let url = std::env::var("TEST_BUCKET_URL").expect("TEST_BUCKET_URL names a bucket");
    let url = format!("{url}/{name}-{:x}", fastrand::u64(..));
    let Ok(Location::Bucket(url)) = Location::parse(Path::new(&url)) else { panic!("{url} names no bucket") };
    url
}

fn described(mode: PutMode) -> PutOptions {
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "video/mp4"),
        (Attribute::Metadata(SHA256_KEY.into()), "0123456789abcdef"),
    ]);
    PutOptions { mode, attributes, ..PutOptions::default() }
}

#[tokio::test]
#[ignore = "needs a bucket: .ci/buckets"]
async fn conditions_are_proved() {
    let bucket = bucket("probe");
    probe(&bucket).await.unwrap();
    probe(&bucket).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a bucket that ignores conditions: .ci/buckets"]
async fn ignored_conditions_are_refused() {
    let Err(Error::Bucket { source, .. }) = probe(&bucket("probe")).await else { panic!("the probe passed") };
    assert_eq!(source.fault, BucketFault::ConditionsIgnored, "{source}");
}

#[tokio::test]
#[ignore = "needs a bucket: .ci/buckets"]
async fn of_many_creates_one_wins() {
    let bucket = bucket("create");
    let key = bucket.key("t1/video-1.mp4");
    let create = |n: u8| bucket.store.put_opts(&key, vec![n; 100_000].into(), described(PutMode::Create));
    let results = join_all((0..32).map(create)).await;
    let winners: Vec<_> = (0u8..).zip(&results).filter(|(_, result)| result.is_ok()).map(|(n, _)| n).collect();
    assert_eq!(winners.len(), 1);
    let losers = results.iter().filter_map(|result| result.as_ref().err());
    for error in losers {
        assert!(matches!(error, StoreError::AlreadyExists { .. }) || is_passing_conflict(error), "{error}");
    }
    let body = bucket.store.get(&key).await.unwrap().bytes().await.unwrap();
    assert_eq!(body, vec![winners[0]; 100_000]);
}

/// Adds one to the number in the object, by compare-and-swap.
async fn increment(bucket: &Bucket) {
    let key = bucket.key("t1/manifest.json");
    loop {
        let answer = bucket.store.get(&key).await.unwrap();
        let version = UpdateVersion { e_tag: answer.meta.e_tag.clone(), version: answer.meta.version.clone() };
        let number: u64 = String::from_utf8(answer.bytes().await.unwrap().to_vec()).unwrap().parse().unwrap();
        let swap = bucket.store.put_opts(&key, (number + 1).to_string().into(), described(PutMode::Update(version)));
        match swap.await {
            Ok(_) => return,
            Err(StoreError::Precondition { .. } | StoreError::AlreadyExists { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs a bucket: .ci/buckets"]
async fn compare_and_swap_loses_no_update() {
    let bucket = bucket("swap");
    bucket.store.put(&bucket.key("t1/manifest.json"), "0".into()).await.unwrap();
    join_all((0..8).map(|_| async {
        for _ in 0..5 {
            increment(&bucket).await;
        }
    }))
    .await;
    let number = bucket.store.get(&bucket.key("t1/manifest.json")).await.unwrap().bytes().await.unwrap();
    assert_eq!(number, "40");
}

#[tokio::test]
#[ignore = "needs a bucket: .ci/buckets"]
async fn metadata_comes_back_also_after_an_upload_in_parts() {
    let bucket = bucket("metadata");
    let (small, large) = (bucket.key("t1/a b+ü%.mp4"), bucket.key("t1/video-2.mp4"));
    bucket.store.put_opts(&small, "x".into(), described(PutMode::Create)).await.unwrap();
    let options = object_store::PutMultipartOptions { attributes: described(PutMode::Create).attributes, ..Default::default() };
    let mut upload = bucket.store.put_multipart_opts(&large, options).await.unwrap();
    for _ in 0..2 {
        upload.put_part(vec![7; 6 << 20].into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    for (key, size) in [(small, 1), (large, 12 << 20)] {
        let head = bucket.store.get_opts(&key, object_store::GetOptions::new().with_head(true)).await.unwrap();
        assert_eq!(head.meta.size, size);
        let sha256 = head.attributes.get(&Attribute::Metadata(SHA256_KEY.into()));
        assert_eq!(sha256.map(AsRef::as_ref), Some("0123456789abcdef"));
        assert_eq!(head.attributes.get(&Attribute::ContentType).map(AsRef::as_ref), Some("video/mp4"));
    }
}

#[tokio::test]
#[ignore = "needs a bucket: .ci/buckets"]
async fn folders_and_objects_are_listed_over_several_pages() {
    let bucket = bucket("list");
    let keys: Vec<_> = (0..1100).map(|n| bucket.key(&format!("t{n:04}/manifest.json"))).collect();
    let puts = keys.iter().map(|key| async { bucket.store.put(key, "{}".into()).await.map(drop) });
    futures::stream::iter(puts).buffer_unordered(16).try_collect::<()>().await.unwrap();
    let listed: Vec<_> = bucket.store.list(Some(&bucket.key(""))).try_collect().await.unwrap();
    let mut listed: Vec<_> = listed.into_iter().map(|object| object.location).collect();
    listed.sort();
    assert_eq!(listed, keys);
    let folders = bucket.store.list_with_delimiter(Some(&bucket.key(""))).await.unwrap();
    assert_eq!((folders.common_prefixes.len(), folders.objects.len()), (1100, 0));
}

#[tokio::test]
#[ignore = "needs a bucket: .ci/buckets"]
async fn missing_bucket_is_told_from_a_missing_object() {
    let present = bucket("absent");
    assert!(is_absent(&present.store.get(&present.key("x")).await.unwrap_err()));
    let url = BucketUrl { bucket: "there-is-none-of-this-name".to_owned(), ..bucket_url("absent") };
    let missing = connect(&url, &options()).unwrap();
    let service = url.service;
    for error in [
        missing.store.get(&missing.key("x")).await.unwrap_err(),
        missing.store.list(None).next().await.unwrap().unwrap_err(),
        missing.store.put_opts(&missing.key("x"), "x".into(), described(PutMode::Create)).await.unwrap_err(),
    ] {
        assert!(!is_absent(&error), "{error}");
        let explained = explain(&error, service);
        assert_eq!(explained.fault, BucketFault::Refused, "{explained}");
        assert!(explained.message.contains("does not exist"), "{explained}");
    }
}
