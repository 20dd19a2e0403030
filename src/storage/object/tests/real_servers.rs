//! Racing writers on a server that others wrote, which may also be told to fail. See `real_servers`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use object_store::ObjectStoreExt;

use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::manifest::FileEntry;
use crate::domain::manifest::tests::entry;
use crate::domain::task::TaskId;
use crate::integrity::digest::Sha256Hex;
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::commit::commit;
use crate::storage::object::manifest_object::read_manifest;
use crate::storage::object::publish::{Proof, Publisher};
use crate::storage::object::real_servers::bucket;
use crate::storage::object::upload::{Content, Source, UploadSettings};

/// The smallest part that S3 takes, but for the last one.
const PART: u64 = 5 << 20;

/// Archives two files of a task, with bytes of its own, and returns them.
async fn archive(bucket: &Bucket, task: &str, variant: u8) -> Result<Vec<FileEntry>, Error> {
    let settings =
        UploadSettings { small_limit: PART, part_size: PART, parallel_parts: 3, first_delay: Duration::from_millis(20) };
    let publisher = Publisher::with_settings(bucket.clone(), settings);
    let standing = read_manifest(bucket, &TaskId::new(task).unwrap(), false).await?;
    let (base, mut mine) = (standing.entry.clone(), standing.entry.clone().unwrap_or_else(|| entry(task)));
    for (index, size) in [(1, 100_000), (2, 2 * PART + 1)] {
        let key = AssetKey { kind: Kind::Video, index };
        if mine.files.iter().any(|file| file.key() == key) {
            continue;
        }
        let bytes = Bytes::from(vec![variant; usize::try_from(size).unwrap()]);
        let (sha256, content_type) = (Sha256Hex::digest(&bytes), Some("video/mp4".to_owned()));
        let content = Content { source: Source::Memory(bytes), size, sha256: sha256.clone(), content_type };
        let name = publisher.publish_content(task, &format!("video-{index}.mp4"), &content, Proof::Recorded).await?;
        mine.files.push(FileEntry::new(key, &name, size, sha256));
    }
    mine.sort();
    commit(bucket, standing, base.as_ref(), mine, false).await.map(|entry| entry.files)
}

#[tokio::test]
#[ignore = "needs a bucket: .ci/buckets"]
async fn racing_writers_end_with_one_manifest_and_whole_files() {
    let bucket = bucket("race");
    for round in 0..5 {
        let task = format!("t{round}");
        let ended = join_all((0..6).map(|n| archive(&bucket, &task, n % 3))).await;
        let commits: Vec<_> = ended.iter().filter_map(|ended| ended.as_ref().ok()).collect();
        assert!(!commits.is_empty(), "{ended:?}");
        let now = read_manifest(&bucket, &TaskId::new(&task).unwrap(), false).await.unwrap().entry.unwrap();
        let files: BTreeMap<AssetKey, &FileEntry> = now.files.iter().map(|file| (file.key(), file)).collect();
        assert!(commits.into_iter().flatten().all(|file| files.get(&file.key()) == Some(&file)), "a commit was undone");
        for file in &now.files {
            let object = bucket.store.get(&bucket.key(&format!("{task}/{}", file.path()))).await.unwrap();
            let bytes = object.bytes().await.unwrap();
            assert_eq!((&Sha256Hex::digest(&bytes), bytes.len() as u64), (file.sha256(), file.size()));
        }
    }
}
