//! Reports about one file and one task: what the events `File` and `Task` carry.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::code::TaskErrorCode;
use crate::domain::manifest::{AssetError, FileEntry};
use crate::domain::task::TaskId;

/// How a task ended in this run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every asset of the answer is in the archive.
    Complete,
    /// Everything that was asked for is in the archive; other kinds were left out on purpose.
    Partial,
    /// Some asset could not be saved.
    Incomplete,
    /// The task itself failed at the gateway.
    Failed,
    /// The task finished without files or text.
    Empty,
    /// The gateway has no such task.
    NotFound,
    /// The task is not finished yet.
    Pending,
    /// A dry run: a run would fetch or write something of the task.
    Planned,
    /// The gateway did not answer, its answer could not be read, or the task's folder could not be used.
    Error,
}

impl Outcome {
    /// Whether the task did not end well.
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Incomplete | Self::Failed | Self::Empty | Self::NotFound | Self::Error)
    }
}

/// A file that was fetched in this run.
#[derive(Debug)]
pub struct FileReport {
    /// Its task.
    pub task: TaskId,
    /// Its entry in the task's manifest.
    pub entry: FileEntry,
    /// Its path, relative to the working directory or absolute.
    pub path: String,
}

/// How one task ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskReport {
    /// The id that was asked for.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// The API's word for its state, when the API was asked.
    pub status: Option<String>,
    /// Whether the archive had it already. The gateway was not asked then.
    pub reused: bool,
    /// Whether `--skip-failed` leaves it alone. The gateway was not asked then, and `outcome` is what the archive records.
    pub skipped: bool,
    /// Its folder, when there is one, relative to the working directory or absolute.
    pub path: Option<String>,
    /// How many of its files the archive holds.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// Whether the archive holds its text.
    pub has_text: bool,
    /// How many files were fetched in this run.
    pub fetched: usize,
    /// Their size in bytes, without the bytes that an earlier run had fetched.
    pub fetched_bytes: u64,
    /// Whether this run brought something new: a file, also one that replaced another, or a text.
    pub has_new_content: bool,
    /// Why the task failed, or that it was not found, in the gateway's words.
    pub err_reason: Option<String>,
    /// Why nothing is known of the task: with [`Outcome::Error`].
    pub error: Option<TaskError>,
    /// Assets that could not be saved, or not be fetched again.
    pub errors: Vec<AssetError>,
    /// Whether the gateway names less than the archive holds. The archive keeps what it holds.
    pub names_less: bool,
}

/// Why nothing is known of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TaskError {
    /// The cause, for programs.
    pub code: TaskErrorCode,
    /// The HTTP status, where the cause is one.
    pub http_status: Option<u16>,
    /// The cause, for people.
    pub message: String,
    /// Whether the cause concerns the whole run. Such a cause is reported once, by the run.
    pub is_run_wide: bool,
}

impl TaskError {
    /// An error of one task alone.
    pub(crate) fn new(code: TaskErrorCode, message: String) -> Self {
        Self { code, http_status: None, message, is_run_wide: false }
    }
}

impl TaskReport {
    /// The report of a task of which the archive holds nothing.
    #[must_use]
    pub(crate) fn new(task: TaskId, outcome: Outcome) -> Self {
        Self {
            task,
            outcome,
            status: None,
            reused: false,
            skipped: false,
            path: None,
            files: 0,
            bytes: 0,
            has_text: false,
            fetched: 0,
            fetched_bytes: 0,
            has_new_content: false,
            err_reason: None,
            error: None,
            errors: Vec::new(),
            names_less: false,
        }
    }

    /// Whether the archive has already what the run wants of the task, or is to be left alone: the run did nothing for it.
    #[must_use]
    pub(crate) fn is_settled(&self) -> bool {
        self.reused || self.skipped
    }

    /// Whether this run failed to save, or to fetch again, something of the task.
    #[must_use]
    pub(crate) fn has_problems(&self) -> bool {
        self.names_less || !self.errors.is_empty()
    }

    /// Whether the cause of its error is reported by the run, for all tasks together.
    #[must_use]
    pub(crate) fn is_run_wide(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.is_run_wide)
    }
}
