//! A gateway on a loopback port that costs next to nothing, so that what is measured is the program.
//!
//! Plain threads and kept connections: an id that begins with `new` is a finished task of a text, with `queued` one
//! that is not finished, and any other is unknown. It ends with the process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// What to give as `--base-url`.
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

/// Answers on one connection until the other side closes it.
fn serve(stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let (status, body) = answer(line.split(' ').nth(1).unwrap_or_default());
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        }
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        writer.write_all((head + body).as_bytes()).ok()?;
    }
}

fn answer(path: &str) -> (&'static str, &'static str) {
    match path.strip_prefix("/task/") {
        Some(id) if id.starts_with("new") => ("200 OK", r#"{"status":"SUCCESS","task_result":{"text":"la"}}"#),
        Some(id) if id.starts_with("queued") => ("200 OK", r#"{"status":"QUEUED","progress":"0%"}"#),
        _ => ("404 Not Found", r#"{"error":"Task not found"}"#),
    }
}
