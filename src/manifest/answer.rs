//! The API's answer, kept in a task's own manifest.
//!
//! Most readers of a manifest never look at it, and it is the longest part: it is held as text, shared between copies of its
//! entry, and what it says is read from that text. It is written without blanks outside strings. One that an earlier version
//! indented is read as it stands, and compacted when its manifest is written again.

use std::sync::Arc;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::json;

/// An answer, unread.
#[derive(Clone, Debug)]
pub struct Answer(Arc<Text>);

/// The text, which is never moved to be shared: it may be long.
#[derive(Debug)]
struct Text(Box<RawValue>);

impl Answer {
    /// The answer `value`; none where it can't be written.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        to_raw_value(value).ok().map(Self::from)
    }

    /// Its text, which is valid JSON.
    #[must_use]
    pub fn text(&self) -> &RawValue {
        &self.0.0
    }
}

impl From<Box<RawValue>> for Answer {
    fn from(text: Box<RawValue>) -> Self {
        Self(Arc::new(Text(text)))
    }
}

impl PartialEq for Answer {
    /// Whether both say the same, however they are written.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || json::is_same(self.text().get(), other.text().get())
    }
}

impl<'a> Deserialize<'a> for Answer {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text();
        if !json::has_blanks(text.get()) {
            return text.serialize(serializer);
        }
        let compact = RawValue::from_string(json::compact(text.get(), |_| None)).map_err(serde::ser::Error::custom)?;
        compact.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn it_is_kept_to_the_letter_and_written_without_blanks() {
        let kept = answer(r#"{"b": 12345678901234567890.10,"a":[1, "x\u00e9 y"] ,"a":null}"#);
        let pretty = serde_json::to_string_pretty(&[&kept]).unwrap();
        assert_eq!(
            pretty,
            r#"[
  {"b":12345678901234567890.10,"a":[1,"x\u00e9 y"],"a":null}
]"#
        );
        assert_eq!(answer(&pretty), answer(&format!("[{}]", kept.text().get())));
    }

    #[test]
    fn two_are_equal_when_they_say_the_same() {
        assert_eq!(answer(r#"{"a":1,"b":2}"#), answer(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(answer(r#"{"a":1}"#), answer(r#"{"a":2}"#));
    }

    #[test]
    fn one_of_many_levels_is_kept_as_it_is() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(serde_json::to_string(&answer(&deep)).unwrap(), deep);
        assert_eq!(answer(&deep), answer(&deep));
    }
}
