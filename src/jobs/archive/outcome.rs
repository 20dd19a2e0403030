//! How a run ended, and why one could not go on.

use crate::domain::code::FatalCode;
use crate::domain::event::Summary;
use crate::storage;

/// How a run ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunOutcome {
    /// The counts.
    pub summary: Summary,
    /// Why the run could not go on, when it could not.
    pub fatal_error: Option<FatalError>,
    /// Whether some task of the archive can't be read, be it a task of this run or not. Each is reported as a warning.
    pub has_faults: bool,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FatalError {
    /// The gateway refuses the API key, with these words.
    #[error("the gateway refuses the API key: {0}; check the key, `yescale-dl config` shows where it comes from")]
    KeyRefused(String),
    /// The gateway can't be reached, or answered no question.
    #[error("can't reach the gateway {gateway}: {cause}; check the network and the base URL, then run the same command again")]
    GatewayUnreachable {
        /// Its base URL.
        gateway: String,
        /// The last fault.
        cause: String,
    },
    /// The base URL is not that of the gateway's API, in the words of the server there.
    #[error("the base URL {base_url} is wrong: the server there says `{words}`; correct --base-url or its setting")]
    BadBaseUrl {
        /// The base URL.
        base_url: String,
        /// The server's own words.
        words: String,
    },
    /// Nothing can be written to the archive, for this reason. No task was asked about.
    #[error("{0}")]
    NotWritable(String),
    /// The root manifest, or the index of a bucket, could not be written. The tasks are complete; the next run writes it.
    #[error("can't write the {} of the archive: {}; the tasks are saved, and the next run or `yescale-dl index` writes it", index_name(.0), .0.message())]
    RootManifest(#[source] storage::Error),
    /// A thread panicked that the run needs.
    #[error("internal error; please report it")]
    Panicked,
}

/// What the index of the archive is called.
fn index_name(error: &storage::Error) -> &'static str {
    if matches!(error, storage::Error::Bucket { .. }) { "index" } else { "manifest" }
}

impl FatalError {
    /// The cause, for programs.
    #[must_use]
    pub fn code(&self) -> FatalCode {
        match self {
            Self::KeyRefused(_) => FatalCode::KeyRefused,
            Self::GatewayUnreachable { .. } => FatalCode::GatewayUnreachable,
            Self::BadBaseUrl { .. } => FatalCode::BadBaseUrl,
            Self::NotWritable(_) | Self::RootManifest(_) => FatalCode::Archive,
            Self::Panicked => FatalCode::Internal,
        }
    }
}
