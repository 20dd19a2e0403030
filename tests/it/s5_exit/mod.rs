//! Section 5, exit codes, and how a run is interrupted.

mod codes;
mod interrupt;
