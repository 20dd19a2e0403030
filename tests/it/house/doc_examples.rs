//! The examples of the documents work: each `sh` block is run, and must exit with 0.
//!
//! The blocks of a page run in their order, in one new home folder, as a reader would type them: against the stand-in of the demo,
//! with a bucket on loopback, lists of ids and an archive. Only what stands for a secret or for the name of a bucket is replaced.
//! Other programs of an example are stand-ins too, and the rest are those of Linux. A block that can't be run here is in `NOT_RUN`, with the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::documents::{Block, Document, all, read};
use crate::s1_job::samples::{self, StandIn};
use crate::support::bucket::{BUCKET, BucketServer};
use crate::support::run::{Run, Running};

/// What a line of a block begins with that is not run, and why.
const NOT_RUN: [(&str, &str); 11] = [
    ("cargo ", "builds the program, for minutes"),
    ("curl ", "needs a published release; `install_script` runs the script against a local one"),
    ("sh install.sh", "needs a published release; `install_script` runs the script against a local one"),
    ("gh ", "needs a published release and its host"),
    ("brew ", "needs Homebrew"),
    ("scoop ", "needs Scoop, on Windows"),
    ("docker ", "needs a container engine"),
    ("aws ", "needs an account; `tests/recipes/check.py` checks the files that it gets"),
    ("git ", "pushes to the host of the repository"),
    ("duckdb ", "needs DuckDB and pandas; `export_interop` reads the same files with them"),
    ("yescale-dl login", "needs a terminal"),
];

/// Other programs in the examples, as far as the examples need them.
const PROGRAMS: [(&str, &str); 5] = [
    ("jq", r#"for last; do :; done; if [ -f "$last" ]; then exec <"$last"; fi; sed -n 's/.*"task_id": *"\([^"]*\)".*/\1/p'"#),
    ("rsync", "exit 0"),
    ("man", "cat >/dev/null"),
    ("queue-receive", "cat ids.txt"),
    ("queue-acknowledge", "grep -q ."),
];

const IDS: &str = "777935781150867525\n67c1fa75-25c8-4f90-af8a-c7b73d7e70bc\n";

/// A home folder with the servers that its examples ask.
struct Reader {
    home: tempfile::TempDir,
    standin: StandIn,
    bucket: BucketServer,
    _runtime: tokio::runtime::Runtime,
}

impl Reader {
    fn new() -> Self {
        let (runtime, standin) = samples::start();
        let reader = Self { home: tempfile::TempDir::new().unwrap(), standin, bucket: BucketServer::start(), _runtime: runtime };
        let write = |path: &str, text: &str| fs::write(reader.home.path().join(path), text).unwrap();
        write("ids.txt", IDS);
        let history = |id: &str| format!("{{\"task_id\": \"{id}\", \"prompt\": \"a cat on the moon\"}}\n");
        write("history.jsonl", &IDS.lines().map(history).collect::<String>());
        write("key.txt", reader.standin.key());
        fs::create_dir(reader.home.path().join("bin")).unwrap();
        for (name, script) in PROGRAMS {
            write_program(&reader.home.path().join("bin").join(name), script);
        }
        reader.run("yescale-dl -i ids.txt -o archive && mkdir src && cp -r archive src/archive").exits(0);
        reader
    }

    fn run(&self, script: &str) -> Run {
        let program = Path::new(env!("CARGO_BIN_EXE_yescale-dl"));
        let paths = [self.home.path().join("bin"), program.parent().unwrap().to_owned(), "/usr/bin".into(), "/bin".into()];
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.home.path()).env_clear();
        command.env("PATH", std::env::join_paths(paths).unwrap()).env("HOME", self.home.path());
        command.env("YESCALE_BASE_URL", self.standin.base_url()).env("YESCALE_ACCOUNT_URL", self.standin.base_url());
        command.env("YESCALE_API_KEY", self.standin.key()).env("YESCALE_ACCESS_KEY", self.standin.access_key());
        command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_REGION", "us-east-1");
        command.env("AWS_ENDPOINT_URL", self.bucket.origin()).env("AWS_ALLOW_HTTP", "true");
        Running::start(command).wait(false)
    }

    /// The block, with true values for what a reader fills in.
    fn fill_in(&self, block: &Block) -> String {
        let secrets = [("YESCALE_API_KEY=sk-…", self.standin.key()), ("YESCALE_ACCESS_KEY=…", self.standin.access_key())];
        let filled = secrets.into_iter().fold(block.text.clone(), |text, (place, key)| {
            let (name, _) = place.split_once('=').unwrap();
            text.replace(place, &format!("{name}={key}"))
        });
        filled
            .replace("KEY_ID=…", "KEY_ID=id")
            .replace("ACCESS_KEY=…", "ACCESS_KEY=secret")
            .replace("s3://bucket/", &format!("s3://{BUCKET}/"))
    }
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The places in `NOT_RUN` of the lines that keep a block from being run.
fn reasons_not_to_run(block: &Block) -> Vec<usize> {
    let applies = |start: &str| block.text.lines().any(|line| line.trim_start().starts_with(start));
    (0..NOT_RUN.len()).filter(|at| applies(NOT_RUN[*at].0)).collect()
}

fn shell_blocks(document: &Document) -> Vec<Block> {
    document.blocks().into_iter().filter(|block| block.language == "sh").collect()
}

#[test]
fn every_example_of_every_page_exits_with_0() {
    let mut count = 0;
    for document in all() {
        let mut blocks = shell_blocks(&document);
        blocks.retain(|block| reasons_not_to_run(block).is_empty());
        if blocks.is_empty() {
            continue;
        }
        let reader = Reader::new();
        for block in blocks {
            let run = reader.run(&reader.fill_in(&block));
            assert_eq!(run.code, Some(0), "{}:{}\n{}\n{}\n{}", document.path, block.line, block.text, run.stdout, run.stderr);
            count += 1;
        }
        assert_eq!(reader.standin.leaks(), Vec::<String>::new());
    }
    assert!(count >= 12, "{count}");
}

#[test]
fn every_reason_not_to_run_an_example_is_still_needed() {
    let documents = all();
    let used: Vec<usize> = documents.iter().flat_map(shell_blocks).flat_map(|block| reasons_not_to_run(&block)).collect();
    let unused: Vec<&str> = (0..NOT_RUN.len()).filter(|at| !used.contains(at)).map(|at| NOT_RUN[at].0).collect();
    assert_eq!(unused, Vec::<&str>::new());
}

#[test]
fn example_configuration_is_valid() {
    let block = read("docs/options.md").blocks().into_iter().find(|block| block.language == "toml").unwrap();
    let reader = Reader::new();
    fs::write(reader.home.path().join("config.toml"), block.text).unwrap();
    let shown = reader.run("yescale-dl config --config config.toml").exits(0).stdout;
    assert!(shown.contains("/srv/archive"), "{shown}");
}
