//! An index that somebody else wrote, or that a disk damaged: always an error, never fewer tasks.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::storage::Error;

const CURRENT: &str = ".yescale/index/current.json";
const SEGMENT: &str = ".yescale/index/log/20261130T104748Z-all-0123456789abcdef.jsonl.gz";

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// What each reader says of the index: all must refuse it.
async fn refusals(bucket: &Bucket) -> [String; 3] {
    let load = Index::load(bucket, None).await.map(|index| index.len());
    let each = for_each_indexed(bucket, |_| ()).await;
    let compacted = compact(bucket).await;
    [load.unwrap_err(), each.unwrap_err(), compacted.unwrap_err()].map(|error: Error| error.message())
}

async fn compacted() -> Bucket {
    let bucket = in_memory();
    write_log(&bucket, None, (0..200).map(|id| task(id, 1))).await;
    compact(&bucket).await.unwrap();
    bucket
}

async fn text(bucket: &Bucket, relative: &str) -> String {
    let bytes = bucket.store.get(&bucket.key(relative)).await.unwrap().bytes().await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn damaged_segments_are_refused_by_name_and_a_rebuild_replaces_them() {
    let valid = b"{\"task_id\":\"1\",\"state\":\"complete\"}\n";
    let mut cut = gzip(valid);
    cut.truncate(cut.len() - 9);
    for damaged in [
        b"garbage".to_vec(),
        Vec::new(),
        cut,
        gzip(b"garbage\n"),
        gzip(b"{\"task_id\":\"1\"}\n"),
        gzip(b"\n"),
        gzip(&vec![b' '; 2 << 20]),
        [gzip(valid), b"more".to_vec()].concat(),
    ] {
        let bucket = compacted().await;
        put(&bucket, SEGMENT, damaged.clone()).await;
        for message in refusals(&bucket).await {
            assert!(message.contains(SEGMENT) && message.contains("index --rebuild s3://b/p`"), "{message}");
        }
        put_manifest(&bucket, &task(1, 1)).await;
        assert_eq!(rebuild(&bucket, |_| ()).await.unwrap().tasks, 1);
        assert_eq!(all(&bucket).await.len(), 1);
    }
}

#[tokio::test]
async fn damaged_pointers_are_refused_and_a_rebuild_replaces_them() {
    let bucket = compacted().await;
    let valid = text(&bucket, CURRENT).await;
    let generation =
        valid.split('"').find(|word| word.ends_with(|c: char| c.is_ascii_hexdigit()) && word.contains("Z-")).unwrap();
    for damaged in [
        String::new(),
        "null".to_owned(),
        valid[..valid.len() / 2].to_owned(),
        valid.replace("part-001", "part-000"),
        valid.replace("part-001", "../../../x"),
        valid.replace(generation, "log"),
        valid.replace(generation, "../../other/.yescale/index/20261130T104748Z-0123456789abcdef"),
        format!(r#"{{"index_version":1,"generation":"{generation}","parts":[]}}"#),
        format!(
            r#"{{"index_version":1,"generation":"{generation}","parts":[{{"name":"part-000.jsonl.gz","tasks":1}},{{"name":"part-001.jsonl.gz","tasks":1}},{{"name":"part-002.jsonl.gz","tasks":1}}]}}"#
        ),
        " ".repeat(2 << 20),
    ] {
        put(&bucket, CURRENT, damaged.clone()).await;
        for message in refusals(&bucket).await {
            assert!(message.contains("current.json") && message.contains("--rebuild"), "{message} of {damaged}");
        }
    }
    put_manifest(&bucket, &task(1, 1)).await;
    assert_eq!(rebuild(&bucket, |_| ()).await.unwrap().tasks, 1);
    assert_eq!(all(&bucket).await.len(), 1);
}

#[tokio::test]
async fn later_versions_are_never_replaced() {
    let bucket = compacted().await;
    let newer = r#"{"index_version":2,"shape":"unknown"}"#;
    put(&bucket, CURRENT, newer).await;
    for message in refusals(&bucket).await {
        assert!(message.contains("later version"), "{message}");
    }
    assert!(rebuild(&bucket, |_| ()).await.is_err());
    assert_eq!(text(&bucket, CURRENT).await, newer);
}

#[tokio::test]
async fn parts_that_are_gone_or_have_other_tasks_are_refused() {
    let bucket = compacted().await;
    let names = objects(&bucket).await;
    // Without a log, a compaction reads no parts.
    write_log(&bucket, None, [task(200, 1)]).await;
    let part = |number: usize| format!(".yescale/index/{}", names[number]);
    let bytes = |number: usize| {
        let (bucket, part) = (bucket.clone(), part(number));
        async move { bucket.store.get(&bucket.key(&part)).await.unwrap().bytes().await.unwrap() }
    };
    let (first, second) = (bytes(0).await, bytes(1).await);
    for other in [second.to_vec(), [&first[..], &first[..]].concat(), gzip(b"")] {
        put(&bucket, &part(0), other).await;
        for message in refusals(&bucket).await {
            assert!(message.contains(&part(0)) && message.contains("damaged"), "{message}");
        }
    }
    bucket.store.delete(&bucket.key(&part(0))).await.unwrap();
    for message in refusals(&bucket).await {
        assert!(message.contains(&part(0)) && message.contains("gone"), "{message}");
    }
}
