//! "A file is whole only if everything that was said about its length agrees."
//!
//! A host sends a slice of a file under another status, or gives two lengths. The file is then the whole remote one,
//! or it is absent. It is never the slice.

use std::fs;

use serde_json::json;

use crate::support::faults::{ETAG, noise};
use crate::support::{Reply, World};

const SIZE: usize = 6_000_000;
const CUT: usize = 3_000_000;
/// Large enough for several connections.
const LARGE: usize = 20 << 20;

fn reply(body: &[u8]) -> Reply {
    Reply::ok(body).content_type("video/mp4").header("Accept-Ranges", "bytes")
}

fn tagged(body: &[u8]) -> Reply {
    reply(body).header("ETag", ETAG)
}

/// The range that a request asks for, within the file.
fn requested_range(head: &str, size: usize) -> Option<(usize, usize)> {
    let line = head.lines().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned))?;
    let (from, last) = line.split_once('-')?;
    Some((from.parse().ok()?, last.parse().map_or(size, |last: usize| (last + 1).min(size))))
}

/// A reply that serves ranges of `bytes` with `status` and a correct `Content-Range`.
fn ranged(bytes: &[u8], status: &'static str) -> Reply {
    let bytes = bytes.to_vec();
    Reply::dynamic(move |head| match requested_range(head, bytes.len()) {
        Some((from, to)) => {
            let range = format!("bytes {from}-{}/{}", to - 1, bytes.len());
            tagged(&bytes[from..to]).with_status(status).header("Content-Range", &range)
        }
        None => tagged(&bytes),
    })
}

/// Runs once against `replies`. Returns the archived video, if there is one. The exit code agrees with it.
fn fetched(world: &World, replies: Vec<Reply>) -> Option<Vec<u8>> {
    let url = world.media.script("/a.mp4", replies);
    world.serve_task("t1", &json!({"videos": [url]}));
    let run = world.run(&["t1", "--retries", "2"]);
    let file = fs::read(world.archive().join("t1/video-1.mp4")).ok();
    assert_eq!(run.code, Some(i32::from(file.is_none())), "{}", run.stderr);
    file
}

#[track_caller]
fn assert_complete(what: &str, replies: Vec<Reply>, bytes: &[u8]) {
    let world = World::new();
    let file = fetched(&world, replies);
    assert!(file.is_some_and(|file| file == bytes), "{what}: the whole file is expected");
}

#[track_caller]
fn assert_absent(what: &str, replies: Vec<Reply>) {
    let world = World::new();
    let file = fetched(&world, replies);
    assert!(file.is_none(), "{what}: {:?} bytes were taken as the whole file", file.map(|file| file.len()));
}

#[test]
fn range_under_another_success_status_is_accepted_as_a_range() {
    let bytes = noise(3, SIZE);
    for status in ["200 OK", "203 Non-Authoritative Information", "206 Partial Content"] {
        assert_complete(status, vec![tagged(&bytes).cut_after(CUT), ranged(&bytes, status)], &bytes);
    }
    // The same without a validator: nothing can be joined, and the slice is not the file.
    let rest = reply(&bytes[CUT..]).header("Content-Range", &format!("bytes {CUT}-{}/{SIZE}", SIZE - 1));
    assert_absent("no validator", vec![tagged(&bytes).cut_after(CUT), rest]);
}

#[test]
fn segments_under_status_200_are_accepted() {
    let bytes = noise(3, LARGE);
    assert_complete("pieces", vec![ranged(&bytes, "200 OK")], &bytes);
}

#[test]
fn range_in_reply_to_a_plain_request_is_never_the_whole_file() {
    let bytes = noise(3, SIZE);
    let first = &bytes[..CUT];
    let last = format!("bytes {CUT}-{}/{SIZE}", SIZE - 1);
    let leading = format!("bytes 0-{}/{SIZE}", CUT - 1);
    for status in ["200 OK", "203 Non-Authoritative Information", "206 Partial Content"] {
        for range in [
            leading.clone(),
            leading.replace("bytes ", "bytes="),
            leading.replace("bytes ", "Bytes: "),
            leading.replace("bytes ", ""),
            leading.replace('/', " / "),
            format!("bytes */{SIZE}"),
            format!("bytes 0-{SIZE}/{SIZE}"),
            format!("bytes 9-1/{SIZE}"),
        ] {
            let slice = || reply(first).with_status(status).header("Content-Range", &range);
            assert_absent(&format!("{status} {range}"), vec![slice()]);
            assert_absent(&format!("{status} {range}, tagged"), vec![slice().header("ETag", ETAG)]);
            assert_absent(&format!("{status} {range}, chunked"), vec![slice().chunked(&[])]);
            assert_absent(&format!("{status} {range}, to the end"), vec![slice().without_length()]);
        }
        let end = reply(&bytes[CUT..]).with_status(status).header("Content-Range", &last);
        assert_absent(&format!("{status} {last}"), vec![end.clone()]);
        assert_absent(&format!("{status} {last}, tagged"), vec![end.header("ETag", ETAG)]);
        let open = format!("bytes {CUT}-{}/*", SIZE - 1);
        assert_absent(&format!("{status} {open}"), vec![reply(&bytes[CUT..]).with_status(status).header("Content-Range", &open)]);
    }
    assert_absent(
        "multipart",
        vec![reply(first).with_status("206 Partial Content").content_type("multipart/byteranges; boundary=x")],
    );
}

#[test]
fn leading_range_is_continued_when_the_host_serves_ranges() {
    let bytes = noise(3, SIZE);
    for status in ["200 OK", "206 Partial Content"] {
        let leading = tagged(&bytes[..CUT]).with_status(status).header("Content-Range", &format!("bytes 0-{}/{SIZE}", CUT - 1));
        assert_complete(status, vec![leading, ranged(&bytes, "206 Partial Content")], &bytes);
    }
}

#[test]
fn range_that_covers_the_file_is_the_whole_file() {
    let bytes = noise(3, SIZE);
    let all = format!("bytes 0-{}/{SIZE}", SIZE - 1);
    for status in ["200 OK", "206 Partial Content"] {
        let whole = || reply(&bytes).with_status(status).header("Content-Range", &all);
        assert_complete(status, vec![whole()], &bytes);
        assert_complete(status, vec![whole().chunked(&[])], &bytes);
        assert_complete(status, vec![whole().without_length()], &bytes);
        assert_complete(
            &format!("{status} for a range"),
            vec![tagged(&bytes).cut_after(CUT), whole().header("ETag", ETAG)],
            &bytes,
        );
        let other = noise(4, SIZE);
        let replaced = reply(&other).with_status(status).header("Content-Range", &all).header("ETag", "\"v2\"");
        assert_complete(&format!("{status}, another file"), vec![tagged(&bytes).cut_after(CUT), replaced], &other);
    }
}

#[test]
fn meaningless_content_range_is_ignored() {
    let bytes = noise(3, SIZE);
    for range in [
        "",
        "bytes",
        "none",
        "items 0-4/10",
        "bytes a-b/c",
        "bytes 0-0/0",
        "bytes 0--1/-1",
        &format!("bytes 0-{SIZE}/{SIZE}"),
        &format!("bytes 0-{}/*", SIZE - 1),
        "bytes 0-99999999999999999999999/99999999999999999999999",
    ] {
        assert_complete(range, vec![reply(&bytes).header("Content-Range", range)], &bytes);
    }
}

#[test]
fn contradictory_lengths_are_rejected() {
    let bytes = noise(3, SIZE);
    let first = &bytes[..CUT];
    for range in [
        format!("bytes 0-{}/{CUT}", CUT - 1),
        format!("bytes 0-{}/{SIZE}", SIZE - 1),
        format!("bytes 0-{}/*", CUT / 2),
        format!("bytes */{SIZE}"),
    ] {
        let body = if range.ends_with(&format!("/{CUT}")) { &bytes[..] } else { first };
        for reply in [reply(body), reply(body).chunked(&[]), reply(body).without_length()] {
            assert_absent(&range, vec![reply.header("Content-Range", &range)]);
        }
    }
    let twice = reply(first).header("Content-Range", &format!("bytes 0-{}/{CUT}", CUT - 1));
    assert_absent("two ranges", vec![twice.header("Content-Range", &format!("bytes 0-{}/{SIZE}", CUT - 1))]);
}

#[test]
fn same_version_with_a_shorter_length_is_rejected() {
    let bytes = noise(3, SIZE);
    let half = || tagged(&bytes[..SIZE / 2]);
    for (what, short) in [
        ("by its length", half()),
        ("by its chunks", half().chunked(&[])),
        ("to the end of the connection", half().without_length()),
        ("by a range", half().header("Content-Range", &format!("bytes 0-{}/{}", SIZE / 2 - 1, SIZE / 2))),
    ] {
        for cut in [CUT / 2, CUT + CUT / 2] {
            assert_absent(what, vec![tagged(&bytes).cut_after(cut), short.clone()]);
            assert_complete(
                what,
                vec![tagged(&bytes).cut_after(cut), short.clone(), ranged(&bytes, "206 Partial Content")],
                &bytes,
            );
        }
        // The next run reads the length from the part file's journal.
        let world = World::new();
        assert!(fetched(&world, vec![tagged(&bytes).cut_after(CUT), Reply::status("500 Oops")]).is_none());
        assert!(fetched(&world, vec![short.clone()]).is_none(), "{what}, in the next run");
        assert!(fetched(&world, vec![ranged(&bytes, "206 Partial Content")]).is_some_and(|file| file == bytes), "{what}");
    }
}

#[test]
fn range_of_a_shorter_file_with_the_same_etag_is_not_joined() {
    let bytes = noise(3, SIZE);
    let shorter = &bytes[..SIZE - 1_000_000];
    assert_absent("shorter", vec![tagged(&bytes).cut_after(CUT), ranged(shorter, "206 Partial Content")]);
    // A longer one is another file: it is fetched from its first byte.
    let longer = noise(3, SIZE + 1_000_000);
    assert_complete("longer", vec![tagged(&bytes).cut_after(CUT), ranged(&longer, "206 Partial Content")], &longer);
}

#[test]
fn body_longer_than_its_range_is_not_joined() {
    let bytes = noise(3, SIZE);
    let other = noise(4, SIZE);
    let too_long = || {
        let range = format!("bytes {CUT}-{}/{SIZE}", SIZE - 1);
        tagged(&other).chunked(&[SIZE - CUT, 1]).with_status("206 Partial Content").header("Content-Range", &range)
    };
    assert_absent("the rest", vec![tagged(&bytes).cut_after(CUT), too_long(), Reply::status("400 No")]);
    // One of several segments gets the whole file as its body.
    let large = noise(3, LARGE);
    let sent = large.clone();
    let odd = Reply::dynamic(move |head| match requested_range(head, sent.len()) {
        Some((from, to)) => {
            let range = format!("bytes {from}-{}/{}", to - 1, sent.len());
            tagged(&sent).chunked(&[to - from]).with_status("206 Partial Content").header("Content-Range", &range)
        }
        None => tagged(&sent),
    });
    let good = || ranged(&large, "206 Partial Content");
    assert_complete("a piece", vec![good(), good(), odd.clone(), good()], &large);
    let world = World::new();
    let file = fetched(&world, vec![good(), odd.clone(), odd.clone(), odd.clone(), odd]);
    assert!(file.is_none_or(|file| file == large), "pieces");
}
