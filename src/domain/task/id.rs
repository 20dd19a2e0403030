//! Task ids, as users give them: any text that is not blank.
//!
//! The id is the one that the user gave, never one from an answer. It identifies the task at the gateway, in the archive and in
//! messages; `layout` derives the folder name from it. No id is refused for its characters: URLs and messages escape them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::integrity::digest::sha256;
use crate::redact::escape_control_chars;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A task's id, as the user gave it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TaskId(String);

impl TaskId {
    /// The id in `text`, without surrounding whitespace; `None` when `text` is blank.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 16 bytes of the id's SHA-256: enough to distinguish any two ids.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> u128 {
        u128::from_be_bytes(sha256(self.0.as_bytes()).as_chunks().0[0])
    }

    /// The id as one path segment of a URL; `None` for `.` and `..`, which URLs resolve.
    #[must_use]
    pub(crate) fn path_segment(&self) -> Option<String> {
        (!matches!(self.as_str(), "." | "..")).then(|| utf8_percent_encode(&self.0, UNRESERVED).to_string())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_control_chars(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_encoded_as_one_path_segment() {
        for (id, segment) in [
            ("777935781150867525", "777935781150867525"),
            ("A-z.0_9~", "A-z.0_9~"),
            ("veo3:17-Y", "veo3%3A17-Y"),
            ("models/veo/1", "models%2Fveo%2F1"),
            ("a b?c#d%e", "a%20b%3Fc%23d%25e"),
            ("ä", "%C3%A4"),
            ("...", "..."),
        ] {
            assert_eq!(TaskId::new(id).unwrap().path_segment().as_deref(), Some(segment));
        }
        for id in [".", ".."] {
            assert_eq!(TaskId::new(id).unwrap().path_segment(), None);
        }
        assert_eq!(TaskId::new("  \t"), None);
        assert_eq!(TaskId::new(" x \n").unwrap().as_str(), "x");
    }

    #[test]
    fn fingerprint_is_the_first_half_of_the_sha256() {
        // The output of `sha256sum` for `abc`.
        assert_eq!(TaskId::new("abc").unwrap().fingerprint(), 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
    }
}
