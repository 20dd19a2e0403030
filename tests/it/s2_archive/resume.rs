//! An interrupted download continues where it ended, in the same run and in the next.
//!
//! "Bytes are joined only on proof: the exact range that was requested, the same total, the same strong validator
//! (`If-Range`)." The tests check the requests that the host received: the first requested byte, and the `If-Range`.
//! In every case the file is one whole version of the remote file.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::support::faults::{ETAG, OLD_DATE, SeenRequest, requests_at};
use crate::support::{RemoteFile, Reply, ServerFault, World};
use ServerFault::{
    ChangedEtag, CutAt, Drip, FreshLastModified, Healthy, IgnoreRange, MissingLastChunk, NoRanges, NoValidator, OnlyLastModified,
    Replaced, ShortBody, ShortRange, StallAt, Status, WeakEtag, WeakEtagAndLastModified, WrongRange,
};

const SIZE: usize = 3_000_000;
const CUT: usize = 1_000_000;

fn remote(world: &World, script: &[ServerFault]) -> RemoteFile {
    let remote = RemoteFile::new(world, "/a.mp4", SIZE, script);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    remote
}

fn video(world: &World) -> PathBuf {
    world.archive().join("t1/video-1.mp4")
}

/// The first requested byte of each request; none where no range was requested.
fn range_starts(seen: &[SeenRequest]) -> Vec<Option<u64>> {
    seen.iter().map(|seen| seen.range.map(|(from, _)| from)).collect()
}

fn is_whole(world: &World, remote: &RemoteFile) -> bool {
    let bytes = fs::read(video(world)).unwrap();
    let is_one = bytes == *remote.bytes || bytes == *remote.replacement;
    is_one && world.files("t1") == ["video-1.mp4"]
}

#[test]
fn truncated_body_resumes_at_the_next_byte() {
    for (first, from) in [(CutAt(CUT), CUT), (CutAt(1), 1), (CutAt(SIZE - 1), SIZE - 1), (StallAt(CUT), CUT)] {
        let world = World::new();
        let remote = remote(&world, &[first.clone(), CutAt(7), Healthy]);
        world.run(&["t1", "--stall-timeout", "1s"]).exits(0);
        let seen = remote.requests(&world);
        let then = from + 7.min(SIZE - from);
        let expected = [None, Some(from as u64), Some(then as u64)];
        assert_eq!(range_starts(&seen), expected[..seen.len()], "{first:?}");
        assert!(seen[1..].iter().all(|seen| seen.if_range.as_deref() == Some(ETAG)), "{seen:?}");
        assert!(is_whole(&world, &remote));
    }
}

#[test]
fn bytes_are_joined_only_under_a_matching_validator_and_range() {
    for (script, requests) in [
        // The host sends the whole file instead: it is accepted.
        (&[CutAt(CUT), IgnoreRange][..], vec![None, Some(CUT)]),
        (&[CutAt(CUT), NoRanges], vec![None, Some(CUT)]),
        (&[CutAt(CUT), Replaced], vec![None, Some(CUT)]),
        // Without proof the download starts again from the first byte.
        (&[CutAt(CUT), WrongRange, Healthy], vec![None, Some(CUT), None]),
        (&[CutAt(CUT), ShortRange, Healthy], vec![None, Some(CUT), None]),
        (&[CutAt(CUT), ChangedEtag, Healthy], vec![None, Some(CUT), None]),
        (&[CutAt(CUT), ChangedEtag], vec![None, Some(CUT), None]),
        (&[CutAt(CUT), WeakEtag, Healthy], vec![None, Some(CUT), None]),
        (&[CutAt(CUT), NoValidator, Healthy], vec![None, Some(CUT), None]),
        (&[CutAt(CUT), Status("416 Range Not Satisfiable", &[]), Healthy], vec![None, Some(CUT), None]),
        (&[CutAt(CUT), Status("206 Partial Content", &[]), Healthy], vec![None, Some(CUT), None]),
        // A transient fault costs nothing of the downloaded part.
        (&[CutAt(CUT), Status("500 Oops", &[]), Healthy], vec![None, Some(CUT), Some(CUT)]),
        (&[CutAt(CUT), Status("503 Busy", &[("Retry-After", "0")]), Healthy], vec![None, Some(CUT), Some(CUT)]),
    ] {
        let world = World::new();
        let remote = remote(&world, script);
        world.run(&["t1"]).exits(0);
        let expected: Vec<Option<u64>> = requests.into_iter().map(|from| from.map(|from| from as u64)).collect();
        assert_eq!(range_starts(&remote.requests(&world)), expected, "{script:?}");
        assert!(is_whole(&world, &remote), "{script:?}");
    }
}

#[test]
fn body_shorter_than_its_range_is_not_complete() {
    let world = World::new();
    let remote = remote(&world, &[CutAt(CUT), ShortBody, Healthy]);
    world.run(&["t1"]).exits(0);
    assert!(is_whole(&world, &remote));
}

#[test]
fn without_a_strong_validator_the_download_restarts() {
    for weak in [WeakEtag, NoValidator, FreshLastModified] {
        let world = World::new();
        let RemoteFile { path, bytes, .. } = remote(&world, &[Healthy]);
        let remote = RemoteFile::new(&world, "/a.mp4", SIZE, &[Healthy]);
        // The reply with a weak validator is also cut: two faults in one.
        let cut = match weak {
            WeakEtag => "W/\"v1\"",
            _ => "",
        };
        let reply = Reply::ok(bytes.as_slice()).content_type("video/mp4").header("Accept-Ranges", "bytes");
        let reply = if cut.is_empty() { reply } else { reply.header("ETag", cut) };
        let now = httpdate::fmt_http_date(std::time::SystemTime::now());
        let reply =
            if matches!(weak, FreshLastModified) { reply.header("Last-Modified", &now).header("Date", &now) } else { reply };
        world.media.script(&path, [reply.clone().cut_after(CUT), reply]);
        world.run(&["t1"]).exits(0);
        assert_eq!(range_starts(&remote.requests(&world)), [None, None], "{weak:?}");
        assert!(is_whole(&world, &remote));
    }
}

#[test]
fn old_last_modified_date_is_a_strong_validator() {
    for (etag, fault) in [(None, OnlyLastModified), (Some("W/\"v1\""), WeakEtagAndLastModified), (Some("v1"), OnlyLastModified)] {
        let world = World::new();
        let remote = remote(&world, &[Healthy]);
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        let first = Reply::ok(remote.bytes.as_slice()).content_type("video/mp4").header("Last-Modified", OLD_DATE);
        let first = etag.into_iter().fold(first, |reply, etag| reply.header("ETag", etag));
        world.media.script(&remote.path, [first.header("Date", &date).cut_after(CUT), remote.reply(fault)]);
        world.run(&["t1"]).exits(0);
        let seen = remote.requests(&world);
        assert_eq!(
            (range_starts(&seen), seen[1].if_range.as_deref()),
            (vec![None, Some(CUT as u64)], Some(OLD_DATE)),
            "{etag:?}"
        );
        assert!(is_whole(&world, &remote));
    }
}

#[test]
fn large_file_with_a_weak_etag_and_an_old_date_uses_several_connections() {
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", 20 << 20, &[WeakEtagAndLastModified]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    world.run(&["t1"]).exits(0);
    assert!(remote.requests(&world).len() > 2, "segments were requested");
    assert!(is_whole(&world, &remote));
}

#[test]
fn after_two_restarts_no_range_is_requested() {
    let world = World::new();
    let script = [CutAt(CUT), ChangedEtag, CutAt(CUT + 1), ChangedEtag, CutAt(CUT + 2), Healthy];
    let remote = remote(&world, &script);
    world.run(&["t1"]).exits(0);
    let cut = CUT as u64;
    assert_eq!(range_starts(&remote.requests(&world)), [None, Some(cut), None, Some(cut + 1), None, None]);
    assert!(is_whole(&world, &remote));
}

#[test]
fn progress_refills_the_retries_and_no_progress_exhausts_them() {
    let world = World::new();
    let cuts = vec![CutAt(SIZE / 12); 10];
    let remote = remote(&world, &[cuts, vec![Healthy]].concat());
    world.run(&["t1", "--retries", "1"]).exits(0);
    assert!(is_whole(&world, &remote));

    remote.set_script(&world, &[CutAt(CUT), CutAt(0)]);
    world.run(&["t1", "--force", "--retries", "2"]).exits(1);
    assert_eq!(
        remote.requests(&world).len(),
        11 + 1 + 3 - 1,
        "the cut, a try that refilled nothing, and no more than the budget"
    );
}

/// Makes a run that gets the first `CUT` bytes and no more.
fn interrupted_download(world: &World) -> RemoteFile {
    let remote = remote(world, &[CutAt(CUT), Status("500 Oops", &[])]);
    world.run(&["t1", "--retries", "1"]).exits(1);
    assert_eq!(world.files("t1"), [".video-1.journal", ".video-1.part"]);
    remote
}

#[test]
fn next_run_resumes_where_a_failed_run_ended() {
    for next in [Healthy, Drip(100_000)] {
        let world = World::new();
        let remote = interrupted_download(&world);
        remote.set_script(&world, &[next]);
        world.run(&["t1"]).exits(0);
        assert_eq!(range_starts(&remote.requests(&world)), [None, Some(CUT as u64), Some(CUT as u64)]);
        assert!(is_whole(&world, &remote), "and nothing of the part is left");
    }
}

#[test]
fn kill_loses_at_most_4_mib_per_connection() {
    let (size, at) = (12 << 20, (8 << 20) - 4096);
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", size, &[StallAt(at)]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    let running = world.start(&["t1", "-x", "1"]);
    let part = world.archive().join("t1/.video-1.part");
    // The received bytes are on disk, except for less than one buffer.
    await_condition(|| fs::metadata(&part).is_ok_and(|part| part.len() + (512 << 10) >= at as u64));
    running.kill();
    assert!(!world.archive().join("t1/manifest.json").exists() && !video(&world).exists());
    remote.set_script(&world, &[Healthy]);
    world.run(&["t1"]).exits(0);
    let from = remote.requests(&world)[1].range_start();
    assert!(from + (4 << 20) + (512 << 10) >= at as u64, "resumed at {from} of {at}");
    assert!(is_whole(&world, &remote), "and no dot-file is left");
}

/// Waits for a condition, up to a limit.
pub(super) fn await_condition(condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed().as_secs() < 20, "it did not happen in time");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn fresh_link_resumes_the_part_if_the_file_is_the_same() {
    for (fault, requests) in [(Healthy, vec![Some(CUT as u64)]), (ChangedEtag, vec![Some(CUT as u64), None])] {
        let world = World::new();
        let remote = interrupted_download(&world);
        let fresh = remote.serve_at(&world, "/fresh.mp4", &[fault]);
        world.serve_task("t1", &json!({"videos": [format!("{fresh}?sig=2")]}));
        world.run(&["t1"]).exits(0);
        assert_eq!(range_starts(&requests_at(&world, "/fresh.mp4")), requests);
        assert!(is_whole(&world, &remote));
    }
}

#[test]
fn part_file_is_validated_against_its_journal() {
    type Harm = fn(&mut Vec<u8>, &mut Vec<u8>);
    let harms: [(&str, Harm); 9] = [
        ("a byte is another", |part, _| part[CUT / 2] ^= 1),
        ("the last byte is another", |part, _| part[CUT - 1] ^= 1),
        ("its tail is zeros", |part, _| part[CUT - 4096..].fill(0)),
        ("zeros follow it", |part, _| part.extend([0; 4096])),
        ("it is shorter", |part, _| part.truncate(CUT - 1)),
        ("it is empty", |part, _| part.clear()),
        ("the journal is cut", |_, journal| journal.truncate(journal.len() - 2)),
        ("the journal is zeros", |_, journal| journal.fill(0)),
        ("the journal is of another program", |_, journal| *journal = b"{\"version\":2}\n[1,2]\n".to_vec()),
    ];
    for (what, harm) in harms {
        let world = World::new();
        let remote = interrupted_download(&world);
        let folder = world.archive().join("t1");
        let (mut part, mut journal) =
            (fs::read(folder.join(".video-1.part")).unwrap(), fs::read(folder.join(".video-1.journal")).unwrap());
        harm(&mut part, &mut journal);
        fs::write(folder.join(".video-1.part"), part).unwrap();
        fs::write(folder.join(".video-1.journal"), journal).unwrap();
        remote.set_script(&world, &[Healthy]);
        world.run(&["t1"]).exits(0);
        assert!(is_whole(&world, &remote), "{what}");
    }
}

#[test]
fn resume_continues_at_the_last_valid_checkpoint() {
    let (size, at) = (12 << 20, 10 << 20);
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", size, &[CutAt(at), Status("500 Oops", &[])]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    world.run(&["t1", "--retries", "0"]).exits(1);
    let path = world.archive().join("t1/.video-1.part");
    let mut part = fs::read(&path).unwrap();
    part[at - 4096..].fill(0);
    fs::write(&path, part).unwrap();
    remote.set_script(&world, &[Healthy]);
    world.run(&["t1"]).exits(0);
    let from = remote.requests(&world).last().unwrap().range_start();
    assert!(from + (4 << 20) + (1 << 20) >= at as u64 && from < at as u64, "{from}");
    assert!(is_whole(&world, &remote));
}

#[test]
fn complete_part_is_not_fetched_again() {
    let world = World::new();
    let remote = remote(&world, &[MissingLastChunk]);
    world.run(&["t1", "--retries", "0"]).exits(1);
    assert_eq!(fs::metadata(world.archive().join("t1/.video-1.part")).unwrap().len(), SIZE as u64);
    remote.set_script(&world, &[Healthy]);
    world.run(&["t1"]).exits(0);
    assert!(is_whole(&world, &remote));
    let seen = remote.requests(&world);
    assert!(seen[1..].iter().all(|seen| seen.range_start() > 0), "{seen:?}");
}

/// A gzip body of the given size with one wrong byte, and then the same body without the fault.
fn assert_retried(sizes: &[(usize, usize)]) {
    use std::io::Write as _;
    for &(size, at) in sizes {
        let world = World::new();
        let remote = RemoteFile::new(&world, "/a.mp4", size, &[Healthy]);
        world.serve_task("t1", &json!({"videos": [remote.url]}));
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&remote.bytes).unwrap();
        let zipped = packer.finish().unwrap();
        let mut broken = zipped.clone();
        broken[at..at + 100].fill(0xff);
        let reply = |body: Vec<u8>| Reply::ok(body).content_type("video/mp4").header("Content-Encoding", "gzip");
        world.media.script("/a.mp4", [reply(broken), reply(zipped)]);
        world.run(&["t1"]).exits(0);
        assert!(is_whole(&world, &remote), "{size} {at}");
    }
}

#[test]
fn corrupt_encoding_is_retried() {
    assert_retried(&[(50_000, 10), (50_000, 100), (2_000_000, 100)]);
}

#[test]
fn corrupt_encoding_late_in_the_body_is_retried() {
    assert_retried(&[(2_000_000, 10)]);
}

#[test]
fn summary_counts_only_bytes_of_this_run() {
    for (second, fetched) in [
        (vec![Healthy], SIZE - CUT),
        // Some of it comes twice in the second run, and counts once.
        (vec![CutAt(CUT), Healthy], SIZE - CUT),
        // Nothing of the first run can be used.
        (vec![Replaced], SIZE),
    ] {
        let world = World::new();
        let remote = remote(&world, &[CutAt(CUT)]);
        let first = world.run_json(&["t1", "--retries", "0"]).exits(1);
        assert_eq!(first.summary()["bytes"], 0, "no file was saved");
        remote.set_script(&world, &second);
        let run = world.run_json(&["t1"]).exits(0);
        assert_eq!((&run.summary()["bytes"], &run.task("t1")["bytes"]), (&json!(fetched), &json!(SIZE)), "{second:?}");
        let run = world.run_json(&["t1", "--force"]).exits(0);
        assert_eq!(run.summary()["bytes"], SIZE);
    }
}
