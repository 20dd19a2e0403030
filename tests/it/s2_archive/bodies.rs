//! Complete, cut, unframed and redirected bodies, and `data:` URIs: which of them are whole.
//!
//! "A body with neither a length nor an end mark is taken with a warning" · "Transient faults are retried with
//! exponential back-off and jitter" · "Redirects are followed as browsers do, at most 10".

use serde_json::{Value, json};

use crate::support::{Reply, World, sample};

fn only_image(world: &World, id: &str, url: &str, args: &[&str], code: i32) -> Value {
    world.serve_task(id, &json!({"images": [url]}));
    world.run(&[&[id], args].concat()).exits(code);
    world.task_entry(id)
}

fn png() -> Reply {
    Reply::ok(sample("picture.png"))
}

#[test]
fn truncated_body_is_retried_and_never_kept() {
    let world = World::new();
    for (id, cut) in
        [("length", png().cut_after(40)), ("chunks", png().chunked(&[30]).cut_after(40)), ("nothing", png().cut_after(0))]
    {
        let path = format!("/{id}");
        let url = world.media.script(&path, [cut.clone(), cut.clone(), png()]);
        assert_eq!(only_image(&world, id, &url, &[], 0)["state"], "complete");
        assert_eq!(world.media.request_count(&path), 3, "{id}");

        let (path, id) = (format!("/{id}/always"), format!("{id}-always"));
        let entry = only_image(&world, &id, &world.media.script(&path, [cut]), &["--retries", "2"], 1);
        assert_eq!((&entry["state"], &entry["files"]), (&json!("incomplete"), &json!([])));
        assert_eq!((world.media.request_count(&path), world.files(&id).len()), (3, 0), "{id}");
    }
}

#[test]
fn chunked_body_is_complete_at_its_last_chunk() {
    let world = World::new();
    let url = world.media.script("/x", [png().chunked(&[1, 7, 30])]);
    let entry = only_image(&world, "t1", &url, &[], 0);
    assert_eq!(
        (entry["files"][0]["size"].as_u64(), &entry["files"][0]["warnings"]),
        (Some(sample("picture.png").len() as u64), &json!([]))
    );
}

#[test]
fn body_without_length_or_chunks_is_kept_with_a_warning() {
    let world = World::new();
    for (id, reply) in [("t1", png()), ("t2", png().header("Transfer-Encoding", "identity"))] {
        let url = world.media.script(&format!("/{id}"), [reply.without_length()]);
        let entry = only_image(&world, id, &url, &[], 0);
        assert_eq!((&entry["state"], entry["files"][0]["warnings"].as_array().unwrap().len()), (&json!("complete"), 1));
    }
}

#[test]
fn content_length_beside_chunked_encoding_is_ignored() {
    let world = World::new();
    let url = world.media.script("/x", [png().header("Content-Length", "7000").chunked(&[1, 7, 30])]);
    let entry = only_image(&world, "t1", &url, &["--retries", "0"], 0);
    assert_eq!(entry["files"][0]["size"].as_u64(), Some(sample("picture.png").len() as u64));
}

#[test]
fn unsupported_transfer_encoding_is_an_error() {
    let world = World::new();
    let url = world.media.script("/x", [png().without_length().header("Transfer-Encoding", "gzip")]);
    let entry = only_image(&world, "t1", &url, &["--retries", "0"], 1);
    assert_eq!(entry["files"], json!([]));
}

#[test]
fn unrequested_206_is_not_a_whole_file() {
    let world = World::new();
    let part = Reply::status("206 Partial Content");
    let url = world.media.script("/x", [part.header("Content-Range", "bytes 0-1/1000")]);
    let entry = only_image(&world, "t1", &url, &["--retries", "1"], 1);
    assert_eq!((&entry["state"], &entry["files"]), (&json!("incomplete"), &json!([])));
}

#[test]
fn stalled_body_is_aborted_and_retried() {
    let world = World::new();
    let url = world.media.script("/x", [png().stall_after(30)]);
    let entry = only_image(&world, "t1", &url, &["--stall-timeout", "200ms", "--retries", "1"], 1);
    assert_eq!((&entry["state"], world.media.request_count("/x")), (&json!("incomplete"), 2));
}

#[test]
fn only_transient_statuses_are_retried() {
    let world = World::new();
    for (n, (status, tries)) in [
        ("500 Internal Server Error", 3),
        ("502 Bad Gateway", 3),
        ("503 Service Unavailable", 3),
        ("429 Too Many Requests", 3),
        ("408 Request Timeout", 3),
        ("400 Bad Request", 1),
        ("418 I'm a teapot", 1),
        ("451 Unavailable", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let (id, path) = (format!("t{n}"), format!("/{n}"));
        let url = world.media.script(&path, [Reply::status(status)]);
        let entry = only_image(&world, &id, &url, &["--retries", "2"], 1);
        assert_eq!(world.media.request_count(&path), tries, "{status}");
        let error = entry["errors"][0]["error"].as_str().unwrap();
        assert!(error.contains(&status[..3]), "{error}");
    }
    for (n, status) in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"].into_iter().enumerate() {
        let path = format!("/dead/{n}");
        only_image(&world, &format!("dead{n}"), &world.media.script(&path, [Reply::status(status)]), &[], 1);
        assert!(world.media.request_count(&path) <= 2, "a dead link is not requested again and again: {status}");
    }
}

#[test]
fn redirect_is_followed_and_a_redirect_loop_ends() {
    let world = World::new();
    let end = world.serve_sample("picture.png");
    let url = world.media.script("/a", [Reply::redirect("/b?sig=1")]);
    world.media.script("/b", [Reply::redirect(&end)]);
    let entry = only_image(&world, "t1", &format!("{url}?sig=0"), &[], 0);
    assert_eq!(entry["files"][0]["url"], format!("{url}?sig=0"), "the manifest has the link of the response");
    assert!(world.media.heads().iter().all(|head| !head.to_lowercase().contains("referer")), "a Referer would be a signed link");

    let round = world.media.script("/round", [Reply::redirect("/round")]);
    only_image(&world, "t2", &round, &[], 1);
    assert!(world.media.request_count("/round") <= 11);
}

#[test]
fn unreachable_host_is_an_error_without_the_query() {
    let world = World::new();
    // The port was bound and released: nothing listens on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let entry = only_image(&world, "t1", &format!("http://127.0.0.1:{port}/x.png?sig=secret"), &["--retries", "1"], 1);
    let error = entry["errors"][0]["error"].as_str().unwrap();
    assert!(!error.contains("sig=secret") && !error.is_empty(), "{error}");
}

#[test]
fn data_uris_of_every_form_are_saved() {
    let world = World::new();
    let (png, svg) = (sample("picture.png"), "<svg xmlns='x'/>");
    let plain = base64(&png);
    let escaped = svg.replace('<', "%3C").replace('>', "%3E");
    let cases = [
        (format!("data:image/png;base64,{plain}"), "png", png.clone()),
        (format!("data:image/png;base64,{}", plain.trim_end_matches('=')), "png", png.clone()),
        (format!(" DATA:image/webp;charset=x;BASE64,{plain}\n"), "webp", png.clone()),
        (format!("data:;base64,{plain}"), "png", png.clone()),
        (format!("data:application/octet-stream;base64,{plain}"), "png", png.clone()),
        (format!("data:image/png;base64,{}", plain.replace('+', "-").replace('/', "_")), "png", png.clone()),
        (format!("data:image/png;base64,{}", plain.replace('=', "%3D").replace('+', "%2B")), "png", png.clone()),
        (
            format!(
                "data:image/png;base64,{}",
                plain.as_bytes().chunks(20).map(|line| String::from_utf8_lossy(line) + "\r\n").collect::<String>()
            ),
            "png",
            png,
        ),
        (format!("data:image/svg+xml;utf8,{svg}"), "svg", svg.into()),
        (format!("data:image/svg+xml,{escaped}"), "svg", svg.into()),
        ("data:,%00hello".to_owned(), "bin", b"\0hello".to_vec()),
        ("data:,%01see https://h/a.mp4".to_owned(), "bin", b"\x01see https://h/a.mp4".to_vec()),
    ];
    world.serve_task("t1", &json!({"images": cases.iter().map(|(uri, ..)| uri).collect::<Vec<_>>()}));
    world.run(&["t1"]).exits(0);
    for (n, (uri, extension, bytes)) in cases.iter().enumerate() {
        let path = world.archive().join(format!("t1/image-{:02}.{extension}", n + 1));
        assert_eq!(&std::fs::read(&path).unwrap(), bytes, "{} {uri:.40}", path.display());
        assert_eq!(world.task_entry("t1")["files"][n]["url"], "data:");
    }
    let manifest = std::fs::read_to_string(world.archive().join("t1/manifest.json")).unwrap();
    assert!(!manifest.contains(&plain[..40]), "payloads are cut out of the answer");
}

#[test]
fn invalid_data_uri_fails_only_its_asset() {
    let world = World::new();
    let good = format!("data:image/png;base64,{}", base64(&sample("picture.png")));
    world.serve_task("t1", &json!({"images": ["data:", "data:image/png;base64", "data:image/png;base64,", "data:image/png;base64,!!!!", "data:text/html,<p>x</p>", "data:,%7B%22a%22:1%7D", "data:,hello", "data:video/mp4;base64,aGVsbG8=", good]}));
    world.run(&["t1"]).exits(1);
    let entry = world.task_entry("t1");
    assert_eq!((entry["errors"].as_array().unwrap().len(), &entry["files"][0]["path"]), (8, &json!("image-9.png")));
    assert!(entry["errors"].as_array().unwrap().iter().all(|error| error["url"] == "data:"), "{entry}");
}

#[test]
fn single_data_uri_takes_its_kind_from_its_media_type() {
    let world = World::new();
    world.serve_task("t1", &json!({"url": format!("data:audio/mpeg;base64,{}", base64(&sample("song.mp3")))}));
    world.run(&["t1"]).exits(0);
    assert_eq!(world.files("t1"), ["audio-1.mp3"]);
    assert_eq!(world.task_entry("t1")["response"]["task_result"]["url"].as_str().unwrap().split(',').nth(1).unwrap_or(""), "");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}
