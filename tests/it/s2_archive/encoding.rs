//! "`Content-Encoding: gzip` and `deflate` are undone; size and hash are of the result."

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use super::content::images;
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
fn forced_gzip_and_deflate_are_undone() {
    let world = World::new();
    let png = sample("picture.png");
    let coded = [
        ("gzip", gzip(&png)),
        ("GZip", [gzip(&png[..20]), gzip(&png[20..])].concat()),
        ("deflate", zlib(&png)),
        ("deflate", raw_deflate(&png)),
    ];
    let urls: Vec<Value> = coded
        .into_iter()
        .enumerate()
        .map(|(n, (coding, body))| {
            json!(world.media.script(&format!("/{n}"), [Reply::ok(body).header("Content-Encoding", coding)]))
        })
        .collect();
    images(&world, "t1", &urls, 0);
    for n in 1..=urls.len() {
        assert_eq!(std::fs::read(world.archive().join(format!("t1/image-{n}.png"))).unwrap(), png, "image {n}");
    }
    assert!(world.media.heads().iter().all(|head| !head.to_lowercase().contains("gzip")), "nobody asked for it");
}

#[test]
fn an_encoding_is_undone_however_its_first_bytes_arrive() {
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
fn a_page_inside_an_encoding_is_refused_and_a_cut_encoding_is_no_file() {
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
fn an_encoding_that_can_t_be_undone_is_an_error() {
    let world = World::new();
    let url = world.media.script("/x", [Reply::ok(sample("picture.png")).header("Content-Encoding", "br")]);
    let entry = images(&world, "t1", &[json!(url)], 1);
    assert!(entry["errors"][0]["error"].as_str().unwrap().contains("br"), "{entry}");
}
