//! Events: what happened in a run, and in which order it is reported.
//!
//! The core emits events and prints nothing. Bars, lines and JSON are all readers of this one stream. The order:
//! - each transfer of a large file: `TransferStarted`, then `TransferEnded`; its counter moves in between
//! - each file that was fetched in this run: one `File`, once the file is complete on disk
//! - each task: one `Task`, after all its files; or one `NotAsked`, when the run had stopped asking before
//!
//! Bytes and the number of tasks change too often to be events. They are counters, which a reader samples when it draws.
//! Texts may hold what the network sent: a reader that prints them escapes them first (`redact::escape_control_chars`).

mod counter;
mod file_progress;
mod report;
mod summary;

use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::task::TaskId;
use crate::redact::ApiKey;

pub use counter::{ByteCounters, Counter, TaskCounters};
pub(crate) use file_progress::FileProgress;
pub use report::{FileReport, Outcome, TaskError, TaskReport};
pub use summary::{RunKind, Summary, VerifySummary};

/// What is wrong with a path of an archive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// Its bytes are not the recorded ones.
    Damaged,
    /// It does not exist.
    Missing,
    /// The disk fails to read it.
    Unreadable,
    /// No manifest names it.
    Unknown,
    /// Its path leaves its folder or goes through a link. It is never opened.
    Unsafe,
}

impl Fault {
    /// The word for it in events and lines.
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

/// A file that is being transferred, or read by `verify`.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// `video-1 TASK`, or the path that is verified.
    pub name: String,
    /// Size in bytes, when the host states it.
    pub total: Option<u64>,
    /// Bytes so far.
    pub counter: Counter,
}

/// A gateway that has not answered since a question failed.
#[derive(Clone, Debug)]
pub struct GatewayFault {
    /// The last fault.
    pub cause: String,
    /// When it is asked again.
    pub retry_at: Instant,
}

/// Lines that a command of the user printed. Whoever sends them waits until they are dropped, so that a command which prints
/// faster than a terminal shows can't fill the memory.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommandOutput {
    /// The lines, without their ends. They may hold anything that the command printed.
    pub lines: Vec<String>,
    /// Closed when the lines are dropped.
    _shown: mpsc::Sender<()>,
}

impl CommandOutput {
    /// The lines, and a receiver that is closed when they are dropped.
    pub(crate) fn new(lines: Vec<String>) -> (Self, mpsc::Receiver<()>) {
        let (shown, is_shown) = mpsc::channel();
        (Self { lines, _shown: shown }, is_shown)
    }
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The transfer of a large file started, or `verify` started to read one.
    TransferStarted(Transfer),
    /// The transfer with this counter ended, successfully or not.
    TransferEnded(Counter),
    /// A file is complete on disk.
    File(Box<FileReport>),
    /// A task ended.
    Task(Box<TaskReport>),
    /// Nothing is known of this task, because the run had stopped asking: the key was refused, the gateway can't be reached, or
    /// nothing can be written. The run gives the reason once, when it ends.
    NotAsked(TaskId),
    /// `--dry-run`: what a run would do with one asset or text.
    Planned {
        /// Its task.
        task: TaskId,
        /// `fetch`, `keep`, `leave`, `refuse` or `write`.
        action: &'static str,
        /// Its path in the archive; `*` is an extension that only the bytes can decide.
        path: String,
        /// Why.
        reason: String,
    },
    /// An error that belongs to no single task.
    Error(String),
    /// Something that a person should know. It does not make the run fail.
    Warning(String),
    /// Something that only `--verbose` shows.
    Detail(String),
    /// The gateway does not answer, or (`None`) answers again.
    Gateway(Option<GatewayFault>),
    /// The user's command printed something.
    Output(CommandOutput),
    /// `verify`: something is wrong with this path, which is relative to the verified folder.
    Finding(String, Fault),
    /// `verify` ended: its last event.
    Verified(VerifySummary),
    /// The run ended: its last event.
    Summary(Summary),
}

/// Where a job sends its events, and the counters that it moves. Clones share both.
///
/// ```
/// use yescale_dl::{Emitter, Event};
///
/// let events = Emitter::new(|event| match event {
///     Event::Warning(message) => println!("{message}"),
///     _ => {}
/// });
/// // From another thread, at any time:
/// println!("{} of {} tasks, {} bytes", events.tasks.done.get(), events.tasks.discovered.get(), events.bytes.get());
/// ```
#[derive(Clone)]
pub struct Emitter {
    sink: Arc<dyn Fn(Event) + Send + Sync>,
    /// All bytes of media that were received or verified, also those that are discarded later.
    pub bytes: Counter,
    /// The bytes of files whose size is known.
    pub files: ByteCounters,
    /// The tasks of the run.
    pub tasks: TaskCounters,
    key: Option<ApiKey>,
}

impl Emitter {
    /// Sends events to `sink`, which is called on the job's threads. A job waits until `sink` returns.
    pub fn new(sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        let (bytes, files, tasks) = (Counter::default(), ByteCounters::default(), TaskCounters::default());
        Self { sink: Arc::new(sink), bytes, files, tasks, key: None }
    }

    /// Drops every event.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(drop)
    }

    /// An emitter with the same counters, whose events pass through `filter` first. What it returns is sent on.
    pub(crate) fn filtered(&self, filter: impl Fn(Event) -> Option<Event> + Send + Sync + 'static) -> Self {
        let sink = Arc::clone(&self.sink);
        Self { sink: Arc::new(move |event| filter(event).into_iter().for_each(|event| sink(event))), ..self.clone() }
    }

    /// Removes `key` from texts that hosts sent.
    pub(crate) fn redacting(self, key: ApiKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Sends one event.
    pub(crate) fn emit(&self, mut event: Event) {
        if let (Some(key), Event::Warning(text) | Event::Detail(text) | Event::Planned { reason: text, .. }) =
            (&self.key, &mut event)
        {
            key.redact_in_place(text);
        }
        (self.sink)(event);
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut emitter = f.debug_struct("Emitter");
        emitter.field("bytes", &self.bytes).field("files", &self.files).field("tasks", &self.tasks).finish_non_exhaustive()
    }
}
