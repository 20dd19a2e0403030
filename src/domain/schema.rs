//! JSON Schemas (draft 2020-12) of the documents that this program writes.
//!
//! They are generated from the types that are serialized, so that schema and document can't differ. A schema also accepts the
//! documents of later versions: it allows fields that it does not name.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, RestrictFormats};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of a serialized `T`, with a two-space indent and a newline at the end.
#[must_use]
pub(crate) fn generate<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    // Formats such as `uint64` are Rust's own; no other program understands them.
    let settings = settings.with_transform(RestrictFormats::default()).with_transform(RecursiveTransform(remove_null_type));
    format!("{:#}\n", settings.into_generator().into_root_schema_for::<T>().to_value())
}

/// A time in a document: RFC 3339, in UTC.
#[derive(JsonSchema)]
#[schemars(transparent, extend("format" = "date-time", "pattern" = "Z$"))]
pub(crate) struct Time(#[expect(dead_code, reason = "only its schema is used")] String);

/// Removes `null` from the types: a document leaves an unknown field out and never writes null.
fn remove_null_type(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [single] = &mut types[..] {
            let single = single.take();
            schema.insert("type".to_owned(), single);
        }
    }
}
