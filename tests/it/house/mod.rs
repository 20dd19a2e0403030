//! What no section says: how the code is laid out, what is written of its tests, and the crate in another program.

mod doc_references;
mod layers;
mod library;
mod workflows;
