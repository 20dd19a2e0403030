//! What no section says: how the code is laid out, what is written of its tests, and the crate in another program.

mod layers;
mod library;
mod promises;
mod workflows;
