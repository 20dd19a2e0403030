//! Keeps the fields that this version does not know, so that they survive reading and rewriting an entry.
//!
//! `#[serde(flatten)]` can't do it when reading: it buffers the whole entry in a form that loses raw JSON and the digits of
//! numbers. Instead, an [`UnknownFieldCollector`] wraps the deserializer of the derived code. The derived code sees the
//! fields that it knows; the collector keeps the JSON text of each other field, in order. They are written after the known
//! fields. As text, they never take more memory than the manifest itself.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer, forward_to_deserialize_any};
use serde_json::value::RawValue;

use crate::domain::json;

/// Implements `Serialize` and `Deserialize` for a type that derives both with `remote = "Self"`. Its field `unknown` keeps the
/// fields that the derived code does not know.
macro_rules! keep_unknown_fields {
    ($entry:ty) => {
        impl<'de> serde::Deserialize<'de> for $entry {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut unknown = $crate::domain::manifest::unknown_fields::UnknownFields::default();
                let collecting = $crate::domain::manifest::unknown_fields::UnknownFieldCollector::new(deserializer, &mut unknown);
                // This is the derived function, which is inherent.
                let entry = <$entry>::deserialize(collecting)?;
                Ok(Self { unknown, ..entry })
            }
        }

        impl serde::Serialize for $entry {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                struct Known<'a>(&'a $entry);
                impl serde::Serialize for Known<'_> {
                    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                        <$entry>::serialize(self.0, serializer)
                    }
                }
                if self.unknown.is_empty() {
                    return Known(self).serialize(serializer);
                }
                $crate::domain::manifest::unknown_fields::WithUnknownFields { known: Known(self), unknown: &self.unknown }
                    .serialize(serializer)
            }
        }
    };
}
pub(super) use keep_unknown_fields;

/// Fields that this version does not know, unchanged.
#[derive(Clone, Default, Debug)]
pub(crate) struct UnknownFields(Vec<(String, Box<RawValue>)>);

impl UnknownFields {
    /// These fields; if there are none, those of `other`.
    #[must_use]
    pub(crate) fn or(&self, other: &Self) -> Self {
        if self.is_empty() { other.clone() } else { self.clone() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for UnknownFields {
    /// Whether both have the same JSON text.
    fn eq(&self, other: &Self) -> bool {
        fn pairs(unknown: &UnknownFields) -> impl Iterator<Item = (&str, &str)> {
            unknown.0.iter().map(|(key, value)| (key.as_str(), value.get()))
        }
        pairs(self).eq(pairs(other))
    }
}

impl Serialize for UnknownFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // On one line: the line breaks of another writer could look like those between the entries of a manifest.
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, OneLine(value))))
    }
}

/// A value without line breaks.
struct OneLine<'a>(&'a RawValue);

impl Serialize for OneLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0.get().contains(['\n', '\r']) {
            return self.0.serialize(serializer);
        }
        let compact = RawValue::from_string(json::compact(self.0.get(), |_| None)).map_err(serde::ser::Error::custom)?;
        compact.serialize(serializer)
    }
}

/// Serializes the known fields, then the unknown ones.
#[derive(Serialize)]
pub(super) struct WithUnknownFields<'a, T> {
    #[serde(flatten)]
    pub known: T,
    #[serde(flatten)]
    pub unknown: &'a UnknownFields,
}

/// Passes the known fields to the derived code of a struct, and keeps the others.
pub(super) struct UnknownFieldCollector<'m, D> {
    inner: D,
    unknown: &'m mut UnknownFields,
}

impl<'m, D> UnknownFieldCollector<'m, D> {
    pub(super) fn new(inner: D, unknown: &'m mut UnknownFields) -> Self {
        Self { inner, unknown }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for UnknownFieldCollector<'_, D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(CollectingVisitor { visitor, fields, unknown: self.unknown })
    }

    // Needed by the trait only: just structs are deserialized through this type.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct CollectingVisitor<'m, V> {
    visitor: V,
    fields: &'static [&'static str],
    unknown: &'m mut UnknownFields,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for CollectingVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(formatter)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(CollectingMapAccess { map, fields: self.fields, unknown: self.unknown })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(seq)
    }
}

struct CollectingMapAccess<'m, A> {
    map: A,
    fields: &'static [&'static str],
    unknown: &'m mut UnknownFields,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for CollectingMapAccess<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key_seed(KnownKeySeed(self.fields))? {
            match key {
                Ok(known) => return seed.deserialize(StrDeserializer::new(known)).map(Some),
                Err(unknown) => {
                    let value = self.map.next_value()?;
                    self.unknown.0.push((unknown, value));
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Deserializes a key: one of the known keys, or an unknown one.
struct KnownKeySeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KnownKeySeed {
    type Value = Result<&'static str, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownKeySeed {
    type Value = Result<&'static str, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| **known == key).copied().ok_or_else(|| key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::manifest::TaskEntry;

    /// As a later version may write it.
    const LATER: &str = r#"{"rating":4.50,"task_id":"t","state":"complete","place":"kling","files":[{"wideness":1280,"kind":"video","index":1,"path":"video-1.mp4","size":7,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","duration_seconds":5.1,"warnings":[],"facts":{"b":[null,12345678901234567890.10],"a":1}}],"errors":[{"kind":"image","index":2,"seen":3,"error":"HTTP 404"}],"response":{"z":1.0,"a":2}}"#;

    #[test]
    fn unknown_fields_are_kept_in_order_after_the_known_ones() {
        let entry: TaskEntry = serde_json::from_str(LATER).unwrap();
        assert_eq!(entry.files[0].duration_seconds, Some(5.1));
        let written = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            written,
            r#"{"task_id":"t","state":"complete","files":[{"kind":"video","index":1,"path":"video-1.mp4","size":7,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","duration_seconds":5.1,"warnings":[],"wideness":1280,"facts":{"b":[null,12345678901234567890.10],"a":1}}],"errors":[{"kind":"image","index":2,"error":"HTTP 404","seen":3}],"response":{"z":1.0,"a":2},"rating":4.50,"place":"kling"}"#
        );
        assert_eq!(serde_json::from_str::<TaskEntry>(&written).unwrap(), entry, "and again");
        let value = serde_json::from_str::<serde_json::Value>(LATER).unwrap();
        assert_eq!(serde_json::from_value::<TaskEntry>(value).unwrap(), entry, "from a tree, too");
    }

    #[test]
    fn entry_without_a_required_field_is_an_error() {
        assert!(serde_json::from_str::<TaskEntry>(r#"{"task_ie":"t","state":"complete"}"#).is_err());
        assert!(serde_json::from_str::<TaskEntry>(r#"["t"]"#).is_err() && serde_json::from_str::<TaskEntry>("7").is_err());
    }
}
