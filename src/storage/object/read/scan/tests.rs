use super::*;
use crate::integrity::digest::Sha256Hex;
use crate::storage::object::read::tests::{TestBucket, task};

fn suffixed(name: &str, bytes: &[u8]) -> String {
    layout::suffixed_name(name, &Sha256Hex::digest(bytes))
}

fn scan(bucket: &TestBucket, filter: &TaskFilter) -> BucketScan {
    BucketScan::of(bucket.reader(), filter).unwrap()
}

/// The findings of a scan, sorted, as `FAULT PATH`.
fn findings(scan: &BucketScan, quick: bool) -> Vec<String> {
    let mut found = scan.faults.clone();
    scan.check_all(quick, &Emitter::silent(), |task| {
        found.extend(task.scan.faults);
        found.extend(task.broken.into_iter().map(|(file, fault)| (file.path, fault)));
    });
    let mut lines: Vec<String> = found.iter().map(|(path, fault)| format!("{} {path}", fault.as_str())).collect();
    lines.sort();
    lines
}

fn verify(bucket: &TestBucket, quick: bool) -> Vec<String> {
    findings(&scan(bucket, &TaskFilter::default()), quick)
}

/// A task with a suffixed file and text, with the objects that writers leave beside them.
fn contended() -> TestBucket {
    let bucket = TestBucket::archive();
    let (video, text) = (suffixed("video-1.mp4", b"mine"), suffixed("text.txt", b"la"));
    bucket.put_task("t1", &[(&video, b"mine"), ("image-1.png", b"image"), (&text, b"la")]);
    bucket.put("t1/.video-1.mp4.sha256", b"hash");
    bucket.put("t1/video-1.mp4", b"theirs");
    bucket
}

#[test]
fn intact_archive_has_unknown_files_at_most() {
    let bucket = contended();
    for quick in [true, false] {
        assert_eq!(verify(&bucket, quick), ["unknown t1/video-1.mp4"]);
    }
    bucket.put("notes.txt", b"note");
    bucket.put("My Photos/a.jpg", b"jpg");
    bucket.put("manifest.json", br#"{"manifest_version":1,"tasks":[]}"#);
    let expected = ["unknown My Photos/a.jpg", "unknown notes.txt", "unknown t1/video-1.mp4"];
    assert_eq!(verify(&bucket, false), expected);
}

#[test]
fn damaged_and_missing_objects_are_found() {
    let bucket = contended();
    let (video, text) = (suffixed("video-1.mp4", b"mine"), suffixed("text.txt", b"la"));
    bucket.put_recorded(&format!("t1/{video}"), b"MINE", &Sha256Hex::digest(b"mine"));
    bucket.delete(&format!("t1/{text}"));
    bucket.put("t1/image-1.png", b"cut");
    let rest = [format!("damaged t1/image-1.png"), format!("missing t1/{text}"), "unknown t1/video-1.mp4".to_owned()];
    assert_eq!(verify(&bucket, true), rest, "a quick check believes the recorded hash");
    let mut all = rest.to_vec();
    all.push(format!("damaged t1/{video}"));
    all.sort();
    assert_eq!(verify(&bucket, false), all);
    bucket.put_recorded(&format!("t1/{video}"), b"MINE", &Sha256Hex::digest(b"MINE"));
    assert_eq!(verify(&bucket, true), all, "a recorded hash that is another one is a finding");
    bucket.put(&format!("t1/{video}"), b"MINE");
    assert_eq!(verify(&bucket, true), rest, "without a recorded hash only the size counts");
}

#[test]
fn damaged_manifests_are_found_with_their_task() {
    let bucket = TestBucket::archive();
    bucket.put("cut/manifest.json", br#"{"manifest_version":1,"ta"#);
    bucket.put("cut/video-1.mp4", b"video");
    bucket.put("foreign/manifest.json", br#"{"name":"an app"}"#);
    bucket.put("unfinished/video-1.mp4", b"video");
    let scan = scan(&bucket, &TaskFilter::default());
    let expected = [
        "damaged cut/manifest.json",
        "unknown cut/video-1.mp4",
        "unknown foreign/manifest.json",
        "unknown unfinished/video-1.mp4",
    ];
    assert_eq!(findings(&scan, false), expected);
    let mut ids = Vec::new();
    scan.check_all(false, &Emitter::silent(), |task| ids.extend(task.scan.task_id));
    assert_eq!(ids, ["cut"], "repair needs the id");
}

#[test]
fn task_of_the_index_without_a_manifest_is_missing() {
    let bucket = TestBucket::archive();
    let (gone, stripped, here) = (task("gone", &[]), task("Odd", &[]), bucket.put_task("t1", &[]));
    let folder = layout::folder_name("Odd");
    bucket.put(&format!("{folder}/video-1.mp4"), b"video");
    bucket.index(&[gone, stripped, here]);
    let expected = [
        format!("missing {folder}/manifest.json"),
        "missing gone/manifest.json".to_owned(),
        format!("unknown {folder}/video-1.mp4"),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(verify(&bucket, false), expected);
}

#[test]
fn unreadable_index_is_a_finding() {
    let bucket = contended();
    bucket.put(".yescale/index/log/20261130T104748Z-all-0123456789abcdef.jsonl.gz", b"garbage");
    assert_eq!(verify(&bucket, true), ["unknown t1/video-1.mp4", "unreadable .yescale/index"]);
}

#[test]
fn files_that_are_replaced_meanwhile_are_no_findings() {
    let bucket = TestBucket::archive();
    bucket.put_task("t1", &[("image-1.png", b"old")]);
    let scan = scan(&bucket, &TaskFilter::default());
    // Between the listing and the checks: a forced run, and a task that is new.
    let renewed = suffixed("image-1.png", b"renewed");
    bucket.put_task("t1", &[(&renewed, b"renewed")]);
    assert_eq!(findings(&scan, false), ["unknown t1/image-1.png"]);
    bucket.put("t1/image-1.png", b"larger than before");
    bucket.put_task("t1", &[("image-1.png", b"larger than before")]);
    assert_eq!(findings(&scan, false), [""; 0]);
}

#[test]
fn unsafe_paths_are_never_requested() {
    let bucket = TestBucket::archive();
    let mut task = task("t1", &[("video-1.mp4", b"video")]);
    task.files[0] = task.files[0].clone().with_name("../t2/video-1.mp4");
    bucket.put_manifest(&task);
    bucket.put("t2/video-1.mp4", b"video");
    assert_eq!(verify(&bucket, false), ["unknown t2/video-1.mp4", "unsafe t1/../t2/video-1.mp4"]);
}

#[test]
fn filter_lists_only_the_folders_it_asks_for() {
    let bucket = contended();
    let second = bucket.put_task("t2", &[("image-1.png", b"image")]);
    bucket.put("t2/image-1.png", b"wrong");
    bucket.index(&[second, task("gone", &[])]);
    let wanted =
        |ids: &[&str]| TaskFilter { ids: Some(ids.iter().map(|id| (*id).to_owned()).collect()), ..TaskFilter::default() };
    let first = scan(&bucket, &wanted(&["t1"]));
    assert_eq!((findings(&first, false), first.folder_count()), (Vec::<String>::new(), 1));
    assert_eq!(findings(&scan(&bucket, &wanted(&["gone"])), false), ["missing gone/manifest.json"]);
    let both = scan(&bucket, &wanted(&["t2", "t9"]));
    assert_eq!(findings(&both, false), ["damaged t2/image-1.png"]);
    assert_eq!(both.missing_ids(&HashSet::from(["t2".to_owned()])), ["t9"]);
}

#[test]
fn folder_of_one_task_is_checked_alone() {
    let bucket = contended();
    let url = BucketUrl { prefix: "p/t1".to_owned(), ..(*bucket.0.url).clone() };
    let single = crate::storage::object::bucket::Bucket::new(bucket.0.store.clone(), url);
    let scan = BucketScan::of(BucketReader::of(single).unwrap(), &TaskFilter::default()).unwrap();
    assert!(scan.is_single());
    assert_eq!(findings(&scan, false), ["unknown video-1.mp4"]);
}
