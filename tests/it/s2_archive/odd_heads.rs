//! "Malformed header lines, folded ones, and up to 256 headers are tolerated as curl tolerates them." And "headers by
//! 256 KiB" (section 11).

use std::fs;

use serde_json::{Value, json};

use crate::support::{Reply, World, sample};

/// A response with these lines after its status line. `LENGTH` stands for the length of the body.
fn response(lines: &str) -> Reply {
    let body = sample("picture.png");
    let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n").replace("LENGTH", &body.len().to_string());
    Reply::raw([head.as_bytes(), &body].concat())
}

fn fetched(reply: Reply, code: i32) -> Value {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [{"url": world.media.script("/a", [reply])}]}));
    let run = world.run(&["t1", "--retries", "1"]).exits(code);
    let entry = world.task_entry("t1");
    if code == 0 {
        let name = entry["files"][0]["path"].as_str().unwrap().to_owned();
        assert_eq!(fs::read(world.archive().join("t1").join(name)).unwrap(), sample("picture.png"), "{}", run.stderr);
        assert_eq!(world.media.heads().len(), 1);
    }
    entry
}

#[test]
fn malformed_and_folded_header_lines_are_tolerated() {
    let length = "Content-Length: LENGTH\r\n";
    for lines in [
        "Content-Type: image/png;\r\n charset=binary\r\n",
        "X-Long: a\r\n b\r\n\tc\r\n",
        "X-Folded:\r\n \r\n value\r\n",
        "no colon in this line\r\n",
        ": no name\r\n",
        "X Name With Blanks: 1\r\n",
        "X-Blank-Before-Colon : 1\r\n",
        "X-Näme: 1\r\n",
        "X(paren): 1\r\n",
        "X-Control: a\u{1}b\r\n",
        "X-Latin: \u{e9}\r\n",
        "\"quoted\": 1\r\n",
        "<html>\r\n",
        "X-Empty:\r\n",
        "X-Bare-Newline: 1\n",
        "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n",
        "HTTP/1.1 200 OK\r\n",
    ] {
        for (what, lines) in [("before", format!("X: 1\r\n{lines}{length}")), ("behind", format!("{length}{lines}"))] {
            let entry = fetched(response(&lines), 0);
            assert_eq!(entry["files"][0]["warnings"], json!([]), "{what} {lines:?}");
        }
    }
}

#[test]
fn folded_content_type_decides_the_extension() {
    let lines = "Content-Length: LENGTH\r\nContent-Type:\r\n image/webp;\r\n\tx=1\r\n";
    assert_eq!(fetched(response(lines), 0)["files"][0]["path"], "image-1.webp");
}

#[test]
fn blank_before_the_colon_does_not_hide_the_length() {
    let body = sample("picture.png");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length : {}\r\n\r\n", body.len() + 1);
    fetched(Reply::raw([head.as_bytes(), &body].concat()), 1);
}

fn many_lines(count: usize) -> String {
    (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect::<Vec<_>>().concat()
}

#[test]
fn many_headers_are_read() {
    for count in [99, 100, 101, 150, 255, 300] {
        let lines = many_lines(count);
        fetched(response(&format!("{lines}Content-Length: LENGTH\r\n")), 0);
    }
}

#[test]
fn headers_are_bounded() {
    let line = |size: usize| format!("Content-Length: LENGTH\r\nX: {}\r\n", "x".repeat(size));
    fetched(response(&line(200 << 10)), 0);
    for size in [257 << 10, 400 << 10, 2 << 20] {
        let entry = fetched(response(&line(size)), 1);
        assert!(entry["errors"][0]["error"].as_str().unwrap().contains("too large"), "{entry}");
    }
    let lines = many_lines(20_000);
    fetched(response(&format!("{lines}Content-Length: LENGTH\r\n")), 1);
}

#[test]
fn repeated_equal_lengths_are_one_length() {
    for lines in [
        "Content-Length: LENGTH, LENGTH\r\n",
        "Content-Length: LENGTH,LENGTH,  LENGTH\r\n",
        "Content-Length: LENGTH\r\nContent-Length: LENGTH\r\n",
        "Content-Length: LENGTH\r\nX: 1\r\ncontent-length: LENGTH, LENGTH\r\n",
        "Content-Length: 0LENGTH\r\n",
    ] {
        let entry = fetched(response(lines), 0);
        assert_eq!(entry["files"][0]["warnings"], json!([]), "{lines}");
    }
    for lines in ["Content-Length: LENGTH, 7\r\n", "Content-Length: 7\r\nContent-Length: LENGTH\r\n"] {
        fetched(response(lines), 1);
    }
}

#[test]
fn chunked_named_twice_is_chunked() {
    let body = sample("picture.png");
    let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    for lines in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: Chunked\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let entry = fetched(Reply::raw([head.as_bytes(), &chunks].concat()), 0);
        assert_eq!(entry["files"][0]["warnings"], json!([]), "{lines}");
    }
    fetched(response("Transfer-Encoding: gzip\r\n"), 1);
}

#[test]
fn all_of_the_file_under_206_is_the_file() {
    let last = sample("picture.png").len() - 1;
    for lines in [
        format!("Content-Range: bytes 0-{last}/LENGTH\r\nContent-Length: LENGTH\r\n"),
        format!("Content-Range: bytes 0-{last}/LENGTH\r\n"),
        format!("Content-Range: BYTES=0-{last}/LENGTH\r\nContent-Length: LENGTH\r\n"),
        "Content-Range: bytes */LENGTH\r\nContent-Length: LENGTH\r\n".to_owned(),
        "Content-Range: bytes 0-LENGTH/LENGTH\r\nContent-Length: LENGTH\r\n".to_owned(),
    ] {
        let body = sample("picture.png");
        let head = format!("HTTP/1.1 206 Partial Content\r\n{lines}\r\n").replace("LENGTH", &body.len().to_string());
        let entry = fetched(Reply::raw([head.as_bytes(), &body].concat()), 0);
        assert_eq!(entry["files"][0]["warnings"], json!([]), "{lines}");
    }
}
