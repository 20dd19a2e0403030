//! The API's answer, as a task manifest keeps it.
//!
//! It is the longest part of a manifest, and most readers don't need it. So it stays unparsed text, which copies of the
//! entry share. It is written without whitespace outside strings. An answer that an earlier version indented is read
//! unchanged, and compacted when its manifest is rewritten.

use std::sync::Arc;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::json;

/// An unparsed answer.
#[derive(Clone, Debug)]
pub struct ApiResponse(Arc<RawJson>);

/// The text. `Arc<RawValue>` would have to copy it, and it may be long.
#[derive(Debug)]
struct RawJson(Box<RawValue>);

impl ApiResponse {
    /// The answer `value`; `None` when it can't be serialized.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        to_raw_value(value).ok().map(Self::from)
    }

    /// Its text: valid JSON.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0.0
    }
}

impl From<Box<RawValue>> for ApiResponse {
    fn from(text: Box<RawValue>) -> Self {
        Self(Arc::new(RawJson(text)))
    }
}

impl PartialEq for ApiResponse {
    /// Whether both have the same content, in any notation.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || json::is_equivalent(self.raw().get(), other.raw().get())
    }
}

impl<'a> Deserialize<'a> for ApiResponse {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for ApiResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.raw();
        if !json::has_insignificant_whitespace(text.get()) {
            return text.serialize(serializer);
        }
        let compact = RawValue::from_string(json::compact(text.get(), |_| None)).map_err(serde::ser::Error::custom)?;
        compact.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(text: &str) -> ApiResponse {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn response_is_kept_verbatim_and_written_compact() {
        let kept = response(r#"{"b": 12345678901234567890.10,"a":[1, "x\u00e9 y"] ,"a":null}"#);
        let pretty = serde_json::to_string_pretty(&[&kept]).unwrap();
        assert_eq!(
            pretty,
            r#"[
  {"b":12345678901234567890.10,"a":[1,"x\u00e9 y"],"a":null}
]"#
        );
        assert_eq!(response(&pretty), response(&format!("[{}]", kept.raw().get())));
    }

    #[test]
    fn responses_are_equal_in_any_key_order() {
        assert_eq!(response(r#"{"a":1,"b":2}"#), response(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(response(r#"{"a":1}"#), response(r#"{"a":2}"#));
    }

    #[test]
    fn deeply_nested_response_is_kept_unchanged() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(serde_json::to_string(&response(&deep)).unwrap(), deep);
        assert_eq!(response(&deep), response(&deep));
    }
}
