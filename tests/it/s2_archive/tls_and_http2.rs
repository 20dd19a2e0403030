//! "A body with neither length nor end mark is taken with a warning, over TLS too" · "Hosts that speak only HTTP/2 are
//! served too."
//!
//! Linux only: other systems check certificates with their own store.

use std::fs;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::faults::noise;
use crate::support::run::Running;
use crate::support::tls::{AsyncHost, Http2Requests, Identity, read_head, send_and_close, serve_http2};
use crate::support::{Run, World, sample, success};

/// Runs with `host` as the media host. Returns the run and the entry of the task.
fn run(world: &World, identity: &Identity, result: &Value, args: &[&str]) -> (Run, Value) {
    world.serve_task("t1", result);
    let root = identity.write_root(world);
    let run = world.run(&[&["t1", "-v", "--ca-cert", root.to_str().unwrap()], args].concat());
    (run, world.task_entry("t1"))
}

/// A host that sends `wire` to each request over TLS, with or without the end mark of TLS.
fn raw_host(identity: &Identity, wire: Vec<u8>, says_goodbye: bool) -> AsyncHost {
    let acceptor = identity.acceptor();
    AsyncHost::start(move |stream, _| {
        let (acceptor, wire) = (acceptor.clone(), wire.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if read_head(&mut stream).await.is_some() {
                send_and_close(stream, &wire, says_goodbye).await;
            }
        }
    })
}

#[test]
fn body_without_length_over_tls_is_kept_with_a_warning_also_without_a_goodbye() {
    let body = sample("picture.png");
    for says_goodbye in [true, false] {
        let (world, identity) = (World::new(), Identity::new(&["http/1.1"]));
        let host = raw_host(&identity, [b"HTTP/1.1 200 OK\r\n\r\n", &body[..]].concat(), says_goodbye);
        let (run, entry) = run(&world, &identity, &json!({"images": [format!("https://{}/a", host.address)]}), &[]);
        run.exits(0);
        assert_eq!(fs::read(world.archive().join("t1/image-1.png")).unwrap(), body);
        assert_eq!(entry["files"][0]["warnings"].as_array().unwrap().len(), 1, "{entry}");
        assert_eq!(host.connections.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn body_that_ends_before_its_length_over_tls_is_an_error_in_plain_words() {
    let body = sample("picture.png");
    for head in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len() + 1),
        format!("HTTP/1.1 200 OK\r\nContent-Range: bytes 0-{}/{}\r\n\r\n", body.len(), body.len() + 1),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()),
        "HTTP/1.1 200 OK\r\nX: y".to_owned(),
    ] {
        for says_goodbye in [true, false] {
            let (world, identity) = (World::new(), Identity::new(&["http/1.1"]));
            let wire = if head.ends_with('y') { head.clone().into_bytes() } else { [head.as_bytes(), &body].concat() };
            let host = raw_host(&identity, wire, says_goodbye);
            let images = json!({"images": [format!("https://{}/a", host.address)]});
            let (run, entry) = run(&world, &identity, &images, &["--retries", "1"]);
            let run = run.exits(1);
            for text in [run.stderr, run.stdout, entry["errors"].to_string()] {
                assert!(!text.contains("docs.rs") && !text.contains("close_notify"), "{text}");
            }
        }
    }
}

/// A host that speaks HTTP/2 only, and refuses HTTP/1.1 by an alert, by its bytes, or by closing `closed` connections.
fn http2_host(identity: &Identity, closed: usize, file: &[u8], requests: &Http2Requests) -> AsyncHost {
    let (acceptor, file, requests) = (identity.acceptor(), Bytes::copy_from_slice(file), requests.clone());
    AsyncHost::start(move |stream, number| {
        let (acceptor, file, requests) = (acceptor.clone(), file.clone(), requests.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if number < closed {
                read_head(&mut stream).await;
                return;
            }
            serve_http2(stream, file, requests).await;
        }
    })
}

#[test]
fn host_that_speaks_only_http2_is_served() {
    let file = noise(1, 300_000);
    // An alert, the first frame of HTTP/2 instead of a status line, and a connection that ends without an answer.
    for (what, protocols, closed) in [("alert", &["h2"][..], 0), ("frame", &[], 0), ("closed", &[], 1)] {
        let (world, identity, requests) = (World::new(), Identity::new(protocols), Http2Requests::default());
        let host = http2_host(&identity, closed, &file, &requests);
        let url = format!("https://{}/a.mp4?sig='x'", host.address);
        let (run, entry) = run(&world, &identity, &json!({"videos": [url]}), &["--retries", "0"]);
        run.exits(0);
        assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), file, "{what}");
        let warnings = entry["files"][0]["warnings"].to_string();
        assert!(!warnings.contains("end mark"), "a body of HTTP/2 has an end mark: {what}: {warnings}");
        assert_eq!(*requests.lock().unwrap(), [("/a.mp4?sig='x'".to_owned(), None)], "{what}");
        assert_eq!(host.connections.load(Ordering::SeqCst), 2, "{what}");
    }
}

#[test]
fn http2_is_remembered_and_serves_segments() {
    let file = noise(2, 20 << 20);
    let (world, identity, requests) = (World::new(), Identity::new(&["h2"]), Http2Requests::default());
    let host = http2_host(&identity, 0, &file, &requests);
    let urls: Vec<String> = (0..3).map(|n| format!("https://{}/{n}.mp4", host.address)).collect();
    let (run, _) = run(&world, &identity, &json!({"videos": urls}), &["--jobs", "1"]);
    run.exits(0);
    for n in 1..=3 {
        assert!(fs::read(world.archive().join(format!("t1/video-{n}.mp4"))).unwrap() == file, "video {n}");
    }
    assert!(requests.lock().unwrap().iter().any(|(_, range)| range.is_some()), "segments were requested");
    assert_eq!(host.connections.load(Ordering::SeqCst), 2, "one refused, and one for all requests");
}

#[test]
fn host_that_speaks_http2_in_clear_is_served() {
    let (file, requests) = (noise(3, 300_000), Http2Requests::default());
    let (bytes, seen) = (Bytes::copy_from_slice(&file), requests.clone());
    let host = AsyncHost::start(move |stream, _| serve_http2(stream, bytes.clone(), seen.clone()));
    let world = World::new();
    world.serve_task("t1", &json!({"videos": [format!("http://{}/a.mp4", host.address)]}));
    world.run(&["t1", "--retries", "0"]).exits(0);
    assert_eq!(fs::read(world.archive().join("t1/video-1.mp4")).unwrap(), file);
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[test]
fn host_that_speaks_both_gets_http1() {
    let body = sample("picture.png");
    let (world, identity) = (World::new(), Identity::new(&["h2", "http/1.1"]));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let host = raw_host(&identity, [head.as_bytes(), &body].concat(), true);
    let (run, _) = run(&world, &identity, &json!({"images": [format!("https://{}/a", host.address)]}), &[]);
    run.exits(0);
}

#[test]
fn gateway_that_speaks_both_gets_http1() {
    let (world, identity) = (World::new(), Identity::new(&["h2", "http/1.1"]));
    let answer = success(&json!({"images": [world.serve_sample("picture.png")]})).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    let wire = format!("{head}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    let host = raw_host(&identity, wire.into_bytes(), true);
    let root = identity.write_root(&world);
    let base_url = format!("https://{}", host.address);
    world.run(&["t1", "--base-url", &base_url, "--ca-cert", root.to_str().unwrap(), "--retries", "0"]).exits(0);
    assert!(world.archive().join("t1/image-1.png").exists());
}

#[test]
fn dead_host_is_asked_once_over_http2_and_its_own_fault_is_reported() {
    let (world, identity) = (World::new(), Identity::new(&["http/1.1"]));
    let acceptor = identity.acceptor();
    let host = AsyncHost::start(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                read_head(&mut stream).await;
            }
        }
    });
    let images = json!({"images": [format!("https://{}/a", host.address)]});
    let (run, entry) = run(&world, &identity, &images, &["--retries", "3"]);
    run.exits(1);
    assert_eq!(host.connections.load(Ordering::SeqCst), 4 + 1);
    let error = entry["errors"][0]["error"].as_str().unwrap();
    assert!(error.contains("connection") && !error.contains("http2"), "{error}");
}

#[test]
fn root_in_ssl_cert_file_is_trusted_and_without_it_the_host_is_not() {
    let body = sample("picture.png");
    let (world, identity) = (World::new(), Identity::new(&["http/1.1"]));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let host = raw_host(&identity, [head.as_bytes(), &body].concat(), true);
    world.serve_task("t1", &json!({"images": [format!("https://{}/a", host.address)]}));
    let run = world.run(&["t1", "--retries", "0"]).exits(1);
    assert!(run.stderr.contains("certificate"), "{run:?}");
    let mut command = world.command(&["t1", "--retries", "0"]);
    command.env("SSL_CERT_FILE", identity.write_root(&world));
    world.audit(Running::start(command).wait(false)).exits(0);
    assert_eq!(fs::read(world.archive().join("t1/image-1.png")).unwrap(), body);
}
