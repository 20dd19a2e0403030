//! The options that select tasks and files of an archive, and their order: the same for every command that has them.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::KindArg;
use crate::cli::values::when;
use crate::domain::when::When;

/// Which tasks and files to use. A task must meet all conditions.
#[derive(Args, Debug, Default)]
pub(in crate::cli) struct FilterArgs {
    /// Only these tasks
    ///
    /// May be repeated, and takes several ids up to the next option: DIR must come before it.
    #[arg(long, value_name = "ID", num_args = 1.., value_hint = ValueHint::Other, help_heading = "Filters")]
    pub task: Vec<String>,

    /// Only the tasks whose ids are in FILE; `-` is standard input
    ///
    /// The list has the same form as for the main job.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Filters")]
    pub input_file: Vec<PathBuf>,

    /// Only tasks in these states, separated by commas
    #[arg(long, value_name = "STATE,...", value_delimiter = ',', help_heading = "Filters")]
    pub state: Vec<StateArg>,

    /// Only these kinds of files, separated by commas
    ///
    /// A task without any is left out.
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', help_heading = "Filters")]
    pub kind: Vec<KindArg>,

    /// Only tasks of these platforms, separated by commas
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_hint = ValueHint::Other, help_heading = "Filters")]
    pub platform: Vec<String>,

    /// Only tasks that finished at WHEN or later
    ///
    /// WHEN is so long ago (7d, 12h), a local date (2026-10-01) or RFC 3339. A task without that time counts by its submit time, else by when it was archived.
    #[arg(long, value_name = "WHEN", value_parser = when, value_hint = ValueHint::Other, help_heading = "Filters")]
    pub since: Option<When>,

    /// Only tasks that finished at WHEN or before
    ///
    /// A date includes its whole day.
    #[arg(long, value_name = "WHEN", value_parser = when, value_hint = ValueHint::Other, help_heading = "Filters")]
    pub until: Option<When>,

    /// Only tasks with TEXT in id, prompt, text, message or model
    ///
    /// Letter case is ignored.
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other, help_heading = "Filters")]
    pub grep: Option<String>,
}

/// In which order to use the tasks.
#[derive(Args, Debug, Default)]
pub(in crate::cli) struct OrderArgs {
    /// Order of the tasks
    ///
    /// [default: input with --task or -i, else time]
    #[arg(long, value_name = "KEY", help_heading = "Filters")]
    pub sort: Option<SortArg>,

    /// Reverse the order
    #[arg(long, help_heading = "Filters")]
    pub reverse: bool,
}

/// The values of `--state`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum StateArg {
    Complete,
    Partial,
    Incomplete,
    Failed,
}

/// The values of `--sort`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum SortArg {
    /// When the task finished
    Time,
    /// The task id
    Id,
    /// The order of --task or -i
    Input,
    /// The size of the selected files
    Size,
}
