//! Section 3, manifest.json: its fields, as they are written.

mod fields;
mod response_and_state;
