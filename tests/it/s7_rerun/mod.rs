//! Section 7, "Running again, and side by side": "Nothing is fetched twice, nothing is lost, and the root manifest
//! ends up naming every task."

mod concurrency;
mod killed;
mod rerun;
