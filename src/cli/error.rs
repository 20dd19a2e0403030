//! Why a run can't start: what is wrong, with what, and what to do.

use std::io;
use std::path::PathBuf;

use crate::gateway::BaseUrlError;
use crate::secret::KeyError;
use crate::store;

/// Where the key is looked for when no file is named.
pub(super) const KEY_VARIABLE: &str = "YESCALE_API_KEY";

/// Why a run can't start.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No id at all.
    #[error("no task id: give some, or a list of them with --input-file (see --help)")]
    NoIds,
    /// A blank argument.
    #[error("a task id is blank")]
    BlankId,
    /// No key in any source.
    #[error("no API key: set {KEY_VARIABLE}, or give --api-key-file FILE")]
    NoKey,
    /// The key itself where a file belongs; it is not repeated.
    #[error(
        "--api-key-file takes the name of a file, not the key itself; a key on a command line can be read by others: change it"
    )]
    KeyForFile,
    /// The key that was found is none.
    #[error("{origin}: {source}")]
    Key {
        /// Where it was found.
        origin: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Standard input can't be two things.
    #[error("standard input can't be both the list of ids and the API key")]
    TwiceStandardInput,
    /// The base URL is none.
    #[error("the base URL: {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// A header can't hold the text.
    #[error("--user-agent: no HTTP header can hold that text")]
    UserAgent,
    /// A file that is needed can't be read.
    #[error("can't read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive can't be used.
    #[error("{0}")]
    Archive(String),
    /// The HTTP clients or the runtime can't be made.
    #[error("{0}")]
    Setup(String),
}

/// The store's words.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn told(error: store::Error) -> Error {
    Error::Archive(error.told())
}
