//! What happened in a run, and in which order it is told.
//!
//! The core says it here and prints nothing; bars, lines and JSON are readers of this one stream.
//! For each transfer worth showing: `Started`, then `Ended`, and in between its meter moves. For
//! each file that came in this run: one `File`, once it is whole on disk. For each task: one `Task`,
//! after all its files. Bytes and the number of tasks are no events but meters, sampled when somebody
//! looks. Texts may hold what the network sent: whoever prints makes them safe (`redact::visible`).

mod counter;
mod summary;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::manifest::FileEntry;
use crate::domain::task::TaskId;
use crate::redact::ApiKey;

pub use counter::Counter;
pub(crate) use counter::TaskCounters;
pub use summary::{Summary, VerifySummary};

/// How a task ended in this run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything the answer names is here.
    Complete,
    /// All that was asked for is here.
    Partial,
    /// Some asset could not be had.
    Incomplete,
    /// The task itself failed.
    Failed,
    /// Finished, and names nothing.
    Empty,
    /// The gateway knows no such task.
    NotFound,
    /// Not finished yet.
    Pending,
    /// The API could not be asked, its answer not read, or the archive not written.
    Error,
}

/// A file that came in this run.
#[derive(Debug)]
pub struct FileReport {
    /// Its task.
    pub task: TaskId,
    /// As the task's manifest has it.
    pub entry: FileEntry,
    /// Can be opened from the working directory.
    pub path: String,
}

/// How one task ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct TaskReport {
    /// The id, as it was given.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// The API's word, when it was asked.
    pub status: Option<String>,
    /// Whether it was already here, or is left alone, and nobody was asked.
    pub reused: bool,
    /// Its folder, when there is one; can be opened from the working directory.
    pub path: Option<String>,
    /// How many files of it the archive holds.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// Whether it holds a text, too.
    pub has_text: bool,
    /// How many files came in this run.
    pub fetched: usize,
    /// Their size in bytes.
    pub fetched_bytes: u64,
    /// Why the task ended as it did, when that needs a word.
    pub error: Option<String>,
    /// Whether that is told once for all tasks, with what to do.
    pub is_run_wide: bool,
    /// What is wrong with single assets, a line each.
    pub problems: Vec<String>,
}

impl TaskReport {
    /// A task of which the archive holds nothing.
    #[must_use]
    pub(crate) fn new(task: TaskId, outcome: Outcome) -> Self {
        Self {
            task,
            outcome,
            status: None,
            reused: false,
            path: None,
            files: 0,
            bytes: 0,
            has_text: false,
            fetched: 0,
            fetched_bytes: 0,
            error: None,
            is_run_wide: false,
            problems: Vec::new(),
        }
    }
}

/// What is wrong with a path of an archive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// Its bytes are not those that were recorded.
    Damaged,
    /// It is not there.
    Missing,
    /// The disk does not give it.
    Unreadable,
    /// No manifest names it.
    Unknown,
    /// It can't be looked at safely: its path leads elsewhere.
    Unsafe,
}

impl Fault {
    /// As events and lines write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
            Self::Unsafe => "unsafe",
        }
    }
}

/// What a file on its way looks like from outside.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// `video-1 TASK`, or the path that is verified.
    pub name: String,
    /// In bytes, when the host says.
    pub total: Option<u64>,
    /// Bytes so far.
    pub counter: Counter,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A file worth a bar of its own is on its way, or being looked through.
    TransferStarted(Transfer),
    /// It no longer is, well or not.
    TransferEnded(Counter),
    /// A file is whole on disk.
    File(Box<FileReport>),
    /// A task ended.
    Task(Box<TaskReport>),
    /// `--dry-run`: what would be done with one asset or text.
    Planned {
        /// Its task.
        task: TaskId,
        /// `fetch`, `keep`, `leave`, `refuse` or `write`.
        action: &'static str,
        /// Where it would stand; `*` for an extension that only the bytes will tell.
        path: String,
        /// Why.
        reason: String,
    },
    /// Something that went wrong beside the tasks.
    Error(String),
    /// Something that a person should know, and that does not make the run fail.
    Warning(String),
    /// Something that only `--verbose` tells.
    Detail(String),
    /// `verify`: something is wrong with a path, relative to the folder that was looked at.
    Finding(String, Fault),
    /// `verify` ended: nothing is told after that.
    Verified(VerifySummary),
    /// The run ended: nothing is told after that.
    Summary(Summary),
}

/// Where the core says what happened.
#[derive(Clone)]
pub struct Emitter {
    sink: Arc<dyn Fn(Event) + Send + Sync>,
    /// All bytes of media that came, or were looked through, in this run.
    pub bytes: Counter,
    /// The tasks of this run.
    pub tasks: TaskCounters,
    key: Option<ApiKey>,
}

impl Emitter {
    /// Events go to `told`, on whatever thread they happen.
    pub(crate) fn new(told: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { sink: Arc::new(told), bytes: Counter::default(), tasks: TaskCounters::default(), key: None }
    }

    /// The same, with `key` taken out of what hosts said.
    pub(crate) fn redacting(self, key: ApiKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Tells one event.
    pub(crate) fn emit(&self, mut event: Event) {
        if let (Some(key), Event::Warning(words) | Event::Detail(words) | Event::Planned { reason: words, .. }) =
            (&self.key, &mut event)
        {
            key.redact_in_place(words);
        }
        (self.sink)(event);
    }
}
