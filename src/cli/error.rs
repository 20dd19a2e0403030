//! Why a run can't start: what is wrong, with what, and what to do.

use std::io;
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::ContextValue;

use super::environment::{BASE_URL_VARIABLE, KEY_VARIABLE};
use crate::gateway::BaseUrlError;
use crate::jobs::export::ExportError;
use crate::jobs::verify::VerifyError;
use crate::redact::{KeyError, escape_control_chars, redact_key_like, redact_urls};
use crate::{session, storage, ui};

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
    /// The key itself where something else belongs that is sent to others, or shown; it is not repeated.
    #[error("the API key stands in {0}; a key on a command line can be read by others: change it")]
    KeyForOption(&'static str),
    /// A variable is no text.
    #[error("the variable {0} is not UTF-8")]
    VariableNotUtf8(&'static str),
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
    StdinUsedTwice,
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
    #[error("{}", .0.message())]
    Archive(#[from] storage::Error),
    /// An entry of a configuration file that says nothing that can be done.
    #[error("{origin}: {message}")]
    InvalidSetting {
        /// File and line.
        origin: String,
        /// What is wrong with it.
        message: String,
    },
    /// What was typed is wrong, or asks for help: clap says it.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// Nothing can be exported.
    #[error(transparent)]
    Export(ExportError),
    /// The archive can't be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
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
    /// The system gives too little memory.
    #[error("too little memory may be used; raise the limit of the address space (`ulimit -v`) to 1 GiB or more")]
    AddressSpace,
    /// There is nothing to run on.
    #[error("the runtime can't start: {0}")]
    Runtime(io::Error),
}

/// Prints what clap has against the command line, or the help that was asked for. What was typed is repeated without keys and
/// control characters.
pub(super) fn report_usage(mut usage: clap::Error) {
    if !usage.use_stderr() {
        // A closed terminal can't be told anything.
        let _ = usage.print();
        return;
    }
    let context: Vec<_> = usage.context().map(|(kind, value)| (kind, sanitize_context(value))).collect();
    for (kind, value) in context {
        usage.insert(kind, value);
    }
    let text = usage.render().to_string();
    let lines = text.lines().map(|line| sanitize(line) + "\n").collect::<String>();
    if lines.trim_end() == text.trim_end() {
        // With colours, where the terminal has them.
        let _ = usage.print();
    } else {
        ui::print_usage(&lines);
    }
}

/// What an error of clap's repeats, fit for people.
fn sanitize_context(value: &ContextValue) -> ContextValue {
    // Only what has to be another is made anew: it loses its colours.
    let styled = |styled: &StyledStr| {
        let text = styled.to_string();
        let safe = text.lines().map(sanitize).collect::<Vec<_>>().join("\n");
        if safe == text { styled.clone() } else { StyledStr::from(sanitize(&text)) }
    };
    match value {
        ContextValue::String(text) => ContextValue::String(sanitize(text)),
        ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(|text| sanitize(text)).collect()),
        ContextValue::StyledStr(text) => ContextValue::StyledStr(styled(text)),
        ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(texts.iter().map(styled).collect()),
        other => other.clone(),
    }
}

fn sanitize(text: &str) -> String {
    escape_control_chars(&redact_urls(&redact_key_like(&ui::redact_keys(text)))).into_owned()
}
