//! The manifest as data: what the archive holds, in one schema for a task folder and for the whole archive.
//!
//! Owns the shape (version 1), the order of keys and entries, and the rule that the same archive
//! gives the same bytes: `task` and `file` are the entries, `unknown` keeps the fields of other versions in them, `write`
//! and `read` are the document around them, `own` is a task's own one, and `judge` says whose a
//! document is.

mod asset_error;
mod file_entry;
mod ownership;
mod reader;
mod response;
mod salvage;
mod task_entry;
mod task_manifest;
mod unknown_fields;
mod writer;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use asset_error::AssetError;
pub use file_entry::FileEntry;
pub use ownership::{Ownership, check_ownership};
pub use reader::{RawTask, for_each_task};
pub use response::ApiResponse;
pub use salvage::salvage;
pub use task_entry::{State, TaskEntry};
pub use task_manifest::TaskManifest;
pub use writer::{write, write_task_manifest};

/// The version that this program writes, and the highest that it reads.
pub const VERSION: u64 = 1;

/// What is kept in a manifest (an answer, notes beside an id) is nested no deeper than this, so that it can be read again.
pub const MAX_DEPTH: usize = 100;

/// `yescale-dl 0.1.0`
pub const GENERATOR: &str = concat!("yescale-dl ", env!("CARGO_PKG_VERSION"));

/// How many levels `value` is nested. The parser has bounded them.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// What the archive holds, sorted by task id. A manifest describes files relative to the folder that it stands in.
#[derive(Serialize, JsonSchema)]
struct Manifest<T> {
    /// Readers refuse a higher one than they know.
    #[schemars(extend("const" = VERSION))]
    manifest_version: u64,
    /// The program that wrote it, and its version.
    generator: &'static str,
    tasks: T,
}

/// The byte-order mark that some editors put in front of a text: it is no part of the JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// `text` without a byte-order mark in front.
fn strip_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// The JSON Schema of a manifest.
#[must_use]
pub fn schema() -> String {
    crate::domain::schema::generate::<Manifest<Vec<TaskEntry>>>()
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::file_entry::tests::file_entry;
    pub(crate) use super::task_entry::tests::entry;
}
