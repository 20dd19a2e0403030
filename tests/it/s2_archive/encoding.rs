//! "`Content-Encoding: gzip` and `deflate` are decoded; size and hash are those of the result."

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use super::media_types::images;
use crate::support::audit::sha256;
use crate::support::faults::{ETAG, noise, requests_at};
use crate::support::{Reply, World, sample};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut to = ZlibEncoder::new(Vec::new(), Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut to = DeflateEncoder::new(Vec::new(), Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

#[test]
fn unrequested_gzip_and_deflate_are_decoded() {
    let world = World::new();
    let png = sample("picture.png");
    let coded = [
        ("gzip", gzip(&png)),
        ("GZip", [gzip(&png[..20]), gzip(&png[20..])].concat()),
        ("deflate", zlib(&png)),
        ("deflate", raw_deflate(&png)),
        ("x-gzip", gzip(&png)),
        (" identity ", png.clone()),
    ];
    let urls: Vec<Value> = coded
        .into_iter()
        .enumerate()
        .map(|(n, (coding, body))| {
            json!(world.media.script(&format!("/{n}"), [Reply::ok(body).header("Content-Encoding", coding)]))
        })
        .collect();
    let entry = images(&world, "t1", &urls, 0);
    for n in 1..=urls.len() {
        assert_eq!(std::fs::read(world.archive().join(format!("t1/image-{n}.png"))).unwrap(), png, "image {n}");
        let file = &entry["files"][n - 1];
        assert_eq!(
            (&file["size"], &file["sha256"]),
            (&json!(png.len()), &json!(sha256(&png))),
            "size and hash are of the result"
        );
    }
    assert!(world.media.heads().iter().all(|head| !head.to_lowercase().contains("gzip")), "no encoding was requested");
}

#[test]
fn encoding_is_decoded_when_bytes_arrive_one_by_one() {
    let world = World::new();
    let png = sample("picture.png");
    let urls = [("gzip", gzip(&png)), ("deflate", zlib(&png)), ("deflate", raw_deflate(&png))].map(|(coding, body)| {
        let path = format!("/{}", body.len());
        json!(world.media.script(&path, [Reply::ok(body).chunked(&[1, 1, 1]).header("Content-Encoding", coding)]))
    });
    images(&world, "t1", &urls, 0);
    for n in 1..=urls.len() {
        assert_eq!(std::fs::read(world.archive().join(format!("t1/image-{n}.png"))).unwrap(), png, "image {n}");
    }
}

#[test]
fn encoded_html_and_truncated_encoding_are_rejected() {
    let world = World::new();
    let page = gzip(b"<!doctype html>");
    let mut cut = gzip(&sample("picture.jpg"));
    cut.truncate(cut.len() / 2);
    let urls = [("/page", page), ("/cut", cut)]
        .map(|(path, body)| json!(world.media.script(path, [Reply::ok(body).header("Content-Encoding", "gzip")])));
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!((entry["errors"].as_array().unwrap().len(), world.files("t1").len()), (2, 0));
}

#[test]
fn unsupported_content_encoding_is_an_error() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::ok(sample("picture.png")).header("Content-Encoding", "br")]);
    let entry = images(&world, "t1", &[json!(url)], 1);
    assert!(entry["errors"][0]["error"].as_str().unwrap().contains("br"), "{entry}");
}

#[test]
fn encoded_empty_body_is_rejected() {
    let world = World::new();
    let urls = [("gzip", gzip(b"")), ("deflate", zlib(b"")), ("deflate", raw_deflate(b""))].map(|(coding, body)| {
        json!(world.media.script(&format!("/{}", body.len()), [Reply::ok(body).header("Content-Encoding", coding)]))
    });
    let entry = images(&world, "t1", &urls, 1);
    assert_eq!((entry["errors"].as_array().unwrap().len(), world.files("t1")), (3, Vec::new()), "{entry}");
}

/// Makes a video whose first reply sends a part without encoding. The replies of `then` send the rest.
fn assert_resumes(then: impl Fn(&[u8]) -> Vec<Reply>, ranges: &[bool]) {
    let (world, bytes) = (World::new(), noise(7, 900_000));
    let plain = Reply::ok(bytes.as_slice()).content_type("video/mp4").header("ETag", ETAG).header("Accept-Ranges", "bytes");
    let mut replies = vec![plain.clone().cut_after(400_000)];
    replies.extend(then(&bytes));
    replies.push(plain);
    world.serve_task("t1", &json!({"videos": [world.media.script("/a.mp4", replies)]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(std::fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), bytes);
    assert_eq!(requests_at(&world, "/a.mp4").iter().map(|seen| seen.range.is_some()).collect::<Vec<_>>(), ranges);
}

#[test]
fn encoded_range_is_never_joined() {
    let range = |bytes: &[u8]| {
        let rest = gzip(&bytes[400_000..]);
        // Without a length, which alone would reveal the encoding.
        let reply =
            Reply::ok(rest).chunked(&[]).with_status("206 Partial Content").content_type("video/mp4").header("ETag", ETAG);
        vec![reply.header("Content-Range", "bytes 400000-899999/900000").header("Content-Encoding", "gzip")]
    };
    assert_resumes(range, &[false, true, false]);
}

#[test]
fn encoded_whole_file_in_reply_to_a_range_is_accepted() {
    for (coding, encode) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", zlib), ("deflate", raw_deflate)] {
        let whole = |bytes: &[u8]| vec![Reply::ok(encode(bytes)).content_type("video/mp4").header("Content-Encoding", coding)];
        assert_resumes(whole, &[false, true]);
    }
}

#[test]
fn interrupted_encoded_body_restarts_from_zero() {
    let (world, bytes) = (World::new(), noise(7, 900_000));
    let plain = Reply::ok(bytes.as_slice()).content_type("video/mp4").header("ETag", ETAG).header("Accept-Ranges", "bytes");
    let coded = Reply::ok(gzip(&bytes)).content_type("video/mp4").header("ETag", ETAG).header("Content-Encoding", "gzip");
    world.serve_task("t1", &json!({"videos": [world.media.script("/a.mp4", [coded.cut_after(500_000), plain])]}));
    world.run(&["t1", "--retries", "0"]).exits(1);
    world.run(&["t1"]).exits(0);
    assert_eq!(std::fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), bytes);
    assert!(requests_at(&world, "/a.mp4").iter().all(|seen| seen.range.is_none()), "a decoded body has no offset to resume from");
}

#[test]
fn values_that_encode_nothing_are_ignored() {
    for value in
        ["none", "BINARY", "utf-8", "UTF8", "aws-chunked", "identity, utf-8", "base64", "Base64", ",", "8bit", "us-ascii", "\t"]
    {
        let (world, png) = (World::new(), sample("picture.png"));
        let url = world.media.script("/a", [Reply::ok(png.as_slice()).header("Content-Encoding", value)]);
        let entry = images(&world, "t1", &[json!(url)], 0);
        assert_eq!(std::fs::read(world.archive().join("t1/image-1.png")).unwrap(), png, "{value}");
        assert_eq!(entry["files"][0]["warnings"], json!([]), "{value}");
    }
    for value in ["aws-chunked,gzip", "utf-8, GZIP"] {
        let (world, png) = (World::new(), sample("picture.png"));
        let url = world.media.script("/a", [Reply::ok(gzip(&png)).header("Content-Encoding", value)]);
        images(&world, "t1", &[json!(url)], 0);
        assert_eq!(std::fs::read(world.archive().join("t1/image-1.png")).unwrap(), png, "{value}");
    }
}

#[test]
fn body_under_a_value_that_encodes_nothing_is_resumed_and_verified() {
    let (world, bytes) = (World::new(), noise(7, 900_000));
    let plain = |from: usize| {
        let reply = Reply::ok(&bytes[from..]).content_type("video/mp4").header("ETag", ETAG).header("Accept-Ranges", "bytes");
        reply.header("Content-Encoding", "aws-chunked").header("x-amz-checksum-sha256", &base64_sha256(&bytes))
    };
    let range = plain(400_000).with_status("206 Partial Content").header("Content-Range", "bytes 400000-899999/900000");
    world.serve_task("t1", &json!({"videos": [world.media.script("/a.mp4", [plain(0).cut_after(400_000), range])]}));
    world.run(&["t1"]).exits(0);
    assert_eq!(std::fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), bytes);
    assert_eq!(world.task_entry("t1")["files"][0]["verified_by"], "x-amz-checksum-sha256");
}

fn base64_sha256(bytes: &[u8]) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes))
}

#[test]
fn base64_text_under_its_own_name_is_refused() {
    use base64::Engine as _;
    let world = World::new();
    let text = base64::engine::general_purpose::STANDARD.encode(sample("picture.png"));
    let url = world.media.script("/a", [Reply::ok(text).header("Content-Encoding", "base64")]);
    let entry = images(&world, "t1", &[json!(url)], 1);
    assert_eq!(entry["errors"][0]["code"], "refused_content", "{entry}");
    assert_eq!(world.media.heads().len(), 1, "the host sends the same each time");
}

#[test]
fn padding_behind_an_encoded_body_is_ignored() {
    let png = sample("picture.png");
    for padding in [&[0; 5000][..], b"rubbish behind it", b"\r\n"] {
        let world = World::new();
        let coded = [("gzip", gzip(&png)), ("deflate", zlib(&png)), ("deflate", raw_deflate(&png))];
        let urls: Vec<Value> = coded
            .into_iter()
            .enumerate()
            .map(|(n, (coding, body))| {
                let reply = Reply::ok([&body, padding].concat()).header("Content-Encoding", coding);
                json!(world.media.script(&format!("/{n}"), [reply]))
            })
            .collect();
        images(&world, "t1", &urls, 0);
        for n in 1..=urls.len() {
            assert_eq!(std::fs::read(world.archive().join(format!("t1/image-{n}.png"))).unwrap(), png, "{padding:?} {n}");
        }
    }
}
