//! Why there is no answer about a task: one variant for each cause that a caller treats differently.
//!
//! No text in here contains the key: the gateway's words are redacted before an [`Error`] is made.

use std::time::Duration;

use reqwest::StatusCode;

use crate::domain::code::{AssetErrorCode, TaskErrorCode};
use crate::domain::event::TaskError;
use crate::http::retry::Failure;
use crate::http::{self, is_transient_status, status_line};

/// Why there is no answer about a task.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway knows no such task.
    #[error("the gateway knows no such task{}", with_message(.words.as_deref()))]
    NotFound {
        /// The gateway's own words.
        words: Option<String>,
        /// Whether they say that the task is missing. Else the status alone says that something is.
        is_explicit: bool,
        /// The HTTP status.
        status: StatusCode,
    },
    /// The gateway knows no such URL, in its own words. When its first answers say so, the base URL is wrong.
    #[error("the gateway knows no such URL: {0}")]
    UnknownUrl(String),
    /// The gateway refuses the key, in its own words. It refuses it for all other tasks, too.
    #[error("the gateway refuses the API key ({0})")]
    KeyRejected(String),
    /// The gateway reports an error, by its status or in its body.
    #[error("the gateway answers {}{}", status_line(*.status), with_message(.message.as_deref()))]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// The gateway's own words.
        message: Option<String>,
    },
    /// The request failed before there was an answer.
    #[error("the request to the gateway failed: {0}")]
    Request(#[source] http::Error),
    /// The answer can't be used: the reason.
    #[error("the gateway's answer {0}")]
    BadAnswer(String),
    /// The id can't be part of a URL.
    #[error("this id can't be part of a URL")]
    InvalidId,
    /// The key can't be part of a header.
    #[error("the API key can't be sent in a header: check that you gave exactly the key")]
    InvalidKey,
    /// The run was stopped before there was an answer.
    #[error("interrupted")]
    Interrupted,
    /// The run stopped asking before this question was sent, or sent again.
    #[error("the run sends no more questions")]
    QuestionsEnded,
}

impl Error {
    /// The cause, for programs.
    #[must_use]
    pub fn code(&self) -> TaskErrorCode {
        match self {
            Self::NotFound { .. } | Self::UnknownUrl(_) | Self::KeyRejected(_) | Self::Status { .. } => TaskErrorCode::HttpStatus,
            Self::Request(error) => match error.code() {
                AssetErrorCode::RefusedContent | AssetErrorCode::IncompleteBody => TaskErrorCode::BadAnswer,
                _ => TaskErrorCode::Network,
            },
            Self::BadAnswer(_) | Self::InvalidId | Self::InvalidKey => TaskErrorCode::BadAnswer,
            Self::Interrupted | Self::QuestionsEnded => TaskErrorCode::Network,
        }
    }

    /// The status of the answer, where the cause is one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(status.as_u16()),
            Self::NotFound { status, .. } => Some(status.as_u16()),
            Self::UnknownUrl(_) => Some(StatusCode::NOT_FOUND.as_u16()),
            _ => None,
        }
    }

    /// Whether the gateway answered, whatever the answer says.
    #[must_use]
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::UnknownUrl(_) | Self::KeyRejected(_) | Self::Status { .. } | Self::BadAnswer(_) => true,
            Self::Request(_) | Self::InvalidId | Self::InvalidKey | Self::Interrupted | Self::QuestionsEnded => false,
        }
    }

    /// The bare cause, for a message that names the gateway.
    #[must_use]
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::Status { status, message } => format!("{}{}", status_line(*status), with_message(message.as_deref())),
            Self::Request(error) => error.to_string(),
            other => other.to_string(),
        }
    }

    /// What the fault says about the gateway as a whole.
    #[must_use]
    pub(crate) fn outage_evidence(&self) -> OutageEvidence {
        match self {
            Self::Request(error) if error.is_unreachable() => OutageEvidence::Unreachable,
            Self::Status { .. } if self.is_transient() => OutageEvidence::Unanswered,
            Self::Request(error) if error.is_without_answer() => OutageEvidence::Unanswered,
            _ => OutageEvidence::None,
        }
    }

    /// Whether another attempt may succeed. A refused key is [`Error::KeyRejected`]: any other 403 comes from what protects the
    /// gateway, and passes.
    #[must_use]
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == StatusCode::FORBIDDEN || is_transient_status(*status),
            Self::Request(error) => error.is_transient(),
            _ => false,
        }
    }
}

/// What the fault of one request says about the gateway as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutageEvidence {
    /// There is no way to the gateway: no task will be answered.
    Unreachable,
    /// There was no answer about this task. The cause may be the task or the gateway.
    Unanswered,
    /// Nothing: the gateway answered, and the answer is of no use.
    None,
}

impl From<&Error> for TaskError {
    fn from(error: &Error) -> Self {
        Self { http_status: error.http_status(), ..Self::new(error.code(), error.to_string()) }
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        match error {
            // The limits of the gateway answered for it.
            http::Error::Status { status, .. } => Self::Status { status, message: None },
            error => Self::Request(error),
        }
    }
}

fn with_message(message: Option<&str>) -> String {
    message.map(|message| format!(": {message}")).unwrap_or_default()
}

/// One request without an answer about the task, and what decides about another attempt.
pub(super) struct FailedAttempt {
    pub error: Error,
    pub is_busy: bool,
    pub is_connection_fault: bool,
    pub retry_after: Option<Duration>,
}

impl FailedAttempt {
    pub(super) fn failure(&self) -> Failure<'_> {
        Failure {
            reason: &self.error,
            is_transient: self.error.is_transient(),
            is_busy: self.is_busy,
            is_connection_fault: self.is_connection_fault,
            retry_after: self.retry_after,
        }
    }
}

impl From<Error> for FailedAttempt {
    fn from(error: Error) -> Self {
        Self { error, is_busy: false, is_connection_fault: false, retry_after: None }
    }
}

impl From<http::Error> for FailedAttempt {
    fn from(error: http::Error) -> Self {
        Self {
            is_busy: error.refusal().is_some(),
            is_connection_fault: error.is_connection_fault(),
            retry_after: error.retry_after(),
            error: error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_code() {
        let status = |code: u16| Error::Status { status: StatusCode::from_u16(code).unwrap(), message: None };
        for (error, code, is_transient) in [
            (status(500), TaskErrorCode::HttpStatus, true),
            (status(403), TaskErrorCode::HttpStatus, true),
            (status(400), TaskErrorCode::HttpStatus, false),
            (http::Error::StallTimeout.into(), TaskErrorCode::Network, true),
            (http::Error::BrokenEncoding("x".to_owned()).into(), TaskErrorCode::BadAnswer, true),
            (Error::BadAnswer("is empty".to_owned()), TaskErrorCode::BadAnswer, false),
        ] {
            assert_eq!((error.code(), error.is_transient()), (code, is_transient), "{error}");
        }
    }

    #[test]
    fn each_fault_says_what_it_can_about_the_gateway() {
        let status = |code: u16| Error::Status { status: StatusCode::from_u16(code).unwrap(), message: None };
        let connect = || http::Error::Connect("connection refused".to_owned());
        for (error, evidence) in [
            (connect().into(), OutageEvidence::Unreachable),
            (http::Error::ConnectTimeout.into(), OutageEvidence::Unreachable),
            (http::Error::Certificate("unknown issuer".to_owned()).into(), OutageEvidence::Unreachable),
            (http::Error::StallTimeout.into(), OutageEvidence::Unanswered),
            (http::Error::Disconnected(String::new()).into(), OutageEvidence::Unanswered),
            (status(502), OutageEvidence::Unanswered),
            (status(403), OutageEvidence::Unanswered),
            (status(400), OutageEvidence::None),
            (http::Error::BrokenEncoding("x".to_owned()).into(), OutageEvidence::None),
            (http::Error::Incomplete { received: 1, expected: 2 }.into(), OutageEvidence::None),
            (Error::BadAnswer("is empty".to_owned()), OutageEvidence::None),
        ] {
            assert_eq!(error.outage_evidence(), evidence, "{error}");
        }
    }
}
