//! Section 11: traps in an archive, locks that others hold, and systems with few threads.

mod locks;
mod resource_limits;
mod tampered_archive;
