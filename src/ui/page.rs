//! Lines on their way to standard output and standard error, in the order in which they were said.
//!
//! What is said together is written together. A reader that has gone away is no concern of the archive's.

use std::io::{self, Write};

/// Lines that were not written yet, all for the same stream.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    is_aside: bool,
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
        if self.is_aside != is_aside {
            self.write();
            self.is_aside = is_aside;
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Writes what was said.
    pub(super) fn write(&mut self) {
        let text = std::mem::take(&mut self.text);
        match self.is_aside {
            _ if text.is_empty() => {}
            true => to(io::stderr(), &text),
            false => to(io::stdout(), &text),
        }
    }
}

/// Writes at once.
pub(super) fn to(mut stream: impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
