//! Why the account's list of tasks could not be read to its end. No text in here contains a key.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;

use crate::http::retry::Failure;
use crate::http::{self, PolicyViolation, is_transient_status, status_line};

/// Why the account's list of tasks could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The account refuses the access key, with these words.
    #[error("the account refuses the access key ({words}); create one in the dashboard of the account, {account}")]
    KeyRefused {
        /// Its URL.
        account: String,
        /// Its own words.
        words: String,
    },
    /// There was no answer, or one that is no list, for this reason.
    #[error("can't read the task list of the account at {account}: {reason}; check the account URL, or run again later")]
    Unreadable {
        /// Its URL.
        account: String,
        /// Why.
        reason: String,
    },
    /// More tasks were submitted in one second than the account lists.
    #[error("the account at {account} does not list all tasks of one second, {second}: archive the others by their ids")]
    FullSecond {
        /// Its URL.
        account: String,
        /// The second.
        second: Timestamp,
    },
    /// The access key can't be sent in a header.
    #[error("the access key can't be sent in a header: check that you gave exactly the key")]
    InvalidKey,
    /// The system has no threads or open files left.
    #[error("can't start the async runtime: {0}; raise the limits of threads and open files (`ulimit -u`, `ulimit -n`)")]
    Runtime(#[source] io::Error),
}

/// Why one request for a page brought no list.
#[derive(Debug)]
pub(super) enum Fault {
    /// The run does not want more rows.
    Stopped,
    Refused(String),
    Request(http::Error),
    Status {
        status: StatusCode,
        message: Option<String>,
        retry_after: Option<Duration>,
    },
    Answer(String),
    /// The answer ends in the middle, although its length is right.
    Cut,
    FullSecond(Timestamp),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("interrupted"),
            Self::Refused(words) | Self::Answer(words) => f.write_str(words),
            Self::Cut => f.write_str("the answer is broken JSON: it ends in the middle"),
            Self::Request(http::Error::Policy(PolicyViolation::OffOrigin)) => {
                f.write_str("it redirects to another host, which must not get the access key")
            }
            Self::Request(error) => error.fmt(f),
            Self::Status { status, message, .. } => {
                f.write_str(&status_line(*status))?;
                message.iter().try_for_each(|message| write!(f, ": {message}"))
            }
            Self::FullSecond(second) => second.fmt(f),
        }
    }
}

impl Fault {
    pub(super) fn failure(&self) -> Failure<'_> {
        let (is_transient, request) = match self {
            Self::Request(error) => (error.is_transient(), Some(error)),
            // A refused key is another fault: any other 403 comes from what protects the account, and passes.
            Self::Status { status, .. } => (*status == StatusCode::FORBIDDEN || is_transient_status(*status), None),
            Self::Cut => (true, None),
            _ => (false, None),
        };
        Failure {
            reason: self,
            is_transient,
            is_busy: self.is_busy(),
            is_connection_fault: request.is_some_and(http::Error::is_connection_fault),
            retry_after: match self {
                Self::Status { retry_after, .. } => *retry_after,
                Self::Request(error) => error.retry_after(),
                _ => None,
            },
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Status { status, retry_after, .. } => http::is_busy_status(*status, retry_after.is_some()),
            Self::Request(error) => error.refusal().is_some(),
            _ => false,
        }
    }

    /// The error of the whole list. None if the run was stopped.
    pub(super) fn into_error(self, account: String) -> Option<Error> {
        Some(match self {
            Self::Stopped => return None,
            Self::Refused(words) => Error::KeyRefused { account, words },
            Self::FullSecond(second) => Error::FullSecond { account, second },
            fault => Error::Unreadable { account, reason: fault.to_string() },
        })
    }
}

impl From<http::Error> for Fault {
    fn from(error: http::Error) -> Self {
        Self::Request(error)
    }
}
