//! "Digests that the host sends … are checked; a mismatch means a broken body." A file gets its name only after the
//! check.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use crate::support::commands::run_command;
use crate::support::faults::noise;
use crate::support::{Reply, World};

const SIZE: usize = 300_000;

fn body() -> Vec<u8> {
    noise(5, SIZE)
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn crc(bytes: &[u8], algorithm: &'static crc::Algorithm<u32>) -> String {
    base64(crc::Crc::<u32>::new(algorithm).checksum(bytes).to_be_bytes())
}

/// Each digest header with its value for `bytes`, by the name that the manifest has.
fn headers(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let md5 = base64(md5::Md5::digest(bytes));
    let sha1 = base64(sha1::Sha1::digest(bytes));
    let (sha256, sha512) = (base64(Sha256::digest(bytes)), base64(Sha512::digest(bytes)));
    let crc64 = crc::Crc::<u64>::new(&crc::CRC_64_XZ).checksum(bytes);
    let nvme = crc::Crc::<u64>::new(&crc::CRC_64_NVME).checksum(bytes);
    let castagnoli = crc(bytes, &crc::CRC_32_ISCSI);
    vec![
        ("Content-MD5", md5.clone()),
        ("Repr-Digest", format!("sha-256=:{sha256}:")),
        ("Repr-Digest", format!("sha-512=:{sha512}:")),
        ("Content-Digest", format!("sha-256=:{sha256}:")),
        ("Digest", format!("SHA-256={sha256}")),
        ("Digest", format!("md5={md5}")),
        ("x-goog-hash", format!("crc32c={castagnoli}")),
        ("x-goog-hash", format!("crc32c={castagnoli},md5={md5}")),
        ("x-oss-hash-crc64ecma", crc64.to_string()),
        ("x-amz-checksum-sha256", sha256),
        ("x-amz-checksum-sha1", sha1),
        ("x-amz-checksum-crc32", crc(bytes, &crc::CRC_32_ISO_HDLC)),
        ("x-amz-checksum-crc32c", castagnoli),
        ("x-amz-checksum-crc64nvme", base64(nvme.to_be_bytes())),
    ]
}

fn reply(header: &str, value: &str) -> Reply {
    Reply::ok(body()).content_type("video/mp4").header("ETag", "\"v1\"").header(header, value)
}

fn serve(world: &World, replies: impl IntoIterator<Item = Reply>) {
    let url = world.media.script("/a.mp4", replies);
    world.serve_task("t1", &json!({"videos": [url]}));
}

#[test]
fn verified_digest_is_recorded_in_the_manifest() {
    for (header, value) in headers(&body()) {
        let world = World::new();
        serve(&world, [reply(header, &value)]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.task_entry("t1")["files"][0]["verified_by"], header.to_lowercase(), "{value}");
    }
}

#[test]
fn digest_mismatch_fails_the_body() {
    for ((header, wrong), (_, right)) in headers(&noise(6, SIZE)).into_iter().zip(headers(&body())) {
        let world = World::new();
        serve(&world, [reply(header, &wrong)]);
        world.run(&["t1", "--retries", "1"]).exits(1);
        assert_eq!((world.media.request_count("/a.mp4"), world.files("t1")), (2, Vec::new()), "{header}: {wrong}");
        let error = world.task_entry("t1")["errors"][0]["error"].as_str().unwrap().to_owned();
        assert!(error.contains(&header.to_lowercase()), "{error}");

        serve(&world, [reply(header, &wrong), reply(header, &right)]);
        world.run(&["t1", "--retries", "1"]).exits(0);
        assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), body());
    }
}

#[test]
fn unreadable_digest_headers_are_ignored() {
    for (header, value) in [
        ("Content-MD5", "no base64"),
        ("Content-MD5", "AAAA"),
        ("Repr-Digest", "sha-256=abc"),
        ("Repr-Digest", "unknown=:AAAA:"),
        ("Digest", "unixsum=30637"),
        ("x-goog-hash", "crc32c"),
        ("x-oss-hash-crc64ecma", "-1"),
        ("x-amz-checksum-sha256", "AAAA-3"),
        ("ETag", "\"d41d8cd98f00b204e9800998ecf8427e\""),
    ] {
        let world = World::new();
        serve(&world, [Reply::ok(body()).content_type("video/mp4").header(header, value)]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.task_entry("t1")["files"][0]["verified_by"], Value::Null, "{header}: {value}");
    }
}

#[test]
fn digest_of_a_range_alone_is_not_checked_against_the_file() {
    let whole = body();
    let cut = SIZE / 3;
    // Each header has the digest of the range alone. That is correct for some headers and wrong for others.
    for (header, value, code) in headers(&whole[cut..])
        .into_iter()
        .map(|(header, value)| (header, value, i32::from(!matches!(header, "Content-MD5" | "Content-Digest" | "Digest"))))
    {
        let world = World::new();
        let range =
            Reply::ok(&whole[cut..]).with_status("206 Partial Content").content_type("video/mp4").header("ETag", "\"v1\"");
        let range = range.header("Content-Range", &format!("bytes {cut}-{}/{SIZE}", SIZE - 1)).header(header, &value);
        let first = Reply::ok(whole.clone()).content_type("video/mp4").header("ETag", "\"v1\"").cut_after(cut);
        serve(&world, [first, range, Reply::status("400 No")]);
        world.run(&["t1"]).exits(code);
        if code == 0 {
            assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), whole, "{header}");
            assert_eq!(world.task_entry("t1")["files"][0]["verified_by"], Value::Null, "{header}");
        }
    }
}

#[test]
fn whole_file_digest_on_a_range_is_verified() {
    let whole = body();
    let cut = SIZE / 3;
    let of_the_file = |header: &str| !matches!(header, "Content-MD5" | "Content-Digest" | "Digest");
    for (header, value) in headers(&whole).into_iter().filter(|(header, _)| of_the_file(header)) {
        let world = World::new();
        let range =
            Reply::ok(&whole[cut..]).with_status("206 Partial Content").content_type("video/mp4").header("ETag", "\"v1\"");
        let range = range.header("Content-Range", &format!("bytes {cut}-{}/{SIZE}", SIZE - 1)).header(header, &value);
        serve(&world, [Reply::ok(whole.clone()).content_type("video/mp4").header("ETag", "\"v1\"").cut_after(cut), range]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.task_entry("t1")["files"][0]["verified_by"], header.to_lowercase(), "{value}");
    }
}

#[test]
fn digest_of_an_encoded_body_is_ignored() {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&body()).unwrap();
    let zipped = packer.finish().unwrap();
    for (header, value) in headers(&zipped) {
        let world = World::new();
        let reply = Reply::ok(zipped.clone()).content_type("video/mp4").header("Content-Encoding", "gzip").header(header, &value);
        serve(&world, [reply]);
        world.run(&["t1"]).exits(0);
        assert_eq!(world.task_entry("t1")["files"][0]["verified_by"], Value::Null, "{header}");
    }
}

#[test]
fn bytes_that_come_three_times_with_the_same_mismatch_are_kept_with_a_warning() {
    for (header, wrong) in headers(&noise(6, SIZE)) {
        let world = World::new();
        serve(&world, [reply(header, &wrong)]);
        world.run(&["t1"]).exits(0);
        assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), body(), "{header}");
        let file = &world.task_entry("t1")["files"][0];
        assert_eq!((world.media.request_count("/a.mp4"), &file["verified_by"]), (3, &Value::Null), "{header}");
        assert!(file["warnings"].to_string().contains(&header.to_lowercase()), "{file}");
        run_command(&world, &["verify"]).exits(0);
    }
}

#[test]
fn mismatches_of_different_bytes_or_digests_are_not_added_up() {
    let right = base64(md5::Md5::digest(body()));
    let other = |seed: u64| Reply::ok(noise(seed, SIZE)).content_type("video/mp4").header("Content-MD5", &right);
    let world = World::new();
    serve(&world, [other(1), other(2), other(1), other(2), other(1), other(3)]);
    world.run(&["t1"]).exits(1);
    assert_eq!(world.media.request_count("/a.mp4"), 6);
    assert_eq!(world.task_entry("t1")["errors"][0]["code"], "checksum_mismatch");

    // A good body between bad ones ends the download.
    let world = World::new();
    serve(&world, [other(1), other(1), reply("Content-MD5", &right)]);
    world.run(&["t1"]).exits(0);
    assert_eq!(world.task_entry("t1")["files"][0]["verified_by"], "content-md5");

    // Each response has another digest for the same bytes.
    let digest = |seed: u64| reply("Content-MD5", &base64(md5::Md5::digest(noise(seed, 9))));
    let world = World::new();
    serve(&world, [digest(1), digest(2), digest(3), digest(4), digest(5), digest(6)]);
    world.run(&["t1"]).exits(1);
}
