//! The cost of hostile responses, with the release binary: seconds, peak memory, and the size of the task manifest.
//!
//! `cargo bench --bench answers -- [MIB]` lets the program archive responses of MIB MiB each (by default 60), one,
//! four and sixteen at once, for each shape that once multiplied in memory or on disk. Under `cargo test` it runs
//! with 1 MiB, so that it keeps working.
//!
//! The bound: memory stays below four times the size of one response plus 64 MiB, however many are in progress, and a
//! task manifest below twice the response.
#![allow(clippy::unwrap_used, reason = "in a bench, a panic is the report")]
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints its table and reads what was written")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use tempfile::TempDir;

/// The name of a shape, and a function that makes a response of a given size.
type Shape = (&'static str, fn(usize) -> String);

const SHAPES: [Shape; 12] = [
    ("ones", |size| field(&format!("[1{}]", ",1".repeat(size / 2)))),
    ("blanks", |size| field(&format!("[{}1]", " ".repeat(size)))),
    ("90-levels", |size| field(&format!("{}1{}{}", "[".repeat(90), ",1".repeat(size / 2), "]".repeat(90)))),
    ("nests", |size| field(&nested(size))),
    ("too-deep", |size| field(&format!("{}1{}", r#"{"a":"#.repeat(size / 6), "}".repeat(size / 6)))),
    ("strings", |size| field(&format!(r#"["x"{}]"#, r#","x""#.repeat(size / 4)))),
    ("objects", |size| field(&format!("[{{}}{}]", ",{}".repeat(size / 3)))),
    ("text", |size| result(&format!(r#""text":"{}\n""#, "la ".repeat(size / 3)))),
    ("message", |size| format!(r#"{{"status":"FAILURE","err_reason":"{}\n"}}"#, "no ".repeat(size / 3))),
    ("data", |size| result(&format!(r#""images":["data:image/png;base64,iVBORw0KGgoA{}"]"#, "AAAA".repeat(size / 4)))),
    ("too-many", |size| result(&format!(r#""images":["x"{}]"#, r#","x""#.repeat(size / 4)))),
    ("bad-urls", |size| result(&format!(r#""images":["x"{}]"#, r#","x""#.repeat(90_000.min(size / 4))))),
];

fn nested(size: usize) -> String {
    let one = format!("{}1{}", r#"{"a":"#.repeat(90), "}".repeat(90));
    format!("[{one}{}]", format!(",{one}").repeat(size / (one.len() + 1)))
}

fn field(value: &str) -> String {
    format!(r#"{{"status":"SUCCESS","task_result":{{"text":"la"}},"x":{value}}}"#)
}

fn result(fields: &str) -> String {
    format!(r#"{{"status":"SUCCESS","task_result":{{{fields}}}}}"#)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = args.iter().any(|arg| arg == "--bench");
    let mebibytes = args.iter().find_map(|arg| arg.parse::<usize>().ok());
    let size = mebibytes.unwrap_or(if is_bench { 60 } else { 1 }) << 20;
    println!("bound: {:.0} MiB of memory\n", 4.0 * mib(size) + 64.0);
    println!("{:<12} {:>9} {:>8} {:>9} {:>9} {:>9}", "shape", "MiB each", "at once", "seconds", "peak MiB", "manifest");
    let only =
        |name: &str| SHAPES.iter().all(|(shape, _)| !args.iter().any(|arg| arg == shape)) || args.iter().any(|arg| arg == name);
    for (count, framing) in [(1, "length"), (4, "length"), (4, "chunked"), (16, "length")] {
        for (name, make) in SHAPES.iter().filter(|(name, _)| only(name)) {
            measure(name, &Arc::new(make(size)), count, framing);
        }
    }
}

/// Measures one run over `count` responses, sent with their length or in chunks.
fn measure(name: &str, answer: &Arc<String>, count: usize, framing: &str) {
    let home = TempDir::new().unwrap();
    let gateway = serve(answer, framing == "chunked");
    let ids: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
    let report = home.path().join("time");
    let mut command = Command::new("/usr/bin/time");
    command.args(["-q", "-f", "%e %M", "-o"]).arg(&report).arg(env!("CARGO_BIN_EXE_yescale-dl")).arg("-q").args(&ids);
    command.current_dir(home.path()).env("HOME", home.path()).env("YESCALE_API_KEY", "sk-bench").env("YESCALE_BASE_URL", gateway);
    let code = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code();
    assert!(matches!(code, Some(0 | 1)), "{name} ended with {code:?}");
    let report = fs::read_to_string(report).unwrap();
    let (seconds, kibibytes) = report.trim().split_once(' ').unwrap();
    let manifest = fs::metadata(home.path().join("yescale/t0/manifest.json")).map_or(0, |found| found.len());
    println!(
        "{name:<12} {:>9.1} {:>8} {seconds:>9} {:>9.1} {:>9.1}",
        mib(answer.len()),
        if framing == "chunked" { format!("{count} c") } else { count.to_string() },
        kibibytes.parse::<f64>().unwrap() / 1024.0,
        mib(usize::try_from(manifest).unwrap()),
    );
}

/// Starts a gateway that sends `answer` for every task. Returns its base URL.
fn serve(answer: &Arc<String>, is_chunked: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::clone(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer_all(&stream, &answer, is_chunked));
        }
    });
    format!("http://{address}")
}

fn answer_all(stream: &TcpStream, answer: &str, is_chunked: bool) -> Option<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut line = String::new();
    loop {
        line.clear();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
        }
        let length = format!("{:x}", answer.len());
        let (head, tail) = match is_chunked {
            true => (format!("Transfer-Encoding: chunked\r\n\r\n{length}\r\n"), "\r\n0\r\n\r\n"),
            false => (format!("Content-Length: {}\r\n\r\n", answer.len()), ""),
        };
        writer.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).ok()?;
        writer.write_all(answer.as_bytes()).and_then(|()| writer.write_all(tail.as_bytes())).ok()?;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn mib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
