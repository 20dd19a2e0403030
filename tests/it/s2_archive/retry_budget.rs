//! `--retries` bounds the cost of a host: only proven progress resets the budget.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::faults::{ETAG, noise};
use crate::support::{Reply, World};

const SIZE: usize = 1_000_000;
/// A program that makes so many requests would never end.
const ENDLESS: usize = 60;

/// The number of requests to a host that answers request n with `reply(n)`.
fn request_count(reply: impl Fn(usize, &[u8]) -> Reply + Send + Sync + 'static) -> usize {
    let world = World::new();
    let (count, bytes) = (AtomicUsize::new(0), noise(5, SIZE));
    let made = Reply::dynamic(move |_| match count.fetch_add(1, Ordering::SeqCst) + 1 {
        n if n > ENDLESS => Reply::ok(bytes.clone()).content_type("video/mp4"),
        n => reply(n, &bytes).content_type("video/mp4"),
    });
    world.serve_task("t1", &json!({"videos": [world.media.script("/a.mp4", [made])]}));
    let run = world.run(&["t1", "--retries", "2"]);
    let count = world.media.request_count("/a.mp4");
    assert_eq!(run.code, Some(1), "{count} requests; {}", run.stderr);
    count
}

#[test]
fn progress_without_a_validator_does_not_refill_retries() {
    assert_eq!(request_count(|n, bytes| Reply::ok(bytes).cut_after(n)), 3);
    assert_eq!(request_count(|n, bytes| Reply::ok(bytes).header("ETag", "W/\"a\"").cut_after(n)), 3);
    assert_eq!(request_count(|n, bytes| Reply::ok(bytes).chunked(&[]).cut_after(n + 10)), 3);
}

#[test]
fn progress_across_changing_versions_does_not_refill_retries() {
    let another = |n: usize| format!("\"{n}\"");
    assert!(request_count(move |n, bytes| Reply::ok(bytes).header("ETag", &another(n)).cut_after(n)) <= 10);
    // The same version, but its bytes can't be joined.
    assert!(request_count(|n, bytes| Reply::ok(bytes).header("ETag", ETAG).cut_after(n)) <= 10);
    // A range of another version each time.
    let range = move |n: usize, bytes: &[u8]| {
        let reply = Reply::ok(&bytes[n..]).with_status("206 Partial Content").header("ETag", &another(n));
        reply.header("Content-Range", &format!("bytes {n}-{}/{SIZE}", SIZE - 1)).cut_after(n)
    };
    assert!(
        request_count(move |n, bytes| if n % 2 == 1 {
            Reply::ok(bytes).header("ETag", &another(n)).cut_after(n)
        } else {
            range(n, bytes)
        }) <= 10
    );
}

#[test]
fn ever_longer_leading_ranges_exhaust_the_retries() {
    let slice = |n: usize, bytes: &[u8]| {
        Reply::ok(&bytes[..n]).header("Content-Range", &format!("bytes 0-{}/{SIZE}", n - 1)).header("ETag", ETAG)
    };
    assert!(request_count(slice) <= 12);
}

#[test]
fn checksum_mismatches_exhaust_the_retries() {
    let wrong = |reply: Reply| reply.header("ETag", ETAG).header("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==");
    // Cut, then whole but wrong, in turn, and each cut a little later.
    assert!(
        request_count(move |n, bytes| if n % 2 == 1 { wrong(Reply::ok(bytes)).cut_after(n) } else { wrong(Reply::ok(bytes)) })
            <= 10
    );
}
