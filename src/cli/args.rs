//! What may be typed, and nothing else: what a value leads to is no concern here.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser, ValueEnum};

use super::values::{duration, duration_or_none, size};

const EXAMPLES: &str = "\
Examples:
  YESCALE_API_KEY=sk-… yescale-dl 777935781150867525
  yescale-dl --api-key-file key.txt -i ids.txt -o archive
  history | jq -r .task_id | yescale-dl -i - --only video,audio

With an archive that is there: `yescale-dl verify`, `repair`, `index`, `gallery` (see `yescale-dl verify --help`).
A task id that looks like one of these goes after `--`.

Exit codes: 0 all here, 1 something failed, 2 could not start or go on, 3 something is not finished yet.";

/// Archives what you generated through the YEScale gateway: every video, image, audio file and text of your tasks.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Args {
    /// Ids of the tasks to archive
    #[arg(value_name = "TASK_ID")]
    pub ids: Vec<String>,

    /// Read task ids from FILE, one a line; `-` is standard input. A line of JSON with `task_id` or `id` counts too, its other fields become `meta`
    #[arg(short, long, value_name = "FILE")]
    pub input_file: Vec<PathBuf>,

    /// The archive
    #[arg(short, long, value_name = "DIR", default_value = "yescale", help_heading = "Archive")]
    pub output: PathBuf,

    /// Archive these kinds alone
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = "Archive")]
    pub only: Vec<Only>,

    /// Poll unfinished tasks until they finish, for at most DURATION in all; without one there is no end
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = duration, help_heading = "Archive")]
    #[expect(clippy::option_option, reason = "it is clap's word for an option whose value is one too")]
    pub wait: Option<Option<Duration>>,

    /// Before the first of these polls
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration, hide = true)]
    pub poll_delay: Duration,

    /// Fetch everything again, also what is here
    #[arg(long, help_heading = "Archive")]
    pub force: bool,

    /// Leave alone, and out of the exit code, what is recorded as failed or lacks dead links alone (401, 403, 404, 410)
    #[arg(long, help_heading = "Archive")]
    pub skip_failed: bool,

    /// Give each file the time at which its task finished
    #[arg(long, help_heading = "Archive")]
    pub mtime: bool,

    /// Write the gallery page after the run, as `yescale-dl gallery` does
    #[arg(long, help_heading = "Archive")]
    pub gallery: bool,

    /// Ask the gateway, tell what would be fetched, write nothing
    #[arg(long, help_heading = "Archive")]
    pub dry_run: bool,

    #[command(flatten)]
    pub remote: RemoteArgs,

    #[command(flatten)]
    pub output_style: StyleArgs,
}

impl Args {
    /// Reads the command line, the program's name first.
    pub(super) fn read(arguments: Vec<OsString>) -> Result<Self, clap::Error> {
        let after_wait = after_wait(&arguments).map(|duration| {
            let usage =
                format!("the duration of `--wait` needs a `=`: --wait={duration} (a task id of that name goes after `--`)");
            Self::command().error(ErrorKind::InvalidValue, usage)
        });
        let args = Self::try_parse_from(arguments)?;
        after_wait.map_or(Ok(args), Err)
    }
}

/// The word after a `--wait` without a value, when it is more likely meant for its duration than for a task id.
fn after_wait(arguments: &[OsString]) -> Option<&str> {
    // No option takes a value that begins with a dash, so that these words are what they look like.
    let options = arguments.split(|word| word == "--").next()?;
    let next = options.windows(2).find(|words| words[0] == "--wait").and_then(|words| words[1].to_str())?;
    duration_or_none(next).is_ok().then_some(next)
}

/// How the gateway and media hosts are spoken to: of the main job and of `repair`.
#[derive(clap::Args, Debug)]
pub(super) struct RemoteArgs {
    /// The gateway [env: YESCALE_BASE_URL] [default: https://api.yescale.io]
    #[arg(long, value_name = "URL", help_heading = "Gateway")]
    pub base_url: Option<String>,

    /// Read the API key from FILE; `-` is standard input [env for the key itself: YESCALE_API_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Gateway")]
    pub api_key_file: Option<PathBuf>,

    /// Downloads at once
    #[arg(short, long, value_name = "N", default_value = "32", help_heading = "Network")]
    pub jobs: NonZeroUsize,

    /// Connections for one file of 16 MiB or more; more than 32 requests at once go to one media host only when this asks for it [default: 4]
    #[arg(short = 'x', long, value_name = "N", help_heading = "Network")]
    pub connections: Option<NonZeroUsize>,

    /// Total bytes a second, such as 500K or 2M
    #[arg(long, value_name = "RATE", value_parser = size, help_heading = "Network")]
    pub limit_rate: Option<u64>,

    /// Refuse an asset larger than this, such as 500M or 2G
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Network")]
    pub max_size: Option<u64>,

    /// Further tries of one request after a passing fault [default: 5, and ten minutes for a host that says it is busy]
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub retries: Option<u32>,

    /// How long making a connection may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = "Network")]
    pub connect_timeout: Duration,

    /// How long a transfer may bring no byte
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Network")]
    pub stall_timeout: Duration,

    /// Before the first further try
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration_or_none, hide = true)]
    pub retry_delay: Duration,

    /// How to introduce oneself to hosts
    #[arg(long, value_name = "TEXT", default_value = concat!("yescale-dl/", env!("CARGO_PKG_VERSION")), help_heading = "Network")]
    pub user_agent: String,

    /// One more root certificate to trust, PEM; `SSL_CERT_FILE` and the system's store hold too
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub ca_cert: Option<PathBuf>,

    /// Let asset URLs lead to loopback, private and link-local addresses
    #[arg(long, help_heading = "Network")]
    pub allow_private_hosts: bool,
}

/// What is told, and how: of every verb that runs for a while.
#[derive(clap::Args, Debug)]
pub(super) struct StyleArgs {
    /// Events as JSON on standard output, one a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Errors only
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,

    /// Tell more
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Show progress bars
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub progress: When,

    /// Use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub color: When,
}

/// The program, when its first word is a verb.
#[derive(Parser, Debug)]
#[command(version, name = "yescale-dl", bin_name = "yescale-dl", max_term_width = 100)]
pub(super) struct VerbArgs {
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done with an archive that is there.
#[expect(clippy::large_enum_variant, reason = "there is one in a program's life")]
#[derive(clap::Subcommand, Debug)]
pub(super) enum Verb {
    /// Is every file that a manifest names there, and whole? Works offline and changes nothing
    Verify {
        /// An archive, or one task's folder
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
        /// Compare sizes only
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// As verify, then fetch again what is damaged or missing, by the task id; healthy files are never touched
    Repair {
        /// An archive, or one task's folder
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
        /// Compare sizes only
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        remote: RemoteArgs,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// Rebuild the root manifest and SHA256SUMS from the task folders
    Index {
        /// The archive
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
    },
    /// Write index.html into the archive: one page to look through it in a browser, offline
    Gallery {
        /// An archive, or one task's folder
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
    },
}

impl Verb {
    /// Whether `word`, the first one typed, is a verb.
    pub(super) fn is(word: &str) -> bool {
        VerbArgs::command().find_subcommand(word).is_some()
    }
}

/// A kind that `--only` can ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Only {
    Video,
    Image,
    Audio,
    Text,
}

/// When to do what a terminal is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Args::command().debug_assert();
        VerbArgs::command().debug_assert();
        assert!(Verb::is("verify") && Verb::is("index") && !Verb::is("t1"));
    }

    #[test]
    fn wait_takes_a_duration_after_an_equals_sign_and_no_other_way() {
        let read = |line: &str| Args::read(line.split(' ').map(OsString::from).collect());
        for (line, wait, ids) in [
            ("x t1", None, 1),
            ("x --wait t1", Some(None), 1),
            ("x t1 --wait", Some(None), 1),
            ("x --wait=10m t1", Some(Some(Duration::from_secs(600))), 1),
            ("x --wait=10m 5m", Some(Some(Duration::from_secs(600))), 1),
            ("x 10m --wait", Some(None), 1),
            ("x --wait 10", Some(None), 1),
            ("x --wait -- 10m", Some(None), 1),
            ("x t1 -- --wait 10m", None, 3),
        ] {
            let args = read(line).unwrap();
            assert_eq!((args.wait, args.ids.len()), (wait, ids), "{line}");
        }
        for line in ["x --wait 10m t1", "x t1 --wait 10m", "x --wait 10m", "x --json --wait 10m -- t1"] {
            assert!(read(line).unwrap_err().to_string().contains("--wait=10m"), "{line}");
        }
        for line in ["x --wait= t1", "x --wait=soon t1", "x --wait=0s t1", "x --wait --wait t1", "x --poll-delay 0s t1"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn there_is_no_option_for_the_key_itself() {
        for argument in ["--api-key", "--key", "--token"] {
            assert!(Args::try_parse_from(["yescale-dl", argument, "sk-x", "id"]).is_err());
        }
    }
}
