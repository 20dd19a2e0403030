//! Section 11: traps in an archive, locks that others hold, and systems with few threads.

mod few_resources;
mod locks;
mod traps;
