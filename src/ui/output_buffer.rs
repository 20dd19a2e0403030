//! Lines for standard output and standard error, kept in their order and written together.
//!
//! Nothing is written before [`OutputBuffer::flush`], so that bars are cleared once for many lines. A write error is ignored:
//! a closed pipe must not stop the archiving.

use std::io::{self, Write};

use super::sanitize::redact_keys;

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
                Target::Stdout => write_redacted(io::stdout(), text),
                Target::Stderr => write_redacted(io::stderr(), text),
            }
        }
    }
}

/// Writes the text without keys, and flushes.
pub(super) fn write_redacted(mut stream: impl Write, text: &str) {
    let _ = stream.write_all(redact_keys(text).as_bytes()).and_then(|()| stream.flush());
}
