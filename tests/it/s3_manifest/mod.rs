//! Section 3, "manifest.json, version 1": "Optional fields that are unknown are left out, never null. `files`,
//! `errors` and `warnings` are always there. Keys keep this order."

mod fields;
mod response_and_state;
