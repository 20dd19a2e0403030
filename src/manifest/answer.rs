//! The API's answer, kept in a task's own manifest.
//!
//! Most readers of a manifest never look at it, and it is the longest part: so it is held as the text
//! that it came as, and understood only where somebody asks. Written, it takes the manifest's form.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// An answer, unread.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Answer(Box<RawValue>);

impl Answer {
    /// The answer `value`; none where it can't be written.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        to_raw_value(value).ok().map(Self)
    }

    /// What it says; none where it is nested too deeply to be read.
    #[must_use]
    pub fn read(&self) -> Option<Value> {
        serde_json::from_str(self.0.get()).ok()
    }
}

impl PartialEq for Answer {
    /// Whether both say the same, however they are written.
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get() || self.read() == other.read()
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<Value>(self.0.get()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn it_is_kept_to_the_digit_and_written_in_the_form_around_it() {
        let kept = answer(r#"{"b": 12345678901234567890.10,"a":[1]}"#);
        let pretty = serde_json::to_string_pretty(&[&kept]).unwrap();
        assert_eq!(pretty, "[\n  {\n    \"b\": 12345678901234567890.10,\n    \"a\": [\n      1\n    ]\n  }\n]");
        assert_eq!(answer(&pretty), answer(&format!("[{}]", kept.0.get())));
    }

    #[test]
    fn two_are_equal_when_they_say_the_same() {
        assert_eq!(answer(r#"{"a":1,"b":2}"#), answer(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(answer(r#"{"a":1}"#), answer(r#"{"a":2}"#));
    }

    #[test]
    fn one_that_is_too_deep_is_passed_over_not_read() {
        let deep = answer(&format!("{}{}", "[".repeat(1000), "]".repeat(1000)));
        assert!(deep.read().is_none() && serde_json::to_string(&deep).is_err());
    }
}
