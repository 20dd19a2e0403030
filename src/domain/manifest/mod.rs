//! The manifest as data: the contents of an archive. A task folder and the whole archive use the same schema.
//!
//! Owns the shape (version 1), the order of keys and entries, and the rule that the same archive gives the same bytes.
//! Entries: `task_entry` (in words for people: `description`), `file_entry`, `asset_error`, `response`; `unknown_fields` keeps
//! the fields of other versions. Documents: `writer`, `reader`, `layout_scan` for long ones, `task_manifest` for the manifest
//! of one task, `ownership` for who wrote a `manifest.json`, and `salvage` for a damaged one.

mod asset_error;
mod description;
mod file_entry;
mod layout_scan;
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
pub(crate) use layout_scan::{find_entry, frames_many_tasks, scan_layout};
pub use ownership::{Ownership, check_ownership};
pub use reader::{RawTask, for_each_task};
pub use response::ApiResponse;
pub use salvage::salvage;
pub use task_entry::{State, TaskEntry};
pub use task_manifest::TaskManifest;
pub(crate) use writer::{ListWriter, list_entry, list_start};
pub use writer::{write, write_task_manifest};

/// The manifest version that this program writes, and the highest that it reads.
pub const VERSION: u64 = 1;

/// The maximum nesting depth of JSON that a manifest keeps (an answer, `meta`), so that the manifest can be parsed again.
pub const MAX_DEPTH: usize = 100;

/// `yescale-dl 0.2.0`
pub const GENERATOR: &str = concat!("yescale-dl ", env!("CARGO_PKG_VERSION"));

/// The number of nested levels of `value`. Recursive: the parser has bounded the depth.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The tasks of an archive, sorted by id. Paths are relative to the manifest's folder.
#[derive(Serialize, JsonSchema)]
struct Manifest<T> {
    /// The version of the format. Readers refuse a higher version than they know.
    #[schemars(extend("const" = VERSION))]
    manifest_version: u64,
    /// The program that wrote it, and its version.
    generator: &'static str,
    tasks: T,
}

/// The byte-order mark that some editors write at the beginning of a text. It is no part of the JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// `text` without a byte-order mark at its beginning.
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
