//! A large file over several connections: the segments are joined in order, and the file is correct whichever segment
//! fails.

use std::fs;

use serde_json::json;

use crate::support::audit::sha256;
use crate::support::faults::SeenRequest;
use crate::support::journal::proven_blocks;
use crate::support::{RemoteFile, Run, ServerFault, World};
use ServerFault::{ChangedEtag, CutAt, Drip, Healthy, IgnoreRange, NoRanges, NoValidator, Replaced, StallAt, Status, WrongRange};

const MIB: usize = 1 << 20;
const SIZE: usize = 24 * MIB + 12_345;

fn world(size: usize, script: &[ServerFault]) -> (World, RemoteFile) {
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", size, script);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    (world, remote)
}

fn run(world: &World, connections: &str) -> Run {
    world.run(&["t1", "-x", connections, "--stall-timeout", "1s"])
}

#[track_caller]
fn assert_complete(world: &World, remote: &RemoteFile) {
    let hash = sha256(&fs::read(world.archive().join("t1/video-1.mp4")).unwrap());
    assert!(hash == sha256(&remote.bytes) || hash == sha256(&remote.replacement), "another file");
    assert_eq!(world.files("t1"), ["video-1.mp4"]);
}

/// The requested ranges, each from its first byte to the one after the last.
fn ranges(seen: &[SeenRequest]) -> Vec<(usize, usize)> {
    let number = |at: u64| usize::try_from(at).unwrap();
    seen.iter()
        .filter_map(|seen| seen.range)
        .map(|(from, last)| (number(from), last.map_or(SIZE, |last| number(last) + 1)))
        .collect()
}

#[test]
fn segments_of_a_large_file_are_disjoint_and_cover_it() {
    let (world, remote) = world(SIZE, &[Healthy]);
    run(&world, "4").exits(0);
    assert_complete(&world, &remote);
    let seen = remote.requests(&world);
    assert_eq!(seen.iter().filter(|seen| seen.range.is_none()).count(), 1, "the first request gets the first segment");
    let mut ranges = ranges(&seen);
    ranges.sort_unstable();
    let first = ranges[0].0;
    assert!(first <= 4 * MIB, "the first segment is small: {first}");
    assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "disjoint, and without a gap: {ranges:?}");
    assert_eq!(ranges.last().unwrap().1, SIZE);
    assert!(ranges.iter().all(|(from, to)| to - from <= 4 * MIB), "a kill costs no more than 4 MiB each: {ranges:?}");
    assert!(world.media.max_active() > 1);
}

#[test]
fn segments_are_requested_in_file_order() {
    let (world, remote) = world(SIZE, &[Healthy]);
    run(&world, "4").exits(0);
    for (at, (from, _)) in ranges(&remote.requests(&world)).into_iter().enumerate() {
        // Requests within the window of two segments per connection may arrive in any order.
        assert!(from.abs_diff((at + 1) * 2 * MIB) <= 16 * MIB, "piece {at} begins at {from}");
    }
}

#[test]
fn one_connection_makes_one_request() {
    let (world, remote) = world(SIZE, &[Healthy]);
    run(&world, "1").exits(0);
    assert_complete(&world, &remote);
    assert_eq!((remote.requests(&world).len(), world.media.max_active()), (1, 1));
}

#[test]
fn small_files_and_hosts_without_ranges_use_one_plain_request() {
    for (size, script) in [(16 * MIB - 1, Healthy), (SIZE, NoRanges), (SIZE, NoValidator)] {
        let (world, remote) = world(size, std::slice::from_ref(&script));
        run(&world, "4").exits(0);
        assert_complete(&world, &remote);
        let seen = remote.requests(&world);
        assert_eq!((seen.len(), seen[0].range), (1, None), "{size} {script:?}");
    }
}

#[test]
fn host_that_ignores_ranges_is_read_as_one_stream() {
    let (world, remote) = world(SIZE, &[IgnoreRange]);
    run(&world, "4").exits(0);
    assert_complete(&world, &remote);
    let seen = remote.requests(&world);
    assert_eq!(seen.iter().filter(|seen| seen.range.is_none()).count(), 1, "{seen:?}");
    assert!(seen.len() <= 2, "{seen:?}");
}

#[test]
fn fault_on_one_connection_leaves_the_file_right() {
    for odd in [
        CutAt(0),
        CutAt(100_000),
        StallAt(100_000),
        Drip(200_000),
        Status("500 Oops", &[]),
        Status("503 Busy", &[("Retry-After", "0")]),
        Status("429 Too Many Requests", &[("Retry-After", "1")]),
        Status("416 Range Not Satisfiable", &[]),
        IgnoreRange,
        WrongRange,
        ChangedEtag,
        NoValidator,
    ] {
        for at in [1, 2, 5] {
            let mut script = vec![Healthy; at];
            script.extend([odd.clone(), Healthy]);
            let (world, remote) = world(SIZE, &script);
            let run = world.start(&["t1", "-x", "4", "--stall-timeout", "1s"]).wait(false).exits(0);
            assert!(run.stderr.is_empty() || !run.stderr.contains("error"), "{run:?}");
            assert_complete(&world, &remote);
        }
    }
}

#[test]
fn truncated_segment_resumes_within_the_segment() {
    let (world, remote) = world(SIZE, &[Healthy, Healthy, CutAt(100_000), Healthy]);
    run(&world, "4").exits(0);
    assert_complete(&world, &remote);
    let ranges = ranges(&remote.requests(&world));
    let cut = ranges[1];
    assert!(ranges.contains(&(cut.0 + 100_000, cut.1)), "{ranges:?}");
}

#[test]
fn file_replaced_during_download_is_one_version_or_absent() {
    for at in [1, 2, 4, 7] {
        for change in [Replaced, ChangedEtag] {
            let mut script = vec![Healthy; at];
            script.push(change);
            let (world, remote) = world(SIZE, &script);
            let run = run(&world, "4");
            if run.code == Some(0) {
                assert_complete(&world, &remote);
            } else {
                assert!(!world.archive().join("t1/video-1.mp4").exists(), "{run:?}");
            }
        }
    }
}

#[test]
fn link_that_expires_between_segments_is_refreshed() {
    let (world, remote) = world(SIZE, &[Healthy, Healthy, Healthy, Status("403 Forbidden", &[])]);
    let fresh = remote.serve_at(&world, "/fresh.mp4", &[Healthy]);
    let answer = |url: &str| crate::support::Answer::json(200, &crate::support::success(&json!({"videos": [url]})));
    world.answers("t1", [answer(&remote.url), answer(&fresh)]);
    run(&world, "4").exits(0);
    assert_complete(&world, &remote);
    assert_eq!(world.gateway_requests().len(), 2);
}

#[test]
fn next_run_resumes_a_segmented_download() {
    // The first connection stalls. The others have time to bring their ranges.
    let (world, remote) = world(SIZE, &[StallAt(100_000), Healthy]);
    world.run(&["t1", "-x", "4", "--retries", "0", "--stall-timeout", "3s"]).exits(1);
    let journal = fs::read_to_string(world.archive().join("t1/.video-1.journal")).unwrap();
    assert!(!proven_blocks(&journal).is_empty(), "nothing was left to resume from");
    remote.set_script(&world, &[Healthy]);
    run(&world, "4").exits(0);
    assert_complete(&world, &remote);
}
