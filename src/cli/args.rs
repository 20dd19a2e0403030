//! The options and commands of the program, as clap parses them.
//!
//! Owns names, help texts and defaults. What the values mean for a run is decided in `settings`. To add an option: see
//! `cli/mod.rs`.

mod commands;
mod export;
mod filters;
mod remote;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, CommandFactory as _, Parser, ValueEnum, ValueHint};

use super::exec::ExecCommand;
use super::shard::ShardArg;
use super::values::{WaitMode, duration, wait_mode, when};
pub(super) use commands::{Command, Document, GalleryArgs, ListArgs, LoginArgs};
pub(super) use export::{ExportArgs, FormatArg, LinkArg};
pub(super) use filters::{FilterArgs, OrderArgs, SortArg, StateArg};
pub(super) use remote::{ConnectionArgs, RemoteArgs};

const EXAMPLES: &str = "\
Examples:
  yescale-dl login                asks for the API key once, and saves it
  yescale-dl 777935781150867525   into ./yescale
  yescale-dl --api-key-file key.txt -i ids.txt -o archive
  yescale-dl --since 7d           what the account made in the last seven days
  jq -r .task_id history.jsonl | yescale-dl -i - --only video,audio
  yescale-dl verify archive       a command must be the first word
  yescale-dl -- verify            archives the task with the id `verify`

Exit codes:
  0              every task is complete, or has everything that --only selects
  1              some task failed, is incomplete, empty, not found or in error;
                 or `verify` found damage
  2              the run could not start or could not continue
  3              nothing failed, but some task is not finished yet: run again later
  130, 143, 129  interrupted: run again to continue";

/// Downloads and archives what you generated through the YEScale gateway: every video, image, audio file and text of your tasks.
#[derive(Parser, Debug)]
#[command(
    version,
    name = "yescale-dl",
    bin_name = "yescale-dl",
    after_long_help = EXAMPLES,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(super) struct Args {
    /// Ids of the tasks to archive
    #[arg(value_name = "TASK_ID")]
    pub ids: Vec<String>,

    /// The number of ids that stand after `--`, which are taken as they are.
    #[arg(skip)]
    pub ids_after_dashes: usize,

    /// Read task ids from FILE; `-` is standard input
    ///
    /// One id per line, or a JSON array. A line or an item may be a JSON object with `task_id` or `id`; its other fields become `meta` in the manifest. Blank lines and lines that begin with `#` are skipped.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "This run")]
    pub input_file: Vec<PathBuf>,

    /// Archive what the account made since WHEN
    ///
    /// So long ago (7d, 12h), a local date (2026-10-01), or RFC 3339. The tasks come from the account's own task list, by the time at which they were submitted. This needs an access key, see --access-key-file. Implies --skip-failed.
    #[arg(long, value_name = "WHEN", value_parser = when, value_hint = ValueHint::Other, help_heading = "This run")]
    pub since: Option<crate::domain::when::When>,

    /// The end of the time for --since, included
    ///
    /// A date includes that day. [default: now]
    #[arg(long, value_name = "WHEN", value_parser = when, requires = "since", value_hint = ValueHint::Other, help_heading = "This run")]
    pub until: Option<crate::domain::when::When>,

    /// Download everything again
    ///
    /// Old files are kept until the new ones are complete.
    #[arg(long, help_heading = "This run")]
    pub force: bool,

    /// Print what would be downloaded, and write nothing
    ///
    /// The gateway is asked, so that the reason for each file is known.
    #[arg(long, help_heading = "This run")]
    pub dry_run: bool,

    /// Take part I of N of the ids, or the part of a scheduler
    ///
    /// I is from 1 to N. The part of an id does not depend on the other ids. With `auto`, I and N are read from the variables of a scheduler (Kubernetes, AWS Batch, SLURM, PBS, Cloud Run, Google Batch, Nomad, GitLab CI, Buildkite, CircleCI); `auto/N` gives N where the scheduler does not.
    #[arg(long, value_name = "I/N", value_parser = ShardArg::parse, value_hint = ValueHint::Other, help_heading = "This run")]
    pub shard: Option<ShardArg>,

    /// Run COMMAND after each task with something new
    ///
    /// The task became complete or partial in this run. COMMAND is split into words as a shell would do it, then `{path}` (the absolute folder of the task), `{id}` and `{state}` are replaced; no shell runs it. The same is in YESCALE_PATH, YESCALE_TASK_ID and YESCALE_STATE. A command that fails is a warning and exit code 1.
    #[arg(long, value_name = "COMMAND", value_parser = ExecCommand::parse, value_hint = ValueHint::CommandString, help_heading = "This run")]
    pub exec: Option<ExecCommand>,

    /// Write what did not end well to FILE, for -i of a later run
    ///
    /// These are the tasks that did not end complete or partial, also those that were not asked about; skipped ones are left out. The file is written at the end, also when it is empty.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "This run")]
    pub failed_to: Option<PathBuf>,

    /// Read options for every run from FILE
    ///
    /// The file is TOML, with the long names of the options. `--no-…` turns off a flag that is set there. [default: yescale-dl/config.toml under $XDG_CONFIG_HOME, ~/.config or %APPDATA%, if it exists]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, global = true)]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub options: ConfigurableArgs,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The definition of all options and commands, as it is parsed, shown and completed.
pub(super) fn command() -> clap::Command {
    let command = Args::command();
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    command.mut_subcommand("help", |help| help.mut_arg("command", |arg| arg.value_parser(names)))
}

/// The options that a configuration file can set, too: those that apply to more than one run.
#[derive(clap::Args, Debug)]
pub(super) struct ConfigurableArgs {
    /// Folder or bucket of the archive
    ///
    /// A bucket is s3://BUCKET/PREFIX (S3, R2, MinIO and others), gs://BUCKET/PREFIX or az://CONTAINER/PREFIX. Its credentials come from the environment (AWS_…, GOOGLE_…, AZURE_…).
    #[arg(short, long, value_name = "DIR", default_value = "yescale", value_hint = ValueHint::DirPath, help_heading = "Archive")]
    pub output: PathBuf,

    /// Archive only these kinds, separated by commas
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', help_heading = "Archive")]
    pub only: Vec<KindArg>,

    /// Poll unfinished tasks until they finish
    ///
    /// For at most DURATION in total, such as 10m or 1h30m; without DURATION there is no limit. Also wait while the gateway does not answer; without DURATION for at most one hour.
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        hide_default_value = true,
        value_parser = wait_mode,
        value_hint = ValueHint::Other,
        help_heading = "Archive"
    )]
    pub wait: WaitMode,

    /// Delay before the first poll
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration, hide = true)]
    pub poll_delay: Duration,

    /// Skip tasks that the archive records as failed
    ///
    /// Also those that are incomplete only because of dead links (401, 403, 404, 410). They do not affect the exit code.
    #[arg(long, help_heading = "Archive")]
    pub skip_failed: bool,

    /// Give files the finish time of their task
    ///
    /// It becomes the modification time of each file.
    #[arg(long, help_heading = "Archive")]
    pub mtime: bool,

    /// Write the gallery page after the run
    ///
    /// As `yescale-dl gallery` does.
    #[arg(long, help_heading = "Archive")]
    pub gallery: bool,

    /// URL of the account, for --since [env: YESCALE_ACCOUNT_URL]
    #[arg(long, value_name = "URL", default_value = "https://yescale.bogia.app", value_hint = ValueHint::Url, help_heading = "Account")]
    pub account_url: String,

    /// Read the access key from FILE; `-` is standard input
    ///
    /// For --since. It is another key than the API key: create it in the dashboard of the account. Without this option, it is in the environment variable YESCALE_ACCESS_KEY, or the one that `yescale-dl login` saved.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Account")]
    pub access_key_file: Option<PathBuf>,

    #[command(flatten)]
    pub remote: RemoteArgs,

    #[command(flatten)]
    pub style: StyleArgs,
}

/// The options for output, of every command that shows progress.
#[derive(clap::Args, Debug)]
pub(super) struct StyleArgs {
    /// Print events as JSON, one object per line
    ///
    /// They go to standard output, and nothing else does.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Print errors only
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,

    /// Also report each file and each retry
    ///
    /// With -vv, also internal steps such as requests.
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Output")]
    pub verbose: u8,

    /// Append to FILE what -vv would print, each line with its time
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub log_file: Option<PathBuf>,

    /// When to show progress
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub progress: When,

    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub color: When,
}

/// The values of `--only`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum KindArg {
    Video,
    Image,
    Audio,
    File,
    Text,
}

/// The values of `--progress` and `--color`.
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
        for argument in ["--api-key", "--access-key", "--key", "--token"] {
            assert!(Args::try_parse_from(["yescale-dl", argument, "sk-x", "id"]).is_err());
        }
    }
}
