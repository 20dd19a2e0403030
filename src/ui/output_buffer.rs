//! Lines for standard output and standard error, kept in their order and written together.
//!
//! Nothing is written before [`OutputBuffer::flush`], so that bars are cleared once for many lines. A write error must not stop the
//! archiving. After one of standard output nothing more is written to it, so that no line is missing between two others, and
//! [`stdout_fault`] tells the end of the program of it. Errors of standard error are ignored.

use std::io::{self, Write};
use std::sync::OnceLock;

use super::sanitize::redact_keys;

/// The first write error of this process's standard output.
static STDOUT_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Why standard output can't be written, if it can't. A closed pipe is no fault: its reader wants no more.
pub(crate) fn stdout_fault() -> Option<io::Error> {
    let error = STDOUT_ERROR.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)?;
    Some(io::Error::new(error.kind(), error.to_string()))
}

/// Lines that are not written yet.
#[derive(Default)]
pub(super) struct OutputBuffer {
    /// Each chunk is written at once.
    chunks: Vec<(Target, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Stdout,
    Stderr,
}

impl OutputBuffer {
    /// Adds a line for standard output.
    pub(super) fn push_stdout(&mut self, line: &str) {
        self.push(line, Target::Stdout);
    }

    /// Adds a line for standard error.
    pub(super) fn push_stderr(&mut self, line: &str) {
        self.push(line, Target::Stderr);
    }

    fn push(&mut self, line: &str, target: Target) {
        match self.chunks.last_mut() {
            Some((last, text)) if *last == target => text.extend([line, "\n"]),
            _ => self.chunks.push((target, format!("{line}\n"))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Writes all lines.
    pub(super) fn flush(&self) {
        for (target, text) in &self.chunks {
            match target {
                Target::Stdout => write_to_stdout(text),
                Target::Stderr => write_redacted(io::stderr(), text),
            }
        }
    }
}

/// Writes the text without keys to standard output.
pub(super) fn write_to_stdout(text: &str) {
    if STDOUT_ERROR.get().is_none()
        && let Err(error) = try_write_redacted(io::stdout(), text)
    {
        STDOUT_ERROR.get_or_init(|| error);
    }
}

/// Writes the text without keys, and flushes. Errors are ignored.
pub(super) fn write_redacted(stream: impl Write, text: &str) {
    let _ = try_write_redacted(stream, text);
}

fn try_write_redacted(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(redact_keys(text).as_bytes()).and_then(|()| stream.flush())
}
