//! A part with gaps: several connections wrote ahead of one that stalled. The next run requests only what is missing, and only
//! what the journal proves is kept.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use serde_json::json;

use super::resume::await_condition;
use crate::support::journal::proven_blocks;
use crate::support::{RemoteFile, ServerFault, World};
use ServerFault::{Healthy, NoRanges, NoValidator, Replaced, StallAt, Status};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 48 * MIB;

/// Kills a run whose first connection has brought nothing that is proven, and the second one everything behind its range.
/// Returns the length of the gap.
fn killed_with_a_gap() -> (World, RemoteFile, u64) {
    let world = World::new();
    let remote = RemoteFile::new(&world, "/a.mp4", usize::try_from(SIZE).unwrap(), &[StallAt(100_000), Healthy]);
    world.serve_task("t1", &json!({"videos": [remote.url]}));
    let running = world.start(&["t1", "-x", "2"]);
    let journal = world.archive().join("t1/.video-1.journal");
    let gap = std::cell::Cell::new(0);
    await_condition(|| {
        let blocks = proven_blocks(&fs::read_to_string(&journal).unwrap_or_default());
        gap.set(blocks.iter().map(|(from, _)| *from).min().unwrap_or(0));
        gap.get() > 0 && gap.get() + blocks.iter().map(|(_, size)| size).sum::<u64>() == SIZE
    });
    running.kill();
    (world, remote, gap.get())
}

/// Asserts that the requests after the first `skip` ones lead nowhere behind the gap. The first of them asks for the whole
/// file, and is cut.
#[track_caller]
fn assert_requested_only_the_gap(world: &World, remote: &RemoteFile, skip: usize, gap: u64) {
    let seen = remote.requests(world).split_off(skip);
    assert_eq!(seen[0].range, None);
    assert!(seen[1..].iter().all(|seen| seen.range.is_some_and(|(_, last)| last < Some(gap))), "{gap}: {seen:?}");
}

fn assert_whole(world: &World, bytes: &[u8]) {
    assert!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap() == bytes, "another file");
    assert_eq!(world.files("t1"), ["video-1.mp4"]);
}

#[test]
fn next_run_requests_only_the_gap() {
    for connections in ["1", "2", "4"] {
        let (world, remote, gap) = killed_with_a_gap();
        let before = remote.requests(&world).len();
        remote.set_script(&world, &[Healthy]);
        world.run(&["t1", "-x", connections]).exits(0);
        assert_whole(&world, &remote.bytes);
        assert_requested_only_the_gap(&world, &remote, before, gap);
    }
}

#[test]
fn damaged_block_is_requested_again() {
    let (world, remote, _) = killed_with_a_gap();
    let mut part = fs::OpenOptions::new().write(true).open(world.archive().join("t1/.video-1.part")).unwrap();
    part.seek(SeekFrom::Start(30 * MIB + 5)).unwrap();
    part.write_all(b"damage").unwrap();
    drop(part);
    remote.set_script(&world, &[Healthy]);
    world.run(&["t1", "-x", "2"]).exits(0);
    assert_whole(&world, &remote.bytes);
}

#[test]
fn file_that_changed_keeps_no_byte_of_the_old_one() {
    for host in [Replaced, NoValidator] {
        let (world, ..) = killed_with_a_gap();
        // The new file is shorter than what the part has.
        let shorter = RemoteFile::new(&world, "/b.mp4", 20 << 20, std::slice::from_ref(&host));
        world.serve_task("t1", &json!({"videos": [shorter.url]}));
        world.run(&["t1", "-x", "2"]).exits(0);
        assert_whole(&world, if matches!(host, Replaced) { &shorter.replacement } else { &shorter.bytes });
    }
}

#[test]
fn refused_request_for_a_later_gap_loses_no_block() {
    let (world, remote, gap) = killed_with_a_gap();
    let before = remote.requests(&world).len();
    remote.set_script(&world, &[Healthy, Status("429 Too Many Requests", &[("Retry-After", "0")]), Healthy]);
    world.run(&["t1", "-x", "2"]).exits(0);
    assert_whole(&world, &remote.bytes);
    assert_requested_only_the_gap(&world, &remote, before, gap);
}

#[test]
fn host_that_serves_no_ranges_any_more_brings_the_whole_file() {
    let (world, remote, _) = killed_with_a_gap();
    remote.set_script(&world, &[NoRanges]);
    world.run(&["t1", "-x", "2"]).exits(0);
    assert_whole(&world, &remote.bytes);
}
