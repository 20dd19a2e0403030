//! Section 7, running again, and side by side.

mod concurrency;
mod killed;
mod rerun;
