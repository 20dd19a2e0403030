//! Why a run can't start: what is wrong, with what, and what to do.

use std::io;
use std::path::PathBuf;

use super::environment::{BASE_URL_VARIABLE, KEY_VARIABLE};
use crate::gateway::BaseUrlError;
use crate::secret::KeyError;
use crate::{session, store};

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
    #[error("no API key: set {KEY_VARIABLE}, or give --api-key-file FILE, here or in a configuration file")]
    NoKey,
    /// The key itself where a file belongs; it is not repeated.
    #[error(
        "--api-key-file takes the name of a file, not the key itself; a key on a command line can be read by others: change it"
    )]
    KeyForFile,
    /// The key itself where a task id belongs; it is not repeated.
    #[error("the API key stands where a task id belongs; a key on a command line can be read by others: change it")]
    KeyForId,
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
    #[error("the base URL (--base-url or {BASE_URL_VARIABLE}): {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// A file that is needed can't be read.
    #[error("can't read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive can't be used.
    #[error("{}", .0.told())]
    Archive(#[from] store::Error),
    /// An entry of a configuration file that says nothing that can be done.
    #[error("{origin}: {told}")]
    Setting {
        /// File and line.
        origin: String,
        /// What is wrong with it.
        told: String,
    },
    /// What was typed is wrong, or asks for help: clap says it.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The output of an export can't be where it is wanted.
    #[error("{} is a file of the archive itself; choose another name", .0.display())]
    OwnFile(PathBuf),
    /// A bag is no stream.
    #[error("a bag is a folder: name a new one with -O NEWDIR")]
    NoPlace,
    /// A path that text can't hold.
    #[error("the path of {} is not UTF-8, which no export can hold", .0.display())]
    NotText(PathBuf),
    /// Standard output takes no more.
    #[error("can't write to standard output: {0}")]
    StandardOutput(io::Error),
    /// The archive and how to fill it can't be made ready.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The system has no threads left.
    #[error("not enough threads: {0}; raise the limit of processes and threads (`ulimit -u`), or end other programs")]
    Threads(io::Error),
    /// The system lets too few files be open.
    #[error("too few files may be open at once; raise the limit (`ulimit -n`)")]
    Descriptors,
    /// There is nothing to run on.
    #[error("the runtime can't start: {0}")]
    Runtime(io::Error),
}
