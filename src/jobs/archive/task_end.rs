//! How a task ends: with a report, not asked about, or aborted.
//!
//! A [`TaskAbort`] says why the steps of a task could not go on. `task_job` turns it into the end of the task.

use super::poll_queue::Deferral;
use crate::domain::code::TaskErrorCode;
use crate::domain::event::{Outcome, TaskError, TaskReport};
use crate::domain::manifest::State;
use crate::{gateway, storage, transfer};

/// How a task ended.
pub(super) type TaskEnd = Result<TaskReport, NotAsked>;

/// Nothing is known of the task, because the run sends no more queries.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotAsked;

/// What the end of a task says of the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Verdict {
    #[default]
    Nothing,
    /// The server does not know the URL: the base URL may be wrong.
    UnknownUrl,
    /// The question failed: the gateway may be out of order.
    Unanswered,
}

/// Why a task could not be continued.
pub(super) enum TaskAbort {
    Gateway(gateway::Error),
    /// The gateway was not asked: there is an outage, with this error.
    NotAsked(TaskError),
    Store(storage::Error),
    /// The run has stopped asking.
    QueriesEnded,
    /// The cause concerns the whole run, which reports it once.
    RunWide(TaskError),
    /// The run was stopped.
    Interrupted,
}

impl From<storage::Error> for TaskAbort {
    fn from(error: storage::Error) -> Self {
        Self::Store(error)
    }
}

impl From<storage::CommitError> for TaskAbort {
    fn from(failed: storage::CommitError) -> Self {
        Self::Store(failed.error)
    }
}

impl TaskAbort {
    /// A cause that concerns the whole run.
    pub(super) fn run_wide(error: TaskError) -> Self {
        Self::RunWide(TaskError { is_run_wide: true, ..error })
    }

    /// The disk is full or failing.
    pub(super) fn disk(error: &transfer::Error) -> Self {
        Self::run_wide(TaskError::new(TaskErrorCode::Disk, error.to_string()))
    }

    /// `: CAUSE`, for a warning; nothing when the run itself has ended or reports the cause.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Gateway(error) => format!(": {error}"),
            Self::Store(error) => format!(": {}", error.message()),
            Self::NotAsked(error) | Self::RunWide(error) => format!(": {}", error.message),
            Self::QueriesEnded | Self::Interrupted => String::new(),
        }
    }

    /// Why there is no answer of the gateway, when a later query may get one.
    pub(super) fn missed_answer(&self) -> Option<Deferral> {
        match self {
            Self::Gateway(error) if error.is_transient() => Some(Deferral::Unanswered),
            Self::NotAsked(_) => Some(Deferral::NotAsked),
            _ => None,
        }
    }
}

/// The code of an error of the archive.
pub(super) fn storage_error_code(error: &storage::Error) -> TaskErrorCode {
    match error {
        storage::Error::Locked(_) => TaskErrorCode::Locked,
        storage::Error::Panicked => TaskErrorCode::Internal,
        _ => TaskErrorCode::Disk,
    }
}

/// How a task ended of which the archive has an entry in `state`.
pub(super) fn outcome_from_state(state: State) -> Outcome {
    match state {
        State::Complete => Outcome::Complete,
        State::Partial => Outcome::Partial,
        State::Incomplete => Outcome::Incomplete,
        State::Failed => Outcome::Failed,
    }
}
