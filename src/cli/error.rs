//! The errors that end the program with exit code 2. `usage` prints the usage errors of clap.
//!
//! A message says what happened, to what, and what to do. No message repeats a key: what was typed is shown without keys,
//! URL queries and control characters.

mod code;
mod usage;

use std::io;
use std::path::PathBuf;

use super::environment::{ACCESS_KEY_VARIABLE, ACCOUNT_URL_VARIABLE, BASE_URL_VARIABLE, KEY_FILE_VARIABLE, KEY_VARIABLE};
use super::saved_keys::KeyKind;
use crate::gateway::{AccountError, BaseUrl, BaseUrlError};
use crate::jobs::archive::FatalError;
use crate::jobs::export::ExportError;
use crate::jobs::verify::VerifyError;
use crate::redact::KeyError;
use crate::ui;
use crate::{session, storage};
pub(super) use usage::print_help;

/// What to do after a key was typed on a command line.
const KEY_WAS_EXPOSED: &str = "other users can read command lines: revoke this key and create a new one";

/// An error that ends the program with exit code 2.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A shard that can't be told from the variables of a scheduler.
    #[error("can't tell which shard this is: {0}")]
    Shard(String),
    /// No id and no list.
    #[error("no task id: name one or more, give a list with --input-file FILE, or use --since; see --help")]
    NoIds,
    /// A blank argument.
    #[error("a task id is blank: remove the empty argument")]
    BlankId,
    /// A typing mistake in a command or a task id. The message says what to type instead.
    #[error("{0}")]
    Slip(String),
    /// A list in a regular file with an entry that is no id.
    #[error("{origin}: {message}{}", and_more(*.more))]
    List {
        /// File and line.
        origin: String,
        /// What is wrong there, and what to do.
        message: String,
        /// The number of further entries that are wrong.
        more: usize,
    },
    /// No key in any source.
    #[error("no API key{note}: run `yescale-dl login{option}`, set {KEY_VARIABLE}, or use --api-key-file FILE")]
    NoKey {
        /// Where a saved key is for that can't be used.
        note: String,
        /// The option with which `login` asks for this one.
        option: String,
    },
    /// A file of a key can't be read.
    #[error("can't read the {} from {} ({origin}): {source}; name the file that has the key", .kind.name(), .path.display())]
    KeyFile {
        /// Which key.
        kind: KeyKind,
        /// The option, the variable or the setting that names it.
        origin: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of the saved keys can't be used.
    #[error(
        "can't use the keys that `login` saved in {}: {why}; {hint}", .path.display()
    )]
    SavedKeys {
        /// The file.
        path: PathBuf,
        /// Why. It repeats no key.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// `login` without a terminal.
    #[error(
        "login asks on a terminal, and standard input is not one: run it in a terminal; a script sets {KEY_VARIABLE} or {KEY_FILE_VARIABLE}"
    )]
    NoTerminal,
    /// The terminal can't be read without echo.
    #[error("can't read from the terminal without echo: {0}; use another terminal, or set {KEY_VARIABLE}")]
    HiddenInput(io::Error),
    /// The user has no folder for settings.
    #[error("there is no folder for the saved keys: set {} to an absolute path", if cfg!(windows) { "APPDATA" } else { "HOME or XDG_CONFIG_HOME" })]
    NoSettingsFolder,
    /// A key that was typed is refused.
    #[error("{url} refuses the {} ({words}): nothing was saved; copy the whole key, and run `yescale-dl login` again", .kind.name())]
    LoginRefused {
        /// Which key.
        kind: KeyKind,
        /// The gateway or the account.
        url: BaseUrl,
        /// Its own words.
        words: String,
    },
    /// The access key in place of the API key.
    #[error(
        "the access key was typed where the API key belongs: nothing was saved; run `yescale-dl login` again, with the API key first; \
         if the saved access key is wrong, remove it with `yescale-dl login --forget`"
    )]
    AccessKeyForApiKey,
    /// The key instead of the name of its file. The message does not repeat it.
    #[error("--api-key-file and {KEY_FILE_VARIABLE} expect a file name, but got an API key; {KEY_WAS_EXPOSED}")]
    KeyForFile,
    /// The key as a task id. The message does not repeat it.
    #[error("the API key is given as a task id; {KEY_WAS_EXPOSED}")]
    KeyForId,
    /// The key in an option whose value is sent or shown. The message does not repeat it.
    #[error("the API key is given in {0}; {KEY_WAS_EXPOSED}")]
    KeyForOption(&'static str),
    /// No access key in any source.
    #[error(
        "no access key for --since{note}: run `yescale-dl login{option}`, set {ACCESS_KEY_VARIABLE}, or use --access-key-file FILE; it is not the API key: create it in the dashboard of the account, {account}"
    )]
    NoAccessKey {
        /// Where a saved key is for that can't be used.
        note: String,
        /// The option with which `login` asks for this one.
        option: String,
        /// The account.
        account: String,
    },
    /// The API key as the access key. The account must not get it.
    #[error("{origin} has the API key, but an access key is another key: create it in the dashboard of the account, {account}")]
    ApiKeyForAccessKey {
        /// Where it was found.
        origin: String,
        /// The account.
        account: BaseUrl,
    },
    /// The access key instead of the name of its file. The message does not repeat it.
    #[error("--access-key-file expects a file name, but got a key; {KEY_WAS_EXPOSED}")]
    AccessKeyForFile,
    /// A text that can't be an access key.
    #[error("{origin}: {source}")]
    AccessKey {
        /// Where it was found.
        origin: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The URL of the account is not one.
    #[error("invalid account URL (--account-url or {ACCOUNT_URL_VARIABLE}): {0}")]
    AccountUrl(BaseUrlError),
    /// The time of `--since` is behind that of `--until`, or in the future.
    #[error("--since is not earlier than {0}: give an earlier one")]
    EmptyRange(&'static str),
    /// The account's list of tasks can't be read to its end.
    #[error("{0}")]
    Account(#[from] AccountError),
    /// A variable that is not text.
    #[error("the environment variable {0} is not UTF-8: set it again")]
    VariableNotUtf8(&'static str),
    /// A text that can't be a key.
    #[error("{origin}: {source}")]
    Key {
        /// Where it was found: a file, with or without line, or a variable.
        origin: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// `-` given more than once.
    #[error("standard input can be read only once: use `-` for one list of ids or for the API key")]
    StdinUsedTwice,
    /// The order of the input without an input.
    #[error("--sort input is the order of --task or -i: give one of them")]
    NoInputOrder,
    /// A page of selected tasks without a name of its own.
    #[error("a page of selected tasks does not replace the page of the archive: name a file with -O FILE")]
    FilteredPage,
    /// The base URL is not one.
    #[error("invalid base URL (--base-url or {BASE_URL_VARIABLE}): {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// An input file that can't be read.
    #[error("can't read {}: {source}; check the path", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An archive that can't be used.
    #[error("{}", .0.message())]
    Archive(#[from] storage::Error),
    /// An invalid entry of a configuration file, or a file that can't be read.
    #[error("{origin}: {message}{}", and_more(*.more))]
    InvalidSetting {
        /// File and line.
        origin: String,
        /// What is wrong with it.
        message: String,
        /// The number of further entries that are invalid.
        more: usize,
    },
    /// The arguments are wrong, or ask for help. clap has the text.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// A file that the user names to be written is a file of the archive.
    #[error("can't write {}: it is a file of the archive; choose another name", .0.display())]
    ArchiveFile(PathBuf),
    /// A file that the user names to be written is needed otherwise.
    #[error("can't write to {} of {option}: {reason}; choose another file", .path.display())]
    WrongTarget {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What it is needed for.
        reason: String,
    },
    /// The list of `--failed-to` can't be written.
    #[error("can't write the list of --failed-to: {}", .0.message())]
    FailedTo(storage::Error),
    /// An option of `export files` with another format.
    #[error("{0} is an option of `export files` only: remove it")]
    OnlyOfFiles(&'static str),
    /// `export files` without a folder.
    #[error("export files writes into a folder: name it with -O DIR")]
    NoExportFolder,
    /// Tags would change the archive.
    #[error("--tag writes into copies only: use it with --link auto or copy")]
    TagsInLinks,
    /// The export failed.
    #[error(transparent)]
    Export(ExportError),
    /// The archive can't be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Standard output can't be written.
    #[error("can't write to standard output: {0}; free space there, or write elsewhere")]
    StandardOutput(io::Error),
    /// The session can't be prepared.
    #[error(transparent)]
    Session(#[from] session::Error),
    /// The run could not go on.
    #[error("{error}{}", not_asked_note(*.not_asked))]
    Run {
        /// Why.
        error: FatalError,
        /// Tasks of which nothing is known for that reason.
        not_asked: u64,
    },
    /// Input lines that can't be read. Each was reported with its file and number.
    #[error("can't read {}: correct what is named above, then run again", ui::pluralize(*.0, "input line"))]
    BadLines(u64),
    /// The system has no threads left.
    #[error("not enough threads: {0}; raise the limit of processes and threads (`ulimit -u`), or end other programs")]
    Threads(io::Error),
    /// The limit of open files is too low.
    #[error("the limit of open files is too low: raise it with `ulimit -n`")]
    Descriptors,
    /// The limit of the address space is too low.
    #[error("the limit of memory (address space) is too low: raise it to 1 GiB or more with `ulimit -v`")]
    AddressSpace,
    /// The tokio runtime can't start.
    #[error("can't start the async runtime: {0}; raise the limits of threads and open files (`ulimit -u`, `ulimit -n`)")]
    Runtime(io::Error),
}

impl Error {
    /// Prints the error, and returns its text in one line.
    pub(super) fn report(self) -> String {
        match self {
            Self::Usage(usage) => usage::report(usage),
            error => {
                let message = error.to_string();
                ui::print_error(&message);
                message
            }
        }
    }
}

/// The end of a message about the first of several errors.
fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}

/// `; 1,998 tasks were not asked about`
fn not_asked_note(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "; 1 task was not asked about".to_owned(),
        count => format!("; {} were not asked about", ui::pluralize(count, "task")),
    }
}
