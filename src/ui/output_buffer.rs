//! Lines on their way to standard output and standard error, in the order in which they were said.
//!
//! Nothing is written before all of it is, so that bars have to step aside once. A reader that has gone away is no
//! concern of the archive's.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use crate::redact::ApiKey;

/// The keys that this process knows of: nothing that is printed shows one.
static KEYS: RwLock<Vec<ApiKey>> = RwLock::new(Vec::new());

/// Lines that were not written yet.
#[derive(Default)]
pub(super) struct OutputBuffer {
    /// What is for standard error (true) or standard output in one go.
    chunks: Vec<(bool, String)>,
}

impl OutputBuffer {
    /// A line for standard output.
    pub(super) fn push_stdout(&mut self, line: &str) {
        self.push(line, false);
    }

    /// A line for standard error.
    pub(super) fn push_stderr(&mut self, line: &str) {
        self.push(line, true);
    }

    fn push(&mut self, line: &str, is_aside: bool) {
        match self.chunks.last_mut() {
            Some((last, text)) if *last == is_aside => text.extend([line, "\n"]),
            _ => self.chunks.push((is_aside, format!("{line}\n"))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Writes what was said.
    pub(super) fn flush(&self) {
        for (is_aside, text) in &self.chunks {
            if *is_aside { write_redacted(io::stderr(), text) } else { write_redacted(io::stdout(), text) }
        }
    }
}

/// Takes `key` out of whatever is printed from now on.
pub(crate) fn register_key(key: &ApiKey) {
    let mut keys = KEYS.write().unwrap_or_else(PoisonError::into_inner);
    if !keys.iter().any(|known| known.expose() == key.expose()) {
        keys.push(key.clone());
    }
}

/// `text` without the keys that are known.
pub(crate) fn redact_keys(text: &str) -> Cow<'_, str> {
    redact_with(text, ApiKey::redact)
}

/// The same for the text of a JSON document, which stays one.
pub(super) fn redact_keys_in_json(json: &str) -> Cow<'_, str> {
    redact_with(json, ApiKey::redact_json)
}

fn redact_with(text: &str, scrub: for<'a> fn(&ApiKey, &'a str) -> Cow<'a, str>) -> Cow<'_, str> {
    let keys = KEYS.read().unwrap_or_else(PoisonError::into_inner);
    keys.iter().fold(Cow::Borrowed(text), |text, key| match scrub(key, &text) {
        Cow::Owned(scrubbed) => Cow::Owned(scrubbed),
        Cow::Borrowed(_) => text,
    })
}

/// Writes at once, and shows no key.
pub(super) fn write_redacted(mut stream: impl Write, text: &str) {
    let _ = stream.write_all(redact_keys(text).as_bytes()).and_then(|()| stream.flush());
}
