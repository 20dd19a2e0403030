//! A gateway and media host on a loopback port that needs almost no CPU time, so that the benchmark measures the
//! program.
//!
//! It uses plain threads and persistent connections. An id that begins with `new` is a finished task with a text; one
//! that begins with `queued` is not finished; `image-BYTES-…` and `video-BYTES-…` are finished tasks with one file of
//! that many bytes, which this host serves too, in ranges where requested. Any other id is unknown. The host ends
//! with the process.

use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts the host. Returns its base URL.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(&stream));
        }
    });
    format!("http://{address}")
}

/// What bodies consist of, after their first bytes.
static BLOCK: [u8; 64 << 10] = [0x5A; 64 << 10];
/// The start of an MP4 whose media reach to the end of the file.
const MP4: &[u8] = b"\0\0\0\x14ftypisom\0\0\0\0isom\0\0\0\x08moov\0\0\0\0mdat";
/// The start of a PNG whose end mark precedes other data.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xAE\x42\x60\x82";

/// Answers requests on one connection until the client closes it.
fn serve(stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut range = None;
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
            range = line.to_ascii_lowercase().strip_prefix("range: bytes=").map(|range| range.trim().to_owned()).or(range);
        }
        if let Some(file) = path.strip_prefix("/file/") {
            send_file(&mut writer, file, range.as_deref())?;
            continue;
        }
        let (status, body) = answer(&path, &stream.local_addr().ok()?.to_string());
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        writer.write_all((head + &body).as_bytes()).ok()?;
    }
}

fn answer(path: &str, host: &str) -> (&'static str, String) {
    let id = path.strip_prefix("/task/").unwrap_or_default();
    let mut parts = id.split('-');
    match (parts.next(), parts.next()) {
        (Some("new"), _) => ("200 OK", r#"{"status":"SUCCESS","task_result":{"text":"la"}}"#.to_owned()),
        (Some("queued"), _) => ("200 OK", r#"{"status":"QUEUED","progress":"0%"}"#.to_owned()),
        (Some(kind @ ("image" | "video")), Some(bytes)) => {
            let media = format!(r#""{kind}s":[{{"url":"http://{host}/file/{kind}-{bytes}"}}]"#);
            ("200 OK", format!(r#"{{"status":"SUCCESS","task_result":{{{media}}}}}"#))
        }
        _ => ("404 Not Found", r#"{"error":"Task not found"}"#.to_owned()),
    }
}

/// Sends the file `KIND-BYTES`, or the requested range of it.
fn send_file(writer: &mut impl Write, file: &str, range: Option<&str>) -> Option<()> {
    let (kind, total) = file.split_once('-')?;
    let (start, total) = (if kind == "video" { MP4 } else { PNG }, total.parse::<u64>().ok()?);
    let (from, end) = match range.and_then(|range| range.split_once('-')) {
        Some((from, last)) => (from.parse().ok()?, last.parse::<u64>().map_or(total, |last| total.min(last + 1))),
        None => (0, total),
    };
    let status = match range {
        Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}", end - 1),
        None => "200 OK".to_owned(),
    };
    let length = end - from;
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\nETag: \"{total}\"\r\n\r\n");
    writer.write_all(head.as_bytes()).ok()?;
    let mut at = from;
    while at < end {
        let rest = start.get(usize::try_from(at).ok()?..).filter(|rest| !rest.is_empty()).unwrap_or(&BLOCK);
        let most = usize::try_from(end - at).ok()?.min(rest.len());
        writer.write_all(&rest[..most]).ok()?;
        at += most as u64;
    }
    Some(())
}
