//! Section 7, running again, and side by side.

mod killed;
mod rerun;
mod together;
