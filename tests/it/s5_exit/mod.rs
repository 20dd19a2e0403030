//! Section 5, "Exit codes": "Where several apply, the order is: a signal's code, then 2, 1, 3, 0. One bad task never
//! stops the others."

mod bad_base_url;
mod codes;
mod interrupt;
mod unreachable;
