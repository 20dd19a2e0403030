//! Task ids, as users give them: any text that is not blank.
//!
//! An id names a task to the gateway, in the archive and to people; which folder it gets, `naming` says. It is never
//! what an answer says, and none is refused for its looks: what a URL or a terminal can't take is escaped there.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::integrity::digest::sha256;
use crate::redact::escape_control_chars;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A task's id, as the user gave it: any text that is not blank.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TaskId(String);

impl TaskId {
    /// The id in `text`, without the blanks around it; none when nothing is left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The id as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of the id's hash to tell it from any other, in 16 bytes.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> u128 {
        u128::from_be_bytes(sha256(self.0.as_bytes()).as_chunks().0[0])
    }

    /// The id as one path segment of a URL; none for `.` and `..`, which no URL can carry as a name.
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
        // As `sha256sum` says it of `abc`.
        assert_eq!(TaskId::new("abc").unwrap().fingerprint(), 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
    }
}
