//! The cost of very many tasks, as users see it: the release binary, in seconds and MiB.
//!
//! - `cargo bench --bench scale -- [N]` makes an archive of N tasks (by default 100,000) in the temporary folder,
//!   with the library's own writer, and runs over it.
//! - `cargo bench --bench scale -- ids [N]` sends N ids (by default a million) through standard input, every other
//!   one unknown to the gateway, and prints the memory per id.
//! - `cargo bench --bench scale -- grow [N]` fetches growing numbers of small tasks, up to N (by default 100,000),
//!   and growing files, up to 16 GiB.
//!
//! Under `cargo test` all of them run with tiny sizes, so that they keep working.
//!
//! Goals, on two cores and 100,000 tasks: a run that changes nothing takes 3 s and 150 MiB, one more task 1 s, and an
//! id at most 100 bytes.
#![allow(clippy::unwrap_used, reason = "in a bench, a panic is the report")]
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints its table and makes its own files")]

#[path = "loopback.rs"]
mod loopback;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::json;
use tempfile::TempDir;
use yescale_dl::Sha256Hex;
use yescale_dl::manifest::{self, TaskEntry};

const TASKS: usize = 100_000;
const IDS: usize = 1_000_000;
const LARGEST: u64 = 16 << 30;

/// The cost of one run.
struct Cost {
    seconds: f64,
    mebibytes: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = args.iter().any(|arg| arg == "--bench");
    let count = args.iter().find_map(|arg| arg.parse::<usize>().ok());
    let count_or = |default: usize| count.unwrap_or(if is_bench { default } else { 50 });
    let has_arg = |name: &str| args.iter().any(|arg| arg == name);
    if has_arg("ids") {
        ids(count_or(IDS));
    } else if has_arg("grow") {
        grow(count_or(TASKS), LARGEST);
    } else {
        archive(count_or(TASKS));
    }
    if !is_bench {
        ids(count_or(IDS));
        grow(count_or(TASKS), 20 << 20);
    }
}

/// Measures growing numbers of small tasks, and growing files.
fn grow(most: usize, largest: u64) {
    let gateway = loopback::start();
    let row = |name: &str, list: &str, unit: &str, units: f64| {
        let home = TempDir::new().unwrap();
        let cost = run(home.path(), &gateway, &["-q", "-i", "-"], list, &[0]);
        println!("{name:<34} {:>9.2} {:>9.1}   {:.2} s {unit}", cost.seconds, cost.mebibytes, cost.seconds / units);
    };
    println!("\n{:<34} {:>9} {:>9}", "", "seconds", "MiB");
    for count in [most / 100, most / 10, most].map(|count| count.max(1)) {
        let list = (0..count).fold(String::new(), |all, n| all + "image-16384-" + &id(n) + "\n");
        #[expect(clippy::cast_precision_loss, reason = "a count for people")]
        row(&format!("{count} tasks of 16 KiB"), &list, "for 1,000", count as f64 / 1000.0);
    }
    for size in [largest / 16, largest / 4, largest] {
        row(&format!("a file of {:.2} GiB", mib(size) / 1024.0), &format!("video-{size}-1\n"), "for 1 GiB", mib(size) / 1024.0);
    }
}

/// Measures the everyday commands on an archive of `count` tasks.
fn archive(count: usize) {
    let home = TempDir::new().unwrap();
    let root = home.path().join("yescale");
    make_archive(&root, count);
    let list = home.path().join("ids.txt");
    fs::write(&list, (0..count).fold(String::new(), |all, n| all + &id(n) + "\n")).unwrap();
    let list = list.to_str().unwrap();
    let gateway = loopback::start();
    let index = run(home.path(), &gateway, &["index"], "", &[0]);
    let size = ["manifest.json", "SHA256SUMS"].map(|name| fs::metadata(root.join(name)).unwrap().len());
    println!("{count} tasks; manifest.json {:.1} MiB, SHA256SUMS {:.1} MiB\n", mib(size[0]), mib(size[1]));
    println!("{:<34} {:>9} {:>9}", "", "seconds", "MiB");
    print_row("index", &index);
    let runs: [(&str, &[&str], &str); 6] = [
        ("index, again", &["index"], ""),
        ("run over all ids, nothing to do", &["-q", "-i", list], ""),
        ("the same, --json", &["--json", "-i", list], ""),
        ("run that adds one task", &["-q", "new-1"], ""),
        ("run that adds one to all ids", &["-q", "-i", list, "new-2"], ""),
        ("verify --quick", &["verify", "--quick"], ""),
    ];
    for (name, args, input) in runs {
        print_row(name, &run(home.path(), &gateway, args, input, &[0]));
    }
    print_row("verify", &run(home.path(), &gateway, &["verify"], "", &[0]));
    verify_missing(&gateway, count.min(8000));
}

/// Measures `verify` on one task whose `count` files are all missing, or are all the same file.
fn verify_missing(gateway: &str, count: usize) {
    for is_missing in [true, false] {
        let home = TempDir::new().unwrap();
        let folder = home.path().join("yescale/t");
        fs::create_dir_all(&folder).unwrap();
        let bytes = vec![7; 1 << 20];
        fs::write(folder.join("image-0.png"), &bytes).unwrap();
        let sha256 = Sha256Hex::digest(&bytes);
        let file = |n: usize| {
            let path = format!("image-{}.png", if is_missing { n } else { 0 });
            json!({"kind": "image", "index": n, "path": path, "size": bytes.len(), "sha256": sha256.as_str()})
        };
        let files: Vec<_> = (1..=count).map(file).collect();
        let entry = serde_json::from_value(json!({"task_id": "t", "state": "complete", "files": files})).unwrap();
        let manifest = File::create(folder.join("manifest.json")).unwrap();
        manifest::write(std::io::BufWriter::new(manifest), |push| push(&entry)).unwrap();
        run(home.path(), gateway, &["index"], "", &[0]);
        let (name, code) = if is_missing { ("missing files of one task", 1) } else { ("entries of one file of 1 MiB", 0) };
        print_row(&format!("verify, {count} {name}"), &run(home.path(), gateway, &["verify"], "", &[code]));
    }
}

/// Measures `count` ids on standard input, half of them not found and half not finished, against a short list.
fn ids(count: usize) {
    let home = TempDir::new().unwrap();
    let gateway = loopback::start();
    let list = |count: usize| {
        (0..count).fold(String::new(), |mut all, n| {
            let _ = writeln!(all, "{}-{}", if n % 2 == 0 { "lost" } else { "queued" }, id(n));
            all
        })
    };
    let few = run(home.path(), &gateway, &["-q", "-i", "-"], &list(count.min(1000)), &[1]);
    let many = run(home.path(), &gateway, &["-q", "-i", "-"], &list(count), &[1]);
    println!("\n{:<34} {:>9} {:>9}", "", "seconds", "MiB");
    print_row(&format!("{} ids", count.min(1000)), &few);
    print_row(&format!("{count} ids"), &many);
    #[expect(clippy::cast_precision_loss, reason = "a count for people")]
    let each = (many.mebibytes - few.mebibytes) * 1024.0 * 1024.0 / count as f64;
    println!("{each:.0} bytes for each id");
}

/// An id of the same length as the gateway's.
fn id(n: usize) -> String {
    format!("{}", 777_900_000_000_000_000 + n)
}

/// Makes task folders with one small image and a text each, with the library's own writer, on all cores.
fn make_archive(root: &Path, count: usize) {
    fs::create_dir(root).unwrap();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for core in 0..cores {
            scope.spawn(move || (core..count).step_by(cores).for_each(|n| make_task(root, &id(n))));
        }
    });
}

fn make_task(root: &Path, id: &str) {
    let folder = root.join(id);
    let (image, text) = (format!("the image of {id}"), format!("the words of {id}"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("image-1.png"), &image).unwrap();
    fs::write(folder.join("text.txt"), &text).unwrap();
    let url = format!("https://cdn.example.com/results/{id}/0.png?Expires=1785000000&Signature=0123456789abcdef0123456789abcdef");
    let answer =
        json!({"id": id, "status": "SUCCESS", "progress": "100%", "task_result": {"images": [{"url": url}], "text": text}});
    let entry: TaskEntry = serde_json::from_value(json!({
        "task_id": id,
        "state": "complete",
        "status": "SUCCESS",
        "progress": "100%",
        "submit_time": "2025-07-27T06:48:50Z",
        "finish_time": "2025-07-27T06:49:50Z",
        "archived_at": "2026-11-23T10:00:00Z",
        "text": text,
        "text_path": "text.txt",
        "files": [{
            "kind": "image",
            "index": 1,
            "path": "image-1.png",
            "size": image.len(),
            "sha256": Sha256Hex::digest(image.as_bytes()).as_str(),
            "content_type": "image/png",
            "url": url,
            "last_modified": "2025-07-27T06:49:48Z",
            "warnings": []
        }],
        "errors": [],
        "response": answer
    }))
    .unwrap();
    let file = std::io::BufWriter::new(File::create(folder.join("manifest.json")).unwrap());
    manifest::write(file, |push| push(&entry)).unwrap();
}

/// Runs the program under `time`, which measures its cost.
fn run(home: &Path, gateway: &str, args: &[&str], input: &str, codes: &[i32]) -> Cost {
    let report = home.join("time");
    let mut command = Command::new("/usr/bin/time");
    command.args(["-q", "-f", "%e %M", "-o"]).arg(&report).arg(env!("CARGO_BIN_EXE_yescale-dl")).args(args);
    command.current_dir(home).env("HOME", home).env("YESCALE_API_KEY", "sk-bench").env("YESCALE_BASE_URL", gateway);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // A program that does not read its standard input may have exited already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let code = child.wait().unwrap().code();
    assert!(code.is_some_and(|code| codes.contains(&code)), "{args:?} ended with {code:?}");
    let report = fs::read_to_string(report).unwrap();
    let (seconds, kibibytes) = report.trim().split_once(' ').unwrap();
    Cost { seconds: seconds.parse().unwrap(), mebibytes: kibibytes.parse::<f64>().unwrap() / 1024.0 }
}

fn print_row(name: &str, cost: &Cost) {
    println!("{name:<34} {:>9.2} {:>9.1}", cost.seconds, cost.mebibytes);
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
