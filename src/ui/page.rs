//! Lines on their way to standard output and standard error, in the order in which they were said.
//!
//! Nothing is written before all of it is, so that bars have to step aside once. A reader that has gone away is no
//! concern of the archive's.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use crate::secret::ApiKey;

/// The keys that this process knows of: nothing that is printed shows one.
static KEYS: RwLock<Vec<ApiKey>> = RwLock::new(Vec::new());

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

/// Takes `key` out of whatever is printed from now on.
pub(crate) fn hide(key: &ApiKey) {
    let mut keys = KEYS.write().unwrap_or_else(PoisonError::into_inner);
    if !keys.iter().any(|known| known.expose() == key.expose()) {
        keys.push(key.clone());
    }
}

/// `text` without the keys that are known.
pub(crate) fn hidden(text: &str) -> Cow<'_, str> {
    without(text, ApiKey::scrub)
}

/// The same for the text of a JSON document, which stays one.
pub(super) fn hidden_json(json: &str) -> Cow<'_, str> {
    without(json, ApiKey::scrub_json_text)
}

fn without(text: &str, scrub: for<'a> fn(&ApiKey, &'a str) -> Cow<'a, str>) -> Cow<'_, str> {
    let keys = KEYS.read().unwrap_or_else(PoisonError::into_inner);
    keys.iter().fold(Cow::Borrowed(text), |text, key| match scrub(key, &text) {
        Cow::Owned(scrubbed) => Cow::Owned(scrubbed),
        Cow::Borrowed(_) => text,
    })
}

/// Writes at once, and shows no key.
pub(super) fn to(mut stream: impl Write, text: &str) {
    let _ = stream.write_all(hidden(text).as_bytes()).and_then(|()| stream.flush());
}
