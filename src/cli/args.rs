//! What may be typed, and nothing else: what a value leads to is no concern here.

mod export;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use clap_complete::Shell;

use super::values::{WaitMode, duration, duration_or_zero, header_value, size, wait_mode};
use crate::session::DEFAULT_JOBS;
pub(super) use export::{ExportArgs, ExportFormat};

const EXAMPLES: &str = "\
Examples:
  yescale-dl 777935781150867525   into ./yescale; the key in YESCALE_API_KEY
  yescale-dl --api-key-file key.txt -i ids.txt -o archive
  jq -r .task_id history.jsonl | yescale-dl -i - --only video,audio
  yescale-dl verify archive       a command counts only as the first word:
  yescale-dl -- verify            here it is the id of a task

Exit codes:
  0         every task is complete, or has all that --only asks for
  1         a task failed, is incomplete, empty, not found, in error; or damage
  2         the run could not start or go on
  3         nothing failed, but some task is not finished yet: run again later
  130, 143  interrupted: run again to go on from there";

/// Archives what you generated through the YEScale gateway: every video, image, audio file and text of your tasks.
#[derive(Parser, Debug)]
#[command(
    version,
    name = "yescale-dl",
    bin_name = "yescale-dl",
    after_help = EXAMPLES,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(super) struct Args {
    /// Ids of the tasks to archive
    #[arg(value_name = "TASK_ID")]
    pub ids: Vec<String>,

    /// Read task ids from FILE, one a line; `-` is standard input. A line of JSON with `task_id` or `id` counts too, its other fields become `meta` in the manifest
    #[arg(short, long, value_name = "FILE", help_heading = "This run")]
    pub input_file: Vec<PathBuf>,

    /// Fetch everything again; old files stay until the new ones are whole
    #[arg(long, help_heading = "This run")]
    pub force: bool,

    /// Ask the gateway, tell what would be fetched and why, write nothing
    #[arg(long, help_heading = "This run")]
    pub dry_run: bool,

    /// Options for every run, in TOML under their long names; `--no-…` turns off a flag that is on there [default: yescale-dl/config.toml under $XDG_CONFIG_HOME, ~/.config or %APPDATA%, when it is there]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub options: ConfigurableArgs,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What a configuration file can set, too: all that holds for more than one run.
#[derive(clap::Args, Debug)]
pub(super) struct ConfigurableArgs {
    /// The archive
    #[arg(short, long, value_name = "DIR", default_value = "yescale", help_heading = "Archive")]
    pub output: PathBuf,

    /// Archive these kinds alone, with commas between them
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', help_heading = "Archive")]
    pub only: Vec<KindArg>,

    /// Poll unfinished tasks until they finish, for at most DURATION in all, such as 10m or 1h30m; without one there is no end
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        hide_default_value = true,
        value_parser = wait_mode,
        help_heading = "Archive"
    )]
    pub wait: WaitMode,

    /// Before the first of these polls
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration, hide = true)]
    pub poll_delay: Duration,

    /// Leave alone, and out of the exit code, what is recorded as failed, or as incomplete with dead links alone (401, 403, 404, 410)
    #[arg(long, help_heading = "Archive")]
    pub skip_failed: bool,

    /// Give each file the time at which its task finished
    #[arg(long, help_heading = "Archive")]
    pub mtime: bool,

    /// Write the gallery page after the run, as `yescale-dl gallery` does
    #[arg(long, help_heading = "Archive")]
    pub gallery: bool,

    #[command(flatten)]
    pub remote: RemoteArgs,

    #[command(flatten)]
    pub style: StyleArgs,
}

/// How the gateway and media hosts are spoken to: of the main job and of `repair`.
#[derive(clap::Args, Debug)]
pub(super) struct RemoteArgs {
    /// The gateway [env: YESCALE_BASE_URL]
    #[arg(long, value_name = "URL", default_value = "https://api.yescale.io", help_heading = "Gateway")]
    pub base_url: String,

    /// Read the API key from FILE; `-` is standard input [env for the key itself: YESCALE_API_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Gateway")]
    pub api_key_file: Option<PathBuf>,

    /// Downloads at once
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_JOBS, help_heading = "Network")]
    pub jobs: NonZeroUsize,

    /// Connections for one file of 16 MiB or more; when given, one media host gets up to N times --jobs requests at once, not 32 [default: 4]
    #[arg(short = 'x', long, value_name = "N", help_heading = "Network")]
    pub connections: Option<NonZeroUsize>,

    /// Total bytes a second, such as 500K or 2M, in powers of 1024 [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = size, help_heading = "Network")]
    pub limit_rate: Option<u64>,

    /// Refuse an asset larger than this, such as 500M or 2G [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Network")]
    pub max_size: Option<u64>,

    /// Further tries of one request after a passing fault; progress refills them [default: 5, and ten minutes for a host that says it is busy]
    #[arg(long, value_name = "N", help_heading = "Network")]
    pub retries: Option<u32>,

    /// How long making a connection may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = "Network")]
    pub connect_timeout: Duration,

    /// How long a transfer may bring no byte
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = "Network")]
    pub stall_timeout: Duration,

    /// Before the first further try
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration_or_zero, hide = true)]
    pub retry_delay: Duration,

    /// How to introduce oneself to hosts
    #[arg(long, value_name = "TEXT", default_value = concat!("yescale-dl/", env!("CARGO_PKG_VERSION")), value_parser = header_value, help_heading = "Network")]
    pub user_agent: String,

    /// One more root certificate to trust, PEM; `SSL_CERT_FILE` and the system's store hold too
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub ca_cert: Option<PathBuf>,

    /// Let links lead to loopback, private and link-local addresses; implied when the gateway itself is at one
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

    /// Tell each file and each new try, too
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Output")]
    pub verbose: u8,

    /// Show progress
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub progress: When,

    /// Use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub color: When,
}

/// What can be done beside the main job: with an archive that is there, and what the program tells of itself.
#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Look whether every file that a manifest names is there and whole; offline, changes nothing
    Verify {
        /// An archive, or one task's folder
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
        /// Compare sizes alone, hash nothing
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// Verify, then fetch again what is damaged or missing, by the task id; healthy files are never touched
    Repair {
        /// An archive, or one task's folder
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
        /// Compare sizes alone, hash nothing
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        remote: RemoteArgs,
        #[command(flatten)]
        style: StyleArgs,
    },
    /// Rebuild the archive's manifest.json and SHA256SUMS from its task folders; offline
    Index {
        /// The archive
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
    },
    /// Write a timeline, list, table, playlist or bag of what is there; offline, changes nothing in the archive
    Export(ExportArgs),
    /// Write index.html into the archive: one page to look through it in a browser, offline
    Gallery {
        /// An archive, or one task's folder
        #[arg(value_name = "DIR", default_value = "yescale")]
        dir: PathBuf,
    },
    /// Print what is in force, and where each value came from; the key is hidden
    Config(Box<ConfigurableArgs>),
    /// Print the JSON Schema of manifest.json, or of the `--json` events
    Schema {
        /// What to describe
        document: Document,
    },
    /// Print a script with which SHELL completes options and commands
    Completions {
        /// The shell that is to read it
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// What there is a schema of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Document {
    Manifest,
    Events,
}

/// A kind that `--only` can ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum KindArg {
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
    fn no_option_takes_the_api_key_itself() {
        for argument in ["--api-key", "--key", "--token"] {
            assert!(Args::try_parse_from(["yescale-dl", argument, "sk-x", "id"]).is_err());
        }
    }
}
