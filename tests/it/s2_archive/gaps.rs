//! A part with gaps: several connections wrote ahead of one that stalled. The next run requests only what is missing, and only
//! what the journal proves is kept.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use serde_json::json;

use super::resume::await_condition;
use crate::support::{RemoteFile, ServerFault, World};
use ServerFault::{Healthy, NoRanges, NoValidator, Replaced, StallAt, Status};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 48 * MIB;
/// The first connection stalls in its range, the second one brings the rest.
const FIRST_RANGE: u64 = 12 * MIB;

/// Kills a run whose first connection has brought nothing that is proven, and the second one everything behind its range.
fn killed_with_a_gap() -> (World, RemoteFile) {
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", usize::try_from(SIZE).unwrap(), &[StallAt(100_000), Healthy]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    let running = world.start(&["t1", "-x", "2"]);
    let journal = world.archive().join("t1/.video-1.journal");
    let blocks = usize::try_from((SIZE - FIRST_RANGE) / (2 * MIB)).unwrap();
    await_condition(|| fs::read_to_string(&journal).is_ok_and(|lines| lines.matches("xxh3").count() == blocks));
    running.kill();
    (world, remote)
}

/// The bytes that the requests after the first `skip` ones asked for; a request without an end only as far as `rest`.
fn requested(world: &World, remote: &RemoteFile, skip: usize, rest: u64) -> u64 {
    let ranges = remote.requests(world).into_iter().skip(skip).map(|seen| seen.range.unwrap_or((0, None)));
    ranges.map(|(from, last)| last.map_or(rest, |last| last + 1) - from).sum()
}

fn assert_whole(world: &World, bytes: &[u8]) {
    assert!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap() == bytes, "another file");
    assert_eq!(world.files("t1"), ["video-1.mp4"]);
}

#[test]
fn next_run_requests_only_the_gap() {
    for connections in ["1", "2", "4"] {
        let (world, remote) = killed_with_a_gap();
        let before = remote.requests(&world).len();
        remote.set_script(&world, &[Healthy]);
        world.run(&["t1", "-x", connections]).exits(0);
        assert_whole(&world, &remote.bytes);
        // The first request asks for the whole file, and ends with its range.
        let first_range = if connections == "1" { 6 } else { 12 / (2 * connections.parse::<u64>().unwrap()) };
        let first_range = (first_range * MIB).max(2 * MIB);
        assert!(requested(&world, &remote, before, first_range) <= FIRST_RANGE, "{:?}", &remote.requests(&world)[before..]);
    }
}

#[test]
fn damaged_block_is_requested_again() {
    let (world, remote) = killed_with_a_gap();
    let mut part = fs::OpenOptions::new().write(true).open(world.archive().join("t1/.video-1.part")).unwrap();
    part.seek(SeekFrom::Start(20 * MIB + 5)).unwrap();
    part.write_all(b"damage").unwrap();
    drop(part);
    remote.set_script(&world, &[Healthy]);
    world.run(&["t1", "-x", "2"]).exits(0);
    assert_whole(&world, &remote.bytes);
}

#[test]
fn file_that_changed_keeps_no_byte_of_the_old_one() {
    for host in [Replaced, NoValidator] {
        let (world, _) = killed_with_a_gap();
        // The new file is shorter than what the part has.
        let shorter = RemoteFile::new(&world, "/b.mp4", 20 << 20, std::slice::from_ref(&host));
        world.serve_task("t1", &json!({"videos": [shorter.url]}));
        world.run(&["t1", "-x", "2"]).exits(0);
        assert_whole(&world, if matches!(host, Replaced) { &shorter.replacement } else { &shorter.bytes });
    }
}

#[test]
fn refused_request_for_a_later_gap_loses_no_block() {
    let (world, remote) = killed_with_a_gap();
    let before = remote.requests(&world).len();
    remote.set_script(&world, &[Healthy, Status("429 Too Many Requests", &[("Retry-After", "0")]), Healthy]);
    world.run(&["t1", "-x", "2"]).exits(0);
    assert_whole(&world, &remote.bytes);
    let ranges = remote.requests(&world).split_off(before);
    assert!(ranges.iter().all(|seen| seen.range_start() < FIRST_RANGE), "{ranges:?}");
    assert!(ranges.iter().skip(1).all(|seen| seen.range.is_some_and(|(_, last)| last < Some(FIRST_RANGE))), "{ranges:?}");
}

#[test]
fn host_that_serves_no_ranges_any_more_brings_the_whole_file() {
    let (world, remote) = killed_with_a_gap();
    remote.set_script(&world, &[NoRanges]);
    world.run(&["t1", "-x", "2"]).exits(0);
    assert_whole(&world, &remote.bytes);
}
