//! Reads JSON in passes over its text, without a tree of values.
//!
//! A tree takes up to a hundred times the memory of its text (`1,1,1,...`). The functions here hold only the text and the parts
//! that the caller selects; each pass is linear. The input must be valid JSON, which a [`RawValue`] proves. A string may still
//! contain half of a surrogate pair: such a string can't be read, and everything else can.

mod equality;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) use equality::is_equivalent;
pub(crate) use text::{compact, depth, has_insignificant_whitespace, string_token_len, truncate};

/// The type of a JSON value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum JsonType {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl JsonType {
    /// The type of `raw`, by its first byte.
    #[must_use]
    pub(crate) fn detect(raw: &RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "a list",
            Self::Object => "an object",
        })
    }
}

/// Selected fields of an object, not parsed. The last field of a repeated name counts.
#[derive(Default)]
pub(crate) struct Fields<'a>(Vec<(&'static str, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The fields of `raw` with one of these names; empty when `raw` is no object.
    #[must_use]
    pub(crate) fn select(raw: &'a RawValue, names: &[&'static str]) -> Self {
        let mut fields = Self::default();
        for_each_field(raw, |key, value| {
            let Some(name) = names.iter().find(|name| **name == key) else { return };
            match fields.0.iter_mut().find(|(known, _)| known == name) {
                Some(field) => field.1 = value,
                None => fields.0.push((name, value)),
            }
        });
        fields
    }

    /// The field of this name.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The field of this name, if it is an object.
    #[must_use]
    pub(crate) fn get_object(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|raw| JsonType::detect(raw) == JsonType::Object)
    }
}

/// Calls `each` with the fields of an object, in order; never, when `raw` is no object.
pub(crate) fn for_each_field<'a>(raw: &'a RawValue, each: impl FnMut(&str, &'a RawValue)) {
    if JsonType::detect(raw) == JsonType::Object {
        // The only possible error is a name with half of a surrogate pair; the fields behind it are not visited.
        let _ = serde_json::Deserializer::from_str(raw.get()).deserialize_map(FieldsVisitor { each, text: PhantomData });
    }
}

/// Calls `each` with the items of a list, in order; never, when `raw` is no list.
pub(crate) fn for_each_item<'a>(raw: &'a RawValue, each: impl FnMut(&'a RawValue)) {
    if JsonType::detect(raw) == JsonType::Array {
        // Valid JSON, so it can't fail.
        let _ = serde_json::Deserializer::from_str(raw.get()).deserialize_seq(ItemsVisitor { each, text: PhantomData });
    }
}

/// The result of `read` for a string; `None` when `raw` is no string. The string is copied only to decode escapes.
pub(crate) fn map_string<T>(raw: &RawValue, read: impl FnOnce(&str) -> T) -> Option<T> {
    (JsonType::detect(raw) == JsonType::String).then(|| map_string_token(raw.get(), read)).flatten()
}

/// The result of `read` for the string `token`, which includes its quotes.
fn map_string_token<T>(token: &str, read: impl FnOnce(&str) -> T) -> Option<T> {
    if let Some(plain) = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|rest| !rest.contains('\\')) {
        return Some(read(plain));
    }
    serde_json::Deserializer::from_str(token).deserialize_str(StringVisitor(read)).ok()
}

struct FieldsVisitor<'a, F> {
    each: F,
    text: PhantomData<&'a ()>,
}

impl<'a, F: FnMut(&str, &'a RawValue)> Visitor<'a> for FieldsVisitor<'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed)? {
            (self.each)(&key, map.next_value::<&RawValue>()?);
        }
        Ok(())
    }
}

struct ItemsVisitor<'a, F> {
    each: F,
    text: PhantomData<&'a ()>,
}

impl<'a, F: FnMut(&'a RawValue)> Visitor<'a> for ItemsVisitor<'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            (self.each)(item);
        }
        Ok(())
    }
}

/// The name of a field, copied only to decode escapes.
struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

struct StringVisitor<F>(F);

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for StringVisitor<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn last_field_of_a_name_wins() {
        let object = raw(r#" {"a": 1, "b": {"a": 2}, "\u0061": [3 ,4]} "#);
        let fields = Fields::select(object, &["a", "c"]);
        assert_eq!(fields.get("a").map(RawValue::get), Some("[3 ,4]"));
        assert!(fields.get("b").is_none() && fields.get("c").is_none());
        assert!(Fields::select(object, &["b"]).get_object("b").is_some());
        for other in ["[1]", "7", "\"a\"", "null"] {
            assert!(Fields::select(raw(other), &["a"]).get("a").is_none(), "{other}");
        }
    }

    #[test]
    fn items_are_visited_in_order() {
        let mut items = Vec::new();
        for_each_item(raw(r#"[1, "a" ,{"b":[2]},[]]"#), |item| items.push(item.get()));
        assert_eq!(items, ["1", "\"a\"", r#"{"b":[2]}"#, "[]"]);
        for_each_item(raw(r#"{"a":1}"#), |_| panic!("no list has no items"));
    }

    #[test]
    fn string_escapes_are_decoded() {
        for (json, expected) in [(r#""a""#, Some("a")), (r#""\u0061\/\n""#, Some("a/\n")), (r#""\ud83d""#, None), ("7", None)] {
            assert_eq!(map_string(raw(json), str::to_owned).as_deref(), expected, "{json}");
        }
    }
}
