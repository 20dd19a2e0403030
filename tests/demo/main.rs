//! `cargo run --example demo`: the real program, on your machine, against a stand-in for the gateway.
//!
//! Three commands run, as they are printed: one archives what the account of the stand-in made in the last 7 days, one finished
//! sample task of each platform; one lists it; one gives the files names. Only the servers are simulated. It needs no account, no
//! key and no internet. Each media response takes a moment, so that the progress is visible.
//!
//! `cargo run --example demo -- serve` runs no command. It prints the variables that lead the program to the stand-in, which it
//! serves until it is stopped.
//!
//! Invariant: only the folders `yescale-demo` and `yescale-demo-files` are left behind, and the exit code is that of the first
//! command that fails.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example prints, and reads its samples")]

mod standin;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use standin::StandIn;
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

const ARCHIVE: &str = "yescale-demo";
const NAMED_FILES: &str = "yescale-demo-files";
/// The run, without what names the servers and keys of the stand-in.
const RUN: [&str; 5] = ["--since", "7d", "--gallery", "-o", ARCHIVE];
const LIST: [&str; 2] = ["list", ARCHIVE];
const EXPORT: [&str; 6] = ["export", "files", ARCHIVE, "-O", NAMED_FILES, "--tag"];
const MEDIA_DELAY: Duration = Duration::from_millis(150);

fn main() -> io::Result<ExitCode> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    // This runtime is idle when the run makes its own, because the stand-in answers from its own threads.
    let standin =
        Runtime::new()?.block_on(StandIn::start(&tests.join("demo/media"), &tests.join("tasks"))).with_delay(MEDIA_DELAY);
    if std::env::args().nth(1).as_deref() == Some("serve") {
        print!("{}", variables(&standin));
        io::stdout().flush()?;
        loop {
            std::thread::park();
        }
    }
    let (key_file, access_key_file) = (key_file(standin.key())?, key_file(standin.access_key())?);

    let servers_and_keys = servers_and_keys(&standin, key_file.path(), access_key_file.path());
    let mut code = run(&RUN, servers_and_keys);
    for command in [&LIST[..], &EXPORT] {
        if code == 0 {
            code = run(command, Vec::new());
        }
    }
    print!("{}", closing_message(&standin));
    Ok(ExitCode::from(code))
}

/// What to type into another shell, so that the program asks the stand-in.
fn variables(standin: &StandIn) -> String {
    let url = standin.base_url();
    let ids: Vec<String> = standin.ids();
    format!(
        "# {} sample tasks, until you press Ctrl-C here. Type into another shell:
export YESCALE_BASE_URL={url} YESCALE_ACCOUNT_URL={url}
export YESCALE_API_KEY={} YESCALE_ACCESS_KEY={}
yescale-dl {} -o try        # one task; `yescale-dl --since 7d -o try` takes all
",
        ids.len(),
        standin.key(),
        standin.access_key(),
        ids[0],
    )
}

/// Runs a command and prints it before. `hidden` is not printed.
fn run(command: &[&str], hidden: Vec<OsString>) -> u8 {
    println!("$ yescale-dl {}\n", command.join(" "));
    let code = yescale_dl::cli::run(["yescale-dl"].iter().chain(command).map(OsString::from).chain(hidden));
    println!();
    code
}

/// Writes the key to a file, as the program requires: everybody on the machine can read a command line.
fn key_file(key: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    writeln!(file, "{key}")?;
    Ok(file)
}

fn servers_and_keys(standin: &StandIn, key_file: &Path, access_key_file: &Path) -> Vec<OsString> {
    let url = OsString::from(standin.base_url());
    let servers = [("--base-url", url.clone()), ("--account-url", url)];
    let keys = [("--api-key-file", key_file.into()), ("--access-key-file", access_key_file.into())];
    servers.into_iter().chain(keys).flat_map(|(option, value)| [option.into(), value]).collect()
}

fn closing_message(standin: &StandIn) -> String {
    let (tasks, requests) = (standin.tasks().len(), standin.media_requests());
    let key = if standin.leaks().is_empty() { "never saw the key" } else { "SAW THE KEY, which is a bug" };
    format!(
        "{tasks} sample tasks were archived. The stand-in's media host received {requests} requests and {key}.

  {ARCHIVE}/                one folder per task, with its media, text.txt and manifest
  {ARCHIVE}/index.html      open it in a browser: look at, play and search everything
  {ARCHIVE}/manifest.json   everything in the archive: sizes, hashes, types, durations, origins
  {NAMED_FILES}/          the same media under names for people; songs have their lyrics and cover inside

  cd {ARCHIVE} && sha256sum -c SHA256SUMS                         checks every byte, without any tool of ours
  cargo run --release -- list {ARCHIVE} --grep 'string of light'   finds the song by its lyrics

Run the demo again: the archive is complete, so nothing is fetched again.
Delete both folders when you no longer need them.
"
    )
}
