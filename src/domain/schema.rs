//! What the types of this program look like as JSON, told as a JSON Schema (draft 2020-12).
//!
//! The schemas are made from the types that are written, so that they can't say anything else. They
//! hold for every later version of a document, too: fields that are not named are allowed.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, RestrictFormats};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of what a `T` is written as, two-space indent and a newline at the end.
#[must_use]
pub(crate) fn generate<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    // The formats of Rust's numbers mean nothing to others.
    let settings = settings.with_transform(RestrictFormats::default()).with_transform(RecursiveTransform(remove_null_type));
    format!("{:#}\n", settings.into_generator().into_root_schema_for::<T>().to_value())
}

/// A time as documents have it: RFC 3339 in UTC.
#[derive(JsonSchema)]
#[schemars(transparent, extend("format" = "date-time", "pattern" = "Z$"))]
pub(crate) struct Time(#[expect(dead_code, reason = "it stands for texts")] String);

/// What is unknown is left out of a document, never null.
fn remove_null_type(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [single] = &mut types[..] {
            let single = single.take();
            schema.insert("type".to_owned(), single);
        }
    }
}
