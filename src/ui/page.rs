//! Lines on their way to standard output and standard error, in the order in which they were said.
//!
//! Nothing is written before all of it is, so that bars have to step aside once. A reader that has gone away is no
//! concern of the archive's.

use std::io::{self, Write};

/// Lines that were not written yet.
#[derive(Default)]
pub(super) struct Page {
    /// What is for standard error (true) or standard output in one go.
    passages: Vec<(bool, String)>,
}

impl Page {
    /// A line for standard output.
    pub(super) fn result(&mut self, line: &str) {
        self.say(line, false);
    }

    /// A line for standard error.
    pub(super) fn aside(&mut self, line: &str) {
        self.say(line, true);
    }

    fn say(&mut self, line: &str, is_aside: bool) {
        match self.passages.last_mut() {
            Some((last, text)) if *last == is_aside => text.extend([line, "\n"]),
            _ => self.passages.push((is_aside, format!("{line}\n"))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// Writes what was said.
    pub(super) fn write(&self) {
        for (is_aside, text) in &self.passages {
            if *is_aside { to(io::stderr(), text) } else { to(io::stdout(), text) }
        }
    }
}

/// Writes at once.
pub(super) fn to(mut stream: impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
