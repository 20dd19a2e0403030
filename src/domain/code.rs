//! Codes of failures, for programs. The text beside a code is for people.
//!
//! Invariant: a code never changes its meaning. Readers skip codes that they don't know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an asset could not be saved: the `code` in a manifest's `errors`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssetErrorCode {
    /// The link is dead: HTTP 401, 403, 404 or 410.
    DeadLink,
    /// Another HTTP status.
    HttpStatus,
    /// No connection, or the connection failed.
    Network,
    /// No data arrived within the timeout.
    Timeout,
    /// The body ended early, or its lengths contradict each other.
    IncompleteBody,
    /// The body is not the media: an error page, an empty body, an HLS playlist.
    RefusedContent,
    /// Larger than `--max-size` or the free space allows.
    TooLarge,
    /// The bytes do not match a digest that the host sent.
    ChecksumMismatch,
    /// The URL is empty, malformed or of another scheme.
    BadUrl,
    /// The link leads to a private address.
    PrivateAddress,
    /// The disk is full, read-only or failing.
    Disk,
}

impl AssetErrorCode {
    /// The code of an HTTP error status.
    #[must_use]
    pub fn from_http_status(status: u16) -> Self {
        match status {
            401 | 403 | 404 | 410 => Self::DeadLink,
            _ => Self::HttpStatus,
        }
    }
}

/// Why nothing is known of a task: the `code` of an `error` state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskErrorCode {
    /// No connection to the gateway, or the connection failed.
    Network,
    /// The gateway answered with an HTTP error.
    HttpStatus,
    /// The gateway's answer could not be read.
    BadAnswer,
    /// The disk, or the task's folder on it.
    Disk,
    /// Another process holds the task's folder.
    Locked,
    /// A fault of this program.
    Internal,
}

/// Why a run ended with exit code 2: the `code` of the `fatal` event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FatalCode {
    /// The command line is wrong.
    Usage,
    /// There is no API key.
    NoKey,
    /// The gateway refuses the API key.
    KeyRefused,
    /// The gateway can't be reached.
    GatewayUnreachable,
    /// The base URL is not one, or not that of the gateway's API.
    BadBaseUrl,
    /// The configuration is wrong.
    Config,
    /// The archive can't be used.
    Archive,
    /// Standard output can't be written.
    Output,
    /// The account's task list can't be read.
    Account,
    /// A fault of this program, or too few threads, open files or memory for it.
    Internal,
}
